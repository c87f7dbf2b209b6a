/* Opening and appending.
 *
 * First start: ledger.key -> ledger.db (tables, origin and checkpoint 0 in one transaction) ->
 * ledger.pub. Dying between any two of these leaves a folder that the next start completes. What
 * only tampering or a careless hand can leave is refused: a ledger without its key, or the names of
 * a ledger without the ledger. */
#include "ledger/ledger.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "ledger/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ORIGIN_PREFIX "cqed.ledger/"
#define ORIGIN_RANDOM_BYTES 8

static char *path_in(const char *folder, const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", folder, name);
    return buf_detach(&path);
}

static bool injected(const char *point, const char *path, struct err *err)
{
    if (!fault_hit(point))
        return false;
    errno = fault_errno(point);
    err_errno(err, "%s: cannot be written", path);
    return true;
}

/* --- Names --- */

bool origin_is_sound(struct str origin)
{
    uint8_t id[ORIGIN_RANDOM_BYTES];
    size_t n = sizeof ORIGIN_PREFIX - 1;
    return str_starts(origin, STR(ORIGIN_PREFIX)) &&
           hex_parse(str_make(origin.p + n, origin.n - n), id, sizeof id);
}

bool origin_read(struct db *db, char origin[NOTE_MAX_NAME + 1], struct err *err)
{
    bool row;
    sqlite3_stmt *statement = db_statement(db, DB_ORIGIN, err);
    if (!statement || !db_step(db, statement, &row, err))
        return false;
    struct str text = row ? db_text(statement, 0) : STR("");
    bool sound = origin_is_sound(text);
    if (sound)
        (void)snprintf(origin, NOTE_MAX_NAME + 1, STR_FMT, STR_ARG(text));
    sqlite3_reset(statement);
    return sound || err_set(err, ERR_CORRUPT, "%s: its origin was edited", db->path);
}

bool public_key_read(const char *path, struct note_key *key, struct err *err)
{
    struct buf text = BUF_INIT;
    bool done = file_read(path, 4096, &text, err);
    if (done) {
        done = note_key_parse(str_trim(buf_str(&text)), key, err) || err_prefix(err, "%s: ", path);
        if (done && !origin_is_sound(str_from(key->name)))
            done = err_set(err, ERR_CORRUPT, "%s: '%s' is not the name of a cQED ledger", path,
                           key->name);
    }
    buf_release(&text);
    return done;
}

/* --- Writing --- */

static bool bind_run(struct db *db, sqlite3_stmt *statement, struct err *err)
{
    bool row;
    return db_step(db, statement, &row, err);
}

static bool add_checkpoint(struct db *db, uint64_t size, struct str note, struct err *err)
{
    sqlite3_stmt *s = db_statement(db, DB_ADD_CHECKPOINT, err);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, (sqlite3_int64)size);
    sqlite3_bind_text64(s, 2, note.p, note.n, SQLITE_STATIC, SQLITE_UTF8);
    return bind_run(db, s, err);
}

static bool add_entry(struct db *db, uint64_t seq, const struct sha256 *leaf, struct str bytes,
                      struct err *err)
{
    sqlite3_stmt *s = db_statement(db, DB_ADD_ENTRY, err);
    if (!s)
        return false;
    sqlite3_bind_int64(s, 1, (sqlite3_int64)seq);
    sqlite3_bind_blob(s, 2, leaf->b, sizeof leaf->b, SQLITE_STATIC);
    sqlite3_bind_text64(s, 3, bytes.p, bytes.n, SQLITE_STATIC, SQLITE_UTF8);
    return bind_run(db, s, err);
}

static bool add_blobs(struct ledger *l, struct err *err)
{
    for (struct pending_blob *b = l->pending; b; b = b->next) {
        sqlite3_stmt *s = db_statement(l->writer, DB_ADD_BLOB, err);
        if (!s)
            return false;
        sqlite3_bind_blob(s, 1, b->id.b, sizeof b->id.b, SQLITE_STATIC);
        sqlite3_bind_text64(s, 2, b->bytes.p, b->bytes.n, SQLITE_STATIC, SQLITE_UTF8);
        if (!bind_run(l->writer, s, err))
            return false;
    }
    return true;
}

static void free_pending(struct ledger *l)
{
    struct pending_blob *next;
    for (struct pending_blob *b = l->pending; b; b = next) {
        next = b->next;
        buf_release(&b->bytes);
        free(b);
    }
    l->pending = NULL;
    l->pending_bytes = 0;
}

static bool sign_tree(struct ledger *l, uint64_t size, const struct sha256 *root, struct buf *note,
                      struct err *err)
{
    struct buf text = BUF_INIT;
    struct checkpoint c = {str_from(l->name.name), size, *root};
    checkpoint_format(&c, &text);
    bool done = note_sign(buf_str(&text), &l->name, l->key, note, err);
    buf_release(&text);
    return done;
}

/* Entry, blobs and checkpoint become durable together or not at all. */
static bool commit_entry(struct ledger *l, const struct sha256 *leaf, struct str bytes,
                         struct str note, struct err *err)
{
    uint64_t seq = l->tree.size;
    bool done = db_run(l->writer, DB_BEGIN_WRITE, err) && add_blobs(l, err) &&
                add_entry(l->writer, seq, leaf, bytes, err) &&
                !injected("ledger.insert", l->db_path, err) &&
                add_checkpoint(l->writer, seq + 1, note, err) &&
                !injected("ledger.sync", l->db_path, err) && db_run(l->writer, DB_COMMIT, err);
    if (!done)
        db_roll_back(l->writer);
    return done;
}

bool ledger_append(struct ledger *l, enum ledger_kind kind, const char *subject, int64_t at_ms,
                   const json_t *body, uint64_t *seq, struct err *err)
{
    struct buf bytes = BUF_INIT, note = BUF_INIT;
    bool done = false;
    CHECK(!l->read_only);
    if (injected("ledger.append", l->db_path, err))
        return false;
    if (!entry_format(l->tree.size, at_ms, ledger_kind_name(kind), subject, body, &bytes, err))
        goto out;
    struct sha256 leaf = merkle_leaf(buf_str(&bytes));
    struct sha256 root = merkle_root_with(&l->tree, &leaf);
    if (!sign_tree(l, l->tree.size + 1, &root, &note, err) ||
        !commit_entry(l, &leaf, buf_str(&bytes), buf_str(&note), err))
        goto out;
    (void)fault_hit("ledger.ack"); /* durable, and nobody knows yet: a place to die */
    if (seq)
        *seq = l->tree.size;
    pthread_mutex_lock(&l->lock);
    merkle_append(&l->tree, &leaf);
    buf_clear(&l->checkpoint);
    buf_add_str(&l->checkpoint, buf_str(&note));
    free_pending(l);
    pthread_mutex_unlock(&l->lock);
    done = true;
out:
    buf_release(&bytes);
    buf_release(&note);
    return done;
}

bool ledger_put_blob(struct ledger *l, const json_t *value, struct sha256 *id, struct err *err)
{
    struct buf bytes = BUF_INIT;
    CHECK(!l->read_only);
    json_canonical(value, &bytes);
    if (l->pending_bytes + bytes.n > MAX_PENDING_BYTES) {
        buf_release(&bytes);
        return err_set(err, ERR_LIMIT, "evidence beside one entry is limited to %d bytes",
                       MAX_PENDING_BYTES);
    }
    struct pending_blob *b = mem_zalloc(sizeof *b);
    b->bytes = bytes;
    *id = b->id = sha256_of(bytes.p, bytes.n);
    pthread_mutex_lock(&l->lock);
    b->next = l->pending;
    l->pending = b;
    l->pending_bytes += bytes.n;
    pthread_mutex_unlock(&l->lock);
    return true;
}

/* --- First start --- */

static void make_origin(char origin[NOTE_MAX_NAME + 1])
{
    struct buf text = BUF_INIT;
    uint8_t id[ORIGIN_RANDOM_BYTES];
    random_bytes(id, sizeof id);
    buf_add_cstr(&text, ORIGIN_PREFIX);
    hex_add(&text, id, sizeof id);
    (void)snprintf(origin, NOTE_MAX_NAME + 1, "%s", text.p);
    buf_release(&text);
}

static bool add_origin(struct db *db, const char *origin, struct err *err)
{
    sqlite3_stmt *s = db_statement(db, DB_ADD_ORIGIN, err);
    if (!s)
        return false;
    sqlite3_bind_text(s, 1, origin, -1, SQLITE_STATIC);
    return bind_run(db, s, err);
}

static bool make_tables(struct ledger *l, struct err *err)
{
    char origin[NOTE_MAX_NAME + 1];
    struct buf note = BUF_INIT;
    struct sha256 root = merkle_root(&l->tree, 0);
    make_origin(origin);
    note_key_init(&l->name, origin, signing_key_public(l->key));
    bool done = sign_tree(l, 0, &root, &note, err) && db_run(l->writer, DB_BEGIN_WRITE, err) &&
                db_make_schema(l->writer, err) && add_origin(l->writer, origin, err) &&
                add_checkpoint(l->writer, 0, buf_str(&note), err) &&
                !injected("ledger.sync", l->db_path, err) && db_run(l->writer, DB_COMMIT, err);
    if (!done)
        db_roll_back(l->writer);
    buf_release(&note);
    return done;
}

static bool write_public_key(struct ledger *l, struct err *err)
{
    struct buf text = BUF_INIT;
    note_key_format(&l->name, &text);
    buf_add_char(&text, '\n');
    bool done = file_replace(l->public_path, buf_str(&text), 0644, err);
    buf_release(&text);
    return done;
}

/* --- Opening --- */

/* The key is made only where nothing was signed yet. */
static bool open_key(struct ledger *l, const char *key_path, bool empty, struct err *err)
{
    if (empty && file_exists(l->public_path))
        return err_set(err, ERR_CORRUPT,
                       "%s is missing or empty, but %s is there: the ledger was removed; restore "
                       "it, or move ledger.key and ledger.pub away to begin a new one",
                       l->db_path, l->public_path);
    if (!empty && !file_exists(key_path))
        return err_set(err, ERR_NOT_FOUND,
                       "%s, the key that signs %s, is missing; restore it, or move ledger.db and "
                       "ledger.pub away to begin a new ledger",
                       key_path, l->db_path);
    l->key = signing_key_open(key_path, err);
    return l->key != NULL;
}

/* ledger.pub is what others check with, so it must be this key's. */
static bool agree_on_names(struct ledger *l, struct err *err)
{
    char origin[NOTE_MAX_NAME + 1];
    struct note_key public_key;
    if (!origin_read(l->writer, origin, err))
        return false;
    note_key_init(&l->name, origin, signing_key_public(l->key));
    l->knows_name = true;
    if (!file_exists(l->public_path))
        return write_public_key(l, err);
    if (!public_key_read(l->public_path, &public_key, err))
        return false;
    return (strcmp(public_key.name, origin) == 0 &&
            memcmp(public_key.public_key, l->name.public_key, ED25519_KEY_BYTES) == 0) ||
           err_set(err, ERR_CORRUPT, "%s is not the public part of ledger.key for %s",
                   l->public_path, origin);
}

/* The newest checkpoint is ours, of this size and of this root. */
static bool check_note(struct ledger *l, struct str note, struct err *err)
{
    struct err why = ERR_INIT;
    struct checkpoint c;
    struct str text;
    struct sha256 root = merkle_root(&l->tree, l->tree.size);
    if (!note_verify(note, &l->name, &text, &why) || !checkpoint_parse(text, &c, &why))
        return err_set(err, ERR_CORRUPT, "%s: its newest checkpoint is forged: %s", l->db_path,
                       why.message);
    if (!str_is(c.origin, l->name.name) || c.size != l->tree.size || !sha256_eq(&c.root, &root))
        return err_set(err, ERR_CORRUPT,
                       "%s: its newest checkpoint is not that of its %llu entries", l->db_path,
                       (unsigned long long)l->tree.size);
    buf_add_str(&l->checkpoint, note);
    return true;
}

static bool check_head(struct ledger *l, struct err *err)
{
    bool row;
    sqlite3_stmt *s = db_statement(l->writer, DB_LAST_CHECKPOINT, err);
    if (!s || !db_step(l->writer, s, &row, err))
        return false;
    bool good = row ? check_note(l, db_text(s, 1), err)
                    : err_set(err, ERR_CORRUPT, "%s: it has no checkpoint", l->db_path);
    if (good && sqlite3_column_int64(s, 0) != (int64_t)l->tree.size)
        good = err_set(err, ERR_CORRUPT, "%s: its newest checkpoint is out of place", l->db_path);
    sqlite3_reset(s);
    return good;
}

/* The first finding about an entry, or else the first. */
static struct str first_finding(struct str report)
{
    struct str line, first = STR("");
    while (report.n > 0 && str_cut(&report, '\n', &line)) {
        if (str_starts(line, STR("entr")))
            return line;
        if (first.n == 0)
            first = line;
    }
    return first;
}

/* Something does not fit; say which entry. */
static bool name_the_bad_entry(struct ledger *l, struct err *err)
{
    struct buf report = BUF_INIT;
    uint64_t checked;
    if (err && err->code == ERR_CORRUPT &&
        !ledger_verify(l, l->name.public_key, &report, &checked, NULL) && report.n > 0)
        err_set(err, ERR_CORRUPT, "%s: " STR_FMT, l->db_path,
                STR_ARG(first_finding(buf_str(&report))));
    buf_release(&report);
    return false;
}

static bool open_writer(struct ledger *l, const char *key_path, struct err *err)
{
    bool empty;
    struct err why = ERR_INIT;
    l->writer = db_open(l->db_path, DB_CREATE, err);
    if (!l->writer || !db_is_empty(l->writer, &empty, err) ||
        (!empty && !db_check_schema(l->writer, err)) || !open_key(l, key_path, empty, err) ||
        (empty && !make_tables(l, err)) || !agree_on_names(l, err))
        return false;
    if (tree_catch_up(l->writer, &l->tree, &why) && check_head(l, &why))
        return true;
    (void)name_the_bad_entry(l, &why);
    if (err)
        *err = why;
    return false;
}

static struct ledger *new_ledger(const char *folder, bool read_only)
{
    struct ledger *l = mem_zalloc(sizeof *l);
    l->db_path = path_in(folder, "ledger.db");
    l->public_path = path_in(folder, "ledger.pub");
    l->read_only = read_only;
    l->lock_fd = -1;
    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    merkle_init(&l->tree);
    return l;
}

struct ledger *ledger_open(const char *folder, struct err *err)
{
    struct ledger *l = new_ledger(folder, false);
    char *key_path = path_in(folder, "ledger.key"), *lock_path = path_in(folder, "ledger.lock");
    bool done = false;
    if (file_make_folders(folder, 0700, err)) {
        l->lock_fd = file_lock(lock_path, err);
        done = l->lock_fd >= 0 && open_writer(l, key_path, err);
    }
    free(key_path);
    free(lock_path);
    if (done)
        return l;
    ledger_close(l);
    return NULL;
}

struct ledger *ledger_open_readonly(const char *folder, struct err *err)
{
    struct ledger *l = new_ledger(folder, true);
    struct err why = ERR_INIT;
    struct db *db = reader_take(l, err);
    bool done = db && db_check_schema(db, err);
    if (db)
        reader_give(l, db);
    if (done) {
        l->knows_name = public_key_read(l->public_path, &l->name, &why);
        if (!l->knows_name && why.code != ERR_NOT_FOUND) {
            done = false;
            if (err)
                *err = why;
        }
    }
    if (done)
        return l;
    ledger_close(l);
    return NULL;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n_idle; i++)
        db_close(l->idle[i]);
    db_close(l->writer);
    signing_key_free(l->key);
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    free_pending(l);
    merkle_release(&l->tree);
    buf_release(&l->checkpoint);
    pthread_mutex_destroy(&l->lock);
    free(l->db_path);
    free(l->public_path);
    free(l);
}
