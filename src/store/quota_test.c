/* Who may make series, and where series come from. */
#include "base/budget.h"
#include "store/testing.h"

static struct store *open_store(void)
{
    struct store *s = test_open(NULL);
    struct err err = ERR_INIT;
    assert_true(test_put(s, "a", "shop", 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(test_put(s, "b", "shop", 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(test_put(s, "a", "search", 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    return s;
}

/* Whether the series is there or can be made; why not is said. */
static bool can_make(struct store *s, const char *name, const char *job, const char *why)
{
    struct store_batch *b = store_batch_begin(s, 2000);
    bool can = test_series(b, name, job) != 0;
    if (!can)
        assert_string_equal(store_series_refusal(b), why);
    store_batch_cancel(b);
    return can;
}

static void owners_have_quotas(void **state)
{
    static const struct store_quota own[] = {{"search", 2}, {"free", 0}};
    struct arena arena = ARENA_INIT;
    struct store_owner *owners;
    size_t n;
    struct store *s = open_store();
    (void)state;
    assert_null(store_owners_refused(s, &arena, &owners, &n));
    store_set_quotas(s, &(struct store_quotas){"job", 1, own, 2});
    assert_true(can_make(s, "b", "shop", "")); /* is there */
    assert_false(can_make(s, "c", "shop", "quota: job=\"shop\" has its 1 series"));
    assert_true(can_make(s, "b", "search", ""));
    assert_false(can_make(s, "c", "search", "quota: job=\"search\" has its 2 series"));
    assert_false(can_make(s, "d", "search", "quota: job=\"search\" has its 2 series"));
    for (const char *name = "abc"; *name; name++)
        assert_true(can_make(s, name, "free", "") && can_make(s, name, NULL, ""));
    assert_string_equal(store_owners_refused(s, &arena, &owners, &n), "job");
    assert_int_equal(n, 2);
    assert_true(str_is(owners[0].value, "search"));
    assert_int_equal(owners[0].refused, 2);
    assert_int_equal(owners[0].series, 2);
    assert_int_equal(owners[0].limit, 2);
    assert_true(str_is(owners[1].value, "shop"));
    assert_int_equal(owners[1].series, 2);
    assert_int_equal(owners[1].limit, 1);
    store_set_quotas(s, &(struct store_quotas){0});
    assert_true(can_make(s, "c", "shop", ""));
    arena_release(&arena);
    store_close(s);
}

static void no_series_is_made_when_memory_is_short(void **state)
{
    uint64_t limit, memory, quota;
    struct err err = ERR_INIT;
    struct budget_state now;
    struct store *s = open_store();
    (void)state;
    assert_true(store_accepts(s, &err));
    budget_set(1);
    assert_false(
        can_make(s, "c", "shop", "memory: storage.memory is nearly used up, new series must wait"));
    assert_true(can_make(s, "a", "shop", ""));
    assert_false(store_accepts(s, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    budget_state(&now);
    budget_set(now.held_bytes + now.held_bytes / 6); /* soft */
    assert_true(store_accepts(s, &err));
    assert_false(
        can_make(s, "c", "shop", "memory: storage.memory is nearly used up, new series must wait"));
    budget_set(0);
    assert_true(can_make(s, "c", "shop", ""));
    store_refusals(s, &limit, &memory, &quota);
    assert_int_equal(limit + quota, 0);
    assert_int_equal(memory, 2);
    store_close(s);
}

static void assert_top(const struct store_counts *counts, size_t i, const char *name,
                       const char *value, uint64_t count)
{
    assert_true(i < counts->n);
    assert_true(str_is(counts->v[i].name, name));
    assert_true(str_is(counts->v[i].value, value));
    assert_int_equal(counts->v[i].count, count);
}

static void series_are_counted(void **state)
{
    struct arena arena = ARENA_INIT;
    struct store_cardinality c;
    struct store *s = open_store();
    (void)state;
    store_cardinality(s, &arena, 2, &c);
    assert_int_equal(c.label_pairs, 4);
    assert_int_equal(c.chunks, 3);
    assert_top(&c.series_by_name, 0, "a", "", 2);
    assert_top(&c.series_by_name, 1, "b", "", 1);
    assert_int_equal(c.series_by_pair.n, 2);
    assert_top(&c.values_by_label, 0, "__name__", "", 2);
    assert_top(&c.bytes_by_label, 0, "job", "", 4 + 4 + 6);
    assert_top(&c.bytes_by_label, 1, "__name__", "", 3);
    arena_release(&arena);
    store_close(s);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(owners_have_quotas),
                                       TEST(no_series_is_made_when_memory_is_short),
                                       TEST(series_are_counted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
