#include "cli/trace.h"

#include "base/file.h"
#include "base/num.h"
#include "cli/internal.h"

#include <math.h>

#define MAX_FILE ((size_t)1 << 30)
#define MAX_BUCKETS 200000
#define MAX_VALUES (2 + JUDGE_MAX_EDGES) /* total, bad, the histogram */
#define OFFSET_MS INT64_C(1000000000000) /* a judge's clock begins after 0 */

/* --- Counters --- */

/* What an arm last said; increments are told from it. */
struct counters {
    double last[MAX_VALUES];
    bool any;
};

/* The values become their increase. A counter that fell takes all of them to a new beginning, so
 * that the increase is the value. */
static void take_increase(struct counters *c, double *values, size_t n)
{
    bool fell = false;
    for (size_t i = 0; i < n; i++)
        fell |= values[i] < c->last[i];
    for (size_t i = 0; i < n; i++) {
        double increase = fell ? values[i] : values[i] - c->last[i];
        c->last[i] = values[i];
        values[i] = increase;
    }
    c->any = true;
}

static void put(struct judge_bucket *b, bool canary, const double *values, double *hist,
                size_t n_edges)
{
    struct arm_counts counts = {values[0], fmin(values[1], values[0])};
    for (size_t i = 0; i < n_edges; i++)
        hist[i] = values[2 + i];
    if (canary) {
        b->canary_reported = true;
        b->canary = counts;
        b->canary_hist = hist;
    } else {
        b->stable_reported = true;
        b->stable = counts;
        b->stable_hist = hist;
    }
}

static void make_buckets(struct arena *arena, struct trace *t, size_t n)
{
    double *empty = ARENA_ARRAY(arena, double, t->n_edges + 1);
    t->buckets = ARENA_ARRAY(arena, struct judge_bucket, n);
    t->n = n;
    for (size_t i = 0; i < n; i++)
        t->buckets[i] = (struct judge_bucket){.stable_hist = empty, .canary_hist = empty};
}

/* --- Text --- */

/* The next field of a line of CSV; plain whole numbers, which nearly all are, without detours. */
static bool take_number(const char **p, const char *end, double *out)
{
    const char *from = *p;
    double v = 0;
    while (*p < end && **p >= '0' && **p <= '9')
        v = 10 * v + (double)(*(*p)++ - '0');
    size_t digits = (size_t)(*p - from);
    if (digits == 0 || digits > 15 || (*p < end && **p != ',')) {
        while (*p < end && **p != ',')
            (*p)++;
        if (!num_parse_double(str_make(from, (size_t)(*p - from)), &v))
            return false;
    }
    if (*p < end)
        (*p)++;
    *out = v;
    return true;
}

static bool take_numbers(struct str line, double *out, size_t n)
{
    const char *p = line.p, *end = line.p + line.n;
    for (size_t i = 0; i < n; i++) {
        if (!take_number(&p, end, &out[i]) || !isfinite(out[i]))
            return false;
    }
    return p == end;
}

static struct str take_line(struct str *text)
{
    struct str line = {0};
    (void)str_cut(text, '\n', &line);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

/* --- A trace of a set --- */

struct row {
    double t;
    bool canary, up;
    size_t n;
    double values[MAX_VALUES];
};

static bool row_of_csv(struct str line, size_t n, struct row *row)
{
    struct str t, arm, up;
    if (!str_cut(&line, ',', &t) || !str_cut(&line, ',', &arm) || !str_cut(&line, ',', &up) ||
        !num_parse_double(t, &row->t) || !(str_is(arm, "baseline") || str_is(arm, "canary")))
        return false;
    row->canary = str_is(arm, "canary");
    row->up = str_is(up, "1");
    return !row->up || take_numbers(line, row->values, n);
}

static bool row_of_json(struct arena *arena, struct str line, size_t n, struct row *row)
{
    const json_t *json = json_parse(arena, line, NULL);
    const char *arm = json_get_cstr(json, "arm", "");
    const json_t *hist = json_object_get(json, "h");
    row->t = json_get_double(json, "t", (double)NAN);
    row->canary = strcmp(arm, "canary") == 0;
    row->up = json_get_i64(json, "up", 0) == 1;
    if (!row->canary && strcmp(arm, "baseline") != 0)
        return false;
    row->values[0] = json_get_double(json, "total", 0);
    row->values[1] = json_get_double(json, "bad", 0);
    for (size_t i = 2; i < n; i++)
        row->values[i] = json_to_double(json_array_get(hist, i - 2), (double)NAN);
    for (size_t i = 0; i < n && row->up; i++) {
        if (!isfinite(row->values[i]))
            return false;
    }
    return isfinite(row->t);
}

/* The weight at a time: a number, or steps of [seconds, weight]. */
static double weight_at(const json_t *weight, double t)
{
    double now = json_is_number(weight) ? json_number_value(weight) : (double)NAN;
    for (size_t i = 0; i < json_array_size(weight); i++) {
        const json_t *step = json_array_get(weight, i);
        if (i == 0 || json_to_double(json_array_get(step, 0), (double)INFINITY) <= t)
            now = json_to_double(json_array_get(step, 1), (double)NAN);
    }
    return now;
}

static bool read_frame(struct arena *arena, const json_t *line, struct trace *t, struct err *err)
{
    const json_t *edges = json_object_get(line, "edges_ms");
    int64_t dt = json_get_i64(line, "dt", 0), pre = json_get_i64(line, "pre", 0);
    int64_t dur = json_get_i64(line, "dur", 0);
    size_t n = json_array_size(edges);
    if (dt <= 0 || dt > 3600 || pre < 0 || dur <= 0 || pre > 100000000 || dur > 100000000 ||
        pre + dur < dt || (pre + dur) / dt > MAX_BUCKETS || n >= JUDGE_MAX_EDGES)
        return err_set(err, ERR_BAD_INPUT, "dt %lld, pre %lld, dur %lld, %zu edges cannot be",
                       (long long)dt, (long long)pre, (long long)dur, n);
    for (size_t i = 0; i < n; i++) {
        t->edges[i] = json_to_double(json_array_get(edges, i), (double)NAN) / 1000;
        if (!(t->edges[i] > 0 && isfinite(t->edges[i])) || (i && t->edges[i] <= t->edges[i - 1]))
            return err_set(err, ERR_BAD_INPUT, "edges_ms must rise");
    }
    t->edges[n] = (double)INFINITY;
    t->n_edges = n > 0 ? n + 1 : 0;
    t->warms_up = json_get_bool(line, "warmup_declared", false);
    t->n_history = (size_t)(pre / dt);
    t->start_ms = OFFSET_MS;
    make_buckets(arena, t, (size_t)((pre + dur) / dt));
    for (size_t i = 0; i < t->n; i++) {
        int64_t s = ((int64_t)i - (int64_t)t->n_history) * dt;
        t->buckets[i].start_ms = OFFSET_MS + 1000 * s;
        t->buckets[i].length_ms = 1000 * dt;
        t->buckets[i].weight = weight_at(json_object_get(line, "weight"), (double)s);
    }
    return true;
}

static bool read_rows(struct arena *arena, struct str text, bool csv, bool cumulative,
                      struct trace *t, struct err *err)
{
    struct counters arms[2] = {0};
    struct row row = {.n = 2 + t->n_edges};
    double dt = (double)t->buckets[0].length_ms / 1000;
    double *hists = ARENA_ARRAY(arena, double, 2 * t->n * (t->n_edges + 1));
    if (csv)
        (void)take_line(&text);
    for (size_t n = csv ? 2 : 1; text.n > 0; n++) {
        struct str line = take_line(&text);
        if (!(csv ? row_of_csv(line, row.n, &row) : row_of_json(arena, line, row.n, &row)))
            return err_set(err, ERR_BAD_INPUT, "line %zu is no row of %zu counters", n, row.n);
        double at = row.t / dt + (double)t->n_history;
        if (!(at >= 0 && at < (double)t->n))
            return err_set(err, ERR_BAD_INPUT, "line %zu: time %g is outside the trace", n, row.t);
        if (!row.up)
            continue;
        size_t i = (size_t)at;
        if (cumulative)
            take_increase(&arms[row.canary], row.values, row.n);
        put(&t->buckets[i], row.canary, row.values, &hists[(2 * i + row.canary) * (t->n_edges + 1)],
            t->n_edges);
    }
    return true;
}

bool trace_read(struct arena *arena, const char *folder, const json_t *line, struct trace *t,
                struct err *err)
{
    struct buf text = BUF_INIT;
    const char *file = json_get_cstr(line, "file", "");
    *t = (struct trace){.id = json_get_cstr(line, "id", "")};
    if (!*t->id || !*file || strchr(file, '/'))
        return err_set(err, ERR_BAD_INPUT, "a line of the manifest has no id or file");
    bool cumulative = strcmp(json_get_cstr(line, "counters", ""), "cumulative") == 0;
    bool csv = str_ends(str_from(file), STR(".csv"));
    struct err why = ERR_INIT;
    bool done = read_frame(arena, line, t, &why) &&
                file_read(arena_printf(arena, "%s/%s", folder, file), MAX_FILE, &text, &why) &&
                read_rows(arena, buf_str(&text), csv, cumulative, t, &why);
    buf_release(&text);
    return done || err_set(err, why.code, "%s: %s", file, why.message);
}

/* --- Two files --- */

struct arm_file {
    const char *path;
    size_t n_edges;
    double edges[JUDGE_MAX_EDGES];
    size_t n;
    double base;          /* the first row's time, which says where the counters begin */
    double *times, *rows; /* increases since the row before; n_values a row */
};

static bool read_header(struct str line, struct arm_file *f, struct err *err)
{
    struct str column, rest = line;
    static const char *const first[] = {"time", "total", "bad"};
    for (size_t i = 0; i < 3; i++) {
        if (!str_cut(&rest, ',', &column) || !str_is(str_trim(column), first[i]))
            return err_set(err, ERR_BAD_INPUT,
                           "%s: the first line must begin time,total,bad; it is '%.*s'", f->path,
                           STR_ARG(str_make(line.p, line.n < 80 ? line.n : 80)));
    }
    while (str_cut(&rest, ',', &column)) {
        column = str_trim(column);
        size_t n = f->n_edges;
        if (n == JUDGE_MAX_EDGES || !str_starts(column, STR("le_")) ||
            !num_parse_double(str_make(column.p + 3, column.n - 3), &f->edges[n]) ||
            !(f->edges[n] > (n ? f->edges[n - 1] : 0)))
            return err_set(err, ERR_BAD_INPUT,
                           "%s: column '%.*s' is no rising latency edge like le_0.25", f->path,
                           STR_ARG(column));
        f->n_edges++;
    }
    if (f->n_edges > 0 && isfinite(f->edges[f->n_edges - 1]))
        return err_set(err, ERR_BAD_INPUT, "%s: the last edge must be le_+Inf", f->path);
    return true;
}

/* Cumulative buckets, as Prometheus has them, become events per bucket. */
static void split_buckets(double *values, size_t n_edges)
{
    for (size_t i = n_edges; i > 1; i--)
        values[i + 1] = fmax(0, values[i + 1] - values[i]);
}

static bool read_arm(struct arena *arena, struct str text, struct arm_file *f, struct err *err)
{
    double values[1 + MAX_VALUES];
    struct counters counters = {0};
    size_t lines = 0;
    if (!read_header(take_line(&text), f, err))
        return false;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    if (lines > MAX_BUCKETS)
        return err_set(err, ERR_LIMIT, "%s has %zu lines, the limit is %d", f->path, lines,
                       MAX_BUCKETS);
    size_t width = 2 + f->n_edges;
    f->times = ARENA_ARRAY(arena, double, lines + 1);
    f->rows = ARENA_ARRAY(arena, double, (lines + 1) * width);
    for (size_t n = 2; text.n > 0; n++) {
        struct str line = take_line(&text);
        bool first = !counters.any;
        if (line.n == 0)
            continue;
        if (!take_numbers(line, values, 1 + width))
            return err_set(err, ERR_BAD_INPUT, "%s:%zu: not %zu numbers", f->path, n, 1 + width);
        double last = f->n > 0 ? f->times[f->n - 1] : f->base;
        if (!first && values[0] <= last)
            return err_set(err, ERR_BAD_INPUT, "%s:%zu: time %g after %g", f->path, n, values[0],
                           last);
        split_buckets(&values[1], f->n_edges);
        take_increase(&counters, &values[1], width);
        if (first) {
            f->base = values[0];
            continue;
        }
        f->times[f->n] = values[0];
        memcpy(&f->rows[f->n++ * width], &values[1], width * sizeof *values);
    }
    return f->n > 0 || err_set(err, ERR_BAD_INPUT, "%s: two rows are needed at least", f->path);
}

static bool load_arm(struct arena *arena, struct arm_file *f, struct err *err)
{
    struct buf text = BUF_INIT;
    bool done = file_read(f->path, MAX_FILE, &text, err) && read_arm(arena, buf_str(&text), f, err);
    buf_release(&text);
    return done;
}

static bool same_edges(const struct arm_file *a, const struct arm_file *b)
{
    return a->n_edges == b->n_edges &&
           memcmp(a->edges, b->edges, a->n_edges * sizeof *a->edges) == 0;
}

/* Rows of one time are one bucket, which began with the time before. */
static void join(struct arena *arena, const struct arm_file arms[2], double start_s,
                 struct trace *t)
{
    size_t at[2] = {0}, width = 2 + t->n_edges, n = 0;
    double base = fmin(arms[0].base, arms[1].base);
    int64_t before_ms = OFFSET_MS;
    make_buckets(arena, t, arms[0].n + arms[1].n);
    while (at[0] < arms[0].n || at[1] < arms[1].n) {
        double now = (double)INFINITY;
        for (size_t a = 0; a < 2; a++)
            now = at[a] < arms[a].n ? fmin(now, arms[a].times[at[a]]) : now;
        struct judge_bucket *b = &t->buckets[n++];
        int64_t now_ms = OFFSET_MS + (int64_t)(1000 * (now - base));
        b->start_ms = before_ms;
        b->length_ms = now_ms > before_ms ? now_ms - before_ms : 1;
        before_ms = b->start_ms + b->length_ms;
        for (size_t a = 0; a < 2; a++) {
            if (at[a] == arms[a].n || arms[a].times[at[a]] > now)
                continue;
            double *row = &arms[a].rows[at[a]++ * width];
            put(b, a == 1, row, &row[2], t->n_edges);
        }
        if (now <= start_s)
            t->n_history = n;
    }
    t->n = n;
    t->start_ms = t->n_history < n ? t->buckets[t->n_history].start_ms : OFFSET_MS;
}

static bool join_arms(struct arena *arena, const struct arm_file arms[2], double start_s,
                      struct trace *t, struct err *err)
{
    if (!same_edges(&arms[0], &arms[1]))
        return err_set(err, ERR_BAD_INPUT, "%s and %s have different latency edges", arms[0].path,
                       arms[1].path);
    if (fmax(arms[0].times[arms[0].n - 1], arms[1].times[arms[1].n - 1]) -
            fmin(arms[0].times[0], arms[1].times[0]) >
        1e9)
        return err_set(err, ERR_BAD_INPUT, "the files are over 30 years apart; times are seconds");
    t->n_edges = arms[0].n_edges;
    memcpy(t->edges, arms[0].edges, sizeof t->edges);
    join(arena, arms, isnan(start_s) ? -(double)INFINITY : start_s, t);
    return t->n_history < t->n ||
           err_set(err, ERR_BAD_INPUT, "all of it is before the start at %g", start_s);
}

bool trace_join(struct arena *arena, const char *stable_path, const char *canary_path,
                double start_s, struct trace *t, struct err *err)
{
    struct arm_file arms[2] = {{.path = stable_path}, {.path = canary_path}};
    *t = (struct trace){.id = canary_path};
    return load_arm(arena, &arms[0], err) && load_arm(arena, &arms[1], err) &&
           join_arms(arena, arms, start_s, t, err);
}

bool trace_join_texts(struct arena *arena, const struct trace_text *stable,
                      const struct trace_text *canary, double start_s, struct trace *t,
                      struct err *err)
{
    struct arm_file arms[2] = {{.path = stable->name}, {.path = canary->name}};
    *t = (struct trace){.id = canary->name};
    return read_arm(arena, stable->text, &arms[0], err) &&
           read_arm(arena, canary->text, &arms[1], err) && join_arms(arena, arms, start_s, t, err);
}
