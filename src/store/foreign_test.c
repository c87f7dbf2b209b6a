/* The folder of a Prometheus, written here as it would be: what a real one writes is read in
 * tests/blocks/foreign.test.mjs. */
#include "store/foreign.h"

#include "block/prometheus_testing.h"
#include "block/testing.h"

#include <unistd.h>

static void write_file(const char *name, const struct buf *content)
{
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", block_folder, name);
    for (char *slash = strrchr(path.p, '/'); slash;) {
        *slash = 0;
        assert_true(file_make_folders(path.p, 0755, &err));
        *slash = '/';
        slash = NULL;
    }
    FILE *f = fopen(path.p, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(content->p, 1, content->n, f), content->n);
    assert_int_equal(fclose(f), 0);
    buf_release(&path);
}

static void drop_file(const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", block_folder, name);
    block_remove_folder(path.p);
    (void)unlink(path.p);
    buf_release(&path);
}

static void add_sample(struct buf *segment, uint64_t ref, int64_t t_ms, double v)
{
    struct buf record = BUF_INIT;
    put_sample(&record, ref, t_ms, v);
    put_record(segment, buf_str(&record), 0);
    buf_release(&record);
}

static void add_series(struct buf *segment, uint64_t ref, const char *i)
{
    struct buf record = BUF_INIT;
    buf_add_char(&record, 1);
    put_series(&record, ref, "m", i);
    put_record(segment, buf_str(&record), 0);
    buf_release(&record);
}

/* The values of m, series by series: "1 2|3". */
static const char *values(struct store_folder *f, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct matcher m;
    struct store_series_data *series;
    size_t n;
    struct buf out = BUF_INIT;
    usleep(25000); /* it looks no more often */
    assert_true(matcher_init(&m, arena, MATCH_EQUAL, STR("__name__"), STR("m"), &err));
    if (!store_folder_select(f, arena, &m, 1, INT64_MIN, INT64_MAX, false, &series, &n, &err))
        return arena_printf(arena, "%s: %s", err_code_name(err.code), err.message);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < series[i].n; k++)
            buf_printf(&out, "%s%g", k ? " " : i ? "|" : "", series[i].samples[k].v);
    }
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static struct store_folder *open_it(uint64_t max_bytes)
{
    struct err err = ERR_INIT;
    struct store_folder *f = store_folder_open(block_folder, max_bytes, &err);
    assert_non_null(f);
    return f;
}

static void it_goes_on_where_it_was(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf s = BUF_INIT;
    (void)state;
    add_series(&s, 1, "b");
    add_sample(&s, 1, 1000, 1);
    write_file("wal/00000000", &s);
    struct store_folder *f = open_it(0);
    assert_string_equal(values(f, &arena), "1");
    add_series(&s, 2, "a");
    add_sample(&s, 2, 1000, 5);
    add_sample(&s, 1, 2000, 2);
    add_sample(&s, 1, 1500, 9); /* goes back: Prometheus's replay passes it over */
    add_sample(&s, 3, 1500, 9); /* of nobody */
    write_file("wal/00000000", &s);
    assert_string_equal(values(f, &arena), "5|1 2");
    buf_clear(&s);
    add_series(&s, 4, "b"); /* another number of the same */
    add_sample(&s, 4, 3000, 3);
    write_file("wal/00000001", &s);
    assert_string_equal(values(f, &arena), "5|1 2 3");
    store_folder_close(f);
    buf_release(&s);
    arena_release(&arena);
}

static void a_checkpoint_takes_the_place_of_segments(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf s = BUF_INIT;
    (void)state;
    add_series(&s, 1, "a");
    add_sample(&s, 1, 1000, 1);
    add_sample(&s, 1, 2000, 2);
    write_file("wal/00000000", &s);
    buf_clear(&s);
    add_sample(&s, 1, 3000, 3);
    write_file("wal/00000001", &s);
    struct store_folder *f = open_it(0);
    assert_string_equal(values(f, &arena), "1 2 3");
    buf_clear(&s);
    add_series(&s, 1, "a");
    add_sample(&s, 1, 2000, 2);
    write_file("wal/checkpoint.00000000/00000000", &s);
    drop_file("wal/00000000");
    assert_string_equal(values(f, &arena), "2 3");
    store_folder_close(f);
    buf_release(&s);
    arena_release(&arena);
}

static void damage_ends_its_segment_only(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf s = BUF_INIT;
    (void)state;
    add_series(&s, 1, "a");
    add_sample(&s, 1, 1000, 1);
    size_t sound = s.n;
    add_sample(&s, 1, 2000, 2);
    s.p[sound + 20] ^= 4;
    add_sample(&s, 1, 3000, 3);
    write_file("wal/00000000", &s);
    buf_clear(&s);
    add_sample(&s, 1, 4000, 4);
    size_t whole = s.n;
    add_sample(&s, 1, 5000, 5);
    s.n -= 3; /* torn */
    write_file("wal/00000001", &s);
    struct store_folder *f = open_it(0);
    assert_string_equal(values(f, &arena), "1 4");
    s.n = whole;
    add_sample(&s, 1, 5000, 5);
    write_file("wal/00000001", &s);
    assert_string_equal(values(f, &arena), "1 4 5");
    store_folder_close(f);
    buf_release(&s);
    arena_release(&arena);
}

static void memory_is_bounded(void **state)
{
    struct arena arena = ARENA_INIT;
    struct buf s = BUF_INIT;
    char i[20];
    (void)state;
    for (unsigned k = 0; k < 3000; k++) {
        snprintf(i, sizeof i, "%u", k);
        add_series(&s, k, i);
        add_sample(&s, k, 1000, 1);
    }
    write_file("wal/00000000", &s);
    struct store_folder *f = open_it(1 << 20);
    assert_string_equal(values(f, &arena),
                        "limit: what is in no block yet takes more than 1 MiB of memory");
    assert_non_null(strstr(values(f, &arena), "limit"));
    store_folder_close(f);
    buf_release(&s);
    arena_release(&arena);
}

static void assert_refused(const char *path, enum err_code code, const char *why)
{
    struct err err = ERR_INIT;
    assert_null(store_folder_open(path, 0, &err));
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.message, why));
}

static void what_is_no_folder_of_samples(void **state)
{
    struct buf s = BUF_INIT;
    struct err err = ERR_INIT;
    bool is_cqed;
    (void)state;
    assert_refused("/nowhere/at/all", ERR_NOT_FOUND, "there is no folder '/nowhere/at/all'");
    assert_refused(block_folder, ERR_BAD_INPUT, "is no data folder of a Prometheus");
    assert_refused("/dev/null", ERR_BAD_INPUT, "'/dev/null' is no folder");
    buf_add_cstr(&s, "cQEDWAL\x01");
    write_file("wal/00000001", &s);
    assert_true(store_folder_check(block_folder, &is_cqed, &err));
    assert_true(is_cqed);
    buf_release(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, block_make_folder, block_drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_goes_on_where_it_was),      TEST(a_checkpoint_takes_the_place_of_segments),
        TEST(damage_ends_its_segment_only), TEST(memory_is_bounded),
        TEST(what_is_no_folder_of_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
