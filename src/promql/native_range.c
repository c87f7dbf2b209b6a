/* Functions of a range that holds native histograms, alone or among floats. */
#include "promql/functions.h"
#include "promql/native_aggregate.h"
#include "promql/native_notes.h"

#include <math.h>

static size_t position_of(const struct window *w)
{
    return argument_position(w->call->expr->args[0]);
}

static void note(const struct window *w, enum metric_note what)
{
    note_metric(w->call->query, what, w->call->labels, position_of(w));
}

static void note_bounds(const struct window *w, const struct meeting *met, const char *operation)
{
    struct meeting bounds = {false, met->bounds_differ};
    note_meeting(w->call->query, &bounds, operation, position_of(w));
}

/* True, and said, when there are floats, too. */
static bool is_mixed(const struct window *w)
{
    if (w->n > 0)
        note(w, NOTE_MIXED_KINDS);
    return w->n > 0;
}

static bool put(const struct window *w, const struct native *n, struct value *out)
{
    *out = (struct value){ABSENT, native_value(w->call->room, n)};
    return true;
}

static bool put_number(double v, struct value *out)
{
    *out = (struct value){v, NULL};
    return true;
}

/* --- rate, increase, delta --- */

static bool was_reset(const struct window *w, size_t i, struct arena *scratch)
{
    const struct histogram_sample *h = w->h;
    return (w->h_starts &&
            is_restart(w->h_starts[i - 1], h[i - 1].t_ms, w->h_starts[i], h[i].t_ms)) ||
           native_is_reset(scratch, h[i].h, h[i - 1].h);
}

/* The layout in which all of them can meet. False, and said, when there is none. */
static bool find_schema(const struct window *w, bool counter, const struct histogram *base,
                        int32_t *schema)
{
    const struct histogram *last = w->h[w->n_h - 1].h;
    bool gauges = w->h[0].h->hint == HISTOGRAM_HINT_GAUGE || last->hint == HISTOGRAM_HINT_GAUGE;
    bool fits = is_custom(last) == is_custom(base), middle_fits = true;
    *schema = last->schema < base->schema ? last->schema : base->schema;
    for (size_t i = 1; fits && counter && i + 1 < w->n_h; i++) {
        const struct histogram *h = w->h[i].h;
        gauges |= h->hint == HISTOGRAM_HINT_GAUGE;
        middle_fits &= is_custom(h) == is_custom(base);
        *schema = h->schema < *schema ? h->schema : *schema;
    }
    if (counter && gauges && middle_fits)
        note(w, NOTE_NOT_COUNTER);
    if (!fits || !middle_fits)
        note(w, NOTE_MIXED_SCHEMAS);
    return fits && middle_fits;
}

/* After a reset a counter counts from 0, so what it had before is added again. */
static bool add_resets(const struct window *w, struct native *gain, struct arena *scratch)
{
    struct meeting met = {0};
    for (size_t i = 2; i < w->n_h; i++) {
        if (was_reset(w, i, scratch) && !native_add(gain, w->h[i - 1].h, 1, scratch, &met)) {
            note(w, NOTE_MIXED_SCHEMAS);
            return false;
        }
    }
    note_bounds(w, &met, "addition");
    return true;
}

/* What was counted between the first and the last histogram. */
static bool find_gain(const struct window *w, bool counter, struct native *gain,
                      struct arena *scratch)
{
    const struct histogram *base = w->h[0].h, *last = w->h[w->n_h - 1].h;
    struct meeting met = {0};
    int32_t schema;
    if (counter && was_reset(w, 1, scratch)) {
        struct native none = native_zero(scratch, w->h[1].h);
        base = native_value(scratch, &none);
    }
    if (!find_schema(w, counter, base, &schema))
        return false;
    *gain = native_copy(scratch, last);
    native_reduce(gain, schema);
    if (!native_add(gain, base, -1, scratch, &met)) {
        note(w, NOTE_MIXED_SCHEMAS);
        return false;
    }
    note_bounds(w, &met, "subtraction");
    if (counter && !add_resets(w, gain, scratch))
        return false;
    if (!counter && (w->h[0].h->hint != HISTOGRAM_HINT_GAUGE || last->hint != HISTOGRAM_HINT_GAUGE))
        note(w, NOTE_NOT_GAUGE);
    gain->hint = HISTOGRAM_HINT_GAUGE;
    native_compact(gain);
    return true;
}

static bool add_first(const struct window *w, struct native *gain, struct arena *scratch)
{
    struct meeting met = {0};
    if (w->n_h == 1) {
        *gain = native_copy(scratch, w->h[0].h);
        return true;
    }
    if (!native_add(gain, w->h[0].h, 1, scratch, &met)) {
        note(w, NOTE_MIXED_SCHEMAS);
        return false;
    }
    note_bounds(w, &met, "addition");
    return true;
}

static bool extrapolate(const struct window *w, bool counter, bool per_second, struct value *out)
{
    struct arena *scratch = scratch_room(w->call->query);
    struct native gain = {0};
    double factor;
    if (is_mixed(w) || (w->n_h > 1 && !find_gain(w, counter, &gain, scratch)))
        return false;
    const struct histogram_sample *first = &w->h[0], *last = &w->h[w->n_h - 1];
    struct gain g = {counter, w->n_h, first->t_ms, last->t_ms, 0, first->h->count, gain.count.sum};
    if (counter)
        g.start_ms = start_in_window(w, w->h_starts, first->t_ms);
    if (!extrapolation(w, &g, &factor) || (g.start_ms && !add_first(w, &gain, scratch)))
        return false;
    if (per_second)
        factor /= (double)(w->end_ms - w->start_ms) / 1000;
    native_multiply(&gain, factor);
    return put(w, &gain, out);
}

bool native_rate(const struct window *w, struct value *out)
{
    return extrapolate(w, true, true, out);
}

bool native_increase(const struct window *w, struct value *out)
{
    return extrapolate(w, true, false, out);
}

bool native_delta(const struct window *w, struct value *out)
{
    return extrapolate(w, false, false, out);
}

/* --- Floats and histograms in the order of their times --- */

struct point {
    int64_t t_ms, start_ms;
    double v;
    const struct histogram *h;
};

/* The one that comes next of those from *i and *k on. */
static struct point next_point(const struct window *w, size_t *i, size_t *k)
{
    bool floats = *k == w->n_h || (*i < w->n && w->v[*i].t_ms < w->h[*k].t_ms);
    struct point p = {0};
    if (floats) {
        p = (struct point){w->v[*i].t_ms, w->starts ? w->starts[*i] : 0, w->v[*i].v, NULL};
        ++*i;
    } else {
        p = (struct point){w->h[*k].t_ms, w->h_starts ? w->h_starts[*k] : 0, 0, w->h[*k].h};
        ++*k;
    }
    return p;
}

static bool restarted(const struct point *a, const struct point *b)
{
    return is_restart(a->start_ms, a->t_ms, b->start_ms, b->t_ms);
}

/* --- The last two --- */

static bool last_two(const struct window *w, struct point *a, struct point *b)
{
    size_t i = w->n > 2 ? w->n - 2 : 0, k = w->n_h > 2 ? w->n_h - 2 : 0;
    if (w->n + w->n_h < 2)
        return false;
    *b = next_point(w, &i, &k);
    while (i < w->n || k < w->n_h) {
        *a = *b;
        *b = next_point(w, &i, &k);
    }
    return a->t_ms != b->t_ms;
}

static bool between_histograms(const struct window *w, const struct point *a, const struct point *b,
                               bool counter, struct value *out)
{
    struct arena *scratch = scratch_room(w->call->query);
    bool some = a->h->hint == HISTOGRAM_HINT_GAUGE || b->h->hint == HISTOGRAM_HINT_GAUGE;
    bool all = a->h->hint == HISTOGRAM_HINT_GAUGE && b->h->hint == HISTOGRAM_HINT_GAUGE;
    struct native gain = native_copy(scratch, b->h);
    struct meeting met = {0};
    if (counter && some)
        note(w, NOTE_NOT_COUNTER);
    if (!counter && !all)
        note(w, NOTE_NOT_GAUGE);
    bool reset = counter && (restarted(a, b) || native_is_reset(scratch, b->h, a->h));
    if (!reset && !native_add(&gain, a->h, -1, scratch, &met)) {
        note(w, NOTE_MIXED_SCHEMAS);
        return false;
    }
    note_bounds(w, &met, "subtraction");
    gain.hint = HISTOGRAM_HINT_GAUGE;
    native_compact(&gain);
    if (counter)
        native_divide(&gain, (double)(b->t_ms - a->t_ms) / 1000);
    return put(w, &gain, out);
}

static bool instant(const struct window *w, bool counter, struct value *out)
{
    struct point a = {0}, b = {0};
    if (!last_two(w, &a, &b))
        return false;
    if (a.h && b.h)
        return between_histograms(w, &a, &b, counter, out);
    if (a.h || b.h) {
        note(w, NOTE_MIXED_KINDS);
        return false;
    }
    if (!counter)
        return put_number(b.v - a.v, out);
    bool reset = b.v < a.v || restarted(&a, &b);
    return put_number((reset ? b.v : b.v - a.v) / ((double)(b.t_ms - a.t_ms) / 1000), out);
}

bool native_irate(const struct window *w, struct value *out)
{
    return instant(w, true, out);
}

bool native_idelta(const struct window *w, struct value *out)
{
    return instant(w, false, out);
}

/* --- Counting --- */

typedef bool step_fn(struct arena *scratch, const struct point *, const struct point *);

static bool is_reset(struct arena *scratch, const struct point *a, const struct point *b)
{
    if (!a->h != !b->h || restarted(a, b))
        return true;
    return b->h ? native_is_reset(scratch, b->h, a->h) : b->v < a->v;
}

static bool is_change(struct arena *scratch, const struct point *a, const struct point *b)
{
    (void)scratch;
    if (!a->h != !b->h)
        return true;
    return b->h ? !native_equal(a->h, b->h) : a->v != b->v && !(isnan(a->v) && isnan(b->v));
}

static bool count_steps(const struct window *w, step_fn *fn, struct value *out)
{
    struct arena *scratch = scratch_room(w->call->query);
    size_t i = 0, k = 0, n = 0;
    struct point a = next_point(w, &i, &k);
    while (i < w->n || k < w->n_h) {
        struct point b = next_point(w, &i, &k);
        n += fn(scratch, &a, &b);
        a = b;
    }
    return put_number((double)n, out);
}

bool native_resets(const struct window *w, struct value *out)
{
    return count_steps(w, is_reset, out);
}

bool native_changes(const struct window *w, struct value *out)
{
    return count_steps(w, is_change, out);
}

bool native_count(const struct window *w, struct value *out)
{
    return put_number((double)(w->n + w->n_h), out);
}

bool native_present(const struct window *w, struct value *out)
{
    (void)w;
    return put_number(1, out);
}

/* --- One of them --- */

static bool is_first_a_float(const struct window *w)
{
    return w->n > 0 && w->v[0].t_ms < w->h[0].t_ms;
}

static bool is_last_a_float(const struct window *w)
{
    return w->n > 0 && w->v[w->n - 1].t_ms > w->h[w->n_h - 1].t_ms;
}

bool native_first(const struct window *w, struct value *out)
{
    *out =
        is_first_a_float(w) ? (struct value){w->v[0].v, NULL} : (struct value){ABSENT, w->h[0].h};
    return true;
}

bool native_last(const struct window *w, struct value *out)
{
    *out = is_last_a_float(w) ? (struct value){w->v[w->n - 1].v, NULL}
                              : (struct value){ABSENT, w->h[w->n_h - 1].h};
    return true;
}

bool native_ts_first(const struct window *w, struct value *out)
{
    return put_number((double)(is_first_a_float(w) ? w->v[0].t_ms : w->h[0].t_ms) / 1000, out);
}

bool native_ts_last(const struct window *w, struct value *out)
{
    int64_t t_ms = is_last_a_float(w) ? w->v[w->n - 1].t_ms : w->h[w->n_h - 1].t_ms;
    return put_number((double)t_ms / 1000, out);
}

/* --- All of them --- */

static bool add_up(const struct window *w, bool averages, struct value *out)
{
    struct query *q = w->call->query;
    struct native_sum sum = {0};
    if (is_mixed(w))
        return false;
    for (size_t i = 0; i < w->n_h; i++) {
        if (!native_sum_add(q, w->call->room, &sum, w->h[i].h, averages)) {
            note(w, NOTE_MIXED_SCHEMAS);
            return false;
        }
    }
    native_sum_notes(q, &sum, position_of(w));
    return put(w, native_sum_result(&sum, averages), out);
}

bool native_sum_over(const struct window *w, struct value *out)
{
    return add_up(w, false, out);
}

bool native_avg(const struct window *w, struct value *out)
{
    return add_up(w, true, out);
}
