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

char *mem_text(struct str s)
{
    char *copy = mem_zalloc(s.n + 1);
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    return copy;
}

char *mem_strdup(const char *s)
{
    return mem_text(str_from(s));
}

void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? product(*capacity, 2) : 8;
    return mem_resize(items, *capacity, item_bytes);
}
