/* What an engine has counted goes through a text and comes back: once, and to what it belongs. */
#include "slo/slo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct slo_spec ratio = {.name = "shop",
                                      .display_name = "",
                                      .description = "",
                                      .service = "shop",
                                      .sli = {.kind = SLI_RATIO,
                                              .total_query = "requests_total",
                                              .bad_query = "requests_total{code=\"500\"}"},
                                      .target = 0.99,
                                      .window_ms = 3600000};
static const struct slo_spec latency = {.name = "fast",
                                        .display_name = "",
                                        .description = "",
                                        .service = "shop",
                                        .sli = {.kind = SLI_RATIO,
                                                .total_query = "took_count",
                                                .good_query = "took_bucket{le=\"0.5\"}"},
                                        .target = 0.99,
                                        .window_ms = 3600000};

struct world {
    struct slo_engine *e;
    uint32_t fine, bad, bucket, all, own;
};

static uint32_t bind(struct slo_engine *e, const char *metric, const char *name, const char *value)
{
    struct label v[] = {{STR(LABEL_NAME), str_from(metric)},
                        {STR("instance"), STR("i1")},
                        {str_from(name), str_from(value)},
                        {STR("version"), STR("v1")}};
    if (str_is(str_from(name), "code")) {
        struct label code = v[2];
        v[2] = v[1];
        v[1] = code;
    }
    return slo_engine_bind(e, (struct labels){4, v});
}

static uint32_t bind_own(struct slo_engine *e, const char *metric)
{
    struct label v[] = {{STR(LABEL_NAME), str_from(metric)},
                        {STR("service"), STR("shop")},
                        {STR("slo"), STR("shop")},
                        {STR("version"), STR("v1")}};
    return slo_engine_bind(e, (struct labels){4, v});
}

static struct world world_of(const struct slo_spec *specs, size_t n)
{
    struct slo_setup setups[2];
    struct err err = ERR_INIT;
    for (size_t i = 0; i < n; i++)
        setups[i] = (struct slo_setup){&specs[i], "version"};
    struct world w = {.e = slo_engine_new(setups, n, &err)};
    assert_non_null(w.e);
    w.fine = bind(w.e, "requests_total", "code", "200");
    w.bad = bind(w.e, "requests_total", "code", "500");
    w.bucket = bind(w.e, "took_bucket", "le", "0.5");
    w.all = bind(w.e, "took_count", "job", "shop");
    w.own = bind_own(w.e, "cqed_sli_total");
    return w;
}

static struct world both(void)
{
    static struct slo_spec specs[2]; /* borrowed for the engine's life */
    specs[0] = ratio;
    specs[1] = latency;
    return world_of(specs, 2);
}

static void feed(struct world *w, uint32_t token, int64_t t_ms, double increase)
{
    if (token > 0) /* it has an SLO that wants it */
        slo_engine_feed(w->e, token, t_ms, 1, increase, false);
}

static void counted(struct world *w)
{
    feed(w, w->fine, 1000, 0.1);
    feed(w, w->fine, 2000, 0.2);
    feed(w, w->bad, 3000, 3);
    feed(w, w->bad, 3000, -1);
    feed(w, w->bucket, 4000, 5);
    feed(w, w->all, 4000, 7);
}

static struct slo_arm arm_of(struct world *w, const char *slo, struct arena *arena)
{
    struct slo_arm *arms;
    size_t n;
    assert_true(slo_engine_arms(w->e, arena, slo, &arms, &n));
    assert_int_equal(n, 1);
    return arms[0];
}

static void text_of(struct world *w, struct buf *out)
{
    buf_clear(out);
    slo_engine_save(w->e, out);
}

static void all_that_was_counted_comes_back(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf saved = BUF_INIT, again = BUF_INIT;
    struct world w = both(), other = both();
    (void)state;
    counted(&w);
    text_of(&w, &saved);
    assert_true(slo_engine_load(other.e, buf_str(&saved)));
    text_of(&other, &again);
    assert_string_equal(again.p, saved.p);
    struct slo_arm a = arm_of(&other, "shop", &arena);
    assert_true(a.total == 0.1 + 0.2 + 3 && a.bad == 3 && a.newest_ms == 3000 && a.impossible == 2);
    assert_true(a.half_total[0] + a.half_total[1] == a.total);
    assert_int_equal(a.n_sources, 1);
    assert_int_equal(a.sources[0].newest_ms, 3000);
    a = arm_of(&other, "fast", &arena);
    assert_true(a.n_edges == 1 && a.cumulative[0] == 5 && a.total == 7);
    feed(&other, other.fine, 5000, 1);
    assert_true(arm_of(&other, "shop", &arena).total == 0.1 + 0.2 + 3 + 1);
    slo_engine_free(w.e);
    slo_engine_free(other.e);
    buf_release(&saved);
    buf_release(&again);
    arena_release(&arena);
}

/* Sums are read, then others count, then they are written: the log has it in another order, and
 * what was loaded is not set back. A greater one comes from another history. */
static void its_own_series_do_not_set_it_back(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf saved = BUF_INIT;
    struct world w = both(), other = both();
    (void)state;
    counted(&w);
    text_of(&w, &saved);
    assert_true(slo_engine_load(other.e, buf_str(&saved)));
    slo_engine_newest(other.e, other.own, 3500, 2);
    slo_engine_feed(other.e, other.own, 4000, 3, 0, true);
    assert_true(arm_of(&other, "shop", &arena).total == 0.1 + 0.2 + 3);
    slo_engine_feed(other.e, other.own, 4500, 100, 0, true);
    assert_true(arm_of(&other, "shop", &arena).total == 100);
    slo_engine_free(w.e);
    slo_engine_free(other.e);
    buf_release(&saved);
    arena_release(&arena);
}

/* Between the two the configuration has changed: one SLO is new, one has another SLI. */
static void what_is_new_or_other_begins_with_its_own_series(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf saved = BUF_INIT;
    struct slo_spec changed[] = {ratio, latency};
    (void)state;
    changed[0].sli.bad_query = "requests_total{code=~\"5..\"}";
    struct world w = world_of(&ratio, 1), other = world_of(changed, 2);
    counted(&w);
    text_of(&w, &saved);
    assert_true(slo_engine_load(other.e, buf_str(&saved)));
    slo_engine_newest(other.e, other.own, 3500, 2.5);
    assert_true(arm_of(&other, "shop", &arena).total == 2.5);
    slo_engine_feed(other.e, other.own, 3600, 2, 0, true); /* as whenever the log is read */
    assert_true(arm_of(&other, "shop", &arena).total == 2);
    feed(&other, other.all, 5000, 4);
    assert_true(arm_of(&other, "fast", &arena).total == 4);
    slo_engine_free(w.e);
    slo_engine_free(other.e);
    buf_release(&saved);
    arena_release(&arena);
}

static void nonsense_changes_nothing(void **state)
{
    static const char *const replacements[][2] = {
        {"\"slos\"", "\"slot\""}, {"\"sli\"", "\"slo\""},   {"\"flags\":", "\"flags\":9"},
        {"[0.1", "[\"x\""},       {"\"le\"", "\"lf\""},     {"\"twins\":{", "\"twins\":{\"a\":[],"},
        {"{\"slos", "{{\"slos"},  {"\"good\"", "\"food\""}, {"\"sources\":[", "\"sources\":[1,"}};
    struct buf saved = BUF_INIT, before = BUF_INIT, after = BUF_INIT;
    struct world w = both(), other = both();
    (void)state;
    feed(&w, w.fine, 1000, 0.1);
    feed(&w, w.bucket, 1000, 1);
    text_of(&w, &saved);
    feed(&other, other.fine, 1, 42);
    text_of(&other, &before);
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++) {
        struct buf text = BUF_INIT;
        const char *at = strstr(saved.p, replacements[i][0]);
        assert_non_null(at);
        buf_add(&text, saved.p, (size_t)(at - saved.p));
        buf_add_cstr(&text, replacements[i][1]);
        buf_add_cstr(&text, at + strlen(replacements[i][0]));
        assert_false(slo_engine_load(other.e, buf_str(&text)));
        text_of(&other, &after);
        assert_string_equal(after.p, before.p);
        buf_release(&text);
    }
    assert_true(slo_engine_load(other.e, STR("")));
    text_of(&other, &after);
    assert_string_equal(after.p, before.p);
    slo_engine_free(w.e);
    slo_engine_free(other.e);
    buf_release(&saved);
    buf_release(&before);
    buf_release(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_was_counted_comes_back),
        cmocka_unit_test(its_own_series_do_not_set_it_back),
        cmocka_unit_test(what_is_new_or_other_begins_with_its_own_series),
        cmocka_unit_test(nonsense_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
