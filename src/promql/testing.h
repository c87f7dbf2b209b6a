/* testing.h -- for tests of promql/: questions about the same data at another time. */
#ifndef CQED_PROMQL_TESTING_H
#define CQED_PROMQL_TESTING_H

#include "promql/functions.h"

/* Whether a function's value depends on the time of the question, whatever it is called with. */
static inline bool promql_is_of_time(const struct function *f)
{
    static const char *const names[] = {"time",   "timestamp",    "predict_linear", "start",
                                        "end",    "step",         "range",          "year",
                                        "month",  "day_of_month", "day_of_week",    "hour",
                                        "minute", "day_of_year",  "days_in_month"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(f->name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Pin every selector and outermost subquery to a time, as `@ t` would, where `@` says nothing yet
 * or start() or end(). False when the value would still depend on the time of the question; then
 * the expression is of no use any more. */
static inline bool promql_pin(struct promql_expr *expr, int64_t t_ms)
{
    if (expr->kind == NODE_SELECTOR || expr->kind == NODE_SUBQUERY) {
        if (expr->at != AT_TIME) {
            expr->at = AT_TIME;
            expr->at_ms = t_ms;
        }
        return true;
    }
    if (expr->kind == NODE_CALL && promql_is_of_time(expr->function))
        return false;
    for (size_t i = 0; i < expr->n_args; i++) {
        if (!promql_pin(expr->args[i], t_ms))
            return false;
    }
    return true;
}

#endif
