/* db.h -- the ledger's SQLite file: schema, durability, statements, and SQLite's failures in our
 * own words. Private to ledger/. Format: docs/format/ledger.md.
 *
 * WAL with synchronous=FULL: a commit is one fsync of the log, and readers never wait for the
 * writer. One connection is used by one thread at a time.
 *
 * | what happens                        | outcome                                                |
 * |-------------------------------------|--------------------------------------------------------|
 * | disk full, file size limit          | ERR_IO; nothing of the transaction stays; may be retried
 * | | another program holds a lock        | ERR_TIMEOUT after DB_BUSY_MS; may be retried | | no
 * right to write, read-only medium | ERR_DENIED                                             | | not
 * SQLite, damaged pages           | ERR_CORRUPT                                            | | a
 * row that cannot be (same number)  | ERR_CORRUPT: somebody else wrote                       |
 */
#ifndef CQED_LEDGER_DB_H
#define CQED_LEDGER_DB_H

#include "base/buf.h"
#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define DB_BUSY_MS 1000

/* X(enumerator, SQL) */
#define DB_STATEMENTS(X)                                                                           \
    X(DB_BEGIN_READ, "BEGIN")                                                                      \
    X(DB_BEGIN_WRITE, "BEGIN IMMEDIATE")                                                           \
    X(DB_COMMIT, "COMMIT")                                                                         \
    X(DB_ROLLBACK, "ROLLBACK")                                                                     \
    X(DB_ADD_ENTRY, "INSERT INTO entry(seq, leaf, bytes) VALUES(?1, ?2, ?3)")                      \
    X(DB_ADD_CHECKPOINT, "INSERT INTO checkpoint(size, note) VALUES(?1, ?2)")                      \
    X(DB_ADD_BLOB, "INSERT OR IGNORE INTO blob(id, bytes) VALUES(?1, ?2)")                         \
    X(DB_ADD_ORIGIN, "INSERT INTO log(origin) VALUES(?1)")                                         \
    X(DB_ORIGIN, "SELECT origin FROM log")                                                         \
    X(DB_ENTRIES, "SELECT seq, leaf, at_ms, kind, subject, bytes FROM entry"                       \
                  " WHERE seq >= ?1 ORDER BY seq LIMIT ?2")                                        \
    X(DB_ENTRIES_OF, "SELECT seq, leaf, at_ms, kind, subject, bytes FROM entry"                    \
                     " WHERE subject = ?3 AND seq >= ?1 ORDER BY seq LIMIT ?2")                    \
    X(DB_LAST_CHECKPOINT, "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")          \
    X(DB_CHECKPOINTS, "SELECT size, note FROM checkpoint WHERE size >= ?1 ORDER BY size")          \
    X(DB_BLOB, "SELECT bytes FROM blob WHERE id = ?1")                                             \
    X(DB_BLOBS, "SELECT id, bytes FROM blob ORDER BY id")                                          \
    X(DB_EXTENT, "SELECT coalesce(max(seq) + 1, 0) FROM entry")                                    \
    X(DB_INTEGRITY, "PRAGMA integrity_check(20)")

enum db_sql {
#define X(code, sql) code,
    DB_STATEMENTS(X)
#undef X
        DB_N_STATEMENTS
};

enum db_mode {
    DB_READ,  /* an existing file, never written to */
    DB_WRITE, /* an existing file */
    DB_CREATE /* made when absent; has a schema only after db_make_schema */
};

struct db {
    sqlite3 *handle;
    char *path;
    sqlite3_stmt *statements[DB_N_STATEMENTS]; /* prepared at first use */
};

struct db *db_open(const char *path, enum db_mode, struct err *);
void db_close(struct db *); /* NULL is fine */

/* In a transaction of the caller's. */
MUST_CHECK bool db_make_schema(struct db *, struct err *);
/* Whether the file has no table at all: just made, or the process died before its first commit. */
MUST_CHECK bool db_is_empty(struct db *, bool *empty, struct err *);
/* That this is a ledger of this version, with exactly the tables and indexes we make. */
MUST_CHECK bool db_check_schema(struct db *, struct err *);

/* The statement, reset and without arguments. NULL on failure. */
sqlite3_stmt *db_statement(struct db *, enum db_sql, struct err *);
/* One row more: *row tells whether there was one. */
MUST_CHECK bool db_step(struct db *, sqlite3_stmt *, bool *row, struct err *);
/* A statement without rows or arguments. */
MUST_CHECK bool db_run(struct db *, enum db_sql, struct err *);
/* Back to before BEGIN, if a transaction is open. */
void db_roll_back(struct db *);

/* Fill err with what SQLite says of the last call: "<path>: cannot <what>: <why>". */
bool db_failed(struct db *, const char *what, struct err *);

struct str db_text(sqlite3_stmt *, int column); /* borrowed until the next step; also of a blob */

#endif
