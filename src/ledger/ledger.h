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
    X(LEDGER_GATE, "gate")               /* a gate was asked and answered */                       \
    X(LEDGER_ANOMALY, "anomaly")         /* a service departed from its own past, or came back */

enum ledger_kind {
#define X(code, name) code,
    LEDGER_KINDS(X)
#undef X
};

const char *ledger_kind_name(enum ledger_kind);

struct ledger;

/* Opens or makes ledger.db, ledger.key (0600, signs), ledger.pub (the verifier key) and ledger.lock
 * in `folder`. Every entry is hashed again and the tree's root compared with the newest checkpoint,
 * whose signature is checked: an entry that is not what was signed is ERR_CORRUPT and named. Older
 * checkpoints, blobs and SQLite's own pages are ledger_verify's. ERR_CONFLICT while another process
 * has it open for writing; ERR_NOT_FOUND when ledger.key is gone. */
struct ledger *ledger_open(const char *folder, struct err *);
/* For reading beside a running server (show, verify, replay), or when nothing runs: no key needed,
 * no entry is written. Nothing is proven by opening; sizes and proofs follow what the server
 * appends. Without ledger.pub everything works but a verification without a key. */
struct ledger *ledger_open_readonly(const char *folder, struct err *);
void ledger_close(struct ledger *);

/* Append one entry: {"v":1,"seq":..,"at":..,"kind":..,"subject":..,"body":..}. Durable, hashed and
 * signed when it returns true. subject is the rollout or gate id, "" for none. *seq (may be NULL)
 * is the entry's number, from 0. On failure nothing is recorded and the same call may be tried
 * again: ERR_IO (disk full), ERR_TIMEOUT (locked by another program for a second), ERR_DENIED
 * (read-only), ERR_CORRUPT, ERR_LIMIT (16 MiB), ERR_BAD_INPUT (could not be read back the same).
 * Fault points: ledger.append ledger.insert ledger.sync ledger.ack. */
MUST_CHECK bool ledger_append(struct ledger *, enum ledger_kind, const char *subject, int64_t at_ms,
                              const json_t *body, uint64_t *seq, struct err *);

/* Bulky evidence beside the entries, addressed by SHA-256 of its canonical bytes. Durable with the
 * next append. Entries point to it as {"blob":"sha256:<hex>"}, anywhere in their body. */
MUST_CHECK bool ledger_put_blob(struct ledger *, const json_t *, struct sha256 *id, struct err *);
json_t *ledger_get_blob(struct ledger *, struct arena *, const struct sha256 *, struct err *);

uint64_t ledger_size(struct ledger *);
struct sha256 ledger_root(struct ledger *);
/* The root of the first `size` entries; ERR_NOT_FOUND when there are fewer. */
MUST_CHECK bool ledger_root_at(struct ledger *, uint64_t size, struct sha256 *root, struct err *);

struct ledger_entry {
    uint64_t seq;
    int64_t at_ms;
    const char *kind;
    const char *subject;
    struct str bytes; /* canonical JSON, exactly as hashed */
    struct sha256 leaf;
};

/* At most `max` entries from `from` on, oldest first; subject NULL = all. each returns false to
 * stop; what it is given is borrowed until it returns. An entry that is missing or does not hash to
 * its leaf is not handed out: ERR_CORRUPT names it. */
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

/* Check everything: canonical form, sequence, leaf hashes, every signed checkpoint, blobs, SQLite's
 * pages. Fills `report` with one line per finding ("entry 17: edited: ..."); returns true only when
 * there is none, and false with an empty report when it could not be carried out. `key` NULL = the
 * folder's public key, ledger.pub. *checked is how many entries were there to check. About 20 s for
 * 100 000 entries. */
MUST_CHECK bool ledger_verify(struct ledger *, const uint8_t *public_key, struct buf *report,
                              uint64_t *checked, struct err *);

#endif
