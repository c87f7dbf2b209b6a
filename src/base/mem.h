/* mem.h -- memory that outlives a task: malloc's, never NULL (docs/decisions/0002). free() gives it
 * back. What belongs to one task comes from an arena instead. */
#ifndef CQED_BASE_MEM_H
#define CQED_BASE_MEM_H

#include "base/str.h"

#include <stddef.h>

void *mem_zalloc(size_t size_bytes);              /* zeroed */
void *mem_array(size_t count, size_t item_bytes); /* zeroed; an overflow is out of memory */
void *mem_resize(void *, size_t count, size_t item_bytes); /* realloc: the new tail is not zeroed */
char *mem_strdup(const char *);
char *mem_text(struct str); /* a copy with a NUL behind its end */

/* Room for one more item: doubles when count has reached *capacity, and returns the array. */
void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_bytes);

#endif
