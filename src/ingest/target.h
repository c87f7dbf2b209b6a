/* target.h -- one thing to scrape: how a discovered label set becomes a target (Prometheus's
 * relabeling of targets), what is remembered of it between scrapes, and how a body of its becomes
 * samples in the store. Control thread. */
#ifndef CQED_INGEST_TARGET_H
#define CQED_INGEST_TARGET_H

#include "codec/digest.h"
#include "ingest/exposition.h"
#include "ingest/line_cache.h"

struct map;
struct scrape_manager;

/* What a target is to be. Strings and labels belong to an arena, the configuration to whoever
 * applied it. */
struct target_definition {
    const struct scrape_config *config;
    const struct sha256 *settings; /* digest of what else in the configuration matters */
    struct labels discovered;      /* before relabeling */
    struct labels labels;          /* what its samples get */
    const char *url;
    const char *refusal; /* why it is not to be asked; NULL = it is */
    int64_t interval_ms, timeout_ms;
};

enum target_fate { TARGET_KEPT, TARGET_DROPPED, TARGET_BAD };

/* Relabel what was discovered. TARGET_BAD says why in err. */
enum target_fate target_define(struct target_definition *, struct arena *,
                               const struct scrape_config *, struct labels discovered,
                               struct err *);

/* Digest of what makes running targets of a configuration different when it changes. */
struct sha256 target_settings(const struct scrape_config *);

/* X(enumerator, metric name): what is said of each scrape, in Prometheus's words. */
#define REPORTS(X)                                                                                 \
    X(REPORT_UP, "up")                                                                             \
    X(REPORT_DURATION, "scrape_duration_seconds")                                                  \
    X(REPORT_SCRAPED, "scrape_samples_scraped")                                                    \
    X(REPORT_KEPT, "scrape_samples_post_metric_relabeling")                                        \
    X(REPORT_ADDED, "scrape_series_added")

enum report {
#define X(code, name) code,
    REPORTS(X)
#undef X
        N_REPORTS
};

struct target {
    struct scrape_manager *manager;
    struct arena arena; /* of what follows, up to timeout_ms */
    const struct scrape_config *config;
    struct sha256 settings;
    struct labels discovered, labels;
    const char *url;
    const char *refusal;
    int64_t interval_ms, timeout_ms;

    bool wanted; /* these two are used while targets are exchanged */
    struct target *same_labels;

    struct loop_timer *timer;       /* to the next scrape; NULL while one is under way */
    struct http_transfer *transfer; /* the one under way, or NULL */
    int64_t due_ms;                 /* wall clock, of the scrape under way or the next one */
    int64_t stamp_ms;               /* the time of its samples */
    int64_t started_ns;

    uint64_t epoch; /* of the store, from which on the references below are good (store.h) */
    struct line_cache cache;
    struct map *exemplars; /* series -> hash of the last exemplar without a time; NULL = none */
    bool scraped;          /* well, under the present settings */
    uint64_t *orphans;     /* series of before a change of settings that may want a stale marker */
    size_t n_orphans;
    uint64_t reports[N_REPORTS]; /* references, 0 = not made yet */
    int64_t newest_ms;           /* of our samples */
    int64_t since_ms;            /* we watch since then */

    bool up;
    char last_error[512];
    int64_t last_scrape_ms, last_duration_ms;
    uint64_t samples;
};

/* Fill a zeroed target. */
void target_init(struct target *, struct scrape_manager *, const struct target_definition *);
/* The same again, out of another configuration's memory. */
void target_keep(struct target *, const struct target_definition *);
/* New settings under the same labels: what the old ones made of the lines is forgotten, and series
 * that the next scrape does not have get their stale markers. */
void target_change(struct target *, const struct target_definition *);
void target_release(struct target *); /* writes nothing */

/* One answer, or why there is none (err), as samples at t_ms with the reports and stale markers.
 * Sets up, last_error and the other results. */
struct scrape_answer {
    const struct http_answer *http; /* NULL = failed */
    const struct err *err;
    int64_t t_ms;
};
void target_take(struct target *, struct store *, struct metadata_store *,
                 const struct scrape_answer *);

/* Stale markers for everything that it feeds. */
void target_end(struct target *, struct store_batch *, int64_t now_ms);

/* --- append.c: bodies to samples --- */

struct scrape_counts {
    uint64_t scraped, kept, added;
    uint64_t refused[STORE_LIMIT + 1]; /* by store_result */
    bool restarted; /* a metric was created after the last good scrape: read the body once more */
};

struct scrape_body {
    enum exposition_format format;
    struct str text;
    int64_t t_ms;
    bool restarted; /* look where each counter began */
};

MUST_CHECK bool append_body(struct target *, struct store_batch *, struct metadata_store *,
                            const struct scrape_body *, struct scrape_counts *, struct err *);
/* good: markers for what the body did not have; otherwise for all that is live. */
void append_stale(struct target *, struct store_batch *, int64_t t_ms, bool good);

#endif
