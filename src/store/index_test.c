#include "store/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void postings_are_ascending_and_strings_are_shared(void **state)
{
    (void)state;
    struct index x;
    struct label own[300][2];
    index_init(&x);
    for (uint32_t i = 0; i < 300; i++) {
        struct label l[] = {{STR("job"), STR("api")}, {STR("odd"), i % 2 ? STR("yes") : STR("no")}};
        index_add(&x, (struct labels){2, l}, i + 1, own[i]);
    }
    const struct postings *all = index_find(&x, STR("job"), STR("api"));
    const struct postings *odd = index_find(&x, STR("odd"), STR("yes"));
    assert_int_equal(all->n, 300);
    assert_int_equal(odd->n, 150);
    for (size_t i = 0; i < 150; i++)
        assert_int_equal(odd->refs[i], 2 * i + 2);
    assert_ptr_equal(own[0][0].value.p, own[299][0].value.p);
    assert_ptr_equal(own[1][1].value.p, odd->value.p);
    assert_ptr_not_equal(own[0][1].value.p, own[1][1].value.p);
    assert_int_equal(map_count(index_find_name(&x, STR("odd"))->values), 2);
    assert_null(index_find(&x, STR("job"), STR("ap")));
    assert_null(index_find(&x, STR("nope"), STR("api")));
    index_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postings_are_ascending_and_strings_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
