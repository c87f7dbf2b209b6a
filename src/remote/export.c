/* VictoriaMetrics's /api/v1/export: one JSON object a line, {"metric": {...}, "values": [...],
 * "timestamps": [...]}; a series may be in several lines. It serves no remote read, and this is the
 * exact way to its samples: a value that is null is a stale marker. Infinities are text or, from
 * older ones, +Inf and -Inf as they are, which is no JSON. */
#include "remote/internal.h"

#include "base/num.h"

static bool value_of(const json_t *v, double *out)
{
    if (json_is_null(v)) {
        *out = stale_nan();
        return true;
    }
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    struct str text = str_from(json_is_string(v) ? json_string_value(v) : "");
    if (str_eq(text, STR("Infinity")) || str_eq(text, STR("-Infinity")))
        text.n -= strlen("inity");
    return num_parse_double(text, out);
}

/* The line with bare words like +Inf in quotes. */
static void quote_words(struct str line, struct buf *out)
{
    bool in_string = false, in_word = false;
    buf_clear(out);
    for (size_t i = 0; i < line.n; i++) {
        char c = line.p[i];
        bool starts = !in_string && !in_word &&
                      (c == '+' || c == 'I' || c == 'N' ||
                       (c == '-' && i + 1 < line.n && line.p[i + 1] == 'I'));
        bool ends = in_word && (c == ',' || c == ']');
        if (starts || ends) {
            buf_add_char(out, '"');
            in_word = starts;
        }
        if (in_string && c == '\\' && i + 1 < line.n)
            buf_add_char(out, line.p[i++]);
        else if (c == '"' && !in_word)
            in_string = !in_string;
        buf_add_char(out, line.p[i]);
    }
}

static bool read_line(struct arena *arena, struct str line, struct gather *g, struct err *err)
{
    struct labels labels;
    const json_t *object = json_parse(arena, line, err);
    const json_t *values = json_object_get(object, "values");
    const json_t *times = json_object_get(object, "timestamps");
    if (!object)
        return err_prefix(err, "a line of the export is no JSON: ");
    if (!labels_of_json(arena, json_object_get(object, "metric"), &labels) ||
        !json_is_array(values) || json_array_size(values) != json_array_size(times))
        return err_set(err, ERR_BAD_INPUT,
                       "a line of the export has no metric, values and as many timestamps");
    struct gathered *series = gather_series(g, labels);
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *t = json_array_get(times, i);
        struct sample s = {.t_ms = json_is_integer(t) ? json_integer_value(t) : 0};
        if (!json_is_integer(t) || !value_of(json_array_get(values, i), &s.v))
            return err_set(err, ERR_BAD_INPUT, "sample %zu of a line of the export is none", i);
        if (!gather_add(g, series, s, err))
            return false;
    }
    return true;
}

static bool read_lines(struct str lines, struct gather *g, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct buf quoted = BUF_INIT;
    struct str line;
    bool good = true;
    while (good && str_cut(&lines, '\n', &line)) {
        quote_words(str_trim(line), &quoted);
        if (quoted.n > 0)
            good = read_line(&arena, buf_str(&quoted), g, err);
        arena_clear(&arena);
    }
    buf_release(&quoted);
    arena_release(&arena);
    return good;
}

static void write_form(struct buf *form, const struct remote_question *q, int64_t from_ms,
                       int64_t to_ms)
{
    buf_add_cstr(form, "match[]=");
    add_form_selector(form, q);
    buf_printf(form, "&start=%.3f&end=%.3f&max_rows_per_line=100000", (double)from_ms / 1000,
               (double)to_ms / 1000);
}

static const struct gather_way way = {write_form, read_lines};

bool remote_export_parse(struct arena *arena, struct str lines, struct promql_series **out,
                         size_t *n, struct err *err)
{
    return gather_answer(&way, arena, lines, out, n, err);
}

bool remote_select_export(const struct remote_source *s, const struct remote_question *q,
                          struct arena *arena, struct promql_series **out, size_t *n,
                          struct err *err)
{
    return gather_question(s, q, &way, arena, out, n, err);
}
