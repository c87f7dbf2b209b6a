#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/testing.h"

static struct store *store;

/* requests{job}: api, web, "", and errors{job="api"}; 1000 samples each, 1 s apart. */
static int fill(void **state)
{
    static const char *const series[][2] = {
        {"requests", "web"}, {"requests", "api"}, {"requests", NULL}, {"errors", "api"}};
    struct err err = ERR_INIT;
    if (test_make_folder(state) != 0)
        return -1;
    store = test_open(NULL);
    for (int64_t t = 0; t < 1000; t++) {
        struct store_batch *b = store_batch_begin(store, t * 1000);
        for (size_t i = 0; i < 4; i++) {
            uint64_t ref = test_series(b, series[i][0], series[i][1]);
            (void)store_batch_add(b, ref, t * 1000, (double)t, STORE_ORIGIN_UNKNOWN);
        }
        if (!store_batch_commit(b, &err))
            return -1;
    }
    return 0;
}

static int drop(void **state)
{
    store_close(store);
    return test_remove_folder(state);
}

struct wanted {
    enum match_type type;
    const char *name;
    const char *value;
};

/* The series that match, printed, one a line. */
static void expect(const struct wanted *w, size_t n_wanted, const char *text)
{
    struct arena arena = ARENA_INIT;
    struct matcher m[4];
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct labels *labels;
    struct buf got = BUF_INIT, listed = BUF_INIT;
    size_t n;
    for (size_t i = 0; i < n_wanted; i++)
        assert_true(matcher_init(&m[i], &arena, w[i].type, str_from(w[i].name),
                                 str_from(w[i].value), &err));
    assert_true(store_select(store, &arena, m, n_wanted, 5000, 9000, 0, &data, &n, &err));
    for (size_t i = 0; i < n; i++) {
        labels_print(data[i].labels, &got);
        buf_add_char(&got, '\n');
        assert_int_equal(data[i].n, 5);
        assert_int_equal(data[i].samples[0].t_ms, 5000);
        assert_true(data[i].samples[4].v == 9);
    }
    assert_true(
        store_series_list(store, &arena, m, n_wanted, INT64_MIN, INT64_MAX, &labels, &n, &err));
    for (size_t i = 0; i < n; i++) {
        labels_print(labels[i], &listed);
        buf_add_char(&listed, '\n');
    }
    assert_string_equal(got.p ? got.p : "", text);
    assert_string_equal(listed.p ? listed.p : "", text);
    buf_release(&got);
    buf_release(&listed);
    arena_release(&arena);
}

#define EXPECT(text, ...)                                                                          \
    expect((const struct wanted[]){__VA_ARGS__},                                                   \
           sizeof(const struct wanted[]){__VA_ARGS__} / sizeof(struct wanted), text)

static void matchers_choose_series_in_order_of_labels(void **state)
{
    (void)state;
    EXPECT("requests\nrequests{job=\"api\"}\nrequests{job=\"web\"}\n",
           {MATCH_EQUAL, "__name__", "requests"});
    EXPECT("requests{job=\"api\"}\n", {MATCH_EQUAL, "__name__", "requests"},
           {MATCH_EQUAL, "job", "api"});
    EXPECT("requests\nrequests{job=\"web\"}\n", {MATCH_EQUAL, "__name__", "requests"},
           {MATCH_NOT_EQUAL, "job", "api"});
    EXPECT("requests\n", {MATCH_EQUAL, "__name__", "requests"}, {MATCH_EQUAL, "job", ""});
    EXPECT("errors{job=\"api\"}\nrequests{job=\"api\"}\nrequests{job=\"web\"}\n",
           {MATCH_NOT_EQUAL, "job", ""});
    EXPECT("errors{job=\"api\"}\nrequests{job=\"api\"}\n", {MATCH_REGEX, "job", "a.+"});
    EXPECT("requests\nrequests{job=\"api\"}\nrequests{job=\"web\"}\n", {MATCH_REGEX, "job", ".*"},
           {MATCH_REGEX, "__name__", "req.*|nothing"});
    EXPECT("requests\nrequests{job=\"web\"}\n", {MATCH_EQUAL, "__name__", "requests"},
           {MATCH_NOT_REGEX, "job", "a.i"});
    EXPECT("", {MATCH_EQUAL, "job", "nope"});
    EXPECT("", {MATCH_EQUAL, "nope", "api"});
}

static void a_selector_must_not_match_everything(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct matcher m;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    size_t n;
    assert_false(store_select(store, &arena, NULL, 0, 0, 1, 0, &data, &n, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_true(matcher_init(&m, &arena, MATCH_REGEX, STR("job"), STR(".*"), &err));
    assert_false(store_select(store, &arena, &m, 1, 0, 1, 0, &data, &n, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    arena_release(&arena);
}

static void ranges_cross_chunks_and_limits_hold(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct matcher m;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    size_t n;
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR("job"), STR("web"), &err));
    assert_true(store_select(store, &arena, &m, 1, 100500, 899500, 799, &data, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(data[0].n, 799);
    for (size_t i = 0; i < 799; i++)
        assert_int_equal(data[0].samples[i].t_ms, 101000 + 1000 * (int64_t)i);
    assert_false(store_select(store, &arena, &m, 1, 100500, 899500, 798, &data, &n, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(store_select(store, &arena, &m, 1, 999001, INT64_MAX, 0, &data, &n, &err));
    assert_int_equal(n, 0);
    arena_release(&arena);
}

static void assert_strings(const struct str *got, size_t n, const char *text)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        buf_add_str(&b, got[i]);
        buf_add_char(&b, ' ');
    }
    assert_string_equal(b.p ? b.p : "", text);
    buf_release(&b);
}

static void names_and_values_are_sorted(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct matcher m;
    struct err err = ERR_INIT;
    struct str *got;
    size_t n;
    assert_true(store_label_names(store, &arena, NULL, 0, INT64_MIN, INT64_MAX, &got, &n, &err));
    assert_strings(got, n, "__name__ job ");
    assert_true(store_label_values(store, &arena, STR("job"), NULL, 0, INT64_MIN, INT64_MAX, &got,
                                   &n, &err));
    assert_strings(got, n, "api web ");
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR("__name__"), STR("errors"), &err));
    assert_true(
        store_label_values(store, &arena, STR("job"), &m, 1, INT64_MIN, INT64_MAX, &got, &n, &err));
    assert_strings(got, n, "api ");
    assert_true(store_label_values(store, &arena, STR("nope"), NULL, 0, INT64_MIN, INT64_MAX, &got,
                                   &n, &err));
    assert_strings(got, n, "");
    arena_release(&arena);
}

static void the_first_sample_of_a_range_is_found_alone(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct matcher m;
    size_t n;
    struct store *s = test_open(NULL);
    for (int i = 0; i < 1000; i++)
        assert_true(test_put(s, "c", "a", 1000 + i, i, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(test_put(s, "c", "b", 5000, 7, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("c"), &err));
    assert_true(store_select_first(s, &arena, &m, 1, 1500, 9000, &data, &n, &err));
    assert_int_equal(n, 2);
    assert_true(data[0].n == 1 && data[0].samples[0].t_ms == 1500 && data[0].samples[0].v == 500);
    assert_true(data[1].n == 1 && data[1].samples[0].v == 7);
    assert_true(store_select_first(s, &arena, &m, 1, 2000, 4000, &data, &n, &err));
    assert_int_equal(n, 0);
    store_close(s);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matchers_choose_series_in_order_of_labels),
        cmocka_unit_test(a_selector_must_not_match_everything),
        cmocka_unit_test(ranges_cross_chunks_and_limits_hold),
        cmocka_unit_test(names_and_values_are_sorted),
        cmocka_unit_test_setup_teardown(the_first_sample_of_a_range_is_found_alone,
                                        test_make_folder, test_remove_folder),
    };
    return cmocka_run_group_tests(tests, fill, drop);
}
