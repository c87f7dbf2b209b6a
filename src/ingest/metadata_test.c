#include "ingest/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int set_up(void **state)
{
    *state = metadata_store_new();
    return 0;
}

static int tear_down(void **state)
{
    metadata_store_free(*state);
    return 0;
}

static void assert_shows(struct metadata_store *m, const char *name, size_t limit,
                         const char *expected)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    metadata_store_json(m, name, limit, &w);
    json_writer_end(&w);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

static void put(struct metadata_store *m, const char *family, const char *type, const char *help,
                const char *unit)
{
    metadata_store_put(m, str_from(family), str_from(type), str_from(help), str_from(unit));
}

static void the_last_word_counts_and_silence_changes_nothing(void **state)
{
    put(*state, "a", "counter", "", "");
    put(*state, "a", "", "Old \"help\".", "");
    put(*state, "a", "gauge", "New help.", "");
    put(*state, "a", "", "", "seconds");
    assert_shows(*state, "a", 0,
                 "{\"a\":[{\"type\":\"gauge\",\"help\":\"New help.\",\"unit\":\"seconds\"}]}");
}

static void nothing_known_is_an_empty_object(void **state)
{
    assert_shows(*state, NULL, 0, "{}");
    put(*state, "a", "counter", "", "");
    assert_shows(*state, "b", 0, "{}");
}

static void a_limit_cuts(void **state)
{
    put(*state, "b", "", "B.", "");
    put(*state, "a", "gauge", "", "");
    put(*state, "c", "gauge", "", "");
    assert_shows(*state, NULL, 1, "{\"b\":[{\"type\":\"unknown\",\"help\":\"B.\",\"unit\":\"\"}]}");
    assert_shows(*state, NULL, 2,
                 "{\"b\":[{\"type\":\"unknown\",\"help\":\"B.\",\"unit\":\"\"}],"
                 "\"a\":[{\"type\":\"gauge\",\"help\":\"\",\"unit\":\"\"}]}");
}

static void a_help_text_is_bounded(void **state)
{
    char *help = malloc(10000);
    assert_non_null(help);
    memset(help, 'x', 10000);
    metadata_store_put(*state, STR("a"), STR("gauge"), str_make(help, 10000), STR(""));
    free(help);
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    metadata_store_json(*state, NULL, 0, &w);
    assert_in_range(out.n, 4096, 4200);
    buf_release(&out);
}

static void *put_many(void *arg)
{
    char name[32];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "m%d", i % 100);
        put(arg, name, i % 2 ? "gauge" : "counter", "Help.", "");
        struct buf out = BUF_INIT;
        struct json_writer w;
        json_writer_init(&w, &out);
        metadata_store_json(arg, name, 0, &w);
        buf_release(&out);
    }
    return NULL;
}

static void several_threads_may_write_and_read(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, *state), 0);
    for (int i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    metadata_store_json(*state, "m99", 0, &w);
    assert_non_null(strstr(out.p, "Help."));
    buf_release(&out);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(the_last_word_counts_and_silence_changes_nothing),
        WITH_STORE(nothing_known_is_an_empty_object),
        WITH_STORE(a_limit_cuts),
        WITH_STORE(a_help_text_is_bounded),
        WITH_STORE(several_threads_may_write_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
