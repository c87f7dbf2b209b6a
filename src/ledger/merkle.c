#include "ledger/merkle.h"

#include "base/mem.h"

#include <stdlib.h>

void merkle_init(struct merkle *t)
{
    memset(t, 0, sizeof *t);
}

void merkle_release(struct merkle *t)
{
    for (size_t k = 0; k < MERKLE_LEVELS; k++)
        free(t->levels[k].items);
    merkle_init(t);
}

static struct str hash_str(const struct sha256 *hash)
{
    return str_make((const char *)hash->b, sizeof hash->b);
}

struct sha256 merkle_leaf(struct str bytes)
{
    return sha256_of_parts(0x00, bytes, STR(""));
}

struct sha256 merkle_node(const struct sha256 *left, const struct sha256 *right)
{
    return sha256_of_parts(0x01, hash_str(left), hash_str(right));
}

static void level_push(struct merkle_level *level, const struct sha256 *hash)
{
    level->items = mem_grow(level->items, level->n, &level->capacity, sizeof *level->items);
    level->items[level->n++] = *hash;
}

void merkle_append(struct merkle *t, const struct sha256 *leaf)
{
    struct sha256 hash = *leaf;
    size_t k = 0;
    level_push(&t->levels[0], &hash);
    for (; t->levels[k].n % 2 == 0; k++) {
        const struct merkle_level *level = &t->levels[k];
        hash = merkle_node(&level->items[level->n - 2], &level->items[level->n - 1]);
        level_push(&t->levels[k + 1], &hash);
    }
    t->size++;
}

/* --- Roots --- */

/* The largest power of two below n; n > 1. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* MTH(D[begin:begin+n]) for a range that a proof can name: begin is a multiple of the power of two
 * that is not below n. */
static struct sha256 range_root(const struct merkle *t, uint64_t begin, uint64_t n)
{
    if ((n & (n - 1)) == 0) {
        int k = __builtin_ctzll(n);
        return t->levels[k].items[begin >> k];
    }
    uint64_t k = split(n);
    struct sha256 left = range_root(t, begin, k), right = range_root(t, begin + k, n - k);
    return merkle_node(&left, &right);
}

struct sha256 merkle_root(const struct merkle *t, uint64_t size)
{
    CHECK(size <= t->size);
    return size == 0 ? sha256_of("", 0) : range_root(t, 0, size);
}

struct sha256 merkle_root_with(const struct merkle *t, const struct sha256 *leaf)
{
    struct sha256 root = *leaf;
    for (int k = 0; k < MERKLE_LEVELS && t->size >> k; k++) {
        if (t->size >> k & 1)
            root = merkle_node(&t->levels[k].items[t->levels[k].n - 1], &root);
    }
    return root;
}

/* --- Proofs --- */

/* RFC 6962 defines both proofs from the leaf up; they are collected from the root down. */
static struct sha256 *reversed(struct arena *arena, const struct sha256 *path, size_t n)
{
    struct sha256 *out = ARENA_ARRAY(arena, struct sha256, n);
    for (size_t i = 0; i < n; i++)
        out[i] = path[n - 1 - i];
    return out;
}

void merkle_inclusion(const struct merkle *t, uint64_t index, uint64_t size, struct arena *arena,
                      struct sha256 **path, size_t *n)
{
    CHECK(index < size && size <= t->size);
    struct sha256 down[MERKLE_MAX_PATH];
    uint64_t begin = 0, left = size;
    *n = 0;
    while (left > 1) {
        uint64_t k = split(left);
        CHECK(*n < MERKLE_MAX_PATH);
        if (index - begin < k) {
            down[(*n)++] = range_root(t, begin + k, left - k);
            left = k;
        } else {
            down[(*n)++] = range_root(t, begin, k);
            begin += k;
            left -= k;
        }
    }
    *path = reversed(arena, down, *n);
}

void merkle_consistency(const struct merkle *t, uint64_t old_size, uint64_t size,
                        struct arena *arena, struct sha256 **path, size_t *n)
{
    CHECK(old_size <= size && size <= t->size);
    struct sha256 down[MERKLE_MAX_PATH];
    uint64_t begin = 0, left = size, m = old_size;
    *n = 0;
    while (m > 0 && m < left) {
        uint64_t k = split(left);
        CHECK(*n < MERKLE_MAX_PATH - 1);
        if (m <= k) {
            down[(*n)++] = range_root(t, begin + k, left - k);
            left = k;
        } else {
            down[(*n)++] = range_root(t, begin, k);
            begin += k;
            left -= k;
            m -= k;
        }
    }
    /* The old tree's own root is known to the verifier; any other subtree is part of the proof. */
    if (m > 0 && begin > 0)
        down[(*n)++] = range_root(t, begin, left);
    *path = reversed(arena, down, *n);
}

/* --- Verification --- */

bool merkle_verify_inclusion(const struct sha256 *leaf, uint64_t index, uint64_t size,
                             const struct sha256 *path, size_t n, const struct sha256 *root)
{
    if (index >= size)
        return false;
    uint64_t fn = index, sn = size - 1;
    struct sha256 r = *leaf;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return false;
        if (fn & 1 || fn == sn) {
            r = merkle_node(&path[i], &r);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            r = merkle_node(&r, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && sha256_eq(&r, root);
}

/* Climbs from the last node of the old tree, keeping what both roots must be. */
static bool climb(uint64_t fn, uint64_t sn, const struct sha256 *seed, const struct sha256 *path,
                  size_t n, struct sha256 *old_root, struct sha256 *root)
{
    *old_root = *root = *seed;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return false;
        if (fn & 1 || fn == sn) {
            *old_root = merkle_node(&path[i], old_root);
            *root = merkle_node(&path[i], root);
            while (!(fn & 1) && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            *root = merkle_node(root, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0;
}

bool merkle_verify_consistency(uint64_t old_size, const struct sha256 *old_root, uint64_t size,
                               const struct sha256 *root, const struct sha256 *path, size_t n)
{
    struct sha256 old_found, found;
    if (old_size > size)
        return false;
    if (old_size == size)
        return n == 0 && sha256_eq(old_root, root);
    if (old_size == 0) {
        found = sha256_of("", 0);
        return n == 0 && sha256_eq(old_root, &found);
    }
    uint64_t fn = old_size - 1, sn = size - 1;
    while (fn & 1) {
        fn >>= 1;
        sn >>= 1;
    }
    /* A complete old tree is a node of the new one, so its root is left out of the proof. */
    const struct sha256 *seed = old_root;
    if ((old_size & (old_size - 1)) != 0) {
        if (n == 0)
            return false;
        seed = path++;
        n--;
    }
    return climb(fn, sn, seed, path, n, &old_found, &found) && sha256_eq(&old_found, old_root) &&
           sha256_eq(&found, root);
}
