/* judge.json in the data folder: what the judge counted and no series or ledger entry holds. It is
 * replaced when it changed, at most each 10 s, and when cQED ends; read once, when it begins.
 * Rollouts and open anomalies are folded from the ledger (fold.c). */
#include "base/file.h"
#include "base/log.h"
#include "daemon/comparison.h"

#include <stdio.h>
#include <stdlib.h>

#define KEEP_MS 10000
#define MAX_BYTES ((size_t)16 << 20)

static const char *path_of(const struct daemon *d, struct arena *arena)
{
    return arena_printf(arena, "%s/judge.json", d->data_path);
}

/* --- Keeping --- */

static void add_rollout(struct arena *arena, const struct rollout *r, struct judge_kept *k)
{
    const struct comparison *c = r->comparison;
    for (size_t i = 0; c && i < c->n_checks; i++) {
        const struct check *check = &c->checks[i];
        if (check->failures > 0 && k->n_failures < JUDGE_KEPT_MAX)
            k->failures[k->n_failures++] = (struct judge_kept_failures){
                r->id, check->spec->name, check->failures, check->counted_ms};
    }
    if (c && c->guard.stream && k->n_guards < JUDGE_KEPT_MAX)
        k->guards[k->n_guards++] = (struct judge_kept_guard){
            r->id, c->guard.weight, judge_stream_to_json(arena, c->guard.stream)};
}

static json_t *all_of_it(const struct daemon *d, struct arena *arena)
{
    struct judge_kept k = {0};
    k.aa = selfchecks_kept(d, arena, &k.n_aa);
    k.failures = ARENA_ARRAY(arena, struct judge_kept_failures, JUDGE_KEPT_MAX);
    k.guards = ARENA_ARRAY(arena, struct judge_kept_guard, JUDGE_KEPT_MAX);
    for (const struct rollout *r = d->rollouts; r; r = r->next) {
        if (!rollout_state_is_final(r->state.state))
            add_rollout(arena, r, &k);
    }
    return judge_kept_to_json(arena, &k);
}

void keep_now(struct daemon *d)
{
    struct arena arena = ARENA_INIT;
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    if (!d->data_path || !d->store)
        return;
    json_canonical(all_of_it(d, &arena), &text);
    struct sha256 digest = sha256_of(text.p, text.n);
    if (memcmp(&digest, &d->kept, sizeof digest) != 0) {
        if (file_replace(path_of(d, &arena), buf_str(&text), 0600, &err))
            d->kept = digest;
        else
            log_error("judge", "what was counted is not kept: %s", err.message);
    }
    buf_release(&text);
    arena_release(&arena);
}

void keep_tick(struct daemon *d, int64_t now_ms)
{
    if (now_ms >= d->kept_ms && now_ms - d->kept_ms < KEEP_MS)
        return;
    d->kept_ms = now_ms;
    keep_now(d);
}

/* --- Reading --- */

static struct comparison *comparison_of(const struct daemon *d, const char *id)
{
    for (const struct rollout *r = d->rollouts; r; r = r->next) {
        if (strcmp(r->id, id) == 0 && !rollout_state_is_final(r->state.state))
            return r->comparison;
    }
    return NULL;
}

static void take_failures(const struct daemon *d, const struct judge_kept_failures *f)
{
    struct comparison *c = comparison_of(d, f->rollout);
    for (size_t i = 0; c && i < c->n_checks; i++) {
        if (strcmp(c->checks[i].spec->name, f->check) != 0)
            continue;
        c->checks[i].failures = f->failures;
        c->checks[i].counted_ms = f->counted_ms;
    }
}

static void take_guard(const struct daemon *d, const struct judge_kept_guard *g)
{
    struct comparison *c = comparison_of(d, g->rollout);
    if (!c || c->guard.stream)
        return;
    c->guard.stream = judge_stream_from_json(g->stream, NULL);
    c->guard.begun = c->guard.stream != NULL;
    c->guard.weight = g->weight;
}

void keep_recover(struct daemon *d)
{
    struct arena arena = ARENA_INIT;
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    struct judge_kept k;
    const char *path = path_of(d, &arena);
    if (!file_read(path, MAX_BYTES, &text, &err)) {
        if (err.code != ERR_NOT_FOUND)
            log_warn("judge", "what was counted before begins anew: %s", err.message);
    } else {
        const json_t *json = json_parse(&arena, buf_str(&text), &err);
        if (!json || !judge_kept_from_json(&arena, json, &k, &err)) {
            log_warn("judge", "what was counted before begins anew: %s: %s", path, err.message);
        } else {
            for (size_t i = 0; i < k.n_aa; i++)
                selfcheck_take(d, &k.aa[i]);
            for (size_t i = 0; i < k.n_failures; i++)
                take_failures(d, &k.failures[i]);
            for (size_t i = 0; i < k.n_guards; i++)
                take_guard(d, &k.guards[i]);
        }
    }
    buf_release(&text);
    arena_release(&arena);
}
