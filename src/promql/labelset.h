/* labelset.h -- label sets as keys: subsets of one, and tables of columns by them. Private to
 * promql/. */
#ifndef CQED_PROMQL_LABELSET_H
#define CQED_PROMQL_LABELSET_H

#include "promql/eval.h"

/* The label array of these is fresh arena memory; names and values are borrowed. */
struct labels labels_keep(struct arena *, struct labels, const struct names *);
struct labels labels_without(struct arena *, struct labels,
                             const struct names *);            /* nor the name */
struct labels labels_drop_name(struct arena *, struct labels); /* __type__, __unit__ go with it */
struct labels labels_with(struct arena *, struct labels, struct str name, struct str value);

/* --- From label sets to numbers 0, 1, 2 ... in order of appearance --- */

struct label_index {
    struct arena *arena;
    struct labels *keys;
    uint64_t *hashes;
    size_t n, key_capacity;
    size_t *slots; /* number + 1; 0 = free */
    size_t n_slots;
};

void label_index_init(struct label_index *, struct arena *);
/* The number of a label set, new or not; the key is kept, not copied. */
size_t label_index_put(struct label_index *, struct labels, bool *added);
/* The number, or SIZE_MAX. */
size_t label_index_find(const struct label_index *, struct labels);
/* The numbers in the order of their label sets, which does not depend on what appeared first. */
const size_t *label_index_order(const struct label_index *);

/* The key by which columns match or group: only these labels, or all but these and the name. Built
 * in a scratch array of its own; valid until the next call. */
struct label_key {
    struct arena *arena;
    struct names names; /* sorted */
    bool only;
    struct label *scratch;
    size_t capacity;
};
void label_key_init(struct label_key *, struct arena *, const struct names *, bool only);
struct labels label_key_of(struct label_key *, struct labels);
struct labels labels_keep_copy(struct arena *, struct labels); /* the array only */

/* --- Columns that must not overlap --- */

/* Columns with equal labels become one where they have values at different steps. One that will
 * lose its name and one that will not are two. */
struct merger {
    struct evaluation *e;
    struct merged {
        struct label_index index;
        size_t *columns; /* by number */
        size_t capacity;
    } by_drop_name[2];
    struct columns columns;
};

void merger_init(struct merger *, struct evaluation *);
/* *overlap tells that another column with these labels has a value at the same step; then nothing
 * is added. The values are copied, unless the caller gives them away (then histograms last). */
enum merger_values { VALUES_COPIED, VALUES_GIVEN };
MUST_CHECK bool merger_put(struct merger *, const struct column *, enum merger_values,
                           bool *overlap, struct err *);
/* As above, but overlap fails: "vector cannot contain metrics with the same labelset". */
MUST_CHECK bool merger_put_unique(struct merger *, const struct column *, enum merger_values,
                                  struct err *);
bool same_labelset(struct err *); /* that error; always false */
MUST_CHECK bool merger_drain(struct merger *, struct sink *, struct err *);

#endif
