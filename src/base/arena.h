/* arena.h -- memory with the lifetime of one task: a scrape, a query, a request, a tick.
 * Allocation is a pointer bump; everything goes at once. Under AddressSanitizer each allocation is
 * its own malloc, so that overruns and uses after release are found. One thread at a time. */
#ifndef CQED_BASE_ARENA_H
#define CQED_BASE_ARENA_H

#include "base/check.h"
#include "base/str.h"

#include <stdarg.h>
#include <stddef.h>

struct arena_block;
struct arena_cleanup;

struct arena {
    struct arena_block *blocks;     /* newest first */
    struct arena_cleanup *cleanups; /* newest first */
    size_t used_bytes;              /* handed out since init or clear */
};

#define ARENA_INIT                                                                                 \
    {                                                                                              \
        NULL, NULL, 0                                                                              \
    }

void arena_init(struct arena *);
void arena_release(struct arena *); /* runs the cleanups, newest first, then frees everything */
void arena_clear(struct arena *);   /* the same, but keeps a block for reuse */

/* Never NULL. Aligned for any type. Zero bytes give a valid pointer. */
void *arena_alloc(struct arena *, size_t size_bytes);
void *arena_zalloc(struct arena *, size_t size_bytes);
void *arena_array(struct arena *, size_t count, size_t item_bytes); /* zeroed; CHECKs overflow */
#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

/* Room for one more item in an arena-grown array: doubles when full, copies, returns the array. */
void *arena_grow(struct arena *, void *items, size_t count, size_t *capacity, size_t item_bytes);

void *arena_memdup(struct arena *, const void *, size_t size_bytes);
char *arena_strdup(struct arena *, const char *);
struct str arena_str(struct arena *, struct str); /* the copy is NUL-terminated behind its end */
char *arena_cstr(struct arena *, struct str);
char *arena_printf(struct arena *, const char *format, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *, const char *format, va_list);

/* Run fn(object) at release: for what the arena's task opened. */
void arena_on_release(struct arena *, void (*fn)(void *object), void *object);

#endif
