/* yaml.h -- YAML 1.2 as a plain tree in an arena, each node with its place. libfyaml reads it;
 * anchors, aliases, tags and duplicate keys are refused; several documents in one file are allowed.
 * Bounded: file size, depth 64, and 200,000 nodes. */
#ifndef CQED_CODEC_YAML_H
#define CQED_CODEC_YAML_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "codec/json.h"

#include <stdbool.h>
#include <stdint.h>

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_pair;

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;      /* a scalar in quotes is text, whatever it looks like */
    const char *path; /* the file */
    int line;
    int column;
    struct str scalar; /* NUL-terminated behind its end */
    size_t n;          /* items or pairs */
    struct yaml_node **items;
    struct yaml_pair *pairs;
};

struct yaml_pair {
    struct str key;
    int line; /* of the key */
    int column;
    struct yaml_node *value;
    bool used; /* set by the yaml_take family: what is left over is an unknown key */
};

/* All documents of a text; *n of them (0 for an empty file). Problems go to diags; false if any. */
bool yaml_parse(struct arena *, const char *path, struct str text, struct yaml_node ***documents,
                size_t *n, struct diag_list *);

/* The value under key, or NULL; marks the key as known. NULL map gives NULL. */
struct yaml_node *yaml_take(struct yaml_node *map, const char *key);

/* Typed: absent leaves *out alone and returns false; a wrong type or value is reported in diags
 * with the key's name, the value and what was expected, and returns false. */
bool yaml_take_string(struct yaml_node *map, const char *key, struct arena *, const char **out,
                      struct diag_list *);
bool yaml_take_bool(struct yaml_node *map, const char *key, bool *out, struct diag_list *);
bool yaml_take_i64(struct yaml_node *map, const char *key, int64_t min, int64_t max, int64_t *out,
                   struct diag_list *);
bool yaml_take_double(struct yaml_node *map, const char *key, double *out, struct diag_list *);
bool yaml_take_ratio(struct yaml_node *map, const char *key, double *out, struct diag_list *);
bool yaml_take_duration(struct yaml_node *map, const char *key, int64_t *out_ms,
                        struct diag_list *);
bool yaml_take_size(struct yaml_node *map, const char *key, uint64_t *out, struct diag_list *);
/* One of `n` names; *out is its index. */
bool yaml_take_choice(struct yaml_node *map, const char *key, const char *const *names, size_t n,
                      int *out, struct diag_list *);
struct yaml_node *yaml_take_map(struct yaml_node *map, const char *key, struct diag_list *);
struct yaml_node *yaml_take_list(struct yaml_node *map, const char *key, struct diag_list *);

/* Report every key that nobody took, with "did you mean" from the `n` known ones. */
void yaml_reject_unknown(struct yaml_node *map, const char *const *known, size_t n,
                         const char *what, struct diag_list *);

/* Report something about a node or about a key's place. */
void yaml_error(const struct yaml_node *, struct diag_list *, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The same tree as JSON (plain scalars resolved by the YAML 1.2 core schema), for free-form parts
 * and for digests. The arena owns it. */
json_t *yaml_to_json(struct arena *, const struct yaml_node *);

#endif
