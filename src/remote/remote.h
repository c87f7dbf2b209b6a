/* remote.h -- an existing Prometheus (or Thanos, Mimir, Cortex: whatever serves remote read 1.0) as
 * a source of PromQL: our engine evaluates, the other hands over series. Blocking: for threads that
 * may wait, never for the loop's. Protocol:
 * prometheus.io/docs/prometheus/latest/querying/remote_read_api, answers of the type SAMPLES.
 * Native histograms in an answer are refused.
 *
 * VictoriaMetrics serves no remote read and is no such source. */
#ifndef CQED_REMOTE_REMOTE_H
#define CQED_REMOTE_REMOTE_H

#include "model/source.h"
#include "promql/promql.h"

struct remote_sources;

/* Copies what it needs. */
struct remote_sources *remote_sources_new(const struct source_spec *, size_t n);
void remote_sources_free(struct remote_sources *);

/* ERR_NOT_FOUND with the names that there are. The source lives as long as they do; any thread. */
MUST_CHECK bool remote_source_find(const struct remote_sources *, const char *name,
                                   struct promql_source *out, struct err *);

/* The series of a ReadResponse; memory is the arena's. Exposed for its fuzz target. */
MUST_CHECK bool remote_read_parse(struct arena *, struct str message, struct promql_series **out,
                                  size_t *n, struct err *);

#endif
