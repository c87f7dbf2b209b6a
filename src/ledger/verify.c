/* Everything that can be checked, checked; what does not hold is named.
 *
 * Over one snapshot of the database: its pages, the checkpoints (signature, origin, size), the
 * entries (form, number, order, columns), the tree in which both must meet (verify_tree.c), and the
 * blobs. Damaged pages hide some rows; those behind them are still looked at. */
#include "ledger/verify.h"

#include "base/file.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define MAX_FINDINGS 1000
#define MAX_GHOSTS 1000000  /* entries that only checkpoints speak of */
#define LEAST_ROW_BYTES 128 /* of an entry and its checkpoint */

/* --- Findings --- */

void find(struct verification *v, enum topic topic, int64_t at, const char *format, ...)
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

void find_range(struct verification *v, enum topic topic, int64_t from, int64_t to,
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

/* --- Reading past damage --- */

/* Rows in the order of their number. `next` is the first number that was not seen yet. */
struct scan {
    enum db_sql sql; /* rows from ?1 on */
    enum topic topic;
    bool (*each)(struct verification *, sqlite3_stmt *, int64_t *next, struct err *);
    int64_t limit; /* numbers from here on are not missed */
};

static bool scan_from(struct verification *v, const struct scan *scan, int64_t *next,
                      struct err *err)
{
    bool row;
    sqlite3_stmt *rows = db_statement(v->db, scan->sql, err);
    if (!rows)
        return false;
    sqlite3_bind_int64(rows, 1, *next);
    sqlite3_bind_int64(rows, 2, -1); /* no limit, where there is one */
    while (db_step(v->db, rows, &row, err)) {
        if (!row)
            return true;
        if (!scan->each(v, rows, next, err))
            break;
    }
    sqlite3_reset(rows);
    return false;
}

static void find_unreadable(struct verification *v, const struct scan *scan, int64_t from,
                            int64_t to)
{
    if (from > to)
        return;
    find_range(v, scan->topic, from, to, "unreadable: a page is damaged");
    for (int64_t k = from; scan->topic == TOPIC_ENTRY && k <= to; k++)
        v->rows[k].named = true;
}

/* What cannot be read is a finding, and reading goes on behind it, number by number. */
static bool scan_all(struct verification *v, const struct scan *scan, struct err *err)
{
    int64_t next = INT64_MIN, from = 0, to = -1;
    struct err why = ERR_INIT;
    while (!scan_from(v, scan, &next, &why)) {
        if (why.code != ERR_CORRUPT) {
            if (err)
                *err = why;
            return false;
        }
        if (next < 0)
            next = 0;
        if (next >= scan->limit)
            break;
        if (next != to + 1) {
            find_unreadable(v, scan, from, to);
            from = next;
        }
        to = next++;
    }
    find_unreadable(v, scan, from, to);
    return true;
}

/* --- Checkpoints --- */

static struct verified_mark *mark_at(struct verification *v, uint64_t size)
{
    return size < v->n_marks ? &v->marks[size] : NULL;
}

static void keep_mark(struct verification *v, struct verified_mark *mark,
                      const struct checkpoint *c)
{
    mark->root = c->root;
    mark->good = true;
    if (c->size > v->n_rows)
        v->n_rows = c->size;
}

static void check_checkpoint(struct verification *v, int64_t size, struct str note)
{
    struct err err = ERR_INIT;
    struct checkpoint c;
    struct str text;
    struct verified_mark *mark = mark_at(v, (uint64_t)size);
    if (mark)
        mark->present = true;
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
        keep_mark(v, mark, &c);
}

static bool take_checkpoint(struct verification *v, sqlite3_stmt *row, int64_t *next,
                            struct err *err)
{
    int64_t size = sqlite3_column_int64(row, 0), expected = *next < 0 ? 0 : *next;
    (void)err;
    if (size > expected)
        find_range(v, TOPIC_CHECKPOINT, expected, size - 1, "removed");
    check_checkpoint(v, size, db_text(row, 1));
    *next = size < 0 ? 0 : size < INT64_MAX ? size + 1 : size;
    return true;
}

/* Fills the marks, and makes room for as many entries as the last of them signs. */
static bool check_checkpoints(struct verification *v, struct err *err)
{
    struct scan scan = {DB_CHECKPOINTS, TOPIC_CHECKPOINT, take_checkpoint, (int64_t)v->n_marks};
    bool row = false;
    sqlite3_stmt *last = db_statement(v->db, DB_LAST_CHECKPOINT, NULL);
    if (last && db_step(v->db, last, &row, NULL) && row)
        scan.limit = sqlite3_column_int64(last, 0);
    if (last)
        sqlite3_reset(last);
    if (!scan_all(v, &scan, err))
        return false;
    v->rows = mem_array(v->n_rows + 1, sizeof *v->rows);
    return true;
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

static const char *unsigned_flaw(const struct verification *v, int64_t seq)
{
    uint64_t size = (uint64_t)seq + 1;
    return seq >= 0 && size < v->n_marks && v->marks[size].present
               ? "unproven: its checkpoint does not stand"
               : "inserted: no checkpoint signs it";
}

static bool take_entry(struct verification *v, sqlite3_stmt *statement, int64_t *next,
                       struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct entry_row row;
    const json_t *json;
    bool done = true;
    entry_row_read(statement, &row);
    const char *flaw = flaw_of(&arena, &row, &json);
    if (!flaw && !row.leaf_is_sound)
        flaw = "edited: its leaf is not a hash";
    *next = row.seq < INT64_MAX ? row.seq + 1 : INT64_MAX;
    if (row.seq < 0 || (uint64_t)row.seq >= v->n_rows) {
        flaw = unsigned_flaw(v, row.seq);
    } else {
        v->rows[row.seq] =
            (struct verified_row){merkle_leaf(row.entry.bytes), row.leaf, true, flaw != NULL};
        v->checked++;
    }
    if (flaw)
        find(v, TOPIC_ENTRY, row.seq, "entry %" PRId64 ": %s", row.seq, flaw);
    else
        done = check_references(v, row.seq, json, err);
    arena_release(&arena);
    return done;
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

/* Room for as many checkpoints as the file can hold, and some: sizes beyond are no outside number
 * to make room by. */
static void make_room(struct verification *v)
{
    struct buf wal = BUF_INIT;
    buf_printf(&wal, "%s-wal", v->db->path);
    int64_t bytes = file_size(v->db->path), more = file_size(wal.p);
    buf_release(&wal);
    bytes = (bytes > 0 ? bytes : 0) + (more > 0 ? more : 0);
    v->n_marks = (uint64_t)bytes / LEAST_ROW_BYTES + MAX_GHOSTS;
    v->marks = mem_array(v->n_marks, sizeof *v->marks);
    v->rows = NULL;
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
    make_room(v);
    if (!survives(v, db_run(v->db, DB_BEGIN_READ, &why), &why, err) ||
        !survives(v, check_database(v, &why), &why, err) ||
        !survives(v, check_checkpoints(v, &why), &why, err))
        return false;
    struct scan entries = {DB_ENTRIES, TOPIC_ENTRY, take_entry, (int64_t)v->n_rows};
    if (!survives(v, scan_all(v, &entries, &why), &why, err))
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
    arena_release(&v.arena);
    return good;
}
