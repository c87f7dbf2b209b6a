/* testing.h -- what the tests of blocks share: a folder that goes away with all that is in
 * it, and a block of many small series. Included by tests only. */
#ifndef CQED_BLOCK_TESTING_H
#define CQED_BLOCK_TESTING_H

#include "base/file.h"
#include "block/block.h"
#include "block/file.h"
#include "block/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char block_folder[64];

static inline int block_make_folder(void **state)
{
    (void)state;
    snprintf(block_folder, sizeof block_folder, "/tmp/cqed-block-test-XXXXXX");
    return mkdtemp(block_folder) ? 0 : -1;
}

static inline int block_drop_folder(void **state)
{
    (void)state;
    block_remove_folder(block_folder);
    return file_is_folder(block_folder) ? -1 : 0;
}

/* m{i="007",mod="1"}: the i-th of the test's series. */
static inline struct labels block_test_labels(struct arena *arena, int i)
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    labels_builder_set(&b, STR("__name__"), STR("m"));
    labels_builder_set(&b, STR("i"), str_from(arena_printf(arena, "%04d", i)));
    if (i % 3 != 0)
        labels_builder_set(&b, STR("mod"), str_from(arena_printf(arena, "%d", i % 3)));
    return labels_build(&b);
}

static inline int block_compare_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The symbols of n test series, sorted, each once. */
static inline struct str *block_test_symbols(struct arena *arena, int n, size_t *count)
{
    static const char *const fixed[] = {"__name__", "m", "i", "mod", "1", "2"};
    struct str *v = ARENA_ARRAY(arena, struct str, (size_t)n + 6);
    for (int i = 0; i < 6; i++)
        v[i] = str_from(fixed[i]);
    for (int i = 0; i < n; i++)
        v[6 + i] = str_from(arena_printf(arena, "%04d", i));
    *count = (size_t)n + 6;
    qsort(v, *count, sizeof *v, block_compare_str);
    return v;
}

static inline double block_test_value(int series, int64_t t_ms)
{
    return series * 1000.0 + (double)(t_ms / 1000 % 97);
}

/* n series of `samples` each, from begin_ms on every 15 s. */
static inline struct block_meta block_test_write(int n, int samples, int64_t begin_ms,
                                                 size_t chunk_samples)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct points p = {0};
    size_t n_symbols;
    struct str *symbols = block_test_symbols(&arena, n, &n_symbols);
    struct block_writer *w =
        block_writer_new(block_folder, ulid_new(begin_ms), symbols, n_symbols, chunk_samples, &err);
    assert_non_null(w);
    for (int i = 0; i < n; i++) {
        points_clear(&p);
        for (int k = 0; k < samples; k++) {
            int64_t t_ms = begin_ms + k * 15000;
            points_add(&p, (struct sample){t_ms, block_test_value(i, t_ms)});
        }
        assert_true(block_writer_add(w, block_test_labels(&arena, i), &p, &err));
    }
    struct block_meta meta = {.min_ms = begin_ms, .max_ms = begin_ms + samples * 15000, .level = 1};
    assert_true(block_writer_finish(w, &meta, &err));
    block_meta_add_source(&meta, meta.ulid);
    block_writer_free(w);
    points_release(&p);
    arena_release(&arena);
    return meta;
}

static inline char *block_test_path(const struct block_meta *meta, const char *file)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s%s%s", block_folder, meta->ulid.text, *file ? "/" : "", file);
    return buf_detach(&path);
}

static inline struct block *block_test_open(const struct block_meta *meta)
{
    struct err err = ERR_INIT;
    char *path = block_test_path(meta, "");
    struct block *b = block_new(path, &err);
    if (!b || !block_open(b, &err))
        print_error("%s\n", err.message);
    free(path);
    assert_non_null(b);
    assert_true(b->is_open);
    return b;
}

#endif
