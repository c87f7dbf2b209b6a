/* num.h -- numbers as text, the same in every locale, and the units people write. */
#ifndef CQED_BASE_NUM_H
#define CQED_BASE_NUM_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A Go/Prometheus float: decimal, exponent, hex float, Inf, +Inf, -Inf, NaN (any case). The whole
 * of `s` must be the number, of at most 127 bytes. Correctly rounded; about 10 ns for plain
 * decimals. */
bool num_parse_double(struct str s, double *out);
bool num_parse_i64(struct str s, int64_t *out);
bool num_parse_u64(struct str s, uint64_t *out);

/* Shortest text that reads back as the same double. num_add_double follows Prometheus's JSON
 * ('f' form, 'e' if |x| < 1e-6 or >= 1e21; NaN, +Inf, -Inf); num_add_json follows
 * ECMAScript ("1e-7" where Prometheus has "1e-07") and is for finite values (CHECKed). */
void num_add_double(struct buf *, double);
void num_add_json(struct buf *, double);

/* Durations: Prometheus syntax "1h30m", "90s", "250ms", units ms s m h d w y (y = 365d), biggest
 * first, each once. A bare "0" is allowed. Result in milliseconds; false on anything else or
 * overflow. */
bool num_parse_duration_ms(struct str s, int64_t *out);
void num_add_duration(struct buf *, int64_t ms); /* "1h30m", "250ms", "0s" */

/* Ratios: "0.1%" or "0.001" -> 0.001. Sizes: "512Mi", "10MB", "4096" -> bytes (Ki Mi Gi Ti, k M G
 * T, each with an optional B). */
bool num_parse_ratio(struct str s, double *out);
bool num_parse_size(struct str s, uint64_t *out);

#endif
