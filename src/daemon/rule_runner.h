/* rule_runner.h -- the thread that evaluates recording and alerting rules, so that a slow query
 * holds up neither the loop nor a request. It sleeps until a group is due; a new configuration is
 * taken between two groups. Private to daemon/. */
#ifndef CQED_DAEMON_RULE_RUNNER_H
#define CQED_DAEMON_RULE_RUNNER_H

#include "alert/alert.h"
#include "config/config.h"
#include "remote/remote.h"
#include "rules/rules.h"
#include "store/store.h"

struct rule_runner;

struct rule_runner_options {
    struct rules *rules;
    struct store *store;
    struct promql_source source;
    const struct remote_sources *sources;
    struct notifier *notifier;
    const char *external_url; /* when the configuration has none; copied */
};

struct rule_runner *rule_runner_start(const struct rule_runner_options *, struct config *);
/* The loop's thread; never waits. The runner takes its own reference to the configuration. */
void rule_runner_apply(struct rule_runner *, struct config *);
/* Waits for the rule that is under way; a query of it is cancelled. NULL is fine. */
void rule_runner_stop(struct rule_runner *);

#endif
