/* The baseline: fresh instances of the stable version, started beside the canary, under a value of
 * the cohort label of their own. What a new instance does worse than an old one (cold caches, code
 * that is not compiled yet) both do, and it cancels.
 *
 *     named -> awaited -> compared with the baseline ---> all of stable, for good
 *                 |                                          ^
 *                 +---- nothing heard for HOLD_MS -----------+---- silent for HOLD_MS, or under a
 *                                                                 quarter of the canary's events */
#include "daemon/comparison.h"

#define ENOUGH 100 /* canary events before the baseline can be called small */
#define LEAST_SHARE 0.25

static const char placeholder[] = "{{stable}}";

const char *baseline_of(struct arena *arena, const struct rollout_policy *policy,
                        const char *stable_version)
{
    if (!policy->baseline)
        return NULL;
    struct buf text = BUF_INIT;
    const char *p = policy->baseline;
    for (const char *at; (at = strstr(p, placeholder)) != NULL; p = at + sizeof placeholder - 1) {
        buf_add_str(&text, str_make(p, (size_t)(at - p)));
        buf_add_cstr(&text, stable_version);
    }
    buf_add_cstr(&text, p);
    const char *name = arena_cstr(arena, buf_str(&text));
    buf_release(&text);
    return name;
}

static void take_stable(struct check *check)
{
    check->against_baseline = false;
    judge_stream_set_reference(check->stream, false);
}

void watch_baseline(struct check *check, const struct arms *arms, int64_t to_ms)
{
    if (!check->against_baseline)
        return;
    struct arm_counts canary = count_arm(&arms->canary, check->fed_until_ms, to_ms);
    struct arm_counts baseline = count_arm(&arms->baseline, check->fed_until_ms, to_ms);
    double all_canary = check->canary.total + canary.total;
    double all_baseline = check->stable.total + baseline.total;
    int64_t silent_since_ms = all_baseline > 0 ? check->fed_until_ms : check->begun_ms;
    if (baseline.total <= 0 && canary.total > 0 && to_ms - silent_since_ms >= HOLD_MS) {
        (void)snprintf(check->no_baseline, sizeof check->no_baseline,
                       all_baseline > 0 ? "it had no events for %d s" : "it had none within %d s",
                       HOLD_MS / 1000);
        take_stable(check);
    } else if (to_ms - check->begun_ms >= HOLD_MS && all_canary >= ENOUGH &&
               all_baseline < LEAST_SHARE * all_canary) {
        (void)snprintf(check->no_baseline, sizeof check->no_baseline,
                       "its %.0f events are under a quarter of the canary's %.0f", all_baseline,
                       all_canary);
        take_stable(check);
    }
}

void say_reference(struct evidence *e, const struct check *check, const struct rollout *r,
                   struct arena *arena, int64_t now_ms)
{
    const char *baseline = baseline_of(arena, r->policy, r->state.stable_version);
    if (!baseline || !check->stream)
        return;
    e->against = check->against_baseline ? baseline : r->state.stable_version;
    if (!check->against_baseline) {
        e->sentence =
            arena_printf(arena, "%s; compared with all of %s, not with the baseline %s: %s",
                         e->sentence, r->state.stable_version, baseline, check->no_baseline);
    } else if (check->stable.total <= 0 && e->state == EVIDENCE_INSUFFICIENT) {
        e->code = "baseline_awaited";
        e->sentence =
            arena_printf(arena, "no event of the baseline %s and of the canary yet, after %lld s",
                         baseline, (long long)((now_ms - check->begun_ms) / 1000));
        e->would_change = arena_printf(arena,
                                       "events of both; after %d s without the baseline's all of "
                                       "%s takes its place",
                                       HOLD_MS / 1000, r->state.stable_version);
    }
}
