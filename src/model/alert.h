/* alert.h -- what the rules tell the Alertmanagers, and where those are. */
#ifndef CQED_MODEL_ALERT_H
#define CQED_MODEL_ALERT_H

#include "model/labels.h"
#include "model/scrape.h"

#include <stdint.h>

struct alert {
    struct labels labels;
    struct labels annotations;
    int64_t starts_ms;
    int64_t ends_ms;    /* resolved then; in the future: firing, and good until then */
    const char *source; /* URL of what made it; "" when not known */
};

/* One entry of alerting.alertmanagers: several addresses reached in one way. */
struct alertmanager_config {
    const char *scheme;      /* http or https */
    const char *path_prefix; /* "" or "/x" */
    int64_t timeout_ms;
    struct http_access access;
    const struct str *targets; /* "host:port" */
    size_t n_targets;
};

struct alerting_config {
    const struct alertmanager_config *managers;
    size_t n_managers;
    const struct relabel *relabels; /* alert_relabel_configs */
    size_t n_relabels;
    struct labels external_labels;
    const char *external_url; /* "" when not known */
    size_t queue;             /* alerts that may wait, each manager */
};

#endif
