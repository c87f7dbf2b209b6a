/* The measured split: requests that telemetry counts on the canary against the weight that the
 * actuator reports. A canary that crashes or is ejected sends no errors; it is seen here.
 *
 * Each arm's rate is its increase over its own event time, between two moments when something new
 * was heard of it, so that scrapes at different moments, long intervals and a pause of cQED do not
 * bend it. */
#include "daemon/comparison.h"

#include <math.h>

#define HEARD_ENOUGH 4 /* times something new of each arm; a rate over fewer is too rough */
#define SPAN_MS 3000   /* of event time at least */
/* Expected canary requests before the split says anything: from (5 / 0.75)^2 on, none at all is
 * outside of what is allowed below. */
#define SPLIT_ENOUGH 45.0

const struct split *last_split(const struct comparison *c)
{
    return c->n_splits ? &c->splits[(c->n_splits - 1) % N_SPLITS] : NULL;
}

static struct heard hear(const struct slo_arm *arm, const struct heard *before)
{
    struct heard now = *before;
    if (arm && arm->newest_ms > before->newest_ms)
        now = (struct heard){arm->total, arm->newest_ms, before->times + 1};
    return now;
}

static void add_split(struct comparison *c, const struct split *s)
{
    if (c->n_splits == 0 || c->split_base.canary.newest_ms == 0)
        c->split_base = *s;
    c->splits[c->n_splits++ % N_SPLITS] = *s;
}

/* The ring begins anew with each step. Only samples of the time since the weight is in force count.
 */
void note_split(struct daemon *d, struct rollout *r, const char *slo, struct arena *arena)
{
    static const struct split nothing = {0};
    struct comparison *c = r->comparison;
    struct slo_arm *arms;
    size_t n;
    if (c->split_since_ms != r->state.step_since_ms) {
        c->split_since_ms = r->state.step_since_ms;
        c->n_splits = 0;
    }
    if (c->split_since_ms == 0 || !slo_engine_arms(d->engine, arena, slo, &arms, &n))
        return;
    const struct split *last = c->n_splits ? last_split(c) : &nothing;
    const char *baseline = baseline_of(arena, r->policy, r->state.stable_version);
    struct split now = {
        hear(find_arm(arms, n, r->state.stable_version), &last->stable),
        hear(find_arm(arms, n, r->state.canary_version), &last->canary),
        hear(baseline ? find_arm(arms, n, baseline) : NULL, &last->baseline),
    };
    bool both = now.stable.newest_ms >= c->split_since_ms &&
                (now.canary.newest_ms >= c->split_since_ms || now.canary.newest_ms == 0);
    if (both && (now.stable.times != last->stable.times || now.canary.times != last->canary.times))
        add_split(c, &now);
}

static bool is_far_enough(const struct heard *from, const struct heard *to)
{
    return from->newest_ms > 0 && to->times - from->times >= HEARD_ENOUGH &&
           to->newest_ms - from->newest_ms >= SPAN_MS;
}

static double requests_between(const struct split *from, const struct split *to)
{
    return to->stable.total - from->stable.total + to->canary.total - from->canary.total +
           to->baseline.total - from->baseline.total;
}

/* Far enough behind, and enough canary requests since then if the split is as configured. */
static bool says_something(const struct split *from, const struct split *to, double share)
{
    return is_far_enough(&from->stable, &to->stable) &&
           (is_far_enough(&from->canary, &to->canary) || to->canary.newest_ms == 0) &&
           requests_between(from, to) * share >= SPLIT_ENOUGH;
}

/* The newest moment that says something, else the step's first: little traffic needs a
 * long look. */
static const struct split *first_split(const struct comparison *c, const struct split *last,
                                       double share)
{
    size_t kept = c->n_splits < N_SPLITS ? c->n_splits : N_SPLITS;
    for (size_t back = 2; back <= kept; back++) {
        const struct split *s = &c->splits[(c->n_splits - back) % N_SPLITS];
        if (says_something(s, last, share))
            return s;
    }
    return says_something(&c->split_base, last, share) ? &c->split_base : NULL;
}

/* Events a second over an arm's own time; 0 for an arm that was never heard of. */
static double rate(const struct heard *from, const struct heard *to)
{
    double seconds = (double)(to->newest_ms - from->newest_ms) / 1000;
    return seconds > 0 ? (to->total - from->total) / seconds : 0;
}

static void say_split(struct evidence *e, struct arena *arena, double measured_pct, double told_pct,
                      double slack_pct)
{
    e->effect = measured_pct - told_pct;
    e->tolerate = slack_pct;
    e->state = EVIDENCE_PASS;
    e->code = "split_as_configured";
    e->sentence = arena_printf(arena, "%.3g%% of requests are on the canary, %.3g%% are configured",
                               measured_pct, told_pct);
    e->would_change = "a split that telemetry and the actuator do not agree on";
    if (fabs(e->effect) <= slack_pct)
        return;
    const char *sentence = arena_printf(
        arena, "telemetry counts %.3g%% of requests on the canary where %.3g%% are configured",
        measured_pct, told_pct);
    set_blind(e, measured_pct > 0 ? "split_differs" : "no_canary_traffic", sentence);
}

static struct evidence not_measured(void)
{
    static const struct check_spec spec = {.name = "traffic", .critical = true};
    struct evidence e = unknown_evidence(&spec);
    e.kind = EVIDENCE_TRAFFIC;
    e.unit = "percent";
    e.code = "split_not_measured";
    e.sentence = "the split has not been measured at this weight yet";
    e.would_change = "a few scrapes of both arms, and about 45 canary requests";
    return e;
}

/* Five standard deviations and a quarter are allowed: balancers are not dice. */
struct evidence judge_split(const struct rollout *r, struct arena *arena, int64_t now_ms,
                            double *measured_pct)
{
    const struct comparison *c = r->comparison;
    double share = r->exposure.observed_pct / 100;
    const struct split *last = last_split(c), *first = last ? first_split(c, last, share) : NULL;
    struct evidence e = not_measured();
    if (!first)
        return e;
    double stable = rate(&first->stable, &last->stable) + rate(&first->baseline, &last->baseline);
    double canary = rate(&first->canary, &last->canary);
    double total = requests_between(first, last);
    if (!(stable + canary > 0))
        return e;
    *measured_pct = 100 * canary / (stable + canary);
    e.canary.total = last->canary.total - first->canary.total;
    e.stable.total = total - e.canary.total;
    e.fresh_ms = now_ms > last->stable.newest_ms ? now_ms - last->stable.newest_ms : 0;
    double slack = 5 * sqrt(share * (1 - share) / total) + 0.25 * share;
    say_split(&e, arena, *measured_pct, r->exposure.observed_pct, 100 * slack);
    return e;
}
