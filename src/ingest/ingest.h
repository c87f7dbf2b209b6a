/* ingest.h -- telemetry in: exposition formats, OTLP and remote write become samples in the store,
 * and the scrape manager asks targets for them. Decoders are bounded, zero-copy where they can be,
 * and fuzzed. */
#ifndef CQED_INGEST_INGEST_H
#define CQED_INGEST_INGEST_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "codec/json.h"
#include "io/http_client.h"
#include "io/loop.h"
#include "model/scrape.h"
#include "store/store.h"

#include <stdint.h>

/* --- Metadata: type, help and unit by metric family, as last seen. Any thread. --- */
struct metadata_store;
struct metadata_store *metadata_store_new(void);
void metadata_store_free(struct metadata_store *);
/* What a sender says of a family. An empty text says nothing: what is known of it stays. Only the
 * first 100,000 families are remembered, and the first 4 KiB of a help text. */
void metadata_store_put(struct metadata_store *, struct str family, struct str type,
                        struct str help, struct str unit);
/* {"family":[{"type":"counter","help":"...","unit":""}],...}; name NULL = all, limit 0 = no limit.
 */
void metadata_store_json(struct metadata_store *, const char *name, size_t limit,
                         struct json_writer *);

/* --- Freshness: how long after its event a sample can be seen, and up to when all is, by source: a
 * target, a service that sends OTLP, a sender of remote write. Any thread. --- */
struct freshness;

/* X(enumerator, name) */
#define FRESHNESS_KINDS(X)                                                                         \
    X(FRESHNESS_SCRAPE, "scrape")                                                                  \
    X(FRESHNESS_OTLP, "otlp")                                                                      \
    X(FRESHNESS_REMOTE_WRITE, "remote_write")

enum freshness_kind {
#define X(code, name) code,
    FRESHNESS_KINDS(X)
#undef X
};
const char *freshness_kind_name(enum freshness_kind);

struct freshness *freshness_new(void);
void freshness_free(struct freshness *);

/* Something of a source has become visible at visible_ms, its newest event being of newest_ms.
 * interval_ms: between two such; 0 = it is learned. Only 10,000 sources are known at a time; one
 * that was not heard for an hour makes room. */
void freshness_note(struct freshness *, enum freshness_kind, struct str job, struct str instance,
                    int64_t newest_ms, int64_t visible_ms, int64_t interval_ms);
/* It is not expected any more: its target was removed. */
void freshness_forget(struct freshness *, enum freshness_kind, struct str job, struct str instance);

/* The time of its newest visible event, of whatever kind it is; 0 = no such source. */
int64_t freshness_newest(struct freshness *, struct str job, struct str instance);

#define FRESHNESS_BOUNDS 13
extern const double freshness_bounds[FRESHNESS_BOUNDS]; /* seconds, ascending, without +Inf */

struct freshness_source {
    enum freshness_kind kind;
    struct str job, instance;
    int64_t newest_ms, visible_ms, interval_ms;
    int64_t watermark_ms; /* everything up to here is visible, as far as one can know: a target's
                             last good scrape; what is pushed: newest less an interval */
    double sum_seconds;
    uint64_t count, buckets[FRESHNESS_BOUNDS]; /* of each bucket alone */
};
/* All of them, ordered by kind, job and instance. */
void freshness_list(struct freshness *, struct arena *, struct freshness_source **out, size_t *n);

/* --- Scraping (control thread). --- */
struct scrape_manager;
struct scrape_manager *scrape_manager_new(struct loop *, struct http_client *, struct store *,
                                          struct metadata_store *);
void scrape_manager_free(struct scrape_manager *);

/* Make the running targets those of these configs: unchanged targets go on undisturbed, removed
 * ones end with stale markers. The configs are borrowed until the next call. */
void scrape_manager_apply(struct scrape_manager *, const struct scrape_config *, size_t n);

struct target_status {
    const char *job, *instance, *url;
    struct labels labels;
    struct labels discovered;
    bool up;
    const char *last_error; /* "" when fine */
    int64_t last_scrape_ms; /* 0 = not yet */
    int64_t last_duration_ms;
    uint64_t samples;
    int64_t interval_ms;
};
void scrape_manager_targets(struct scrape_manager *, struct arena *, struct target_status **out,
                            size_t *n);
/* Say there when a scrape becomes visible; NULL = nowhere. */
void scrape_manager_set_freshness(struct scrape_manager *, struct freshness *);
/* Scrapes that were left out because the store could not take more (store_accepts). */
uint64_t scrape_manager_skipped(const struct scrape_manager *);

/* What relabeling dropped, at most 1,000 of them; valid until the loop goes on. */
struct dropped_target {
    const char *job;
    struct labels discovered;
};
void scrape_manager_dropped(const struct scrape_manager *, const struct dropped_target **out,
                            size_t *n);

/* --- Exposition text, for the scraper, the fuzzer and `cqed check metrics`. --- */
enum exposition_format { EXPOSITION_TEXT_004, EXPOSITION_OPENMETRICS_1, EXPOSITION_PROTOBUF };

/* By Content-Type; false when it says nothing known (Prometheus 3's rule). */
bool exposition_format_of(const char *content_type, enum exposition_format *out);

/* One parsed sample, valid for the call. labels point into the text or the arena. t_ms is INT64_MIN
 * when the line has no timestamp. */
struct exposition_sample {
    struct str name;
    struct labels labels; /* without the name, sorted */
    double v;
    int64_t t_ms;
};
struct exposition_sink {
    void *self;
    bool (*sample)(void *self, const struct exposition_sample *, struct err *); /* false stops */
    void (*meta)(void *self, struct str family, struct str type, struct str help, struct str unit);
};
/* Parses the whole text, which is not protobuf. ERR_BAD_INPUT names line and what is wrong. */
MUST_CHECK bool exposition_parse(enum exposition_format, struct str text, struct arena *,
                                 const struct exposition_sink *, struct err *);

/* Strictly, for `cqed check metrics`: every problem with its line and column goes to diags, in no
 * order. Errors are what the format forbids, warnings what it advises against, names included. */
void exposition_check(enum exposition_format, const char *path, struct str text,
                      struct diag_list *);

/* --- OTLP metrics (HTTP threads). ---
 * Names follow OpenTelemetry's rules for Prometheus: http.server.request.duration in "s" becomes
 * http_server_request_duration_seconds. Labels of a series, the first to name one winning:
 *
 *     job, instance     service.namespace/service.name and service.instance.id of the resource
 *     otel_scope_*      name, version, schema_url and attributes of the scope
 *     the attributes    of the point
 *     version           service.version of the resource: `cohorts: {label: version}` needs no more
 *
 * The resource's other attributes are labels of target_info. Delta temporality is added up into
 * cumulative series. A new counter counts from 0 when its start time lies in our watch, or two
 * earlier exports of its instance lacked it; a restarted one, told by its start time, does again.
 * ExponentialHistogram becomes a native histogram; one that is delta and has another layout than
 * the series meets it at the coarser one. */
struct otlp;
struct otlp *otlp_new(struct store *, struct metadata_store *,
                      int64_t now_ms); /* watches from now */
void otlp_free(struct otlp *);
void otlp_set_freshness(struct otlp *, struct freshness *); /* before the first request */
/* ExponentialHistogram becomes classic buckets at the powers of two from 2^-14 to 2^30 instead;
 * before the first request. */
void otlp_keep_classic(struct otlp *);

struct otlp_result {
    uint64_t accepted; /* data points */
    uint64_t rejected;
    uint64_t limited;  /* of those: for lack of room, which may be there later */
    char message[256]; /* why some were rejected, naming the first; "" when none */
};
/* Decode an ExportMetricsServiceRequest and append it. now_ms is the receive time. False: nothing
 * was taken (malformed: ERR_BAD_INPUT; the store cannot write: ERR_IO). Partial success is true
 * with rejected > 0. */
MUST_CHECK bool otlp_metrics_protobuf(struct otlp *, struct str body, int64_t now_ms,
                                      struct otlp_result *, struct err *);
MUST_CHECK bool otlp_metrics_json(struct otlp *, struct str body, int64_t now_ms,
                                  struct otlp_result *, struct err *);

enum otlp_encoding { OTLP_PROTOBUF, OTLP_JSON };
enum otlp_signal { OTLP_METRICS, OTLP_TRACES, OTLP_LOGS };
#define OTLP_SIGNALS 3

/* The same for a request of any signal. Spans and log records are not stored yet: all are rejected,
 * and the message says so; only a malformed request is an error. */
MUST_CHECK bool otlp_take(struct otlp *, enum otlp_signal, enum otlp_encoding, struct str body,
                          int64_t now_ms, struct otlp_result *, struct err *);
/* How many points, spans or log records otlp_take has taken and refused so far. */
void otlp_counts(const struct otlp *, enum otlp_signal, uint64_t *accepted, uint64_t *rejected);

/* --- Prometheus remote write, 1.0 and 2.0 (HTTP threads). ---
 * Samples, stale markers among them, and metadata are taken as they are. A start timestamp that
 * lies in our watch says that its counter stood at 0 then; one that is newer than what the series
 * has says that it restarted. Refused, while the rest of the request is taken: what is out of
 * order, conflicts or lies over 10 minutes ahead, series whose labels are none, and native
 * histograms that do not hold together (schemas 9 to 52 become 8). An exemplar that cannot be kept
 * refuses nothing. A sample that is there already is fine: senders repeat what nobody answered. */
struct remote_write;
struct remote_write *remote_write_new(struct store *, struct metadata_store *,
                                      int64_t now_ms); /* watches from now */
void remote_write_free(struct remote_write *);

enum remote_write_message {
    REMOTE_WRITE_1, /* prometheus.WriteRequest */
    REMOTE_WRITE_2  /* io.prometheus.write.v2.Request */
};
/* By Content-Type; false when it is another. */
bool remote_write_message_of(const char *content_type, enum remote_write_message *out);

struct remote_write_result {
    uint64_t samples, histograms, exemplars;                         /* in the request */
    uint64_t samples_written, histograms_written, exemplars_written; /* taken or there already */
    int64_t newest_ms; /* of what was written; 0 = nothing */
    bool limited;      /* all that was refused was for lack of room, which may be there later */
    char message[640]; /* how much was refused and why, naming the first; "" when nothing was */
};
/* Append a message that is decompressed already. now_ms is the receive time. False: nothing was
 * taken (malformed: ERR_BAD_INPUT, too much: ERR_LIMIT, the store cannot write: ERR_IO). */
MUST_CHECK bool remote_write_append(struct remote_write *, enum remote_write_message,
                                    struct str body, int64_t now_ms, struct remote_write_result *,
                                    struct err *);

#endif
