/* Counters of two versions from a server's ranges, as the CSV that cqed judge reads from files. Any
 * server with Prometheus's API will do. */
#include "base/clock.h"
#include "base/num.h"
#include "cli/internal.h"
#include "cli/trace.h"

#include <math.h>
#include <stdlib.h>

#define DEFAULT_RANGE_MS 3600000
#define DEFAULT_STEP_MS 15000
#define PLACE "{{version}}"

struct asking {
    struct cli *cli;
    const char *total, *bad, *latency; /* latency NULL = not asked */
    double start_s, step_s;
    size_t n; /* rows */
};

/* One counter over the rows; NaN where it has no value. */
struct counter {
    double edge; /* of a latency bucket */
    double *v;
};

static const char *fill_in_version(struct arena *arena, const char *query, const char *version)
{
    struct buf out = BUF_INIT;
    const char *place;
    while ((place = strstr(query, PLACE))) {
        buf_add_str(&out, str_make(query, (size_t)(place - query)));
        buf_add_cstr(&out, version);
        query = place + sizeof PLACE - 1;
    }
    buf_add_cstr(&out, query);
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static void take_values(const struct asking *a, const json_t *series, double *out)
{
    const json_t *values = json_object_get(series, "values");
    for (size_t i = 0; i < a->n; i++)
        out[i] = (double)NAN;
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *point = json_array_get(values, i);
        const char *text = json_string_value(json_array_get(point, 1));
        double row =
            (json_to_double(json_array_get(point, 0), (double)NAN) - a->start_s) / a->step_s;
        double v;
        if (row > -0.5 && row < (double)a->n - 0.5 && text && num_parse_double(str_from(text), &v))
            out[(size_t)llround(row)] = v;
    }
}

static bool ask(const struct asking *a, const char *query, const char *version,
                struct counter **out, size_t *n, struct err *err)
{
    struct arena *arena = &a->cli->arena;
    const char *text = fill_in_version(arena, query, version);
    const json_t *answer =
        api_get(a->cli, arena,
                arena_printf(arena, "/api/v1/query_range?query=%s&start=%.3f&end=%.3f&step=%.3f",
                             url_part(arena, text), a->start_s,
                             a->start_s + a->step_s * (double)(a->n - 1), a->step_s),
                err);
    if (!answer)
        return err_prefix(err, "%s: ", text);
    const json_t *result = json_object_get(json_object_get(answer, "data"), "result");
    *n = json_array_size(result);
    *out = ARENA_ARRAY(arena, struct counter, *n);
    for (size_t i = 0; i < *n; i++) {
        const json_t *series = json_array_get(result, i);
        const char *le = json_get_cstr(json_object_get(series, "metric"), "le", "NaN");
        struct counter *c = &(*out)[i];
        if (!num_parse_double(str_from(le), &c->edge))
            c->edge = (double)NAN;
        c->v = ARENA_ARRAY(arena, double, a->n);
        take_values(a, series, c->v);
    }
    return true;
}

/* The one counter that a query must be; none when it has no value at all. */
static bool ask_one(const struct asking *a, const char *query, const char *version,
                    const double **out, struct err *err)
{
    struct counter *counters;
    size_t n;
    if (!ask(a, query, version, &counters, &n, err))
        return false;
    if (n > 1)
        return err_set(err, ERR_BAD_INPUT, "%s gives %zu series for %s; sum them", query, n,
                       version);
    *out = n ? counters[0].v : NULL;
    return true;
}

static int compare_edges(const void *left, const void *right)
{
    double a = ((const struct counter *)left)->edge, b = ((const struct counter *)right)->edge;
    return (a > b) - (a < b);
}

static bool ask_latency(const struct asking *a, const char *version, struct counter **out,
                        size_t *n, struct err *err)
{
    *n = 0;
    if (!a->latency)
        return true;
    if (!ask(a, a->latency, version, out, n, err))
        return false;
    for (size_t i = 0; i < *n; i++) {
        if (isnan((*out)[i].edge))
            return err_set(err, ERR_BAD_INPUT, "%s gives a series without le; sum by (le)",
                           a->latency);
    }
    if (*n > 1)
        qsort(*out, *n, sizeof **out, compare_edges);
    return true;
}

static void add_number(struct buf *out, double v)
{
    buf_add_char(out, ',');
    num_add_double(out, v);
}

/* A row where there is a total; errors that never happened have no series yet and are 0. */
static void add_rows(const struct asking *a, const double *total, const double *bad,
                     const struct counter *buckets, size_t n_buckets, struct buf *out)
{
    buf_add_cstr(out, "time,total,bad");
    for (size_t k = 0; k < n_buckets; k++) {
        buf_add_cstr(out, ",le_");
        num_add_double(out, buckets[k].edge);
    }
    buf_add_char(out, '\n');
    for (size_t i = 0; i < a->n; i++) {
        bool whole = !isnan(total[i]);
        for (size_t k = 0; k < n_buckets; k++)
            whole = whole && !isnan(buckets[k].v[i]);
        if (!whole)
            continue;
        num_add_double(out, a->start_s + a->step_s * (double)i);
        add_number(out, total[i]);
        add_number(out, bad && !isnan(bad[i]) ? bad[i] : 0);
        for (size_t k = 0; k < n_buckets; k++)
            add_number(out, buckets[k].v[i]);
        buf_add_char(out, '\n');
    }
}

static bool ask_arm(const struct asking *a, const char *version, struct trace_text *out,
                    struct err *err)
{
    const double *total, *bad;
    struct counter *buckets = NULL;
    size_t n_buckets;
    if (!ask_one(a, a->total, version, &total, err) || !ask_one(a, a->bad, version, &bad, err) ||
        !ask_latency(a, version, &buckets, &n_buckets, err))
        return false;
    if (!total)
        return err_set(err, ERR_NOT_FOUND, "%s has no value for %s in the range", a->total,
                       version);
    struct buf text = BUF_INIT;
    add_rows(a, total, bad, buckets, n_buckets, &text);
    *out = (struct trace_text){version, arena_str(&a->cli->arena, buf_str(&text))};
    buf_release(&text);
    return true;
}

bool trace_of_queries(struct cli *cli, double start_s, struct trace *t, struct err *err)
{
    struct asking a = {.cli = cli,
                       .total = args_value(&cli->args, "total"),
                       .bad = args_value(&cli->args, "bad"),
                       .latency = args_value(&cli->args, "latency")};
    const char *stable = args_value(&cli->args, "stable");
    const char *canary = args_value(&cli->args, "canary");
    int64_t range_ms, step_ms;
    struct trace_text arms[2];
    if (!a.bad || !stable || !canary)
        return err_set(err, ERR_BAD_INPUT, "--total needs --bad, --stable and --canary");
    if (!take_duration(cli, "range", 1000, DEFAULT_RANGE_MS, &range_ms) ||
        !take_duration(cli, "step", 1, DEFAULT_STEP_MS, &step_ms))
        return err_set(err, ERR_BAD_INPUT, "--range and --step are durations");
    if (range_ms / step_ms >= 11000)
        return err_set(err, ERR_BAD_INPUT, "--range has %lld steps, 11000 are too many",
                       (long long)(range_ms / step_ms));
    a.n = (size_t)(range_ms / step_ms) + 1;
    a.step_s = (double)step_ms / 1000;
    a.start_s = (double)clock_wall_ms() / 1000 - a.step_s * (double)(a.n - 1);
    return ask_arm(&a, stable, &arms[0], err) && ask_arm(&a, canary, &arms[1], err) &&
           trace_join_texts(&cli->arena, &arms[0], &arms[1], start_s, t, err);
}
