/* The verdict of a stream: evidence of harm and of health, with its numbers. */
#include "judge/internal.h"
#include "judge/logmath.h"

#define MIN_BUCKETS 2

double judge_stream_log_e(const struct judge_stream *s)
{
    double e[JUDGE_THRESHOLDS];
    size_t n = judge_n_tests(s);
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        e[i] = s->harm[i].log_e;
    return n == 1 ? e[0] : log_sum(e, n) - log((double)n);
}

/* What tempers the counts that health is judged by: for latency the threshold next to the SLO's. */
double judge_health_dispersion(const struct judge_stream *s)
{
    size_t nearest = 0;
    if (s->config.kind == EVIDENCE_LATENCY && s->n_thresholds == 0)
        return s->config.dispersion;
    for (size_t i = 1; i < judge_n_tests(s); i++) {
        if (s->config.edges[s->thresholds[i].edge] <= s->config.slo_edge)
            nearest = i;
    }
    return s->dispersion[nearest].learned;
}

static double rate(const struct arm_counts *c)
{
    return c->total > 0 ? c->bad / c->total : (double)NAN;
}

static void bound(const struct judge_stream *s, const struct arm_counts *c, double phi, double *low,
                  double *high)
{
    double beta = s->config.beta / 4;
    if (s->config.is_rate) {
        *low = count_lower(c->bad / phi, beta) * phi / c->total;
        *high = count_upper(c->bad / phi, beta) * phi / c->total;
    } else {
        /* The reference's bound never is under 1e-8, which no event at all is. */
        *low = fmin(rate_lower(c->bad / phi, (c->total - c->bad) / phi, beta), rate(c));
        *high = rate_upper(c->bad / phi, (c->total - c->bad) / phi, beta);
    }
}

bool judge_has_events(const struct judge_stream *s)
{
    return s->buckets > 0 && (s->config.kind == EVIDENCE_TRAFFIC ||
                              (s->all.stable.total > 0 && s->all.canary.total > 0));
}

static bool is_settled(const struct judge_stream *s)
{
    return s->settled_stable.total > 0 && s->settled_canary.total > 0;
}

/* The interval is of the time after the warm-up as soon as there is some. */
static void bound_rates(const struct judge_stream *s, struct findings *f)
{
    f->stable_rate = rate(&s->all.stable);
    f->canary_rate = rate(&s->all.canary);
    double phi = judge_health_dispersion(s);
    bound(s, is_settled(s) ? &s->settled_stable : &s->all.stable, phi, &f->stable_low,
          &f->stable_high);
    bound(s, is_settled(s) ? &s->settled_canary : &s->all.canary, phi, &f->canary_low,
          &f->canary_high);
}

/* The test with most evidence, and what was counted since its evidence rose: harm that began late
 * is diluted in what was counted since the start. */
static void find_worst(const struct judge_stream *s, struct findings *f)
{
    size_t n = s->config.n_edges;
    for (size_t i = 1; i < judge_n_tests(s); i++) {
        if (s->harm[i].log_e > s->harm[f->worst].log_e)
            f->worst = i;
    }
    const struct harm *h = &s->harm[f->worst];
    size_t k = h->rise[1] > h->rise[0] ? 1 : 0;
    f->recent = &s->recent[f->worst][k];
    f->recent_stable = rate(&f->recent->stable);
    f->recent_canary = rate(&f->recent->canary);
    if (s->n_thresholds == 0)
        return;
    size_t edge = s->thresholds[f->worst].edge;
    f->worst_edge = s->config.edges[edge];
    f->worst_quantile = 1 - exceedances(s->past_hist, n, edge) / s->past.total;
}

/* More than what is tolerated. False while neither arm was counted: NaN is not over anything. */
static bool matters(const struct judge_stream *s, const struct findings *f)
{
    if (s->buckets < MIN_BUCKETS)
        return false;
    if (s->config.kind == EVIDENCE_TRAFFIC)
        return true;
    double tolerate = s->config.kind == EVIDENCE_LATENCY ? 0 : s->config.tolerate;
    return f->recent_canary - f->recent_stable > tolerate;
}

static bool harm_is_shown(const struct judge_stream *s, const struct findings *f)
{
    return judge_stream_log_e(s) >= -log(s->config.alpha) && matters(s, f);
}

static bool bank_is_healthy(const struct judge_stream *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n_thresholds; i++) {
        if (s->thresholds[i].margin_ratio <= 0)
            continue;
        any = true;
        if (health_log_e(&s->bank[i]) < -log(s->config.beta))
            return false;
    }
    return any;
}

static bool is_within_tolerance(const struct judge_stream *s)
{
    const struct arm_counts *a = &s->settled_stable, *b = &s->settled_canary;
    double phi = judge_health_dispersion(s), beta = s->config.beta / 4, low, high, unused;
    if (!s->config.is_rate)
        return rate_is_within(b->bad / phi, (b->total - b->bad) / phi, a->bad / phi,
                              (a->total - a->bad) / phi, s->config.tolerate, beta);
    bound(s, a, phi, &low, &unused);
    bound(s, b, phi, &unused, &high);
    return high <= low + s->config.tolerate;
}

bool judge_stream_is_healthy(const struct judge_stream *s)
{
    if (s->buckets < MIN_BUCKETS || !is_settled(s))
        return false;
    if (s->config.kind == EVIDENCE_TRAFFIC)
        return health_log_e(&s->health) >= -log(s->config.beta);
    if (s->config.kind == EVIDENCE_LATENCY && !isnan(s->config.bank_tolerate))
        return bank_is_healthy(s);
    return health_log_e(&s->health) >= log(2 / s->config.beta) || is_within_tolerance(s);
}

/* What an effect must be at least to be seen now with probability 1 - beta: normal approximation
 * with the price of looking at any time, sqrt(2 ln 1/alpha), in place of a fixed-time quantile. */
static double detectable(const struct judge_stream *s)
{
    const struct arm_counts *a = &s->all.stable, *b = &s->all.canary;
    if (a->total <= 0 || b->total <= 0 || s->config.kind == EVIDENCE_TRAFFIC)
        return (double)NAN;
    double p = (a->bad + b->bad + 1) / (a->total + b->total + 2);
    double rest = s->config.is_rate ? 1 : 1 - p;
    double phi = judge_health_dispersion(s);
    double se = sqrt(phi * p * rest * (1 / a->total + 1 / b->total));
    return (sqrt(2 * -log(s->config.alpha)) + sqrt(2 * -log(s->config.beta))) * se;
}

static void fill(const struct judge_stream *s, struct evidence *e)
{
    e->kind = s->config.kind;
    e->unit = s->config.is_rate ? "1" : "ratio";
    e->tolerate = s->config.tolerate;
    e->stable = s->all.stable;
    e->canary = s->all.canary;
    e->harm_log_e = judge_stream_log_e(s);
    e->harm_log_limit = -log(s->config.alpha);
    e->observed_ms = s->last_ms - s->first_ms;
    e->minimum_detectable_effect = detectable(s);
    e->dispersion = judge_stream_dispersion(s);
    e->learned_ms = s->learned_ms;
    e->since_ms = s->first_ms;
    e->effect = e->low = e->high = (double)NAN;
    e->state = EVIDENCE_INSUFFICIENT;
    e->code = judge_has_events(s) ? "not_proven" : "no_traffic";
}

static double null_ratio(const struct judge_stream *s, size_t test)
{
    return s->config.kind == EVIDENCE_LATENCY ? s->thresholds[test].null_ratio
                                              : s->config.harm_ratio;
}

double judge_per_event(const struct judge_stream *s)
{
    struct findings f = {0};
    find_worst(s, &f);
    struct harm_rules rules = {.null_ratio = null_ratio(s, f.worst),
                               .dispersion = s->dispersion[f.worst].now};
    return harm_per_event(&rules,
                          s->all.canary.total / (s->all.canary.total + s->all.stable.total));
}

/* Of shown harm the effect is that of the time since the evidence rose, and its lower end is the
 * test's own: that the ratio was over `r` at some time is what the e-process has shown, so that an
 * interval never contains "no difference" beside a verdict of harm. The upper end is the rates'. */
static void show_harm(const struct judge_stream *s, const struct findings *f, struct evidence *e)
{
    double phi = s->dispersion[f->worst].now, stable_low, canary_high, stable_high, canary_low;
    bound(s, &f->recent->stable, phi, &stable_low, &stable_high);
    bound(s, &f->recent->canary, phi, &canary_low, &canary_high);
    double tested = (null_ratio(s, f->worst) - 1) * stable_low;
    e->effect = f->recent_canary - f->recent_stable;
    e->low = fmin(e->effect, fmax(tested, canary_low - stable_high));
    e->high = fmax(e->effect, canary_high - stable_low);
}

void judge_stream_read(const struct judge_stream *s, struct arena *arena, struct evidence *e)
{
    struct findings f = {.worst_edge = (double)NAN};
    bool traffic = s->config.kind == EVIDENCE_TRAFFIC;
    judge_stream_check(s);
    fill(s, e);
    if (s->buckets > 0)
        find_worst(s, &f);
    if (judge_has_events(s) && !traffic) {
        bound_rates(s, &f);
        e->effect = f.canary_rate - f.stable_rate;
        e->low = f.canary_low - f.stable_high;
        e->high = f.canary_high - f.stable_low;
    }
    if (harm_is_shown(s, &f)) {
        e->state = EVIDENCE_FAIL;
        e->code = traffic ? "too_little_traffic" : "harm_shown";
        e->since_ms = judge_rise_began(s, f.recent);
        if (!traffic)
            show_harm(s, &f, e);
    } else if (judge_stream_is_healthy(s)) {
        e->state = EVIDENCE_PASS;
        e->code = traffic ? "split_as_configured" : "within_tolerance";
    }
    if (traffic)
        judge_say_traffic(s, &f, arena, e);
    else
        judge_say(s, &f, arena, e);
}

bool judge_stream_fail_together(const struct judge_stream *s, struct arena *arena,
                                struct evidence *e)
{
    struct findings f = {.worst_edge = (double)NAN};
    if (s->buckets == 0 || s->config.kind == EVIDENCE_TRAFFIC)
        return false;
    bound_rates(s, &f);
    find_worst(s, &f);
    if (!matters(s, &f))
        return false;
    e->state = EVIDENCE_FAIL;
    e->code = "harm_shown_together";
    e->since_ms = judge_rise_began(s, f.recent);
    show_harm(s, &f, e);
    judge_say(s, &f, arena, e);
    e->sentence =
        arena_printf(arena, "%s; shown by all checks together, by this one most", e->sentence);
    return true;
}
