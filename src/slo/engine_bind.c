/* Binding: which sums a series feeds, from the moment it is made until it leaves the store. */
#include "slo/engine.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"

#include <math.h>
#include <stdlib.h>

#define MAX_SOURCES 1000 /* of an arm */
#define OCTAVE_MIN (-14) /* edges that native histograms are read at: powers of two */
#define OCTAVE_MAX 30

static void add_link(struct link **list, struct link link)
{
    struct link *l = mem_zalloc(sizeof *l);
    *l = link;
    l->next = *list;
    *list = l;
    if (l->source)
        l->source->n_links++;
    if (l->twin)
        l->twin->n_links++;
}

struct bucket *slo_engine_bucket(struct slo_engine *e, struct arm *arm, struct str le, double edge)
{
    size_t i = 0;
    while (i < arm->n_buckets && arm->buckets[i].edge < edge)
        i++;
    if (i < arm->n_buckets && arm->buckets[i].edge == edge)
        return &arm->buckets[i];
    arm->lacks_edges |= arm->n_buckets == MAX_EDGES;
    if (arm->lacks_edges)
        return NULL;
    memmove(&arm->buckets[i + 1], &arm->buckets[i], (arm->n_buckets - i) * sizeof *arm->buckets);
    arm->buckets[i] = (struct bucket){.edge = edge, .le = arena_str(&e->arena, le)};
    arm->n_buckets++;
    return &arm->buckets[i];
}

/* Only what the engine hands out itself: a target may expose series of the same name, but those
 * carry its job and instance. */
static bool is_own(struct labels labels)
{
    static const char *const names[] = {LABEL_NAME, "slo", "service", "version", "le"};
    for (size_t i = 0; i < labels.n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof names / sizeof *names && !known; k++)
            known = str_is(labels.v[i].name, names[k]);
        if (!known)
            return false;
    }
    return true;
}

/* The upper edge of a bucket; false when it is none. */
bool slo_edge_of(struct str le, double *edge)
{
    return num_parse_double(le, edge) && !isnan(*edge);
}

/* Our own series, found in the log: what it says is the sum. */
static void bind_own(struct slo_engine *e, struct labels labels, struct str metric,
                     struct link **list)
{
    struct slo *s = slo_engine_find(e, labels_get(labels, "slo"));
    struct str le = labels_get(labels, "le");
    struct link link = {.slo = s, .restores = true};
    if (!s || !is_own(labels))
        return;
    link.arm = slo_engine_arm(e, s, labels_get(labels, "version"));
    if (!link.arm)
        return;
    if (str_is(metric, GOOD_METRIC))
        link.role = SLI_GOOD;
    else if (str_is(metric, TOTAL_METRIC))
        link.role = SLI_TOTAL;
    else if (str_is(metric, BUCKET_METRIC) && slo_edge_of(le, &link.edge) &&
             slo_engine_bucket(e, link.arm, le, link.edge))
        link.role = SLI_BUCKET;
    else
        return;
    add_link(list, link);
}

static void put_source(struct arm *arm, struct source *s)
{
    s->next = arm->sources;
    s->at = &arm->sources;
    if (s->next)
        s->next->at = &s->next;
    arm->sources = s;
    arm->n_sources++;
}

/* NULL when there are too many. */
static struct source *source_of(struct arm *arm, struct labels labels)
{
    struct buf name = BUF_INIT;
    struct str job = labels_get(labels, "job"), instance = labels_get(labels, "instance");
    buf_add_str(&name, job);
    buf_add_char(&name, '\0');
    buf_add_str(&name, instance);
    struct source *s = map_get(arm->by_name, buf_str(&name));
    if (!s && arm->n_sources < MAX_SOURCES) {
        s = mem_zalloc(sizeof *s + name.n);
        if (name.n > 0)
            memcpy(s + 1, name.p, name.n);
        s->job = str_make((const char *)(s + 1), job.n);
        s->instance = str_make((const char *)(s + 1) + job.n + 1, instance.n);
        put_source(arm, s);
        (void)map_set(arm->by_name, buf_str(&name), s);
    }
    buf_release(&name);
    return s;
}

static void drop_source(struct arm *arm, struct source *s)
{
    (void)map_remove(arm->by_name, str_make(s->job.p, s->job.n + 1 + s->instance.n));
    *s->at = s->next;
    if (s->next)
        s->next->at = s->at;
    arm->n_sources--;
    free(s);
}

/* Which half of its version's instances a series belongs to: whole instances, so that good events
 * stay with their total. */
static uint8_t half_of(struct labels labels)
{
    static const char *const names[] = {"instance", "pod", "service_instance_id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct str value = labels_get(labels, names[i]);
        if (value.n > 0)
            return (uint8_t)(hash64(value.p, value.n, 0) & 1);
    }
    return 0;
}

/* The labels with another name, and without `le` or with this one. */
static struct labels renamed(struct arena *arena, struct labels labels, struct str name,
                             const char *suffix, const char *le)
{
    struct labels_builder b;
    labels_builder_from(&b, arena, labels);
    labels_builder_set(&b, STR(LABEL_NAME),
                       str_from(arena_printf(arena, STR_FMT "%s", STR_ARG(name), suffix)));
    labels_builder_set(&b, STR("le"), str_from(le));
    return labels_build(&b);
}

static struct twin *twin_of(struct slo_engine *e, const struct slo *s, struct labels labels)
{
    struct buf key = BUF_INIT;
    labels_print(renamed(&e->scratch, labels, s->selectors.native, "", ""), &key);
    struct twin *t = map_get(e->twins, buf_str(&key));
    if (!t) {
        t = mem_zalloc(sizeof *t + key.n);
        memcpy(t + 1, key.p, key.n);
        t->key = str_make((const char *)(t + 1), key.n);
        (void)map_set(e->twins, t->key, t);
    }
    buf_release(&key);
    return t;
}

static void add_octaves(struct slo_engine *e, const struct slo *s, struct arm *arm)
{
    arm->lacks_edges |= arm->has_classic;
    arm->has_native = true;
    for (int i = OCTAVE_MIN; i <= OCTAVE_MAX + 2; i++) {
        double edge = i <= OCTAVE_MAX       ? ldexp(1, i)
                      : i == OCTAVE_MAX + 1 ? s->selectors.edge
                                            : (double)INFINITY;
        struct buf le = BUF_INIT;
        num_add_double(&le, edge);
        (void)slo_engine_bucket(e, arm, buf_str(&le), edge);
        buf_release(&le);
    }
}

static bool selects(const struct slo *s, enum sli_role role, struct labels labels)
{
    const struct sli_selector *selector = &s->selectors.by_role[role];
    return selector->matchers && matchers_match(selector->matchers, selector->n, labels);
}

/* A series that may hold native histograms is asked for as its classic ones would be. */
static void bind_native(struct slo_engine *e, struct slo *s, struct labels labels,
                        struct link **list)
{
    struct arena *scratch = &e->scratch;
    struct str name = s->selectors.native;
    bool good = selects(s, SLI_BUCKET, renamed(scratch, labels, name, "_bucket", ""));
    bool total = selects(s, SLI_TOTAL, renamed(scratch, labels, name, "_count", "")) ||
                 selects(s, SLI_TOTAL, renamed(scratch, labels, name, "_bucket", "+Inf"));
    struct link link = {.slo = s, .arm = NULL, .half = half_of(labels)};
    if (good || total)
        link.arm = slo_engine_arm(e, s, labels_get(labels, s->cohort_label));
    if (!link.arm)
        return;
    link.twin = twin_of(e, s, labels);
    link.source = source_of(link.arm, labels);
    link.kind = LINK_COUNT;
    link.role = SLI_TOTAL;
    if (total)
        add_link(list, link);
    if (!good)
        return;
    add_octaves(e, s, link.arm);
    link.kind = LINK_GOOD;
    link.role = SLI_GOOD;
    add_link(list, link);
    link.kind = LINK_EDGES;
    link.role = SLI_BUCKET;
    add_link(list, link);
}

static void bind_slo(struct slo_engine *e, struct slo *s, struct labels labels, struct link **list)
{
    struct str native = s->selectors.native, name = labels_get(labels, LABEL_NAME);
    if (native.n > 0 && str_eq(name, native))
        bind_native(e, s, labels, list);
    for (int role = 0; role < SLI_N_ROLES; role++) {
        const struct sli_selector *selector = &s->selectors.by_role[role];
        if (!selector->matchers || !matchers_match(selector->matchers, selector->n, labels))
            continue;
        struct link link = {.slo = s, .role = (enum sli_role)role, .half = half_of(labels)};
        link.arm = slo_engine_arm(e, s, labels_get(labels, s->cohort_label));
        if (!link.arm)
            continue;
        if (role == SLI_BUCKET) {
            struct str le = labels_get(labels, "le");
            if (!slo_edge_of(le, &link.edge) || !slo_engine_bucket(e, link.arm, le, link.edge))
                continue;
            link.arm->has_classic = true;
            link.arm->lacks_edges |= link.arm->has_native;
        }
        if (native.n > 0 && str_starts(name, native))
            link.twin = twin_of(e, s, labels);
        link.source = source_of(link.arm, labels);
        add_link(list, link);
    }
}

static uint32_t take_token(struct slo_engine *e)
{
    if (e->n_free > 0)
        return e->free_tokens[--e->n_free];
    e->tokens = mem_grow(e->tokens, e->n_tokens, &e->token_capacity, sizeof(struct link *));
    return (uint32_t)++e->n_tokens;
}

uint32_t slo_engine_bind(void *self, struct labels labels)
{
    struct slo_engine *e = self;
    struct link *list = NULL;
    uint32_t token = 0;
    struct str metric = labels_get(labels, LABEL_NAME);
    (void)pthread_mutex_lock(&e->lock);
    if (str_starts(metric, STR("cqed_sli_"))) {
        bind_own(e, labels, metric, &list);
    } else {
        for (size_t i = 0; i < e->n_slos; i++)
            bind_slo(e, &e->slos[i], labels, &list);
        arena_clear(&e->scratch);
    }
    if (list) {
        token = take_token(e);
        e->tokens[token - 1] = list;
    }
    (void)pthread_mutex_unlock(&e->lock);
    return token;
}

/* With what only these links used; sums and arms stay. */
void slo_engine_unlink(struct slo_engine *e, struct link *list)
{
    while (list) {
        struct link *l = list;
        list = l->next;
        if (l->source && --l->source->n_links == 0)
            drop_source(l->arm, l->source);
        if (l->twin && --l->twin->n_links == 0) {
            (void)map_remove(e->twins, l->twin->key);
            free(l->twin);
        }
        free(l);
    }
}

void slo_engine_unbind(void *self, uint32_t token)
{
    struct slo_engine *e = self;
    (void)pthread_mutex_lock(&e->lock);
    CHECK(token > 0 && token <= e->n_tokens && e->tokens[token - 1]);
    slo_engine_unlink(e, e->tokens[token - 1]);
    e->tokens[token - 1] = NULL;
    e->free_tokens = mem_grow(e->free_tokens, e->n_free, &e->free_capacity, sizeof *e->free_tokens);
    e->free_tokens[e->n_free++] = token;
    (void)pthread_mutex_unlock(&e->lock);
}
