/* What is remembered of a target, and what one scrape makes of it.
 *
 *     good:   samples, markers for series that the body no longer has     up = 1
 *     bad:    markers for everything that was live                        up = 0
 *     the store cannot write:  nothing happened; the next scrape tries again
 */
#include "ingest/target.h"

#include "base/clock.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

static void adopt(struct target *t, const struct target_definition *d)
{
    arena_init(&t->arena);
    t->config = d->config;
    t->settings = *d->settings;
    t->discovered = labels_copy(&t->arena, d->discovered);
    t->labels = labels_copy(&t->arena, d->labels);
    t->url = arena_strdup(&t->arena, d->url);
    t->refusal = d->refusal ? arena_strdup(&t->arena, d->refusal) : NULL;
    t->interval_ms = d->interval_ms;
    t->timeout_ms = d->timeout_ms;
}

void target_init(struct target *t, struct scrape_manager *manager,
                 const struct target_definition *d)
{
    t->manager = manager;
    t->newest_ms = INT64_MIN;
    t->since_ms = INT64_MAX;
    adopt(t, d);
}

void target_keep(struct target *t, const struct target_definition *d)
{
    struct arena before = t->arena;
    adopt(t, d);
    arena_release(&before);
}

/* Live series go to the orphans. */
static void forget_lines(struct target *t)
{
    struct line_cache *c = &t->cache;
    size_t n = t->n_orphans;
    uint64_t *orphans = realloc(t->orphans, (n + c->n + 1) * sizeof *orphans);
    if (!orphans)
        check_no_memory((n + c->n + 1) * sizeof *orphans);
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->lines[i].live)
            orphans[n++] = c->lines[i].ref;
    }
    t->orphans = orphans;
    t->n_orphans = n;
    line_cache_release(c);
}

void target_change(struct target *t, const struct target_definition *d)
{
    forget_lines(t);
    t->scraped = false;
    target_keep(t, d);
}

void target_release(struct target *t)
{
    line_cache_release(&t->cache);
    map_free(t->exemplars);
    free(t->orphans);
    arena_release(&t->arena);
}

/* --- References --- */

struct known {
    const struct store_batch *batch;
    uint64_t since;
};

static bool is_gone(const void *arg, uint64_t ref)
{
    const struct known *k = arg;
    return !store_batch_knows(k->batch, ref, k->since);
}

/* What the store let go of since the batch before is forgotten. A line among it was there all the
 * time, with old samples, so it is not to be taken for a series that begins at 0. */
static void forget_gone(struct target *t, const struct store_batch *batch)
{
    const struct known k = {batch, t->epoch};
    size_t n = 0;
    if (t->epoch == store_batch_epoch(batch))
        return;
    t->epoch = store_batch_epoch(batch);
    if (line_cache_forget(&t->cache, is_gone, &k))
        t->scraped = false;
    for (size_t i = 0; i < t->n_orphans; i++) {
        if (!is_gone(&k, t->orphans[i]))
            t->orphans[n++] = t->orphans[i];
    }
    t->n_orphans = n;
    for (int i = 0; i < N_REPORTS; i++) {
        if (t->reports[i] != 0 && is_gone(&k, t->reports[i]))
            t->reports[i] = 0;
    }
    map_free(t->exemplars); /* by reference; what is forgotten is told once more */
    t->exemplars = NULL;
}

static struct store_batch *begin_batch(struct target *t, struct store *store, int64_t now_ms)
{
    struct store_batch *batch = store_batch_begin(store, now_ms);
    forget_gone(t, batch);
    return batch;
}

/* --- Reports --- */

static uint64_t make_report(const struct target *t, struct store_batch *batch, enum report report)
{
    static const char *const names[] = {
#define X(code, name) name,
        REPORTS(X)
#undef X
    };
    struct arena arena = ARENA_INIT;
    struct labels_builder b;
    labels_builder_from(&b, &arena, t->labels);
    labels_builder_set(&b, STR(LABEL_NAME), str_from(names[report]));
    uint64_t ref = store_series(batch, labels_build(&b), NULL);
    arena_release(&arena);
    return ref;
}

static void add_reports(struct target *t, struct store_batch *batch, int64_t t_ms,
                        const double values[N_REPORTS])
{
    for (int i = 0; i < N_REPORTS; i++) {
        if (t->reports[i] == 0)
            t->reports[i] = make_report(t, batch, (enum report)i);
        (void)store_batch_add(batch, t->reports[i], t_ms, values[i], STORE_ORIGIN_UNKNOWN);
    }
}

/* --- Results --- */

/* What the Content-Type says, or else the configuration. */
static bool body_format(const struct target *t, const struct http_answer *http,
                        enum exposition_format *out, struct err *err)
{
    char type[128];
    (void)snprintf(type, sizeof type, STR_FMT, STR_ARG(http->content_type));
    if (exposition_format_of(type, out))
        return true;
    switch (t->config->fallback) {
    case SCRAPE_PROTOCOL_NONE:
        break;
    case SCRAPE_PROTOBUF:
        *out = EXPOSITION_PROTOBUF;
        return true;
    case SCRAPE_OPENMETRICS_1:
    case SCRAPE_OPENMETRICS_0:
        *out = EXPOSITION_OPENMETRICS_1;
        return true;
    case SCRAPE_TEXT_1:
    case SCRAPE_TEXT_0:
        *out = EXPOSITION_TEXT_004;
        return true;
    }
    return err_set(err, ERR_BAD_INPUT,
                   "%s answers with the Content-Type '%s', which is no exposition format; "
                   "fallback_scrape_protocol can say what to take it for",
                   t->url, type);
}

static bool read_body(struct target *t, struct store_batch *batch, struct metadata_store *metadata,
                      const struct scrape_answer *answer, bool restarted,
                      struct scrape_counts *counts, struct err *err)
{
    const struct http_answer *http = answer->http;
    struct scrape_body body = {.t_ms = answer->t_ms, .restarted = restarted};
    if (!http)
        return err_set(err, answer->err->code, "%s", answer->err->message);
    if (http->status != 200)
        return err_set(err, ERR_BAD_INPUT, "HTTP %d from %s", http->status, t->url);
    if (!body_format(t, http, &body.format, err))
        return false;
    body.text = http->body;
    return append_body(t, batch, metadata, &body, counts, err);
}

/* What became of samples that the store did not take, in one line; up stays 1. */
static void describe_refusals(struct target *t, const struct store_batch *batch,
                              const struct scrape_counts *counts)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < sizeof counts->refused / sizeof *counts->refused; i++) {
        if (i == STORE_OK || i == STORE_DUPLICATE || counts->refused[i] == 0)
            continue;
        buf_printf(&text, "%s%llu %s", text.n ? ", " : "samples refused by the store: ",
                   (unsigned long long)counts->refused[i], store_result_name((enum store_result)i));
    }
    if (counts->refused[STORE_LIMIT] > 0)
        buf_printf(&text, " (%s)", store_series_refusal(batch));
    (void)snprintf(t->last_error, sizeof t->last_error, "%s", text.n ? text.p : "");
    buf_release(&text);
}

/* Those of series that are gone must not pile up; what is forgotten is told once more. */
static void forget_exemplars(struct target *t)
{
    if (!t->exemplars || map_count(t->exemplars) <= t->cache.n)
        return;
    map_free(t->exemplars);
    t->exemplars = NULL;
}

static void settle(struct target *t, bool good)
{
    struct line_cache *c = &t->cache;
    for (uint32_t i = 0; i < c->n; i++) {
        struct cached_line *l = &c->lines[i];
        l->live = good && l->seen == c->scrape && l->tracked;
    }
    free(t->orphans);
    t->orphans = NULL;
    t->n_orphans = 0;
    forget_exemplars(t);
    if (good)
        line_cache_keep(c);
    else
        line_cache_undo(c);
    t->scraped = t->scraped || good;
}

static void set_error(struct target *t, const struct err *err)
{
    (void)snprintf(t->last_error, sizeof t->last_error, "%s", err->message);
}

/* Fill the batch of one scrape; false when the scrape was bad, and the batch says so. */
static bool fill(struct target *t, struct store *store, struct metadata_store *metadata,
                 const struct scrape_answer *answer, struct store_batch **batch,
                 struct scrape_counts *counts)
{
    struct err err = ERR_INIT;
    int64_t now_ms = clock_wall_ms();
    *batch = begin_batch(t, store, now_ms);
    bool good = read_body(t, *batch, metadata, answer, false, counts, &err);
    if (good && counts->restarted) {
        store_batch_cancel(*batch);
        line_cache_undo(&t->cache);
        *counts = (struct scrape_counts){0};
        *batch = begin_batch(t, store, now_ms);
        good = read_body(t, *batch, metadata, answer, true, counts, &err);
    }
    if (good) {
        describe_refusals(t, *batch, counts);
    } else {
        store_batch_cancel(*batch);
        line_cache_undo(&t->cache);
        *batch = begin_batch(t, store, now_ms);
        set_error(t, &err);
    }
    append_stale(t, *batch, answer->t_ms, good);
    return good;
}

void target_take(struct target *t, struct store *store, struct metadata_store *metadata,
                 const struct scrape_answer *answer)
{
    struct scrape_counts counts = {0};
    struct store_batch *batch;
    struct err err = ERR_INIT;
    bool good = fill(t, store, metadata, answer, &batch, &counts);
    double seconds = (double)(clock_mono_ns() - t->started_ns) / 1e9;
    add_reports(t, batch, answer->t_ms,
                (double[N_REPORTS]){good, seconds, (double)counts.scraped, (double)counts.kept,
                                    (double)counts.added});
    if (store_batch_commit(batch, &err)) {
        settle(t, good);
        t->newest_ms = answer->t_ms;
    } else {
        (void)err_prefix(&err, "the samples could not be stored: ");
        set_error(t, &err);
        line_cache_undo(&t->cache);
        good = false;
    }
    t->up = good;
    t->samples = counts.scraped;
    t->last_scrape_ms = answer->t_ms;
    t->last_duration_ms = (int64_t)(seconds * 1000);
}

void target_end(struct target *t, struct store_batch *batch, int64_t now_ms)
{
    int64_t t_ms = now_ms > t->newest_ms ? now_ms : t->newest_ms + 1;
    forget_gone(t, batch);
    append_stale(t, batch, t_ms, false);
    for (int i = 0; i < N_REPORTS; i++) {
        if (t->reports[i] != 0)
            (void)store_batch_add(batch, t->reports[i], t_ms, stale_nan(), STORE_ORIGIN_UNKNOWN);
    }
}
