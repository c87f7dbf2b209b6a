/* testing.h -- a daemon without a loop that runs and without a door: configuration, store, SLI
 * engine and ledger in a folder that goes away. Time passes only as the tests say. Included by
 * tests only. */
#ifndef CQED_DAEMON_TESTING_H
#define CQED_DAEMON_TESTING_H

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "daemon/comparison.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char test_shop[] =
    "apiVersion: openslo/v1\n"
    "kind: SLO\n"
    "metadata: { name: shop-availability }\n"
    "spec:\n"
    "  service: shop\n"
    "  budgetingMethod: Occurrences\n"
    "  indicator:\n"
    "    metadata: { name: good }\n"
    "    spec:\n"
    "      ratioMetric:\n"
    "        counter: true\n"
    "        bad: { metricSource: { type: Prometheus, spec: { query: 'bad_total' } } }\n"
    "        total: { metricSource: { type: Prometheus, spec: { query: 'all_total' } } }\n"
    "  timeWindow: [{ duration: 28d, isRolling: true }]\n"
    "  objectives: [{ target: 0.99 }]\n"
    "---\n"
    "apiVersion: cqed/v1\n"
    "kind: Rollout\n"
    "metadata: { name: shop }\n"
    "spec:\n"
    "  service: shop\n"
    "  traffic: { webhook: { url: 'http://127.0.0.1:9/weight' } }\n"
    "  steps: [{ weight: 10, hold: 1s }, { weight: 100, hold: 1s }]\n"
    "  evidence: [{ slo: shop-availability, against: stable, tolerate: 2% }]\n"
    "  telemetry: { maxAge: 5s, bucket: 1s }\n"
    "  risk: { dispersion: 1 }\n"
    "---\n"
    "apiVersion: cqed/v1\n"
    "kind: Gate\n"
    "metadata: { name: pre-deploy }\n"
    "spec:\n"
    "  service: shop\n"
    "  evidence: [{ slo: shop-availability }]\n";

struct world {
    char folder[64];
    char config_path[96];
    struct daemon d;
    struct arena arena;
};

static inline void test_write(const struct world *w, const char *name, const char *text)
{
    char path[128];
    struct err err = ERR_INIT;
    (void)snprintf(path, sizeof path, "%s/%s", w->folder, name);
    if (!file_replace(path, str_from(text), 0600, &err))
        fail_msg("%s", err.message);
}

/* Everything that a restart opens. */
static inline void test_open(struct world *w)
{
    struct err err = ERR_INIT;
    struct diag_list diags;
    struct daemon *d = &w->d;
    *d = (struct daemon){.config_path = w->config_path, .data_path = w->folder};
    diag_init(&diags, &w->arena);
    d->config = config_load(w->config_path, &diags);
    assert_non_null(d->config);
    struct slo_setup *setups = ARENA_ARRAY(&w->arena, struct slo_setup, d->config->n_slos);
    for (size_t i = 0; i < d->config->n_slos; i++)
        setups[i] = (struct slo_setup){&d->config->slos[i], "version"};
    d->engine = slo_engine_new(setups, d->config->n_slos, &err);
    assert_non_null(d->engine);
    d->tap = tap_of(d->engine);
    d->store = store_open(&(struct store_options){.path = w->folder, .tap = &d->tap}, &err);
    assert_non_null(d->store);
    d->source = store_promql_source(d->store);
    d->loop = loop_new(&err);
    d->client = http_client_new(d->loop);
    d->ledger = ledger_open(w->folder, &err);
    assert_non_null(d->ledger);
    if (!rollouts_recover(d, &err))
        fail_msg("%s", err.message);
    keep_recover(d);
}

static inline void test_close(struct world *w)
{
    struct daemon *d = &w->d;
    rollouts_free(d);
    selfchecks_free(d);
    anomalies_free(d);
    http_client_free(d->client);
    loop_free(d->loop);
    ledger_close(d->ledger);
    store_close(d->store);
    slo_engine_free(d->engine);
    config_free(d->config);
    arena_release(&d->arena);
}

static inline int test_set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/cqed-daemon-test-XXXXXX");
    if (!mkdtemp(w->folder))
        return -1;
    (void)snprintf(w->config_path, sizeof w->config_path, "%s/cqed.yaml", w->folder);
    test_write(w, "cqed.yaml", "policies: [shop.yaml]\n");
    test_write(w, "shop.yaml", test_shop);
    test_open(w);
    *state = w;
    return 0;
}

static inline void test_remove_one(void *arg, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    (void)unlink(path);
}

static inline int test_tear_down(void **state)
{
    struct world *w = *state;
    char wal[96];
    test_close(w);
    (void)snprintf(wal, sizeof wal, "%s/wal", w->folder);
    if (!file_list(wal, test_remove_one, wal, NULL) || rmdir(wal) != 0 ||
        !file_list(w->folder, test_remove_one, w->folder, NULL) || rmdir(w->folder) != 0)
        return -1;
    arena_release(&w->arena);
    clock_shift_wall_ms(0);
    free(w);
    return 0;
}

/* Ask for a rollout by JSON text. */
static inline struct rollout *test_ask(struct world *w, const char *body, const char *key,
                                       bool *created, struct err *err)
{
    struct control_request asked = {.op = CONTROL_START,
                                    .body = json_parse(&w->arena, str_from(body), err),
                                    .idempotency_key = key};
    assert_non_null(asked.body);
    return rollout_begin(&w->d, &asked, created, err);
}

static inline struct rollout *test_start(struct world *w, const char *version)
{
    struct err err = ERR_INIT;
    bool created;
    struct rollout *r = test_ask(w,
                                 arena_printf(&w->arena,
                                              "{\"service\":\"shop\",\"version\":\"%s\","
                                              "\"stableVersion\":\"v1\",\"author\":\"ci\"}",
                                              version),
                                 NULL, &created, &err);
    if (!r)
        fail_msg("%s", err.message);
    assert_true(created);
    return r;
}

static inline bool test_act(struct world *w, struct rollout *r, const char *act, const char *body,
                            struct err *err)
{
    struct control_request asked = {
        .op = CONTROL_ACT, .act = act, .body = json_parse(&w->arena, str_from(body), err)};
    assert_non_null(asked.body);
    return rollout_act(&w->d, r, &asked, err);
}

/* The actuator's word. */
static inline void test_observe(struct rollout *r, double pct)
{
    r->exposure = (struct exposure){.known = true,
                                    .observed_pct = pct,
                                    .measured_pct = (double)NAN,
                                    .capacity_ok = true,
                                    .at_ms = clock_wall_ms(),
                                    .error = ""};
    r->exposure_error[0] = '\0';
}

/* Counters of one version as a scrape would bring them. */
static inline void test_count(struct world *w, const char *version, int64_t t_ms, double bad,
                              double all)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(w->d.store, t_ms);
    const struct {
        const char *name;
        double v;
    } counters[] = {{"bad_total", bad}, {"all_total", all}};
    for (size_t i = 0; i < 2; i++) {
        struct label l[] = {{STR(LABEL_NAME), str_from(counters[i].name)},
                            {STR("version"), str_from(version)}};
        uint64_t ref = store_series(b, (struct labels){2, l}, NULL);
        assert_int_equal(store_batch_add(b, ref, t_ms, counters[i].v, STORE_ORIGIN_ZERO), STORE_OK);
    }
    assert_true(store_batch_commit(b, &err));
}

static inline const char *test_state(struct world *w, const struct rollout *r)
{
    struct buf text = BUF_INIT;
    json_canonical(rollout_state_to_json(&w->arena, &r->state), &text);
    const char *copy = arena_strdup(&w->arena, text.p);
    buf_release(&text);
    return copy;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_set_up, test_tear_down)

#endif
