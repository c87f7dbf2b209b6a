/* Quantiles and fractions of histograms: of classic ones, which are one counter a bucket, told
 * apart by the label le, and of native ones. */
#include "base/num.h"
#include "promql/functions.h"
#include "promql/labelset.h"
#include "promql/native_notes.h"

#include <math.h>
#include <stdlib.h>

#define LE "le"
#define SMALL_DELTA 1e-12 /* counts this near, relatively, are equal but for rounding */

bool parse_le(struct labels labels, double *le)
{
    return num_parse_double(labels_get(labels, LE), le);
}

/* --- From columns to histograms --- */

struct bucket_column {
    double le;
    const double *v;
};

/* Steps with a native histogram must not have classic buckets, too. */
struct any_histogram {
    struct labels labels; /* of a classic one: without le */
    struct bucket_column *columns;
    size_t n, capacity;
    const struct histogram **native; /* one a step; NULL: none */
};

struct bucket {
    double le, count;
};

struct histograms {
    struct evaluation *e;
    struct label_index index;
    size_t position; /* of the vector */
    struct any_histogram *v;
    size_t n, capacity, most_buckets;
};

static int compare_columns(const void *a, const void *b)
{
    const struct bucket_column *x = a, *y = b;
    return (x->le > y->le) - (x->le < y->le);
}

static struct any_histogram *histogram_of(struct histograms *hs, struct labels labels)
{
    bool added;
    size_t at = label_index_put(&hs->index, labels, &added);
    if (added) {
        hs->v = arena_grow(hs->e->arena, hs->v, hs->n, &hs->capacity, sizeof *hs->v);
        hs->v[hs->n++] = (struct any_histogram){.labels = labels};
    }
    return &hs->v[at];
}

static void add_bucket(struct histograms *hs, const struct column *c, double le)
{
    struct arena *arena = hs->e->arena;
    struct any_histogram *h = histogram_of(hs, labels_with(arena, c->labels, STR(LE), STR("")));
    h->columns = arena_grow(arena, h->columns, h->n, &h->capacity, sizeof *h->columns);
    h->columns[h->n++] = (struct bucket_column){le, c->v};
    if (h->n > hs->most_buckets)
        hs->most_buckets = h->n;
}

/* Two columns of one label set take turns. */
static void add_native(struct histograms *hs, const struct column *c)
{
    struct any_histogram *h = histogram_of(hs, c->labels);
    if (!h->native)
        h->native = c->h;
    for (size_t i = 0; h->native != c->h && i < hs->e->n_steps; i++) {
        if (c->h[i])
            h->native[i] = c->h[i];
    }
}

static void note_bad_le(struct query *q, const struct column *c, size_t position)
{
    struct str name = labels_get(c->labels, LABEL_NAME), le = labels_get(c->labels, LE);
    add_note(q, NOTE_WARNING, position,
             "bucket label \"le\" is missing or has a malformed value of \"%.100s\"%s%.200s%s",
             arena_cstr(q->arena, le), name.n ? " for metric name \"" : "",
             arena_cstr(q->arena, name), name.n ? "\"" : "");
}

static bool gather(struct histograms *hs, const struct promql_expr *expr, struct err *err)
{
    struct columns all;
    double le;
    label_index_init(&hs->index, hs->e->arena);
    hs->position = argument_position(expr);
    if (!eval_columns(hs->e, expr, &all, err))
        return false;
    for (size_t i = 0; i < all.n; i++) {
        if (all.v[i].h)
            add_native(hs, &all.v[i]);
        if (all.v[i].h && !has_values(all.v[i].v, hs->e->n_steps))
            continue;
        if (parse_le(all.v[i].labels, &le) && !isnan(le))
            add_bucket(hs, &all.v[i], le);
        else
            note_bad_le(hs->e->query, &all.v[i], hs->position);
    }
    for (size_t i = 0; i < hs->n; i++) {
        if (hs->v[i].n > 1)
            qsort(hs->v[i].columns, hs->v[i].n, sizeof *hs->v[i].columns, compare_columns);
    }
    return true;
}

/* --- The buckets of one step --- */

/* The counts are cumulative; those of equal bounds, as le="1" and le="1.0", are added. */
static size_t buckets_at(const struct any_histogram *h, size_t step, struct bucket *out)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        double count = h->columns[i].v[step];
        if (is_absent(count))
            continue;
        if (n > 0 && out[n - 1].le == h->columns[i].le)
            out[n - 1].count += count;
        else
            out[n++] = (struct bucket){h->columns[i].le, count};
    }
    return n;
}

/* What there is at a step: classic buckets, *n of them, or a native histogram. False: nothing, or
 * both. */
static bool at_step(struct histograms *hs, const struct any_histogram *h, size_t step,
                    struct bucket *out, size_t *n, const struct histogram **native)
{
    *n = buckets_at(h, step, out);
    *native = h->native ? h->native[step] : NULL;
    if (*n == 0 || !*native)
        return *n > 0 || *native;
    note_optional(hs->e->query, NOTE_MIXED_CLASSIC, h->labels, hs->position);
    return false;
}

static bool nearly_equal(double a, double b)
{
    const double smallest = 0x1p-1022;
    double difference = fabs(a - b), sum = fabs(a) + fabs(b);
    if (a == 0 || b == 0 || sum < smallest)
        return difference < SMALL_DELTA * smallest;
    return difference / fmin(sum, 0x1.fffffffffffffp1023) < SMALL_DELTA;
}

/* Cumulative counts never fall. What falls by rounding is mended silently, what falls by more (the
 * buckets were not scraped at one moment) makes the result true. */
static bool force_monotonic(struct bucket *b, size_t n, struct mended *m)
{
    bool forced = false;
    double before = n > 0 ? b[0].count : 0;
    for (size_t i = 1; i < n; i++) {
        if (b[i].count == before)
            continue;
        if (nearly_equal(before, b[i].count)) {
            b[i].count = before;
        } else if (b[i].count < before) {
            m->low_le = fmin(m->low_le, b[i].le);
            m->high_le = fmax(m->high_le, b[i].le);
            m->most = fmax(m->most, before - b[i].count);
            b[i].count = before;
            forced = true;
        } else {
            before = b[i].count;
        }
    }
    return forced;
}

static bool has_inf_bucket(const struct bucket *b, size_t n)
{
    return n > 0 && isinf(b[n - 1].le) && b[n - 1].le > 0;
}

/* --- Quantiles --- */

/* Linear inside the bucket that the rank falls into; the first one begins at 0 if it can. */
static double quantile_in(double phi, const struct bucket *b, size_t n)
{
    double total = b[n - 1].count;
    if (n < 2 || total == 0)
        return (double)NAN;
    double rank = phi * total, start = 0, below = 0;
    size_t i = 0;
    while (i < n - 1 && !(b[i].count >= rank))
        i++;
    if (i == n - 1)
        return b[n - 2].le;
    if (i == 0 && b[0].le <= 0)
        return b[0].le;
    if (i > 0) {
        start = b[i - 1].le;
        below = b[i - 1].count;
    }
    return start + (b[i].le - start) * ((rank - below) / (b[i].count - below));
}

static double bucket_quantile(double phi, struct bucket *b, size_t n, int64_t t_ms,
                              struct mended *m)
{
    if (isnan(phi))
        return (double)NAN;
    if (phi < 0 || phi > 1)
        return phi < 0 ? -(double)INFINITY : (double)INFINITY;
    if (!has_inf_bucket(b, n))
        return (double)NAN;
    if (force_monotonic(b, n, m)) {
        m->first_ms = m->n == 0 ? t_ms : m->first_ms;
        m->last_ms = t_ms;
        m->n++;
    }
    return quantile_in(phi, b, n);
}

static double quantile_of_native(const struct histograms *hs, const struct any_histogram *h,
                                 const struct histogram *native, double phi)
{
    struct query *q = hs->e->query;
    enum nan_note nans;
    double v = native_quantile(scratch_room(q), native, phi, &nans);
    if (nans != NAN_NONE)
        note_optional(q, nans == NAN_RESULT ? NOTE_QUANTILE_NAN : NOTE_QUANTILE_SKEW, h->labels,
                      hs->position);
    return v;
}

/* The phi-quantiles of a histogram over all steps. */
static bool quantiles_of(struct histograms *hs, const struct any_histogram *h, const double *phi,
                         struct bucket *buckets, double *out, struct err *err)
{
    struct mended mended = NOTHING_MENDED;
    const struct histogram *native;
    size_t n;
    for (size_t i = 0; i < hs->e->n_steps; i++) {
        if (!at_step(hs, h, i, buckets, &n, &native))
            out[i] = ABSENT;
        else if (native)
            out[i] = quantile_of_native(hs, h, native, phi[i]);
        else
            out[i] = bucket_quantile(phi[i], buckets, n, step_time(hs->e, i), &mended);
        if (!spend(hs->e->query, h->n + (native ? 20 : 0), err))
            return false;
    }
    if (mended.n > 0)
        add_mended_note(hs->e->query, hs->position, labels_get(h->labels, LABEL_NAME), &mended);
    return true;
}

static void note_quantiles(const struct evaluation *e, const double *phi, size_t position)
{
    for (size_t i = 0; i < e->n_steps; i++)
        note_quantile(e->query, phi[i], position);
}

bool call_histogram_quantile(struct evaluation *e, const struct promql_expr *expr,
                             struct sink *sink, struct err *err)
{
    struct histograms hs = {.e = e};
    double *phi, *v;
    if (!eval_scalar(e, expr->args[0], &phi, err) || !gather(&hs, expr->args[1], err) ||
        !new_values(e, &v, err))
        return false;
    struct bucket *buckets = ARENA_ARRAY(e->arena, struct bucket, hs.most_buckets + 1);
    note_quantiles(e, phi, argument_position(expr->args[0]));
    for (size_t k = 0; k < hs.n; k++) {
        struct column column = {.labels = hs.v[k].labels, .drop_name = true, .v = v};
        if (!quantiles_of(&hs, &hs.v[k], phi, buckets, v, err))
            return false;
        if (has_values(v, e->n_steps) && !sink->put(sink, &column, err))
            return false;
    }
    return true;
}

/* As OpenMetrics writes it: 1 is "1.0". */
static struct str quantile_text(struct arena *arena, double phi)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, phi);
    if (isfinite(phi) && !strpbrk(text.p, ".e"))
        buf_add_cstr(&text, ".0");
    struct str out = arena_str(arena, buf_str(&text));
    buf_release(&text);
    return out;
}

/* A quantile may change from step to step, and with it the label: one column for each run. */
static bool put_labelled(struct merger *m, const struct any_histogram *h, struct str label,
                         const double *phi, const double *v, double *scratch, struct err *err)
{
    size_t n = m->e->n_steps;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && memcmp(&phi[to], &phi[from], sizeof *phi) == 0;)
            to++;
        fill_absent(scratch, n);
        memcpy(scratch + from, v + from, (to - from) * sizeof *v);
        struct column column = {.drop_name = true, .v = scratch};
        column.labels =
            labels_with(m->e->arena, h->labels, label, quantile_text(m->e->arena, phi[from]));
        if (!merger_put_unique(m, &column, VALUES_COPIED, err))
            return false;
    }
    return true;
}

bool call_histogram_quantiles(struct evaluation *e, const struct promql_expr *expr,
                              struct sink *sink, struct err *err)
{
    struct histograms hs = {.e = e};
    struct merger out;
    struct str label = eval_string(expr->args[1]);
    double *phi, *v, *scratch;
    merger_init(&out, e);
    if (label.n == 0 || !str_is_utf8(label))
        return err_set(err, ERR_CONFLICT, "invalid label name in histogram_quantiles()");
    if (!gather(&hs, expr->args[0], err) || !new_values(e, &v, err) ||
        !new_values(e, &scratch, err))
        return false;
    struct bucket *buckets = ARENA_ARRAY(e->arena, struct bucket, hs.most_buckets + 1);
    for (size_t i = 2; i < expr->n_args; i++) {
        if (!eval_scalar(e, expr->args[i], &phi, err))
            return false;
        note_quantiles(e, phi, argument_position(expr->args[i]));
        for (size_t k = 0; k < hs.n; k++) {
            if (!quantiles_of(&hs, &hs.v[k], phi, buckets, v, err) ||
                !put_labelled(&out, &hs.v[k], label, phi, v, scratch, err))
                return false;
        }
    }
    return merger_drain(&out, sink, err);
}

/* --- Fractions --- */

/* How many observations are below v, linear inside the bucket that it falls into. A bucket without
 * a lower end counts whole, one without an upper end not at all. */
static double rank_of(double v, const struct bucket *b, size_t n)
{
    double rank = 0;
    double start = b[0].le > 0 ? 0 : -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (start >= v)
            return rank;
        if (b[i].le > v && isinf(start))
            return b[i].count;
        if (b[i].le > v)
            return rank + (b[i].count - rank) * (v - start) / (b[i].le - start);
        rank = b[i].count;
        start = b[i].le;
    }
    return rank;
}

static double bucket_fraction(double low, double high, const struct bucket *b, size_t n)
{
    double total = b[n - 1].count;
    if (!has_inf_bucket(b, n) || total == 0 || isnan(low) || isnan(high))
        return (double)NAN;
    return low >= high ? 0 : (rank_of(high, b, n) - rank_of(low, b, n)) / total;
}

static double fraction_at(struct histograms *hs, const struct any_histogram *h, size_t step,
                          double low, double high, struct bucket *buckets)
{
    const struct histogram *native;
    size_t n;
    bool nans;
    if (!at_step(hs, h, step, buckets, &n, &native))
        return ABSENT;
    if (!native) {
        struct mended unsaid = NOTHING_MENDED;
        (void)force_monotonic(buckets, n, &unsaid);
        return bucket_fraction(low, high, buckets, n);
    }
    double v = native_fraction(scratch_room(hs->e->query), native, low, high, &nans);
    if (nans)
        note_optional(hs->e->query, NOTE_FRACTION_NANS, h->labels, hs->position);
    return v;
}

bool call_histogram_fraction(struct evaluation *e, const struct promql_expr *expr,
                             struct sink *sink, struct err *err)
{
    struct histograms hs = {.e = e};
    double *low, *high, *v;
    if (!eval_scalar(e, expr->args[0], &low, err) || !eval_scalar(e, expr->args[1], &high, err) ||
        !gather(&hs, expr->args[2], err) || !new_values(e, &v, err))
        return false;
    struct bucket *buckets = ARENA_ARRAY(e->arena, struct bucket, hs.most_buckets + 1);
    for (size_t k = 0; k < hs.n; k++) {
        struct column column = {.labels = hs.v[k].labels, .drop_name = true, .v = v};
        for (size_t i = 0; i < e->n_steps; i++) {
            v[i] = fraction_at(&hs, &hs.v[k], i, low[i], high[i], buckets);
            if (!spend(e->query, hs.v[k].n + 20, err))
                return false;
        }
        if (has_values(v, e->n_steps) && !sink->put(sink, &column, err))
            return false;
    }
    return true;
}
