/* remote.h -- another store as a source of PromQL: our engine evaluates, the other hands over
 * series. Blocking: for threads that may wait, never for the loop's.
 *
 *     remoteRead   whoever serves remote read 1.0 (Prometheus, Thanos, Mimir, Cortex): floats and
 *                  native histograms, stale markers included
 *     export       VictoriaMetrics's raw samples, stale markers included; it has no native
 * histograms query        whoever serves Prometheus's query API: raw samples as `selector[range]`
 * gives them; no stale markers, and native histograms are ERR_NOT_IMPLEMENTED folder       the data
 * folder of a Prometheus on this machine (store/foreign.h)
 *
 * Protocols: prometheus.io/docs/prometheus/latest/querying/remote_read_api (answers of the types
 * STREAMED_XOR_CHUNKS and SAMPLES) and .../querying/api; docs.victoriametrics.com, "How to export
 * data in JSON line format". */
#ifndef CQED_REMOTE_REMOTE_H
#define CQED_REMOTE_REMOTE_H

#include "model/source.h"
#include "promql/promql.h"

struct remote_sources;

/* Copies what it needs. A folder that cannot be read now is logged, and opened when it is asked. */
struct remote_sources *remote_sources_new(const struct source_spec *, size_t n);
void remote_sources_free(struct remote_sources *); /* no question may be running */

/* ERR_NOT_FOUND with the names that there are. The source lives as long as they do; any thread. */
MUST_CHECK bool remote_source_find(const struct remote_sources *, const char *name,
                                   struct promql_source *out, struct err *);

/* The answers, each with a fuzz target; memory is the arena's. */
MUST_CHECK bool remote_read_parse(struct arena *, struct str message, struct promql_series **out,
                                  size_t *n, struct err *);
MUST_CHECK bool remote_stream_parse(struct arena *, struct str body, int64_t mint_ms,
                                    int64_t maxt_ms, struct promql_series **out, size_t *n,
                                    struct err *);
MUST_CHECK bool remote_export_parse(struct arena *, struct str lines, struct promql_series **out,
                                    size_t *n, struct err *);
MUST_CHECK bool remote_query_parse(struct arena *, struct str body, struct promql_series **out,
                                   size_t *n, struct err *);

#endif
