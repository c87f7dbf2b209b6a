#include "base/mem.h"

#include "base/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t product(size_t count, size_t item_bytes)
{
    size_t size_bytes;
    if (__builtin_mul_overflow(count, item_bytes, &size_bytes))
        check_no_memory(SIZE_MAX);
    return size_bytes;
}

void *mem_array(size_t count, size_t item_bytes)
{
    size_t size_bytes = product(count, item_bytes);
    void *p = calloc(1, size_bytes ? size_bytes : 1);
    if (!p)
        check_no_memory(size_bytes);
    return p;
}

void *mem_zalloc(size_t size_bytes)
{
    return mem_array(1, size_bytes);
}

void *mem_resize(void *old, size_t count, size_t item_bytes)
{
    size_t size_bytes = product(count, item_bytes);
    void *p = realloc(old, size_bytes ? size_bytes : 1);
    if (!p)
        check_no_memory(size_bytes);
    return p;
}

char *mem_strdup(const char *s)
{
    size_t size_bytes = strlen(s) + 1;
    return memcpy(mem_zalloc(size_bytes), s, size_bytes);
}

void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? product(*capacity, 2) : 8;
    return mem_resize(items, *capacity, item_bytes);
}
