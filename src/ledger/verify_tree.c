/* Where entries and checkpoints meet: after entry k the root must be the one that checkpoint k + 1
 * signs. When it is not, the stored leaf and the next checkpoint tell an edited entry from an
 * edited leaf and from a replaced checkpoint. Past an entry that is lost no root can be computed;
 * what follows is then checked by itself only. */
#include "ledger/verify.h"

#include <inttypes.h>

/* The tree as far as it is known. */
struct growth {
    struct verification *v;
    struct merkle tree;
    uint64_t agreed; /* the last size at which a checkpoint agreed */
};

static const struct verified_mark *good_mark(const struct verification *v, uint64_t size)
{
    return size < v->n_marks && v->marks[size].good ? &v->marks[size] : NULL;
}

static bool gives(const struct merkle *tree, const struct sha256 *leaf,
                  const struct verified_mark *mark)
{
    struct sha256 root = merkle_root_with(tree, leaf);
    return sha256_eq(&root, &mark->root);
}

static void name_row(struct verification *v, uint64_t k, const char *what)
{
    if (!v->rows[k].named)
        find(v, TOPIC_ENTRY, (int64_t)k, "entry %" PRIu64 ": edited: %s", k, what);
    v->rows[k].named = true;
}

/* Whether the checkpoint after the next fits these entries: then the next one is to blame. */
static bool next_but_one_fits(const struct growth *g, uint64_t k)
{
    const struct verified_row *row = &g->v->rows[k];
    const struct verified_mark *mark = good_mark(g->v, k + 2);
    if (!mark || k + 1 >= g->v->n_rows || !row[1].present || !sha256_eq(&row->hash, &row->leaf))
        return false;
    struct merkle longer;
    merkle_init(&longer);
    for (uint64_t i = 0; i < k; i++)
        merkle_append(&longer, &g->tree.levels[0].items[i]);
    merkle_append(&longer, &row->hash);
    bool fits = gives(&longer, &row[1].hash, mark) || gives(&longer, &row[1].leaf, mark);
    merkle_release(&longer);
    return fits;
}

/* Nothing fits: one of the entries since the last agreement is not what was signed. */
static void name_the_lost(const struct growth *g, uint64_t k)
{
    for (uint64_t i = g->agreed; i <= k; i++) {
        if (g->v->rows[i].named)
            return;
    }
    find_range(g->v, TOPIC_ENTRY, (int64_t)g->agreed, (int64_t)k,
               g->agreed == k ? "edited: together with its leaf; its checkpoint signs another"
                              : "edited: one or more of them, together with the leaf");
}

/* No checkpoint tells: the leaf is believed more than the bytes. */
static void settle_alone(struct growth *g, uint64_t k, struct sha256 *leaf)
{
    const struct verified_row *row = &g->v->rows[k];
    *leaf = row->leaf;
    if (!sha256_eq(&row->hash, &row->leaf))
        name_row(g->v, k, "its bytes do not hash to its leaf");
}

/* The leaf that belongs at k; false when it cannot be known. */
static bool settle(struct growth *g, uint64_t k, struct sha256 *leaf)
{
    struct verification *v = g->v;
    const struct verified_row *row = &v->rows[k];
    const struct verified_mark *mark = good_mark(v, k + 1);
    if (!mark) {
        settle_alone(g, k, leaf);
        return true;
    }
    *leaf = row->hash;
    if (gives(&g->tree, &row->hash, mark)) {
        if (!sha256_eq(&row->hash, &row->leaf))
            name_row(v, k, "its leaf is not the hash of its bytes, which are as signed");
    } else if (gives(&g->tree, &row->leaf, mark)) {
        name_row(v, k, "its bytes are not those that were signed");
        *leaf = row->leaf;
    } else if (next_but_one_fits(g, k)) {
        find(v, TOPIC_CHECKPOINT, (int64_t)k + 1,
             "checkpoint %" PRIu64 ": replaced: its root is not that of its entries", k + 1);
        return true;
    } else {
        name_the_lost(g, k);
        return false;
    }
    g->agreed = k + 1;
    return true;
}

static void check_alone(struct verification *v, uint64_t from)
{
    uint64_t first = v->n_rows, last = 0;
    for (uint64_t k = from; k < v->n_rows; k++) {
        const struct verified_row *row = &v->rows[k];
        if (!row->present)
            continue;
        first = first < k ? first : k;
        last = k;
        if (!sha256_eq(&row->hash, &row->leaf))
            name_row(v, k, "its bytes do not hash to its leaf");
    }
    if (first < v->n_rows)
        find_range(v, TOPIC_ENTRY, (int64_t)first, (int64_t)last,
                   "unproven: no root can be computed past the first bad entry");
}

void check_tree(struct verification *v)
{
    struct growth g = {.v = v};
    struct sha256 leaf, empty = sha256_of("", 0);
    uint64_t k = 0;
    merkle_init(&g.tree);
    if (good_mark(v, 0) && !sha256_eq(&v->marks[0].root, &empty))
        find(v, TOPIC_CHECKPOINT, 0, "checkpoint 0: replaced: its root is not that of no entries");
    for (; k < v->n_rows && v->rows[k].present && settle(&g, k, &leaf); k++)
        merkle_append(&g.tree, &leaf);
    check_alone(v, k + 1);
    merkle_release(&g.tree);
}
