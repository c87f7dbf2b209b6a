/* labels.h -- a series' identity: label pairs sorted by name, names unique, no empty values (an
 * empty value is the same as no label). "__name__" carries the metric name. Values are borrowed or
 * arena memory; a struct labels never owns. */
#ifndef CQED_MODEL_LABELS_H
#define CQED_MODEL_LABELS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/regex.h"

#include <stdint.h>

#define LABEL_NAME "__name__"

struct label {
    struct str name;
    struct str value;
};

struct labels {
    size_t n;
    const struct label *v;
};

struct str labels_get(struct labels, const char *name); /* n == 0 when absent */
struct str labels_get_str(struct labels, struct str name);
uint64_t labels_hash(struct labels); /* stable; over names, values and their lengths */
bool labels_eq(struct labels, struct labels);
int labels_cmp(struct labels,
               struct labels); /* Prometheus's order: label by label, name then value */
void labels_print(struct labels, struct buf *); /* {a="b", c="d"} with the name in front, escaped */
struct labels labels_copy(struct arena *, struct labels); /* deep */

/* Building: add in any order, later wins on the same name, an empty value removes; build sorts. */
struct labels_builder {
    struct arena *arena;
    struct label *v;
    size_t n;
    size_t capacity;
};

void labels_builder_init(struct labels_builder *, struct arena *);
void labels_builder_from(struct labels_builder *, struct arena *, struct labels base);
void labels_builder_set(struct labels_builder *, struct str name,
                        struct str value); /* borrows both */
void labels_builder_remove(struct labels_builder *, struct str name);
struct str labels_builder_get(const struct labels_builder *, struct str name);
struct labels
labels_build(struct labels_builder *); /* valid as long as the arena and the strings */

bool label_name_is_legacy(struct str);  /* [a-zA-Z_][a-zA-Z0-9_]* */
bool metric_name_is_legacy(struct str); /* [a-zA-Z_:][a-zA-Z0-9_:]* */

/* What a selector asks of one label. */
enum match_type { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

struct matcher {
    enum match_type type;
    struct str name;
    struct str value;
    struct regex *regex; /* for the two regex types; owned by whoever made the matcher */
};

/* Fill one; copies name and value into the arena, which frees the regex at its release. */
MUST_CHECK bool matcher_init(struct matcher *, struct arena *, enum match_type, struct str name,
                             struct str value, struct err *);
bool matcher_matches(const struct matcher *, struct str value);
bool matchers_match(const struct matcher *, size_t n, struct labels);
const char *match_type_symbol(enum match_type);                      /* = != =~ !~ */
void matchers_print(const struct matcher *, size_t n, struct buf *); /* name{a="b",c=~"d"} */

#endif
