#include "daemon/testing.h"

#include <pthread.h>

#define N_PUSHES 3000
#define SERIES 6 /* of each counter, so that a batch takes a while */

/* A client that pushes both counters in one body: half of all requests are bad, at every moment. */
static void *push(void *arg)
{
    struct world *w = arg;
    int64_t now_ms = clock_wall_ms();
    for (int n = 1; n <= N_PUSHES; n++) {
        struct err err = ERR_INIT;
        struct store_batch *b = store_batch_begin(w->d.store, now_ms);
        for (int i = 0; i < 2 * SERIES; i++) {
            char pod[16];
            (void)snprintf(pod, sizeof pod, "%d", i / 2);
            struct label l[] = {{STR(LABEL_NAME), i % 2 ? STR("all_total") : STR("bad_total")},
                                {STR("pod"), str_from(pod)},
                                {STR("version"), STR("v1")}};
            uint64_t ref = store_series(b, (struct labels){3, l}, NULL);
            (void)store_batch_add(b, ref, now_ms + n, (double)(i % 2 ? 2 * n : n),
                                  STORE_ORIGIN_ZERO);
        }
        if (!store_batch_commit(b, &err))
            return "not committed";
    }
    return NULL;
}

struct sums {
    double good, total;
    int halves; /* flushes whose sums contradict each other */
};

static void take_sum(void *arg, struct labels labels, int64_t t_ms, double v)
{
    struct sums *s = arg;
    (void)t_ms;
    if (str_is(labels_get(labels, LABEL_NAME), "cqed_sli_good_total"))
        s->good = v;
    if (str_is(labels_get(labels, LABEL_NAME), "cqed_sli_total"))
        s->total = v;
}

/* Else a flush between a batch's bad and its total would make harm that nobody did. */
static void sums_are_of_whole_batches(void **state)
{
    struct world *w = *state;
    struct sums sums = {0};
    pthread_t pusher;
    void *problem;
    double all = 2.0 * N_PUSHES * SERIES;
    assert_int_equal(pthread_create(&pusher, NULL, push, w), 0);
    for (int64_t t_ms = 1; sums.total < all; t_ms++) {
        slo_engine_flush(w->d.engine, t_ms, take_sum, &sums);
        sums.halves += 2 * sums.good != sums.total;
    }
    assert_int_equal(pthread_join(pusher, &problem), 0);
    assert_null(problem);
    assert_int_equal(sums.halves, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_are_of_whole_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
