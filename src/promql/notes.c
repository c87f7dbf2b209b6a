/* What a query says beside its result. Wording and positions: Prometheus, util/annotations. */
#include "promql/eval.h"

#include "base/clock.h"
#include "base/num.h"
#include "promql/lex.h"

#include <math.h>
#include <stdio.h>

#define MAX_NOTES 200

size_t argument_position(const struct promql_expr *arg)
{
    while (arg->kind == NODE_PAREN)
        arg = arg->args[0];
    return arg->kind == NODE_SUBQUERY ? 0 : arg->position;
}

static struct note *new_note(struct query *q, enum note_kind kind, const char *text)
{
    if (q->n_notes == MAX_NOTES)
        return NULL;
    q->notes = arena_grow(q->arena, q->notes, q->n_notes, &q->note_capacity, sizeof *q->notes);
    q->notes[q->n_notes] = (struct note){kind, text, NULL};
    return &q->notes[q->n_notes++];
}

static struct note *find_note(const struct query *q, const char *text, size_t n)
{
    for (size_t i = 0; i < q->n_notes; i++) {
        if (strncmp(q->notes[i].text, text, n) == 0)
            return &q->notes[i];
    }
    return NULL;
}

void add_note(struct query *q, enum note_kind kind, size_t position, const char *format, ...)
{
    char message[400], text[500];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct place place = place_of(q->text, position);
    (void)snprintf(text, sizeof text, "PromQL %s: %s (%zu:%zu)",
                   kind == NOTE_WARNING ? "warning" : "info", message, place.line, place.column);
    if (!find_note(q, text, sizeof text))
        (void)new_note(q, kind, arena_strdup(q->arena, text));
}

static void add_seconds(struct buf *text, int64_t t_ms)
{
    clock_format_ms(text, t_ms);
    text->n -= sizeof ".000Z" - 1;
    buf_add_char(text, 'Z');
}

static const char *mended_text(struct query *q, const struct mended *m, const char *about,
                               size_t position)
{
    struct place place = place_of(q->text, position);
    struct buf text = BUF_INIT;
    buf_add_cstr(&text, about);
    num_add_double(&text, m->low_le);
    buf_add_cstr(&text, " to ");
    num_add_double(&text, m->high_le);
    buf_printf(&text, ", with a max diff of %.2g, over %llu samples from ", m->most,
               (unsigned long long)m->n);
    add_seconds(&text, m->first_ms);
    buf_add_cstr(&text, " to ");
    add_seconds(&text, m->last_ms);
    buf_printf(&text, " (%zu:%zu)", place.line, place.column);
    const char *out = arena_cstr(q->arena, buf_str(&text));
    buf_release(&text);
    return out;
}

static void merge_mended(struct mended *into, const struct mended *m)
{
    into->n += m->n;
    into->first_ms = m->first_ms < into->first_ms ? m->first_ms : into->first_ms;
    into->last_ms = m->last_ms > into->last_ms ? m->last_ms : into->last_ms;
    into->low_le = fmin(into->low_le, m->low_le);
    into->high_le = fmax(into->high_le, m->high_le);
    into->most = fmax(into->most, m->most);
}

void add_mended_note(struct query *q, size_t position, struct str metric, const struct mended *m)
{
    char about[500];
    bool named = metric.n > 0;
    int n = snprintf(about, sizeof about,
                     "PromQL info: input to histogram_quantile needed to be fixed for monotonicity "
                     "(see https://prometheus.io/docs/prometheus/latest/querying/functions/"
                     "#histogram_quantile)%s%.*s%s, from buckets ",
                     named ? " for metric name \"" : "", (int)(metric.n < 200 ? metric.n : 200),
                     named ? metric.p : "", named ? "\"" : "");
    struct note *note = find_note(q, about, (size_t)n);
    if (note)
        merge_mended(note->mended, m);
    else if ((note = new_note(q, NOTE_INFO, about)) != NULL)
        note->mended = arena_memdup(q->arena, m, sizeof *m);
    if (note)
        note->text = mended_text(q, note->mended, about, position);
}
