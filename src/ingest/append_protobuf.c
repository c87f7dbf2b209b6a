/* A protobuf body becomes samples. The key of a series, which the line cache knows it by, is made
 * of what the message has, so that a known one costs a copy and a hash of its bytes:
 *
 *     part (which of the metric's series) · bound · length of the name · name · label fields */
#include "ingest/append.h"
#include "ingest/exposition_protobuf.h"

#include <math.h>
#include <stdlib.h>

/* X(enumerator, suffix, label of the bound) */
#define PARTS(X)                                                                                   \
    X(PART_VALUE, "", NULL)                                                                        \
    X(PART_QUANTILE, "", "quantile")                                                               \
    X(PART_SUM, "_sum", NULL)                                                                      \
    X(PART_COUNT, "_count", NULL)                                                                  \
    X(PART_BUCKET, "_bucket", "le")

enum part {
#define X(code, suffix, bound) code,
    PARTS(X)
#undef X
};

static const char *const suffixes[] = {
#define X(code, suffix, bound) suffix,
    PARTS(X)
#undef X
};

static const char *const bound_labels[] = {
#define X(code, suffix, bound) bound,
    PARTS(X)
#undef X
};

/* One series of a metric. */
struct series {
    const struct proto_family *family;
    const struct proto_metric *metric;
    enum part part;
    double bound;
    double v;
    const struct histogram *native; /* NULL = v */
};

static bool at_metric(const struct proto_family *f, struct err *err)
{
    return err_prefix(err, "family '%.*s', metric %zu: ", (int)(f->name.n < 200 ? f->name.n : 200),
                      f->name.p, f->number);
}

/* --- Keys --- */

static void put_key(struct buf *out, const struct series *s)
{
    unsigned char part = (unsigned char)s->part;
    buf_clear(out);
    buf_add(out, &part, 1);
    buf_add(out, &s->bound, sizeof s->bound);
    buf_add_uvarint(out, s->family->name.n);
    buf_add_str(out, s->family->name);
    buf_add_str(out, s->metric->labels);
}

/* Into its place among the others. */
static bool add_bound(struct appender *a, const struct series *s, struct err *err)
{
    struct exposition_key *key = a->key;
    struct str name = str_from(bound_labels[s->part]);
    if (key->n == EXPOSITION_MAX_LABELS)
        return err_set(err, ERR_LIMIT, "over %d labels", EXPOSITION_MAX_LABELS);
    size_t i = key->n;
    for (; i > 0 && str_cmp(key->labels[i - 1].name, name) >= 0; i--)
        key->labels[i] = key->labels[i - 1];
    if (i < key->n && str_eq(key->labels[i + 1].name, name))
        return err_set(err, ERR_BAD_INPUT, "a label is called '%s', as that of the bound is",
                       bound_labels[s->part]);
    key->labels[i] = (struct label){name, exposition_bound(&a->arena, s->bound)};
    key->n++;
    return true;
}

/* Everything that an exposition_key says. */
static bool read_key(struct appender *a, const struct series *s, struct err *err)
{
    a->key->bytes = buf_str(&a->bytes);
    a->key->name = s->family->name;
    if (suffixes[s->part][0])
        a->key->name = str_from(
            arena_printf(&a->arena, STR_FMT "%s", STR_ARG(s->family->name), suffixes[s->part]));
    return proto_read_labels(s->metric->labels, a->key, err) &&
           (!bound_labels[s->part] || add_bound(a, s, err));
}

/* --- Series --- */

static bool is_counter(const struct series *s)
{
    switch (s->family->type) {
    case PROTO_COUNTER:
    case PROTO_HISTOGRAM:
        return true;
    case PROTO_SUMMARY:
        return s->part != PART_QUANTILE;
    case PROTO_GAUGE:
    case PROTO_UNTYPED:
    case PROTO_GAUGE_HISTOGRAM:
        break;
    }
    return false;
}

/* Known or learnt; NULL and no error when the store is full. */
static bool recognise(struct appender *a, const struct series *s, struct cached_line **out,
                      struct err *err)
{
    struct line_cache *cache = &a->target->cache;
    put_key(&a->bytes, s);
    struct str bytes = buf_str(&a->bytes);
    *out = line_cache_expected(cache, false, bytes.p, bytes.p + bytes.n + 1); /* and its NUL */
    if (*out && (*out)->n_bytes == bytes.n)
        return true;
    *out = line_cache_find(cache, false, bytes);
    return *out || (read_key(a, s, err) && append_learn(a, is_counter(s), out, err));
}

/* Of a native histogram that is new, or that began anew. */
static bool is_whole(const struct appender *a, const struct series *s)
{
    int64_t created = s->metric->created_ms;
    return created >= a->target->since_ms || (a->target->scraped && created > a->target->newest_ms);
}

static enum store_result put_value(struct appender *a, const struct series *s,
                                   const struct cached_line *l, bool timed)
{
    int64_t t_ms = timed ? s->metric->t_ms : a->t_ms;
    bool zero = l->origin_zero && !timed;
    if (s->native) {
        zero = zero || (is_counter(s) && is_whole(a, s));
        return store_batch_add_histogram(a->batch, l->ref, t_ms, s->native,
                                         zero ? STORE_ORIGIN_ZERO : STORE_ORIGIN_UNKNOWN);
    }
    if (s->metric->created_ms > 0 && is_counter(s) && !timed)
        append_start(a, l->ref, s->metric->created_ms);
    return store_batch_add(a->batch, l->ref, t_ms, s->v,
                           zero ? STORE_ORIGIN_ZERO : STORE_ORIGIN_UNKNOWN);
}

/* *out is NULL when the sample is not in the store. */
static bool put_series(struct appender *a, const struct series *s, struct cached_line **out,
                       struct err *err)
{
    struct cached_line *l;
    const struct scrape_config *config = a->target->config;
    a->counts->scraped++;
    *out = NULL;
    if (!recognise(a, s, &l, err))
        return false;
    if (!l)
        return true;
    line_cache_saw(&a->target->cache, l);
    if (l->kind == CACHED_DROPPED)
        return true;
    append_count_kept(a);
    if (a->over)
        return true;
    bool timed = s->metric->t_ms != EXPOSITION_NO_TIME && config->honor_timestamps;
    a->counts->refused[put_value(a, s, l, timed)]++;
    l->tracked = l->tracked || !timed || config->track_timestamps;
    *out = l;
    return true;
}

/* --- Exemplars --- */

/* Needs a time of its own. */
struct timed_exemplar {
    struct proto_exemplar exemplar;
    int64_t t_ms;
};

static int compare_times(const void *left, const void *right)
{
    const struct timed_exemplar *a = left, *b = right;
    return (a->t_ms > b->t_ms) - (a->t_ms < b->t_ms);
}

static bool put_exemplar(struct appender *a, const struct cached_line *l,
                         struct proto_exemplar exemplar, struct err *err)
{
    double v;
    int64_t t_ms;
    if (!l || exemplar.message.n == 0)
        return true;
    if (!proto_read_exemplar(exemplar, a->text.key, &v, &t_ms, err))
        return false;
    append_exemplar(a, l, a->text.key, v, t_ms);
    return true;
}

/* All of a native histogram's, the oldest first: its own, or else those of its classic buckets. */
static bool put_native_exemplars(struct appender *a, const struct proto_metric *m,
                                 const struct cached_line *l, struct err *err)
{
    size_t n_all = m->n_exemplars > 0 ? m->n_exemplars : m->n_parts, n = 0;
    if (!l || n_all == 0)
        return true;
    struct timed_exemplar *v = ARENA_ARRAY(&a->arena, struct timed_exemplar, n_all);
    for (size_t i = 0; i < n_all; i++) {
        double value;
        v[n].exemplar = m->n_exemplars > 0 ? m->exemplars[i] : m->parts[i].exemplar;
        if (v[n].exemplar.message.n == 0)
            continue;
        if (!proto_read_exemplar(v[n].exemplar, a->text.key, &value, &v[n].t_ms, err))
            return false;
        n += v[n].t_ms != EXPOSITION_NO_TIME;
    }
    qsort(v, n, sizeof *v, compare_times);
    for (size_t i = 0; i < n; i++) {
        if (!put_exemplar(a, l, v[i].exemplar, err))
            return false;
    }
    return true;
}

/* --- Metrics --- */

static bool put_part(struct appender *a, struct series *s, enum part part, double bound, double v,
                     struct proto_exemplar exemplar, struct err *err)
{
    struct cached_line *l;
    s->part = part;
    s->bound = bound;
    s->v = v;
    return put_series(a, s, &l, err) && put_exemplar(a, l, exemplar, err);
}

static bool put_ends(struct appender *a, struct series *s, struct err *err)
{
    const struct proto_exemplar none = {STR("")};
    return put_part(a, s, PART_SUM, 0, s->metric->sum, none, err) &&
           put_part(a, s, PART_COUNT, 0, s->metric->count, none, err);
}

static bool put_summary(struct appender *a, struct series *s, struct err *err)
{
    const struct proto_metric *m = s->metric;
    for (size_t i = 0; i < m->n_parts; i++) {
        if (!put_part(a, s, PART_QUANTILE, m->parts[i].bound, m->parts[i].v, m->parts[i].exemplar,
                      err))
            return false;
    }
    return put_ends(a, s, err);
}

/* The bucket up to +Inf may be left out; it is the count. */
static bool put_classic(struct appender *a, struct series *s, struct err *err)
{
    const struct proto_metric *m = s->metric;
    const struct proto_exemplar none = {STR("")};
    bool infinite = false;
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct proto_part *p = &m->parts[i];
        infinite = infinite || p->bound == (double)INFINITY;
        if (!put_part(a, s, PART_BUCKET, p->bound, p->v, p->exemplar, err))
            return false;
    }
    return (infinite || put_part(a, s, PART_BUCKET, (double)INFINITY, m->count, none, err)) &&
           put_ends(a, s, err);
}

static bool put_native(struct appender *a, struct series *s, struct err *err)
{
    struct cached_line *l;
    s->part = PART_VALUE;
    s->bound = 0;
    s->native = &s->metric->native;
    bool good = put_series(a, s, &l, err) && put_native_exemplars(a, s->metric, l, err);
    s->native = NULL;
    return good;
}

static bool put_histogram(struct appender *a, struct series *s, struct err *err)
{
    const struct scrape_config *config = a->target->config;
    bool native = s->metric->is_native && config->native_histograms;
    bool classic = !native || (config->classic_histograms && s->metric->n_parts > 0);
    return (!native || put_native(a, s, err)) && (!classic || put_classic(a, s, err));
}

static bool put_metric(struct appender *a, const struct proto_family *family,
                       const struct proto_metric *m, struct err *err)
{
    struct series s = {.family = family, .metric = m};
    switch (family->type) {
    case PROTO_COUNTER:
    case PROTO_GAUGE:
    case PROTO_UNTYPED:
        return put_part(a, &s, PART_VALUE, 0, m->v, m->exemplar, err);
    case PROTO_SUMMARY:
        return put_summary(a, &s, err);
    case PROTO_HISTOGRAM:
    case PROTO_GAUGE_HISTOGRAM:
        return put_histogram(a, &s, err);
    }
    CHECK(false);
}

/* --- Families --- */

static void put_metadata(struct appender *a, const struct proto_family *f)
{
    struct line_cache *cache = &a->target->cache;
    struct cached_line *l = line_cache_find(cache, true, f->head);
    if (!l) {
        metadata_store_put(a->metadata, f->name, str_from(proto_type_name(f->type)), f->help,
                           f->unit);
        l = line_cache_add(cache, CACHED_COMMENT, f->head);
    }
    line_cache_saw(cache, l);
}

static bool put_family(struct appender *a, struct proto_family *family, struct arena *arena,
                       struct err *err)
{
    struct proto_metric m;
    struct err why = ERR_INIT;
    put_metadata(a, family);
    for (;;) {
        arena_clear(arena);
        if (!proto_next_metric(family, arena, &m, &why))
            return why.code == ERR_NONE || err_set(err, why.code, "%s", why.message);
        if (!put_metric(a, family, &m, err))
            return at_metric(family, err);
    }
}

bool append_protobuf(struct appender *a, struct err *err)
{
    struct pb body = pb_of(a->body);
    struct proto_family family;
    struct arena arena = ARENA_INIT; /* of one metric */
    struct err why = ERR_INIT;
    bool good = true;
    while (good && proto_next_family(&body, &family, &why))
        good = put_family(a, &family, &arena, err);
    arena_release(&arena);
    return good && (why.code == ERR_NONE || err_set(err, why.code, "%s", why.message));
}
