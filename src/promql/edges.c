/* Experimental ranges whose edges are not extrapolated (Prometheus proposal 52): `anchored` takes
 * the last sample at or before the range's start as the value there, `smoothed` the line between
 * the samples around each edge. */
#include "promql/edges.h"

bool edges_allowed(const struct function *f, enum edges edges, const char **allowed)
{
    bool rates = f->range == range_rate || f->range == range_increase || f->range == range_delta;
    bool counts = f->range == range_changes || f->range == range_resets;
    *allowed = edges == EDGES_ANCHORED ? "changes, delta, increase, rate, resets"
                                       : "delta, increase, rate";
    return rates || (counts && edges == EDGES_ANCHORED);
}

/* A counter that was reset between the two began at 0 then. */
static double value_at(const struct sample *a, const struct sample *b, int64_t t_ms, bool counter)
{
    struct sample from = *a;
    if (counter && b->v < a->v)
        from.v = 0;
    return interpolate(&from, b, t_ms);
}

/* The part of the samples that the range with its edges needs. */
struct part {
    size_t first, last;
    double left, right;
};

static bool take_part(enum edges edges, const struct sample *v, size_t n, int64_t start_ms,
                      int64_t end_ms, bool counter, struct part *out)
{
    size_t first = 0, last = n - 1;
    if (n == 0)
        return false;
    while (first + 1 < n && v[first + 1].t_ms <= start_ms)
        first++;
    while (edges == EDGES_SMOOTHED && last > 0 && v[last - 1].t_ms >= end_ms)
        last--;
    if (v[last].t_ms <= start_ms || v[first].t_ms > end_ms)
        return false;
    *out = (struct part){first, last, v[first].v, v[last].v};
    if (edges == EDGES_SMOOTHED && v[first].t_ms < start_ms)
        out->left = value_at(&v[first], &v[first + 1], start_ms, counter);
    if (edges == EDGES_SMOOTHED && last > 0 && v[last].t_ms > end_ms)
        out->right = value_at(&v[last - 1], &v[last], end_ms, counter);
    return true;
}

size_t points_with_edges(struct arena *arena, enum edges edges, const struct matrix_series *s,
                         int64_t start_ms, int64_t end_ms, const struct sample **out)
{
    const struct sample *v = s->samples;
    struct part p;
    size_t n = 0;
    if (!take_part(edges, v, s->n, start_ms, end_ms, false, &p))
        return 0;
    struct sample *points = ARENA_ARRAY(arena, struct sample, s->n + 2);
    points[n++] = (struct sample){start_ms, p.left};
    for (size_t i = p.first; i <= p.last; i++) {
        if (v[i].t_ms > start_ms && v[i].t_ms < end_ms)
            points[n++] = v[i];
    }
    points[n++] = (struct sample){end_ms, p.right};
    *out = points;
    return n;
}

static double counter_gain(const struct sample *v, const struct part *p, int64_t start_ms,
                           int64_t end_ms)
{
    double gain = p->right - p->left, before = p->left;
    for (size_t i = p->first; i <= p->last; i++) {
        if (v[i].t_ms <= start_ms || v[i].t_ms >= end_ms)
            continue;
        if (v[i].v < before)
            gain += before;
        before = v[i].v;
    }
    return p->right < before ? gain + before : gain;
}

/* How often neighbours differ, or fall, from the left edge on. */
static double count_steps(const struct sample *v, const struct part *p, int64_t start_ms,
                          range_fn *fn)
{
    double count = 0;
    for (size_t i = p->first + 1; i <= p->last; i++) {
        const struct sample pair[] = {
            i == p->first + 1 ? (struct sample){start_ms, p->left} : v[i - 1], v[i]};
        static const size_t falls[] = {1};
        struct window w = {
            .v = pair, .n = 2, .falls = falls, .n_falls = pair[1].v < pair[0].v ? 1 : 0};
        double one = 0;
        (void)fn(&w, &one);
        count += one;
    }
    return count;
}

bool range_with_edges(const struct function *f, enum edges edges, const struct sample *v, size_t n,
                      int64_t start_ms, int64_t end_ms, double *out)
{
    struct part p;
    bool counter = f->range == range_rate || f->range == range_increase;
    if (!take_part(edges, v, n, start_ms, end_ms, counter, &p))
        return false;
    if (f->range == range_changes || f->range == range_resets)
        *out = count_steps(v, &p, start_ms, f->range);
    else if (!counter)
        *out = p.right - p.left;
    else
        *out = counter_gain(v, &p, start_ms, end_ms);
    if (f->range == range_rate)
        *out /= (double)(end_ms - start_ms) / 1000;
    return true;
}
