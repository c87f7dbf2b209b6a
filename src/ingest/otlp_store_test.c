/* OTLP against the store's other sides: the tap that SLIs hang on, a log that cannot be written,
 * and several threads at once. */
#include "base/fault.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/otlp_rig_testing.h"

/* --- What the tap is told --- */

/* Exact increases of all series, and how many samples had none. */
struct counted {
    double increase;
    int unknown;
};

static uint32_t count_bind(void *self, struct labels labels)
{
    (void)self;
    (void)labels;
    return 1;
}

static void count_feed(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                       bool recovering)
{
    struct counted *c = self;
    (void)token;
    (void)t_ms;
    (void)v;
    (void)recovering;
    if (isnan(increase))
        c->unknown++;
    else
        c->increase += increase;
}

static void assert_counts(struct rig *r, struct counted *c, double increase, int unknown,
                          const char *request)
{
    *c = (struct counted){0, 0};
    take(r, request);
    assert_true(c->increase == increase);
    assert_int_equal(c->unknown, unknown);
}

static void no_event_is_lost_or_made_up(void **state)
{
    struct counted c;
    struct store_tap tap = {.self = &c, .bind = count_bind, .feed = count_feed};
    struct rig r = {.encoding = AS_PROTOBUF, .err = ERR_INIT};
    (void)state;
    rig_open(&r, &tap);
    /* Older than the watch: only a baseline. */
    assert_counts(&r, &c, 0, 1,
                  BARE(SUM("old", CUMULATIVE, "{" FROM(99000) AT(200000) ",'asInt':'5'}")));
    assert_counts(&r, &c, 2, 0,
                  BARE(SUM("old", CUMULATIVE, "{" FROM(99000) AT(210000) ",'asInt':'7'}")));
    /* New, restarted behind its value, and restarted past it. */
    assert_counts(&r, &c, 5, 0,
                  BARE(SUM("new", CUMULATIVE, "{" FROM(150000) AT(200000) ",'asInt':'5'}")));
    assert_counts(&r, &c, 3, 0,
                  BARE(SUM("new", CUMULATIVE, "{" FROM(205000) AT(210000) ",'asInt':'3'}")));
    assert_counts(&r, &c, 9, 0,
                  BARE(SUM("new", CUMULATIVE, "{" FROM(215000) AT(220000) ",'asInt':'9'}")));
    /* Differences are their own increase, with start times and without, through an end. */
    assert_counts(&r, &c, 5, 0, BARE(SUM("d", DELTA, "{" AT(200000) ",'asInt':'5'}")));
    assert_counts(&r, &c, 2, 0, BARE(SUM("d", DELTA, "{" FROM(200000) AT(210000) ",'asInt':'2'}")));
    assert_counts(&r, &c, 0, 1, BARE(SUM("d", DELTA, "{" AT(220000) ",'flags':1}")));
    assert_counts(&r, &c, 30, 0, BARE(SUM("d", DELTA, "{" AT(230000) ",'asInt':'30'}")));
    rig_close(&r);
}

/* --- Series that left the head --- */

#define SHOP(metrics)                                                                              \
    "{'resourceMetrics':[{'resource':{'attributes':[{'key':'service.name','value':"                \
    "{'stringValue':'shop'}},{'key':'service.instance.id','value':{'stringValue':'i'}},{'key':"    \
    "'zone','value':{'stringValue':'z'}}]},'scopeMetrics':[{'metrics':[" metrics "]}]}]}"

/* Another series lives on for a day more. */
static void age(struct rig *r, int64_t days)
{
    struct store_stats stats;
    assert_true(
        test_put(r->store, "tick", NULL, days * 86400000, 1, STORE_ORIGIN_UNKNOWN, &r->err));
    assert_true(store_maintain(r->store, &r->err));
    store_stats(r->store, &stats);
    assert_int_equal(stats.series, 1);
}

static void come_again(struct rig *r)
{
    take(r, SHOP(SUM("d", DELTA, "{" FROM(190000) AT(200000) ",'asInt':'5'}")));
    age(r, 1);
    take(r, SHOP(SUM("d", DELTA, "{" FROM(200000) AT(210000) ",'asInt':'2'}")));
    take(r, SHOP(SUM("d", DELTA, "{" FROM(210000) AT(220000) ",'asInt':'3'}")));
    age(r, 2);
    take(r, SHOP(SUM("d", DELTA, "{" FROM(220000) AT(230000) ",'asInt':'4'}")));
    assert_holds(r, "d_total{instance=\"i\", job=\"shop\"} 190000:0 200000:5 210000:2 220000:5 "
                    "230000:4\n"
                    "target_info{instance=\"i\", job=\"shop\", zone=\"z\"} 200000:1 210000:1 "
                    "220000:1 230000:1\n"
                    "tick 86400000:1 172800000:1\n");
}

static void series_that_left_come_again(void **state)
{
    (void)state;
    in_each_encoding(come_again);
}

/* --- A log that cannot be written --- */

static void what_was_not_written_can_be_sent_again(void **state)
{
    static const char request[] = BARE(SUM("d", DELTA, "{" AT(200000) ",'asInt':'5'}"));
    struct rig r = {.encoding = AS_PROTOBUF, .err = ERR_INIT};
    (void)state;
    rig_open(&r, NULL);
    assert_true(fault_arm("wal.write:errno=ENOSPC", &r.err));
    assert_false(send_at(&r, 1000000, request));
    assert_int_equal(r.err.code, ERR_IO);
    fault_disarm_all();
    assert_holds(&r, "");
    take(&r, request);
    assert_holds(&r, "d_total 200000:5\n");
    rig_close(&r);
}

/* --- Threads --- */

#define THREADS 4
#define REQUESTS 300

struct sender {
    pthread_t thread;
    struct rig *rig;
    _Atomic int64_t *clock_ms;
    uint64_t accepted;
};

/* One difference of 1 to the series that all share, at a time of its own, and a gauge. */
static void *send_differences(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < REQUESTS; i++) {
        char json[512];
        struct buf body = BUF_INIT;
        struct otlp_result result;
        struct err err = ERR_INIT;
        int64_t t_ms = atomic_fetch_add(s->clock_ms, 1);
        snprintf(
            json, sizeof json,
            "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"hits\",\"sum\":"
            "{\"isMonotonic\":true,\"aggregationTemporality\":1,\"dataPoints\":[{\"asInt\":1,"
            "\"timeUnixNano\":\"%lld000000\"}]}},{\"name\":\"g%d\",\"gauge\":{\"dataPoints\":[{"
            "\"asInt\":1,\"timeUnixNano\":\"%lld000000\"}]}}]}]}]}",
            (long long)t_ms, i % 50, (long long)t_ms);
        otlp_encode(&body, json, false);
        CHECK(otlp_metrics_protobuf(s->rig->otlp, buf_str(&body), 1000000, &result, &err));
        /* Refused is only what another thread overtook; the counter comes first and says so. */
        s->accepted += result.rejected == 0 || !str_starts(str_from(result.message), STR("hits"));
        buf_release(&body);
    }
    return NULL;
}

static void threads_lose_no_difference(void **state)
{
    struct sender senders[THREADS];
    struct rig r = {.err = ERR_INIT};
    struct arena arena = ARENA_INIT;
    struct store_series_data *series;
    _Atomic int64_t clock_ms = 200000;
    uint64_t accepted = 0;
    (void)state;
    rig_open(&r, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.rig = &r, .clock_ms = &clock_ms};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_differences, &senders[i]),
                         0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        accepted += senders[i].accepted;
    }
    assert_int_equal(test_read(r.store, &arena, "hits_total", &series), 1);
    assert_true(accepted > 0);
    assert_true(series[0].samples[series[0].n - 1].v == (double)accepted);
    arena_release(&arena);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(no_event_is_lost_or_made_up),
        IN_FOLDER(what_was_not_written_can_be_sent_again),
        cmocka_unit_test(series_that_left_come_again),
        IN_FOLDER(threads_lose_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
