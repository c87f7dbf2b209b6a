/* Verdicts in words. Rates are in percent, differences in points. */
#include "judge/internal.h"

#include <math.h>

static const char *happening(const struct judge_stream *s, struct arena *arena)
{
    double edge = s->config.slo_edge;
    if (s->config.kind == EVIDENCE_RATIO)
        return "are bad";
    return edge < 1 ? arena_printf(arena, "take over %g ms", 1000 * edge)
                    : arena_printf(arena, "take over %g s", edge);
}

static const char *reference(const struct judge_stream *s)
{
    return s->against_baseline ? "the baseline" : "stable";
}

static const char *rates(const struct judge_stream *s, const struct findings *f,
                         struct arena *arena)
{
    return arena_printf(arena, "%.3g%% of %.0f canary events %s, %.3g%% of %.0f on %s",
                        100 * f->canary_rate, s->all.canary.total, happening(s, arena),
                        100 * f->stable_rate, s->all.stable.total, reference(s));
}

/* What harm looks like: the rates since its evidence rose. */
static const char *harmful(const struct judge_stream *s, const struct findings *f,
                           struct arena *arena)
{
    const struct recent *r = f->recent;
    int64_t for_ms = s->last_ms - judge_rise_began(s, r);
    const char *times = "";
    if (f->recent_stable > 0)
        times = arena_printf(arena, ", %.3g times", f->recent_canary / f->recent_stable);
    const char *what = s->config.kind == EVIDENCE_LATENCY
                           ? arena_printf(arena, "take over %g ms", 1000 * f->worst_edge)
                           : "are bad";
    const char *which = s->config.kind == EVIDENCE_LATENCY
                            ? arena_printf(arena, " (stable's p%.3g)", 100 * f->worst_quantile)
                            : "";
    return arena_printf(arena,
                        "for %lld s %.3g%% of %.0f canary events %s, %.3g%% of %.0f on %s%s%s",
                        (long long)((for_ms + 500) / 1000), 100 * f->recent_canary, r->canary.total,
                        what, 100 * f->recent_stable, r->stable.total, reference(s), which, times);
}

static const char *interval(const struct evidence *e, struct arena *arena)
{
    return arena_printf(arena, "difference %+.2g points, between %+.2g and %+.2g", 100 * e->effect,
                        100 * e->low, 100 * e->high);
}

/* More canary events until the bounds meet, if the canary goes on like stable; 0 = not soon. */
static double missing_events(const struct judge_stream *s, const struct findings *f)
{
    const struct arm_counts *a = &s->all.stable, *b = &s->all.canary;
    double phi = judge_health_dispersion(s), beta = s->config.beta / 4;
    double stable_per_canary = a->total / b->total;
    for (double more = 10; more < 1e8 && !s->config.is_rate; more *= 1.25) {
        double n = b->total + more, bad = b->bad + more * f->stable_rate;
        double m = a->total + more * stable_per_canary, stable_bad = m * f->stable_rate;
        if (rate_is_within(bad / phi, (n - bad) / phi, stable_bad / phi, (m - stable_bad) / phi,
                           s->config.tolerate, beta))
            return more;
    }
    return 0;
}

/* What "tolerated" means to this stream. */
static const char *tolerance(const struct judge_stream *s, struct arena *arena)
{
    if (s->config.kind == EVIDENCE_LATENCY && !isnan(s->config.bank_tolerate))
        return arena_printf(arena, "odds of 1.5 or %.2g points tolerated from p50 to p99",
                            100 * s->config.bank_tolerate);
    return arena_printf(arena, "%.2g tolerated", 100 * s->config.tolerate);
}

static const char *how_much_more(const struct judge_stream *s, const struct findings *f,
                                 struct arena *arena)
{
    double more = s->config.tolerate > 0 ? missing_events(s, f) : 0;
    if (more > 0)
        return arena_printf(arena, "about %.0f more canary events at stable's rate", more);
    if (s->config.kind == EVIDENCE_LATENCY && !isnan(s->config.bank_tolerate))
        return "more canary events";
    return "more canary events; a larger `tolerate` is proven sooner";
}

/* In two buckets at least, none of stable beside them. */
static double bad_events_to_harm(const struct judge_stream *s)
{
    double missing = -log(s->config.alpha) - judge_stream_log_e(s);
    return fmax(2, ceil(missing / fmax(judge_per_event(s), 1e-6)));
}

void judge_say(const struct judge_stream *s, const struct findings *f, struct arena *arena,
               struct evidence *e)
{
    if (e->state == EVIDENCE_FAIL) {
        e->sentence = arena_printf(arena, "%s; %s", harmful(s, f, arena), interval(e, arena));
        e->would_change = "nothing: harm was shown at the stated error rate";
    } else if (!judge_has_events(s)) {
        e->sentence = "no canary events yet";
        e->would_change = "canary events in at least two buckets";
    } else if (e->state == EVIDENCE_PASS) {
        e->sentence = arena_printf(arena, "%s; %s, %s", rates(s, f, arena), interval(e, arena),
                                   tolerance(s, arena));
        e->would_change = "harm that shows later";
    } else {
        e->sentence = arena_printf(arena, "%s; %s, %s: not proven yet", rates(s, f, arena),
                                   interval(e, arena), tolerance(s, arena));
        e->would_change = arena_printf(arena, "%s; %.0f bad canary events more than that show harm",
                                       how_much_more(s, f, arena), bad_events_to_harm(s));
    }
}

static double share(const struct arm_counts *canary, const struct arm_counts *stable)
{
    return 100 * canary->total / (canary->total + stable->total);
}

void judge_say_traffic(const struct judge_stream *s, const struct findings *f, struct arena *arena,
                       struct evidence *e)
{
    if (s->buckets == 0) {
        e->sentence = "no events yet";
        e->would_change = "events in at least two buckets";
    } else if (e->state == EVIDENCE_FAIL) {
        const struct recent *r = f->recent;
        e->sentence = arena_printf(
            arena, "for %lld s %.3g%% of %.0f events are on the canary, too few for its weight",
            (long long)((s->last_ms - e->since_ms + 500) / 1000), share(&r->canary, &r->stable),
            r->stable.total + r->canary.total);
        e->would_change = "nothing: the split was shown to be another";
    } else {
        e->sentence = arena_printf(arena, "%.3g%% of %.0f events are on the canary",
                                   share(&s->all.canary, &s->all.stable),
                                   s->all.stable.total + s->all.canary.total);
        e->would_change = "events that do not follow the weight";
    }
}
