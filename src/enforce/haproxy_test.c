#include "enforce/haproxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

/* An answer of HAProxy 2.6 with one server's admin state and weight left open. */
static const char *answer(char *out, size_t size, int op, int admin, int weight)
{
    (void)snprintf(out, size,
                   "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state "
                   "srv_uweight srv_iweight\n"
                   "3 shop 1 s1 127.0.0.1 2 0 256 256 7 6 3 4 6 0 0 0 - 8001 - 0 0 - - 0\n"
                   "3 shop 2 c1 127.0.0.1 %d %d %d 0 7 6 3 4 6 0 0 0 - 8002 - 0 0 - - 0\n",
                   op, admin, weight);
    return out;
}

static void a_server_is_found_by_name(void **state)
{
    char text[512];
    struct haproxy_server s;
    (void)state;
    struct str seen = str_from(answer(text, sizeof text, 2, 0, 13));
    assert_true(haproxy_find_server(seen, "c1", &s));
    assert_int_equal(s.weight, 13);
    assert_true(s.enabled && s.up);
    assert_true(haproxy_find_server(seen, "s1", &s));
    assert_int_equal(s.weight, 256);
    assert_false(haproxy_find_server(seen, "c", &s));
    assert_false(haproxy_find_server(STR("1\n# be_id\n3 shop 2 c1\n"), "c1", &s));
}

/* Seen on HAProxy 2.6: 4 after `set server c1 state ready` where the configuration says `disabled`,
 * 5 before it, 8 in drain, 1 in maintenance. */
static void admin_states_tell_who_takes_traffic(void **state)
{
    static const struct {
        int op, admin;
        bool enabled, up;
    } cases[] = {{2, 0, true, true},   {2, 4, true, true},   {0, 5, false, false},
                 {0, 1, false, false}, {2, 8, false, true},  {0, 0, true, false},
                 {1, 0, true, true},   {0, 32, false, false}};
    char text[512];
    struct haproxy_server s;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answer(text, sizeof text, cases[i].op, cases[i].admin, 13);
        assert_true(haproxy_find_server(str_from(text), "c1", &s));
        assert_int_equal(s.enabled, cases[i].enabled);
        assert_int_equal(s.up, cases[i].up);
    }
}

static void weights_are_within_a_tenth_of_a_point(void **state)
{
    static const double wanted[] = {0, 0.5, 1, 5, 10, 25, 33.3, 50, 75, 99, 100};
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int s, c;
        haproxy_weights(wanted[i], 2, 1, &s, &c);
        assert_true(s >= 0 && s <= 256 && c >= 0 && c <= 256);
        double got = 100.0 * c / (c + 2.0 * s);
        assert_true(fabs(got - wanted[i]) < 0.1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_found_by_name),
        cmocka_unit_test(admin_states_tell_who_takes_traffic),
        cmocka_unit_test(weights_are_within_a_tenth_of_a_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
