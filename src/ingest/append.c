/* A scrape's body becomes samples. A line that was there last time costs a hash of its key, a
 * number and an append; only new ones are read whole, relabeled and looked up in the store. */
#include "ingest/append.h"

#include <math.h>

/* --- Labels --- */

static const struct label *find_label(const struct exposition_key *key, struct str name)
{
    for (size_t i = 0; i < key->n; i++) {
        if (str_eq(key->labels[i].name, name))
            return &key->labels[i];
    }
    return NULL;
}

/* What a sample says of a label that the target has too goes on as exported_<name>, with the
 * prefix once more as long as that is taken. */
static void export_label(struct labels_builder *b, const struct label *l)
{
    struct str name = l->name;
    do
        name = str_from(arena_printf(b->arena, "exported_" STR_FMT, STR_ARG(name)));
    while (labels_builder_get(b, name).n > 0);
    labels_builder_set(b, name, l->value);
}

/* Shorter names first, so that they get the shorter prefix (Prometheus's
 * resolveConflictingExposedLabels). */
static void export_labels(struct labels_builder *b, struct label *conflicts, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct label l = conflicts[i];
        size_t k = i;
        for (; k > 0 && conflicts[k - 1].name.n > l.name.n; k--)
            conflicts[k] = conflicts[k - 1];
        conflicts[k] = l;
    }
    for (size_t i = 0; i < n; i++)
        export_label(b, &conflicts[i]);
}

static void add_target_labels(struct labels_builder *b, const struct target *t,
                              const struct exposition_key *key)
{
    struct label *conflicts = ARENA_ARRAY(b->arena, struct label, t->labels.n);
    size_t n = 0;
    for (size_t i = 0; i < t->labels.n; i++) {
        const struct label *own = &t->labels.v[i], *exposed = find_label(key, own->name);
        if (exposed && t->config->honor_labels)
            continue;
        if (exposed && exposed->value.n > 0)
            conflicts[n++] = *exposed;
        labels_builder_set(b, own->name, own->value);
    }
    export_labels(b, conflicts, n);
}

static bool check_labels(const struct scrape_config *c, struct labels labels, struct err *err)
{
    struct str metric = labels_get(labels, LABEL_NAME);
    if (metric.n == 0)
        return err_set(err, ERR_BAD_INPUT, "relabeling took the metric name away");
    if (c->label_limit && labels.n > c->label_limit)
        return err_set(err, ERR_LIMIT, STR_FMT " has %zu labels, label_limit is %llu",
                       STR_ARG(metric), labels.n, (unsigned long long)c->label_limit);
    for (size_t i = 0; i < labels.n; i++) {
        const struct label *l = &labels.v[i];
        if (c->label_name_length_limit && l->name.n > c->label_name_length_limit)
            return err_set(err, ERR_LIMIT,
                           "a label name has %zu bytes, label_name_length_limit is %llu", l->name.n,
                           (unsigned long long)c->label_name_length_limit);
        if (c->label_value_length_limit && l->value.n > c->label_value_length_limit)
            return err_set(
                err, ERR_LIMIT,
                "the value of label '" STR_FMT "' has %zu bytes, label_value_length_limit is %llu",
                STR_ARG(l->name), l->value.n, (unsigned long long)c->label_value_length_limit);
    }
    return true;
}

/* --- New series --- */

bool append_learn(struct appender *a, bool counter, struct cached_line **out, struct err *err)
{
    struct target *t = a->target;
    struct labels_builder b;
    *out = NULL;
    arena_clear(&a->scratch);
    labels_builder_from(&b, &a->scratch, (struct labels){a->key->n, a->key->labels});
    labels_builder_set(&b, STR(LABEL_NAME), a->key->name);
    add_target_labels(&b, t, a->key);
    if (!relabel_apply(t->config->metric_relabels, t->config->n_metric_relabels, &b)) {
        *out = line_cache_add(&t->cache, CACHED_DROPPED, a->key->bytes);
        return true;
    }
    struct labels labels = labels_build(&b);
    if (a->over) {
        append_count_kept(a);
        return true;
    }
    if (!check_labels(t->config, labels, err))
        return false;
    uint64_t ref = store_series(a->batch, labels, NULL);
    if (ref == 0) {
        a->counts->refused[STORE_LIMIT]++;
        append_count_kept(a);
        return true;
    }
    *out = line_cache_add(&t->cache, CACHED_SERIES, a->key->bytes);
    (*out)->ref = ref;
    (*out)->origin_zero = t->scraped && !t->config->honor_labels && counter;
    a->counts->added++;
    return true;
}

/* --- Where counters began --- */

void append_start(struct appender *a, uint64_t ref, int64_t created_ms)
{
    struct sample newest;
    if (created_ms <= 0 || created_ms >= a->t_ms)
        return;
    bool known = store_batch_newest(a->batch, ref, &newest);
    if (known ? created_ms > newest.t_ms : created_ms >= a->target->since_ms)
        (void)store_batch_add(a->batch, ref, created_ms, 0, STORE_ORIGIN_ZERO);
}

static struct str without_suffix(struct str name)
{
    static const char *const suffixes[] = {"_total", "_bucket", "_count", "_sum", "_created"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct str suffix = str_from(suffixes[i]);
        if (name.n > suffix.n && str_ends(name, suffix))
            return str_make(name.p, name.n - suffix.n);
    }
    return name;
}

/* What the samples of one metric have in common. */
static struct str metric_of(struct arena *arena, const struct exposition_key *key)
{
    struct buf text = BUF_INIT;
    buf_add_str(&text, without_suffix(key->name));
    for (size_t i = 0; i < key->n; i++) {
        const struct label *l = &key->labels[i];
        if (l->value.n == 0 || str_is(l->name, "le") || str_is(l->name, "quantile"))
            continue;
        buf_add_uvarint(&text, l->name.n);
        buf_add_str(&text, l->name);
        buf_add_uvarint(&text, l->value.n);
        buf_add_str(&text, l->value);
    }
    struct str s = arena_str(arena, buf_str(&text));
    buf_release(&text);
    return s;
}

static bool is_created(struct str name)
{
    return name.n > strlen("_created") && str_ends(name, STR("_created"));
}

/* At a line that may tell of a creation. Lines that are malformed show when it is their turn. */
static void read_created(struct appender *a, const char *line, struct exposition_key *key)
{
    struct exposition at = a->text;
    double v;
    int64_t t_ms;
    at.p = line;
    if (*line == '#' || !exposition_read_key(&at, key, NULL) || !is_created(key->name) ||
        !exposition_read_value(&at, &v, &t_ms, NULL) || !(v > 0 && v < 9e12))
        return;
    (void)map_set(a->created, metric_of(&a->scratch, key), (void *)(uintptr_t)llround(v * 1000));
}

static void find_created(struct appender *a)
{
    static const char word[] = "_created";
    struct exposition_key *key = ARENA_NEW(&a->arena, struct exposition_key);
    const char *p = a->body.p, *end = p + a->body.n;
    a->created = map_new();
    for (const char *hit; (hit = memmem(p, (size_t)(end - p), word, sizeof word - 1));) {
        const char *newline = memrchr(p, '\n', (size_t)(hit - p));
        read_created(a, newline ? newline + 1 : p, key);
        newline = memchr(hit, '\n', (size_t)(end - hit));
        p = newline ? newline : end;
    }
}

/* When the metric of the key in a->key was created; 0 = that is not said. */
static int64_t created_ms(struct appender *a)
{
    if (a->text.format != EXPOSITION_OPENMETRICS_1)
        return 0;
    if (!a->created)
        find_created(a);
    if (map_count(a->created) == 0)
        return 0;
    return (int64_t)(uintptr_t)map_get(a->created, metric_of(&a->scratch, a->key));
}

/* --- Exemplars --- */

/* One without a time of its own stays the same from scrape to scrape: it is news when it changed.
 */
static bool is_repeated(struct target *t, const struct cached_line *l, struct labels labels,
                        double v)
{
    struct str key = str_make((const char *)&l->ref, sizeof l->ref);
    uint64_t hash = hash64(&v, sizeof v, labels_hash(labels)) | 1;
    if (!t->exemplars)
        t->exemplars = map_new();
    return map_set(t->exemplars, key, (void *)(uintptr_t)hash) == (void *)(uintptr_t)hash;
}

void append_exemplar(struct appender *a, const struct cached_line *l,
                     const struct exposition_key *key, double v, int64_t t_ms)
{
    struct labels_builder b;
    if (l->kind != CACHED_SERIES)
        return;
    arena_clear(&a->scratch);
    labels_builder_init(&b, &a->scratch);
    for (size_t i = 0; i < key->n; i++)
        labels_builder_set(&b, key->labels[i].name, key->labels[i].value);
    struct store_exemplar e = {labels_build(&b), v, t_ms};
    if (t_ms == EXPOSITION_NO_TIME) {
        e.t_ms = a->t_ms;
        if (is_repeated(a->target, l, e.labels, v))
            return;
    }
    (void)store_batch_add_exemplar(a->batch, l->ref, &e);
}

/* --- Lines --- */

/* The last TYPE comment may have been passed without reading. */
static bool catch_up_with_type(struct appender *a, struct err *err)
{
    struct exposition text = a->text;
    struct exposition_comment c;
    if (!a->type_line.p)
        return true;
    text.p = a->type_line.p;
    a->type_line.p = NULL;
    if (!exposition_read_comment(&text, &c, err))
        return false;
    a->text.family = text.family;
    a->text.type = text.type;
    return true;
}

static bool at_line(const struct appender *a, struct err *err)
{
    return err_prefix(err, "line %zu: ", a->text.line);
}

static bool learn(struct appender *a, struct cached_line **out, struct err *err)
{
    if (!catch_up_with_type(a, err))
        return false;
    bool counter = exposition_counts(&a->text, a->key->name);
    if (!append_learn(a, counter, out, err))
        return at_line(a, err);
    if (!*out || (*out)->kind != CACHED_SERIES || a->text.format != EXPOSITION_OPENMETRICS_1)
        return true;
    if (counter)
        append_start(a, (*out)->ref, created_ms(a));
    else if (is_created(a->key->name))
        (*out)->kind = CACHED_CREATED;
    return true;
}

static bool at_value(const struct exposition *e, const char *p)
{
    if (p == e->end || (*p != ' ' && *p != '\t'))
        return false;
    while (p < e->end && (*p == ' ' || *p == '\t'))
        p++;
    return p == e->end || *p != '{';
}

/* A series that is known, on a target that was restarted. */
static bool start_again(struct appender *a, const struct cached_line *l, struct err *err)
{
    if (!catch_up_with_type(a, err))
        return false;
    if (l->kind == CACHED_SERIES && exposition_counts(&a->text, a->key->name))
        append_start(a, l->ref, created_ms(a));
    return true;
}

/* The line's key, by expectation, by hash or by reading it; stops behind it. */
static bool recognise(struct appender *a, struct cached_line **out, struct err *err)
{
    struct line_cache *cache = &a->target->cache;
    *out = a->restarted ? NULL : line_cache_expected(cache, false, a->text.p, a->text.end);
    if (*out && at_value(&a->text, a->text.p + (*out)->n_bytes)) {
        a->text.p += (*out)->n_bytes;
        return true;
    }
    if (!exposition_read_key(&a->text, a->key, err))
        return false;
    *out = line_cache_find(cache, false, a->key->bytes);
    if (!*out)
        return learn(a, out, err);
    return !a->restarted || start_again(a, *out, err);
}

void append_count_kept(struct appender *a)
{
    uint64_t limit = a->target->config->sample_limit;
    a->counts->kept++;
    a->over = a->over || (limit > 0 && a->counts->kept > limit);
}

/* Behind the last sample. */
static bool check_sample_limit(const struct appender *a, struct err *err)
{
    return !a->over || err_set(err, ERR_LIMIT, "%llu samples, over the sample_limit of %llu",
                               (unsigned long long)a->counts->kept,
                               (unsigned long long)a->target->config->sample_limit);
}

/* A metric was created after the last good scrape. */
static void notice_restart(struct appender *a, double created_s)
{
    if (a->target->scraped && created_s < 9e12 && created_s * 1000 > (double)a->target->newest_ms)
        a->counts->restarted = true;
}

static bool append_series(struct appender *a, struct err *err)
{
    struct cached_line *l;
    double v;
    int64_t t_ms;
    a->counts->scraped++;
    if (!recognise(a, &l, err) || !exposition_read_value(&a->text, &v, &t_ms, err))
        return false;
    if (!l)
        return true;
    line_cache_saw(&a->target->cache, l);
    if (l->kind == CACHED_DROPPED)
        return true;
    append_count_kept(a);
    if (a->over)
        return true;
    if (l->kind == CACHED_CREATED)
        notice_restart(a, v);
    bool timed = t_ms != EXPOSITION_NO_TIME && a->target->config->honor_timestamps;
    enum store_origin origin = l->origin_zero && !timed ? STORE_ORIGIN_ZERO : STORE_ORIGIN_UNKNOWN;
    enum store_result result = store_batch_add(a->batch, l->ref, timed ? t_ms : a->t_ms, v, origin);
    a->counts->refused[result]++;
    l->tracked = l->tracked || !timed || a->target->config->track_timestamps;
    if (a->text.has_exemplar)
        append_exemplar(a, l, a->text.key, a->text.exemplar_v, a->text.exemplar_t_ms);
    return true;
}

/* OpenMetrics names a counter's family without the _total that its samples have; people ask for
 * what they see. */
static bool flush_metadata(struct appender *a, struct err *err)
{
    struct exposition_comment *c = &a->said;
    struct str family = c->family;
    if (family.n == 0)
        return true;
    if (!catch_up_with_type(a, err))
        return false;
    bool counter = str_is(a->text.type, "counter") && str_eq(a->text.family, family);
    if (a->text.format == EXPOSITION_OPENMETRICS_1 && counter && !str_ends(family, STR("_total")))
        family = str_from(arena_printf(&a->arena, STR_FMT "_total", STR_ARG(family)));
    metadata_store_put(a->metadata, family, c->type, c->help, c->unit);
    c->family.n = 0;
    return true;
}

static bool remember(struct appender *a, const struct exposition_comment *c, struct err *err)
{
    struct exposition_comment *said = &a->said;
    if (!str_eq(said->family, c->family)) {
        bool done = flush_metadata(a, err);
        *said = *c;
        return done;
    }
    said->type = c->type.n > 0 ? c->type : said->type;
    said->help = c->help.n > 0 ? c->help : said->help;
    said->unit = c->unit.n > 0 ? c->unit : said->unit;
    return true;
}

static bool append_comment(struct appender *a, struct err *err)
{
    struct line_cache *cache = &a->target->cache;
    struct str line = exposition_peek_line(&a->text);
    struct cached_line *l = line_cache_expected(cache, true, line.p, a->text.end);
    if (!l || l->n_bytes != line.n)
        l = line_cache_find(cache, true, line);
    if (l) {
        if (l->kind == CACHED_TYPE)
            a->type_line = line;
        line_cache_saw(cache, l);
        exposition_skip_line(&a->text, line);
        return true;
    }
    struct exposition_comment c;
    if (!catch_up_with_type(a, err) || !exposition_read_comment(&a->text, &c, err))
        return false;
    if (a->text.eof)
        return true; /* it has to be seen each time */
    if (c.family.n > 0 && !remember(a, &c, err))
        return false;
    line_cache_saw(cache, line_cache_add(cache, c.type.n > 0 ? CACHED_TYPE : CACHED_COMMENT, line));
    return true;
}

static bool append_lines(struct appender *a, struct err *err)
{
    for (enum exposition_line kind;;) {
        if (!exposition_next(&a->text, &kind, err))
            return false;
        if (kind != EXPOSITION_COMMENT && !flush_metadata(a, err))
            return false;
        if (kind == EXPOSITION_END)
            return true;
        if (kind == EXPOSITION_COMMENT ? !append_comment(a, err) : !append_series(a, err))
            return false;
    }
}

bool append_body(struct target *t, struct store_batch *batch, struct metadata_store *metadata,
                 const struct scrape_body *body, struct scrape_counts *counts, struct err *err)
{
    struct appender a = {.target = t,
                         .batch = batch,
                         .metadata = metadata,
                         .body = body->text,
                         .t_ms = body->t_ms,
                         .restarted = body->restarted,
                         .counts = counts};
    arena_init(&a.arena);
    arena_init(&a.scratch);
    struct exposition_key *keys = ARENA_ARRAY(&a.arena, struct exposition_key, 2);
    a.key = &keys[0];
    exposition_init(&a.text, body->format, body->text, &a.arena, &keys[1]);
    line_cache_begin(&t->cache);
    bool protobuf = body->format == EXPOSITION_PROTOBUF;
    bool done = (protobuf ? append_protobuf(&a, err) : append_lines(&a, err)) &&
                check_sample_limit(&a, err);
    map_free(a.created);
    buf_release(&a.bytes);
    arena_release(&a.scratch);
    arena_release(&a.arena);
    return done;
}

/* The store refuses a marker where the series got a sample at the same time or a later one. */
void append_stale(struct target *t, struct store_batch *batch, int64_t t_ms, bool good)
{
    const struct line_cache *c = &t->cache;
    for (uint32_t i = 0; i < c->n; i++) {
        const struct cached_line *l = &c->lines[i];
        if (l->live && !(good && l->seen == c->scrape && l->tracked))
            (void)store_batch_add(batch, l->ref, t_ms, stale_nan(), STORE_ORIGIN_UNKNOWN);
    }
    for (size_t i = 0; i < t->n_orphans; i++)
        (void)store_batch_add(batch, t->orphans[i], t_ms, stale_nan(), STORE_ORIGIN_UNKNOWN);
}
