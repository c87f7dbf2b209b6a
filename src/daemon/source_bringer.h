/* source_bringer.h -- objectives whose counters are in another store: their series come home. Every
 * few seconds a thread for each such source asks for what is new of the series that its objectives
 * name, and appends it to the embedded store, with the label cqed_source="NAME"; taps, windows and
 * the judge then have it like any other series.
 *
 *     asked from:   5 min back at first, then a minute before the last answer; after an outage as
 *                   far as an hour back, so that nothing is missed
 *
 * What is there already is passed over. A source that does not answer lets its arms grow stale;
 * why is told. */
#ifndef CQED_DAEMON_SOURCE_BRINGER_H
#define CQED_DAEMON_SOURCE_BRINGER_H

#include "config/config.h"
#include "promql/promql.h"
#include "store/store.h"

struct source_bringer;

struct source_bringer_options {
    bool (*find)(void *self, const char *name, struct promql_source *out, struct err *);
    void *self;
    struct store *store;
};

struct source_bringer *source_bringer_new(const struct source_bringer_options *);
/* Waits for the questions under way. */
void source_bringer_free(struct source_bringer *);

/* From now on the objectives of this configuration; takes a reference. */
void source_bringer_apply(struct source_bringer *, struct config *);

/* Why the source did not answer the last time, arena memory; NULL when it did, or was not asked. */
const char *source_bringer_failure(struct source_bringer *, struct arena *, const char *source);

/* One round for one source, of (from_ms, to_ms]; what the threads do. */
MUST_CHECK bool bring_home(const struct source_bringer_options *, const struct config *,
                           const char *source, int64_t from_ms, int64_t to_ms, struct err *);

#endif
