/* The scrape manager: keeps the targets that the configuration asks for, and asks each in its turn.
 *
 *     apply, a changed file, a refresh -> discover -> define -> exchange targets
 *     a target:  waiting --due--> fetching --answer--> target_take --> waiting
 *
 * A target is waiting (timer set) or fetching (transfer set), never both. */
#include "ingest/discovery.h"
#include "ingest/schedule.h"
#include "ingest/target.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_BODY_BYTES ((uint64_t)64 << 20)
#define MAX_DROPPED_SHOWN 1000
#define ACCEPT                                                                                     \
    "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"               \
    "application/openmetrics-text;version=0.0.1;q=0.5,"                                            \
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"          \
    "*/*;q=0.2"

struct scrape_manager {
    struct loop *loop;
    struct http_client *client;
    struct store *store;
    struct metadata_store *metadata;
    struct discovery *discovery;
    const struct scrape_config *configs;
    size_t n_configs;
    struct target **targets; /* in the order of the configuration */
    size_t n_targets;
    int64_t since_ms; /* when it was made */
    struct arena dropped_arena;
    struct dropped_target *dropped; /* by relabeling, in the order of the configuration */
    size_t n_dropped, dropped_capacity, dropped_total;
    uint64_t skipped;            /* scrapes */
    struct freshness *freshness; /* or NULL */
};

/* --- One scrape --- */

static void wait_for_turn(struct target *);

static void answered(void *arg, const struct http_answer *http, const struct err *err)
{
    struct target *t = arg;
    struct scrape_manager *m = t->manager;
    struct scrape_answer answer = {http, err, t->stamp_ms};
    t->transfer = NULL;
    target_take(t, m->store, m->metadata, &answer);
    if (t->up)
        freshness_note(m->freshness, FRESHNESS_SCRAPE, labels_get(t->labels, "job"),
                       labels_get(t->labels, "instance"), t->stamp_ms, clock_wall_ms(),
                       t->interval_ms);
    t->due_ms = schedule_next(t->due_ms, clock_wall_ms(), t->interval_ms);
    wait_for_turn(t);
}

/* The request of a target whose passwords and tokens were read. */
static void fetch(struct target *t, struct http_fetch *access)
{
    const struct scrape_config *c = t->config;
    char timeout[80];
    (void)snprintf(timeout, sizeof timeout, "X-Prometheus-Scrape-Timeout-Seconds: %g",
                   (double)t->timeout_ms / 1000);
    const char *const headers[] = {c->accept ? c->accept : ACCEPT, timeout, NULL};
    access->url = t->url;
    access->headers = headers;
    access->timeout_ms = t->timeout_ms;
    access->max_body_bytes = c->body_size_limit ? c->body_size_limit : DEFAULT_BODY_BYTES;
    access->accept_compressed = !c->no_compression;
    t->transfer = http_fetch_start(t->manager->client, access, answered, t);
}

/* A store that cannot keep up is not given more; what was not asked for is a gap, told by
 * last_error, and the next turn comes as ever. */
static bool skip(struct target *t)
{
    struct scrape_manager *m = t->manager;
    struct err err = ERR_INIT;
    if (store_accepts(m->store, &err))
        return false;
    m->skipped++;
    err_prefix(&err, "skipped: ");
    (void)snprintf(t->last_error, sizeof t->last_error, "%s", err.message);
    t->due_ms = schedule_next(t->due_ms, clock_wall_ms(), t->interval_ms);
    wait_for_turn(t);
    return true;
}

static void start(void *arg)
{
    struct target *t = arg;
    struct arena arena = ARENA_INIT;
    struct http_fetch f = {0};
    struct err err = ERR_INIT;
    loop_timer_stop(t->timer);
    t->timer = NULL;
    if (skip(t))
        return;
    t->stamp_ms = schedule_stamp(t->due_ms, clock_wall_ms(), t->interval_ms);
    t->started_ns = clock_mono_ns();
    if (t->refusal)
        answered(t, NULL, (err_set(&err, ERR_LIMIT, "%s", t->refusal), &err));
    else if (http_fetch_as(&f, &t->config->access, &arena, &err))
        fetch(t, &f);
    else
        answered(t, NULL, &err);
    arena_release(&arena);
}

static void wait_for_turn(struct target *t)
{
    int64_t delay = t->due_ms - clock_wall_ms();
    t->timer = loop_timer_start(t->manager->loop, delay > 0 ? delay : 0, 0, start, t);
}

/* --- Targets come and go --- */

static void begin(struct target *t)
{
    uint64_t hash = hash64(t->url, strlen(t->url), labels_hash(t->labels));
    t->since_ms = t->manager->since_ms;
    t->due_ms = schedule_first(clock_wall_ms(), t->interval_ms, hash);
    wait_for_turn(t);
}

static void halt(struct target *t)
{
    loop_timer_stop(t->timer);
    t->timer = NULL;
    if (t->transfer)
        http_cancel(t->transfer);
    t->transfer = NULL;
}

static struct target *new_target(struct scrape_manager *m, const struct target_definition *d)
{
    struct target *t = calloc(1, sizeof *t);
    if (!t)
        check_no_memory(sizeof *t);
    target_init(t, m, d);
    begin(t);
    return t;
}

static void free_target(struct target *t)
{
    halt(t);
    target_release(t);
    free(t);
}

/* A finding of one round of discovery. */
struct round {
    struct scrape_manager *manager;
    struct arena *arena;
    const struct scrape_config *config;
    const struct sha256 *settings;
    struct map *seen; /* key -> anything: no target twice */
    struct target_definition *found;
    size_t n, capacity;
};

/* Two targets are the same when their samples are and they come from the same place. */
static struct str identity(struct arena *arena, const char *url, struct labels labels)
{
    struct buf text = BUF_INIT;
    buf_add_cstr(&text, url);
    labels_print(labels, &text);
    struct str s = arena_str(arena, buf_str(&text));
    buf_release(&text);
    return s;
}

static void drop(struct scrape_manager *m, const char *job, const struct target_definition *d)
{
    struct arena *arena = &m->dropped_arena;
    if (m->dropped_total++ >= MAX_DROPPED_SHOWN)
        return;
    m->dropped =
        arena_grow(arena, m->dropped, m->n_dropped, &m->dropped_capacity, sizeof *m->dropped);
    m->dropped[m->n_dropped++] =
        (struct dropped_target){arena_strdup(arena, job), labels_copy(arena, d->discovered)};
}

static void found(void *arg, struct labels discovered)
{
    struct round *r = arg;
    struct target_definition d;
    struct err err = ERR_INIT;
    enum target_fate fate = target_define(&d, r->arena, r->config, discovered, &err);
    if (fate == TARGET_BAD) {
        struct str address = labels_get(discovered, "__address__");
        log_warn("ingest", "job %s: target '" STR_FMT "' is left out: %s", r->config->job_name,
                 STR_ARG(address), err.message);
    }
    if (fate == TARGET_DROPPED)
        drop(r->manager, r->config->job_name, &d);
    if (fate != TARGET_KEPT ||
        map_set(r->seen, identity(r->arena, d.url, d.labels), r->manager) != NULL)
        return;
    d.settings = r->settings;
    r->found = arena_grow(r->arena, r->found, r->n, &r->capacity, sizeof *r->found);
    r->found[r->n++] = d;
}

/* Too many targets of a job are all refused, so that it shows (Prometheus's rule). */
static void limit_targets(struct round *r, size_t first)
{
    size_t n = r->n - first;
    if (r->config->target_limit == 0 || n <= r->config->target_limit)
        return;
    const char *refusal =
        arena_printf(r->arena, "job %s has %zu targets, target_limit is %llu", r->config->job_name,
                     n, (unsigned long long)r->config->target_limit);
    for (size_t i = first; i < r->n; i++)
        r->found[i].refusal = refusal;
}

static void discover(struct scrape_manager *m, struct round *r)
{
    for (size_t i = 0; i < m->n_configs; i++) {
        r->config = &m->configs[i];
        struct sha256 settings = target_settings(r->config);
        r->settings = arena_memdup(r->arena, &settings, sizeof settings);
        size_t before = r->n;
        discovery_targets(m->discovery, r->config, r->arena, found, r);
        limit_targets(r, before);
    }
}

static bool is_unchanged(const struct target *t, const struct target_definition *d)
{
    return sha256_eq(&t->settings, d->settings) && strcmp(t->url, d->url) == 0 &&
           t->interval_ms == d->interval_ms && t->timeout_ms == d->timeout_ms;
}

/* The old target that goes on as this one: the very same, or (any_url) one whose samples have the
 * same labels, when nothing goes on as it yet. */
static struct target *take_same(struct map *by_labels, struct arena *arena,
                                const struct target_definition *d, bool any_url)
{
    struct target *t = map_get(by_labels, identity(arena, "", d->labels));
    while (t && (t->wanted || !(any_url || strcmp(t->url, d->url) == 0)))
        t = t->same_labels;
    if (t)
        t->wanted = true;
    return t;
}

static void go_on_as(struct target *t, const struct target_definition *d)
{
    if (is_unchanged(t, d)) {
        target_keep(t, d);
        return;
    }
    halt(t);
    target_change(t, d);
    begin(t);
}

/* Exact matches first, so that they are not taken for others. */
static void make_targets(struct scrape_manager *m, struct map *by_labels, const struct round *r,
                         struct target **targets)
{
    for (size_t i = 0; i < r->n; i++)
        targets[i] = take_same(by_labels, r->arena, &r->found[i], false);
    for (size_t i = 0; i < r->n; i++) {
        if (!targets[i])
            targets[i] = take_same(by_labels, r->arena, &r->found[i], true);
        if (targets[i])
            go_on_as(targets[i], &r->found[i]);
        else
            targets[i] = new_target(m, &r->found[i]);
    }
}

static struct map *index_targets(struct scrape_manager *m, struct arena *arena)
{
    struct map *by_labels = map_new();
    for (size_t i = 0; i < m->n_targets; i++) {
        struct target *t = m->targets[i];
        t->wanted = false;
        t->same_labels = map_set(by_labels, identity(arena, "", t->labels), t);
    }
    return by_labels;
}

static void end_unwanted(struct scrape_manager *m)
{
    int64_t now_ms = clock_wall_ms();
    struct store_batch *batch = store_batch_begin(m->store, now_ms);
    struct err err = ERR_INIT;
    for (size_t i = 0; i < m->n_targets; i++) {
        struct target *t = m->targets[i];
        if (t->wanted)
            continue;
        target_end(t, batch, now_ms);
        freshness_forget(m->freshness, FRESHNESS_SCRAPE, labels_get(t->labels, "job"),
                         labels_get(t->labels, "instance"));
        free_target(t);
    }
    if (!store_batch_commit(batch, &err))
        log_warn("ingest", "removed targets end without stale markers: %s", err.message);
}

static void look_again(void *arg)
{
    struct scrape_manager *m = arg;
    struct arena arena = ARENA_INIT;
    struct round r = {.manager = m, .arena = &arena, .seen = map_new()};
    arena_clear(&m->dropped_arena);
    m->dropped = NULL;
    m->n_dropped = m->dropped_capacity = m->dropped_total = 0;
    discover(m, &r);
    struct map *by_labels = index_targets(m, &arena);
    struct target **targets = calloc(r.n + 1, sizeof *targets);
    if (!targets)
        check_no_memory(r.n * sizeof *targets);
    make_targets(m, by_labels, &r, targets);
    end_unwanted(m);
    free(m->targets);
    m->targets = targets;
    m->n_targets = r.n;
    map_free(by_labels);
    map_free(r.seen);
    arena_release(&arena);
}

/* --- The manager --- */

struct scrape_manager *scrape_manager_new(struct loop *loop, struct http_client *client,
                                          struct store *store, struct metadata_store *metadata)
{
    struct scrape_manager *m = calloc(1, sizeof *m);
    if (!m)
        check_no_memory(sizeof *m);
    m->loop = loop;
    m->client = client;
    m->store = store;
    m->metadata = metadata;
    m->since_ms = clock_wall_ms();
    m->discovery = discovery_new(loop, client, look_again, m);
    return m;
}

/* Without stale markers: whoever starts again goes on where this one stopped. */
void scrape_manager_free(struct scrape_manager *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_targets; i++)
        free_target(m->targets[i]);
    discovery_free(m->discovery);
    arena_release(&m->dropped_arena);
    free(m->targets);
    free(m);
}

void scrape_manager_apply(struct scrape_manager *m, const struct scrape_config *configs, size_t n)
{
    m->configs = configs;
    m->n_configs = n;
    discovery_watch(m->discovery, configs, n);
    look_again(m);
}

void scrape_manager_targets(struct scrape_manager *m, struct arena *arena,
                            struct target_status **out, size_t *n)
{
    struct target_status *v = ARENA_ARRAY(arena, struct target_status, m->n_targets);
    for (size_t i = 0; i < m->n_targets; i++) {
        const struct target *t = m->targets[i];
        v[i] = (struct target_status){
            .job = arena_cstr(arena, labels_get(t->labels, "job")),
            .instance = arena_cstr(arena, labels_get(t->labels, "instance")),
            .url = arena_strdup(arena, t->url),
            .labels = labels_copy(arena, t->labels),
            .discovered = labels_copy(arena, t->discovered),
            .up = t->up,
            .last_error = arena_strdup(arena, t->last_error),
            .last_scrape_ms = t->last_scrape_ms,
            .last_duration_ms = t->last_duration_ms,
            .samples = t->samples,
            .interval_ms = t->interval_ms,
        };
    }
    *out = v;
    *n = m->n_targets;
}

void scrape_manager_dropped(const struct scrape_manager *m, const struct dropped_target **out,
                            size_t *n)
{
    *out = m->dropped;
    *n = m->n_dropped;
}

void scrape_manager_set_freshness(struct scrape_manager *m, struct freshness *freshness)
{
    m->freshness = freshness;
}

uint64_t scrape_manager_skipped(const struct scrape_manager *m)
{
    return m->skipped;
}
