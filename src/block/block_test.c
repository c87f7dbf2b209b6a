#include "block/testing.h"

#include "base/fault.h"

#include <fcntl.h>
#include <unistd.h>

#define SERIES 300
#define SAMPLES 480

static size_t select_n(const struct block *b, struct arena *arena, const struct matcher *m,
                       size_t n_matchers, uint32_t **refs)
{
    struct err err = ERR_INIT;
    size_t n;
    assert_true(block_index_select(b->index, arena, m, n_matchers, refs, &n, &err));
    return n;
}

static struct matcher matcher(struct arena *arena, enum match_type type, const char *name,
                              const char *value)
{
    struct matcher m;
    struct err err = ERR_INIT;
    assert_true(matcher_init(&m, arena, type, str_from(name), str_from(value), &err));
    return m;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct block_meta meta = block_test_write(SERIES, SAMPLES, 1000000, 120);
    struct block *b = block_test_open(&meta);
    struct points p = {.arena = &arena};
    uint32_t *refs;
    assert_int_equal(meta.n_series, SERIES);
    assert_int_equal(meta.n_samples, SERIES * SAMPLES);
    assert_int_equal(meta.n_chunks, SERIES * 4);
    assert_int_equal(select_n(b, &arena, NULL, 0, &refs), SERIES);
    for (int i = 0; i < SERIES; i++) {
        struct block_series s;
        assert_true(block_index_series(b->index, &arena, refs[i], &s, &err));
        assert_true(labels_eq(s.labels, block_test_labels(&arena, i)));
        assert_int_equal(s.n_chunks, 4);
        points_clear(&p);
        assert_true(block_read(b, refs[i], &s, 0, INT64_MAX, &p, &err));
        assert_int_equal(p.n, SAMPLES);
        for (size_t k = 0; k < SAMPLES; k++)
            assert_true(p.samples[k].v == block_test_value(i, p.samples[k].t_ms));
        points_clear(&p);
        assert_true(block_read_first(b, refs[i], &s, 1000000 + 200 * 15000, INT64_MAX, &p, &err));
        assert_int_equal(p.samples[0].t_ms, 1000000 + 200 * 15000);
    }
    assert_true(block_verify(b, &err));
    points_release(&p);
    block_unref(b);
    block_meta_release(&meta);
    arena_release(&arena);
}

static void all_four_matchers_are_answered(void **state)
{
    (void)state;
    static const struct {
        enum match_type type[2];
        const char *name[2], *value[2];
        size_t n_matchers, n;
    } cases[] = {
        {{MATCH_EQUAL}, {"__name__"}, {"m"}, 1, 300},
        {{MATCH_EQUAL}, {"__name__"}, {"n"}, 1, 0},
        {{MATCH_EQUAL}, {"mod"}, {"1"}, 1, 100},
        {{MATCH_EQUAL}, {"mod"}, {""}, 1, 100},
        {{MATCH_NOT_EQUAL}, {"mod"}, {""}, 1, 200},
        {{MATCH_NOT_EQUAL}, {"mod"}, {"1"}, 1, 200},
        {{MATCH_REGEX}, {"mod"}, {"1|2"}, 1, 200},
        {{MATCH_REGEX}, {"mod"}, {"1|"}, 1, 200},
        {{MATCH_REGEX}, {"nothing"}, {".*"}, 1, 300},
        {{MATCH_REGEX}, {"nothing"}, {".+"}, 1, 0},
        {{MATCH_NOT_REGEX}, {"mod"}, {"1.*"}, 1, 200},
        {{MATCH_NOT_REGEX}, {"mod"}, {".+"}, 1, 100},
        {{MATCH_EQUAL, MATCH_REGEX}, {"__name__", "i"}, {"m", "000."}, 2, 10},
        {{MATCH_EQUAL, MATCH_EQUAL}, {"i", "mod"}, {"0007", "1"}, 2, 1},
        {{MATCH_EQUAL, MATCH_EQUAL}, {"i", "mod"}, {"0007", "2"}, 2, 0},
        {{MATCH_REGEX, MATCH_NOT_EQUAL}, {"i", "mod"}, {"00.*", "2"}, 2, 67},
    };
    struct arena arena = ARENA_INIT;
    struct block_meta meta = block_test_write(SERIES, 2, 0, 120);
    struct block *b = block_test_open(&meta);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct matcher m[2];
        uint32_t *refs;
        for (size_t k = 0; k < cases[i].n_matchers; k++)
            m[k] = matcher(&arena, cases[i].type[k], cases[i].name[k], cases[i].value[k]);
        assert_int_equal(select_n(b, &arena, m, cases[i].n_matchers, &refs), cases[i].n);
    }
    struct str *values;
    size_t n;
    struct err err = ERR_INIT;
    assert_true(block_index_values(b->index, &arena, STR("i"), &values, &n, &err));
    assert_int_equal(n, SERIES);
    assert_true(str_is(values[SERIES - 1], "0299"));
    assert_true(block_index_names(b->index, &arena, &values, &n, &err));
    assert_int_equal(n, 3);
    assert_true(str_is(values[0], "__name__") && str_is(values[2], "mod"));
    block_unref(b);
    block_meta_release(&meta);
    arena_release(&arena);
}

/* Three series of the same samples: one chunk, referred to three times. */
static void the_same_chunk_is_written_once(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct points p = {.arena = &arena}, read = p;
    size_t n_symbols;
    struct str *symbols = block_test_symbols(&arena, 3, &n_symbols);
    struct block_writer *w =
        block_writer_new(block_folder, ulid_new(1), symbols, n_symbols, 2000, &err);
    for (int i = 0; i < 2000; i++)
        points_add(&p, (struct sample){i * 100, i * 0.1});
    for (int i = 0; i < 3; i++)
        assert_true(block_writer_add(w, block_test_labels(&arena, i), &p, &err));
    struct block_meta meta = {.max_ms = 200000, .level = 1};
    assert_true(block_writer_finish(w, &meta, &err));
    block_writer_free(w);
    assert_int_equal(meta.n_chunks, 3);
    struct block *b = block_test_open(&meta);
    struct block_series s[3];
    uint32_t *refs;
    assert_int_equal(select_n(b, &arena, NULL, 0, &refs), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(block_index_series(b->index, &arena, refs[i], &s[i], &err));
        assert_int_equal(s[i].chunks[0].ref, s[0].chunks[0].ref);
        points_clear(&read);
        assert_true(block_read(b, refs[i], &s[i], 0, INT64_MAX, &read, &err));
        assert_int_equal(read.n, 2000);
    }
    points_release(&p);
    points_release(&read);
    block_unref(b);
    block_meta_release(&meta);
    arena_release(&arena);
}

static void mixed_kinds_do_not_overlap(void **state)
{
    (void)state;
    static const double buckets[] = {1, 2};
    static const struct histogram_span span = {0, 2};
    static const struct histogram h = {
        .schema = 2, .count = 3, .sum = 4, .positive = {1, 2, &span, buckets}};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct points p = {.arena = &arena};
    size_t n_symbols;
    struct str *symbols = block_test_symbols(&arena, 1, &n_symbols);
    struct block_writer *w =
        block_writer_new(block_folder, ulid_new(1), symbols, n_symbols, 120, &err);
    for (int i = 0; i < 10; i++) {
        points_add(&p, (struct sample){i * 100, i});
        if (i >= 5)
            points_add_histogram(&p, (struct histogram_sample){i * 100 + 50, &h});
    }
    assert_true(block_writer_add(w, block_test_labels(&arena, 0), &p, &err));
    struct block_meta meta = {.max_ms = 2000, .level = 1};
    assert_true(block_writer_finish(w, &meta, &err));
    block_writer_free(w);
    struct block *b = block_test_open(&meta);
    struct block_series s;
    uint32_t *refs;
    assert_int_equal(select_n(b, &arena, NULL, 0, &refs), 1);
    assert_true(block_index_series(b->index, &arena, refs[0], &s, &err));
    assert_int_equal(s.n_chunks, 10);
    for (size_t i = 1; i < s.n_chunks; i++)
        assert_true(s.chunks[i].min_ms > s.chunks[i - 1].max_ms);
    points_clear(&p);
    assert_true(block_read(b, refs[0], &s, 0, 2000, &p, &err));
    assert_int_equal(p.n, 10);
    assert_int_equal(p.n_histograms, 5);
    assert_true(p.histograms[4].t_ms == 950 && p.histograms[4].h->positive.buckets[1] == 2);
    points_release(&p);
    block_unref(b);
    block_meta_release(&meta);
    arena_release(&arena);
}

static void tombstones_hide_samples(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct block_meta meta = block_test_write(3, 100, 0, 120);
    struct block_tombstones stones = {0};
    struct buf bytes = BUF_INIT;
    struct block *b = block_test_open(&meta);
    struct points p = {.arena = &arena};
    struct block_series s;
    uint32_t *refs;
    assert_int_equal(select_n(b, &arena, NULL, 0, &refs), 3);
    block_unref(b);
    block_tombstones_add(&stones, refs[1], (struct block_interval){30000, 45000});
    block_tombstones_add(&stones, refs[1], (struct block_interval){0, 29999});
    block_tombstones_settle(&stones);
    assert_int_equal(stones.n, 1);
    block_tombstones_write(&stones, &bytes);
    char *path = block_test_path(&meta, "tombstones");
    assert_true(file_replace(path, buf_str(&bytes), 0600, &err));
    b = block_test_open(&meta);
    for (size_t i = 0; i < 3; i++) {
        points_clear(&p);
        assert_true(block_index_series(b->index, &arena, refs[i], &s, &err));
        assert_true(block_read(b, refs[i], &s, 0, INT64_MAX, &p, &err));
        assert_int_equal(p.n, i == 1 ? 96 : 100);
    }
    free(path);
    block_unref(b);
    points_release(&p);
    buf_release(&bytes);
    block_tombstones_release(&stones);
    block_meta_release(&meta);
    arena_release(&arena);
}

/* Flip or cut each file at places by seed: the block is refused or reads as it was, never else. */
static void damage_is_found(void **state)
{
    (void)state;
    static const char *const files[] = {"index", "chunks/000001", "tombstones", "meta.json"};
    struct block_meta meta = block_test_write(40, 50, 0, 120);
    size_t refused = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        char *path = block_test_path(&meta, files[seed % 4]);
        char *folder = block_test_path(&meta, "");
        struct err err = ERR_INIT;
        struct buf whole = BUF_INIT;
        assert_true(file_read(path, 1 << 24, &whole, &err));
        size_t at = (size_t)(seed * UINT64_C(0x9e3779b97f4a7c15) >> 16) % whole.n;
        struct str damaged = buf_str(&whole);
        char *copy = malloc(whole.n);
        memcpy(copy, whole.p, whole.n);
        copy[at] = (char)(copy[at] ^ (1 << seed % 8));
        damaged = str_make(copy, seed % 5 == 0 ? at : whole.n);
        assert_true(file_replace(path, damaged, 0600, &err));
        struct block *b = block_new(folder, &err);
        bool good = b && block_verify(b, &err);
        if (!good)
            assert_int_equal(err.code, ERR_CORRUPT);
        refused += !good;
        block_unref(b);
        assert_true(file_replace(path, buf_str(&whole), 0600, &err));
        buf_release(&whole);
        free(copy);
        free(folder);
        free(path);
    }
    assert_in_range(refused, 84, 120);
    struct block *b = block_test_open(&meta);
    block_unref(b);
    block_meta_release(&meta);
}

static void count_entry(void *arg, const char *name)
{
    (void)name;
    ++*(size_t *)arg;
}

static void a_failed_write_leaves_nothing(void **state)
{
    (void)state;
    static const char *const faults[] = {"block.write:once",
                                         "block.write:once:short=7:errno=ENOSPC", "block.sync:once",
                                         "block.sync:after=2:once", "block.rename:once"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        size_t n_symbols, entries = 0;
        struct str *symbols = block_test_symbols(&arena, 1, &n_symbols);
        struct points p = {0};
        struct block_meta meta = {.max_ms = 1, .level = 1};
        points_add(&p, (struct sample){0, 1});
        struct block_writer *w =
            block_writer_new(block_folder, ulid_new(1), symbols, n_symbols, 120, &err);
        assert_true(block_writer_add(w, block_test_labels(&arena, 0), &p, &err));
        assert_true(fault_arm(faults[i], &err));
        assert_false(block_writer_finish(w, &meta, &err));
        assert_int_equal(err.code, ERR_IO);
        fault_disarm_all();
        block_writer_free(w);
        assert_true(file_list(block_folder, count_entry, &entries, &err));
        assert_int_equal(entries, 0);
        points_release(&p);
        arena_release(&arena);
    }
}

static void names_sort_by_age(void **state)
{
    (void)state;
    struct ulid before = ulid_new(0), now = ulid_new(1700000000000);
    assert_true(ulid_is_valid(str_from(now.text)));
    assert_true(strcmp(before.text, now.text) < 0);
    assert_memory_equal(now.text, "01HF7YAT00", 10);
    assert_false(ulid_is_valid(STR("01HF7YAT0000000000000000I0")));
    assert_false(ulid_is_valid(STR("81HF7YAT000000000000000000")));
    assert_false(ulid_is_valid(STR("01HF7YAT00")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, block_make_folder, block_drop_folder)
        TEST(what_was_written_is_read),       TEST(all_four_matchers_are_answered),
        TEST(the_same_chunk_is_written_once), TEST(mixed_kinds_do_not_overlap),
        TEST(tombstones_hide_samples),        TEST(damage_is_found),
        TEST(a_failed_write_leaves_nothing),  cmocka_unit_test(names_sort_by_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
