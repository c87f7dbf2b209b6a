/* scrape.h -- what to scrape and how to rewrite its labels: Prometheus's scrape_config, in our
 * hands after validation. All memory belongs to the configuration's arena. */
#ifndef CQED_MODEL_SCRAPE_H
#define CQED_MODEL_SCRAPE_H

#include "codec/regex.h"
#include "model/http_access.h"
#include "model/labels.h"

#include <stdint.h>

/* X(enumerator, name in configuration) */
#define RELABEL_ACTIONS(X)                                                                         \
    X(RELABEL_REPLACE, "replace")                                                                  \
    X(RELABEL_KEEP, "keep")                                                                        \
    X(RELABEL_DROP, "drop")                                                                        \
    X(RELABEL_KEEPEQUAL, "keepequal")                                                              \
    X(RELABEL_DROPEQUAL, "dropequal")                                                              \
    X(RELABEL_HASHMOD, "hashmod")                                                                  \
    X(RELABEL_LABELMAP, "labelmap")                                                                \
    X(RELABEL_LABELDROP, "labeldrop")                                                              \
    X(RELABEL_LABELKEEP, "labelkeep")                                                              \
    X(RELABEL_LOWERCASE, "lowercase")                                                              \
    X(RELABEL_UPPERCASE, "uppercase")

enum relabel_action {
#define X(code, name) code,
    RELABEL_ACTIONS(X)
#undef X
};

struct relabel {
    enum relabel_action action;
    const struct str *source_labels;
    size_t n_source_labels;
    struct str separator; /* ";" */
    struct regex *regex;  /* "(.*)" */
    uint64_t modulus;
    struct str target_label;
    struct str replacement; /* "$1" */
};

/* Apply the rules in order to a builder. False: the target or sample is dropped. */
bool relabel_apply(const struct relabel *, size_t n, struct labels_builder *);

/* X(enumerator, name in configuration, media type in Accept) */
#define SCRAPE_PROTOCOLS(X)                                                                        \
    X(SCRAPE_PROTOBUF, "PrometheusProto",                                                          \
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"                   \
      "encoding=delimited;escaping=allow-utf-8")                                                   \
    X(SCRAPE_OPENMETRICS_1, "OpenMetricsText1.0.0",                                                \
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8")                           \
    X(SCRAPE_OPENMETRICS_0, "OpenMetricsText0.0.1", "application/openmetrics-text;version=0.0.1")  \
    X(SCRAPE_TEXT_1, "PrometheusText1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8")       \
    X(SCRAPE_TEXT_0, "PrometheusText0.0.4", "text/plain;version=0.0.4")

enum scrape_protocol {
    SCRAPE_PROTOCOL_NONE,
#define X(code, name, media_type) code,
    SCRAPE_PROTOCOLS(X)
#undef X
};

struct scrape_static {
    const struct str *targets; /* "host:port" */
    size_t n_targets;
    struct labels labels;
};

struct scrape_http_sd {
    const char *url;
    int64_t refresh_ms; /* 60 s */
    struct http_access access;
};

enum scrape_dns_type { SCRAPE_DNS_SRV, SCRAPE_DNS_A, SCRAPE_DNS_AAAA };

struct scrape_dns_sd {
    const char *const *names;
    size_t n_names;
    enum scrape_dns_type type;
    uint16_t port;        /* of A and AAAA */
    const char *resolver; /* "127.0.0.1:53"; NULL = those of the system */
    int64_t refresh_ms;   /* 30 s */
};

struct scrape_config {
    const char *job_name;
    int64_t interval_ms; /* 15 s */
    int64_t timeout_ms;  /* 10 s, at most the interval */
    const char *metrics_path;
    const char *scheme; /* http or https */
    bool honor_labels;
    bool honor_timestamps;
    bool track_timestamps; /* series with a time of their own get stale markers too */
    bool no_compression;
    bool native_histograms;        /* else their classic buckets */
    bool classic_histograms;       /* beside the native ones */
    const char *accept;            /* "Accept: ..."; NULL = OpenMetrics, then text */
    enum scrape_protocol fallback; /* of bodies whose Content-Type says nothing known */
    struct http_access access;
    struct labels params; /* URL parameters, one value each */
    const struct scrape_static *statics;
    size_t n_statics;
    const char *const *file_sd; /* paths and globs of file service discovery (JSON or YAML) */
    size_t n_file_sd;
    int64_t file_sd_refresh_ms;
    const struct scrape_http_sd *http_sd;
    size_t n_http_sd;
    const struct scrape_dns_sd *dns_sd;
    size_t n_dns_sd;
    const struct relabel *relabels;
    size_t n_relabels;
    const struct relabel *metric_relabels;
    size_t n_metric_relabels;
    uint64_t body_size_limit; /* bytes; 0 = 64 MiB */
    uint64_t target_limit;    /* 0 = none; over it no target of the job is scraped */
    uint64_t sample_limit;    /* 0 = none; over it the whole scrape fails, as in Prometheus */
    uint64_t label_limit, label_name_length_limit, label_value_length_limit; /* 0 = none */
};

#endif
