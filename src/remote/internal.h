/* internal.h -- what the files of remote/ share.
 *
 *     remote.c      the sources by name
 *     remote_read.c, read.c, stream.c    remote read: the question, and its two answers
 *     export.c      VictoriaMetrics's export of raw samples
 *     query_api.c   raw samples by the query API
 *     gather.c      series that come in parts, put together
 *     folder.c      a Prometheus's data folder */
#ifndef CQED_REMOTE_INTERNAL_H
#define CQED_REMOTE_INTERNAL_H

#include "io/http_client.h"
#include "remote/remote.h"

#include <pthread.h>

#define REMOTE_MAX_BYTES ((size_t)256 << 20)  /* of an answer, compressed, and not */
#define REMOTE_MAX_SAMPLES UINT64_C(50000000) /* of one question */

struct store_folder;

struct remote_source {
    const char *name;
    enum source_kind kind;
    const char *at;
    int64_t timeout_ms;
    struct http_access access;
    pthread_mutex_t lock; /* guards opening the folder */
    struct store_folder *folder;
};

/* What is asked for. */
struct remote_question {
    const struct matcher *matchers;
    size_t n;
    int64_t mint_ms, maxt_ms;
    int64_t deadline_ns; /* clock_mono_ns; all requests together */
};

/* POST, and 200 or an error that names the source. `body`, `accept_compressed` and the like are the
 * caller's to set; url, time and access are not. */
MUST_CHECK bool remote_fetch(const struct remote_source *, const struct remote_question *,
                             struct arena *, struct http_fetch *, struct http_answer *,
                             struct err *);

typedef bool remote_select(const struct remote_source *, const struct remote_question *,
                           struct arena *, struct promql_series **out, size_t *n, struct err *);
remote_select remote_select_read, remote_select_export, remote_select_query;

/* --- gather.c: the samples of a question, in whatever order and parts they come --- */

struct gather;
/* The samples of one more part of a series. ERR_LIMIT over REMOTE_MAX_SAMPLES of all. */
struct gathered;
struct gathered *gather_series(struct gather *, struct labels);
MUST_CHECK bool gather_add(struct gather *, struct gathered *, struct sample, struct err *);

/* How a kind of source is asked for raw samples, as a form by POST. */
struct gather_way {
    void (*write)(struct buf *form, const struct remote_question *, int64_t from_ms, int64_t to_ms);
    bool (*read)(struct str body, struct gather *, struct err *);
};

/* Asks for [mint, maxt] in windows of a day at most; one whose answer is too large is asked for
 * again in halves. */
MUST_CHECK bool gather_question(const struct remote_source *, const struct remote_question *,
                                const struct gather_way *, struct arena *,
                                struct promql_series **out, size_t *n, struct err *);
/* One answer alone. */
MUST_CHECK bool gather_answer(const struct gather_way *, struct arena *, struct str body,
                              struct promql_series **out, size_t *n, struct err *);

/* {"name": "value", ...} as labels; false when it is not that. Arena memory. */
bool labels_of_json(struct arena *, const json_t *, struct labels *);

/* The selector as it may stand in a form. */
void add_form_selector(struct buf *, const struct remote_question *);

/* read.c: one Label into the builder; false when it is none. */
bool remote_read_label(struct str message, struct labels_builder *);

/* Ascending by time, each time once; returns how many are left. read.c */
size_t samples_in_order(struct sample *, size_t n);

#endif
