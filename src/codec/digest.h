/* digest.h -- SHA-256, Ed25519 and the encodings around them, by GnuTLS/nettle. */
#ifndef CQED_CODEC_DIGEST_H
#define CQED_CODEC_DIGEST_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define SHA256_BYTES 32
#define ED25519_KEY_BYTES 32
#define ED25519_SIGNATURE_BYTES 64

struct sha256 {
    uint8_t b[SHA256_BYTES];
};

struct sha256 sha256_of(const void *, size_t size_bytes);
/* SHA-256 of the concatenation prefix byte, a, b: RFC 6962 leaves (0x00) and nodes (0x01). */
struct sha256 sha256_of_parts(uint8_t prefix, struct str a, struct str b);
bool sha256_eq(const struct sha256 *, const struct sha256 *);

/* MD5, for what is defined by it (the hashmod relabel action), never for trust. */
void md5_of(const void *, size_t size_bytes, uint8_t out[16]);

void hex_add(struct buf *, const void *, size_t size_bytes);
bool hex_parse(struct str, void *out, size_t size_bytes);       /* exactly size_bytes */
void base64_add(struct buf *, const void *, size_t size_bytes); /* RFC 4648, padded */
MUST_CHECK bool base64_parse(struct str, struct buf *out);

struct signing_key; /* Ed25519 (RFC 8032) */

/* Read the PEM (PKCS #8) private key; make it, mode 0600, when the file is absent. Another mode
 * than 0600 or 0400 is ERR_DENIED. */
struct signing_key *signing_key_open(const char *path, struct err *);
void signing_key_free(struct signing_key *);
const uint8_t *signing_key_public(const struct signing_key *); /* ED25519_KEY_BYTES */
MUST_CHECK bool signing_key_sign(const struct signing_key *, struct str message,
                                 uint8_t signature[ED25519_SIGNATURE_BYTES], struct err *);
bool ed25519_verify(const uint8_t public_key[ED25519_KEY_BYTES], struct str message,
                    const uint8_t signature[ED25519_SIGNATURE_BYTES]);

/* `n` bytes from the system's random source. */
void random_bytes(void *out, size_t n);

#endif
