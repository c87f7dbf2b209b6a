/* source_asker.h -- PromQL questions to other stores, for those who must not wait. Whoever wants
 * to know says so again and again and gets the newest answer; threads, one a source, ask behind
 * their back, so that a slow source delays nobody and no other source.
 *
 *     asked first -> waiting -> answered <-> answered again, each quarter of its maxAge
 *                          \-> failed    (the last good answer stays, and grows old)
 *
 * A question that nobody wants for a minute is asked no more, and forgotten after ten. */
#ifndef CQED_DAEMON_SOURCE_ASKER_H
#define CQED_DAEMON_SOURCE_ASKER_H

#include "promql/promql.h"

struct source_asker;

struct source_asker_options {
    bool (*find)(void *self, const char *name, struct promql_source *out, struct err *);
    void *self;
    uint64_t max_samples, max_memory_bytes; /* of one question */
    int64_t timeout_ms;                     /* of its evaluation; the source has its own */
};

struct source_asker *source_asker_new(const struct source_asker_options *);
/* Waits for the questions under way. */
void source_asker_free(struct source_asker *);

struct source_answer {
    int64_t at_ms; /* when the values held; 0 = there was no answer yet */
    const double *values;
    size_t n_values;
    int64_t age_ms;  /* of what was read, then; -1 = nothing was */
    const char *why; /* the last attempt failed so; NULL = it did not */
};

/* Arena memory; any thread, never waits. A look back goes as far as max_age_ms. */
struct source_answer source_asker_ask(struct source_asker *, struct arena *, const char *source,
                                      const char *query, int64_t max_age_ms, int64_t now_ms);

/* The value of every series at now_ms, or the scalar, and how old what it rests on is: of each
 * selector the newest sample, counted back from the end of what it asks for, and of several
 * selectors the oldest; -1 = no series was read. Waits for the source. */
MUST_CHECK bool ask_values(const struct promql_source *, const struct promql_options *,
                           const char *query, int64_t now_ms, struct arena *, const double **values,
                           size_t *n, int64_t *age_ms, struct err *);

#endif
