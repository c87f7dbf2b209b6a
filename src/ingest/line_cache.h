/* line_cache.h -- what the lines of a target meant last time. Most bodies repeat: the same lines in
 * the same order with other values. So each known line waits at its place for the same bytes to
 * come again, by length and 64-bit hash; a line elsewhere is found by its hash.
 *
 *     lines:  [TYPE a] [a{x="1"}] [a{x="2"}] [TYPE b] [b] ...      in the order of the last body
 *                           ^ next: what the coming line is expected to be
 *     slots:  hash -> index
 *
 * A line found elsewhere moves the expectation behind it; line_cache_keep puts the lines in the new
 * order. Cost: 40 bytes a line; a line in its place costs one hash of its bytes. */
#ifndef CQED_INGEST_LINE_CACHE_H
#define CQED_INGEST_LINE_CACHE_H

#include "base/hash.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum cached_kind {
    CACHED_SERIES,
    CACHED_CREATED, /* a series that tells when others began */
    CACHED_DROPPED,
    CACHED_TYPE, /* from here on comments */
    CACHED_COMMENT
};

struct cached_line {
    uint64_t hash;
    uint64_t ref;     /* of a series in the store */
    uint32_t n_bytes; /* of the key, or of the whole comment */
    uint32_t seen;    /* the scrape that had it last */
    uint32_t place;   /* its number in that scrape's body */
    uint8_t kind;     /* enum cached_kind */
    bool live;        /* its series wants a stale marker when it is gone */
    bool tracked;     /* of scrape `seen`: will be live */
    bool origin_zero; /* it was not there in an earlier good scrape */
};

struct line_cache {
    struct cached_line *lines;
    uint32_t n, capacity;
    uint32_t n_before; /* lines of earlier scrapes; those behind are of this one */
    uint32_t *slots;   /* index + 1; open addressing, a power of two */
    uint32_t n_slots;
    uint32_t next;   /* expected */
    uint32_t scrape; /* the present one's number, from 1 */
    uint32_t places; /* lines of it so far */
    uint32_t misses; /* of the expectation */
};

void line_cache_release(struct line_cache *); /* all zero is an empty cache */

void line_cache_begin(struct line_cache *); /* a new scrape */

/* Elsewhere or never: NULL. Moves the expectation behind it. */
struct cached_line *line_cache_find(struct line_cache *, bool comment, struct str bytes);
/* New; valid until the next one is added. */
struct cached_line *line_cache_add(struct line_cache *, enum cached_kind, struct str bytes);

/* Forget the series that are gone, between scrapes; whether there were any. */
bool line_cache_forget(struct line_cache *, bool (*is_gone)(const void *arg, uint64_t ref),
                       const void *arg);

/* The scrape was good: lines it did not have are forgotten. It was not: its new lines are. */
void line_cache_keep(struct line_cache *);
void line_cache_undo(struct line_cache *);

static inline bool cached_is_comment(const struct cached_line *l)
{
    return l->kind >= CACHED_TYPE;
}

/* The expected line if the text at p begins with its bytes, else NULL. What follows the bytes is
 * the caller's to check. */
static inline struct cached_line *line_cache_expected(const struct line_cache *c, bool comment,
                                                      const char *p, const char *end)
{
    if (c->next >= c->n_before)
        return NULL;
    struct cached_line *l = &c->lines[c->next];
    if (cached_is_comment(l) != comment || (size_t)(end - p) <= l->n_bytes ||
        hash64(p, l->n_bytes, 0) != l->hash)
        return NULL;
    return l;
}

static inline void line_cache_saw(struct line_cache *c, struct cached_line *l)
{
    l->tracked = l->tracked && l->seen == c->scrape;
    l->seen = c->scrape;
    l->place = c->places++;
    uint32_t index = (uint32_t)(l - c->lines);
    if (index < c->n_before)
        c->next = index + 1;
}

#endif
