/* cqed judge: a verdict on counters in files, without a server. */
#include "base/file.h"
#include "base/num.h"
#include "cli/internal.h"
#include "cli/trace.h"

#include <math.h>

#define MAX_MANIFEST ((size_t)256 << 20)
#define DWELL_MS 300000  /* no promotion before */
#define WARMUP_MS 120000 /* of a trace that declares one, without saying how long */
#define ALPHA 0.05
#define ERRORS_TOLERATED 0.0005
#define LATENCY_TOLERATED 0.002

enum { ERRORS, LATENCY, TRAFFIC, N_STREAMS };
static const char *const stream_names[N_STREAMS] = {"errors", "latency", "traffic"};

/* The streams of one comparison. */
struct panel {
    struct judge_panel judge;
    int kinds[N_STREAMS]; /* of the judge's streams: ERRORS, LATENCY or TRAFFIC */
    double edge;          /* of latency, that sentences speak of */
};

struct question {
    double alpha, tolerate;
    int64_t warmup_ms, dwell_ms;
    bool traffic;
    bool latch; /* health once shown promotes; else it must be shown at the end */
    bool alone; /* the history is stable's alone, as a live rollout has it */
};

/* --- Judging --- */

static double hist_at(const double *hist, const struct trace *t, double edge)
{
    double over = 0;
    for (size_t i = 0; i < t->n_edges; i++)
        over += t->edges[i] > edge ? hist[i] : 0;
    return over;
}

static struct judge_stream *new_stream(const struct trace *t, const struct question *q,
                                       enum evidence_kind kind, double slo_edge)
{
    struct judge_config c = judge_config_default(kind);
    c.alpha = q->alpha;
    c.tolerate = kind == EVIDENCE_RATIO ? q->tolerate : 0;
    c.warmup_ms = q->warmup_ms;
    if (kind == EVIDENCE_LATENCY) {
        c.n_edges = t->n_edges;
        memcpy(c.edges, t->edges, sizeof c.edges);
        c.slo_edge = slo_edge;
        c.bank_tolerate = LATENCY_TOLERATED;
    }
    return judge_stream_new(&c);
}

static void forget_the_split(const struct trace *t)
{
    for (size_t i = 0; i < t->n_history; i++) {
        t->buckets[i].canary_reported = false;
        t->buckets[i].canary = (struct arm_counts){0};
    }
}

static void panel_open(struct panel *p, const struct trace *t, const struct question *q,
                       double slo_edge)
{
    static const enum evidence_kind kinds[N_STREAMS] = {EVIDENCE_RATIO, EVIDENCE_LATENCY,
                                                        EVIDENCE_TRAFFIC};
    const bool asked[N_STREAMS] = {true, t->n_edges > 0, q->traffic};
    *p = (struct panel){.edge = slo_edge};
    judge_panel_init(&p->judge, q->alpha, q->dwell_ms, q->latch);
    if (q->alone)
        forget_the_split(t);
    for (int i = 0; i < N_STREAMS; i++) {
        if (!asked[i])
            continue;
        struct judge_stream *s = new_stream(t, q, kinds[i], slo_edge);
        if (t->n_history > 0)
            judge_stream_calibrate(s, t->buckets, t->n_history);
        p->kinds[p->judge.n] = i;
        judge_panel_add(&p->judge, s);
    }
}

/* Of latency the requests over the edge that sentences speak of are the bad ones. */
static struct judge_bucket of_latency(const struct trace *t, const struct judge_bucket *b,
                                      double edge)
{
    struct judge_bucket slow = *b;
    slow.stable.bad = fmin(slow.stable.total, hist_at(b->stable_hist, t, edge));
    slow.canary.bad = fmin(slow.canary.total, hist_at(b->canary_hist, t, edge));
    return slow;
}

/* Until harm is shown; a canary that was promoted is watched on. */
static bool panel_run(struct panel *p, const struct trace *t, struct err *err)
{
    for (size_t i = t->n_history; i < t->n && !judge_panel_is_over(&p->judge); i++) {
        const struct judge_bucket *b = &t->buckets[i];
        struct judge_bucket own[JUDGE_PANEL_MAX];
        for (size_t k = 0; k < p->judge.n; k++)
            own[k] = p->kinds[k] == LATENCY ? of_latency(t, b, p->edge) : *b;
        if (!judge_panel_feed(&p->judge, own, b->start_ms + b->length_ms - t->start_ms, err))
            return false;
    }
    return true;
}

/* --- A set of traces --- */

static void put_verdict(struct buf *out, const char *id, const char *verdict, int64_t ms)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open_object(&w);
    json_key(&w, "id");
    json_put_cstr(&w, id);
    json_key(&w, "verdict");
    json_put_cstr(&w, verdict);
    json_key(&w, "t");
    json_put_i64(&w, ms / 1000);
    json_close_object(&w);
    json_writer_end(&w);
    buf_add_char(out, '\n');
}

static bool judge_trace(struct arena *arena, const char *folder, const json_t *line,
                        const struct question *asked, struct buf *out, struct err *err)
{
    struct trace t;
    struct panel p;
    struct question q = *asked;
    if (!trace_read(arena, folder, line, &t, err))
        return false;
    if (t.warms_up && q.warmup_ms == 0)
        q.warmup_ms = WARMUP_MS;
    panel_open(&p, &t, &q, t.n_edges > 1 ? t.edges[t.n_edges - 2] : (double)NAN);
    bool done = panel_run(&p, &t, err);
    if (done && p.judge.health_ms >= 0)
        put_verdict(out, t.id, "promote", p.judge.health_ms);
    if (done && p.judge.harm_ms >= 0)
        put_verdict(out, t.id, "rollback", p.judge.harm_ms);
    if (done && p.judge.health_ms < 0 && p.judge.harm_ms < 0)
        put_verdict(out, t.id, "none",
                    t.buckets[t.n - 1].start_ms + t.buckets[t.n - 1].length_ms - t.start_ms);
    judge_panel_release(&p.judge);
    return done;
}

static bool judge_traces(struct cli *cli, const char *folder, const struct question *q,
                         struct buf *out, size_t *n, struct err *err)
{
    struct buf manifest = BUF_INIT;
    struct arena arena = ARENA_INIT;
    struct str text, line;
    const char *path = arena_printf(&cli->arena, "%s/manifest.jsonl", folder);
    bool done = file_read(path, MAX_MANIFEST, &manifest, err);
    text = buf_str(&manifest);
    while (done && str_cut(&text, '\n', &line)) {
        if (str_trim(line).n == 0)
            continue;
        const json_t *json = json_parse(&arena, line, err);
        done = json && judge_trace(&arena, folder, json, q, out, err);
        *n += done ? 1 : 0;
        arena_clear(&arena);
    }
    buf_release(&manifest);
    arena_release(&arena);
    return done;
}

static int run_traces(struct cli *cli, const char *folder, const struct question *q)
{
    struct buf out = BUF_INIT;
    struct err err = ERR_INIT;
    size_t n = 0;
    const char *path = args_value(&cli->args, "out");
    if (cli->args.n_words > 0)
        return misuse(cli, "--traces takes no files");
    struct progress *progress = progress_start(cli, "judging the traces in %s", folder);
    bool done = judge_traces(cli, folder, q, &out, &n, &err);
    progress_stop(progress);
    if (done && path)
        done = file_replace(path, buf_str(&out), 0644, &err);
    else if (done)
        (void)fwrite(out.p ? out.p : "", 1, out.n, cli->out);
    buf_release(&out);
    if (!done)
        return fail_with(cli, &err);
    if (path)
        (void)fprintf(cli->out, "%zu traces judged: %s\n", n, clean(&cli->arena, path));
    return EXIT_DONE;
}

/* --- Two files --- */

/* The largest edge that at least 1% of stable's requests exceed: what sentences speak of. */
static double edge_to_speak_of(const struct trace *t)
{
    double total = 0, edge = t->n_edges ? t->edges[0] : (double)NAN;
    for (size_t i = 0; i < t->n; i++)
        total += hist_at(t->buckets[i].stable_hist, t, 0);
    for (size_t e = 0; e + 1 < t->n_edges; e++) {
        double over = 0;
        for (size_t i = 0; i < t->n; i++)
            over += hist_at(t->buckets[i].stable_hist, t, t->edges[e]);
        if (over >= 0.01 * total)
            edge = t->edges[e];
    }
    return edge;
}

static const char *overall(const struct panel *p)
{
    return p->judge.harm_ms >= 0 ? "fail" : p->judge.health_ms >= 0 ? "pass" : "insufficient";
}

static struct evidence read_stream(struct cli *cli, const struct panel *p, size_t i)
{
    struct evidence e = {
        .check = stream_names[p->kinds[i]],
        .critical = true,
        .query = cli->args.n_words == 2
                     ? arena_printf(&cli->arena, "%s %s", cli->args.words[0], cli->args.words[1])
                     : args_value(&cli->args, "total")};
    judge_stream_read(p->judge.streams[i], &cli->arena, &e);
    if (p->judge.harm_ms >= 0 && p->judge.combined.worst == i)
        e.state = EVIDENCE_FAIL;
    else if (p->judge.healthy[i])
        e.state = EVIDENCE_PASS;
    return e;
}

static void print_as_json(struct cli *cli, const struct panel *p)
{
    json_t *checks = json_array();
    for (size_t i = 0; i < p->judge.n; i++) {
        struct evidence e = read_stream(cli, p, i);
        (void)json_array_append(checks, evidence_to_json(&cli->arena, &e));
    }
    int64_t at_ms = p->judge.harm_ms >= 0 ? p->judge.harm_ms : p->judge.health_ms;
    print_json(cli, json_own(&cli->arena,
                             json_pack("{s:s, s:o, s:f, s:o}", "state", overall(p), "atSeconds",
                                       at_ms < 0 ? json_null() : json_real((double)at_ms / 1000),
                                       "logE", p->judge.combined.log_e, "checks", checks)));
}

static void print_for_people(struct cli *cli, const struct panel *p, const struct question *q)
{
    int64_t at_ms = p->judge.harm_ms >= 0 ? p->judge.harm_ms : p->judge.health_ms;
    const char *state = overall(p);
    (void)fprintf(cli->out, "%s%s%s", paint_on(cli, paint_of_state(state)), state, paint_off(cli));
    if (at_ms >= 0)
        (void)fprintf(cli->out, " after %s", text_duration(&cli->arena, at_ms));
    (void)fprintf(cli->out, ": evidence of harm e^%.2f of e^%.2f, all checks together\n",
                  p->judge.combined.log_e, -log(q->alpha));
    for (size_t i = 0; i < p->judge.n; i++) {
        struct evidence e = read_stream(cli, p, i);
        (void)fprintf(cli->out, "  %s: %s\n", e.check, evidence_state_name(e.state));
        print_wrapped(cli, 4, e.sentence);
        print_wrapped(cli, 4, arena_printf(&cli->arena, "would change it: %s", e.would_change));
        int64_t learned_ms = judge_stream_learned_ms(p->judge.streams[i]);
        print_wrapped(cli, 4,
                      arena_printf(&cli->arena, "dispersion %.2f, %s",
                                   judge_stream_dispersion(p->judge.streams[i]),
                                   learned_ms ? arena_printf(&cli->arena, "learned from %s",
                                                             text_duration(&cli->arena, learned_ms))
                                              : "not learned: no history"));
    }
}

static int run_files(struct cli *cli, const struct question *q, double start_s, double weight)
{
    struct trace t;
    struct panel p;
    struct err err = ERR_INIT;
    bool asks = args_value(&cli->args, "total") != NULL;
    if (cli->args.n_words != (asks ? 0 : 2))
        return misuse(cli, "two files are needed, stable's and the canary's; or --total and --bad, "
                           "or --traces DIR");
    bool joined =
        asks ? trace_of_queries(cli, start_s, &t, &err)
             : trace_join(&cli->arena, cli->args.words[0], cli->args.words[1], start_s, &t, &err);
    if (!joined)
        return fail_with(cli, &err);
    double edge = edge_to_speak_of(&t);
    for (size_t i = 0; i < t.n; i++)
        t.buckets[i].weight = weight;
    panel_open(&p, &t, q, edge);
    if (!panel_run(&p, &t, &err)) {
        judge_panel_release(&p.judge);
        return fail_with(cli, &err);
    }
    if (cli->json)
        print_as_json(cli, &p);
    else
        print_for_people(cli, &p, q);
    int code = p.judge.harm_ms >= 0     ? EXIT_NEGATIVE
               : p.judge.health_ms >= 0 ? EXIT_DONE
                                        : EXIT_PENDING;
    judge_panel_release(&p.judge);
    return code;
}

/* --- Options --- */

static bool take_ratio(struct cli *cli, const char *name, double least, double most, double *out)
{
    const char *text = args_value(&cli->args, name);
    if (!text)
        return true;
    if (num_parse_ratio(str_from(text), out) && *out >= least && *out <= most)
        return true;
    (void)misuse(cli, "--%s '%s' must be from %g%% to %g%%", name, text, 100 * least, 100 * most);
    return false;
}

int run_judge(struct cli *cli)
{
    if (args_value(&cli->args, "kayenta"))
        return judge_kayenta(cli, args_value(&cli->args, "kayenta"));
    struct question q = {.alpha = ALPHA, .tolerate = ERRORS_TOLERATED};
    double start_s = (double)NAN, weight = 0;
    const char *start = args_value(&cli->args, "start"), *folder = args_value(&cli->args, "traces");
    if (!take_ratio(cli, "alpha", 1e-9, 0.5, &q.alpha) ||
        !take_ratio(cli, "tolerate", 0, 1, &q.tolerate) ||
        !take_ratio(cli, "weight", 1e-6, 0.999999, &weight) ||
        !take_duration(cli, "warmup", 0, 0, &q.warmup_ms) ||
        !take_duration(cli, "dwell", 0, folder ? DWELL_MS : 0, &q.dwell_ms))
        return EXIT_USAGE;
    if (start && (!num_parse_double(str_from(start), &start_s) || isnan(start_s)))
        return misuse(cli, "--start '%s' must be a time in seconds, as in the files", start);
    q.traffic = weight > 0;
    q.latch = folder != NULL;
    q.alone = args_flag(&cli->args, "alone");
    return folder ? run_traces(cli, folder, &q) : run_files(cli, &q, start_s, weight);
}
