/* `anchored` and `smoothed` ranges that hold native histograms: edges.c says what these are. */
#include "promql/edges.h"
#include "promql/native_notes.h"

const struct histogram *native_between(const struct native_line *line, struct arena *arena,
                                       const struct histogram_sample *a,
                                       const struct histogram_sample *b, int64_t t_ms)
{
    struct arena *scratch = scratch_room(line->query);
    struct meeting down = {0}, up = {0};
    double fraction = (double)(t_ms - a->t_ms) / (double)(b->t_ms - a->t_ms);
    if (t_ms == a->t_ms || t_ms == b->t_ms)
        return t_ms == a->t_ms ? a->h : b->h;
    struct native n = native_copy(scratch, b->h);
    if (line->counter && native_is_reset(scratch, b->h, a->h)) {
        native_multiply(&n, fraction);
        return native_value(arena, &n);
    }
    if (!native_add(&n, a->h, -1, scratch, &down)) {
        note_metric(line->query, NOTE_MIXED_SCHEMAS, line->labels, line->position);
        return NULL;
    }
    native_multiply(&n, fraction);
    CHECK(native_add(&n, a->h, 1, scratch, &up));
    down.reset_conflict = up.reset_conflict = false;
    note_meeting(line->query, &down, "subtraction", line->position);
    note_meeting(line->query, &up, "addition", line->position);
    return native_value(arena, &n);
}

/* The histograms of a range from the one at or before its start to the last that it needs. */
struct stretch {
    const struct window *w;
    struct native_line line;
    bool smoothed;
    size_t first, last;
    const struct histogram *left, *right;
};

static void note(const struct stretch *s, enum metric_note what)
{
    note_metric(s->line.query, what, s->line.labels, s->line.position);
}

static bool find_ends(struct stretch *s)
{
    const struct window *w = s->w;
    s->last = w->n_h - 1;
    while (s->first + 1 < w->n_h && w->h[s->first + 1].t_ms <= w->start_ms)
        s->first++;
    while (s->smoothed && s->last > 0 && w->h[s->last - 1].t_ms >= w->end_ms)
        s->last--;
    return w->h[s->last].t_ms > w->start_ms && w->h[s->first].t_ms <= w->end_ms;
}

static bool check_kinds(const struct stretch *s)
{
    const struct histogram_sample *h = s->w->h;
    for (size_t i = s->first; i <= s->last; i++) {
        if (is_custom(h[i].h) != is_custom(h[s->first].h)) {
            note(s, NOTE_MIXED_SCHEMAS);
            return false;
        }
        if (s->line.counter && h[i].h->hint == HISTOGRAM_HINT_GAUGE)
            note(s, NOTE_NOT_COUNTER);
    }
    return true;
}

static bool find_values(struct stretch *s)
{
    const struct window *w = s->w;
    struct arena *room = w->call->room;
    s->left = w->h[s->first].h;
    s->right = w->h[s->last].h;
    if (s->smoothed && w->h[s->first].t_ms < w->start_ms)
        s->left = native_between(&s->line, room, &w->h[s->first], &w->h[s->first + 1], w->start_ms);
    if (s->smoothed && s->last > 0 && w->h[s->last].t_ms > w->end_ms)
        s->right = native_between(&s->line, room, &w->h[s->last - 1], &w->h[s->last], w->end_ms);
    return s->left && s->right;
}

static void check_gauges(const struct stretch *s)
{
    bool gauges = s->left->hint == HISTOGRAM_HINT_GAUGE && s->right->hint == HISTOGRAM_HINT_GAUGE;
    if (!s->line.counter && !gauges)
        note(s, NOTE_NOT_GAUGE);
}

/* --- The range itself --- */

size_t histograms_with_edges(const struct native_line *line, struct arena *arena, enum edges edges,
                             const struct matrix_series *m, int64_t start_ms, int64_t end_ms,
                             const struct histogram_sample **out)
{
    const struct range_call call = {.query = line->query, .room = arena};
    const struct window w = {
        .start_ms = start_ms, .end_ms = end_ms, .h = m->histograms, .n_h = m->n_h, .call = &call};
    struct stretch s = {.w = &w, .line = *line, .smoothed = edges == EDGES_SMOOTHED};
    size_t n = 0;
    if (m->n_h == 0 || !find_ends(&s) || !find_values(&s))
        return 0;
    struct histogram_sample *points = ARENA_ARRAY(arena, struct histogram_sample, m->n_h + 2);
    points[n++] = (struct histogram_sample){start_ms, s.left};
    for (size_t i = s.first; i <= s.last; i++) {
        if (w.h[i].t_ms > start_ms && w.h[i].t_ms < end_ms)
            points[n++] = w.h[i];
    }
    points[n++] = (struct histogram_sample){end_ms, s.right};
    *out = points;
    return n;
}

/* --- rate, increase, delta --- */

static bool add(const struct stretch *s, struct native *to, const struct histogram *h, double sign,
                struct arena *scratch)
{
    struct meeting met = {0};
    if (!native_add(to, h, sign, scratch, &met)) {
        note(s, NOTE_MIXED_SCHEMAS);
        return false;
    }
    met.reset_conflict = false;
    note_meeting(s->line.query, &met, sign < 0 ? "subtraction" : "addition", s->line.position);
    return true;
}

/* A reset that the left edge was interpolated across is in its value already. */
static bool add_resets(const struct stretch *s, struct native *gain, struct arena *scratch)
{
    const struct histogram_sample *h = s->w->h;
    const struct histogram *before = s->left;
    size_t i = s->first + 1;
    if (s->smoothed && h[s->first].t_ms < s->w->start_ms &&
        native_is_reset(scratch, h[s->first + 1].h, h[s->first].h))
        before = h[i++].h;
    if (i > s->last)
        return true;
    for (; i < s->last; i++) {
        if (native_is_reset(scratch, h[i].h, before) && !add(s, gain, before, 1, scratch))
            return false;
        before = h[i].h;
    }
    return !native_is_reset(scratch, s->right, before) || add(s, gain, before, 1, scratch);
}

static bool rate_between(struct stretch *s, bool per_second, struct value *out)
{
    const struct window *w = s->w;
    if (!find_ends(s) || !check_kinds(s) || !find_values(s))
        return false;
    check_gauges(s);
    struct arena *scratch = scratch_room(s->line.query);
    struct native gain = native_copy(scratch, s->right);
    if (!add(s, &gain, s->left, -1, scratch) || (s->line.counter && !add_resets(s, &gain, scratch)))
        return false;
    if (per_second)
        native_divide(&gain, (double)(w->end_ms - w->start_ms) / 1000);
    gain.hint = HISTOGRAM_HINT_GAUGE;
    native_compact(&gain);
    *out = (struct value){ABSENT, native_value(w->call->room, &gain)};
    return true;
}

/* --- changes, resets --- */

/* What is before the range begins with the newest of either kind there. */
static bool find_anchor(struct window *w)
{
    size_t n = 0, n_h = 0;
    while (n < w->n && w->v[n].t_ms <= w->start_ms)
        n++;
    while (n_h < w->n_h && w->h[n_h].t_ms <= w->start_ms)
        n_h++;
    if (n == w->n && n_h == w->n_h)
        return false;
    bool is_float = n > 0 && (n_h == 0 || w->v[n - 1].t_ms >= w->h[n_h - 1].t_ms);
    bool is_histogram = n_h > 0 && !is_float;
    n -= is_float;
    n_h -= is_histogram;
    w->v += n;
    w->n -= n;
    w->h += n_h;
    w->n_h -= n_h;
    return true;
}

bool native_with_edges(const struct function *f, enum edges edges, const struct window *w,
                       struct value *out)
{
    const struct range_call *call = w->call;
    struct window from = *w;
    bool counter = f->range == range_rate || f->range == range_increase;
    struct stretch s = {
        .w = w,
        .line = {call->query, call->labels, argument_position(call->expr->args[0]), counter},
        .smoothed = edges == EDGES_SMOOTHED};
    if (f->range == range_changes || f->range == range_resets)
        return find_anchor(&from) && f->native(&from, out);
    if (w->n > 0) {
        note(&s, NOTE_MIXED_KINDS);
        return false;
    }
    return rate_between(&s, f->range == range_rate, out);
}
