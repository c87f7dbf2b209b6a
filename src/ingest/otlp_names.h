/* otlp_names.h -- OpenTelemetry's names as Prometheus's (opentelemetry.io/docs/specs/otel,
 * "Prometheus and OpenMetrics Compatibility", OTLP metric points to Prometheus). */
#ifndef CQED_INGEST_OTLP_NAMES_H
#define CQED_INGEST_OTLP_NAMES_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* What of a metric's type shows in its name. */
enum otlp_suffix { OTLP_SUFFIX_NONE, OTLP_SUFFIX_TOTAL, OTLP_SUFFIX_RATIO };

/* "http.server.duration" in "s" -> http_server_duration_seconds; in "{call}", counted ->
 * ..._total; OTLP_SUFFIX_RATIO only shows when the unit is "1". Appends; false when the name has
 * no character that a metric's name can have. */
bool otlp_metric_name(struct buf *out, struct str name, struct str unit, enum otlp_suffix);

/* The unit alone: "By/s" -> bytes_per_second, "{call}" -> nothing. */
void otlp_unit_name(struct buf *out, struct str unit);

/* "http.status_code" -> http_status_code; "1st" -> key_1st. Appends at least one character. */
void otlp_label_name(struct buf *out, struct str key);

#endif
