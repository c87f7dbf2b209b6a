/* sample.h -- a value at a time. */
#ifndef CQED_MODEL_SAMPLE_H
#define CQED_MODEL_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sample {
    int64_t t_ms;
    double v;
};

/* The staleness marker of Prometheus: this exact NaN says "the series ended here". */
#define STALE_NAN_BITS UINT64_C(0x7ff0000000000002)

static inline double stale_nan(void)
{
    uint64_t bits = STALE_NAN_BITS;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline bool is_stale_nan(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits == STALE_NAN_BITS;
}

#endif
