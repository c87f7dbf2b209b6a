/* Results as Prometheus's HTTP API writes them. */
#include "base/num.h"
#include "promql/promql.h"

static void put_point(struct json_writer *w, int64_t t_ms, double v)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, v);
    json_open_array(w);
    json_put_double(w, (double)t_ms / 1000);
    json_put_str(w, buf_str(&text));
    json_close_array(w);
    buf_release(&text);
}

static void put_number(struct json_writer *w, double v)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, v);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

/* [rule, low, high, count]; the rule says which bounds belong to the bucket: 0 the upper one, 1 the
 * lower, 2 none, 3 both. */
static void put_bucket(struct json_writer *w, const struct promql_bucket *b)
{
    json_open_array(w);
    json_put_i64(w, b->low_inclusive ? 1 + 2 * b->high_inclusive : 2 - 2 * b->high_inclusive);
    put_number(w, b->low);
    put_number(w, b->high);
    put_number(w, b->count);
    json_close_array(w);
}

static void put_histogram(struct json_writer *w, struct arena *arena,
                          const struct histogram_sample *s)
{
    size_t n;
    const struct promql_bucket *buckets = promql_buckets(arena, s->h, &n);
    json_open_array(w);
    json_put_double(w, (double)s->t_ms / 1000);
    json_open_object(w);
    json_key(w, "count");
    put_number(w, s->h->count);
    json_key(w, "sum");
    put_number(w, s->h->sum);
    if (n > 0) {
        json_key(w, "buckets");
        json_open_array(w);
        for (size_t i = 0; i < n; i++)
            put_bucket(w, &buckets[i]);
        json_close_array(w);
    }
    json_close_object(w);
    json_close_array(w);
}

static void put_labels(struct json_writer *w, struct labels labels)
{
    json_open_object(w);
    for (size_t i = 0; i < labels.n; i++) {
        json_key_str(w, labels.v[i].name);
        json_put_str(w, labels.v[i].value);
    }
    json_close_object(w);
}

static void put_floats(struct json_writer *w, const struct promql_series *s, bool matrix)
{
    json_key(w, matrix ? "values" : "value");
    if (matrix)
        json_open_array(w);
    for (size_t i = 0; i < s->n; i++)
        put_point(w, s->samples[i].t_ms, s->samples[i].v);
    if (matrix)
        json_close_array(w);
}

static void put_histograms(struct json_writer *w, struct arena *arena,
                           const struct promql_series *s, bool matrix)
{
    json_key(w, matrix ? "histograms" : "histogram");
    if (matrix)
        json_open_array(w);
    for (size_t i = 0; i < s->n_histograms; i++)
        put_histogram(w, arena, &s->histograms[i]);
    if (matrix)
        json_close_array(w);
}

static bool put_series(struct json_writer *w, struct arena *arena, const struct promql_result *r,
                       uint64_t max_bytes)
{
    bool matrix = r->type == PROMQL_MATRIX, fits = true;
    json_open_array(w);
    for (size_t i = 0; i < r->n_series && fits; i++) {
        const struct promql_series *series = &r->series[i];
        json_open_object(w);
        json_key(w, "metric");
        put_labels(w, series->labels);
        if (series->n > 0)
            put_floats(w, series, matrix);
        if (series->n_histograms > 0)
            put_histograms(w, arena, series, matrix);
        json_close_object(w);
        fits = max_bytes == 0 || w->out->n + arena->used_bytes <= max_bytes;
    }
    json_close_array(w);
    return fits;
}

bool promql_put_result(struct json_writer *w, struct arena *arena, const struct promql_result *r,
                       uint64_t max_bytes)
{
    static const char *const types[] = {"scalar", "string", "vector", "matrix"};
    bool fits = true;
    json_open_object(w);
    json_key(w, "resultType");
    json_put_cstr(w, types[r->type]);
    json_key(w, "result");
    if (r->type == PROMQL_SCALAR) {
        put_point(w, r->t_ms, r->scalar);
    } else if (r->type == PROMQL_STRING) {
        json_open_array(w);
        json_put_double(w, (double)r->t_ms / 1000);
        json_put_str(w, r->string);
        json_close_array(w);
    } else {
        fits = put_series(w, arena, r, max_bytes);
    }
    json_close_object(w);
    return fits;
}
