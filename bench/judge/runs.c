/* What bench.py's judge "c" drives: runs of one scenario on standard input, verdicts out; the judge
 * of cqed without files between, so that thousands of runs a scenario are quick.
 *
 * In: struct header, then for each run the counts as int32: of n_history + n buckets stable's
 * total, canary's, stable's bad, canary's; with n_edges then both histograms. Out: struct verdict a
 * run. */
#include "judge/judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BUCKETS 20000
#define BUCKET_MS 5000
#define START_MS INT64_C(1000000000000)
#define DWELL_MS 300000

struct header {
    int32_t runs, n_history, n, n_edges, warmup_ms, alone, reference;
    double alpha;
    double edges[JUDGE_MAX_EDGES]; /* seconds, the last +Inf */
};

struct verdict {
    double rollback_s, promote_s; /* infinite when not */
    double dispersion;            /* learned, of errors */
};

struct run {
    size_t n; /* buckets, history first */
    int32_t *total[2], *bad[2], *hist[2];
    double (*hists)[2][JUDGE_MAX_EDGES];
    struct judge_bucket *buckets;
};

static void *need(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        abort();
    return p;
}

static bool take(void *p, size_t size, size_t n)
{
    return fread(p, size, n, stdin) == n;
}

static bool read_run(const struct header *h, struct run *r)
{
    size_t n = r->n, cells = n * (size_t)h->n_edges;
    for (size_t arm = 0; arm < 2; arm++) {
        if (!take(r->total[arm], sizeof(int32_t), n))
            return false;
    }
    for (size_t arm = 0; arm < 2; arm++) {
        if (!take(r->bad[arm], sizeof(int32_t), n))
            return false;
    }
    for (size_t arm = 0; arm < 2 && cells; arm++) {
        if (!take(r->hist[arm], sizeof(int32_t), cells))
            return false;
        for (size_t i = 0; i < cells; i++)
            r->hists[i / (size_t)h->n_edges][arm][i % (size_t)h->n_edges] = r->hist[arm][i];
    }
    for (size_t i = 0; i < n; i++) {
        int64_t at_ms = ((int64_t)i - h->n_history) * BUCKET_MS;
        r->buckets[i] = (struct judge_bucket){.start_ms = START_MS + at_ms,
                                              .length_ms = BUCKET_MS,
                                              .stable_reported = true,
                                              .canary_reported = true,
                                              .stable = {r->total[0][i], r->bad[0][i]},
                                              .canary = {r->total[1][i], r->bad[1][i]},
                                              .stable_hist = r->hists[i][0],
                                              .canary_hist = r->hists[i][1]};
        if (h->alone && i < (size_t)h->n_history) {
            r->buckets[i].canary = (struct arm_counts){0};
            r->buckets[i].canary_reported = false;
        }
    }
    return true;
}

static struct judge_stream *open_stream(const struct header *h, const struct run *r,
                                        enum evidence_kind kind)
{
    struct judge_config c = judge_config_default(kind);
    c.alpha = h->alpha;
    c.warmup_ms = h->warmup_ms;
    c.reference = h->reference;
    if (kind == EVIDENCE_RATIO)
        c.tolerate = 0.0005;
    if (kind == EVIDENCE_LATENCY) {
        c.n_edges = (size_t)h->n_edges;
        memcpy(c.edges, h->edges, sizeof c.edges);
        c.slo_edge = h->edges[h->n_edges - 2];
        c.bank_tolerate = 0.002;
    }
    struct judge_stream *s = judge_stream_new(&c);
    if (h->n_history)
        judge_stream_calibrate(s, r->buckets, (size_t)h->n_history);
    return s;
}

static struct judge_bucket of_latency(const struct header *h, const struct judge_bucket *b)
{
    struct judge_bucket slow = *b;
    size_t last = (size_t)h->n_edges - 1;
    slow.stable.bad = fmin(slow.stable.total, b->stable_hist[last]);
    slow.canary.bad = fmin(slow.canary.total, b->canary_hist[last]);
    return slow;
}

static struct verdict judge_run(const struct header *h, const struct run *r)
{
    struct judge_panel p;
    struct err err = ERR_INIT;
    judge_panel_init(&p, h->alpha, DWELL_MS, true);
    judge_panel_add(&p, open_stream(h, r, EVIDENCE_RATIO));
    if (h->n_edges)
        judge_panel_add(&p, open_stream(h, r, EVIDENCE_LATENCY));
    struct verdict v = {(double)INFINITY, (double)INFINITY, judge_stream_dispersion(p.streams[0])};
    for (size_t i = (size_t)h->n_history; i < r->n && !judge_panel_is_over(&p); i++) {
        struct judge_bucket own[2] = {r->buckets[i], r->buckets[i]};
        if (h->n_edges)
            own[1] = of_latency(h, &own[1]);
        if (!judge_panel_feed(&p, own, own[0].start_ms + BUCKET_MS - START_MS, &err)) {
            (void)fprintf(stderr, "bucket %zu: %s\n", i, err.message);
            exit(1);
        }
    }
    if (p.harm_ms >= 0)
        v.rollback_s = (double)p.harm_ms / 1000;
    if (p.health_ms >= 0)
        v.promote_s = (double)p.health_ms / 1000;
    judge_panel_release(&p);
    return v;
}

int main(void)
{
    struct header h;
    struct run r = {0};
    if (!take(&h, sizeof h, 1) || h.n < 1 || h.n_history < 0 || h.n + h.n_history > MOST_BUCKETS ||
        h.n_edges < 0 || h.n_edges == 1 || h.n_edges > JUDGE_MAX_EDGES || h.runs < 0) {
        (void)fputs("no header that can be\n", stderr);
        return 1;
    }
    r.n = (size_t)h.n_history + (size_t)h.n;
    r.buckets = need(r.n, sizeof *r.buckets);
    r.hists = need(r.n, sizeof *r.hists);
    for (size_t arm = 0; arm < 2; arm++) {
        r.total[arm] = need(r.n, sizeof(int32_t));
        r.bad[arm] = need(r.n, sizeof(int32_t));
        r.hist[arm] = need(r.n * ((size_t)h.n_edges + 1), sizeof(int32_t));
    }
    for (int32_t i = 0; i < h.runs; i++) {
        if (!read_run(&h, &r)) {
            (void)fputs("the input ends early\n", stderr);
            return 1;
        }
        struct verdict v = judge_run(&h, &r);
        (void)fwrite(&v, sizeof v, 1, stdout);
    }
    for (size_t arm = 0; arm < 2; arm++) {
        free(r.total[arm]);
        free(r.bad[arm]);
        free(r.hist[arm]);
    }
    free(r.hists);
    free(r.buckets);
    return fflush(stdout) == 0 ? 0 : 1;
}
