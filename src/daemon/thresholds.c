/* Thresholds, as people know them from elsewhere: a value against fixed limits or against stable's,
 * failing at once or after so many times in a row. Nobody states their error rate. */
#include "daemon/comparison.h"

#include <math.h>

/* The limit that `factor` makes of what the query says of stable. */
static struct evidence answer_relative(struct daemon *d, struct rollout *r, struct arena *arena,
                                       const struct check_spec *spec, int64_t now_ms)
{
    struct check_spec any = *spec, limited = *spec;
    any.below = (double)INFINITY;
    struct evidence stable =
        answer_query(d, arena, &any, fill_in(arena, r, spec->query, r->state.stable_version),
                     r->policy->max_age_ms, now_ms);
    if (stable.state == EVIDENCE_ERROR || isnan(stable.effect))
        return stable;
    limited.below = spec->factor * stable.effect;
    struct evidence e =
        answer_query(d, arena, &limited, fill_in(arena, r, spec->query, r->state.canary_version),
                     r->policy->max_age_ms, now_ms);
    if (!isnan(e.effect))
        e.sentence = arena_printf(arena, "%s, %g times stable's %.10g", e.sentence, spec->factor,
                                  stable.effect);
    return e;
}

/* A failure counts once a bucket; only so many in a row fail the check. */
static void count_failures(const struct rollout *r, struct check *check, struct arena *arena,
                           int64_t now_ms, struct evidence *e)
{
    int need = check->spec->failures;
    if (e->state == EVIDENCE_PASS)
        check->failures = 0;
    if (e->state != EVIDENCE_FAIL)
        return;
    if (check->failures < need &&
        (check->failures == 0 || now_ms - check->counted_ms >= r->policy->bucket_ms)) {
        check->failures++;
        check->counted_ms = now_ms;
    }
    if (check->failures >= need)
        return;
    e->state = EVIDENCE_INSUFFICIENT;
    e->code = "failing";
    e->sentence =
        arena_printf(arena, "%s; %d of %d times in a row", e->sentence, check->failures, need);
}

struct evidence hold_against_limit(struct daemon *d, struct rollout *r, struct check *check,
                                   struct arena *arena, int64_t now_ms)
{
    const struct check_spec *spec = check->spec;
    struct evidence e = spec->factor > 0
                            ? answer_relative(d, r, arena, spec, now_ms)
                            : answer_query(d, arena, spec, fill_in(arena, r, spec->query, NULL),
                                           r->policy->max_age_ms, now_ms);
    count_failures(r, check, arena, now_ms, &e);
    return e;
}
