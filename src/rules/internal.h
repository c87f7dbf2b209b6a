/* internal.h -- the state of rules under evaluation. Private to rules/.
 *
 * Only the evaluating thread writes, under the lock; it may read without. Views read under it. */
#ifndef CQED_RULES_INTERNAL_H
#define CQED_RULES_INTERNAL_H

#include "rules/rules.h"
#include "rules/template.h"

#include <pthread.h>

#define RESOLVED_RETENTION_MS (15 * 60 * 1000)

/* X(enumerator, name) */
#define ALERT_STATES(X)                                                                            \
    X(ALERT_INACTIVE, "inactive") /* resolved, kept to be told again */                            \
    X(ALERT_PENDING, "pending")                                                                    \
    X(ALERT_FIRING, "firing")

enum alert_state {
#define X(code, name) code,
    ALERT_STATES(X)
#undef X
};

/* One label set that an alerting rule is true for, or was lately. Times are 0 when not so. */
struct active_alert {
    struct active_alert *next;
    struct arena arena; /* of itself and its labels */
    struct arena annotation_arena;
    struct labels labels;
    struct labels annotations;
    enum alert_state state;
    double v;
    int64_t active_ms;
    int64_t fired_ms;
    int64_t resolved_ms;
    int64_t sent_ms;
    int64_t valid_until_ms;
    int64_t keep_firing_since_ms;
    bool seen; /* in the evaluation under way */
};

struct series_set {
    struct arena arena;
    struct labels *v; /* sorted */
    size_t n;
};

struct rule_state {
    const struct rule *rule;
    struct active_alert *alerts; /* by labels' hash order of coming */
    bool restored;               /* its alerts show as series */
    struct series_set written;   /* by its last good evaluation */
    bool evaluated;
    int64_t evaluated_ms;
    double seconds;  /* that it took */
    char error[512]; /* of the last evaluation; "" = good */
};

struct group_state {
    const struct rule_group *group;
    struct rule_state *rules; /* n of the group */
    int64_t due_ms;           /* 0 = not planned yet */
    int64_t evaluated_ms;
    double seconds;
    uint64_t missed;
    bool waits_for_restore;
};

struct rules {
    pthread_mutex_t lock; /* guards everything below */
    struct group_state *groups;
    size_t n;
    struct arena texts; /* external labels as they were applied */
    const char *external_url;
    uint64_t evaluations, failures, missed;
};

/* state.c */
void group_state_init(struct group_state *, const struct rule_group *);
void group_state_release(struct group_state *);
void active_alert_free(struct active_alert *);

/* alerting.c: what an alerting rule makes of the samples of its query. Appends its series to
 * *out. */
struct rule_samples {
    struct rule_sample *v;
    size_t n, capacity;
};
struct evaluation_place {
    struct rules *rules;
    struct group_state *group;
    struct rule_state *rule;
    const struct rule_world *world;
    struct arena *arena;
    int64_t t_ms;     /* of the evaluation */
    int64_t query_ms; /* t_ms less the query offset: what samples carry */
};
MUST_CHECK bool evaluate_alerts(struct evaluation_place *, const struct promql_series *, size_t n,
                                struct rule_samples *out, struct err *);
void tell_alerts(struct evaluation_place *);
/* `for` goes on where it was before the restart. */
void restore_alerts(struct evaluation_place *);
bool query_source(const struct evaluation_place *, struct promql_source *out, struct err *);
struct promql_options query_options(const struct evaluation_place *);
void add_rule_sample(struct evaluation_place *, struct rule_samples *, struct rule_sample);

/* Where the result of an expression is shown, from the external URL on ("/graph?...&g0.tab=1").
 */
void add_expression_link(struct buf *, struct str expr, int tab);

#endif
