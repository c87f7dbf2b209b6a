/* GET /api/v1/status/tsdb in Prometheus's shape (prometheus.io/docs/prometheus/latest/querying/api,
 * "TSDB Stats"), with one field of ours: the owners that asked for more than their quota. */
#include "base/num.h"
#include "serve/internal.h"

#define DEFAULT_LIMIT 10
#define MAX_LIMIT 10000

static void put_number(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_put_i64(w, (int64_t)v);
}

static void put_head(struct json_writer *w, struct store *store, const struct store_cardinality *c)
{
    struct store_stats st;
    store_stats(store, &st);
    json_key(w, "headStats");
    json_open_object(w);
    put_number(w, "numSeries", st.series);
    put_number(w, "numLabelPairs", c->label_pairs);
    put_number(w, "chunkCount", c->chunks);
    json_key(w, "minTime");
    json_put_i64(w, st.min_time_ms);
    json_key(w, "maxTime");
    json_put_i64(w, st.max_time_ms);
    json_close_object(w);
}

static void put_counts(struct json_writer *w, const char *key, const struct store_counts *counts,
                       bool pairs)
{
    struct buf name = BUF_INIT;
    json_key(w, key);
    json_open_array(w);
    for (size_t i = 0; i < counts->n; i++) {
        const struct store_count *c = &counts->v[i];
        buf_clear(&name);
        buf_add_str(&name, c->name);
        if (pairs) {
            buf_add_char(&name, '=');
            buf_add_str(&name, c->value);
        }
        json_open_object(w);
        json_key(w, "name");
        json_put_str(w, buf_str(&name));
        put_number(w, "value", c->count);
        json_close_object(w);
    }
    json_close_array(w);
    buf_release(&name);
}

static void put_offenders(struct json_writer *w, struct store *store, struct arena *arena,
                          size_t limit)
{
    struct store_owner *owners;
    size_t n;
    const char *label = store_owners_refused(store, arena, &owners, &n);
    json_key(w, "quotaOffenders");
    json_open_array(w);
    for (size_t i = 0; label && i < n && i < limit; i++) {
        json_open_object(w);
        json_key(w, "label");
        json_put_cstr(w, label);
        json_key(w, "owner");
        json_put_str(w, owners[i].value);
        put_number(w, "series", owners[i].series);
        put_number(w, "quota", owners[i].limit);
        put_number(w, "refused", owners[i].refused);
        json_close_object(w);
    }
    json_close_array(w);
}

static bool read_limit(const struct http_request *request, size_t *limit)
{
    const char *text = http_param(request, "limit");
    uint64_t v = DEFAULT_LIMIT;
    bool fine = !text || (num_parse_u64(str_from(text), &v) && v > 0);
    *limit = v < MAX_LIMIT ? (size_t)v : MAX_LIMIT;
    return fine;
}

void handle_tsdb(void *context, struct http_request *request, struct http_response *response)
{
    struct store *store = ((struct serve *)context)->options.store;
    struct store_cardinality c;
    struct json_writer w;
    size_t limit;
    if (!read_limit(request, &limit)) {
        fail_prometheus(response, 400, "bad_data", "limit must be a positive number");
        return;
    }
    store_cardinality(store, request->arena, limit, &c);
    json_writer_init(&w, &response->body);
    json_open_object(&w);
    json_key(&w, "status");
    json_put_cstr(&w, "success");
    json_key(&w, "data");
    json_open_object(&w);
    put_head(&w, store, &c);
    put_counts(&w, "seriesCountByMetricName", &c.series_by_name, false);
    put_counts(&w, "labelValueCountByLabelName", &c.values_by_label, false);
    put_counts(&w, "memoryInBytesByLabelName", &c.bytes_by_label, false);
    put_counts(&w, "seriesCountByLabelValuePair", &c.series_by_pair, true);
    put_offenders(&w, store, request->arena, limit);
    json_close_object(&w);
    json_close_object(&w);
    json_writer_end(&w);
}
