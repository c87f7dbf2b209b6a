/* internal.h -- an open ledger, as ledger/ itself sees it. */
#ifndef CQED_LEDGER_INTERNAL_H
#define CQED_LEDGER_INTERNAL_H

#include "ledger/db.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

#include <pthread.h>

#define MAX_ENTRY_BYTES (16 << 20)
#define MAX_PENDING_BYTES (64 << 20) /* blobs that wait for their entry */
#define MAX_IDLE_READERS 4

struct pending_blob {
    struct pending_blob *next;
    struct sha256 id;
    struct buf bytes;
};

struct ledger {
    char *db_path;
    char *public_path; /* ledger.pub */
    bool read_only;

    /* The control thread's. */
    int lock_fd; /* keeps a second writer out; -1 when read-only */
    struct db *writer;
    struct signing_key *key;
    struct pending_blob *pending; /* guarded by lock, as readers look here too */
    size_t pending_bytes;

    struct note_key name; /* who signs; fixed after opening */
    bool knows_name;      /* false only for a read-only ledger without ledger.pub */

    pthread_mutex_t lock; /* guards what follows, and pending; nothing else is taken under it */
    struct merkle tree;
    struct buf checkpoint; /* the newest */
    struct db *idle[MAX_IDLE_READERS];
    size_t n_idle;
};

/* A connection for reading; give it back, good or not. */
struct db *reader_take(struct ledger *, struct err *);
void reader_give(struct ledger *, struct db *);

/* What a row of entry holds, borrowed from the statement until its next step. */
struct entry_row {
    int64_t seq;
    struct sha256 leaf;
    bool leaf_is_sound; /* 32 bytes */
    struct ledger_entry entry;
};
void entry_row_read(sqlite3_stmt *, struct entry_row *);

/* Appends the leaves of the entries from tree->size on. A gap, or bytes that do not hash to their
 * leaf, is ERR_CORRUPT and names the entry. */
MUST_CHECK bool tree_catch_up(struct db *, struct merkle *, struct err *);

/* "name+hash+key" in the file, as written at first start. ERR_NOT_FOUND when it is not there. */
MUST_CHECK bool public_key_read(const char *path, struct note_key *, struct err *);

/* Whether a text can be the origin (and key name) of a ledger of ours. */
bool origin_is_sound(struct str);
MUST_CHECK bool origin_read(struct db *, char origin[NOTE_MAX_NAME + 1], struct err *);

/* The canonical bytes of an entry. ERR_BAD_INPUT when they could not be read back the same. */
MUST_CHECK bool entry_format(uint64_t seq, int64_t at_ms, const char *kind, const char *subject,
                             const json_t *body, struct buf *out, struct err *);

#endif
