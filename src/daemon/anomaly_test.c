#include "daemon/testing.h"

#define HOUR_MS INT64_C(3600000)

/* A hundred requests a second, `pct` of them bad, told each 5 s; counts go on from call to call. */
static void play(struct world *w, int64_t from_ms, int64_t to_ms, double pct, double *bad)
{
    for (int64_t t = from_ms; t < to_ms; t += 5000) {
        *bad += 500 * pct / 100;
        test_count(w, "v1", t, floor(*bad), 0.1 * (double)(t % (1000 * HOUR_MS)));
        flush_sums(&w->d, t + 1);
        anomaly_tick(&w->d, t + 2);
    }
}

static void a_service_that_departs_from_its_past_is_told(void **state)
{
    struct world *w = *state;
    double bad = 0;
    int64_t begin_ms = (clock_wall_ms() / HOUR_MS - 6) * HOUR_MS;
    play(w, begin_ms, begin_ms + 4 * HOUR_MS, 1, &bad);
    assert_null(anomaly_of(&w->d, "shop"));
    uint64_t before = ledger_size(w->d.ledger);
    play(w, begin_ms + 4 * HOUR_MS, begin_ms + 4 * HOUR_MS + 300000, 5, &bad);
    const char *sentence = anomaly_of(&w->d, "shop");
    assert_non_null(sentence);
    assert_non_null(strstr(sentence, "shop-availability: "));
    assert_int_equal(ledger_size(w->d.ledger), before + 1);
    json_t *view = json_own(&w->arena, anomaly_view(&w->d, "shop"));
    assert_true(json_get_bool(view, "active", false));
    assert_true(llabs(json_get_i64(view, "sinceMs", 0) - (begin_ms + 4 * HOUR_MS)) <= 60000);
    struct rollout *r = test_start(w, "v2");
    struct snapshot seen = collect(&w->d, r, &w->arena, begin_ms + 4 * HOUR_MS + 300000);
    assert_string_equal(seen.anomaly, sentence);
    play(w, begin_ms + 4 * HOUR_MS + 300000, begin_ms + 5 * HOUR_MS, 1, &bad);
    assert_null(anomaly_of(&w->d, "shop"));
    assert_int_equal(ledger_size(w->d.ledger), before + 3); /* and the rollout */
}

/* What the store has of the past weeks is the baseline of a program that has just begun. */
static void the_past_is_learned_from_the_store(void **state)
{
    struct world *w = *state;
    double bad = 0;
    int64_t begin_ms = (clock_wall_ms() / HOUR_MS - 6) * HOUR_MS, now_ms = begin_ms + 5 * HOUR_MS;
    for (int64_t t = begin_ms; t < now_ms; t += 60000) {
        bad += 60;
        test_count(w, "v1", t, bad, 0.1 * (double)(t % (1000 * HOUR_MS)));
        flush_sums(&w->d, t + 1);
    }
    play(w, now_ms, now_ms + 300000, 5, &bad);
    assert_non_null(anomaly_of(&w->d, "shop"));
}

static void restart(struct world *w)
{
    test_close(w);
    test_open(w);
}

/* As tell() records it. It is over after five minutes without evidence, counted from the restart.
 */
static void an_open_alarm_survives_a_restart(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    double bad = 0;
    int64_t now_ms = clock_wall_ms();
    json_t *body = json_own(
        &w->arena, json_pack("{s:s, s:s, s:I, s:s}", "service", "shop", "state", "raised",
                             "sinceMs", (json_int_t)(now_ms - 7000000), "sentence", "it is bad"));
    assert_true(record(&w->d, LEDGER_ANOMALY, "shop", now_ms - 6900000, body, NULL, &err));
    restart(w);
    assert_string_equal(anomaly_of(&w->d, "shop"), "it is bad");
    assert_int_equal(json_get_i64(json_own(&w->arena, anomaly_view(&w->d, "shop")), "sinceMs", 0),
                     now_ms - 7000000);
    play(w, now_ms + 1000, now_ms + 240000, 1, &bad);
    assert_non_null(anomaly_of(&w->d, "shop"));
    play(w, now_ms + 240000, now_ms + 360000, 1, &bad);
    assert_null(anomaly_of(&w->d, "shop"));
    restart(w);
    assert_null(anomaly_of(&w->d, "shop"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_service_that_departs_from_its_past_is_told),
        TEST(an_open_alarm_survives_a_restart),
        TEST(the_past_is_learned_from_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
