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
