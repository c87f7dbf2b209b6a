/* verify.h -- one verification under way. Private to ledger/. */
#ifndef CQED_LEDGER_VERIFY_H
#define CQED_LEDGER_VERIFY_H

#include "ledger/internal.h"

/* X(enumerator, word): what a finding is about, in the order of the report. */
#define FINDING_TOPICS(X)                                                                          \
    X(TOPIC_DATABASE, "database")                                                                  \
    X(TOPIC_ENTRY, "entry")                                                                        \
    X(TOPIC_CHECKPOINT, "checkpoint")                                                              \
    X(TOPIC_BLOB, "blob")

enum topic {
#define X(code, word) code,
    FINDING_TOPICS(X)
#undef X
};

struct finding {
    enum topic topic;
    int64_t at; /* the first number it is about */
    size_t order;
    const char *text;
};

/* What is known of entry k. */
struct verified_row {
    struct sha256 hash; /* of the bytes */
    struct sha256 leaf; /* as stored */
    bool present;
    bool named; /* a finding is about it already */
};

/* What is known of the checkpoint of `size` entries. */
struct verified_mark {
    struct sha256 root; /* when good */
    bool present, good;
};

struct verification {
    struct db *db;
    struct note_key key;
    struct arena arena; /* texts of findings */
    struct finding *findings;
    size_t n_findings, findings_capacity;
    size_t not_listed;
    struct verified_mark *marks; /* by size; [0, n_marks) */
    uint64_t n_marks;
    struct verified_row *rows; /* by seq; [0, n_rows): as many as the last good checkpoint signs */
    uint64_t n_rows;
    uint64_t checked;
};

void find(struct verification *, enum topic, int64_t at, const char *format, ...) PRINTF_LIKE(4, 5);
/* "entry 5: removed" or "entries 5 to 9: removed". Entries or checkpoints. */
void find_range(struct verification *, enum topic, int64_t from, int64_t to, const char *what);

/* verify_tree.c: entries and checkpoints meet. After both were read. */
void check_tree(struct verification *);

#endif
