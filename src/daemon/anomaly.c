/* Live services against their own past: one detector an SLO, one alarm a service, at most one false
 * one in `anomaly.oneFalseAlarmIn`. It is a series, a ledger entry and a reason not to raise
 * exposure; it never rolls back by itself.
 *
 *     cqed_anomaly_active{service}, cqed_anomaly_log_e{slo,service}, cqed_anomaly_limit{service} */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/internal.h"

#include <math.h>
#include <stdlib.h>

#define BUCKET_MS 5000
#define HOUR_MS INT64_C(3600000)
#define WEEKS_MS (JUDGE_WEEKS * JUDGE_HOURS * HOUR_MS)
#define WRITE_MS 10000
#define QUIET_MS 300000 /* without evidence, until an alarm is over */

struct watched_slo {
    struct watched_slo *next;
    char *slo;
    struct judge_anomaly *detector;
    double good, total; /* of all versions, when the last bucket ended */
    int64_t until_ms;
};

/* One service that has SLOs. */
struct watched_service {
    struct watched_service *next;
    char *service;
    bool active;
    double log_e;
    int64_t since_ms, raised_ms; /* of the change; of the alarm */
    int64_t rising_ms;           /* when the evidence was last above nothing */
    int64_t looked_ms, written_ms;
    char sentence[512];
};

static char *keep_text(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        check_no_memory(strlen(text));
    return copy;
}

static void *need(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        check_no_memory(size);
    return p;
}

void anomalies_free(struct daemon *d)
{
    while (d->watched_slos) {
        struct watched_slo *next = d->watched_slos->next;
        judge_anomaly_free(d->watched_slos->detector);
        free(d->watched_slos->slo);
        free(d->watched_slos);
        d->watched_slos = next;
    }
    while (d->watched_services) {
        struct watched_service *next = d->watched_services->next;
        free(d->watched_services->service);
        free(d->watched_services);
        d->watched_services = next;
    }
}

/* --- Learning from the store --- */

static bool select_all(struct daemon *d, struct arena *arena, const char *metric, const char *slo,
                       int64_t from_ms, int64_t to_ms, struct promql_series **out, size_t *n)
{
    struct matcher m[2];
    return matcher_init(&m[0], arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(metric), NULL) &&
           matcher_init(&m[1], arena, MATCH_EQUAL, STR("slo"), str_from(slo), NULL) &&
           d->source.select(d->source.self, arena, m, 2, from_ms, to_ms, out, n, NULL);
}

/* Increase of each hour, all versions together; hours[0] begins at first_ms. */
static void add_hours(const struct promql_series *series, size_t n, int64_t first_ms, double *hours,
                      size_t n_hours)
{
    for (size_t s = 0; s < n; s++) {
        for (size_t i = 1; i < series[s].n; i++) {
            const struct promql_series *x = &series[s];
            int64_t hour = (x->samples[i].t_ms - first_ms) / HOUR_MS;
            double increase = x->samples[i].v - x->samples[i - 1].v;
            if (hour >= 0 && (size_t)hour < n_hours && isfinite(increase))
                hours[hour] += increase;
        }
    }
}

static void relearn(struct daemon *d, struct arena *arena, struct watched_slo *w, int64_t now_ms)
{
    int64_t to_ms = now_ms / HOUR_MS * HOUR_MS, first_ms = to_ms - WEEKS_MS;
    size_t n_hours = JUDGE_WEEKS * JUDGE_HOURS, n_total, n_good;
    struct promql_series *total, *good;
    double *totals = ARENA_ARRAY(arena, double, n_hours);
    double *goods = ARENA_ARRAY(arena, double, n_hours);
    if (!select_all(d, arena, "cqed_sli_total", w->slo, first_ms, to_ms, &total, &n_total) ||
        !select_all(d, arena, "cqed_sli_good_total", w->slo, first_ms, to_ms, &good, &n_good))
        return;
    add_hours(total, n_total, first_ms, totals, n_hours);
    add_hours(good, n_good, first_ms, goods, n_hours);
    for (size_t i = 0; i < n_hours; i++) {
        struct arm_counts c = {totals[i], fmax(0, totals[i] - goods[i])};
        judge_anomaly_learn(w->detector, first_ms + (int64_t)i * HOUR_MS, &c);
    }
}

/* --- One SLO --- */

static struct watched_slo *find_slo(const struct daemon *d, const char *slo)
{
    for (struct watched_slo *w = d->watched_slos; w; w = w->next) {
        if (strcmp(w->slo, slo) == 0)
            return w;
    }
    return NULL;
}

static struct watched_slo *watch_slo(struct daemon *d, struct arena *arena, const char *slo,
                                     int64_t now_ms)
{
    struct watched_slo *w = need(sizeof *w);
    w->slo = keep_text(slo);
    w->detector = judge_anomaly_new();
    w->next = d->watched_slos;
    d->watched_slos = w;
    relearn(d, arena, w, now_ms);
    return w;
}

/* While a rollout puts traffic on a canary its own comparison speaks, and nothing is learned. */
static bool is_exposed(const struct daemon *d, const char *service)
{
    for (const struct rollout *r = d->rollouts; r; r = r->next) {
        if (strcmp(r->state.service, service) == 0 && !rollout_state_is_final(r->state.state) &&
            r->state.desired_pct > 0 && r->state.desired_pct < 100)
            return true;
    }
    return false;
}

static void feed_slo(struct daemon *d, struct arena *arena, struct watched_slo *w,
                     const struct watched_service *s, int64_t now_ms)
{
    struct slo_arm *arms;
    size_t n;
    double good = 0, total = 0;
    if (!slo_engine_arms(d->engine, arena, w->slo, &arms, &n))
        return;
    for (size_t i = 0; i < n; i++) {
        good += arms[i].good;
        total += arms[i].total;
    }
    struct judge_bucket b = {.start_ms = w->until_ms,
                             .length_ms = now_ms - w->until_ms,
                             .stable_reported = true,
                             .stable = {total - w->total, (total - w->total) - (good - w->good)}};
    bool known = w->until_ms > 0 && b.length_ms < 6 * BUCKET_MS;
    w->good = good;
    w->total = total;
    w->until_ms = now_ms;
    if (known && !is_exposed(d, s->service))
        judge_anomaly_feed(w->detector, &b);
    if (s->active)
        judge_anomaly_do_not_learn(w->detector);
}

/* --- One service --- */

static struct watched_service *service_of(struct daemon *d, const char *service)
{
    for (struct watched_service *s = d->watched_services; s; s = s->next) {
        if (strcmp(s->service, service) == 0)
            return s;
    }
    struct watched_service *s = need(sizeof *s);
    s->service = keep_text(service);
    s->next = d->watched_services;
    d->watched_services = s;
    return s;
}

/* The detectors learn and begin anew, so an alarm stays until they have been quiet for long. */
void anomaly_recover(struct daemon *d, const char *service, int64_t at_ms, const json_t *body)
{
    struct watched_service *s = service_of(d, service);
    s->active = strcmp(json_get_cstr(body, "state", ""), "raised") == 0;
    s->since_ms = json_get_i64(body, "sinceMs", at_ms);
    s->raised_ms = at_ms;
    s->rising_ms = clock_wall_ms();
    (void)snprintf(s->sentence, sizeof s->sentence, "%s", json_get_cstr(body, "sentence", ""));
}

static double limit_of(const struct daemon *d)
{
    return log((double)d->config->anomaly_every_ms / BUCKET_MS);
}

static void tell(struct daemon *d, struct watched_service *s, const char *what, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *body =
        json_own(&arena, json_pack("{s:s, s:s, s:I, s:s}", "service", s->service, "state", what,
                                   "sinceMs", (json_int_t)s->since_ms, "sentence", s->sentence));
    log_line(s->active ? LOG_WARN : LOG_INFO, "judge", "anomaly of %s %s: %s", s->service, what,
             s->sentence);
    if (!record(d, LEDGER_ANOMALY, s->service, now_ms, body, NULL, &err))
        log_error("ledger", "an anomaly is not recorded: %s", err.message);
    arena_release(&arena);
}

static void say_anomaly(struct watched_service *s, const char *slo,
                        const struct judge_anomaly_state *a)
{
    (void)snprintf(s->sentence, sizeof s->sentence,
                   "%s: %.3g%% of %.0f events are bad; at this time of the week %.3g%% are usual "
                   "and up to %.3g%% tolerated",
                   slo, 100 * a->seen, a->counts.total, 100 * a->expected, 100 * a->tolerated);
}

/* The service's detectors begin again after an alarm, and it is over when none has risen for long.
 */
static void decide_alarm(struct daemon *d, struct watched_service *s, int64_t now_ms)
{
    double log_e[64], most = -(double)INFINITY;
    size_t n = 0;
    struct judge_anomaly_state worst = {0};
    const char *name = "";
    bool rises = false;
    for (size_t i = 0; i < d->config->n_slos && n < 64; i++) {
        const struct slo_spec *slo = &d->config->slos[i];
        const struct watched_slo *w = find_slo(d, slo->name);
        struct judge_anomaly_state a;
        if (!w || strcmp(slo->service, s->service) != 0)
            continue;
        judge_anomaly_read(w->detector, &a);
        rises |= a.rises;
        if (!a.has_baseline)
            continue;
        log_e[n] = judge_anomaly_log_e(w->detector);
        if (log_e[n] >= most) {
            most = log_e[n];
            worst = a;
            name = slo->name;
        }
        n++;
    }
    s->log_e = n > 0 ? judge_anomaly_mean(log_e, n) : -(double)INFINITY;
    s->rising_ms = rises ? now_ms : s->rising_ms;
    if (n > 0 && s->log_e >= limit_of(d)) {
        bool before = s->active;
        s->active = true;
        s->since_ms = before ? s->since_ms : worst.since_ms;
        s->raised_ms = now_ms;
        say_anomaly(s, name, &worst);
        for (struct watched_slo *w = d->watched_slos; w; w = w->next) {
            const struct slo_spec *slo = config_find_slo(d->config, w->slo);
            if (slo && strcmp(slo->service, s->service) == 0)
                judge_anomaly_restart(w->detector);
        }
        if (!before)
            tell(d, s, "raised", now_ms);
    } else if (s->active && now_ms - s->rising_ms >= QUIET_MS &&
               now_ms - s->raised_ms >= QUIET_MS) {
        s->active = false;
        tell(d, s, "over", now_ms);
    }
}

/* --- Series --- */

static void add_sample(struct store_batch *batch, const char *metric, const char *service,
                       const char *slo, int64_t t_ms, double v)
{
    struct label l[] = {{STR(LABEL_NAME), str_from(metric)},
                        {STR("service"), str_from(service)},
                        {STR("slo"), str_from(slo ? slo : "")}};
    uint64_t ref = store_series(batch, (struct labels){slo ? 3 : 2, l}, NULL);
    if (ref && isfinite(v))
        (void)store_batch_add(batch, ref, t_ms, v, STORE_ORIGIN_UNKNOWN);
}

static void publish_anomaly(struct daemon *d, struct watched_service *s, int64_t now_ms)
{
    struct err err = ERR_INIT;
    struct store_batch *batch = store_batch_begin(d->store, now_ms);
    s->written_ms = now_ms;
    add_sample(batch, "cqed_anomaly_active", s->service, NULL, now_ms, s->active);
    add_sample(batch, "cqed_anomaly_limit", s->service, NULL, now_ms, limit_of(d));
    for (size_t i = 0; i < d->config->n_slos; i++) {
        const struct slo_spec *slo = &d->config->slos[i];
        const struct watched_slo *w = find_slo(d, slo->name);
        if (w && strcmp(slo->service, s->service) == 0)
            add_sample(batch, "cqed_anomaly_log_e", s->service, slo->name, now_ms,
                       judge_anomaly_log_e(w->detector));
    }
    if (!store_batch_commit(batch, &err))
        log_error("store", "anomaly series cannot be written: %s", err.message);
}

/* --- The face --- */

void anomaly_tick(struct daemon *d, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < d->config->n_slos; i++) {
        const struct slo_spec *slo = &d->config->slos[i];
        struct watched_slo *w = find_slo(d, slo->name);
        struct watched_service *s = service_of(d, slo->service);
        if (!w)
            w = watch_slo(d, &arena, slo->name, now_ms);
        if (now_ms >= w->until_ms && now_ms - w->until_ms < BUCKET_MS)
            continue;
        feed_slo(d, &arena, w, s, now_ms);
    }
    for (struct watched_service *s = d->watched_services; s; s = s->next) {
        if (now_ms >= s->looked_ms && now_ms - s->looked_ms < BUCKET_MS)
            continue;
        s->looked_ms = now_ms;
        decide_alarm(d, s, now_ms);
        if (now_ms - s->written_ms >= WRITE_MS || now_ms < s->written_ms)
            publish_anomaly(d, s, now_ms);
    }
    arena_release(&arena);
}

const char *anomaly_of(const struct daemon *d, const char *service)
{
    for (const struct watched_service *s = d->watched_services; s; s = s->next) {
        if (strcmp(s->service, service) == 0 && s->active)
            return s->sentence;
    }
    return NULL;
}

json_t *anomaly_view(const struct daemon *d, const char *service)
{
    for (const struct watched_service *s = d->watched_services; s; s = s->next) {
        if (strcmp(s->service, service) != 0)
            continue;
        return json_pack("{s:b, s:o, s:f, s:I, s:I, s:s}", "active", s->active, "logE",
                         isfinite(s->log_e) ? json_real(s->log_e) : json_null(), "logLimit",
                         limit_of(d), "sinceMs", (json_int_t)s->since_ms, "raisedMs",
                         (json_int_t)s->raised_ms, "sentence", s->sentence);
    }
    return json_null();
}
