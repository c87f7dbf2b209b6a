#include "ledger/db.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION_ID 0x63514544 /* "cQED", shown by file(1) */
#define SCHEMA_VERSION 1
#define MAX_VALUE_BYTES (80 << 20) /* over the largest blob; a row that claims more is damaged */

/* What is signed is `bytes`; at_ms, kind and subject are computed from it by SQLite itself, so that
 * they cannot be told otherwise. The leaf stands apart: it tells edited bytes from edited hashes.
 * The texts are compared with those in the file, byte for byte. */
static const struct schema_object {
    const char *type, *name, *sql;
} schema[] = {
    {"table", "log", "CREATE TABLE log(origin TEXT NOT NULL) STRICT"},
    {"table", "entry",
     "CREATE TABLE entry(\n"
     "  seq INTEGER PRIMARY KEY,\n"
     "  leaf BLOB NOT NULL,\n"
     "  at_ms INTEGER NOT NULL GENERATED ALWAYS AS (json_extract(bytes, '$.at')) STORED,\n"
     "  kind TEXT NOT NULL GENERATED ALWAYS AS (json_extract(bytes, '$.kind')) STORED,\n"
     "  subject TEXT NOT NULL GENERATED ALWAYS AS (json_extract(bytes, '$.subject')) STORED,\n"
     "  bytes TEXT NOT NULL\n"
     ") STRICT"},
    {"index", "entry_subject", "CREATE INDEX entry_subject ON entry(subject, seq)"},
    {"table", "checkpoint",
     "CREATE TABLE checkpoint(size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT"},
    {"table", "blob", "CREATE TABLE blob(id BLOB PRIMARY KEY, bytes TEXT NOT NULL) STRICT"},
};
#define N_SCHEMA (sizeof schema / sizeof *schema)

static const char *const statement_sql[] = {
#define X(code, sql) sql,
    DB_STATEMENTS(X)
#undef X
};

/* --- Failures --- */

static enum err_code code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_TIMEOUT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_ERROR: /* a table that is not there, JSON that is none: our schema was changed */
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

static void explain(sqlite3 *handle, struct err *err)
{
    int errno_value = sqlite3_system_errno(handle);
    size_t n = strlen(err->message);
    if (err->code == ERR_TIMEOUT)
        (void)snprintf(err->message + n, sizeof err->message - n,
                       " (another program kept it locked for %d ms)", DB_BUSY_MS);
    else if (err->code == ERR_IO && errno_value != 0)
        (void)snprintf(err->message + n, sizeof err->message - n, " (%s)", strerror(errno_value));
}

static bool handle_failed(sqlite3 *handle, const char *path, const char *what, struct err *err)
{
    err_set(err, code_of(sqlite3_extended_errcode(handle)), "%s: cannot %s: %s", path, what,
            sqlite3_errmsg(handle));
    if (err)
        explain(handle, err);
    return false;
}

bool db_failed(struct db *db, const char *what, struct err *err)
{
    return handle_failed(db->handle, db->path, what, err);
}

/* --- Opening --- */

static bool pragma(struct db *db, const char *sql, const char *what, struct err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK || db_failed(db, what, err);
}

static bool query_i64(struct db *db, const char *sql, int64_t *out, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        db_failed(db, "read", err);
    sqlite3_finalize(statement);
    return rc == SQLITE_ROW;
}

/* SQLite opens what it may not write to for reading, and would complain at the first append. */
static bool use_wal(struct db *db, struct err *err)
{
    if (sqlite3_db_readonly(db->handle, "main") == 1)
        return err_set(err, ERR_DENIED, "%s: there is no right to write to it", db->path);
    return pragma(db, "PRAGMA journal_mode=WAL", "switch to a write-ahead log", err) &&
           pragma(db, "PRAGMA synchronous=FULL", "make commits durable", err);
}

static bool configure(struct db *db, enum db_mode mode, struct err *err)
{
    int64_t version;
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
    return pragma(db, "PRAGMA cell_size_check=ON", "be opened", err) &&
           (mode == DB_READ || use_wal(db, err)) &&
           query_i64(db, "PRAGMA user_version", &version, err); /* the first real read */
}

/* A path as a URI (sqlite.org/uri.html): '?', '#' and '%' would mean something in it. */
static void add_uri(struct buf *uri, const char *path, const char *parameters)
{
    buf_add_cstr(uri, "file:");
    for (const char *p = path; *p; p++) {
        if (*p == '?' || *p == '#' || *p == '%')
            buf_printf(uri, "%%%02x", (unsigned)(unsigned char)*p);
        else
            buf_add_char(uri, *p);
    }
    buf_add_cstr(uri, parameters);
}

static struct db *open_uri(const char *path, const char *parameters, enum db_mode mode,
                           struct err *err)
{
    struct buf uri = BUF_INIT;
    struct db *db = mem_zalloc(sizeof *db);
    db->path = mem_strdup(path);
    add_uri(&uri, path, parameters);
    int rc = sqlite3_open_v2(uri.p, &db->handle,
                             SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                                 (mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                                 (mode == DB_CREATE ? SQLITE_OPEN_CREATE : 0),
                             NULL);
    buf_release(&uri);
    if (!db->handle)
        check_no_memory(sizeof *db);
    if (rc == SQLITE_OK ? configure(db, mode, err) : db_failed(db, "be opened", err))
        return db;
    db_close(db);
    return NULL;
}

/* Without the right to make the -shm file beside it, SQLite reads a WAL database only as
 * `immutable`: that is true when there is no log, for then no server is running either, and the
 * file is whole. With a log it would be a lie: entries would be missing. */
static bool is_still(const char *path)
{
    struct buf wal = BUF_INIT;
    buf_printf(&wal, "%s-wal", path);
    int64_t size = file_size(wal.p);
    buf_release(&wal);
    return size <= 0;
}

struct db *db_open(const char *path, enum db_mode mode, struct err *err)
{
    struct err first = ERR_INIT;
    if (mode != DB_CREATE && !file_exists(path)) {
        err_set(err, ERR_NOT_FOUND, "%s is not there", path);
        return NULL;
    }
    struct db *db = open_uri(path, "", mode, &first);
    if (!db && mode == DB_READ && (first.code == ERR_DENIED || first.code == ERR_IO) &&
        is_still(path))
        db = open_uri(path, "?immutable=1", mode, &first);
    if (!db && err)
        *err = first;
    return db;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < DB_N_STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    CHECK(sqlite3_close(db->handle) == SQLITE_OK);
    free(db->path);
    free(db);
}

/* --- Schema --- */

bool db_make_schema(struct db *db, struct err *err)
{
    char sql[100];
    for (size_t i = 0; i < N_SCHEMA; i++) {
        if (!pragma(db, schema[i].sql, "make its tables", err))
            return false;
    }
    (void)snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                   APPLICATION_ID, SCHEMA_VERSION);
    return pragma(db, sql, "make its tables", err);
}

bool db_is_empty(struct db *db, bool *empty, struct err *err)
{
    int64_t n;
    if (!query_i64(db, "SELECT count(*) FROM sqlite_schema", &n, err))
        return false;
    *empty = n == 0;
    return true;
}

static bool is_expected(sqlite3_stmt *row)
{
    for (size_t i = 0; i < N_SCHEMA; i++) {
        if (str_is(db_text(row, 1), schema[i].name))
            return str_is(db_text(row, 0), schema[i].type) &&
                   str_is(db_text(row, 2), schema[i].sql);
    }
    return false;
}

static bool check_objects(struct db *db, sqlite3_stmt *rows, struct err *err)
{
    size_t n = 0;
    bool row;
    while (db_step(db, rows, &row, err)) {
        if (!row)
            return n == N_SCHEMA ||
                   err_set(err, ERR_CORRUPT, "%s: a table or index is missing", db->path);
        if (!is_expected(rows))
            return err_set(err, ERR_CORRUPT, "%s: the %.20s '%.100s' is not one that cQED makes",
                           db->path, db_text(rows, 0).p, db_text(rows, 1).p);
        n++;
    }
    return false;
}

bool db_check_schema(struct db *db, struct err *err)
{
    int64_t id, version;
    sqlite3_stmt *rows = NULL;
    if (!query_i64(db, "PRAGMA application_id", &id, err) ||
        !query_i64(db, "PRAGMA user_version", &version, err))
        return false;
    if (id != APPLICATION_ID)
        return err_set(err, ERR_CORRUPT, "%s is a database, but not a cQED ledger", db->path);
    if (version != SCHEMA_VERSION)
        return err_set(err, ERR_CORRUPT, "%s has format %lld, this cQED knows format %d", db->path,
                       (long long)version, SCHEMA_VERSION);
    if (sqlite3_prepare_v2(db->handle,
                           "SELECT type, name, sql FROM sqlite_schema"
                           " WHERE name NOT GLOB 'sqlite_*'",
                           -1, &rows, NULL) != SQLITE_OK)
        return db_failed(db, "read its schema", err);
    bool good = check_objects(db, rows, err);
    sqlite3_finalize(rows);
    return good;
}

/* --- Statements --- */

sqlite3_stmt *db_statement(struct db *db, enum db_sql which, struct err *err)
{
    sqlite3_stmt **statement = &db->statements[which];
    if (*statement) {
        sqlite3_reset(*statement);
        sqlite3_clear_bindings(*statement);
    } else if (sqlite3_prepare_v3(db->handle, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                  statement, NULL) != SQLITE_OK) {
        db_failed(db, "be read", err);
        return NULL;
    }
    return *statement;
}

/* COMMIT reads by SQLite's own account; people disagree. */
static bool is_reading(sqlite3_stmt *statement)
{
    const char *sql = sqlite3_sql(statement);
    return strncmp(sql, "SELECT", 6) == 0 || strncmp(sql, "PRAGMA", 6) == 0;
}

bool db_step(struct db *db, sqlite3_stmt *statement, bool *row, struct err *err)
{
    int rc = sqlite3_step(statement);
    *row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        return true;
    bool done = rc == SQLITE_DONE;
    if (!done)
        db_failed(db, is_reading(statement) ? "be read" : "be written", err);
    sqlite3_reset(statement);
    return done;
}

bool db_run(struct db *db, enum db_sql which, struct err *err)
{
    bool row;
    sqlite3_stmt *statement = db_statement(db, which, err);
    return statement && db_step(db, statement, &row, err);
}

void db_roll_back(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle))
        return;
    /* Fails only when SQLite rolled back by itself. */
    (void)!db_run(db, DB_ROLLBACK, NULL);
}

struct str db_text(sqlite3_stmt *statement, int column)
{
    const char *p = (const char *)sqlite3_column_text(statement, column);
    return p ? str_make(p, (size_t)sqlite3_column_bytes(statement, column)) : STR("");
}
