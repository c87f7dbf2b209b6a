/* index.h -- from label names and values to the series that have them. Also the home of every label
 * string: series borrow name and value from here, so equal strings are equal pointers.
 *
 *     names -> index_name -> values -> postings: refs of series, ascending
 *
 * Grows only. Not locked: the head's index lock guards it. */
#ifndef CQED_STORE_INDEX_H
#define CQED_STORE_INDEX_H

#include "base/map.h"
#include "model/labels.h"

#include <stdint.h>

struct postings {
    struct str value;
    uint32_t *refs; /* ascending */
    size_t n;
    size_t capacity;
};

struct index_name {
    struct str name;
    struct map *values; /* value -> struct postings */
};

struct index {
    struct map *names; /* name -> struct index_name */
};

void index_init(struct index *);
void index_release(struct index *);

/* Put a series' ref, greater than all before it, under each of its labels; `own` (n of them) gets
 * the same labels in the index's strings. */
void index_add(struct index *, struct labels, uint32_t ref, struct label *own);

const struct index_name *index_find_name(const struct index *, struct str name); /* or NULL */
const struct postings *index_find(const struct index *, struct str name, struct str value);

#endif
