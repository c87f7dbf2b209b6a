/* bits.h -- bit fields, most significant bit first, in a byte array. The array must reach
 * BITS_PAD_BYTES behind the last byte in use, so that every access is one of 64 bits. Writing takes
 * over the bits before *at in the byte there and clears what lies behind the written ones; whole
 * bytes before *at are never written again. */
#ifndef CQED_CODEC_BITS_H
#define CQED_CODEC_BITS_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BITS_PAD_BYTES 8
#define BITS_MAX 56 /* bits per call: the first may begin at any of a byte's 8 bits */

static inline void bits_put(uint8_t *bytes, size_t *at, uint64_t value, unsigned count)
{
    uint8_t *p = bytes + *at / 8;
    uint64_t before = *p & (0xff00u >> *at % 8);
    uint64_t word = htobe64((before & 0xff) << 56 | value << (64 - *at % 8 - count));
    memcpy(p, &word, sizeof word);
    *at += count;
}

/* count must be 1 to BITS_MAX. */
static inline uint64_t bits_get(const uint8_t *bytes, size_t *at, unsigned count)
{
    uint64_t word;
    memcpy(&word, bytes + *at / 8, sizeof word);
    word = be64toh(word) << *at % 8 >> (64 - count);
    *at += count;
    return word;
}

/* Up to 64 bits, in two halves. */
static inline void bits_put_wide(uint8_t *bytes, size_t *at, uint64_t value, unsigned count)
{
    if (count > 32) {
        bits_put(bytes, at, value >> 32, count - 32);
        value &= UINT32_MAX;
        count = 32;
    }
    bits_put(bytes, at, value, count);
}

static inline uint64_t bits_get_wide(const uint8_t *bytes, size_t *at, unsigned count)
{
    uint64_t high = 0;
    if (count > 32) {
        high = bits_get(bytes, at, count - 32) << 32;
        count = 32;
    }
    return high | bits_get(bytes, at, count);
}

#endif
