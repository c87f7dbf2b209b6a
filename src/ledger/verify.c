/* Everything that can be checked, checked; what does not hold is named.
 *
 * Three passes over one snapshot of the database: the checkpoints (signature, origin, size), the
 * entries (form, number, order, columns), and the tree, where both must meet: after entry k the
 * root must be the one that checkpoint k + 1 signs. When it is not, the stored leaf hash and the
 * next checkpoint tell an edited entry from an edited hash and from a replaced checkpoint. Past an
 * entry that is lost no root can be computed; what follows is then checked by itself only. */
#include "ledger/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define MAX_FINDINGS 1000
#define MAX_GHOSTS 1000000 /* entries that only checkpoints speak of */

/* X(enumerator, word): what a finding is about, in the order of the report. */
#define TOPICS(X)                                                                                  \
    X(TOPIC_DATABASE, "database")                                                                  \
    X(TOPIC_ENTRY, "entry")                                                                        \
    X(TOPIC_CHECKPOINT, "checkpoint")                                                              \
    X(TOPIC_BLOB, "blob")

enum topic {
#define X(code, word) code,
    TOPICS(X)
#undef X
};

struct finding {
    enum topic topic;
    int64_t at; /* the first number it is about */
    size_t order;
    char *text;
};

struct row {
    struct sha256 hash; /* of the bytes */
    struct sha256 leaf; /* as stored */
    bool present, named;
};

struct mark {
    struct sha256 root; /* when good */
    bool there, good;
};

struct verification {
    struct db *db;
    struct note_key key;
    struct arena arena; /* texts of findings */
    struct finding *findings;
    size_t n_findings, findings_capacity;
    size_t not_listed;
    struct mark *marks; /* by size; [0, n_marks) */
    uint64_t n_marks;
    struct row *rows; /* by seq; [0, n_rows): as many as the last good checkpoint signs */
    uint64_t n_rows;
    uint64_t checked;
    struct merkle tree;
};

/* --- Findings --- */

static void PRINTF_LIKE(4, 5)
    find(struct verification *v, enum topic topic, int64_t at, const char *format, ...)
{
    va_list args;
    if (v->n_findings == MAX_FINDINGS) {
        v->not_listed++;
        return;
    }
    va_start(args, format);
    char *text = arena_vprintf(&v->arena, format, args);
    va_end(args);
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ')
            *p = ' ';
    }
    v->findings = arena_grow(&v->arena, v->findings, v->n_findings, &v->findings_capacity,
                             sizeof *v->findings);
    v->findings[v->n_findings] = (struct finding){topic, at, v->n_findings, text};
    v->n_findings++;
}

/* "entry 5: removed" or "entries 5 to 9: removed". */
static void find_range(struct verification *v, enum topic topic, int64_t from, int64_t to,
                       const char *what)
{
    const char *one = topic == TOPIC_ENTRY ? "entry" : "checkpoint";
    const char *many = topic == TOPIC_ENTRY ? "entries" : "checkpoints";
    if (from == to)
        find(v, topic, from, "%s %" PRId64 ": %s", one, from, what);
    else
        find(v, topic, from, "%s %" PRId64 " to %" PRId64 ": %s", many, from, to, what);
}

static int compare_findings(const void *left, const void *right)
{
    const struct finding *a = left, *b = right;
    if (a->topic != b->topic)
        return a->topic < b->topic ? -1 : 1;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return (a->order > b->order) - (a->order < b->order);
}

static void report_findings(struct verification *v, struct buf *report)
{
    if (v->n_findings > 0)
        qsort(v->findings, v->n_findings, sizeof *v->findings, compare_findings);
    for (size_t i = 0; i < v->n_findings; i++)
        buf_printf(report, "%s\n", v->findings[i].text);
    if (v->not_listed > 0)
        buf_printf(report, "%zu more findings are not listed\n", v->not_listed);
}

/* --- Checkpoints --- */

static struct mark *mark_at(struct verification *v, uint64_t size)
{
    return size < v->n_marks ? &v->marks[size] : NULL;
}

static bool mark_is_good(struct verification *v, uint64_t size)
{
    const struct mark *m = mark_at(v, size);
    return m && m->good;
}

static void check_checkpoint(struct verification *v, int64_t size, struct str note)
{
    struct err err = ERR_INIT;
    struct checkpoint c;
    struct str text;
    struct mark *mark = mark_at(v, (uint64_t)size);
    if (mark)
        mark->there = true;
    if (!note_verify(note, &v->key, &text, &err))
        find(v, TOPIC_CHECKPOINT, size, "checkpoint %" PRId64 ": forged: %s", size, err.message);
    else if (!checkpoint_parse(text, &c, &err))
        find(v, TOPIC_CHECKPOINT, size, "checkpoint %" PRId64 ": malformed: %s", size, err.message);
    else if (!str_is(c.origin, v->key.name))
        find(v, TOPIC_CHECKPOINT, size,
             "checkpoint %" PRId64 ": replaced: it is of another log, " STR_FMT, size,
             STR_ARG(c.origin));
    else if (c.size != (uint64_t)size)
        find(v, TOPIC_CHECKPOINT, size,
             "checkpoint %" PRId64 ": replaced: what is signed is checkpoint %" PRIu64, size,
             c.size);
    else if (!mark)
        find(v, TOPIC_CHECKPOINT, size,
             "checkpoint %" PRId64 ": signed, but far beyond what this ledger holds", size);
    else
        *mark = (struct mark){c.root, true, true};
}

static bool check_checkpoints(struct verification *v, struct err *err)
{
    int64_t next = 0;
    bool row;
    sqlite3_stmt *rows = db_statement(v->db, DB_CHECKPOINTS, err);
    if (!rows)
        return false;
    while (db_step(v->db, rows, &row, err)) {
        if (!row)
            return true;
        int64_t size = sqlite3_column_int64(rows, 0);
        if (size > next)
            find_range(v, TOPIC_CHECKPOINT, next, size - 1, "removed");
        check_checkpoint(v, size, db_text(rows, 1));
        next = size < 0 ? 0 : size + 1;
    }
    sqlite3_reset(rows);
    return false;
}

/* --- Entries --- */

static bool is_kind(const char *kind)
{
    static const char *const names[] = {
#define X(code, name) name,
        LEDGER_KINDS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(kind, names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_canonical(const json_t *json, struct str bytes)
{
    struct buf again = BUF_INIT;
    json_canonical(json, &again);
    bool same = str_eq(buf_str(&again), bytes);
    buf_release(&again);
    return same;
}

static bool has_entry_form(const json_t *json)
{
    return json_object_size(json) == 6 && json_get_i64(json, "v", 0) == 1 &&
           json_is_integer(json_object_get(json, "seq")) &&
           json_is_integer(json_object_get(json, "at")) &&
           json_is_string(json_object_get(json, "subject")) && json_object_get(json, "body") &&
           is_kind(json_get_cstr(json, "kind", ""));
}

/* What is wrong with an entry taken by itself, or NULL. */
static const char *flaw_of(struct arena *arena, const struct entry_row *row, const json_t **json)
{
    struct err err = ERR_INIT;
    const struct ledger_entry *e = &row->entry;
    *json = json_parse(arena, e->bytes, &err);
    if (!*json)
        return arena_printf(arena, "edited: its bytes are no JSON: %s", err.message);
    if (!has_entry_form(*json))
        return "edited: its bytes are not those of an entry";
    int64_t seq = json_get_i64(*json, "seq", 0);
    if (seq != row->seq)
        return arena_printf(arena, "reordered: its bytes are those of entry %" PRId64, seq);
    if (!is_canonical(*json, e->bytes))
        return "edited: its bytes are not in canonical form";
    if (json_get_i64(*json, "at", 0) != e->at_ms ||
        strcmp(json_get_cstr(*json, "kind", ""), e->kind) != 0 ||
        strcmp(json_get_cstr(*json, "subject", ""), e->subject) != 0)
        return "edited: its columns are not what its bytes say";
    return NULL;
}

/* --- Blobs --- */

/* {"blob":"sha256:<hex>"} */
static bool is_reference(const json_t *json, struct sha256 *id)
{
    const char *text = json_get_cstr(json, "blob", NULL);
    return json_object_size(json) == 1 && text && str_starts(str_from(text), STR("sha256:")) &&
           hex_parse(str_from(text + 7), id->b, sizeof id->b);
}

static bool check_reference(struct verification *v, int64_t seq, const struct sha256 *id,
                            struct err *err)
{
    bool row;
    sqlite3_stmt *s = db_statement(v->db, DB_BLOB, err);
    if (!s)
        return false;
    sqlite3_bind_blob(s, 1, id->b, sizeof id->b, SQLITE_STATIC);
    if (!db_step(v->db, s, &row, err))
        return false;
    if (!row) {
        struct buf hex = BUF_INIT;
        hex_add(&hex, id->b, sizeof id->b);
        find(v, TOPIC_BLOB, seq, "blob %s: removed: entry %" PRId64 " rests on it", hex.p, seq);
        buf_release(&hex);
    }
    sqlite3_reset(s);
    return true;
}

/* Depth is bounded by json_parse. */
static bool check_references(struct verification *v, int64_t seq, const json_t *json,
                             struct err *err)
{
    struct sha256 id;
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(json) && is_reference(json, &id))
        return check_reference(v, seq, &id, err);
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        if (!check_references(v, seq, value, err))
            return false;
    }
    json_array_foreach(json, i, value)
    {
        if (!check_references(v, seq, value, err))
            return false;
    }
    return true;
}

static void check_blob(struct verification *v, struct str id, struct str bytes)
{
    struct sha256 hash = sha256_of(bytes.p, bytes.n);
    struct buf hex = BUF_INIT;
    if (!str_eq(str_make((char *)hash.b, sizeof hash.b), id)) {
        hex_add(&hex, id.p, id.n > 64 ? 64 : id.n);
        find(v, TOPIC_BLOB, INT64_MAX, "blob %s: edited: its bytes have another hash",
             hex.p ? hex.p : "''");
        buf_release(&hex);
    }
}

static bool check_blobs(struct verification *v, struct err *err)
{
    bool row;
    sqlite3_stmt *rows = db_statement(v->db, DB_BLOBS, err);
    if (!rows)
        return false;
    while (db_step(v->db, rows, &row, err)) {
        if (!row)
            return true;
        const char *id = sqlite3_column_blob(rows, 0);
        check_blob(v, str_make(id ? id : "", (size_t)sqlite3_column_bytes(rows, 0)),
                   db_text(rows, 1));
    }
    sqlite3_reset(rows);
    return false;
}

/* --- Entries, one after the other --- */

static bool check_entry(struct verification *v, const struct entry_row *row, struct err *err)
{
    struct arena arena = ARENA_INIT;
    const json_t *json;
    bool done = true;
    const char *flaw = flaw_of(&arena, row, &json);
    if (!flaw && !row->leaf_is_sound)
        flaw = "edited: its leaf is not a hash";
    if (row->seq < 0 || (uint64_t)row->seq >= v->n_rows) {
        const struct mark *mark = mark_at(v, (uint64_t)row->seq + 1);
        flaw = row->seq >= 0 && mark && mark->there ? "unproven: its checkpoint does not stand"
                                                    : "inserted: no checkpoint signs it";
    } else {
        v->rows[row->seq] =
            (struct row){merkle_leaf(row->entry.bytes), row->leaf, true, flaw != NULL};
        v->checked++;
    }
    if (flaw)
        find(v, TOPIC_ENTRY, row->seq, "entry %" PRId64 ": %s", row->seq, flaw);
    else
        done = check_references(v, row->seq, json, err);
    arena_release(&arena);
    return done;
}

/* The entries from *next on; false when one could not be read, with *next its number at least. */
static bool check_entries_from(struct verification *v, int64_t *next, struct err *err)
{
    bool more;
    sqlite3_stmt *rows = db_statement(v->db, DB_ENTRIES, err);
    if (!rows)
        return false;
    sqlite3_bind_int64(rows, 1, *next);
    sqlite3_bind_int64(rows, 2, -1);
    while (db_step(v->db, rows, &more, err)) {
        struct entry_row row;
        if (!more)
            return true;
        entry_row_read(rows, &row);
        *next = row.seq + 1;
        if (!check_entry(v, &row, err))
            break;
    }
    sqlite3_reset(rows);
    return false;
}

/* Damaged pages hide some entries; those behind them are looked for one by one. */
static bool check_entries(struct verification *v, struct err *err)
{
    int64_t next = INT64_MIN;
    struct err why = ERR_INIT;
    while (!check_entries_from(v, &next, &why)) {
        if (why.code != ERR_CORRUPT) {
            if (err)
                *err = why;
            return false;
        }
        if (next < 0)
            next = 0;
        if ((uint64_t)next >= v->n_rows || v->not_listed > 0)
            break;
        find(v, TOPIC_ENTRY, next, "entry %" PRId64 ": unreadable: %s", next, why.message);
        v->rows[next].named = true;
        next++;
    }
    return true;
}

static void name_the_missing(struct verification *v)
{
    for (uint64_t k = 0; k < v->n_rows; k++) {
        uint64_t from = k;
        while (k < v->n_rows && !v->rows[k].present && !v->rows[k].named)
            k++;
        if (k > from)
            find_range(v, TOPIC_ENTRY, (int64_t)from, (int64_t)k - 1,
                       k == v->n_rows ? "removed: checkpoints sign more than there is" : "removed");
    }
}

/* --- The tree --- */

static bool gives(const struct merkle *tree, const struct sha256 *leaf, const struct mark *mark)
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
static bool next_but_one_fits(struct verification *v, uint64_t k)
{
    struct row *row = &v->rows[k];
    if (k + 1 >= v->n_rows || !mark_is_good(v, k + 2) || !row[1].present ||
        !sha256_eq(&row->hash, &row->leaf))
        return false;
    struct merkle longer;
    merkle_init(&longer);
    for (uint64_t i = 0; i < k; i++)
        merkle_append(&longer, &v->tree.levels[0].items[i]);
    merkle_append(&longer, &row->hash);
    bool fits = gives(&longer, &row[1].hash, mark_at(v, k + 2)) ||
                gives(&longer, &row[1].leaf, mark_at(v, k + 2));
    merkle_release(&longer);
    return fits;
}

/* Nothing fits: one of the entries since the last agreement is not what was signed. */
static void name_the_lost(struct verification *v, uint64_t agreed, uint64_t k)
{
    for (uint64_t i = agreed; i <= k; i++) {
        if (v->rows[i].named)
            return;
    }
    find_range(v, TOPIC_ENTRY, (int64_t)agreed, (int64_t)k,
               agreed == k ? "edited: together with its leaf; its checkpoint signs another"
                           : "edited: one or more of them, together with the leaf");
}

/* The leaf that belongs at k; false when it cannot be known. */
static bool settle(struct verification *v, uint64_t k, uint64_t *agreed, struct sha256 *leaf)
{
    const struct row *row = &v->rows[k];
    bool same = sha256_eq(&row->hash, &row->leaf);
    *leaf = row->hash;
    if (!mark_is_good(v, k + 1)) {
        if (!same) {
            name_row(v, k, "its bytes do not hash to its leaf");
            *leaf = row->leaf;
        }
        return true;
    }
    const struct mark *mark = mark_at(v, k + 1);
    if (gives(&v->tree, &row->hash, mark)) {
        if (!same)
            name_row(v, k, "its leaf is not the hash of its bytes, which are as signed");
    } else if (gives(&v->tree, &row->leaf, mark)) {
        name_row(v, k, "its bytes are not those that were signed");
        *leaf = row->leaf;
    } else if (next_but_one_fits(v, k)) {
        find(v, TOPIC_CHECKPOINT, (int64_t)k + 1,
             "checkpoint %" PRIu64 ": replaced: its root is not that of its entries", k + 1);
        return true;
    } else {
        name_the_lost(v, *agreed, k);
        return false;
    }
    *agreed = k + 1;
    return true;
}

static void check_alone(struct verification *v, uint64_t from)
{
    uint64_t first = v->n_rows, last = 0;
    for (uint64_t k = from; k < v->n_rows; k++) {
        const struct row *row = &v->rows[k];
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

static void check_tree(struct verification *v)
{
    struct sha256 leaf, empty = sha256_of("", 0);
    uint64_t agreed = 0;
    if (mark_is_good(v, 0) && !sha256_eq(&v->marks[0].root, &empty))
        find(v, TOPIC_CHECKPOINT, 0, "checkpoint 0: replaced: its root is not that of no entries");
    for (uint64_t k = 0; k < v->n_rows; k++) {
        if (!v->rows[k].present || !settle(v, k, &agreed, &leaf)) {
            check_alone(v, k + 1);
            return;
        }
        merkle_append(&v->tree, &leaf);
    }
}

/* --- The whole --- */

static bool check_database(struct verification *v, struct err *err)
{
    bool row;
    sqlite3_stmt *rows = db_statement(v->db, DB_INTEGRITY, err);
    if (!rows)
        return false;
    while (db_step(v->db, rows, &row, err)) {
        if (!row)
            return true;
        if (!str_is(db_text(rows, 0), "ok"))
            find(v, TOPIC_DATABASE, 0, "database: " STR_FMT, STR_ARG(db_text(rows, 0)));
    }
    sqlite3_reset(rows);
    return false;
}

static bool make_room(struct verification *v, struct err *err)
{
    bool row;
    sqlite3_stmt *s = db_statement(v->db, DB_COUNTS, err);
    if (!s || !db_step(v->db, s, &row, err))
        return false;
    v->n_marks =
        (uint64_t)sqlite3_column_int64(s, 0) + (uint64_t)sqlite3_column_int64(s, 1) + MAX_GHOSTS;
    sqlite3_reset(s);
    v->marks = calloc(v->n_marks, sizeof *v->marks);
    if (!v->marks)
        check_no_memory(v->n_marks * sizeof *v->marks);
    return true;
}

/* The last size that was signed says how many entries there must be. */
static void count_rows(struct verification *v)
{
    uint64_t n = v->n_marks;
    while (n > 1 && !v->marks[n - 1].good)
        n--;
    v->n_rows = n > 0 ? n - 1 : 0;
    v->rows = calloc(v->n_rows + 1, sizeof *v->rows);
    if (!v->rows)
        check_no_memory(v->n_rows * sizeof *v->rows);
}

/* A failure that is not tampering (no memory, locked) ends it; damage is a finding like any. */
static bool survives(struct verification *v, bool done, struct err *why, struct err *err)
{
    if (done)
        return true;
    if (why->code == ERR_CORRUPT) {
        find(v, TOPIC_DATABASE, 1, "database: %s", why->message);
        return true;
    }
    if (err)
        *err = *why;
    return false;
}

static bool check_all(struct verification *v, struct err *err)
{
    struct err why = ERR_INIT;
    if (!survives(v, db_run(v->db, DB_BEGIN_READ, &why), &why, err) ||
        !survives(v, check_database(v, &why), &why, err) ||
        !survives(v, make_room(v, &why), &why, err) ||
        !survives(v, check_checkpoints(v, &why), &why, err))
        return false;
    count_rows(v);
    if (!survives(v, check_entries(v, &why), &why, err))
        return false;
    name_the_missing(v);
    check_tree(v);
    return survives(v, check_blobs(v, &why), &why, err);
}

/* The origin is the database's, the key is ours or the caller's. */
static bool take_key(struct ledger *l, struct verification *v, const uint8_t *public_key,
                     struct err *err)
{
    char origin[NOTE_MAX_NAME + 1];
    if (!public_key && !l->knows_name)
        return err_set(err, ERR_NOT_FOUND, "%s is not there; give the key to verify with (--key)",
                       l->public_path);
    if (!origin_read(v->db, origin, err))
        return false;
    if (l->knows_name && strcmp(origin, l->name.name) != 0)
        find(v, TOPIC_DATABASE, 0, "database: its origin is %s, ledger.pub names %s", origin,
             l->name.name);
    note_key_init(&v->key, origin, public_key ? public_key : l->name.public_key);
    return true;
}

bool ledger_verify(struct ledger *l, const uint8_t *public_key, struct buf *report,
                   uint64_t *checked, struct err *err)
{
    struct verification v = {.arena = ARENA_INIT};
    merkle_init(&v.tree);
    *checked = 0;
    v.db = reader_take(l, err);
    if (!v.db)
        return false;
    bool good = take_key(l, &v, public_key, err) && check_all(&v, err);
    if (v.n_findings > 0) {
        report_findings(&v, report);
        good = err_set(err, ERR_CORRUPT, "%s: %zu findings; the first: %s", l->db_path,
                       v.n_findings + v.not_listed, v.findings[0].text);
    }
    *checked = v.checked;
    reader_give(l, v.db);
    free(v.marks);
    free(v.rows);
    merkle_release(&v.tree);
    arena_release(&v.arena);
    return good;
}
