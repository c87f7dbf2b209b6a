/* record.h -- what the write-ahead log is made of, as bytes: framing with checksums, series
 * definitions, and the samples of one batch. Format: docs/format/wal.md. Reading trusts nothing. */
#ifndef CQED_STORE_RECORD_H
#define CQED_STORE_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/histogram.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_MAGIC "cQEDWAL"
#define SEGMENT_VERSION 1
#define SEGMENT_HEADER_BYTES 8 /* the magic's 7 bytes, the version's 1 */
#define RECORD_HEADER_BYTES 12
#define RECORD_MAX_BYTES (UINT32_C(256) << 20)

/* Persisted: never renumber. */
enum record_type { RECORD_SERIES = 1, RECORD_SAMPLES = 2, RECORD_EXEMPLARS = 3 };

struct record {
    enum record_type type;
    struct str payload; /* borrowed from what is read */
};

/* X(enumerator, name): what stands at a place of a segment. */
#define RECORD_STATES(X)                                                                           \
    X(RECORD_GOOD, "good")                                                                         \
    X(RECORD_END, "end")                                                                           \
    X(RECORD_TORN, "torn") /* a write that did not finish: cut it */                               \
    X(RECORD_BAD, "bad")   /* a checksum or a type is wrong: quarantine it */

enum record_state {
#define X(code, name) code,
    RECORD_STATES(X)
#undef X
};

const char *record_state_name(enum record_state);

void segment_header_add(struct buf *);
bool segment_header_is_good(struct str segment);

/* Take the record at the front of `rest`; on RECORD_GOOD rest moves behind it. */
enum record_state record_next(struct str *rest, struct record *out);

/* Frame what is added between the two calls. False (ERR_LIMIT) over RECORD_MAX_BYTES. */
size_t record_begin(struct buf *);
MUST_CHECK bool record_end(struct buf *, size_t begin, enum record_type, struct err *);

/* RECORD_SERIES is one definition after the other; a segment numbers them from 0. */
void record_add_series(struct buf *, struct labels);

/* RECORD_SAMPLES is one sample after the other, each told by its difference to the one before. */
struct record_sample {
    uint32_t id; /* the definition's number in the segment */
    bool origin_zero;
    bool may_be_late; /* when it is older than the series' newest, it goes among the late ones */
    int64_t t_ms;
    double v;
    const struct histogram *h; /* instead of v; NULL = a float */
};

struct record_cursor { /* zero-initialised for each record, on both sides */
    uint32_t id;
    int64_t t_ms;
};

/* RECORD_EXEMPLARS is one exemplar after the other, each on its own. */
struct record_exemplar {
    uint32_t id;
    int64_t t_ms;
    double v;
    struct labels labels;
};

void record_add_exemplar(struct buf *, const struct record_exemplar *);
void record_add_sample(struct buf *, struct record_cursor *, const struct record_sample *);

/* Take the next item of a payload. False at the end, and when the bytes make no sense: `bad` tells
 * them apart. Labels are borrowed from the payload, their array is arena memory; so are
 * histograms, which have passed histogram_validate. */
bool record_take_series(struct str *payload, struct arena *, struct labels *out, bool *bad);
bool record_take_exemplar(struct str *payload, struct arena *, struct record_exemplar *out,
                          bool *bad);
bool record_take_sample(struct str *payload, struct record_cursor *, struct arena *,
                        struct record_sample *out, bool *bad);

#endif
