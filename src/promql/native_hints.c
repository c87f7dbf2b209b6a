/* What the histograms of a series say of resets between them. A sender mostly does not say; as in
 * Prometheus, whose chunks of a series never span a reset, what follows another without one is then
 * marked so, and what follows one with a reset, or after anything else, is not marked. Where only
 * the counts and sums of histograms matter, a reset is marked as one, too
 * (promql/histogram_stats_iterator.go). */
#include "promql/eval.h"

/* A float, a stale marker too, came between. */
static bool is_apart(const struct promql_series *s, size_t i, size_t *next)
{
    while (*next < s->n && s->samples[*next].t_ms <= s->histograms[i - 1].t_ms)
        ++*next;
    return *next < s->n && s->samples[*next].t_ms < s->histograms[i].t_ms;
}

static enum histogram_hint hint_of(struct query *q, const struct histogram *h,
                                   const struct histogram *before, bool stats, bool apart)
{
    if (h->hint != HISTOGRAM_HINT_UNKNOWN)
        return h->hint;
    if (!stats && (apart || before->hint == HISTOGRAM_HINT_GAUGE))
        return HISTOGRAM_HINT_UNKNOWN;
    if (!native_is_reset(scratch_room(q), h, before))
        return HISTOGRAM_HINT_NOT_RESET;
    return stats ? HISTOGRAM_HINT_RESET : HISTOGRAM_HINT_UNKNOWN;
}

/* The last histogram of what is before, unless a float follows it. */
static const struct histogram *last_of(const struct promql_series *s)
{
    if (!s || s->n_histograms == 0)
        return NULL;
    const struct histogram_sample *last = &s->histograms[s->n_histograms - 1];
    return s->n > 0 && s->samples[s->n - 1].t_ms > last->t_ms ? NULL : last->h;
}

void native_mark_resets(struct query *q, struct promql_series *s,
                        const struct promql_series *earlier, bool stats)
{
    const struct histogram *before = last_of(earlier);
    struct histogram *marked = ARENA_ARRAY(q->arena, struct histogram, s->n_histograms);
    struct histogram_sample *out = ARENA_ARRAY(q->arena, struct histogram_sample, s->n_histograms);
    size_t next = 0;
    for (size_t i = 0; i < s->n_histograms; i++) {
        const struct histogram *h = s->histograms[i].h;
        marked[i] = *h;
        if (i == 0 && before)
            marked[i].hint = hint_of(q, h, before, false,
                                     s->n > 0 && s->samples[0].t_ms < s->histograms[0].t_ms);
        if (i > 0)
            marked[i].hint = hint_of(q, h, s->histograms[i - 1].h, stats, is_apart(s, i, &next));
        out[i] = (struct histogram_sample){s->histograms[i].t_ms, &marked[i]};
    }
    s->histograms = out;
}
