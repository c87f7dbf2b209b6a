/* ledger.h -- the append-only record of everything decided and done, provable to others. Each entry
 * is canonical JSON; its bytes are a leaf of an RFC 6962 Merkle tree; after each append the tree's
 * head is signed (Ed25519) as a C2SP signed-note checkpoint. Stored in SQLite (WAL,
 * synchronous=FULL). Rollout state is a fold over entries.
 *
 * Order of life: intent (durable) -> act -> observation. Threads: appends on the control thread;
 * reads and proofs from any thread (each opens its own connection). Format: docs/format/ledger.md.
 */
#ifndef CQED_LEDGER_LEDGER_H
#define CQED_LEDGER_LEDGER_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, persisted name) */
#define LEDGER_KINDS(X)                                                                            \
    X(LEDGER_START, "start")       /* cQED started: version, configuration digest */               \
    X(LEDGER_CONFIG, "config")     /* configuration changed: digests before and after, who */      \
    X(LEDGER_ROLLOUT, "rollout")   /* a rollout was asked for: policy, versions, author */         \
    X(LEDGER_HUMAN, "human")       /* a human or CI act, before it is decided on */                \
    X(LEDGER_DECISION, "decision") /* decide()'s whole input and answer */                         \
    X(LEDGER_INTENT, "intent")     /* what an actuator is about to be told */                      \
    X(LEDGER_OBSERVATION, "observation") /* what an actuator was seen to do after it */            \
    X(LEDGER_GATE, "gate")               /* a gate was asked and answered */

enum ledger_kind {
#define X(code, name) code,
    LEDGER_KINDS(X)
#undef X
};

const char *ledger_kind_name(enum ledger_kind);

struct ledger;

/* Opens or makes ledger.db and ledger.key (0600) in `folder`. The tree is rebuilt from the leaves
 * and its head compared with the last checkpoint: a difference is ERR_CORRUPT and names the first
 * bad entry. */
struct ledger *ledger_open(const char *folder, struct err *);
/* For reading beside a running server (show, verify, replay): no key needed, nothing is written. */
struct ledger *ledger_open_readonly(const char *folder, struct err *);
void ledger_close(struct ledger *);

/* Append one entry: {"v":1,"seq":..,"at":..,"kind":..,"subject":..,"body":..}. Durable, hashed and
 * signed when it returns true. subject is the rollout or gate id, "" for none. *seq (may be NULL)
 * is the entry's number, from 0. */
MUST_CHECK bool ledger_append(struct ledger *, enum ledger_kind, const char *subject, int64_t at_ms,
                              const json_t *body, uint64_t *seq, struct err *);

/* Bulky evidence beside the entries, addressed by SHA-256 of its canonical bytes. Durable with the
 * next append. */
MUST_CHECK bool ledger_put_blob(struct ledger *, const json_t *, struct sha256 *id, struct err *);
json_t *ledger_get_blob(struct ledger *, struct arena *, const struct sha256 *, struct err *);

uint64_t ledger_size(struct ledger *);
struct sha256 ledger_root(struct ledger *);

struct ledger_entry {
    uint64_t seq;
    int64_t at_ms;
    const char *kind;
    const char *subject;
    struct str bytes; /* canonical JSON, exactly as hashed */
    struct sha256 leaf;
};

/* Entries [from, from + max), oldest first; subject NULL = all. each returns false to stop. */
MUST_CHECK bool ledger_read(struct ledger *, uint64_t from, uint64_t max, const char *subject,
                            bool (*each)(void *arg, const struct ledger_entry *), void *arg,
                            struct err *);

/* The newest checkpoint as a C2SP signed note, and the verifier key in its text form
 * ("name+hash+base64"). */
MUST_CHECK bool ledger_checkpoint(struct ledger *, struct buf *out, struct err *);
void ledger_verifier_key(struct ledger *, struct buf *out);

/* RFC 6962 section 2.1.1 audit path of entry `seq` in the tree of `size` leaves, leaf side first.
 */
MUST_CHECK bool ledger_inclusion_proof(struct ledger *, uint64_t seq, uint64_t size, struct arena *,
                                       struct sha256 **path, size_t *n, struct err *);
/* RFC 6962 section 2.1.2. */
MUST_CHECK bool ledger_consistency_proof(struct ledger *, uint64_t old_size, uint64_t size,
                                         struct arena *, struct sha256 **path, size_t *n,
                                         struct err *);

/* Check everything: canonical form, sequence, leaf hashes, every signed checkpoint, blobs. Fills
 * `report` with one line per finding ("entry 17: edited: ..."), returns true only when there is
 * none. `key` NULL = the folder's public key. */
MUST_CHECK bool ledger_verify(struct ledger *, const uint8_t *public_key, struct buf *report,
                              uint64_t *checked, struct err *);

#endif
