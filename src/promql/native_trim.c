/* `</` and `>/`: what is left of a histogram below or above a limit. */
#include "promql/native.h"

#include <math.h>

struct trim {
    double limit;
    bool below; /* what is below the limit is kept */
    bool linear, positive, trimmed;
    bool has_positive, has_negative;
    double count, sum;
};

struct range {
    double low, high;
};

struct part {
    double count, middle;
};

/* The mean of observations in a range: of no more is known than its bounds. */
static double middle_of(const struct trim *t, double low, double high)
{
    if (isinf(low) && isinf(high))
        return 0;
    if (isinf(low))
        return high > 0 ? high / 2 : high;
    if (isinf(high))
        return low;
    if (t->linear)
        return (low + high) / 2;
    double mean = sqrt(fabs(low * high));
    return t->positive ? mean : -mean;
}

/* How much of a bucket is at or below the limit. */
static double fraction_below(const struct trim *t, struct range r)
{
    if (t->linear)
        return (t->limit - r.low) / (r.high - r.low);
    double low = log2(fabs(r.low)), high = log2(fabs(r.high)), at = log2(fabs(t->limit));
    return t->positive ? (at - low) / (high - low) : 1 - (at - high) / (low - high);
}

static double or_zero(double v)
{
    return isinf(v) ? 0 : v;
}

/* The first custom bucket has no lower end; it counts as one from 0 where it can. */
static struct part open_below(const struct trim *t, double count, double high)
{
    if (t->below) {
        if (t->limit > 0 && high > 0 && isfinite(high))
            return (struct part){count * t->limit / high, t->limit / 2};
        if (high <= 0)
            return (struct part){count, t->limit};
        return (struct part){0, or_zero(high)};
    }
    if (t->limit >= 0 && isfinite(high))
        return (struct part){count * (1 - t->limit / high), (t->limit + high) / 2};
    return (struct part){0, or_zero(high)};
}

/* The last bucket has no upper end: it goes, or stays, whole. */
static struct part open_above(const struct trim *t, double count, double low)
{
    if (!t->below && t->limit >= low)
        return (struct part){count, t->limit};
    return (struct part){0, or_zero(low)};
}

static struct part cut(const struct trim *t, struct range r, double count)
{
    if (isinf(r.low))
        return open_below(t, count, r.high);
    if (isinf(r.high))
        return open_above(t, count, r.low);
    double under = count * fraction_below(t, r);
    return t->below ? (struct part){under, middle_of(t, r.low, t->limit)}
                    : (struct part){count - under, middle_of(t, t->limit, r.high)};
}

static struct range range_of(const struct trim *t, const struct native *n, int32_t i)
{
    if (t->positive)
        return (struct range){native_bound(n, i - 1), native_bound(n, i)};
    return (struct range){-native_bound(n, i), -native_bound(n, i - 1)};
}

static double keep(struct trim *t, struct range r, double count)
{
    struct part p = {0, 0};
    if (t->below ? r.high <= t->limit : r.low >= t->limit)
        p = (struct part){count, middle_of(t, r.low, r.high)};
    else if (t->below ? r.low < t->limit : r.high > t->limit)
        p = cut(t, r, count);
    t->count += p.count;
    t->sum += p.middle * p.count;
    t->trimmed |= p.count != count;
    return p.count;
}

static bool trim_cells(struct trim *t, const struct native *n, struct cells *c, bool positive)
{
    bool any = false;
    t->positive = positive;
    for (size_t i = 0; i < c->n; i++) {
        if (c->v[i] == 0)
            continue;
        any = true;
        c->v[i] = keep(t, range_of(t, n, c->index[i]), c->v[i]);
    }
    return any;
}

/* The zero bucket reaches only to the side where there are observations. */
static void trim_zero(struct trim *t, struct native *n)
{
    struct range r = {-n->zero_threshold, n->zero_threshold};
    double count = n->zero.sum, kept = 0, middle = 0;
    if (!(count > 0))
        return;
    if (t->has_negative && !t->has_positive)
        r.high = 0;
    if (t->has_positive && !t->has_negative)
        r.low = 0;
    if (t->below ? t->limit >= r.high && t->limit > r.low : t->limit <= r.low) {
        kept = count;
        middle = (r.low + r.high) / 2;
    } else if (t->below ? t->limit > r.low : t->limit < r.high) {
        double width = t->below ? t->limit - r.low : r.high - t->limit;
        kept = count * (width / (r.high - r.low));
        middle = ((t->below ? r.low : r.high) + t->limit) / 2;
    }
    n->zero.sum = kept;
    t->trimmed |= kept != count;
    t->count += kept;
    t->sum += middle * kept;
}

struct native native_trim(struct arena *arena, const struct histogram *h, double limit, bool below)
{
    struct native n = native_copy(arena, h);
    struct trim t = {.limit = limit, .below = below, .linear = is_custom(h)};
    t.has_positive = trim_cells(&t, &n, &n.positive, true);
    t.has_negative = trim_cells(&t, &n, &n.negative, false);
    trim_zero(&t, &n);
    if (t.trimmed) {
        n.count.sum = t.count;
        n.sum.sum = t.sum;
        native_compact(&n);
    }
    return n;
}
