/* Reading and proving, from any thread. Entries and blobs come over a connection of the call's own;
 * sizes, roots and proofs from the tree in memory. A read-only ledger follows what the server
 * appends: its tree catches up at each question. */
#include "ledger/internal.h"

/* --- Connections --- */

struct db *reader_take(struct ledger *l, struct err *err)
{
    struct db *db = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->n_idle > 0)
        db = l->idle[--l->n_idle];
    pthread_mutex_unlock(&l->lock);
    return db ? db : db_open(l->db_path, DB_READ, err);
}

void reader_give(struct ledger *l, struct db *db)
{
    bool kept = false;
    db_roll_back(db);
    pthread_mutex_lock(&l->lock);
    if (l->n_idle < MAX_IDLE_READERS) {
        l->idle[l->n_idle++] = db;
        kept = true;
    }
    pthread_mutex_unlock(&l->lock);
    if (!kept)
        db_close(db);
}

/* --- Entries --- */

static bool hand_out(struct ledger *l, sqlite3_stmt *rows, uint64_t *expected, bool *more,
                     bool (*each)(void *arg, const struct ledger_entry *), void *arg,
                     struct err *err)
{
    struct entry_row row;
    entry_row_read(rows, &row);
    struct sha256 hash = merkle_leaf(row.entry.bytes);
    if (expected && row.entry.seq != (*expected)++)
        return err_set(err, ERR_CORRUPT,
                       "%s: entry %llu is missing; `cqed ledger verify` tells more", l->db_path,
                       (unsigned long long)(*expected - 1));
    if (!sha256_eq(&hash, &row.leaf))
        return err_set(err, ERR_CORRUPT,
                       "%s: entry %llu was edited; `cqed ledger verify` tells more", l->db_path,
                       (unsigned long long)row.entry.seq);
    *more = each(arg, &row.entry);
    return true;
}

bool ledger_read(struct ledger *l, uint64_t from, uint64_t max, const char *subject,
                 bool (*each)(void *arg, const struct ledger_entry *), void *arg, struct err *err)
{
    bool row, more = true, done = false;
    uint64_t expected = from;
    if (from > INT64_MAX)
        return true;
    struct db *db = reader_take(l, err);
    if (!db)
        return false;
    sqlite3_stmt *rows = db_statement(db, subject ? DB_ENTRIES_OF : DB_ENTRIES, err);
    if (!rows)
        goto out;
    sqlite3_bind_int64(rows, 1, (sqlite3_int64)from);
    sqlite3_bind_int64(rows, 2, max > INT64_MAX ? -1 : (sqlite3_int64)max);
    if (subject)
        sqlite3_bind_text(rows, 3, subject, -1, SQLITE_STATIC);
    while (db_step(db, rows, &row, err)) {
        done = !row || !more;
        if (done || !hand_out(l, rows, subject ? NULL : &expected, &more, each, arg, err))
            break;
    }
    sqlite3_reset(rows);
out:
    reader_give(l, db);
    return done;
}

/* --- Blobs --- */

static bool copy_pending(struct ledger *l, const struct sha256 *id, struct buf *out)
{
    bool found = false;
    pthread_mutex_lock(&l->lock);
    for (const struct pending_blob *b = l->pending; b && !found; b = b->next) {
        found = sha256_eq(&b->id, id);
        if (found)
            buf_add_str(out, buf_str(&b->bytes));
    }
    pthread_mutex_unlock(&l->lock);
    return found;
}

static bool copy_stored(struct ledger *l, const struct sha256 *id, struct buf *out, struct err *err)
{
    bool row = false;
    struct db *db = reader_take(l, err);
    if (!db)
        return false;
    sqlite3_stmt *s = db_statement(db, DB_BLOB, err);
    if (s)
        sqlite3_bind_blob(s, 1, id->b, sizeof id->b, SQLITE_STATIC);
    bool done = s && db_step(db, s, &row, err);
    if (row)
        buf_add_str(out, db_text(s, 0));
    if (s)
        sqlite3_reset(s);
    reader_give(l, db);
    return done && (row || err_set(err, ERR_NOT_FOUND, "%s has no such evidence", l->db_path));
}

json_t *ledger_get_blob(struct ledger *l, struct arena *arena, const struct sha256 *id,
                        struct err *err)
{
    struct buf bytes = BUF_INIT;
    json_t *value = NULL;
    if (copy_pending(l, id, &bytes) || copy_stored(l, id, &bytes, err)) {
        struct sha256 hash = sha256_of(bytes.p, bytes.n);
        if (sha256_eq(&hash, id))
            value = json_parse(arena, buf_str(&bytes), err);
        else
            err_set(err, ERR_CORRUPT, "%s: evidence beside an entry was edited", l->db_path);
    }
    buf_release(&bytes);
    return value;
}

/* --- The tree --- */

/* The tree under the lock, up to date; NULL, and no lock held, on failure. */
static const struct merkle *tree_lock(struct ledger *l, struct err *err)
{
    bool good = true;
    struct db *db = l->read_only ? reader_take(l, err) : NULL;
    if (l->read_only && !db)
        return NULL;
    pthread_mutex_lock(&l->lock);
    if (db)
        good = tree_catch_up(db, &l->tree, err);
    pthread_mutex_unlock(&l->lock);
    if (db)
        reader_give(l, db);
    if (!good)
        return NULL;
    pthread_mutex_lock(&l->lock);
    return &l->tree;
}

static void tree_unlock(struct ledger *l)
{
    pthread_mutex_unlock(&l->lock);
}

uint64_t ledger_size(struct ledger *l)
{
    uint64_t size = 0;
    bool row = false;
    if (!l->read_only) {
        pthread_mutex_lock(&l->lock);
        size = l->tree.size;
        pthread_mutex_unlock(&l->lock);
        return size;
    }
    struct db *db = reader_take(l, NULL);
    if (!db)
        return 0;
    sqlite3_stmt *s = db_statement(db, DB_EXTENT, NULL);
    if (s && db_step(db, s, &row, NULL) && row) {
        size = (uint64_t)sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
    }
    reader_give(l, db);
    return size;
}

struct sha256 ledger_root(struct ledger *l)
{
    struct sha256 root = {{0}};
    const struct merkle *tree = tree_lock(l, NULL);
    if (!tree)
        return root;
    root = merkle_root(tree, tree->size);
    tree_unlock(l);
    return root;
}

bool ledger_root_at(struct ledger *l, uint64_t size, struct sha256 *root, struct err *err)
{
    const struct merkle *tree = tree_lock(l, err);
    if (!tree)
        return false;
    uint64_t has = tree->size;
    if (size <= has)
        *root = merkle_root(tree, size);
    tree_unlock(l);
    return size <= has ||
           err_set(err, ERR_NOT_FOUND, "there is no root of %llu entries; the ledger has %llu",
                   (unsigned long long)size, (unsigned long long)has);
}

bool ledger_inclusion_proof(struct ledger *l, uint64_t seq, uint64_t size, struct arena *arena,
                            struct sha256 **path, size_t *n, struct err *err)
{
    const struct merkle *tree = tree_lock(l, err);
    if (!tree)
        return false;
    bool there = seq < size && size <= tree->size;
    if (there)
        merkle_inclusion(tree, seq, size, arena, path, n);
    uint64_t has = tree->size;
    tree_unlock(l);
    return there ||
           err_set(err, ERR_NOT_FOUND,
                   "there is no proof of entry %llu in %llu entries; the ledger has %llu",
                   (unsigned long long)seq, (unsigned long long)size, (unsigned long long)has);
}

bool ledger_consistency_proof(struct ledger *l, uint64_t old_size, uint64_t size,
                              struct arena *arena, struct sha256 **path, size_t *n, struct err *err)
{
    const struct merkle *tree = tree_lock(l, err);
    if (!tree)
        return false;
    bool there = old_size <= size && size <= tree->size;
    if (there)
        merkle_consistency(tree, old_size, size, arena, path, n);
    uint64_t has = tree->size;
    tree_unlock(l);
    return there ||
           err_set(err, ERR_NOT_FOUND,
                   "there is no proof from %llu to %llu entries; the ledger has %llu",
                   (unsigned long long)old_size, (unsigned long long)size, (unsigned long long)has);
}

/* --- Checkpoints --- */

static bool stored_checkpoint(struct ledger *l, struct buf *out, struct err *err)
{
    bool row = false;
    struct db *db = reader_take(l, err);
    if (!db)
        return false;
    sqlite3_stmt *s = db_statement(db, DB_LAST_CHECKPOINT, err);
    bool done = s && db_step(db, s, &row, err);
    if (row)
        buf_add_str(out, db_text(s, 1));
    if (s)
        sqlite3_reset(s);
    reader_give(l, db);
    return done && (row || err_set(err, ERR_CORRUPT, "%s: it has no checkpoint", l->db_path));
}

bool ledger_checkpoint(struct ledger *l, struct buf *out, struct err *err)
{
    if (l->read_only)
        return stored_checkpoint(l, out, err);
    pthread_mutex_lock(&l->lock);
    buf_add_str(out, buf_str(&l->checkpoint));
    pthread_mutex_unlock(&l->lock);
    return true;
}

void ledger_verifier_key(struct ledger *l, struct buf *out)
{
    if (l->knows_name)
        note_key_format(&l->name, out);
}
