#include "daemon/testing.h"

/* An actuator that answers when the test says so, with what the test says. */
struct puppet {
    struct actuator base;
    actuator_done *done;
    void *arg;
    double told_pct;
    int abandoned;
};

static void puppet_apply(struct actuator *a, double pct, const char *intent, actuator_done *done,
                         void *arg)
{
    struct puppet *p = (struct puppet *)(void *)a;
    (void)intent;
    p->told_pct = pct;
    p->done = done;
    p->arg = arg;
}

static void puppet_abandon(struct actuator *a)
{
    struct puppet *p = (struct puppet *)(void *)a;
    p->abandoned++;
    p->done = NULL;
}

static void puppet_close(struct actuator *a)
{
    (void)a;
}

static const struct actuator_ops puppet_ops = {
    .kind = "puppet", .close = puppet_close, .apply = puppet_apply, .abandon = puppet_abandon};

static struct rollout *start_with(struct world *w, struct puppet *p)
{
    struct rollout *r = test_start(w, "v2");
    close_actuator(r);
    *p = (struct puppet){.base = {&puppet_ops}};
    r->actuator = &p->base;
    return r;
}

static void an_error_that_is_no_text_is_recorded_all_the_same(void **state)
{
    struct world *w = *state;
    static struct puppet p; /* closed with the world */
    struct rollout *r = start_with(w, &p);
    actuate(&w->d, r);
    p.done(p.arg, &(struct exposure){.observed_pct = (double)NAN,
                                     .measured_pct = (double)NAN,
                                     .at_ms = clock_wall_ms(),
                                     .error = "HAProxy says: \xff\xfe"});
    assert_false(r->exposure.known);
    assert_true(str_is_utf8(str_from(r->exposure_error)));
    assert_true(str_starts(str_from(r->exposure_error), STR("HAProxy says: ")));
}

/* Nothing may be raised on what an actuator said that has not answered since. */
static void an_answer_is_believed_no_longer_than_the_timeout(void **state)
{
    struct world *w = *state;
    static struct puppet p; /* closed with the world */
    struct rollout *r = start_with(w, &p);
    int64_t now_ms = clock_wall_ms(), timeout_ms = r->policy->traffic.timeout_ms;
    test_observe(r, 10);
    const struct snapshot soon = collect(&w->d, r, &w->arena, now_ms + timeout_ms - 1000);
    const struct snapshot late = collect(&w->d, r, &w->arena, now_ms + timeout_ms + 1000);
    assert_string_equal(soon.exposure.error, "");
    assert_non_null(strstr(late.exposure.error, "has not answered"));
    assert_true(soon.exposure.known && !late.exposure.known);
}

/* The proxy hangs while it is told 10%: the rollback to 0 goes out all the same. */
static void a_new_weight_does_not_wait_for_the_old_one(void **state)
{
    struct world *w = *state;
    static struct puppet p; /* closed with the world */
    struct rollout *r = start_with(w, &p);
    struct err err = ERR_INIT;
    actuate(&w->d, r);
    p.done(p.arg, &(struct exposure){.known = true,
                                     .measured_pct = (double)NAN,
                                     .capacity_ok = true,
                                     .at_ms = clock_wall_ms(),
                                     .error = ""});
    assert_true(test_act(w, r, "promote", "{\"actor\":\"ann\",\"reason\":\"go\"}", &err));
    assert_true(p.told_pct == 10 && r->busy);
    actuate(&w->d, r); /* the next tick: nothing new */
    assert_int_equal(p.abandoned, 0);
    assert_true(test_act(w, r, "abort", "{\"actor\":\"ann\",\"reason\":\"looks bad\"}", &err));
    assert_int_equal(p.abandoned, 1);
    assert_true(p.told_pct == 0 && r->busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_error_that_is_no_text_is_recorded_all_the_same),
        TEST(a_new_weight_does_not_wait_for_the_old_one),
        TEST(an_answer_is_believed_no_longer_than_the_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
