/* What an engine has counted, as JSON, for restarts that do not read the whole log:
 *
 *     {"slos": [{"name", "sli", "arms": [{"version", "good": [value, written, written_ms], "bad",
 *      "total", "buckets": [{"le", "sum"}], "halves": [good, bad, total, good, bad, total],
 *      "newest", "impossible", "flags", "sources": [[job, instance, newest_ms]]}]}],
 *      "twins": {"key": classic_ms}} */
#include "slo/engine.h"

#include "codec/json.h"

#include <math.h>

/* --- Saving --- */

static const char *text_or_empty(const char *s)
{
    return s ? s : "";
}

/* What must be the same for sums to be of one thing. */
static void print_sli(struct buf *out, const struct slo *s)
{
    const struct sli_spec *x = &s->spec->sli;
    const char *const texts[] = {x->total_query, x->good_query, x->bad_query, x->threshold_query,
                                 s->cohort_label};
    buf_printf(out, "%d", (int)x->kind);
    if (x->kind == SLI_THRESHOLD)
        buf_printf(out, " %d %.17g", (int)x->threshold_op, x->threshold);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        buf_printf(out, "\n%s", text_or_empty(texts[i]));
}

static void put_sum(struct json_writer *w, const struct sum *s)
{
    json_open_array(w);
    json_put_double(w, s->value);
    json_put_double(w, s->written);
    json_put_i64(w, s->written_ms);
    json_close_array(w);
}

static void put_buckets(struct json_writer *w, const struct arm *arm)
{
    json_open_array(w);
    for (size_t i = 0; i < arm->n_buckets; i++) {
        json_open_object(w);
        json_key(w, "le");
        json_put_str(w, arm->buckets[i].le);
        json_key(w, "sum");
        put_sum(w, &arm->buckets[i].sum);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_halves(struct json_writer *w, const struct arm *arm)
{
    json_open_array(w);
    for (size_t i = 0; i < 2; i++) {
        json_put_double(w, arm->halves[i].good);
        json_put_double(w, arm->halves[i].bad);
        json_put_double(w, arm->halves[i].total);
    }
    json_close_array(w);
}

static void put_sources(struct json_writer *w, const struct arm *arm)
{
    json_open_array(w);
    for (const struct source *s = arm->sources; s; s = s->next) {
        json_open_array(w);
        json_put_str(w, s->job);
        json_put_str(w, s->instance);
        json_put_i64(w, s->newest_ms);
        json_close_array(w);
    }
    json_close_array(w);
}

static void put_arm(struct json_writer *w, const struct arm *arm)
{
    json_open_object(w);
    json_key(w, "version");
    json_put_str(w, arm->version);
    json_key(w, "good");
    put_sum(w, &arm->good);
    json_key(w, "bad");
    put_sum(w, &arm->bad);
    json_key(w, "total");
    put_sum(w, &arm->total);
    json_key(w, "buckets");
    put_buckets(w, arm);
    json_key(w, "halves");
    put_halves(w, arm);
    json_key(w, "newest");
    json_put_i64(w, arm->newest_ms);
    json_key(w, "impossible");
    json_put_i64(w, (int64_t)arm->impossible);
    json_key(w, "flags");
    json_put_i64(w, arm->lacks_edges | arm->has_native << 1 | arm->has_classic << 2);
    json_key(w, "sources");
    put_sources(w, arm);
    json_close_object(w);
}

static void put_slo(struct json_writer *w, const struct slo *s)
{
    struct buf sli = BUF_INIT;
    print_sli(&sli, s);
    json_open_object(w);
    json_key(w, "name");
    json_put_cstr(w, s->spec->name);
    json_key(w, "sli");
    json_put_str(w, buf_str(&sli));
    json_key(w, "arms");
    json_open_array(w);
    for (const struct arm *arm = s->arms; arm; arm = arm->next)
        put_arm(w, arm);
    json_close_array(w);
    json_close_object(w);
    buf_release(&sli);
}

static void put_twins(struct json_writer *w, const struct slo_engine *e)
{
    struct str key;
    void *twin;
    json_open_object(w);
    for (size_t i = 0; map_next(e->twins, &i, &key, &twin);) {
        if (((const struct twin *)twin)->classic_ms == 0)
            continue;
        json_key_str(w, key);
        json_put_i64(w, ((const struct twin *)twin)->classic_ms);
    }
    json_close_object(w);
}

void slo_engine_save(void *self, struct buf *out)
{
    struct slo_engine *e = self;
    struct json_writer w;
    json_writer_init(&w, out);
    (void)pthread_mutex_lock(&e->whole);
    (void)pthread_mutex_lock(&e->lock);
    json_open_object(&w);
    json_key(&w, "slos");
    json_open_array(&w);
    for (size_t i = 0; i < e->n_slos; i++)
        put_slo(&w, &e->slos[i]);
    json_close_array(&w);
    json_key(&w, "twins");
    put_twins(&w, e);
    json_close_object(&w);
    json_writer_end(&w);
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_mutex_unlock(&e->whole);
}

/* --- Loading: read all, then take it over --- */

static struct str text_of(const json_t *v)
{
    return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR("");
}

static bool is_list(const json_t *v, size_t n)
{
    return json_is_array(v) && json_array_size(v) == n;
}

static bool read_number(const json_t *v, double *out)
{
    *out = json_to_double(v, NAN);
    return isfinite(*out);
}

static bool read_sum(const json_t *v, struct sum *out)
{
    const json_t *written_ms = json_array_get(v, 2);
    out->written_ms = json_is_integer(written_ms) ? json_integer_value(written_ms) : 0;
    return is_list(v, 3) && json_is_integer(written_ms) &&
           read_number(json_array_get(v, 0), &out->value) &&
           read_number(json_array_get(v, 1), &out->written);
}

static bool read_halves(const json_t *v, struct half halves[2])
{
    double *const into[] = {&halves[0].good, &halves[0].bad, &halves[0].total,
                            &halves[1].good, &halves[1].bad, &halves[1].total};
    bool done = is_list(v, 6);
    for (size_t i = 0; done && i < 6; i++)
        done = read_number(json_array_get(v, i), into[i]);
    return done;
}

/* Into `arm`, or nowhere when it is NULL: then it is only looked at. */
static bool read_buckets(struct slo_engine *e, struct arm *arm, const json_t *list)
{
    struct sum sum;
    double edge;
    size_t i;
    const json_t *v;
    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, v)
    {
        struct str le = text_of(json_object_get(v, "le"));
        if (!slo_edge_of(le, &edge) || !read_sum(json_object_get(v, "sum"), &sum))
            return false;
        struct bucket *bucket = arm ? slo_engine_bucket(e, arm, le, edge) : NULL;
        if (bucket)
            bucket->sum = sum;
    }
    return true;
}

static struct source *find_source(const struct arm *arm, struct str job, struct str instance)
{
    struct buf name = BUF_INIT;
    buf_add_str(&name, job);
    buf_add_char(&name, '\0');
    buf_add_str(&name, instance);
    struct source *s = map_get(arm->by_name, buf_str(&name));
    buf_release(&name);
    return s;
}

/* Those that no series has brought are gone. */
static bool read_sources(struct arm *arm, const json_t *list)
{
    size_t i;
    const json_t *v;
    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, v)
    {
        if (!is_list(v, 3) || !json_is_integer(json_array_get(v, 2)))
            return false;
        struct source *s =
            arm ? find_source(arm, text_of(json_array_get(v, 0)), text_of(json_array_get(v, 1)))
                : NULL;
        if (s)
            s->newest_ms = json_integer_value(json_array_get(v, 2));
    }
    return true;
}

static bool read_arm(struct slo_engine *e, struct slo *s, const json_t *v)
{
    struct arm read = {.n_buckets = 0};
    int64_t flags = json_get_i64(v, "flags", -1);
    read.newest_ms = json_get_i64(v, "newest", -1);
    int64_t impossible = json_get_i64(v, "impossible", -1);
    if (!json_is_string(json_object_get(v, "version")) || flags < 0 || flags > 7 ||
        read.newest_ms < 0 || impossible < 0 || !read_sum(json_object_get(v, "good"), &read.good) ||
        !read_sum(json_object_get(v, "bad"), &read.bad) ||
        !read_sum(json_object_get(v, "total"), &read.total) ||
        !read_halves(json_object_get(v, "halves"), read.halves))
        return false;
    struct arm *arm = s ? slo_engine_arm(e, s, text_of(json_object_get(v, "version"))) : NULL;
    if (!read_buckets(e, arm, json_object_get(v, "buckets")) ||
        !read_sources(arm, json_object_get(v, "sources")))
        return false;
    if (!arm)
        return true;
    arm->good = read.good;
    arm->bad = read.bad;
    arm->total = read.total;
    memcpy(arm->halves, read.halves, sizeof arm->halves);
    arm->newest_ms = read.newest_ms;
    arm->impossible = (uint64_t)impossible;
    arm->lacks_edges |= flags & 1;
    arm->has_native |= flags >> 1 & 1;
    arm->has_classic |= flags >> 2 & 1;
    arm->is_loaded = true;
    return true;
}

static bool is_same_sli(const struct slo *s, const json_t *v)
{
    struct buf sli = BUF_INIT;
    print_sli(&sli, s);
    bool same = str_eq(buf_str(&sli), text_of(json_object_get(v, "sli")));
    buf_release(&sli);
    return same;
}

static bool read_slo(struct slo_engine *e, const json_t *v, bool take)
{
    struct slo *s = slo_engine_find(e, text_of(json_object_get(v, "name")));
    const json_t *arms = json_object_get(v, "arms"), *arm;
    size_t i;
    if (!json_is_string(json_object_get(v, "sli")) || !json_is_array(arms))
        return false;
    if (!take || (s && !is_same_sli(s, v)))
        s = NULL;
    json_array_foreach(arms, i, arm)
    {
        if (!read_arm(e, s, arm))
            return false;
    }
    return true;
}

static bool read_twins(struct slo_engine *e, json_t *twins, bool take)
{
    const char *key;
    size_t n;
    json_t *v;
    if (!json_is_object(twins))
        return false;
    json_object_keylen_foreach(twins, key, n, v)
    {
        if (!json_is_integer(v))
            return false;
        struct twin *twin = take ? map_get(e->twins, str_make(key, n)) : NULL;
        if (twin)
            twin->classic_ms = json_integer_value(v);
    }
    return true;
}

static bool read_all(struct slo_engine *e, const json_t *root, bool take)
{
    const json_t *slos = json_object_get(root, "slos"), *slo;
    size_t i;
    if (!json_is_array(slos))
        return false;
    json_array_foreach(slos, i, slo)
    {
        if (!read_slo(e, slo, take))
            return false;
    }
    return read_twins(e, json_object_get(root, "twins"), take);
}

bool slo_engine_load(void *self, struct str saved)
{
    struct slo_engine *e = self;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    if (saved.n == 0)
        return true;
    (void)pthread_mutex_lock(&e->lock);
    const json_t *root = json_parse(&arena, saved, &err);
    bool done = root && read_all(e, root, false) && read_all(e, root, true);
    (void)pthread_mutex_unlock(&e->lock);
    arena_release(&arena);
    return done;
}
