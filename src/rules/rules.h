/* rules.h -- recording and alerting rules: Prometheus's rule files, and their evaluation with
 * Prometheus's semantics (rules/ of prometheus/prometheus is the reference):
 *
 *            true            `for` is over           gone
 *   inactive ----> pending ----------------> firing -----> resolved (kept 15 min, told again)
 *      ^              |  gone                   ^  gone, within keep_firing_for: stays
 *      +--------------+
 *
 * Rules of a group are evaluated one after another, so that one sees what those before it wrote.
 * What goes in and out goes through struct rule_world; nothing here knows the store, the network
 * or the clock. Manual: docs/manual/alerting.md.
 *
 * Threads: one at a time may evaluate and apply; rules_view and rules_alerts_view may run on any
 * thread at any time. */
#ifndef CQED_RULES_RULES_H
#define CQED_RULES_RULES_H

#include "base/arena.h"
#include "base/diag.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "model/alert.h"
#include "promql/promql.h"

#include <stdint.h>

struct template;

/* --- Rules as written --- */

/* A label or annotation of a rule; template is NULL in a recording rule. */
struct rule_text {
    struct str name;
    struct str text;
    const struct template *template;
};

struct rule {
    bool alerts; /* else it records */
    const char *name;
    const char *query; /* as promql_print has it */
    const struct promql_expr *expr;
    int64_t for_ms, keep_firing_ms;
    const struct rule_text *labels;
    size_t n_labels;
    const struct rule_text *annotations;
    size_t n_annotations;
};

struct rule_group {
    const char *file;
    const char *name;
    int64_t interval_ms;
    int64_t query_offset_ms;
    int64_t limit;      /* of series or alerts a rule; 0 = none */
    const char *source; /* what its rules ask; NULL = the embedded store. Not Prometheus's */
    int line;           /* in the file */
    const struct rule *rules;
    size_t n_rules;
};

struct rule_defaults {
    int64_t interval_ms, query_offset_ms;
    bool stable_only; /* what is experimental in PromQL is an error */
};

/* The groups of one parsed file, appended to *groups (an arena array). Problems go to diags, each
 * with its place. */
void rules_read(struct arena *, const char *file, struct yaml_node *document,
                const struct rule_defaults *, struct rule_group **groups, size_t *n,
                size_t *capacity, struct diag_list *);

/* --- What evaluation needs of the world --- */

struct rule_sample {
    struct labels labels;
    int64_t t_ms;
    double v;                          /* stale marker: the series ended */
    const struct histogram *histogram; /* instead of v when not NULL */
};

struct rule_world {
    void *self;
    struct promql_source source;
    struct promql_options options; /* the deadline is set for each query */
    int64_t timeout_ms;            /* of a query; 0 = none */
    /* What a group's `source` names; NULL: everything is asked of `source` above. */
    bool (*find_source)(void *self, const char *name, struct promql_source *out, struct err *);
    struct labels external_labels;
    const char *external_url;
    int64_t resend_ms;           /* a firing alert is told again after so long */
    int64_t grace_ms;            /* least `for` that is restored; least wait after a restart */
    int64_t outage_tolerance_ms; /* longer outages restore nothing */
    /* The samples of one rule, visible when it returns. */
    bool (*write)(void *self, const struct rule_sample *, size_t n, struct err *);
    /* Alerts to be told; borrowed for the call. NULL: nobody is told. */
    void (*notify)(void *self, const struct alert *, size_t n);
};

/* --- Evaluation --- */

struct rules;

struct rules *rules_new(void);
void rules_free(struct rules *);

/* Take these groups from now on; state of rules that stay the same goes on, series of those that
 * went end (written as stale at now_ms). Groups, and what they point to, are borrowed until the
 * next apply or rules_free. restore: alerts with `for` wait for rules_restore before they show. */
void rules_apply(struct rules *, const struct rule_group *, size_t n, const struct rule_world *,
                 bool restore, int64_t now_ms);

size_t rules_count(const struct rules *); /* groups */

/* When the group that is due first is due, and which it is; INT64_MAX without groups. */
int64_t rules_next(const struct rules *, size_t *group);

/* Evaluate a group at the time that it was due, and plan its next time after now_ms; times that
 * went by unused are counted as missed. Memory of the evaluation is taken from the arena, which is
 * cleared between rules. */
void rules_evaluate(struct rules *, size_t group, const struct rule_world *, int64_t now_ms,
                    struct arena *);

/* Evaluate a group at t_ms, whatever its plan says: for tests of rules. */
void rules_evaluate_at(struct rules *, size_t group, const struct rule_world *, int64_t t_ms,
                       struct arena *);

/* --- Looking at it --- */

/* Firing alerts of the alerting rules so named; memory is the arena's. */
void rules_firing(struct rules *, const char *alertname, struct arena *, struct alert **out,
                  size_t *n);
/* The first rule whose last evaluation failed: why, in the arena; NULL: none. */
const char *rules_first_error(struct rules *, struct arena *);

enum rule_kinds { RULES_ALL, RULES_ALERTING, RULES_RECORDING };

struct rule_filter {
    enum rule_kinds kinds;
    const char *const *names, *const *groups, *const *files;
    size_t n_names, n_groups, n_files; /* 0 = any */
    bool exclude_alerts;
    uint64_t group_limit; /* 0 = no pages */
    const char *group_next_token;
    const struct matcher *const *matchers; /* match[]: label sets, any of them */
    const size_t *n_matchers;
    size_t n_matcher_sets;
};

/* The `data` of Prometheus's /api/v1/rules and /api/v1/alerts. ERR_BAD_INPUT when the token is not
 * known any more. */
MUST_CHECK bool rules_view(struct rules *, const struct rule_filter *, struct json_writer *,
                           struct err *);
void rules_alerts_view(struct rules *, struct json_writer *);

struct rules_stats {
    uint64_t groups, rules, alerts_firing, alerts_pending;
    uint64_t evaluations, failures, missed;
    double last_seconds; /* of the last round of all groups, added up */
};
void rules_stats(struct rules *, struct rules_stats *);

/* --- promtool's unit tests, on this engine (unit.c) --- */

struct rule_test_failure {
    const char *file;
    const char *test; /* its name, "" when it has none */
    const char *text; /* lines: what was asked, expected, got */
};

struct rule_test_report {
    struct rule_test_failure *failures;
    size_t n_failures, capacity;
    size_t n_tests; /* alert and expression tests that were looked at */
};

/* Run one parsed test file. Rule files that it names are read by `load` (a glob, relative to the
 * test file) into groups. False: the file itself is wrong, see diags. Memory is the arena's. */
MUST_CHECK bool rules_unit_test(
    struct arena *, const char *file, struct yaml_node *document,
    bool (*load)(void *self, struct arena *, const char *glob, const struct rule_defaults *,
                 struct rule_group **groups, size_t *n, size_t *capacity, struct diag_list *),
    void *load_self, const char *only, struct rule_test_report *, struct diag_list *);

#endif
