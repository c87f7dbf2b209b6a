/* Stable against stable: what the judge would say of two halves of a service's own instances, all
 * the time. Counted on after a restart (kept.c); published as series:
 *
 *     cqed_aa_trials_total{slo,service}, cqed_aa_false_alarms_total, cqed_aa_dispersion */
#include "base/log.h"
#include "daemon/internal.h"

#include <math.h>
#include <stdlib.h>

#define BUCKET_MS 5000
#define WRITE_MS 10000

struct selfcheck {
    struct selfcheck *next;
    char *slo;
    struct buf version;
    struct judge_aa *aa;
    double total[2], bad[2]; /* of the halves, when the last bucket ended */
    int64_t until_ms, written_ms;
    bool is_restored; /* of an earlier process: the first counts are since nobody knows when */
};

static void forget(struct selfcheck *s)
{
    judge_aa_free(s->aa);
    free(s->slo);
    buf_release(&s->version);
    free(s);
}

void selfchecks_free(struct daemon *d)
{
    while (d->selfchecks) {
        struct selfcheck *next = d->selfchecks->next;
        forget(d->selfchecks);
        d->selfchecks = next;
    }
}

static struct selfcheck *find(const struct daemon *d, const char *slo)
{
    for (struct selfcheck *s = d->selfchecks; s; s = s->next) {
        if (strcmp(s->slo, slo) == 0)
            return s;
    }
    return NULL;
}

/* Stable is the version with most events. n is at least 1. */
static const struct slo_arm *busiest(const struct slo_arm *arms, size_t n)
{
    const struct slo_arm *most = arms;
    for (size_t i = 1; i < n; i++) {
        if (arms[i].total > most->total)
            most = &arms[i];
    }
    return most;
}

static char *copy_of(struct str text)
{
    char *copy = strndup(text.p ? text.p : "", text.n);
    if (!copy)
        check_no_memory(text.n);
    return copy;
}

static struct selfcheck *add(struct daemon *d, const char *slo)
{
    struct selfcheck *s = calloc(1, sizeof *s);
    if (!s)
        check_no_memory(sizeof *s);
    s->slo = copy_of(str_from(slo));
    s->next = d->selfchecks;
    d->selfchecks = s;
    return s;
}

struct judge_kept_aa *selfchecks_kept(const struct daemon *d, struct arena *arena, size_t *n)
{
    struct judge_kept_aa *kept = ARENA_ARRAY(arena, struct judge_kept_aa, JUDGE_KEPT_MAX);
    *n = 0;
    for (const struct selfcheck *s = d->selfchecks; s && *n < JUDGE_KEPT_MAX; s = s->next) {
        struct judge_aa_result r;
        if (!s->aa)
            continue;
        judge_aa_read(s->aa, &r);
        if (r.dispersion > 0)
            kept[(*n)++] =
                (struct judge_kept_aa){s->slo, s->version.p, r.trials, r.alarms, r.dispersion};
    }
    return kept;
}

void selfcheck_take(struct daemon *d, const struct judge_kept_aa *kept)
{
    if (find(d, kept->slo))
        return;
    struct selfcheck *s = add(d, kept->slo);
    s->aa = judge_aa_new();
    judge_aa_restore(s->aa, kept->trials, kept->alarms, kept->dispersion);
    buf_add_cstr(&s->version, kept->version);
    s->is_restored = true;
}

/* Counts since the last bucket; another version begins anew. */
static void feed(struct selfcheck *s, const struct slo_arm *arm, int64_t now_ms)
{
    bool same = s->aa && str_eq(arm->version, buf_str(&s->version));
    struct judge_bucket b = {.start_ms = s->until_ms, .length_ms = now_ms - s->until_ms};
    struct arm_counts *halves[2] = {&b.stable, &b.canary};
    for (size_t h = 0; h < 2; h++) {
        *halves[h] =
            (struct arm_counts){arm->half_total[h] - s->total[h], arm->half_bad[h] - s->bad[h]};
        s->total[h] = arm->half_total[h];
        s->bad[h] = arm->half_bad[h];
    }
    if (same && s->is_restored) {
        s->is_restored = false;
    } else if (same) {
        judge_aa_feed(s->aa, &b);
    } else {
        judge_aa_free(s->aa);
        s->aa = judge_aa_new();
        buf_clear(&s->version);
        buf_add_str(&s->version, arm->version);
        s->is_restored = false;
    }
    s->until_ms = now_ms;
}

static void write_one(struct store_batch *batch, const struct slo_spec *slo, const char *metric,
                      int64_t t_ms, double v)
{
    struct label l[] = {{STR(LABEL_NAME), str_from(metric)},
                        {STR("service"), str_from(slo->service)},
                        {STR("slo"), str_from(slo->name)}};
    uint64_t ref = store_series(batch, (struct labels){3, l}, NULL);
    if (ref)
        (void)store_batch_add(batch, ref, t_ms, v, STORE_ORIGIN_UNKNOWN);
}

static void publish(struct daemon *d, struct selfcheck *s, const struct slo_spec *slo,
                    int64_t now_ms)
{
    struct judge_aa_result r;
    judge_aa_read(s->aa, &r);
    s->written_ms = now_ms;
    if (r.dispersion <= 0)
        return;
    struct store_batch *batch = store_batch_begin(d->store, now_ms);
    write_one(batch, slo, "cqed_aa_trials_total", now_ms, (double)r.trials);
    write_one(batch, slo, "cqed_aa_false_alarms_total", now_ms, (double)r.alarms);
    write_one(batch, slo, "cqed_aa_dispersion", now_ms, r.dispersion);
    struct err err = ERR_INIT;
    if (!store_batch_commit(batch, &err))
        log_error("store", "self-checks cannot be written: %s", err.message);
}

static void check_one(struct daemon *d, const struct slo_spec *slo, struct arena *arena,
                      int64_t now_ms)
{
    struct selfcheck *s = find(d, slo->name);
    struct slo_arm *arms;
    size_t n;
    if (s && now_ms >= s->until_ms && now_ms - s->until_ms < BUCKET_MS)
        return;
    if (!slo_engine_arms(d->engine, arena, slo->name, &arms, &n) || n == 0)
        return;
    if (!s)
        s = add(d, slo->name);
    feed(s, busiest(arms, n), now_ms);
    if (now_ms - s->written_ms >= WRITE_MS)
        publish(d, s, slo, now_ms);
}

void selfcheck_tick(struct daemon *d, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < d->config->n_slos; i++)
        check_one(d, &d->config->slos[i], &arena, now_ms);
    arena_release(&arena);
}

json_t *selfcheck_view(const struct daemon *d, const char *slo)
{
    const struct selfcheck *s = find(d, slo);
    struct judge_aa_result r;
    if (!s || !s->aa)
        return json_null();
    judge_aa_read(s->aa, &r);
    return json_pack("{s:s, s:I, s:I, s:f, s:o, s:b, s:s?}", "version", s->version.p, "trials",
                     (json_int_t)r.trials, "falseAlarms", (json_int_t)r.alarms, "alpha",
                     JUDGE_AA_ALPHA, "dispersion",
                     r.dispersion > 0 ? json_real(r.dispersion) : json_null(), "split", r.is_split,
                     "noisy", r.noisy);
}

const char *selfcheck_noise(const struct daemon *d, const char *slo)
{
    const struct selfcheck *s = find(d, slo);
    struct judge_aa_result r = {0};
    if (s && s->aa)
        judge_aa_read(s->aa, &r);
    return r.noisy;
}
