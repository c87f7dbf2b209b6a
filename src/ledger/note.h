/* note.h -- signed text that any transparency-log tool can check: C2SP signed-note
 * (https://c2sp.org/signed-note) with Ed25519, and the checkpoint that is its text in a log
 * (https://c2sp.org/tlog-checkpoint).
 *
 *     cqed.ledger/0f3c...          the origin: which log
 *     17                           the tree's size
 *     n3Qk...=                     its root, base64
 *                                  (empty line)
 *     -- cqed.ledger/0f3c... x08go/ZJ...   the signature line; it starts with an em dash (U+2014)
 */
#ifndef CQED_LEDGER_NOTE_H
#define CQED_LEDGER_NOTE_H

#include "base/buf.h"
#include "base/err.h"
#include "codec/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define NOTE_MAX_BYTES 65536
#define NOTE_MAX_NAME 127

/* Who signs: a name, a public key, and the hash that tells signatures apart. */
struct note_key {
    char name[NOTE_MAX_NAME + 1];
    uint8_t hash[4]; /* SHA-256(name || 0x0A || 0x01 || public key), first four bytes */
    uint8_t public_key[ED25519_KEY_BYTES];
};

/* CHECKs that the name is usable: 1 to NOTE_MAX_NAME bytes of UTF-8 without white space or '+'. */
void note_key_init(struct note_key *, const char *name,
                   const uint8_t public_key[ED25519_KEY_BYTES]);

/* The verifier key's text, "name+hash+base64", and back. Parsing refuses a hash that does not fit,
 * other algorithms than Ed25519, and anything before or behind. */
void note_key_format(const struct note_key *, struct buf *out);
MUST_CHECK bool note_key_parse(struct str text, struct note_key *, struct err *);

/* Append the note of `text` to `out`: the text, an empty line, the signature line. The text is
 * UTF-8 without control characters, ends in a newline (CHECKed). */
MUST_CHECK bool note_sign(struct str text, const struct note_key *, const struct signing_key *,
                          struct buf *out, struct err *);

/* Whether a note bears a good signature of this key. *text is then the signed text, borrowed from
 * `note`. Signatures of other keys are ignored; a bad one of this key is an error. */
MUST_CHECK bool note_verify(struct str note, const struct note_key *, struct str *text,
                            struct err *);

struct checkpoint {
    struct str origin; /* borrowed from the text it was parsed from */
    uint64_t size;
    struct sha256 root;
};

void checkpoint_format(const struct checkpoint *, struct buf *out);
/* Extension lines behind the root are allowed and ignored, as the specification says. */
MUST_CHECK bool checkpoint_parse(struct str text, struct checkpoint *, struct err *);

#endif
