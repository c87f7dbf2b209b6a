/* clang-format off */
/* The loop, twice a second: sums become samples, actuators follow, and every live rollout is looked
 * at and decided on.
 *
 *   tick -> flush SLI sums
 *        -> each service's oldest live rollout: actuate (level-triggered), decide_on
 *           what waits behind it: tell it to make room
 *           what ended last: actuate, so that its weight stays in force
 *   decide_on -> collect -> decide -> record the decision -> adopt the state
 *             -> record the intent, act */
/* clang-format on */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/internal.h"

#define SERVICES_EVERY_MS 2000

bool record(struct daemon *d, enum ledger_kind kind, const char *subject, int64_t at_ms,
            const json_t *body, uint64_t *seq, struct err *err)
{
    uint64_t number;
    if (!ledger_append(d->ledger, kind, subject, at_ms, body, &number, err))
        return false;
    if (seq)
        *seq = number;
    if (d->serve) {
        json_t *event =
            json_pack("{s:I, s:I, s:s, s:s}", "seq", (json_int_t)number, "atMs", (json_int_t)at_ms,
                      "kind", ledger_kind_name(kind), "subject", subject);
        serve_publish(d->serve, "ledger", (int64_t)number, event);
        json_decref(event);
    }
    return true;
}

/* The whole question and the whole answer: enough to ask again, years later. */
static json_t *decision_record(struct arena *arena, const struct decide_input *in,
                               const struct decision *answer)
{
    json_t *acts = json_array();
    for (size_t i = 0; i < in->n_acts; i++)
        (void)json_array_append(acts, act_to_json(arena, &in->acts[i]));
    json_t *body = json_object();
    (void)json_object_set(body, "state", rollout_state_to_json(arena, in->state));
    (void)json_object_set(body, "seen", snapshot_to_json(arena, in->seen));
    (void)json_object_set_new(body, "acts", acts);
    (void)json_object_set_new(body, "nowMs", json_integer(in->now_ms));
    (void)json_object_set(body, "decision", decision_to_json(arena, answer));
    return json_own(arena, body);
}

static void tell(const struct rollout *r, const struct decision *answer)
{
    for (size_t i = 0; i < answer->n_actions; i++) {
        const struct action *a = &answer->actions[i];
        log_line(strcmp(a->severity, "info") == 0 ? LOG_INFO : LOG_WARN, "decide",
                 "%s rollout=%s verdict=%s", a->text, r->id, answer->verdict);
    }
}

static const char *sentence_of(const struct decision *answer)
{
    return answer->n_reasons ? answer->reasons[0].sentence : answer->verdict;
}

/* What the page shows until the next look; takes the arena over. */
static void keep_for_showing(struct rollout *r, struct arena *arena, const struct snapshot *seen,
                             const struct decision *answer)
{
    json_t *reasons = json_array();
    for (size_t i = 0; i < answer->n_reasons; i++)
        (void)json_array_append_new(
            reasons, json_pack("{s:s, s:o}", "code", answer->reasons[i].code, "sentence",
                               json_string_nocheck(answer->reasons[i].sentence)));
    r->snapshot_json = snapshot_to_json(arena, seen);
    r->reasons_json = json_own(arena, reasons);
    r->verdict = arena_strdup(arena, answer->verdict);
    arena_release(&r->seen_arena);
    r->seen_arena = *arena;
}

static void publish_rollout(struct daemon *d, const struct rollout *r)
{
    struct arena arena = ARENA_INIT;
    if (d->serve && serve_has_listeners(d->serve))
        serve_publish(d->serve, "rollout", -1, rollout_view(&arena, r, false));
    arena_release(&arena);
}

/* True when the answer is in force: recorded, or nothing worth a record. */
static bool take_answer(struct daemon *d, struct rollout *r, struct arena *arena,
                        const struct decide_input *in, const struct decision *answer)
{
    struct err err = ERR_INIT;
    uint64_t seq;
    double weight_before = r->state.desired_pct;
    if (!answer->changed)
        return true;
    if (!record(d, LEDGER_DECISION, r->id, in->now_ms, decision_record(arena, in, answer), &seq,
                &err)) {
        log_error("ledger", "a decision cannot be recorded and is not acted on: %s", err.message);
        return false;
    }
    rollout_adopt(r, &answer->state);
    rollout_remember(r, seq, in->now_ms, answer->verdict, sentence_of(answer));
    r->n_acts = 0;
    tell(r, answer);
    for (size_t i = 0; i < answer->n_actions; i++) {
        if (answer->actions[i].kind != ACTION_SET_WEIGHT)
            continue;
        (void)snprintf(r->intent, sizeof r->intent, "%s", answer->actions[i].intent);
        r->intent_recorded = false;
    }
    if (weight_before == 0 && r->state.desired_pct > 0 && r->exposed_since_ms == 0)
        r->exposed_since_ms = in->now_ms;
    return true;
}

void decide_on(struct daemon *d, struct rollout *r, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    struct snapshot seen = collect(d, r, &arena, now_ms);
    struct decide_input in = {r->policy, &r->state, &seen, r->acts, r->n_acts, now_ms};
    struct decision answer = decide(&arena, &in);
    bool changed = answer.changed;
    if (!take_answer(d, r, &arena, &in, &answer)) {
        arena_release(&arena);
        return;
    }
    keep_for_showing(r, &arena, &seen, &answer);
    if (changed && !r->intent_recorded)
        actuate(d, r);
    publish_rollout(d, r);
}

static void emit_sum(void *batch, struct labels labels, int64_t t_ms, double v)
{
    uint64_t ref = store_series(batch, labels, NULL);
    if (ref)
        (void)store_batch_add(batch, ref, t_ms, v, STORE_ORIGIN_UNKNOWN);
}

void flush_sums(struct daemon *d, int64_t now_ms)
{
    struct err err = ERR_INIT;
    struct store_batch *batch = store_batch_begin(d->store, now_ms);
    slo_engine_flush(d->engine, now_ms, emit_sum, batch);
    if (!store_batch_commit(batch, &err))
        log_error("store", "SLI sums cannot be written: %s", err.message);
}

static void publish_services(struct daemon *d, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    if (now_ms - d->published_ms < SERVICES_EVERY_MS && now_ms >= d->published_ms)
        return;
    d->published_ms = now_ms;
    if (serve_has_listeners(d->serve))
        serve_publish(d->serve, "services", -1, services_view(d, &arena));
    arena_release(&arena);
}

/* A rollout that waits for an older one of its service tells that one, once, to make room. */
static void take_over(struct rollout *r)
{
    struct err err = ERR_INIT;
    if (!supersede_older(r, &err))
        log_error("ledger", "the rollout before %s is not superseded yet: %s", r->id, err.message);
}

void tick(void *arg)
{
    struct daemon *d = arg;
    int64_t now_ms = clock_wall_ms();
    flush_sums(d, now_ms);
    selfcheck_tick(d, now_ms);
    anomaly_tick(d, now_ms);
    gates_tick(d, now_ms);
    for (struct rollout *r = d->rollouts; r; r = r->next) {
        if (rollout_is_next(d, r)) {
            actuate(d, r);
            /* The first look waits for the actuator's first answer; it comes with the answer. */
            if (!r->busy || r->exposure.at_ms > 0)
                decide_on(d, r, now_ms);
        } else if (rollout_is_guarding(d, r)) {
            actuate(d, r);
        } else if (!rollout_state_is_final(r->state.state)) {
            take_over(r);
        }
    }
    keep_tick(d, now_ms);
    publish_services(d, now_ms);
}
