/* cqed query: PromQL at a terminal. Values are printed as the server gave them; a line of bars
 * shows the shape of a range, each bar the highest value of its part. */
#include "cli/internal.h"

#include "base/clock.h"
#include "base/num.h"
#include "promql/promql.h"
#include "store/foreign.h"

#include <math.h>

#define BARS 60
#define MAX_SECONDS 1e12 /* since 1970; later is no time */

/* --- Labels --- */

static const char *text_series(struct arena *arena, const json_t *metric)
{
    struct buf out = BUF_INIT;
    const char *key;
    json_t *value;
    bool first = true;
    buf_add_cstr(&out, json_get_cstr(metric, "__name__", ""));
    buf_add_char(&out, '{');
    json_object_foreach((json_t *)metric, key, value)
    {
        if (strcmp(key, "__name__") == 0)
            continue;
        buf_printf(&out, "%s%s=", first ? "" : ", ", key);
        json_add_string(&out, str_from(json_is_string(value) ? json_string_value(value) : ""));
        first = false;
    }
    buf_add_char(&out, '}');
    const char *text = clean(arena, arena_cstr(arena, buf_str(&out)));
    buf_release(&out);
    return text;
}

/* --- Bars --- */

struct range {
    double start_s, step_s;
    size_t n; /* points from start, included, to end */
};

struct shape {
    double bars[BARS]; /* NaN = nothing there */
    size_t n_bars;
    double low, high;
    const char *last;
};

/* --- Native histograms --- */

/* Buckets as [rule, low, high, count]; rules as in src/serve/prometheus.c. */
static void add_bucket(struct buf *out, const json_t *bucket)
{
    const char *text[3];
    json_int_t rule = json_integer_value(json_array_get(bucket, 0));
    for (size_t i = 0; i < 3; i++) {
        text[i] = json_string_value(json_array_get(bucket, i + 1));
        if (!text[i])
            return;
    }
    buf_printf(out, "  %c%s,%s%c %s", rule == 1 || rule == 3 ? '[' : '(', text[0], text[1],
               rule == 0 || rule == 3 ? ']' : ')', text[2]);
}

/* "count 14  sum 24  (0.5,1] 1  (1,2] 13" */
static const char *text_histogram(struct arena *arena, const json_t *h)
{
    struct buf out = BUF_INIT;
    const json_t *buckets = json_object_get(h, "buckets");
    buf_printf(&out, "count %s  sum %s", json_get_cstr(h, "count", "?"),
               json_get_cstr(h, "sum", "?"));
    for (size_t i = 0; i < json_array_size(buckets); i++)
        add_bucket(&out, json_array_get(buckets, i));
    const char *text = clean(arena, arena_cstr(arena, buf_str(&out)));
    buf_release(&out);
    return text;
}

/* [t, "v"], or [t, histogram], whose count is the value. */
static bool read_point(const json_t *point, double *t_s, const char **text, double *v)
{
    *t_s = json_to_double(json_array_get(point, 0), (double)NAN);
    const json_t *value = json_array_get(point, 1);
    *text = json_is_object(value) ? json_string_value(json_object_get(value, "count"))
                                  : json_string_value(value);
    return *text && fabs(*t_s) < MAX_SECONDS && num_parse_double(str_from(*text), v);
}

static void begin_shape(const struct range *range, struct shape *s)
{
    *s = (struct shape){
        .low = (double)NAN, .high = (double)NAN, .n_bars = range->n < BARS ? range->n : BARS};
    for (size_t i = 0; i < s->n_bars; i++)
        s->bars[i] = (double)NAN;
}

static void measure(const json_t *values, const struct range *range, struct shape *s)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        double t_s, v;
        const char *text;
        if (!read_point(json_array_get(values, i), &t_s, &text, &v))
            continue;
        double at = (t_s - range->start_s) / range->step_s;
        double bar = floor((at + 0.5) * (double)s->n_bars / (double)range->n);
        s->last = text;
        if (!isfinite(v) || !(bar >= 0) || bar >= (double)s->n_bars)
            continue;
        s->bars[(size_t)bar] = fmax(s->bars[(size_t)bar], v);
        s->low = fmin(s->low, v);
        s->high = fmax(s->high, v);
    }
}

static const char *draw(struct arena *arena, const struct shape *s)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < s->n_bars; i++) {
        double span = s->high - s->low;
        double part = span > 0 ? (s->bars[i] - s->low) / span : 0;
        if (isnan(s->bars[i]))
            buf_add_char(&out, ' ');
        else
            buf_add_cstr(&out, blocks[(size_t)fmin(7, floor(part * 8))]);
    }
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static const char *text_value(struct arena *arena, double v)
{
    return isnan(v) ? "-" : arena_printf(arena, "%.6g", v);
}

static void print_matrix(struct cli *cli, const json_t *result, const struct range *range)
{
    static const char *const headers[] = {"", "LOWEST", "HIGHEST", "LAST", "SERIES", NULL};
    struct table table;
    struct shape shape;
    table_init(&table, &cli->arena, headers);
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *series = json_array_get(result, i);
        begin_shape(range, &shape);
        measure(json_object_get(series, "values"), range, &shape);
        measure(json_object_get(series, "histograms"), range, &shape);
        table_add(&table, PAINT_NONE, draw(&cli->arena, &shape));
        table_add(&table, PAINT_NONE, text_value(&cli->arena, shape.low));
        table_add(&table, PAINT_NONE, text_value(&cli->arena, shape.high));
        table_add(&table, PAINT_BOLD, clean(&cli->arena, shape.last));
        table_add(&table, PAINT_NONE, text_series(&cli->arena, json_object_get(series, "metric")));
    }
    table_print(&table, cli);
}

static void print_points(struct cli *cli, const json_t *points)
{
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i), *value = json_array_get(point, 1);
        double t_s, v;
        const char *text;
        if (!read_point(point, &t_s, &text, &v))
            continue;
        text =
            json_is_object(value) ? text_histogram(&cli->arena, value) : clean(&cli->arena, text);
        (void)fprintf(cli->out, "  %s  %s\n", text_time(&cli->arena, (int64_t)(t_s * 1000)), text);
    }
}

/* A range vector's samples at an instant: one line each. */
static void print_samples(struct cli *cli, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *series = json_array_get(result, i);
        const json_t *values = json_object_get(series, "values");
        (void)fprintf(cli->out, "%s\n",
                      text_series(&cli->arena, json_object_get(series, "metric")));
        print_points(cli, values);
        print_points(cli, json_object_get(series, "histograms"));
    }
}

static void print_vector(struct cli *cli, const json_t *result)
{
    static const char *const headers[] = {"VALUE", "SERIES", NULL};
    struct table table;
    table_init(&table, &cli->arena, headers);
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *series = json_array_get(result, i);
        const json_t *value = json_array_get(json_object_get(series, "value"), 1);
        const json_t *h = json_array_get(json_object_get(series, "histogram"), 1);
        table_add(&table, PAINT_BOLD,
                  h ? text_histogram(&cli->arena, h)
                    : clean(&cli->arena, json_string_value(value)));
        table_add(&table, PAINT_NONE, text_series(&cli->arena, json_object_get(series, "metric")));
    }
    table_print(&table, cli);
}

static void print_result(struct cli *cli, const json_t *data, const struct range *range)
{
    const char *type = json_get_cstr(data, "resultType", "");
    const json_t *result = json_object_get(data, "result");
    bool is_single = strcmp(type, "scalar") == 0 || strcmp(type, "string") == 0;
    if (is_single)
        (void)fprintf(cli->out, "%s\n",
                      clean(&cli->arena, json_string_value(json_array_get(result, 1))));
    else if (json_array_size(result) == 0)
        (void)fputs("no series\n", cli->out);
    else if (strcmp(type, "vector") == 0)
        print_vector(cli, result);
    else if (range)
        print_matrix(cli, result, range);
    else
        print_samples(cli, result);
}

/* --- Asking --- */

/* "1:7: what", as it is or behind Prometheus's words: the query again with a mark under its place.
 */
static void point_at_error(struct cli *cli, const char *query, const char *message)
{
    static const char lead[] = "invalid parameter \"query\": ";
    bool has_lead = strncmp(message, lead, sizeof lead - 1) == 0;
    struct str rest = str_from(has_lead ? message + sizeof lead - 1 : message);
    struct str line_text, column_text;
    int64_t line, column;
    if (!str_cut(&rest, ':', &line_text) || !rest.p || !str_cut(&rest, ':', &column_text) ||
        !rest.p || !num_parse_i64(line_text, &line) || !num_parse_i64(column_text, &column) ||
        line < 1 || column < 1)
        return;
    struct str lines = str_from(query), shown = STR("");
    for (int64_t i = 0; i < line && lines.p; i++)
        (void)str_cut(&lines, '\n', &shown);
    if ((size_t)column > shown.n + 1)
        return;
    const char *text = clean(&cli->arena, arena_cstr(&cli->arena, shown));
    (void)fprintf(cli->err, "  %s\n  %*s^\n", text, (int)column - 1, "");
}

/* When, and what is asked: of a server, or of a data folder. */
struct query {
    const char *text;
    struct range range;
    bool is_range;
    struct store_folder *folder; /* NULL = a server */
    int64_t newest_ms;           /* in the folder */
};

/* --at, else the newest time of the folder, else now. */
static bool read_time(struct cli *cli, struct query *q, int64_t *at_ms)
{
    const char *text = args_value(&cli->args, "at");
    double seconds;
    *at_ms = q->folder ? q->newest_ms : clock_wall_ms();
    if (text) {
        if (clock_parse_rfc3339(str_from(text), at_ms))
            return true;
        if (num_parse_double(str_from(text), &seconds) && fabs(seconds) < MAX_SECONDS) {
            *at_ms = (int64_t)llround(seconds * 1000);
            return true;
        }
        misuse(cli, "--at is seconds since 1970 or like 2026-11-24T12:00:00Z, not '%s'", text);
        return false;
    }
    return true;
}

static bool read_range(struct cli *cli, struct query *q)
{
    int64_t range_ms, step_ms, end_ms;
    if (!take_duration(cli, "range", 1000, 0, &range_ms) || !read_time(cli, q, &end_ms))
        return false;
    int64_t part_ms = range_ms / BARS < 1000 ? 1000 : range_ms / BARS;
    if (!take_duration(cli, "step", 1, part_ms, &step_ms))
        return false;
    q->is_range = range_ms > 0;
    if (!q->is_range && args_value(&cli->args, "step")) {
        misuse(cli, "--step needs --range");
        return false;
    }
    q->range = (struct range){.start_s = (double)(end_ms - range_ms) / 1000,
                              .step_s = (double)step_ms / 1000,
                              .n = (size_t)(range_ms / step_ms) + 1};
    return true;
}

/* "&source=NAME" when --source names one. */
static const char *of_source(struct cli *cli, struct arena *arena)
{
    const char *name = args_value(&cli->args, "source");
    return name ? arena_printf(arena, "&source=%s", url_part(arena, name)) : "";
}

static const json_t *ask_server(struct cli *cli, const struct query *q, struct err *err)
{
    struct arena *arena = &cli->arena;
    const char *path;
    if (q->is_range)
        path = arena_printf(arena, "/api/v1/query_range?query=%s&start=%.3f&end=%.3f&step=%.3f%s",
                            url_part(arena, q->text), q->range.start_s,
                            q->range.start_s + q->range.step_s * (double)(q->range.n - 1),
                            q->range.step_s, of_source(cli, arena));
    else if (args_value(&cli->args, "at"))
        path = arena_printf(arena, "/api/v1/query?query=%s&time=%.3f%s", url_part(arena, q->text),
                            q->range.start_s, of_source(cli, arena));
    else
        path = arena_printf(arena, "/api/v1/query?query=%s%s", url_part(arena, q->text),
                            of_source(cli, arena));
    return api_get(cli, arena, path, err);
}

static bool select_in(struct store_folder *folder, struct arena *arena, const struct matcher *m,
                      size_t n_matchers, int64_t mint_ms, int64_t maxt_ms, bool first_only,
                      struct promql_series **out, size_t *n, struct err *err)
{
    struct store_series_data *found;
    if (!store_folder_select(folder, arena, m, n_matchers, mint_ms, maxt_ms, first_only, &found, n,
                             err))
        return false;
    *out = ARENA_ARRAY(arena, struct promql_series, *n);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct promql_series){.labels = found[i].labels,
                                           .n = found[i].n,
                                           .samples = found[i].samples,
                                           .n_histograms = found[i].n_histograms,
                                           .histograms = found[i].histograms};
    return true;
}

static bool select_all(void *self, struct arena *arena, const struct matcher *m, size_t n_matchers,
                       int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                       struct err *err)
{
    return select_in(self, arena, m, n_matchers, mint_ms, maxt_ms, false, out, n, err);
}

static bool select_first(void *self, struct arena *arena, const struct matcher *m,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                         struct promql_series **out, size_t *n, struct err *err)
{
    return select_in(self, arena, m, n_matchers, mint_ms, maxt_ms, true, out, n, err);
}

/* The answer as a server would give it. */
static const json_t *ask_folder(struct cli *cli, const struct query *q, struct err *err)
{
    struct promql_source source = {
        .self = q->folder, .select = select_all, .select_first = select_first};
    struct promql_options options = {0};
    struct promql_result result;
    struct json_writer w;
    struct buf text = BUF_INIT;
    int64_t start_ms = (int64_t)llround(q->range.start_s * 1000);
    int64_t step_ms = (int64_t)llround(q->range.step_s * 1000);
    struct promql_expr *expr = promql_parse(&cli->arena, str_from(q->text), err);
    bool done = expr && (q->is_range ? promql_range(expr, &source, &options, start_ms,
                                                    start_ms + step_ms * (int64_t)(q->range.n - 1),
                                                    step_ms, &cli->arena, &result, err)
                                     : promql_instant(expr, &source, &options, start_ms,
                                                      &cli->arena, &result, err));
    if (!done)
        return NULL;
    json_writer_init(&w, &text);
    json_open_object(&w);
    json_key(&w, "status");
    json_put_cstr(&w, "success");
    json_key(&w, "data");
    (void)!promql_put_result(&w, &cli->arena, &result, 0);
    json_close_object(&w);
    json_writer_end(&w);
    const json_t *answer = json_parse(&cli->arena, buf_str(&text), err);
    buf_release(&text);
    return answer;
}

static bool open_folder(struct cli *cli, struct query *q, struct err *err)
{
    const char *path = args_value(&cli->args, "data");
    int64_t oldest_ms;
    bool any;
    if (!path)
        return true;
    q->folder = store_folder_open(path, 0, err);
    if (!q->folder || !store_folder_range(q->folder, &any, &oldest_ms, &q->newest_ms, err))
        return false;
    q->newest_ms--;
    return any || err_set(err, ERR_NOT_FOUND,
                          "there are no samples in '%s'; of a cQED's folder only the blocks are "
                          "read, which come after two to three hours",
                          path);
}

static int answer_query(struct cli *cli, struct query *q)
{
    struct err err = ERR_INIT;
    if (!open_folder(cli, q, &err))
        return fail_with(cli, &err);
    if (!read_range(cli, q))
        return EXIT_USAGE;
    const json_t *answer = q->folder ? ask_folder(cli, q, &err) : ask_server(cli, q, &err);
    if (!answer) {
        int code = fail_with(cli, &err);
        point_at_error(cli, q->text, err.message);
        return code;
    }
    if (cli->json)
        print_json(cli, answer);
    else
        print_result(cli, json_object_get(answer, "data"), q->is_range ? &q->range : NULL);
    return EXIT_DONE;
}

int run_query(struct cli *cli)
{
    struct query q = {.text = cli->args.words[0]};
    int code = answer_query(cli, &q);
    store_folder_close(q.folder);
    return code;
}
