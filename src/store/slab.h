/* slab.h -- memory for a great many small things of few sizes, without a header each: the bytes of
 * the head's chunks. What is asked for one after the other lies one after the other, which is what
 * makes a pass over the series in their order cheap.
 *
 *     2 MiB regions (huge pages)  ->  64 KiB pages, each of one size class
 *     page:  header | item | item | free | item | ...      empty again: any class may have it
 *
 * Readers may go on reading items without the lock: what is freed while a pin is held stays as it
 * is until all who held one then have let go.
 *
 * Under AddressSanitizer each item is its own malloc. Not locked, but for slab_unpin. */
#ifndef CQED_STORE_SLAB_H
#define CQED_STORE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>

#define SLAB_STEP_BYTES 16  /* between the classes */
#define SLAB_MAX_BYTES 4096 /* of an item */
#define SLAB_CLASSES (SLAB_MAX_BYTES / SLAB_STEP_BYTES)

struct slab_page;

struct slab_limbo {
    struct slab_freed {
        void *item;
        size_t size_bytes;
    } * v;
    size_t n, capacity;
};

/* Pins and what was freed under them come in two generations: the present one, and the one before,
 * which gets no new pins. When the latter has none left, what was freed in it is free, and the two
 * change places. */
struct slab {
    struct slab_page *partial[SLAB_CLASSES]; /* pages with room */
    struct slab_page *empty;
    void **regions;
    size_t n_regions, region_capacity;
    _Atomic unsigned pins[2];
    struct slab_limbo limbo[2];
    unsigned generation; /* the present one, 0 or 1 */
};

void slab_init(struct slab *);
void slab_release(struct slab *); /* with all that it gave out */

/* slab_room(size_bytes) of them. Never NULL, not zeroed, aligned to 16. At most SLAB_MAX_BYTES
 * (CHECKed). */
void *slab_alloc(struct slab *, size_t size_bytes);
/* size_bytes as asked for; NULL is fine. */
void slab_free(struct slab *, void *, size_t size_bytes);

/* Keep what is there now readable; gives what slab_unpin wants. Nothing may be freed meanwhile, but
 * others may pin. */
unsigned slab_pin(struct slab *);
void slab_unpin(struct slab *, unsigned pin); /* any time, any thread */

/* What an item of that size takes. */
static inline size_t slab_room(size_t size_bytes)
{
    return (size_bytes + SLAB_STEP_BYTES - 1) & ~(size_t)(SLAB_STEP_BYTES - 1);
}

#endif
