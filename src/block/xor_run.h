/* xor_run.h -- the plain stretches of a Gorilla stream of samples, which are nearly all of one: at
 * the usual distance in time, and with a change of value that one load holds.
 *
 *     '0'                                      the usual distance, then
 *       '0'                                    the same value
 *       '1' '0' bits                           a change in the last window
 *       '1' '1' 5 leading, 6 width, bits       a change in a new one (width 0: 64)
 *
 * The head's chunks and Prometheus's in blocks have this in common; what else there may be is their
 * own business. */
#ifndef CQED_BLOCK_XOR_RUN_H
#define CQED_BLOCK_XOR_RUN_H

#include "codec/bits.h"
#include "model/sample.h"

#include <stdbool.h>

struct xor_run {
    const uint8_t *bytes;
    size_t at, end; /* bits; no load begins behind `end`, which leaves room for one of 8 bytes */
    int64_t t_ms, delta_ms;
    uint64_t value;
    uint8_t leading, width; /* the window; width 0 = none yet */
};

#define XOR_RUN_HEAD 3U    /* bits in front of a change */
#define XOR_RUN_WINDOW 11U /* and of a new window */
#define XOR_RUN_WIDEST (57U - XOR_RUN_HEAD - XOR_RUN_WINDOW)

/* At most n samples into `out`, until one is not plain: that one is left, without a trace. */
static inline size_t xor_run_take(struct xor_run *r, struct sample *out, size_t n)
{
    const uint8_t *bytes = r->bytes;
    size_t at = r->at, i = 0;
    uint64_t value = r->value;
    uint64_t t_ms = (uint64_t)r->t_ms, delta_ms = (uint64_t)r->delta_ms;
    unsigned leading = r->leading, width = r->width;
    for (; i < n && at <= r->end; i++) {
        uint64_t word;
        memcpy(&word, bytes + at / 8, sizeof word);
        word = be64toh(word) << at % 8; /* 57 bits are valid */
        unsigned kind = (unsigned)(word >> 61);
        if (kind >= 4)
            break;
        if (kind < 2) {
            at += 2;
        } else {
            unsigned used = XOR_RUN_HEAD, new_leading = leading, new_width = width;
            if (kind == 3) {
                new_leading = (unsigned)(word >> 56) & 31;
                new_width = (unsigned)(word >> 50) & 63;
                used += XOR_RUN_WINDOW;
            }
            if (new_width - 1 >= XOR_RUN_WIDEST || new_leading + new_width > 64)
                break;
            leading = new_leading;
            width = new_width;
            value ^= word << used >> (64 - width) << (64 - leading - width);
            at += used + width;
        }
        t_ms += delta_ms;
        out[i].t_ms = (int64_t)t_ms;
        memcpy(&out[i].v, &value, sizeof value);
    }
    r->at = at;
    r->t_ms = (int64_t)t_ms;
    r->value = value;
    r->leading = (uint8_t)leading;
    r->width = (uint8_t)width;
    return i;
}

#endif
