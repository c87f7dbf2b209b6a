/* config.h -- what an operator and the teams wrote, read whole and checked whole. One cqed.yaml
 * names storage, address, scrape_configs and the folders with policies; every problem in all files
 * is reported at once, each with file:line:column, and a configuration with any error is not used
 * at all. Manual: docs/manual/configuration.md. */
#ifndef CQED_CONFIG_CONFIG_H
#define CQED_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/diag.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "model/alert.h"
#include "model/policy.h"
#include "model/scrape.h"
#include "model/slo.h"
#include "model/source.h"
#include "rules/rules.h"

#include <stdbool.h>
#include <stdint.h>

/* Ports for OTLP alone; NULL = not wanted. */
struct otlp_ports {
    const char *grpc, *http;
    const char *tls_cert_file, *tls_key_file; /* of both; both or neither */
    bool classic_exponentials; /* exponential histograms as classic buckets, not native ones */
};

/* One of Kayenta's, from a file of its own; its id is the file's name without .json. */
struct canary_config {
    const char *id;
    const json_t *json; /* checked by kayenta_check_config */
};

/* How many series each owner, a value of `label`, may have; 0 = as many as it likes. */
struct quota_spec {
    const char *label; /* NULL = no quotas */
    uint64_t series;   /* of whoever is not named */
    const struct quota_of {
        const char *owner;
        uint64_t series;
    } * own;
    size_t n_own;
};

/* The keys under `query`: what one query may take, and how many run at once. */
struct query_settings {
    int64_t timeout_ms;
    uint64_t max_samples;
    uint64_t max_memory_bytes;
    int64_t max_concurrency;
    bool stable_only;      /* experimental: false; HTTP queries in PromQL that may change fail */
    int64_t slow_ms;       /* slowLog.threshold; 0 = none is logged */
    const char *slow_path; /* slowLog.file; NULL = the program's log */
};

struct config {
    unsigned refs;      /* atomic; see config_ref */
    struct arena arena; /* owns everything below */
    const char *path;   /* of cqed.yaml; NULL when there is none */
    const char *shown;  /* what it says, as JSON (which is YAML), secrets masked */
    const char *listen;
    const char *data_path; /* storage.path */
    int64_t flush_ms;
    bool fsync_always;
    int64_t snapshot_ms;   /* at least so long between two of the head; 0 = none */
    uint64_t memory_bytes; /* storage.memory; 0 = no budget */
    struct otlp_ports otlp;
    int64_t exemplars;        /* how many are kept */
    int64_t retention_ms;     /* 0 = for ever */
    uint64_t retention_bytes; /* of blocks and log; 0 = any */
    bool admin_api;           /* deleting series and taking snapshots over HTTP */
    int64_t out_of_order_ms;  /* 0 = no late samples */
    struct quota_spec quotas;
    const struct scrape_config *scrapes;
    size_t n_scrapes;
    const struct slo_spec *slos;
    size_t n_slos;
    const struct rollout_policy *rollouts;
    size_t n_rollouts;
    const struct gate_policy *gates;
    size_t n_gates;
    const struct canary_config *canaries;
    size_t n_canaries;
    struct query_settings query;
    const struct source_spec *sources; /* telemetry.sources */
    size_t n_sources;
    const struct rule_group *rule_groups;
    size_t n_rule_groups;
    int64_t resend_ms;               /* rules.resendDelay */
    int64_t for_grace_ms;            /* rules.forGracePeriod */
    int64_t for_outage_tolerance_ms; /* rules.forOutageTolerance */
    int64_t anomaly_every_ms;        /* anomaly.oneFalseAlarmIn, a service */
    struct alerting_config alerting;
    struct sha256 digest; /* over the bytes of all files, in the order they were read */
};

/* Read cqed.yaml and everything it names. NULL path: the defaults, with no policies. Problems go to
 * diags; NULL when any of them is an error. The caller frees with config_free. */
struct config *config_load(const char *path, struct diag_list *);

/* Check files and folders of policies alone, without a cqed.yaml (cqed check policies/). Same
 * rules. */
struct config *config_load_policies(const char *const *paths, size_t n, struct diag_list *);

/* Gives a reference back, the last of them frees it; NULL is fine. config_ref takes one more, for
 * a thread that may still use it when the next configuration is there. */
void config_free(struct config *);
struct config *config_ref(struct config *);

/* NULL when there is none of that name. */
const struct slo_spec *config_find_slo(const struct config *, const char *name);
const struct rollout_policy *config_find_rollout(const struct config *, const char *service);
const struct gate_policy *config_find_gate(const struct config *, const char *name);

/* The cohort label of a service: its rollout policy's, else "version". */
const char *config_cohort_label(const struct config *, const char *service);

#endif
