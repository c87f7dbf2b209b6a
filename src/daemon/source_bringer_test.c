/* Counters that another store has become an objective's, once, and only those. */
#include "daemon/testing.h"

static const char far_shop[] =
    "apiVersion: openslo/v1\n"
    "kind: SLO\n"
    "metadata: { name: far }\n"
    "spec:\n"
    "  service: shop\n"
    "  budgetingMethod: Occurrences\n"
    "  indicator:\n"
    "    metadata: { name: good }\n"
    "    spec:\n"
    "      ratioMetric:\n"
    "        counter: true\n"
    "        bad: { metricSource: { spec: { query: 'bad_total', source: main } } }\n"
    "        total: { metricSource: { spec: { query: 'all_total', source: main } } }\n"
    "  timeWindow: [{ duration: 28d, isRolling: true }]\n"
    "  objectives: [{ target: 0.99 }]\n";

/* Of each counter a sample a second, all that are asked for: n and 10 n after n seconds. */
struct far {
    int64_t begin_ms, end_ms;
    bool fails;
    size_t asked;
};

static bool far_select(void *self, struct arena *arena, const struct matcher *m, size_t n_matchers,
                       int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                       struct err *err)
{
    struct far *f = self;
    bool is_bad = false;
    struct labels_builder b;
    if (f->fails)
        return err_set(err, ERR_UNREACHABLE, "nobody is there");
    for (size_t i = 0; i < n_matchers; i++) {
        assert_false(str_is(m[i].name, SLO_SOURCE_LABEL));
        is_bad = is_bad || str_is(m[i].value, "bad_total");
    }
    labels_builder_init(&b, arena);
    labels_builder_set(&b, STR(LABEL_NAME), is_bad ? STR("bad_total") : STR("all_total"));
    labels_builder_set(&b, STR("version"), STR("v1"));
    struct sample *s = ARENA_ARRAY(arena, struct sample, 1000);
    size_t count = 0;
    for (int64_t t_ms = f->begin_ms; t_ms <= f->end_ms && count < 1000; t_ms += 1000) {
        if (t_ms >= mint_ms && t_ms <= maxt_ms)
            s[count++] =
                (struct sample){t_ms, (double)(t_ms - f->begin_ms) / (is_bad ? 1000 : 100)};
    }
    f->asked++;
    *out = ARENA_NEW(arena, struct promql_series);
    **out = (struct promql_series){.labels = labels_build(&b), .n = count, .samples = s};
    *n = count > 0;
    return true;
}

static bool find_far(void *self, const char *name, struct promql_source *out, struct err *err)
{
    (void)err;
    assert_string_equal(name, "main");
    *out = (struct promql_source){.self = self, .select = far_select};
    return true;
}

static const struct slo_arm *arm_of_slo(struct world *w, const char *slo)
{
    struct slo_arm *arms;
    size_t n;
    assert_true(slo_engine_arms(w->d.engine, &w->arena, slo, &arms, &n));
    return find_arm(arms, n, "v1");
}

static int set_up(void **state)
{
    if (test_set_up(state) != 0)
        return -1;
    struct world *w = *state;
    test_write(w, "far.yaml", far_shop);
    test_write(w, "cqed.yaml",
               "policies: [shop.yaml, far.yaml]\n"
               "telemetry: { sources: [{ name: main, folder: nowhere }] }\n");
    test_close(w);
    test_open(w);
    return 0;
}

static void what_is_new_comes_home_once(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    int64_t now_ms = clock_wall_ms();
    struct far f = {.begin_ms = now_ms - 100000, .end_ms = now_ms - 50000};
    struct source_bringer_options o = {find_far, &f, w->d.store};
    assert_true(bring_home(&o, w->d.config, "main", now_ms - 300000, now_ms, &err));
    assert_true(arm_of_slo(w, "far")->total == 500 && arm_of_slo(w, "far")->bad == 50);
    f.end_ms = now_ms;
    assert_true(bring_home(&o, w->d.config, "main", now_ms - 300000, now_ms, &err));
    assert_true(bring_home(&o, w->d.config, "main", now_ms - 60000, now_ms, &err));
    const struct slo_arm *arm = arm_of_slo(w, "far");
    assert_true(arm->total == 1000 && arm->bad == 100);
    assert_int_equal(arm->newest_ms, now_ms);
    assert_int_equal(f.asked, 6);
    assert_null(arm_of_slo(w, "shop-availability")); /* which asks for the same names here */
    test_count(w, "v1", now_ms - 2000, 0, 1);
    test_count(w, "v1", now_ms - 1000, 0, 4);
    assert_true(arm_of_slo(w, "shop-availability")->total == 4);
    assert_true(arm_of_slo(w, "far")->total == 1000);
}

static void why_it_is_blind_is_told(void **state)
{
    struct world *w = *state;
    struct far f = {.fails = true};
    struct check_spec spec = {.name = "far", .slo = "far", .critical = true};
    w->d.bringer = source_bringer_new(
        &(struct source_bringer_options){.find = find_far, .self = &f, .store = w->d.store});
    source_bringer_apply(w->d.bringer, w->d.config);
    while (!source_bringer_failure(w->d.bringer, &w->arena, "main"))
        usleep(1000);
    struct evidence e = answer_slo(&w->d, &w->arena, &spec, 300000, clock_wall_ms());
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.sentence,
                        "no telemetry of 'far' has been seen; no answer: nobody is there");
    source_bringer_free(w->d.bringer);
    w->d.bringer = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_new_comes_home_once, set_up, test_tear_down),
        cmocka_unit_test_setup_teardown(why_it_is_blind_is_told, set_up, test_tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
