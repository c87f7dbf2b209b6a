/* Series find their place in the store, and their samples are added to the request's batch. */
#include "base/hash.h"
#include "ingest/remote_write.h"

#include <stdlib.h>

/* --- Labels --- */

static int compare_names(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    return str_cmp(a->name, b->name);
}

/* Sorted and each once; NULL or why they are no series. */
static const char *check_labels(struct label *v, size_t n)
{
    bool named = false, sorted = true;
    for (size_t i = 1; sorted && i < n; i++)
        sorted = str_cmp(v[i - 1].name, v[i].name) < 0;
    if (!sorted)
        qsort(v, n, sizeof *v, compare_names);
    for (size_t i = 0; i < n; i++) {
        if (v[i].name.n == 0)
            return "invalid: a label has no name";
        if (i > 0 && str_eq(v[i - 1].name, v[i].name))
            return "invalid: a label is there twice";
        if (!str_is_utf8(v[i].name) || !str_is_utf8(v[i].value))
            return "invalid: a label is not UTF-8";
        named = named || str_is(v[i].name, LABEL_NAME);
    }
    return named ? NULL : "invalid: it has no metric name";
}

/* The labels of a key, borrowing from it. A label without a value is none. False when the key is
 * malformed. */
static bool labels_of(struct arena *arena, struct str key, struct labels *out, const char **refused)
{
    struct pb in = pb_of(key);
    struct pb_field f = {0};
    struct label *v = NULL;
    size_t n = 0, capacity = 0;
    while (pb_next(&in, &f)) {
        v = arena_grow(arena, v, n, &capacity, sizeof *v);
        if (!pb_read_label(f.bytes, &v[n]))
            return false;
        n += v[n].value.n > 0 || v[n].name.n == 0;
        if (n > RW_MAX_LABELS)
            break;
    }
    *out = (struct labels){n, v};
    *refused = n > RW_MAX_LABELS ? "limit: it has over 256 labels" : check_labels(v, n);
    return !in.broken;
}

/* --- What was refused --- */

/* Outside bytes in a message: what is not printable ASCII becomes '?'. */
static void add_printable(struct buf *out, struct str s, size_t max)
{
    for (size_t i = 0; i < s.n && i < max; i++)
        buf_add_char(out, s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?');
    if (s.n > max)
        buf_add_cstr(out, "...");
}

static void note_first(struct rw_intake *r, const char *why)
{
    struct labels labels = {0, NULL};
    struct buf text = BUF_INIT;
    const char *refused = NULL;
    if (r->first.n > 0)
        return;
    arena_clear(&r->labels);
    if (r->reader.series.key.n <= RW_MAX_KEY_BYTES)
        (void)labels_of(&r->labels, r->reader.series.key, &labels, &refused);
    labels_print(labels, &text);
    buf_printf(&r->first, "series %zu, ", r->n_series);
    add_printable(&r->first, buf_str(&text), 200);
    buf_printf(&r->first, ": %s", why);
    buf_release(&text);
}

static void refuse_series(struct rw_intake *r, const char *why)
{
    note_first(r, why);
    r->invalid_series++;
    r->invalid += r->reader.series.n_samples + r->reader.series.n_histograms;
}

static void refuse_sample(struct rw_intake *r, enum store_result result, int64_t t_ms)
{
    static const char *const why[STORE_LIMIT] = {
        [STORE_CONFLICTING] = "the series has another value at this time",
        [STORE_OUT_OF_ORDER] = "the series has a newer sample",
        [STORE_TOO_FAR_AHEAD] = "over 10 minutes in the future",
    };
    char text[160];
    r->refused[result]++;
    if (r->first.n > 0)
        return;
    if (result == STORE_LIMIT) {
        note_first(r, store_series_refusal(r->batch));
        return;
    }
    (void)snprintf(text, sizeof text, "%s: sample at %lld ms: %s", store_result_name(result),
                   (long long)t_ms, why[result]);
    note_first(r, text);
}

/* --- Metadata --- */

const char *rw_type_name(uint64_t type)
{
    static const char *const names[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};
    return type < sizeof names / sizeof *names ? names[type] : names[RW_UNKNOWN];
}

struct str rw_family_of(struct str name, uint64_t type)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    bool histogram = type == RW_HISTOGRAM || type == RW_GAUGE_HISTOGRAM;
    for (size_t i = histogram ? 0 : 1; (histogram || type == RW_SUMMARY) && i < 3; i++) {
        struct str suffix = str_from(suffixes[i]);
        if (name.n > suffix.n && str_ends(name, suffix))
            return str_make(name.p, name.n - suffix.n);
    }
    return name;
}

/* 0 = none came. */
static uint32_t hash_of_metadata(const struct rw_series *s)
{
    if (s->type == RW_UNKNOWN && s->help.n == 0 && s->unit.n == 0)
        return 0;
    return (uint32_t)hash64(s->help.p, s->help.n, hash64(s->unit.p, s->unit.n, s->type)) | 1;
}

static void keep_metadata(struct rw_intake *r, const struct rw_series *s)
{
    struct labels labels;
    const char *refused;
    arena_clear(&r->labels);
    if (!labels_of(&r->labels, s->key, &labels, &refused) || refused)
        return;
    if (str_is_utf8(s->help) && str_is_utf8(s->unit))
        metadata_store_put(r->rw->metadata, rw_family_of(labels_get(labels, LABEL_NAME), s->type),
                           str_from(rw_type_name(s->type)), s->help, s->unit);
}

/* --- Series --- */

/* As find_series, of a series that the cache does not know. */
static bool make_series(struct rw_intake *r, const struct series_hash *hash, uint64_t *ref,
                        const char **refused)
{
    struct labels labels;
    arena_clear(&r->labels);
    if (!labels_of(&r->labels, r->reader.series.key, &labels, refused))
        return false;
    if (*refused)
        return true;
    *ref = store_series(r->batch, labels, NULL);
    if (*ref != 0)
        r->last = series_cache_add(r->cache, r->last, hash, *ref);
    return true;
}

/* The series' reference, made if absent; 0 when the store is full or it was *refused. *news says
 * that its metadata is other than last time. False when the labels are malformed. */
static bool find_series(struct rw_intake *r, uint64_t *ref, bool *news, const char **refused)
{
    struct series_hash hash = series_cache_hash(r->cache, r->reader.series.key);
    uint32_t said = hash_of_metadata(&r->reader.series);
    uint32_t entry = series_cache_find(r->cache, r->last, &hash);
    bool done = true;
    *refused = NULL;
    *ref = 0;
    if (entry != SERIES_CACHE_NONE) {
        r->last = entry;
        *ref = series_cache_ref(r->cache, entry);
    } else {
        done = make_series(r, &hash, ref, refused);
        entry = r->last;
    }
    *news = *ref != 0 && said != 0 &&
            (entry == SERIES_CACHE_NONE || series_cache_is_news(r->cache, entry, said));
    return done;
}

/* --- Samples --- */

/* Gauges do not start. */
static bool can_start(uint64_t type)
{
    return type == RW_COUNTER || type == RW_HISTOGRAM || type == RW_SUMMARY || type == RW_UNKNOWN;
}

/* Where the counter (re)started, a sample of 0 says so, as for OTLP: of a new series when that was
 * in our watch, of a known one when that is news, so that a restart past the last value is seen. */
static bool is_start(const struct rw_intake *r, uint64_t ref, int64_t start_ms, int64_t t_ms)
{
    int64_t newest_ms;
    bool ahead = t_ms > r->now_ms && t_ms - r->now_ms > STORE_AHEAD_MAX_MS;
    if (ref == 0 || start_ms <= 0 || start_ms >= t_ms || ahead)
        return false;
    bool known = store_batch_newest_time(r->batch, ref, &newest_ms);
    return known ? start_ms > newest_ms : start_ms >= r->rw->since_ms;
}

/* What the store says of a sample or histogram. */
static bool is_written(struct rw_intake *r, enum store_result result, int64_t t_ms)
{
    bool written = result == STORE_OK || result == STORE_DUPLICATE;
    if (!written)
        refuse_sample(r, result, t_ms);
    else if (t_ms > r->result->newest_ms)
        r->result->newest_ms = t_ms;
    return written;
}

static void refuse_invalid(struct rw_intake *r, const char *why)
{
    note_first(r, why);
    r->invalid++;
}

static void put_samples(struct rw_intake *r, uint64_t ref, const struct rw_series *s)
{
    bool starts = can_start(s->type);
    for (size_t i = 0; i < s->n_samples; i++) {
        const struct rw_sample *sample = &s->samples[i];
        if (sample->t_ms < 0) {
            refuse_invalid(r, "invalid: a sample lies before 1970");
            continue;
        }
        if (starts && !is_stale_nan(sample->v) && is_start(r, ref, sample->start_ms, sample->t_ms))
            (void)store_batch_add(r->batch, ref, sample->start_ms, 0, STORE_ORIGIN_ZERO);
        enum store_result result =
            store_batch_add(r->batch, ref, sample->t_ms, sample->v, STORE_ORIGIN_UNKNOWN);
        r->result->samples_written += is_written(r, result, sample->t_ms);
    }
}

/* An empty one says that counting began. */
static void put_histogram_start(struct rw_intake *r, uint64_t ref, const struct rw_histogram *h)
{
    struct histogram nothing = {.schema = h->h->schema,
                                .zero_threshold = h->h->zero_threshold,
                                .n_custom = h->h->n_custom,
                                .custom = h->h->custom};
    if (h->h->hint != HISTOGRAM_HINT_GAUGE && is_start(r, ref, h->start_ms, h->t_ms))
        (void)store_batch_add_histogram(r->batch, ref, h->start_ms, &nothing, STORE_ORIGIN_ZERO);
}

static void put_histograms(struct rw_intake *r, uint64_t ref, const struct rw_series *s)
{
    for (size_t i = 0; i < s->n_histograms; i++) {
        const struct rw_histogram *h = &s->histograms[i];
        enum store_result result;
        if (h->refused || h->t_ms < 0) {
            refuse_invalid(r, h->refused ? h->refused : "invalid: a histogram lies before 1970");
            continue;
        }
        if (is_stale_nan(h->h->sum)) {
            result = store_batch_add(r->batch, ref, h->t_ms, h->h->sum, STORE_ORIGIN_UNKNOWN);
        } else {
            put_histogram_start(r, ref, h);
            result = store_batch_add_histogram(r->batch, ref, h->t_ms, h->h, STORE_ORIGIN_UNKNOWN);
        }
        r->result->histograms_written += is_written(r, result, h->t_ms);
    }
}

/* One that cannot be kept refuses nothing: it is counted as not written. */
static void put_exemplars(struct rw_intake *r, uint64_t ref, const struct rw_series *s)
{
    for (size_t i = 0; i < s->n_sound_exemplars; i++) {
        enum store_result result = store_batch_add_exemplar(r->batch, ref, &s->exemplars[i]);
        r->result->exemplars_written += result == STORE_OK || result == STORE_DUPLICATE;
    }
}

bool rw_store_series(struct rw_intake *r)
{
    const struct rw_series *s = &r->reader.series;
    const char *refused = s->refused;
    uint64_t ref;
    bool news;
    r->result->samples += s->n_samples;
    r->result->histograms += s->n_histograms;
    r->result->exemplars += s->n_exemplars;
    if (!refused && r->result->samples + r->result->histograms > RW_MAX_SAMPLES)
        refused = RW_TOO_MANY_SAMPLES;
    if (!refused && s->n_samples + s->n_histograms + s->n_sound_exemplars == 0)
        return true;
    if (!refused && !find_series(r, &ref, &news, &refused))
        return false;
    if (refused) {
        refuse_series(r, refused);
        return true;
    }
    if (news)
        keep_metadata(r, s);
    put_samples(r, ref, s);
    put_histograms(r, ref, s);
    put_exemplars(r, ref, s);
    return true;
}
