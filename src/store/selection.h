/* selection.h -- the series of the head that a query is about, and what it needs to read them
 * without the head: chunks as they are, compressed, and the labels. Private to store/.
 *
 *     selection_find  -> which series match              (select.c; `visible` is held)
 *     selection_take  -> and their samples in a range    (head_read.c; takes the lock itself)
 *     selection_read  -> one's samples, decoded          (no lock, any time later) */
#ifndef CQED_STORE_SELECTION_H
#define CQED_STORE_SELECTION_H

#include "store/block_select.h"
#include "store/internal.h"

/* What few series have. */
struct selected_rest {
    const struct histogram_sample *histograms;
    size_t n_histograms;
    const struct sample *late;
    size_t n_late;
};

/* A series, its labels once they are wanted, and what was found of it while it was locked. */
struct selected {
    struct series *series;
    struct labels labels;
    const struct piece *pieces; /* float chunks that overlap the range, oldest first */
    size_t n_pieces;
    const struct selected_rest *rest; /* NULL: nothing of it is in the range */
};

/* By ref or by labels; arena memory. */
struct selection {
    struct selected *v;
    size_t n;
    size_t capacity;
};

static inline const struct series_rest *rest_of(const struct series *s)
{
    return atomic_load_explicit(&s->rest, memory_order_relaxed);
}

/* The series that have samples and match; of all, without a matcher. `visible` is held. */
MUST_CHECK bool selection_find(struct store *, struct arena *, const struct matcher *, size_t n,
                               struct selection *, struct err *);
/* By labels, which are written out. */
void selection_sort(struct store *, struct arena *, struct selection *);

/* Those that match, sorted. Appends wait while they are looked up and noted; nothing is held
 * afterwards: few histograms and late samples are read at once, chunks are copied. */
MUST_CHECK bool selection_take(struct store *, struct arena *, const struct block_question *,
                               struct selection *, struct err *);
/* Append the samples of one; a few more than the limit if there are as many. */
void selection_read(const struct selected *, const struct block_question *, struct points *);

#endif
