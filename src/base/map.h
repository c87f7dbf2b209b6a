/* map.h -- from byte strings to pointers. Open addressing; keys are copied, values are borrowed.
 * Iteration follows insertion order, so that output never depends on hash seeds. One thread. */
#ifndef CQED_BASE_MAP_H
#define CQED_BASE_MAP_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *);

void *map_get(const struct map *, struct str key);        /* NULL when absent */
void *map_set(struct map *, struct str key, void *value); /* the value it replaces, or NULL */
void *map_remove(struct map *, struct str key);           /* the value it had, or NULL */
size_t map_count(const struct map *);

/* for (size_t i = 0; map_next(m, &i, &key, &value);) */
bool map_next(const struct map *, size_t *cursor, struct str *key, void **value);

#endif
