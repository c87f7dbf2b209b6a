/* index.h -- from labels to the series that have them. Also the home of every label: a pair of name
 * and value is here once, with a number, and a series is a list of such numbers, ordered by name.
 *
 *     names -> index_name -> pairs of that name
 *     name, value -> pair -> postings: slots of series, as differences in 7-bit groups; a 0 among
 *                            them says that the next is counted from 0, being less than the one
 *                            before
 *     number -> pair         read without a lock
 *
 * The head's index lock guards all that does not say otherwise. When the last series with a pair
 * has been withdrawn, the pair is out of the index, and so is a name without pairs; but strings and
 * pairs stay as and where they are until index_recycle, so that whoever knows the number may still
 * read them. */
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
    bool lost_pairs; /* some of them are out of the index: index_tidy_names */
};

struct index_pair {
    const struct index_name *name;
    struct str value;
    uint32_t number, hash;
    uint32_t n; /* series that have it; 0 = it is out of the index */
    uint32_t last_slot;
    uint32_t n_bytes, capacity;
    uint8_t *postings;
};

struct index_block {
    const struct index_pair *pairs[INDEX_BLOCK];
};

struct index {
    struct map *names;                     /* name -> struct index_name */
    _Atomic(struct index_block *) *blocks; /* INDEX_BLOCKS of them */
    uint32_t n_pairs;                      /* numbers from 0 that were ever used */
    uint32_t *slots;                       /* number + 1; open addressing, a power of two */
    size_t n_slots;
    uint32_t *free_numbers; /* to be used again */
    size_t n_free, free_capacity;
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
/* The series in this slot, which was in none of their postings, has these labels. */
void index_add(struct index *, struct label_set, uint32_t slot);

/* What is out of the index and not freed yet; zero-initialised. */
struct index_withdrawn {
    uint32_t *numbers;
    size_t n_numbers, number_capacity;
    struct index_name **names;
    size_t n_names, name_capacity;
    struct index_name **lost_pairs; /* names to be tidied */
    size_t n_lost, lost_capacity;
    uint32_t *scratch;
    size_t scratch_capacity;
};

/* Take those slots out of the pair's postings whose bits are set in `gone`; there are n_gone.
 * Cost: one pass over the postings. */
void index_withdraw(struct index *, uint32_t number, const uint8_t *gone, uint32_t n_gone,
                    struct index_withdrawn *);
/* Names let go of the pairs that were withdrawn. */
void index_tidy_names(struct index *, struct index_withdrawn *);
/* Nobody knows their numbers and strings any more: free them. Also releases the lists. */
void index_recycle(struct index *, struct index_withdrawn *);

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
    uint32_t at, slot;
};

/* struct postings_cursor c = {pair, 0, 0}; while (postings_next(&c, &slot)) */
bool postings_next(struct postings_cursor *, uint32_t *slot);

#endif
