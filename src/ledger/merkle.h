/* merkle.h -- the RFC 6962 (section 2.1) Merkle tree over SHA-256, append-only, kept in memory.
 * Level k holds the roots of the complete subtrees of 2^k leaves, left to right, so that the root
 * of any earlier size and every proof are look-ups and at most a few dozen hashes.
 *
 *     level 2   [ 0..3 ]
 *     level 1   [0 1] [2 3] [4 5]
 *     level 0    0 1   2 3   4 5  6       7 leaves: the peaks are 0..3, 4..5 and 6
 *
 * Cost: 64 bytes per leaf; append amortised one hash, root and proofs O(log n). Not thread-safe:
 * the owner locks. */
#ifndef CQED_LEDGER_MERKLE_H
#define CQED_LEDGER_MERKLE_H

#include "base/arena.h"
#include "codec/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MERKLE_LEVELS 64
#define MERKLE_MAX_PATH MERKLE_LEVELS /* no proof in a tree of less than 2^63 leaves is longer */

struct merkle_level {
    struct sha256 *items;
    size_t n;
    size_t capacity;
};

struct merkle {
    struct merkle_level levels[MERKLE_LEVELS];
    uint64_t size; /* leaves */
};

void merkle_init(struct merkle *);
void merkle_release(struct merkle *);

struct sha256 merkle_leaf(struct str bytes); /* SHA-256(0x00 || bytes) */
struct sha256 merkle_node(const struct sha256 *left, const struct sha256 *right);

void merkle_append(struct merkle *, const struct sha256 *leaf);

/* The root of the first `size` leaves; CHECKs size <= the tree's. Of none: SHA-256(""). */
struct sha256 merkle_root(const struct merkle *, uint64_t size);

/* What the root is once `leaf` is appended; the tree stays as it is. */
struct sha256 merkle_root_with(const struct merkle *, const struct sha256 *leaf);

/* Audit path of leaf `index` in the tree of `size` leaves (section 2.1.1), leaf side first. CHECKs
 * index < size <= the tree's. The path is the arena's. */
void merkle_inclusion(const struct merkle *, uint64_t index, uint64_t size, struct arena *,
                      struct sha256 **path, size_t *n);

/* Consistency proof between the trees of `old_size` and `size` leaves (section 2.1.2). Empty when
 * they are equal or old_size is 0. CHECKs old_size <= size <= the tree's. */
void merkle_consistency(const struct merkle *, uint64_t old_size, uint64_t size, struct arena *,
                        struct sha256 **path, size_t *n);

/* Verification needs no tree (RFC 9162 sections 2.1.3.2 and 2.1.4.2). Any input is safe. */
bool merkle_verify_inclusion(const struct sha256 *leaf, uint64_t index, uint64_t size,
                             const struct sha256 *path, size_t n, const struct sha256 *root);
bool merkle_verify_consistency(uint64_t old_size, const struct sha256 *old_root, uint64_t size,
                               const struct sha256 *root, const struct sha256 *path, size_t n);

#endif
