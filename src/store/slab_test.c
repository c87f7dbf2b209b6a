#include "store/slab.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 20000

struct item {
    unsigned char *p;
    size_t size_bytes;
};

static void check(const struct item *item, size_t number)
{
    for (size_t i = 0; i < item->size_bytes; i++)
        assert_int_equal(item->p[i], (unsigned char)(number + i));
}

static void fill(struct slab *s, struct item *item, size_t number, size_t size_bytes)
{
    item->size_bytes = size_bytes;
    item->p = slab_alloc(s, size_bytes);
    for (size_t i = 0; i < size_bytes; i++)
        item->p[i] = (unsigned char)(number + i);
}

static void nothing_overlaps(void **state)
{
    (void)state;
    struct slab s;
    struct item *items = mem_array(N, sizeof *items);
    unsigned seed = 7;
    slab_init(&s);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < N; i++) {
            if (items[i].p && rand_r(&seed) % 2) {
                check(&items[i], i);
                slab_free(&s, items[i].p, items[i].size_bytes);
                items[i].p = NULL;
            } else if (!items[i].p) {
                fill(&s, &items[i], i, 1 + (size_t)rand_r(&seed) % (round % 2 ? 100 : 700));
            }
        }
    }
    for (size_t i = 0; i < N; i++) {
        if (items[i].p)
            check(&items[i], i);
        slab_free(&s, items[i].p, items[i].size_bytes);
    }
    slab_release(&s);
    free(items);
}

/* As series do: all leave one size for the next; the pages must serve again. */
static void pages_change_their_size(void **state)
{
    (void)state;
    struct slab s;
    void **items = mem_array(N, sizeof *items);
    slab_init(&s);
    for (size_t size = 16; size <= 512; size += 16) {
        for (size_t i = 0; i < N; i++) {
            void *bigger = slab_alloc(&s, size);
            slab_free(&s, items[i], size - 16);
            items[i] = bigger;
        }
        assert_true(s.n_regions <= N * size / (2 << 20) + 2);
    }
    for (size_t i = 0; i < N; i++)
        slab_free(&s, items[i], 512);
    slab_release(&s);
    free(items);
}

static void the_biggest_fits(void **state)
{
    (void)state;
    struct slab s;
    struct item items[100];
    slab_init(&s);
    for (size_t i = 0; i < 100; i++)
        fill(&s, &items[i], i, SLAB_MAX_BYTES);
    for (size_t i = 0; i < 100; i++) {
        check(&items[i], i);
        slab_free(&s, items[i].p, SLAB_MAX_BYTES);
    }
    slab_release(&s);
}

/* Readers come and go, overlapping, so that there is one at any time; each sees what it pinned. */
static void what_is_pinned_stays(void **state)
{
    (void)state;
    struct slab s;
    struct item seen[2] = {{0}, {0}};
    unsigned pins[2] = {0, 0};
    slab_init(&s);
    for (size_t round = 0; round < 1000; round++) {
        size_t reader = round % 2;
        if (round >= 2) {
            check(&seen[reader], round - 2);
            slab_unpin(&s, pins[reader]);
        }
        fill(&s, &seen[reader], round, 48);
        pins[reader] = slab_pin(&s);
        slab_free(&s, seen[reader].p, 48);
        for (size_t i = 0; i < 50; i++) { /* takes the place of what is wrongly free */
            struct item other;
            fill(&s, &other, round + 1, 48);
            slab_free(&s, other.p, 48);
        }
    }
    assert_true(s.limbo[0].n + s.limbo[1].n < 500); /* though someone held a pin all the time */
    slab_unpin(&s, pins[0]);
    slab_unpin(&s, pins[1]);
    slab_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_overlaps),
        cmocka_unit_test(pages_change_their_size),
        cmocka_unit_test(the_biggest_fits),
        cmocka_unit_test(what_is_pinned_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
