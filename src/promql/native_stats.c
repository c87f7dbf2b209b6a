/* Quantiles, fractions and variance of a native histogram. Inside an exponential bucket
 * observations are spread evenly over the logarithm, inside the zero bucket and custom ones over
 * the value. */
#include "promql/native.h"
#include "promql/promql.h"
#include "promql/sums.h"

#include <math.h>

struct bucket {
    double low, high, count;
    bool zero;
};

/* All buckets from the lowest to the highest, empty ones included. */
struct walk {
    struct native h;
    bool custom;
    size_t n, at; /* of all; the next one */
    bool backwards;
};

static struct walk walk_begin(struct arena *scratch, const struct histogram *h, bool backwards)
{
    struct walk w = {.h = native_view(scratch, h), .custom = is_custom(h), .backwards = backwards};
    w.n = w.h.negative.n + (h->zero_count > 0) + w.h.positive.n;
    return w;
}

static bool walk_next(struct walk *w, struct bucket *out)
{
    const struct native *h = &w->h;
    if (w->at == w->n)
        return false;
    size_t i = w->backwards ? w->n - 1 - w->at : w->at;
    size_t zero = h->zero.sum > 0;
    w->at++;
    if (i < h->negative.n) {
        size_t k = h->negative.n - 1 - i;
        int32_t index = h->negative.index[k];
        *out = (struct bucket){-native_bound(h, index), -native_bound(h, index - 1),
                               h->negative.v[k], false};
    } else if (i < h->negative.n + zero) {
        *out = (struct bucket){-h->zero_threshold, h->zero_threshold, h->zero.sum, true};
    } else {
        size_t k = i - h->negative.n - zero;
        int32_t index = h->positive.index[k];
        *out = (struct bucket){native_bound(h, index - 1), native_bound(h, index), h->positive.v[k],
                               false};
    }
    return true;
}

/* With observations on one side only, the zero bucket ends at 0. */
static void clip_zero(const struct native *h, struct bucket *b)
{
    if (h->negative.n == 0 && h->positive.n > 0)
        b->low = 0;
    else if (h->positive.n == 0 && h->negative.n > 0)
        b->high = 0;
}

const struct promql_bucket *promql_buckets(struct arena *arena, const struct histogram *h,
                                           size_t *n)
{
    struct walk w = walk_begin(arena, h, false);
    struct promql_bucket *out = ARENA_ARRAY(arena, struct promql_bucket, w.n);
    struct bucket b;
    *n = 0;
    while (walk_next(&w, &b)) {
        bool low = w.custom ? isinf(b.low) : b.low < 0, high = w.custom || b.high > 0;
        if (b.count != 0)
            out[(*n)++] =
                (struct promql_bucket){b.low, b.high, b.count, low || b.zero, high || b.zero};
    }
    return out;
}

/* --- Quantiles --- */

static double inside(const struct walk *w, const struct bucket *b, double fraction)
{
    if (w->custom || (b->low <= 0 && b->high >= 0))
        return b->low + (b->high - b->low) * fraction;
    double low = log2(fabs(b->low)), high = log2(fabs(b->high));
    if (b->low > 0)
        return exp2(low + (high - low) * fraction);
    return -exp2(high + (low - high) * (1 - fraction));
}

/* NaN observations are in no bucket, and so count as higher than all. */
static enum nan_note nans_beyond(struct walk *w, double count, const struct histogram *h)
{
    struct bucket b;
    while (walk_next(w, &b))
        count += b.count;
    return count < h->count ? NAN_SKEW : NAN_NONE;
}

double native_quantile(struct arena *scratch, const struct histogram *h, double phi,
                       enum nan_note *note)
{
    bool backwards = !isnan(h->sum) && phi >= 0.5;
    struct bucket b = {0};
    double count = 0;
    *note = NAN_NONE;
    if (phi < 0 || phi > 1)
        return phi < 0 ? -(double)INFINITY : (double)INFINITY;
    if (h->count == 0 || isnan(phi))
        return (double)NAN;
    struct walk w = walk_begin(scratch, h, backwards);
    double rank = (backwards ? 1 - phi : phi) * h->count;
    while (walk_next(&w, &b)) {
        count += b.count;
        if (b.count != 0 && count >= rank)
            break;
    }
    if (!w.custom && b.low < 0 && b.high > 0)
        clip_zero(&w.h, &b);
    if (w.custom && isinf(b.low)) {
        if (b.high <= 0)
            return b.high;
        b.low = 0;
    } else if (w.custom && isinf(b.high)) {
        return b.low;
    }
    if (count > h->count)
        count = h->count;
    if (count < rank) {
        *note = isnan(h->sum) ? NAN_RESULT : NAN_NONE;
        return isnan(h->sum) ? (double)NAN : b.high;
    }
    double into = backwards ? count - rank : rank - (count - b.count);
    if (isnan(h->sum))
        *note = nans_beyond(&w, count, h);
    return inside(&w, &b, into / b.count);
}

/* --- Fractions --- */

static double share_below(const struct walk *w, const struct bucket *b, bool zero, double v)
{
    if (w->custom || zero) {
        if (isinf(b->low))
            return 1; /* from -Inf on: as if all of it were at its lower end */
        return (v - b->low) / (b->high - b->low);
    }
    double low = log2(fabs(b->low)), high = log2(fabs(b->high)), at = log2(fabs(v));
    return v > 0 ? (at - low) / (high - low) : 1 - (at - high) / (low - high);
}

/* How many observations are below a value. */
struct rank {
    double value, count;
    bool found;
};

static void rank_step(struct rank *r, const struct walk *w, const struct bucket *b, bool zero,
                      double below)
{
    if (r->found)
        return;
    if (b->low >= r->value) {
        r->count = below;
        r->found = true;
    } else if (b->high > r->value) {
        r->count = below + b->count * share_below(w, b, zero, r->value);
        r->found = true;
    }
}

double native_fraction(struct arena *scratch, const struct histogram *h, double low, double high,
                       bool *nans)
{
    struct rank from = {.value = low}, to = {.value = high};
    struct bucket b;
    double below = 0, count = h->count;
    *nans = false;
    if (h->count == 0 || isnan(low) || isnan(high))
        return (double)NAN;
    if (low >= high)
        return 0;
    struct walk w = walk_begin(scratch, h, false);
    while (walk_next(&w, &b)) {
        bool zero = b.low <= 0 && b.high >= 0;
        if (zero)
            clip_zero(&w.h, &b);
        rank_step(&from, &w, &b, zero, below);
        rank_step(&to, &w, &b, zero, below);
        below += b.count;
    }
    if (isnan(h->sum)) {
        count = below;
        *nans = below < h->count;
    }
    if (!from.found || from.count > count)
        from.count = count;
    if (!to.found || to.count > count)
        to.count = count;
    return (to.count - from.count) / h->count;
}

/* --- Variance --- */

/* All observations of a bucket count as one value in it. */
double native_variance(struct arena *scratch, const struct histogram *h)
{
    struct walk w = walk_begin(scratch, h, false);
    struct bucket b;
    double mean = h->sum / h->count, sum = 0, lost = 0;
    while (walk_next(&w, &b)) {
        double v = 0;
        if (b.count == 0)
            continue;
        if (w.custom)
            v = (b.high + b.low) / 2;
        else if (b.low > 0 || b.high < 0)
            v = b.high < 0 ? -sqrt(b.high * b.low) : sqrt(b.high * b.low);
        sum_add(b.count * (v - mean) * (v - mean), &sum, &lost);
    }
    return (sum + lost) / h->count;
}
