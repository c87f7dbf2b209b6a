/* compare.h -- a result against what a case expects. Each returns NULL when it is right, else what
 * is wrong, in the arena. */
#ifndef CQED_TESTS_PROMQL_COMPARE_H
#define CQED_TESTS_PROMQL_COMPARE_H

#include "promql/promql.h"
#include "script.h"

const char *compare_result(struct arena *, const struct eval *, const struct promql_result *);
/* Only the point at t_ms of a range result, against an instant expectation. */
const char *compare_point(struct arena *, const struct eval *, const struct promql_result *,
                          int64_t t_ms);
const char *compare_notes(struct arena *, const struct eval *, const struct promql_result *);
const char *compare_failure(struct arena *, const struct eval *, const struct err *);
const char *show_result(struct arena *, const struct promql_result *);

#endif
