/* index.h -- from labels to the series that have them. Also the home of every label: a pair of name
 * and value is here once, with a number, and a series is a list of such numbers, ordered by name.
 *
 *     names -> index_name -> pairs of that name
 *     name, value -> pair -> postings: refs of series, ascending, as differences in 7-bit groups
 *     number -> pair         read without a lock, grows only
 *
 * Grows only. The head's index lock guards all that does not say otherwise. Strings and pairs live
 * and stay where they are until index_release. */
#ifndef CQED_STORE_INDEX_H
#define CQED_STORE_INDEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "model/labels.h"

#include <stdatomic.h>
#include <stdint.h>

#define INDEX_BLOCK 4096 /* pairs a block of the table */
#define INDEX_BLOCKS 65536

struct index_name {
    struct str name;
    uint32_t *pairs; /* by age */
    uint32_t n_pairs, capacity;
};

struct index_pair {
    const struct index_name *name;
    struct str value;
    uint32_t number, hash;
    uint32_t n; /* series that have it */
    uint32_t last_ref;
    uint32_t n_bytes, capacity;
    uint8_t *postings;
};

struct index_block {
    const struct index_pair *pairs[INDEX_BLOCK];
};

struct index {
    struct map *names;                     /* name -> struct index_name */
    _Atomic(struct index_block *) *blocks; /* INDEX_BLOCKS of them */
    uint32_t n_pairs;                      /* numbered from 0 */
    uint32_t *slots;                       /* number + 1; open addressing, a power of two */
    size_t n_slots;
};

/* The labels of a series, by number. */
struct label_set {
    uint32_t n;
    const uint32_t *v;
};

void index_init(struct index *);
void index_release(struct index *);

/* The label's number; *known says whether it had one before. */
uint32_t index_intern(struct index *, struct label, bool *known);
/* The series of this ref, greater than all before it, has these labels. */
void index_add(struct index *, struct label_set, uint32_t ref);

/* For counting: how many series have the label; and every label with that number, those of one name
 * together. */
size_t index_count(const struct index *, struct str name, struct str value);
void index_each(const struct index *,
                void (*each)(void *arg, struct str name, struct str value, size_t n_series),
                void *arg);

const struct index_name *index_find_name(const struct index *, struct str name); /* or NULL */
const struct index_pair *index_find(const struct index *, struct label);         /* or NULL */

/* Of a number that index_intern gave out. Any thread, no lock; the postings are not for it. */
static inline const struct index_pair *index_pair_of(const struct index *x, uint32_t number)
{
    const struct index_block *block =
        atomic_load_explicit(&x->blocks[number / INDEX_BLOCK], memory_order_acquire);
    return block->pairs[number % INDEX_BLOCK];
}

/* The same threads: the labels written out, their array from the arena; and whether two are equal.
 */
struct labels index_labels(const struct index *, struct arena *, struct label_set);
bool index_labels_eq(const struct index *, struct label_set, struct labels);

struct postings_cursor {
    const struct index_pair *pair;
    uint32_t at, ref;
};

/* struct postings_cursor c = {pair, 0, 0}; while (postings_next(&c, &ref)) */
bool postings_next(struct postings_cursor *, uint32_t *ref);

#endif
