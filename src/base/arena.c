#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SEPARATE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SEPARATE 1
#endif
#endif
#ifndef ARENA_SEPARATE
#define ARENA_SEPARATE 0
#endif

#define FIRST_BLOCK_BYTES ((size_t)4096)
#define MAX_BLOCK_BYTES ((size_t)1 << 20)

struct arena_block {
    struct arena_block *next;
    size_t size_bytes; /* of data */
    size_t used_bytes;
    alignas(max_align_t) unsigned char data[];
};

struct arena_cleanup {
    struct arena_cleanup *next;
    void (*fn)(void *object);
    void *object;
};

void arena_init(struct arena *a)
{
    *a = (struct arena)ARENA_INIT;
}

static void run_cleanups(struct arena *a)
{
    while (a->cleanups) {
        struct arena_cleanup *c = a->cleanups;
        a->cleanups = c->next;
        c->fn(c->object);
    }
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void arena_release(struct arena *a)
{
    run_cleanups(a);
    free_blocks(a->blocks);
    arena_init(a);
}

void arena_clear(struct arena *a)
{
    run_cleanups(a);
    struct arena_block *keep = ARENA_SEPARATE ? NULL : a->blocks;
    free_blocks(keep ? keep->next : a->blocks);
    arena_init(a);
    if (keep) {
        keep->next = NULL;
        keep->used_bytes = 0;
        a->blocks = keep;
    }
}

static struct arena_block *new_block(size_t size_bytes)
{
    if (size_bytes > SIZE_MAX - sizeof(struct arena_block))
        check_no_memory(size_bytes);
    struct arena_block *b = malloc(sizeof *b + size_bytes);
    if (!b)
        check_no_memory(size_bytes);
    b->size_bytes = size_bytes;
    b->used_bytes = 0;
    return b;
}

/* The newest block when it has room, else a new one. A request too large for a shared block gets
 * its own behind the newest, so that the newest's free room is not lost. */
static struct arena_block *block_with_room(struct arena *a, size_t need)
{
    struct arena_block *newest = a->blocks;
    if (!ARENA_SEPARATE && newest && newest->size_bytes - newest->used_bytes >= need)
        return newest;

    size_t size = need;
    if (!ARENA_SEPARATE && need <= MAX_BLOCK_BYTES / 4) {
        size = newest ? newest->size_bytes * 2 : FIRST_BLOCK_BYTES;
        if (size > MAX_BLOCK_BYTES)
            size = MAX_BLOCK_BYTES;
        if (size < need)
            size = need;
    }
    struct arena_block *b = new_block(size);
    bool own = !ARENA_SEPARATE && newest && need > MAX_BLOCK_BYTES / 4;
    if (own) {
        b->next = newest->next;
        newest->next = b;
    } else {
        b->next = newest;
        a->blocks = b;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    const size_t align = alignof(max_align_t);
    if (size_bytes > SIZE_MAX - align)
        check_no_memory(size_bytes);
    size_t need = ARENA_SEPARATE ? size_bytes : (size_bytes + align - 1) & ~(align - 1);
    struct arena_block *b = block_with_room(a, need);
    void *p = b->data + b->used_bytes;
    b->used_bytes += need;
    a->used_bytes += size_bytes;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size_bytes)
{
    void *p = arena_alloc(a, size_bytes);
    if (size_bytes > 0)
        memset(p, 0, size_bytes);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t item_bytes)
{
    size_t bytes;
    CHECK(!__builtin_mul_overflow(count, item_bytes, &bytes));
    return arena_zalloc(a, bytes);
}

void *arena_grow(struct arena *a, void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    CHECK(wanted > *capacity);
    void *grown = arena_array(a, wanted, item_bytes);
    if (count > 0)
        memcpy(grown, items, count * item_bytes);
    *capacity = wanted;
    return grown;
}

void *arena_memdup(struct arena *a, const void *p, size_t size_bytes)
{
    void *copy = arena_alloc(a, size_bytes);
    if (size_bytes > 0)
        memcpy(copy, p, size_bytes);
    return copy;
}

char *arena_cstr(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *cstr)
{
    return arena_cstr(a, str_from(cstr));
}

struct str arena_str(struct arena *a, struct str s)
{
    return str_make(arena_cstr(a, s), s.n);
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECK(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, format, args);
    return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

void arena_on_release(struct arena *a, void (*fn)(void *object), void *object)
{
    struct arena_cleanup *c = arena_alloc(a, sizeof *c);
    *c = (struct arena_cleanup){a->cleanups, fn, object};
    a->cleanups = c;
}
