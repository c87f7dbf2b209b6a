/* remote_write.h -- what the files of the remote write receiver share.
 *
 *     remote_write.c        the request: symbols, series, metadata; what is said of it
 *     remote_write_read.c   one TimeSeries of either message  -> struct rw_series
 *     remote_write_histogram.c, remote_write_exemplar.c    what else a TimeSeries holds
 *     remote_write_store.c  a struct rw_series                -> the store
 *
 * prometheus.WriteRequest is prometheus.io/docs/specs/prw/remote_write_spec; the message of 2.0,
 * io.prometheus.write.v2.Request, is prometheus.io/docs/specs/prw/remote_write_spec_2_0. */
#ifndef CQED_INGEST_REMOTE_WRITE_H
#define CQED_INGEST_REMOTE_WRITE_H

#include "base/buf.h"
#include "ingest/ingest.h"
#include "ingest/protobuf.h"
#include "ingest/remote_histogram.h"
#include "ingest/series_cache.h"
#include "model/labels.h"

#include <pthread.h>

#define RW_MAX_SYMBOLS ((size_t)1 << 20)
#define RW_MAX_LABELS ((size_t)256)          /* of one series */
#define RW_MAX_KEY_BYTES ((size_t)65536)     /* of one series: its names and values */
#define RW_MAX_LABEL_BYTES ((size_t)1 << 27) /* of one request; symbols make few bytes many */
#define RW_MAX_SAMPLES ((size_t)1000000)     /* of one request */

#define RW_TOO_MANY_SAMPLES "limit: the request holds more than 1000000 samples"

struct remote_write {
    struct store *store;
    struct metadata_store *metadata;
    int64_t since_ms;          /* when it began to watch */
    pthread_mutex_t swap_lock; /* guards cache */
    struct series_cache *cache;
};

/* Of both messages. */
enum rw_type {
    RW_UNKNOWN,
    RW_COUNTER,
    RW_GAUGE,
    RW_HISTOGRAM,
    RW_GAUGE_HISTOGRAM,
    RW_SUMMARY,
    RW_INFO,
    RW_STATESET
};

const char *rw_type_name(uint64_t type); /* "" when unknown */

struct rw_sample {
    double v;
    int64_t t_ms;
    int64_t start_ms; /* 0 = not said */
};

/* One TimeSeries. Strings point into the request, or the key into the reader's buffer: they are
 * good until the next one is read. */
struct rw_series {
    struct str key; /* its labels as fields of 1.0's TimeSeries, whichever message it came in */
    const char *refused;       /* why it cannot be taken; NULL = fine so far */
    struct rw_sample *samples; /* the reader's, used again */
    size_t n_samples;
    struct rw_histogram *histograms;
    size_t n_histograms, histogram_capacity;
    struct store_exemplar *exemplars; /* those that are one */
    size_t n_sound_exemplars, exemplar_capacity;
    size_t n_exemplars;    /* that came */
    uint64_t type;         /* of its metadata, which has no name of its own in 2.0 */
    struct str help, unit; /* n == 0 when not said */
};

struct rw_reader {
    struct arena *arena;
    struct str *symbols; /* 2.0 */
    size_t n_symbols, symbol_capacity;
    struct arena scratch; /* histograms and exemplars of the series */
    struct buf key;
    size_t sample_capacity;
    size_t label_bytes; /* of all series so far */
    struct rw_series series;
};

/* Read a TimeSeries into the reader's. False when it is malformed. */
bool rw_read_series(struct rw_reader *, enum remote_write_message, struct str message);

/* One more of the reader's series. False when it is malformed. */
bool rw_read_histogram(struct rw_reader *, struct str message);
bool rw_read_exemplar(struct rw_reader *, enum remote_write_message, struct str message);

/* One request under way. */
struct rw_intake {
    struct remote_write *rw;
    struct series_cache *cache;
    struct store_batch *batch;
    struct remote_write_result *result;
    int64_t now_ms;
    struct arena arena;  /* the request's */
    struct arena labels; /* for as long as one series is made */
    struct rw_reader reader;
    uint32_t last; /* entry that was found, or none */
    size_t n_series;
    uint64_t refused[STORE_LIMIT + 1]; /* samples, by what the store said */
    uint64_t invalid;                  /* samples of series that cannot be */
    uint64_t invalid_series;
    struct buf first; /* what was refused first and why */
};

/* Add the reader's series to the batch. False when its labels are malformed. */
bool rw_store_series(struct rw_intake *);

/* The name of a series' family, as its metadata is kept: a histogram's lost its _bucket. */
struct str rw_family_of(struct str name, uint64_t type);

#endif
