/* An entry's bytes, and its row. */
#include "ledger/internal.h"

const char *ledger_kind_name(enum ledger_kind kind)
{
    switch (kind) {
#define X(code, name)                                                                              \
    case code:                                                                                     \
        return name;
        LEDGER_KINDS(X)
#undef X
    }
    return "unknown";
}

/* What is signed must be readable for ever: nesting over the limit, text that is not UTF-8 and
 * whatever else does not read back the same is stopped here. */
static bool reads_back(struct str bytes, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct buf again = BUF_INIT;
    const json_t *json = json_parse(&arena, bytes, err);
    bool same = false;
    if (json) {
        json_canonical(json, &again);
        same = str_eq(buf_str(&again), bytes) ||
               err_set(err, ERR_BAD_INPUT, "it does not read back the same");
    }
    buf_release(&again);
    arena_release(&arena);
    return same;
}

bool entry_format(uint64_t seq, int64_t at_ms, const char *kind, const char *subject,
                  const json_t *body, struct buf *out, struct err *err)
{
    json_t *json = json_pack("{s:i, s:I, s:I, s:s, s:s, s:O}", "v", 1, "seq", (json_int_t)seq, "at",
                             (json_int_t)at_ms, "kind", kind, "subject", subject, "body", body);
    if (!json)
        return err_set(err, ERR_BAD_INPUT, "a %s entry's subject is not UTF-8", kind);
    json_canonical(json, out);
    json_decref(json);
    if (out->n > MAX_ENTRY_BYTES)
        return err_set(err, ERR_LIMIT, "a %s entry of '%.100s' is %zu bytes, the limit is %d", kind,
                       subject, out->n, MAX_ENTRY_BYTES);
    return reads_back(buf_str(out), err) ||
           err_prefix(err, "a %s entry of '%.100s' cannot be recorded: ", kind, subject);
}

void entry_row_read(sqlite3_stmt *statement, struct entry_row *row)
{
    const void *leaf = sqlite3_column_blob(statement, 1);
    memset(row, 0, sizeof *row);
    row->seq = sqlite3_column_int64(statement, 0);
    row->leaf_is_sound = leaf && sqlite3_column_bytes(statement, 1) == SHA256_BYTES;
    if (row->leaf_is_sound)
        memcpy(row->leaf.b, leaf, SHA256_BYTES);
    row->entry = (struct ledger_entry){.seq = (uint64_t)row->seq,
                                       .at_ms = sqlite3_column_int64(statement, 2),
                                       .kind = db_text(statement, 3).p,
                                       .subject = db_text(statement, 4).p,
                                       .bytes = db_text(statement, 5),
                                       .leaf = row->leaf};
}

static bool take_leaf(sqlite3_stmt *rows, const char *path, struct merkle *tree, struct err *err)
{
    struct entry_row row;
    entry_row_read(rows, &row);
    if (row.seq != (int64_t)tree->size)
        return err_set(err, ERR_CORRUPT, "%s: entry %llu is missing", path,
                       (unsigned long long)tree->size);
    struct sha256 hash = merkle_leaf(row.entry.bytes);
    if (!row.leaf_is_sound || !sha256_eq(&hash, &row.leaf))
        return err_set(err, ERR_CORRUPT,
                       "%s: entry %llu: edited: its bytes do not hash to its leaf", path,
                       (unsigned long long)tree->size);
    merkle_append(tree, &hash);
    return true;
}

bool tree_catch_up(struct db *db, struct merkle *tree, struct err *err)
{
    bool row;
    sqlite3_stmt *rows = db_statement(db, DB_ENTRIES, err);
    if (!rows)
        return false;
    sqlite3_bind_int64(rows, 1, tree->size == 0 ? INT64_MIN : (int64_t)tree->size);
    sqlite3_bind_int64(rows, 2, -1);
    while (db_step(db, rows, &row, err)) {
        if (!row)
            return true;
        if (!take_leaf(rows, db->path, tree, err))
            break;
    }
    sqlite3_reset(rows);
    return false;
}
