/* slo.h -- an SLI is two counters; a window is a subtraction. The engine binds the series that an
 * SLI's selectors name, adds up their exact increases as samples arrive, and gives the sums out as
 * ordinary cumulative series, per arm:
 *
 *     cqed_sli_good_total{slo="payments-availability",service="payments",version="v2"}
 *     cqed_sli_total{...}
 *     cqed_sli_bucket_total{...,le="0.25"}      when the SLI counts a classic histogram's buckets
 *
 * Any window of any length is then the difference of two of their values: no averaged ratios, no
 * NaN. `version` stands for the cohort label; series without it count under version="". Threads:
 * tap calls come from any thread; the rest is the control thread's. */
#ifndef CQED_SLO_SLO_H
#define CQED_SLO_SLO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/slo.h"
#include "promql/promql.h"

#include <stdint.h>

struct slo_engine;

/* One SLO with the label that tells its service's arms apart. */
struct slo_setup {
    const struct slo_spec *spec;
    const char *cohort_label; /* "version" */
};

/* ERR_BAD_INPUT naming the SLO and the query when an SLI is not made of counter selectors;
 * Timeslices budgeting is ERR_NOT_IMPLEMENTED for now. The specs are borrowed for the engine's
 * life. */
struct slo_engine *slo_engine_new(const struct slo_setup *, size_t n, struct err *);
void slo_engine_free(struct slo_engine *);

/* Check one spec without an engine (cqed check). */
bool slo_spec_check(const struct slo_spec *, struct err *);

/* Series of an SLI that has a source come home under this label, and an SLI counts only those of
 * its own source: a series that is scraped here as well is not counted twice. */
#define SLO_SOURCE_LABEL "cqed_source"

/* What to ask the SLI's source for: all series that feed it, without that label. Arena memory. */
bool slo_source_selectors(struct arena *, const struct slo_spec *, struct promql_selector **out,
                          size_t *n, struct err *);

/* Take over the sums of an older engine for SLOs whose SLI is unchanged (configuration reload). */
void slo_engine_adopt(struct slo_engine *, struct slo_engine *old);

/* The parts of a store_tap (store/store.h); self is the engine. What is fed between begin and end
 * is seen together: sums are never handed out with a batch's bad events but without its total. */
uint32_t slo_engine_bind(void *self, struct labels);
void slo_engine_unbind(void *self, uint32_t token); /* sums stay as they are */
void slo_engine_feed(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                     bool recovering);
/* A latency SLI (good: x_bucket{...,le="0.25"}, total: x_count or x_bucket{...,le="+Inf"}) counts
 * the native histograms named x as well, unless their classic series came in the last 5 minutes: a
 * target may expose both. Good is what lies at or below the threshold: exact where it is a bound of
 * their buckets, else as histogram_fraction says. The arm's edges are then the powers of two from
 * 2^-14 to 2^30; an arm with both kinds has none. */
void slo_engine_feed_histogram(void *self, uint32_t token, int64_t t_ms, const struct histogram *,
                               const struct histogram *base, bool recovering);
/* What has been counted, as text, and the same taken up again by an engine that has bound the
 * series, before more is fed: of SLOs whose SLI is still the same. An SLO that is new, or is of
 * another SLI, begins with what its own series said last (newest), as without the text. False: the
 * text makes no sense, nothing has changed. */
void slo_engine_save(void *self, struct buf *out);
bool slo_engine_load(void *self, struct str saved);
void slo_engine_newest(void *self, uint32_t token, int64_t t_ms, double v);
void slo_engine_begin(void *self);
void slo_engine_end(void *self);

/* Hand out every sum that changed since the last flush (and every sum at least each 10 s) as
 * samples at t_ms. */
void slo_engine_flush(struct slo_engine *, int64_t t_ms,
                      void (*emit)(void *arg, struct labels, int64_t t_ms, double v), void *arg);

/* Who an arm's series come from, as `job` and `instance` tell. */
struct slo_source {
    struct str job, instance;
    int64_t newest_ms; /* of its samples in this arm; 0 = none came yet */
};

/* What an arm's counters say now. */
struct slo_arm {
    struct str version;
    double good, bad, total; /* cumulative; exact sums of increases */
    int64_t newest_ms;       /* time of the newest sample fed (event time); 0 = none */
    /* Classic histogram: buckets, cumulative counts by le, ascending, last +Inf. None when there
     * are over 64: what is left of a histogram is none. */
    size_t n_edges;
    const double *edges;
    const double *cumulative;
    uint64_t impossible;              /* samples that made good > total, or negative */
    const struct slo_source *sources; /* the first 1,000; their strings are the engine's */
    size_t n_sources;
    /* The same counts of two halves of the version's instances (by the hash of `instance`, `pod` or
     * `service_instance_id`), since the program began: what two arms without a difference look
     * like. */
    double half_total[2], half_bad[2];
};

/* Every arm of an SLO, ordered by version; copied into the arena at one instant. False: no such
 * SLO. */
bool slo_engine_arms(struct slo_engine *, struct arena *, const char *slo, struct slo_arm **out,
                     size_t *n);

/* For latency SLIs: the threshold edge in seconds (the le of the good selector), and whether there
 * is one. */
bool slo_engine_latency_edge(struct slo_engine *, const char *slo, double *edge);

/* Counts in (from_ms, to_ms], all arms together unless version is given (NULL = all), by
 * subtraction. A window that begins before the first sample is partial: `from_ms` then says where
 * it really begins. */
struct slo_window {
    double good, bad, total;
    int64_t from_ms, to_ms;
    bool partial;
    int64_t newest_ms; /* of the SLI series; 0 = never */
};
MUST_CHECK bool slo_window(const struct promql_source *, struct arena *, const struct slo_spec *,
                           const char *version, int64_t from_ms, int64_t to_ms, struct slo_window *,
                           struct err *);

/* False when there are more good events than events: two counters that are not of one thing. */
bool slo_window_is_possible(const struct slo_window *);

/* The budget over the SLO's window and burn rates over the usual short ones. Ratios are NaN when
 * total is 0. */
struct slo_status {
    struct slo_window window;
    double ratio; /* good / total */
    /* 1 - bad / (total * (1 - target)); 1 when total is 0; may be negative; NaN when nothing was
     * heard or the window is impossible. */
    double budget_remaining;
    double burn_5m, burn_1h, burn_6h; /* error ratio / (1 - target); NaN when there was no event */
};
MUST_CHECK bool slo_status(const struct promql_source *, struct arena *, const struct slo_spec *,
                           int64_t now_ms, struct slo_status *, struct err *);

#endif
