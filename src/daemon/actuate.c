/* Outside follows: the intent is in the ledger before the actuator is told, and what was seen after
 * it follows. Told again every tick: whoever changes the weight behind our back, or restarts the
 * proxy, finds it put right. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/internal.h"

#include <math.h>
#include <stdio.h>

#define SAME_PCT 0.01

/* What outside says may be no text, or be cut within a character. */
static void keep_error(struct rollout *r, const char *text)
{
    (void)snprintf(r->exposure_error, sizeof r->exposure_error, "%s", text);
    bool is_text = str_is_utf8(str_from(r->exposure_error));
    for (char *p = r->exposure_error; *p && !is_text; p++)
        *p = (unsigned char)*p < 0x80 ? *p : '?';
    r->exposure.error = r->exposure_error;
}

static bool record_intent(struct daemon *d, struct rollout *r)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *body = json_own(&arena, json_pack("{s:s, s:o, s:s}", "intent", r->intent, "weightPct",
                                              json_from_double(r->state.desired_pct), "actuator",
                                              r->policy->traffic.kind));
    r->intent_recorded = record(d, LEDGER_INTENT, r->id, clock_wall_ms(), body, NULL, &err);
    if (!r->intent_recorded)
        log_error("ledger", "an intent cannot be recorded and is not acted on: %s", err.message);
    arena_release(&arena);
    return r->intent_recorded;
}

/* Worth an entry only when it says something new. */
static void record_observation(struct daemon *d, struct rollout *r)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    double pct = r->exposure.known ? r->exposure.observed_pct : (double)NAN;
    bool same = isnan(pct) ? isnan(r->recorded_pct) : fabs(pct - r->recorded_pct) < SAME_PCT;
    if (same)
        return;
    json_t *body = json_own(&arena, json_pack("{s:s, s:b, s:o, s:s}", "intent", r->intent, "known",
                                              r->exposure.known, "observedPct",
                                              json_from_double(pct), "error", r->exposure_error));
    if (record(d, LEDGER_OBSERVATION, r->id, r->exposure.at_ms, body, NULL, &err))
        r->recorded_pct = pct;
    else
        log_error("ledger", "an observation cannot be recorded: %s", err.message);
    arena_release(&arena);
}

static void seen_done(void *arg, const struct exposure *seen)
{
    struct rollout *r = arg;
    struct daemon *d = r->daemon;
    r->busy = false;
    r->exposure = *seen;
    keep_error(r, seen->error);
    record_observation(d, r);
    if (!rollout_state_is_final(r->state.state) && r->state.step_since_ms == 0 &&
        rollout_is_next(d, r)) {
        decide_on(d, r, clock_wall_ms());
    }
}

/* Advisory automation only watches, until a human promotes through cQED. */
static bool may_act(const struct rollout *r)
{
    return r->policy->automation != AUTOMATION_ADVISORY || r->exposed_since_ms > 0;
}

/* A new weight does not wait for the call that tells the old one: traffic must leave a bad version
 * also when the proxy's answer hangs. */
void actuate(struct daemon *d, struct rollout *r)
{
    if (!r->actuator || (r->busy && r->intent_recorded))
        return;
    if (!may_act(r)) {
        if (r->busy)
            return;
        r->busy = true;
        r->actuator->ops->observe(r->actuator, seen_done, r);
        return;
    }
    if (!r->intent_recorded && !record_intent(d, r))
        return;
    if (r->busy)
        r->actuator->ops->abandon(r->actuator);
    r->busy = true;
    r->actuator->ops->apply(r->actuator, r->state.desired_pct, r->intent, seen_done, r);
}

void open_actuator(struct daemon *d, struct rollout *r)
{
    struct err err = ERR_INIT;
    const struct actuator_ops *ops = actuator_find(r->policy->traffic.kind);
    r->exposure = (struct exposure){.observed_pct = (double)NAN, .measured_pct = (double)NAN};
    keep_error(r, "not asked yet");
    r->recorded_pct = (double)INFINITY;
    if (!ops)
        err_set(&err, ERR_BAD_INPUT, "there is no actuator '%s'", r->policy->traffic.kind);
    else
        r->actuator = ops->open(d->loop, d->client, r->policy->traffic.config, &err);
    if (!r->actuator)
        keep_error(r, err.message);
}

void close_actuator(struct rollout *r)
{
    if (r->actuator)
        r->actuator->ops->close(r->actuator);
    r->actuator = NULL;
    r->busy = false;
}
