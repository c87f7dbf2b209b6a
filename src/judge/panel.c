#include "judge/judge.h"

#include "base/check.h"

void judge_panel_init(struct judge_panel *p, double alpha, int64_t dwell_ms, bool latch)
{
    *p = (struct judge_panel){
        .alpha = alpha, .dwell_ms = dwell_ms, .latch = latch, .harm_ms = -1, .health_ms = -1};
}

void judge_panel_add(struct judge_panel *p, struct judge_stream *s)
{
    CHECK(p->n < JUDGE_PANEL_MAX);
    p->streams[p->n++] = s;
}

void judge_panel_release(struct judge_panel *p)
{
    for (size_t i = 0; i < p->n; i++)
        judge_stream_free(p->streams[i]);
    p->n = 0;
}

static struct combined combine(const struct judge_panel *p)
{
    double log_e[JUDGE_PANEL_MAX], weights[JUDGE_PANEL_MAX];
    for (size_t i = 0; i < p->n; i++) {
        log_e[i] = judge_stream_log_e(p->streams[i]);
        weights[i] = 1 / (double)p->n;
    }
    return judge_combine(log_e, weights, p->n, p->alpha);
}

static bool all_are_healthy(struct judge_panel *p)
{
    bool all = true;
    for (size_t i = 0; i < p->n; i++) {
        if (!(p->latch && p->healthy[i]))
            p->healthy[i] = judge_stream_is_healthy(p->streams[i]);
        all &= p->healthy[i];
    }
    return all;
}

bool judge_panel_is_over(const struct judge_panel *p)
{
    return p->harm_ms >= 0;
}

bool judge_panel_feed(struct judge_panel *p, const struct judge_bucket *buckets, int64_t now_ms,
                      struct err *err)
{
    bool promoted = p->latch && p->health_ms >= 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!judge_stream_feed(p->streams[i], &buckets[i], err))
            return false;
    }
    p->combined = combine(p);
    if (p->combined.is_harm)
        p->harm_ms = p->harm_ms < 0 ? now_ms : p->harm_ms;
    else if (!promoted && (!all_are_healthy(p) || now_ms < p->dwell_ms))
        p->health_ms = -1;
    else if (p->health_ms < 0)
        p->health_ms = now_ms;
    return true;
}
