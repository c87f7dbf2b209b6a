/* Whether all who feed an arm are heard. A source is expected that fed the arm lately, and that
 * ingest still knows: a target whose scrapes fail, a service that stopped sending. One that feeds
 * another version by now is heard, and one that was silent for long has gone.
 *
 *     newest in the arm:   fresh ........ maxAge ........ 10 * maxAge ........
 *                          heard          late, unless     gone
 *                                         ingest hears it
 *
 *     complete: all heard      partial: some late      stale: all late (evidence.c's own rule) */
#include "daemon/comparison.h"

#define GONE_AFTER 10 /* times the policy's maxAge */

struct tally {
    size_t heard, late;
    int64_t late_ms; /* the age of the oldest late one */
    const struct slo_source *who;
};

static void tally_source(struct daemon *d, const struct slo_source *source, int64_t max_age_ms,
                         int64_t now_ms, struct tally *t)
{
    int64_t age_ms = now_ms - source->newest_ms;
    int64_t known_ms = freshness_newest(d->freshness, source->job, source->instance);
    if (source->newest_ms == 0 || age_ms > GONE_AFTER * max_age_ms)
        return;
    if (age_ms <= max_age_ms || now_ms - known_ms <= max_age_ms) {
        t->heard++;
    } else if (known_ms > 0) {
        t->late++;
        if (age_ms > t->late_ms) {
            t->late_ms = age_ms;
            t->who = source;
        }
    }
}

void check_sources(struct daemon *d, const struct rollout *r, struct evidence *e,
                   const struct slo_arm *arm, int64_t now_ms, struct arena *arena)
{
    struct tally t = {0};
    for (size_t i = 0; arm && i < arm->n_sources; i++)
        tally_source(d, &arm->sources[i], r->policy->max_age_ms, now_ms, &t);
    if (t.late == 0 || t.heard == 0)
        return;
    if (t.late_ms > e->fresh_ms && e->fresh_ms >= 0)
        e->fresh_ms = t.late_ms;
    if (e->state != EVIDENCE_PASS)
        return;
    struct str name = t.who->instance.n > 0 ? t.who->instance : t.who->job;
    e->state = EVIDENCE_INSUFFICIENT;
    e->code = "partial";
    e->sentence = arena_printf(
        arena, "%zu of %zu sources of " STR_FMT " are heard; " STR_FMT " was not for %lld s",
        t.heard, t.heard + t.late, STR_ARG(arm->version), STR_ARG(name),
        (long long)(t.late_ms / 1000));
    e->would_change = "telemetry of all that serve, newer than the policy's limit";
}
