#include "base/hash.h"

#include <pthread.h>
#include <string.h>

static uint64_t load64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Both halves of a 64x64 product, folded: the mixing step of Wang Yi's wyhash (2019). */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash64(const void *data, size_t size_bytes, uint64_t seed)
{
    /* Odd constants with 32 bits set, so that no input word is multiplied away. */
    static const uint64_t k0 = UINT64_C(0xa0761d6478bd642f), k1 = UINT64_C(0xe7037ed1a0b428db),
                          k2 = UINT64_C(0x8ebc6af09c88c6e3);
    const unsigned char *p = data;
    size_t left = size_bytes;
    uint64_t h = seed ^ k0;

    for (; left > 16; p += 16, left -= 16)
        h = mix(load64(p) ^ k1, load64(p + 8) ^ h);
    unsigned char tail[16] = {0};
    if (left > 0)
        memcpy(tail, p, left);
    h = mix(load64(tail) ^ k1, load64(tail + 8) ^ h);
    return mix(h ^ k2, (uint64_t)size_bytes ^ k1);
}

/* --- XXH64 --- */

#define XXH_1 UINT64_C(0x9e3779b185ebca87)
#define XXH_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define XXH_3 UINT64_C(0x165667b19e3779f9)
#define XXH_4 UINT64_C(0x85ebca77c2b2ae63)
#define XXH_5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static uint64_t xxh_round(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * XXH_2, 31) * XXH_1;
}

/* Stripes of 32 bytes go through four lanes, which then become one. */
static uint64_t xxh_stripes(const unsigned char **p, size_t *left, uint64_t seed)
{
    uint64_t lanes[] = {seed + XXH_1 + XXH_2, seed + XXH_2, seed, seed - XXH_1};
    for (; *left >= 32; *p += 32, *left -= 32) {
        for (size_t i = 0; i < 4; i++)
            lanes[i] = xxh_round(lanes[i], load64(*p + 8 * i));
    }
    uint64_t h =
        rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (size_t i = 0; i < 4; i++)
        h = (h ^ xxh_round(0, lanes[i])) * XXH_1 + XXH_4;
    return h;
}

uint64_t hash_xxh64(const void *data, size_t size_bytes, uint64_t seed)
{
    const unsigned char *p = data;
    size_t left = size_bytes;
    uint64_t h = size_bytes >= 32 ? xxh_stripes(&p, &left, seed) : seed + XXH_5;
    h += size_bytes;
    for (; left >= 8; p += 8, left -= 8)
        h = rotate(h ^ xxh_round(0, load64(p)), 27) * XXH_1 + XXH_4;
    if (left >= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        h = rotate(h ^ word * XXH_1, 23) * XXH_2 + XXH_3;
        p += 4;
        left -= 4;
    }
    for (; left > 0; p++, left--)
        h = rotate(h ^ *p * XXH_5, 11) * XXH_1;
    h = (h ^ h >> 33) * XXH_2;
    h = (h ^ h >> 29) * XXH_3;
    return h ^ h >> 32;
}

#define CRC32C_POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t crc_table[256];

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = (c >> 1) ^ ((c & 1) ? CRC32C_POLYNOMIAL : 0);
        crc_table[i] = c;
    }
}

static uint32_t crc_portable(uint32_t c, const unsigned char *p, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_table);
    for (; n > 0; p++, n--)
        c = crc_table[(c ^ *p) & 0xff] ^ (c >> 8);
    return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t c, const unsigned char *p,
                                                            size_t n)
{
    uint64_t wide = c;
    for (; n >= 8; p += 8, n -= 8)
        wide = __builtin_ia32_crc32di(wide, load64(p));
    c = (uint32_t)wide;
    for (; n > 0; p++, n--)
        c = __builtin_ia32_crc32qi(c, *p);
    return c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size_bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_sse42(~crc, data, size_bytes);
#endif
    return ~crc_portable(~crc, data, size_bytes);
}
