/* otlp_internal.h -- what the files of the OTLP translator share.
 *
 *     otlp_proto*.c, otlp_json.c --points--> otlp_intake.c (resource, scope, metric)
 *                                                         otlp_append.c (point) --> the store
 *
 * with otlp_labels.c for the labels of what is new, otlp_values.c for a point's numbers and
 * otlp_native.c for native histograms.
 *
 * Locks, in this order: `adding` > a cache's > the store's. */
#ifndef CQED_INGEST_OTLP_INTERNAL_H
#define CQED_INGEST_OTLP_INTERNAL_H

#include "base/buf.h"
#include "ingest/key_cache.h"
#include "ingest/otlp_points.h"
#include "model/labels.h"

#include <pthread.h>
#include <stdatomic.h>

#define OTLP_MAX_LABEL_BYTES 65536             /* of one series, names and values */
#define OTLP_MAX_NAME_BYTES 1024               /* of a metric */
#define OTLP_MAX_SAMPLES ((size_t)4000000)     /* of one request */
#define OTLP_MAX_FAMILIES ((size_t)100000)     /* new resources, scopes, metrics of one request */
#define OTLP_MAX_VALUES (OTLP_MAX_BUCKETS + 3) /* count, sum, +Inf and the others */

struct otlp {
    struct store *store;
    struct metadata_store *metadata;
    struct freshness *freshness; /* or NULL */
    int64_t since_ms;            /* when it began to watch */
    bool classic_exponentials;
    pthread_mutex_t adding; /* held by a request with differences, from the first to its commit */
    pthread_mutex_t swap_lock; /* guards cache */
    struct key_cache *cache;
    _Atomic uint64_t accepted[OTLP_SIGNALS], rejected[OTLP_SIGNALS];
};

/* Cache entries. What cannot be taken is remembered too, with why; what is below it says the same.
 */
struct otlp_resource {
    const char *refused;    /* NULL = fine */
    struct labels identity; /* job, instance: what there is of them */
    struct str version;     /* empty when the resource does not say */
    /* target_info's series, 0 = none, and the store's epoch from which on it is good: both guarded
     * by the cache's lock. */
    uint64_t info_ref, epoch;
};

struct otlp_scope_labels {
    const char *refused;
    const struct otlp_resource *resource;
    struct labels labels;
};

struct otlp_family {
    const struct otlp_scope_labels *scope;
    struct str name;     /* of the series, without _count and the like */
    const char *refused; /* why none of its points can be taken */
    enum otlp_kind kind;
    bool counter, delta;
    bool native; /* its points are one histogram each, not counters */
    /* The times of the last two exports with points of it, 0 = none: a series that was in neither
     * began after the newer one. Guarded by the cache's lock. */
    int64_t newest_ms, before_ms;
};

struct otlp_stream {
    uint64_t epoch; /* of the store, from which on refs are good; guarded by the cache's lock */
    size_t n;
    uint64_t refs[];
};

/* Labels, in the arena and borrowing from the input: of a resource, of a scope, of a series (but
 * for its name and bound). NULL or why they cannot be. */
const char *otlp_resource_labels(struct arena *, const struct otlp_attributes *,
                                 struct otlp_resource *, struct labels *target_info);
const char *otlp_scope_build(struct arena *, const struct otlp_scope *, struct labels *);
const char *otlp_series_labels(struct arena *, const struct otlp_family *,
                               const struct otlp_attributes *, struct labels *);

/* What the series of a point are to hold, in the order of otlp_component's: NULL or why the point
 * makes no sense. */
const char *otlp_point_values(const struct otlp_family *, const struct otlp_point *, double *values,
                              size_t *n);

/* The i-th series of a point: the suffix of its name, and its bound as a label or an empty name. */
struct otlp_component {
    const char *suffix;
    const char *label; /* "le", "quantile"; NULL = none */
    double bound;
    bool counter;
};
struct otlp_component otlp_component_of(const struct otlp_family *, const struct otlp_point *,
                                        size_t i);
size_t otlp_n_components(const struct otlp_family *, const struct otlp_point *);

/* A metric whose export is noted when the request is committed. */
struct otlp_seen {
    struct otlp_family *family;
    int64_t t_ms;
};

/* A resource that is known to be visible once the request is committed. */
struct otlp_heard {
    const struct otlp_resource *resource;
    int64_t newest_ms;
};

struct otlp_intake {
    struct otlp *otlp;
    struct key_cache *cache;
    struct store_batch *batch;
    struct otlp_result *result;
    int64_t now_ms;
    bool adding;         /* holds otlp->adding */
    struct arena arena;  /* the request's */
    struct arena labels; /* for as long as one entry is made */
    struct buf key;
    size_t n_samples, n_families;

    /* What is under way; NULL when the request named too many. */
    struct otlp_resource *resource;
    struct otlp_scope_labels *scope;
    struct otlp_family *family;
    uint32_t resource_id, scope_id, family_id;
    uint64_t info_ref; /* the resource's, as this batch knows it */
    int64_t resource_newest_ms;
    int64_t family_newest_ms; /* in this request */
    int64_t absent_ms;        /* a series that is new was not there at this time; 0 = unknown */
    char name[101];           /* of the metric, for messages */

    struct otlp_heard *heard; /* resources with points that were taken */
    size_t n_heard, heard_capacity;
    struct otlp_seen *seen;
    size_t n_seen, seen_capacity;
    double values[OTLP_MAX_VALUES];
    struct arena points;            /* histograms of the point under way */
    const struct histogram *native; /* it, when its family is native */
};

/* Of a point. */
struct otlp_timing {
    int64_t start_ms; /* 0 = not said, or useless */
    int64_t t_ms;
    bool delta;
};

/* When a series that the store does not know stood at 0; 0 = that is not known. */
int64_t otlp_began_at(const struct otlp_intake *, const struct otlp_timing *);

/* What cannot be kept refuses nothing. */
void otlp_put_exemplars(struct otlp_intake *, const struct otlp_point *,
                        const struct otlp_stream *);

/* NULL or why the point is no native histogram; it lives in the arena. */
const char *otlp_native_histogram(struct arena *, const struct otlp_point *,
                                  const struct histogram **);
enum store_result otlp_put_native(struct otlp_intake *, uint64_t ref, const struct otlp_timing *);

/* Keys of the cache: every string has its length in front, so that no two inputs make the same
 * bytes. */
void otlp_key_begin(struct otlp_intake *, char level, uint32_t parent);
void otlp_key_str(struct otlp_intake *, struct str);
void otlp_key_attributes(struct otlp_intake *, const struct otlp_attributes *);

#endif
