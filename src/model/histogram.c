#include "model/histogram.h"

#include "base/check.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *histogram_hint_name(enum histogram_hint hint)
{
    static const char *const names[] = {
#define X(code, name) name,
        HISTOGRAM_HINTS(X)
#undef X
    };
    return names[hint];
}

static bool check_count(double v, const char *what, struct err *err)
{
    if (!(v >= 0))
        return err_set(err, ERR_BAD_INPUT, "native histogram: %s is %g, must be 0 or more", what,
                       v);
    return true;
}

static bool check_spans(const struct histogram_side *s, const char *side, struct err *err)
{
    int64_t index = 0;
    uint64_t length = 0;
    if (s->n_buckets > HISTOGRAM_MAX_BUCKETS || s->n_spans > HISTOGRAM_MAX_BUCKETS)
        return err_set(err, ERR_BAD_INPUT,
                       "native histogram: %u %s buckets in %u spans, the limit is %d", s->n_buckets,
                       side, s->n_spans, HISTOGRAM_MAX_BUCKETS);
    for (uint32_t i = 0; i < s->n_spans; i++) {
        const struct histogram_span *span = &s->spans[i];
        if (i > 0 && span->offset < 0)
            return err_set(err, ERR_BAD_INPUT, "native histogram: %s span %u has the offset %d",
                           side, i, span->offset);
        index += span->offset + (int64_t)span->length;
        length += span->length;
        if (index > INT32_MAX)
            return err_set(err, ERR_BAD_INPUT, "native histogram: %s span %u ends at bucket %lld",
                           side, i, (long long)index);
    }
    if (length != s->n_buckets)
        return err_set(err, ERR_BAD_INPUT,
                       "native histogram: the %s spans hold %llu buckets, %u are there", side,
                       (unsigned long long)length, s->n_buckets);
    return true;
}

static bool check_side(const struct histogram_side *s, const char *side, struct err *err)
{
    if (!check_spans(s, side, err))
        return false;
    for (uint32_t i = 0; i < s->n_buckets; i++) {
        if (!check_count(s->buckets[i], "a bucket", err))
            return false;
    }
    return true;
}

static bool check_bounds(const struct histogram *h, struct err *err)
{
    for (uint32_t i = 0; i < h->n_custom; i++) {
        if (!isfinite(h->custom[i]) || (i > 0 && h->custom[i] <= h->custom[i - 1]))
            return err_set(err, ERR_BAD_INPUT,
                           "native histogram: custom bound %u is %g, must be finite and ascend", i,
                           h->custom[i]);
    }
    return true;
}

/* Custom buckets reach from the first to the one over the last bound. */
static bool check_custom(const struct histogram *h, struct err *err)
{
    int64_t index = 0;
    if (h->n_custom > HISTOGRAM_MAX_BUCKETS)
        return err_set(err, ERR_BAD_INPUT, "native histogram: %u custom bounds, the limit is %d",
                       h->n_custom, HISTOGRAM_MAX_BUCKETS);
    if (h->zero_threshold != 0 || h->zero_count != 0)
        return err_set(
            err, ERR_BAD_INPUT,
            "native histogram: custom bounds with a zero bucket (threshold %g, count %g)",
            h->zero_threshold, h->zero_count);
    if (h->negative.n_spans > 0 || h->negative.n_buckets > 0)
        return err_set(err, ERR_BAD_INPUT, "native histogram: custom bounds with negative buckets");
    if (h->positive.n_spans > 0 && h->positive.spans[0].offset < 0)
        return err_set(err, ERR_BAD_INPUT, "native histogram: custom bucket %d does not exist",
                       h->positive.spans[0].offset);
    for (uint32_t i = 0; i < h->positive.n_spans; i++)
        index += h->positive.spans[i].offset + (int64_t)h->positive.spans[i].length;
    if (index > (int64_t)h->n_custom + 1)
        return err_set(err, ERR_BAD_INPUT,
                       "native histogram: %lld custom buckets, the bounds give %u",
                       (long long)index, h->n_custom + 1);
    return check_bounds(h, err);
}

static bool check_exponential(const struct histogram *h, struct err *err)
{
    if (h->schema < HISTOGRAM_SCHEMA_MIN || h->schema > HISTOGRAM_SCHEMA_MAX)
        return err_set(err, ERR_BAD_INPUT, "native histogram: schema %d, known are -4 to 8 and -53",
                       h->schema);
    if (h->n_custom > 0)
        return err_set(err, ERR_BAD_INPUT, "native histogram: custom bounds with schema %d",
                       h->schema);
    if (!(h->zero_threshold >= 0) || isinf(h->zero_threshold))
        return err_set(err, ERR_BAD_INPUT, "native histogram: zero threshold %g",
                       h->zero_threshold);
    return true;
}

bool histogram_validate(const struct histogram *h, struct err *err)
{
    return check_side(&h->positive, "positive", err) && check_side(&h->negative, "negative", err) &&
           check_count(h->count, "count", err) && check_count(h->zero_count, "zero count", err) &&
           (h->schema == HISTOGRAM_SCHEMA_CUSTOM ? check_custom(h, err)
                                                 : check_exponential(h, err));
}

static struct histogram_side copy_side(struct arena *arena, struct histogram_side s)
{
    s.spans = arena_memdup(arena, s.spans, s.n_spans * sizeof *s.spans);
    s.buckets = arena_memdup(arena, s.buckets, s.n_buckets * sizeof *s.buckets);
    return s;
}

struct histogram *histogram_copy(struct arena *arena, const struct histogram *h)
{
    struct histogram *c = arena_memdup(arena, h, sizeof *h);
    c->positive = copy_side(arena, h->positive);
    c->negative = copy_side(arena, h->negative);
    if (h->n_custom > 0)
        c->custom = arena_memdup(arena, h->custom, h->n_custom * sizeof *h->custom);
    return c;
}

static bool same_bits(const void *a, const void *b, size_t n_bytes)
{
    return n_bytes == 0 || memcmp(a, b, n_bytes) == 0;
}

static bool same_side(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->n_spans == b->n_spans && a->n_buckets == b->n_buckets &&
           same_bits(a->spans, b->spans, a->n_spans * sizeof *a->spans) &&
           same_bits(a->buckets, b->buckets, a->n_buckets * sizeof *a->buckets);
}

bool histogram_identical(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->hint == b->hint && a->n_custom == b->n_custom &&
           same_bits(&a->zero_threshold, &b->zero_threshold, sizeof(double)) &&
           same_bits(&a->zero_count, &b->zero_count, sizeof(double)) &&
           same_bits(&a->count, &b->count, sizeof(double)) &&
           same_bits(&a->sum, &b->sum, sizeof(double)) && same_side(&a->positive, &b->positive) &&
           same_side(&a->negative, &b->negative) &&
           same_bits(a->custom, b->custom, a->n_custom * sizeof *a->custom);
}

/* b^i = 2^(i / 2^schema): the whole part of the exponent goes to ldexp, so it stays exact. */
static double power(int32_t schema, int32_t i)
{
    if (schema <= 0) {
        int64_t exponent = (int64_t)i * (INT64_C(1) << -schema);
        return exponent > DBL_MAX_EXP        ? INFINITY
               : exponent < -DBL_MAX_EXP * 2 ? 0
                                             : ldexp(1, (int)exponent);
    }
    int32_t steps = 1 << schema;
    int32_t whole = i / steps - (i % steps < 0);
    int32_t part = i - whole * steps;
    return ldexp(exp2((double)part / steps), whole);
}

double histogram_bound(const struct histogram *h, int32_t i)
{
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        if (i < 0)
            return -INFINITY;
        return (uint32_t)i < h->n_custom ? h->custom[i] : INFINITY;
    }
    return power(h->schema, i);
}
