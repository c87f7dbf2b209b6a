#include "io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

struct counts {
    struct loop *loop;
    int posted, called, fired;
};

static void add_called(void *arg)
{
    ((struct counts *)arg)->called++;
}

static void add_posted(void *arg)
{
    ((struct counts *)arg)->posted++;
}

static void *other_thread(void *arg)
{
    struct counts *c = arg;
    for (int i = 0; i < 100; i++)
        loop_post(c->loop, add_posted, c);
    for (int i = 0; i < 10; i++)
        assert_true(loop_call(c->loop, add_called, c));
    loop_stop(c->loop);
    return NULL;
}

static void other_threads_reach_the_loop(void **state)
{
    struct counts c = {.loop = loop_new(NULL)};
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, &c), 0);
    loop_run(c.loop);
    (void)pthread_join(thread, NULL);
    assert_int_equal(c.posted, 100);
    assert_int_equal(c.called, 10);
    loop_free(c.loop);
}

static void *late_call(void *arg)
{
    struct counts *c = arg;
    c->fired = loop_call(c->loop, add_called, c) ? 1 : 0;
    return NULL;
}

static void a_stopped_loop_refuses_calls(void **state)
{
    struct counts c = {.loop = loop_new(NULL), .fired = 7};
    pthread_t thread;
    (void)state;
    loop_stop(c.loop);
    loop_run(c.loop);
    assert_int_equal(pthread_create(&thread, NULL, late_call, &c), 0);
    (void)pthread_join(thread, NULL);
    assert_int_equal(c.fired, 0);
    assert_int_equal(c.called, 0);
    loop_free(c.loop);
}

static void fire(void *arg)
{
    struct counts *c = arg;
    if (++c->fired == 3)
        loop_stop(c->loop);
}

static void a_timer_repeats_until_stopped(void **state)
{
    struct counts c = {.loop = loop_new(NULL)};
    (void)state;
    struct loop_timer *timer = loop_timer_start(c.loop, 1, 1, fire, &c);
    loop_run(c.loop);
    assert_true(c.fired >= 3);
    loop_timer_stop(timer);
    loop_timer_stop(NULL);
    loop_free(c.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_threads_reach_the_loop),
        cmocka_unit_test(a_stopped_loop_refuses_calls),
        cmocka_unit_test(a_timer_repeats_until_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
