#include "store/chunk.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void read_all(const struct chunk *c, const struct sample *in, size_t n)
{
    struct sample out[CHUNK_MAX_SAMPLES];
    assert_int_equal(c->n, n);
    assert_int_equal(c->first_t_ms, in[0].t_ms);
    assert_int_equal(c->last_t_ms, in[n - 1].t_ms);
    assert_int_equal(chunk_read(c, out), n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out[i].t_ms, in[i].t_ms);
        assert_int_equal(bits_of(out[i].v), bits_of(in[i].v));
    }
}

/* The same through an open chunk, which is sealed where it takes no more. */
static void open_round_trip(const struct sample *in, size_t n)
{
    struct chunk_open open = {0};
    struct slab slab;
    size_t from = 0;
    slab_init(&slab);
    for (size_t i = 0; i <= n; i++) {
        int64_t last_t_ms = i > from ? in[i - 1].t_ms : 0;
        if (i > from && (i == n || !chunk_open_takes(&open, last_t_ms, in[i].t_ms))) {
            struct chunk view = chunk_open_view(&open, last_t_ms);
            read_all(&view, in + from, i - from);
            struct chunk sealed = chunk_open_seal(&open, &slab, last_t_ms);
            read_all(&sealed, in + from, i - from);
            assert_int_equal(chunk_open_memory(&open), 0);
            chunk_release_sealed(&sealed, &slab);
            from = i;
        }
        if (i < n)
            chunk_open_append(&open, &slab, last_t_ms, i > from ? bits_of(in[i - 1].v) : 0,
                              in[i].t_ms, bits_of(in[i].v));
    }
    slab_release(&slab);
}

/* Fill one chunk from the samples, read it back, compare bit for bit, return its bits. */
static uint32_t round_trip(const struct sample *in, size_t n)
{
    struct chunk c;
    struct chunk_tail tail = {0};
    chunk_init(&c);
    for (size_t i = 0; i < n; i++)
        chunk_append(&c, &tail, in[i].t_ms, in[i].v);
    chunk_seal(&c);
    read_all(&c, in, n);
    open_round_trip(in, n);
    uint32_t n_bits = c.n_bits;
    chunk_release(&c);
    return n_bits;
}

static void any_bit_pattern_comes_back(void **state)
{
    (void)state;
    const uint64_t odd[] = {0,
                            UINT64_C(0x8000000000000000),
                            UINT64_C(0x7ff0000000000000),
                            UINT64_C(0xfff0000000000000),
                            STALE_NAN_BITS,
                            UINT64_C(0x7ff8000000000001),
                            UINT64_C(0xfff8dead0000beef),
                            1,
                            UINT64_MAX,
                            UINT64_C(0x3ff0000000000000)};
    struct sample in[CHUNK_MAX_SAMPLES];
    size_t n = sizeof odd / sizeof *odd;
    for (size_t i = 0; i < n * n; i++)
        in[i] = (struct sample){(int64_t)i * 15000, from_bits(odd[i % 2 ? i / n : i % n])};
    (void)round_trip(in, n * n);
}

static void any_time_step_comes_back(void **state)
{
    (void)state;
    const int64_t t[] = {INT64_MIN + 1, -9000,    -1,      0,          1,
                         8192,          8193,     16384,   73921,      139456,
                         139457,        600000,   1124288, 2000000000, 2000000001,
                         INT64_MAX - 1, INT64_MAX};
    struct sample in[sizeof t / sizeof *t];
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        in[i] = (struct sample){t[i], (double)i};
    (void)round_trip(in, sizeof t / sizeof *t);
    for (int64_t bits = 1; bits < 63; bits++) {
        int64_t step = INT64_C(1) << bits;
        struct sample edge[] = {{0, 1}, {1, 1}, {1 + step, 1}, {2 + step, 1}};
        (void)round_trip(edge, 3 + (bits < 62));
        edge[2].t_ms--;
        (void)round_trip(edge, 3);
    }
}

static void random_walks_come_back(void **state)
{
    (void)state;
    unsigned seed = 42;
    for (int run = 0; run < 200; run++) {
        struct sample in[CHUNK_MAX_SAMPLES];
        int64_t t = 1700000000000;
        double v = 0;
        for (size_t i = 0; i < CHUNK_MAX_SAMPLES; i++) {
            t += 1 + rand_r(&seed) % (run % 2 ? 20000 : 3);
            v = run % 3 ? v + rand_r(&seed) % 100 : from_bits((uint64_t)rand_r(&seed) << run % 34);
            in[i] = (struct sample){t, v};
        }
        (void)round_trip(in, CHUNK_MAX_SAMPLES);
    }
}

static void a_steady_counter_is_small(void **state)
{
    (void)state;
    struct sample in[CHUNK_MAX_SAMPLES];
    for (size_t i = 0; i < CHUNK_MAX_SAMPLES; i++)
        in[i] = (struct sample){1700000000000 + (int64_t)i * 15000, 7};
    assert_true(round_trip(in, CHUNK_MAX_SAMPLES) <= 128 + 22 + 2 * CHUNK_MAX_SAMPLES);
}

static void a_big_chunk_is_full_sooner(void **state)
{
    (void)state;
    struct chunk c;
    struct chunk_tail tail = {0};
    unsigned seed = 1;
    for (int noisy = 0; noisy < 2; noisy++) {
        chunk_init(&c);
        for (int64_t t = 1; !chunk_is_full(&c); t++)
            chunk_append(&c, &tail, t, noisy ? sqrt(rand_r(&seed)) : 1);
        assert_int_equal(c.n, noisy ? CHUNK_MIN_SAMPLES : CHUNK_MAX_SAMPLES);
        chunk_seal(&c);
        assert_true(chunk_memory(&c) <= c.n_bits / 8 + 9);
        chunk_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bit_pattern_comes_back), cmocka_unit_test(any_time_step_comes_back),
        cmocka_unit_test(random_walks_come_back),     cmocka_unit_test(a_steady_counter_is_small),
        cmocka_unit_test(a_big_chunk_is_full_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
