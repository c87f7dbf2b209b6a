#include "promql/labelset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct labels make(struct arena *arena, const char *a, const char *b, const char *name)
{
    struct labels_builder builder;
    labels_builder_init(&builder, arena);
    labels_builder_set(&builder, STR("a"), str_from(a));
    labels_builder_set(&builder, STR("b"), str_from(b));
    labels_builder_set(&builder, STR(LABEL_NAME), str_from(name));
    return labels_build(&builder);
}

static void keys_are_parts_of_label_sets(void **state)
{
    (void)state;
    static const struct str list[] = {{"z", 1}, {"b", 1}};
    const struct names names = {list, 2}, none = {NULL, 0};
    struct arena arena = ARENA_INIT;
    struct label_key only, all_but, all;
    struct labels ls = make(&arena, "1", "2", "x");
    label_key_init(&only, &arena, &names, true);
    label_key_init(&all_but, &arena, &names, false);
    label_key_init(&all, &arena, &none, false);
    assert_true(labels_eq(label_key_of(&only, ls), make(&arena, "", "2", "")));
    assert_true(labels_eq(label_key_of(&all_but, ls), make(&arena, "1", "", "")));
    assert_true(labels_eq(label_key_of(&all, ls), make(&arena, "1", "2", "")));
    arena_release(&arena);
}

static void an_index_numbers_label_sets(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct label_index index;
    bool added;
    label_index_init(&index, &arena);
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 1000; i++) {
            struct labels ls = make(&arena, arena_printf(&arena, "%zu", i / 10),
                                    arena_printf(&arena, "%zu", i % 10), "x");
            assert_int_equal(label_index_find(&index, ls), round == 0 ? SIZE_MAX : i);
            assert_int_equal(label_index_put(&index, ls, &added), i);
            assert_int_equal(added, round == 0);
        }
    }
    arena_release(&arena);
}

static void columns_merge_where_they_do_not_overlap(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct query q = {.arena = &arena, .options = {.max_samples = 1000}};
    struct evaluation e = {&q, &arena, 0, 1, 3};
    struct merger m;
    struct err err = ERR_INIT;
    bool overlap;
    double first[] = {1, ABSENT, ABSENT}, second[] = {ABSENT, 2, ABSENT}, third[] = {3, ABSENT, 3};
    struct column a = {.labels = make(&arena, "1", "2", ""), .v = first};
    struct column b = {.labels = make(&arena, "1", "2", ""), .v = second};
    struct column c = {.labels = make(&arena, "1", "2", ""), .v = third};
    merger_init(&m, &e);
    assert_true(merger_put(&m, &a, VALUES_COPIED, &overlap, &err) && !overlap);
    assert_true(merger_put(&m, &b, VALUES_COPIED, &overlap, &err) && !overlap);
    assert_true(merger_put(&m, &c, VALUES_COPIED, &overlap, &err) && overlap);
    assert_false(merger_put_unique(&m, &c, VALUES_GIVEN, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(m.columns.n, 1);
    assert_true(m.columns.v[0].v[0] == 1 && m.columns.v[0].v[1] == 2);
    assert_true(is_absent(m.columns.v[0].v[2]));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_parts_of_label_sets),
        cmocka_unit_test(an_index_numbers_label_sets),
        cmocka_unit_test(columns_merge_where_they_do_not_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
