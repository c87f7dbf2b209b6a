/* scrape.h -- what to scrape and how to rewrite its labels: Prometheus's scrape_config, in our
 * hands after validation. All memory belongs to the configuration's arena. */
#ifndef CQED_MODEL_SCRAPE_H
#define CQED_MODEL_SCRAPE_H

#include "codec/regex.h"
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

struct scrape_static {
    const struct str *targets; /* "host:port" */
    size_t n_targets;
    struct labels labels;
};

/* How a peer lets us in; NULL = none. */
struct http_access {
    const char *username, *password, *bearer_token;
    const char *tls_ca_file;
    bool tls_skip_verify;
};

struct scrape_config {
    const char *job_name;
    int64_t interval_ms; /* 15 s */
    int64_t timeout_ms;  /* 10 s, at most the interval */
    const char *metrics_path;
    const char *scheme; /* http or https */
    bool honor_labels;
    bool honor_timestamps;
    const char *username, *password, *bearer_token; /* NULL = none */
    const char *tls_ca_file;
    bool tls_skip_verify;
    struct labels params; /* URL parameters, one value each */
    const struct scrape_static *statics;
    size_t n_statics;
    const char *const *file_sd; /* paths and globs of file service discovery (JSON or YAML) */
    size_t n_file_sd;
    int64_t file_sd_refresh_ms;
    const struct relabel *relabels;
    size_t n_relabels;
    const struct relabel *metric_relabels;
    size_t n_metric_relabels;
    uint64_t body_size_limit; /* bytes; 0 = 64 MiB */
    uint64_t sample_limit;    /* 0 = none; over it the whole scrape fails, as in Prometheus */
    uint64_t label_limit, label_name_length_limit, label_value_length_limit; /* 0 = none */
};

#endif
