#include "store/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void postings_are_ascending_and_labels_are_shared(void **state)
{
    (void)state;
    struct index x;
    uint32_t own[300][2], ref;
    bool known;
    struct arena arena = ARENA_INIT;
    index_init(&x);
    for (uint32_t i = 0; i < 300; i++) {
        struct label l[] = {{STR("job"), STR("api")}, {STR("odd"), i % 2 ? STR("yes") : STR("no")}};
        for (size_t k = 0; k < 2; k++) {
            own[i][k] = index_intern(&x, l[k], &known);
            assert_int_equal(known, i > 1 || (i == 1 && k == 0));
        }
        index_add(&x, (struct label_set){2, own[i]}, i * 1000 + 1);
        assert_true(index_labels_eq(&x, (struct label_set){2, own[i]}, (struct labels){2, l}));
        assert_false(index_labels_eq(&x, (struct label_set){2, own[i]}, (struct labels){1, l}));
    }
    const struct index_pair *all = index_find(&x, (struct label){STR("job"), STR("api")});
    const struct index_pair *odd = index_find(&x, (struct label){STR("odd"), STR("yes")});
    assert_int_equal(all->n, 300);
    assert_int_equal(odd->n, 150);
    struct postings_cursor c = {odd, 0, 0};
    for (uint32_t i = 0; i < 150; i++) {
        assert_true(postings_next(&c, &ref));
        assert_int_equal(ref, (2 * i + 1) * 1000 + 1);
    }
    assert_false(postings_next(&c, &ref));
    assert_int_equal(own[0][0], own[299][0]);
    assert_int_equal(own[1][1], odd->number);
    assert_int_not_equal(own[0][1], own[1][1]);
    struct labels written = index_labels(&x, &arena, (struct label_set){2, own[1]});
    assert_true(str_is(written.v[1].name, "odd") && str_is(written.v[1].value, "yes"));
    assert_int_equal(index_find_name(&x, STR("odd"))->n_pairs, 2);
    assert_null(index_find(&x, (struct label){STR("job"), STR("ap")}));
    assert_null(index_find(&x, (struct label){STR("nope"), STR("api")}));
    arena_release(&arena);
    index_release(&x);
}

static void many_labels_find_their_numbers(void **state)
{
    (void)state;
    struct index x;
    char text[16];
    bool known;
    index_init(&x);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3 * INDEX_BLOCK; i++) {
            snprintf(text, sizeof text, "%u", i);
            assert_int_equal(index_intern(&x, (struct label){STR("id"), str_from(text)}, &known),
                             i);
            assert_int_equal(known, round);
            assert_true(str_is(index_pair_of(&x, i)->value, text));
        }
    }
    assert_int_equal(index_find_name(&x, STR("id"))->n_pairs, 3 * INDEX_BLOCK);
    index_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postings_are_ascending_and_labels_are_shared),
        cmocka_unit_test(many_labels_find_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
