/* histogram_count() and its kin: one number of each native histogram. Floats have none. */
#include "promql/functions.h"

#include <math.h>

typedef double summary_fn(struct arena *scratch, const struct histogram *);

struct summary {
    struct sink sink;
    struct evaluation *e;
    struct sink *next;
    summary_fn *fn;
};

static bool summarize(struct sink *sink, struct column *column, struct err *err)
{
    struct summary *s = (struct summary *)sink;
    if (!column->h)
        return true;
    for (size_t i = 0; i < s->e->n_steps; i++)
        column->v[i] = column->h[i] ? s->fn(scratch_room(s->e->query), column->h[i]) : ABSENT;
    column->h = NULL;
    column->drop_name = true;
    return spend(s->e->query, 20 * s->e->n_steps, err) && s->next->put(s->next, column, err);
}

static bool call(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                 summary_fn *fn, struct err *err)
{
    struct summary s = {{summarize}, e, sink, fn};
    return eval_vector(e, expr->args[0], &s.sink, err);
}

static double count_of(struct arena *scratch, const struct histogram *h)
{
    (void)scratch;
    return h->count;
}

static double sum_of(struct arena *scratch, const struct histogram *h)
{
    (void)scratch;
    return h->sum;
}

static double mean_of(struct arena *scratch, const struct histogram *h)
{
    (void)scratch;
    return h->sum / h->count;
}

static double deviation_of(struct arena *scratch, const struct histogram *h)
{
    return sqrt(native_variance(scratch, h));
}

bool call_histogram_count(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                          struct err *err)
{
    return call(e, expr, sink, count_of, err);
}

bool call_histogram_sum(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                        struct err *err)
{
    return call(e, expr, sink, sum_of, err);
}

bool call_histogram_avg(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                        struct err *err)
{
    return call(e, expr, sink, mean_of, err);
}

bool call_histogram_stdvar(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                           struct err *err)
{
    return call(e, expr, sink, native_variance, err);
}

bool call_histogram_stddev(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                           struct err *err)
{
    return call(e, expr, sink, deviation_of, err);
}
