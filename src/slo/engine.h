/* engine.h -- what the engine's own files share: the sums and what feeds them. `lock` guards
 * everything that samples change: arms, links and sums; nothing is taken under it. `whole` is held
 * while a batch is fed and while sums are read, and is taken before `lock`. */
#ifndef CQED_SLO_ENGINE_H
#define CQED_SLO_ENGINE_H

#include "base/map.h"
#include "slo/selectors.h"
#include "slo/slo.h"

#include <pthread.h>

#define MAX_EDGES 64

/* The sums as series. */
#define GOOD_METRIC "cqed_sli_good_total"
#define TOTAL_METRIC "cqed_sli_total"
#define BUCKET_METRIC "cqed_sli_bucket_total"

/* One cumulative sum and when it was last written. */
struct sum {
    double value;
    double written;
    int64_t written_ms; /* 0 = never */
};

struct bucket {
    double edge;
    struct str le; /* as first seen */
    struct sum sum;
};

/* Of an arm: where its series come from. It goes with the last of them. */
struct source {
    struct source *next, **at; /* at: what points to it */
    struct str job, instance;  /* behind it */
    int64_t newest_ms;
    size_t n_links;
};

/* Of the instances whose name's hash is even, or odd. */
struct half {
    double good, bad, total;
};

struct arm {
    struct arm *next;
    struct str version;
    struct sum good, bad, total;
    struct bucket buckets[MAX_EDGES]; /* ascending by edge */
    size_t n_buckets;
    bool lacks_edges; /* there are more than MAX_EDGES, or both kinds of histograms */
    bool has_native, has_classic;
    int64_t newest_ms;
    uint64_t impossible;
    struct source *sources; /* newest first */
    size_t n_sources;
    struct map *by_name; /* job, 0, instance -> struct source */
    struct half halves[2];
    bool is_loaded; /* its sums are exact, however the log is read on (slo_engine_load) */
};

struct slo {
    const struct slo_spec *spec;
    const char *cohort_label;
    struct sli_selectors selectors;
    struct arm *arms; /* ordered by version */
    size_t n_arms;
};

/* One histogram, by the labels that its classic series have in common with its native one. */
struct twin {
    int64_t classic_ms; /* newest sample of a classic series */
    size_t n_links;
    struct str key; /* in the engine's map; behind it */
};

/* What of a series is counted: its floats, or of native histograms the count, what is at most the
 * SLI's threshold, or what is at most each of the arm's edges. */
enum link_kind { LINK_FLOAT, LINK_COUNT, LINK_GOOD, LINK_EDGES };

/* What one series feeds. `restores` links are our own series, read back from the log. */
struct link {
    struct slo *slo;
    struct arm *arm;
    struct source *source; /* NULL when the arm has too many */
    enum sli_role role;
    uint8_t half;
    double edge; /* SLI_BUCKET */
    enum link_kind kind;
    struct twin *twin; /* of latency SLIs; else NULL */
    bool restores;
    struct link *next;
};

struct slo_engine {
    pthread_mutex_t whole, lock;
    struct arena arena; /* selectors and arms; what series bring is allocated on its own */
    struct slo *slos;
    size_t n_slos;
    struct map *twins;    /* by what labels_print makes of the native one's labels */
    struct arena scratch; /* for as long as one histogram is counted */
    struct link **tokens; /* tokens[token - 1]; NULL = free */
    size_t n_tokens, token_capacity;
    uint32_t *free_tokens;
    size_t n_free, free_capacity;
};

/* For those who hold both locks, or are alone: the arm of a version, made when it is new, or NULL
 * when there are too many; and its bucket, or NULL. */
struct slo *slo_engine_find(const struct slo_engine *, struct str name);
struct arm *slo_engine_arm(struct slo_engine *, struct slo *, struct str version);
struct bucket *slo_engine_bucket(struct slo_engine *, struct arm *, struct str le, double edge);
bool slo_edge_of(struct str le, double *edge);
/* What a series fed is gone, and what it alone had brought (engine_bind.c). */
void slo_engine_unlink(struct slo_engine *, struct link *);

#endif
