#include "daemon/testing.h"

#define INSTANCES 8

/* One scrape of eight instances of v1: `requests` so far each. */
static void scrape(struct world *w, int64_t t_ms, double requests, double bad, size_t instances)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(w->d.store, t_ms);
    for (size_t i = 0; i < instances; i++) {
        const char *instance = arena_printf(&w->arena, "10.0.0.%zu:80", i);
        const struct {
            const char *name;
            double v;
        } counters[] = {{"bad_total", bad}, {"all_total", requests}};
        for (size_t k = 0; k < 2; k++) {
            struct label l[] = {{STR(LABEL_NAME), str_from(counters[k].name)},
                                {STR("instance"), str_from(instance)},
                                {STR("version"), STR("v1")}};
            uint64_t ref = store_series(b, (struct labels){3, l}, NULL);
            assert_int_equal(store_batch_add(b, ref, t_ms, counters[k].v, STORE_ORIGIN_ZERO),
                             STORE_OK);
        }
    }
    assert_true(store_batch_commit(b, &err));
}

static json_t *run(struct world *w, int buckets, size_t instances)
{
    int64_t begin_ms = clock_wall_ms() - (int64_t)buckets * 5000;
    for (int i = 0; i < buckets; i++) {
        int64_t t_ms = begin_ms + i * INT64_C(5000);
        scrape(w, t_ms, 100.0 * i, i, instances);
        selfcheck_tick(&w->d, t_ms + 1);
        selfcheck_tick(&w->d, t_ms + 2); /* the same bucket */
    }
    return json_own(&w->arena, selfcheck_view(&w->d, "shop-availability"));
}

static void instances_are_judged_against_each_other(void **state)
{
    struct world *w = *state;
    json_t *view = run(w, 1000, INSTANCES);
    assert_string_equal(json_get_cstr(view, "version", ""), "v1");
    assert_true(json_get_bool(view, "split", false));
    assert_int_equal(json_get_i64(view, "trials", -1), 2);
    assert_int_equal(json_get_i64(view, "falseAlarms", -1), 0);
    assert_true(json_get_double(view, "dispersion", 0) >= 1);
    assert_null(selfcheck_noise(&w->d, "shop-availability"));
    struct matcher m[1];
    struct promql_series *series;
    struct err err = ERR_INIT;
    size_t n;
    assert_true(matcher_init(&m[0], &w->arena, MATCH_EQUAL, STR(LABEL_NAME),
                             STR("cqed_aa_dispersion"), &err));
    assert_true(w->d.source.select(w->d.source.self, &w->arena, m, 1, 0, clock_wall_ms(), &series,
                                   &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(arena_cstr(&w->arena, labels_get(series[0].labels, "slo")),
                        "shop-availability");
}

static void one_instance_has_nobody_to_be_compared_with(void **state)
{
    json_t *view = run(*state, 300, 1);
    assert_false(json_get_bool(view, "split", true));
    assert_true(json_is_null(json_object_get(view, "dispersion")));
}

static int64_t trials(struct world *w)
{
    return json_get_i64(json_own(&w->arena, selfcheck_view(&w->d, "shop-availability")), "trials",
                        -1);
}

static void what_was_counted_survives_a_restart(void **state)
{
    struct world *w = *state;
    (void)run(w, 1000, INSTANCES);
    keep_now(&w->d);
    selfchecks_free(&w->d);
    keep_recover(&w->d);
    assert_int_equal(trials(w), 2);
    clock_shift_wall_ms(INT64_C(251) * 5000);
    json_t *view = run(w, 250, INSTANCES); /* a trial is under way */
    assert_int_equal(json_get_i64(view, "trials", -1), 2);
    assert_true(json_get_bool(view, "split", false));
}

static void a_file_that_is_none_begins_anew(void **state)
{
    static const char impossible[] =
        "{\"v\":1,\"failures\":[],\"guards\":[],\"selfChecks\":[{\"slo\":\"shop-availability\","
        "\"version\":\"v1\",\"trials\":1,\"alarms\":2,\"dispersion\":1}]}";
    static const char *const files[] = {"", "[1]", "{\"v\":2}", impossible};
    struct world *w = *state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        test_close(w);
        test_write(w, "judge.json", files[i]);
        test_open(w);
        assert_null(w->d.selfchecks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(instances_are_judged_against_each_other),
        TEST(what_was_counted_survives_a_restart),
        TEST(a_file_that_is_none_begins_anew),
        TEST(one_instance_has_nobody_to_be_compared_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
