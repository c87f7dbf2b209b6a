#include "promql/native_notes.h"

struct wording {
    enum note_kind kind;
    const char *text;
};

/* As much of it as there is room for. */
static struct str name_of(struct labels labels)
{
    struct str name = labels_get(labels, LABEL_NAME);
    return str_make(name.p, name.n < 200 ? name.n : 200);
}

void note_metric(struct query *q, enum metric_note note, struct labels labels, size_t position)
{
    static const struct wording words[] = {
#define X(code, kind, text) {kind, text},
        METRIC_NOTES(X)
#undef X
    };
    struct str name = name_of(labels);
    add_note(q, words[note].kind, position, "%s \"" STR_FMT "\"", words[note].text, STR_ARG(name));
}

void note_optional(struct query *q, enum optional_note note, struct labels labels, size_t position)
{
    static const struct wording words[] = {
#define X(code, kind, text) {kind, text},
        OPTIONAL_NOTES(X)
#undef X
    };
    struct str name = name_of(labels);
    if (name.n > 0)
        add_note(q, words[note].kind, position, "%s for metric name \"" STR_FMT "\"",
                 words[note].text, STR_ARG(name));
    else
        add_note(q, words[note].kind, position, "%s", words[note].text);
}

void note_mixed_aggregation(struct query *q, size_t position)
{
    add_note(q, NOTE_WARNING, position,
             "encountered a mix of histograms and floats for aggregation");
}

void note_ignored_in_aggregation(struct query *q, const char *name, size_t position)
{
    add_note(q, NOTE_INFO, position, "ignored histogram in %s aggregation", name);
}

void note_meeting(struct query *q, const struct meeting *m, const char *operation, size_t position)
{
    if (m->reset_conflict)
        add_note(q, NOTE_WARNING, position, "conflicting counter resets during histogram %s",
                 operation);
    if (m->bounds_differ)
        add_note(q, NOTE_INFO, position, "mismatched custom buckets were reconciled during %s",
                 operation);
}

void note_incompatible_types(struct query *q, const struct promql_expr *e, bool left_is_histogram,
                             bool right_is_histogram)
{
    const char *op = binary_op_text(e->op);
    add_note(q, NOTE_INFO, e->position,
             "incompatible sample types encountered for binary operator \"%s\": %s %s %s", op,
             left_is_histogram ? "histogram" : "float", op,
             right_is_histogram ? "histogram" : "float");
}

void note_incompatible_layout(struct query *q, const struct promql_expr *e)
{
    add_note(q, NOTE_WARNING, e->position,
             "incompatible bucket layout encountered for binary operator %s",
             binary_op_text(e->op));
}
