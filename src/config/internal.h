/* internal.h -- shared by the files of config/: one reader, filled file by file. */
#ifndef CQED_CONFIG_INTERNAL_H
#define CQED_CONFIG_INTERNAL_H

#include "codec/yaml.h"
#include "config/config.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* An OpenSLO indicator that stands in a document of its own (kind: SLI). */
struct named_sli {
    const char *name;
    struct sli_spec spec;
};

/* An SLO whose indicatorRef is resolved once all files are read. */
struct pending_ref {
    size_t slo;
    const char *name;
    const struct yaml_node *at;
};

/* What a document names and only the whole configuration can tell to be right. */
struct reference {
    const struct yaml_node *at;
    const char *who; /* "Rollout 'payments'" */
    const char *slo; /* one of the four */
    const char *query;
    const struct kayenta_spec *canary;
    const char *source;
};

struct reader {
    struct arena *arena;
    struct diag_list *diags;
    struct config *config;
    struct buf all_bytes; /* of every file, for the digest */
    struct scrape_config *scrapes;
    size_t n_scrapes, scrape_capacity;
    struct slo_spec *slos;
    size_t n_slos, slo_capacity;
    struct rollout_policy *rollouts;
    size_t n_rollouts, rollout_capacity;
    struct gate_policy *gates;
    size_t n_gates, gate_capacity;
    struct rule_group *groups;
    size_t n_groups, group_capacity;
    struct rule_defaults rule_defaults; /* of global */
    struct named_sli *slis;
    size_t n_slis, sli_capacity;
    struct pending_ref *refs;
    size_t n_refs, ref_capacity;
    const char *who; /* the document that is read */
    struct reference *references;
    size_t n_references, reference_capacity;
};

/* Room for one more item of a reader's array; the new item is zeroed. */
#define READER_PUSH(r, items, n, capacity)                                                         \
    (*(void **)&(r)->items =                                                                       \
         arena_grow((r)->arena, (r)->items, (r)->n, &(r)->capacity, sizeof *(r)->items),           \
     memset(&(r)->items[(r)->n], 0, sizeof *(r)->items), &(r)->items[(r)->n++])

/* The strings of a list under key; a wrong item is reported. */
const char **read_strings(struct reader *, struct yaml_node *map, const char *key, size_t *n);

/* Remember the SLO or the query under key, if it is there. */
void refer_to_slo(struct reader *, struct yaml_node *map, const char *key, const char *slo);
void refer_to_query(struct reader *, struct yaml_node *map, const char *key, const char *query);
void refer_to_canary(struct reader *, struct yaml_node *map, const struct kayenta_spec *);
void refer_to_source(struct reader *, struct yaml_node *map, const char *key, const char *source);

/* A path in a file is relative to that file's folder. */
const char *resolve_path(struct arena *, const char *file, const char *path);

/* scrape.c: the list under `scrape_configs`, with the defaults of `global`. */
void read_scrapes(struct reader *, struct yaml_node *list, int64_t interval_ms, int64_t timeout_ms);

/* telemetry.c: the mapping under `telemetry`; and any address that can be listened on, beyond what
 * only the machine knows. */
void read_telemetry_in(struct reader *, struct yaml_node *map);
void read_address(struct reader *, struct yaml_node *map, const char *key, const char *what,
                  const char **out);
/* The parts that other things share with a scrape config. Labels are a mapping of names to texts,
 * NULL = none. */
const struct relabel *read_relabels(struct reader *, struct yaml_node *map, const char *key,
                                    size_t *n);
struct labels read_labels(struct reader *, struct yaml_node *map);
struct str *to_strs(struct arena *, const char **strings, size_t n);

/* access.c: basic_auth, authorization and tls_config of a mapping. */
struct http_access read_access(struct reader *, struct yaml_node *map);

/* scrape_discovery.c: the *_configs that name targets. */
void read_discovery(struct reader *, struct yaml_node *map, struct scrape_config *);

/* alerting.c: rule files, how rules are evaluated, and where alerts go. read_rule_globals takes
 * its keys out of `global`, before any rule file is read. */
void read_rule_globals(struct reader *, struct yaml_node *global);
void read_alerting(struct reader *, struct yaml_node *root);

/* sources.c: the list under telemetry.sources. */
void read_sources(struct reader *, struct yaml_node *list);

/* query.c: the mapping under `query`. */
void read_query_settings(struct reader *, struct yaml_node *map);

/* config.c: the documents of a file; its bytes go into the digest. */
bool read_documents(struct reader *, const char *path, struct yaml_node ***documents, size_t *n);

/* openslo.c: one document of apiVersion openslo/v1. */
void read_openslo(struct reader *, struct yaml_node *document, const char *kind);
void resolve_indicator_refs(struct reader *);

/* policy.c: one document of apiVersion cqed/v1. */
void read_policy(struct reader *, struct yaml_node *document, const char *kind);

/* kayenta.c: the mapping under `kayenta`. */
void read_kayenta(struct reader *, struct yaml_node *map);

/* cross.c: what only shows when all files are read: unknown SLO names, two policies of one service,
 * queries. */
void check_everything(struct reader *);

#endif
