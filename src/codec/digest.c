#include "codec/digest.h"

#include "base/file.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <sys/stat.h>

struct sha256 sha256_of(const void *data, size_t size_bytes)
{
    struct sha256 out;
    CHECK(gnutls_hash_fast(GNUTLS_DIG_SHA256, size_bytes ? data : "", size_bytes, out.b) == 0);
    return out;
}

struct sha256 sha256_of_parts(uint8_t prefix, struct str a, struct str b)
{
    struct sha256 out;
    gnutls_hash_hd_t hash;
    CHECK(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) == 0);
    CHECK(gnutls_hash(hash, &prefix, 1) == 0);
    if (a.n > 0)
        CHECK(gnutls_hash(hash, a.p, a.n) == 0);
    if (b.n > 0)
        CHECK(gnutls_hash(hash, b.p, b.n) == 0);
    gnutls_hash_deinit(hash, out.b);
    return out;
}

bool sha256_eq(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->b, b->b, SHA256_BYTES) == 0;
}

void md5_of(const void *data, size_t size_bytes, uint8_t out[16])
{
    /* Not for security (Prometheus's hashmod is defined by it), so allowed in FIPS mode too. */
    GNUTLS_FIPS140_SET_LAX_MODE();
    CHECK(gnutls_hash_fast(GNUTLS_DIG_MD5, size_bytes ? data : "", size_bytes, out) == 0);
    GNUTLS_FIPS140_SET_STRICT_MODE();
}

/* --- Encodings --- */

void hex_add(struct buf *out, const void *data, size_t size_bytes)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < size_bytes; i++) {
        buf_add_char(out, digits[p[i] >> 4]);
        buf_add_char(out, digits[p[i] & 15]);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_parse(struct str s, void *out, size_t size_bytes)
{
    uint8_t *p = out;
    if (s.n != size_bytes * 2)
        return false;
    for (size_t i = 0; i < size_bytes; i++) {
        int high = hex_value(s.p[2 * i]), low = hex_value(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static gnutls_datum_t datum(const void *data, size_t n)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)data, (unsigned)n};
}

void base64_add(struct buf *out, const void *data, size_t size_bytes)
{
    gnutls_datum_t in = datum(data, size_bytes), text;
    CHECK(size_bytes < UINT32_MAX / 2);
    if (size_bytes == 0)
        return;
    CHECK(gnutls_base64_encode2(&in, &text) == 0);
    buf_add(out, text.data, text.size);
    gnutls_free(text.data);
}

bool base64_parse(struct str s, struct buf *out)
{
    gnutls_datum_t in = datum(s.p, s.n), bytes;
    if (s.n == 0)
        return true;
    if (s.n % 4 != 0 || s.n > UINT32_MAX / 2 || gnutls_base64_decode2(&in, &bytes) != 0)
        return false;
    buf_add(out, bytes.data, bytes.size);
    gnutls_free(bytes.data);
    return true;
}

/* --- Ed25519 --- */

struct signing_key {
    gnutls_privkey_t private_key;
    uint8_t public_key[ED25519_KEY_BYTES];
};

static bool gnutls_failed(struct err *err, const char *what, int rc)
{
    return err_set(err, ERR_CORRUPT, "%s: %s", what, gnutls_strerror(rc));
}

static bool make_key_file(const char *path, struct err *err)
{
    gnutls_x509_privkey_t key;
    gnutls_datum_t pem = {0};
    CHECK(gnutls_x509_privkey_init(&key) == 0);
    int rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0);
    if (rc == 0)
        rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                               &pem);
    gnutls_x509_privkey_deinit(key);
    if (rc != 0)
        return gnutls_failed(err, "cannot make a signing key", rc);
    bool done = file_replace(path, str_make((char *)pem.data, pem.size), 0600, err);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return done;
}

static bool check_mode(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(err, "cannot read %s", path);
    if ((st.st_mode & 0177) != 0)
        return err_set(err, ERR_DENIED, "%s may be read by others (mode %04o); make it 0600", path,
                       (unsigned)st.st_mode & 07777);
    return true;
}

static bool export_public(struct signing_key *key, const char *path, struct err *err)
{
    gnutls_pubkey_t public_key;
    gnutls_datum_t x = {0};
    gnutls_ecc_curve_t curve;
    CHECK(gnutls_pubkey_init(&public_key) == 0);
    int rc = gnutls_pubkey_import_privkey(public_key, key->private_key, 0, 0);
    if (rc == 0)
        rc = gnutls_pubkey_export_ecc_raw2(public_key, &curve, &x, NULL, 0);
    bool good = rc == 0 && curve == GNUTLS_ECC_CURVE_ED25519 && x.size == ED25519_KEY_BYTES;
    if (good)
        memcpy(key->public_key, x.data, ED25519_KEY_BYTES);
    gnutls_free(x.data);
    gnutls_pubkey_deinit(public_key);
    return good || err_set(err, ERR_CORRUPT, "%s does not hold an Ed25519 key", path);
}

static bool load_key(struct signing_key *key, const char *path, struct err *err)
{
    struct buf pem = BUF_INIT;
    bool done = file_read(path, 65536, &pem, err);
    if (done) {
        gnutls_datum_t in = datum(pem.p, pem.n);
        int rc =
            gnutls_privkey_import_x509_raw(key->private_key, &in, GNUTLS_X509_FMT_PEM, NULL, 0);
        done = rc == 0 || gnutls_failed(err, path, rc);
        gnutls_memset(pem.p, 0, pem.n);
    }
    buf_release(&pem);
    return done;
}

struct signing_key *signing_key_open(const char *path, struct err *err)
{
    if (!file_exists(path) && !make_key_file(path, err))
        return NULL;
    if (!check_mode(path, err))
        return NULL;
    struct signing_key *key = calloc(1, sizeof *key);
    if (!key)
        check_no_memory(sizeof *key);
    CHECK(gnutls_privkey_init(&key->private_key) == 0);
    if (load_key(key, path, err) && export_public(key, path, err))
        return key;
    signing_key_free(key);
    return NULL;
}

void signing_key_free(struct signing_key *key)
{
    if (!key)
        return;
    gnutls_privkey_deinit(key->private_key);
    free(key);
}

const uint8_t *signing_key_public(const struct signing_key *key)
{
    return key->public_key;
}

bool signing_key_sign(const struct signing_key *key, struct str message,
                      uint8_t signature[ED25519_SIGNATURE_BYTES], struct err *err)
{
    gnutls_datum_t in = datum(message.p, message.n), out = {0};
    int rc = gnutls_privkey_sign_data2(key->private_key, GNUTLS_SIGN_EDDSA_ED25519, 0, &in, &out);
    if (rc != 0)
        return gnutls_failed(err, "cannot sign", rc);
    CHECK(out.size == ED25519_SIGNATURE_BYTES);
    memcpy(signature, out.data, out.size);
    gnutls_free(out.data);
    return true;
}

bool ed25519_verify(const uint8_t public_key[ED25519_KEY_BYTES], struct str message,
                    const uint8_t signature[ED25519_SIGNATURE_BYTES])
{
    gnutls_pubkey_t key;
    gnutls_datum_t x = datum(public_key, ED25519_KEY_BYTES);
    gnutls_datum_t in = datum(message.p, message.n),
                   sig = datum(signature, ED25519_SIGNATURE_BYTES);
    CHECK(gnutls_pubkey_init(&key) == 0);
    bool good = gnutls_pubkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, NULL) == 0 &&
                gnutls_pubkey_verify_data2(key, GNUTLS_SIGN_EDDSA_ED25519, 0, &in, &sig) >= 0;
    gnutls_pubkey_deinit(key);
    return good;
}

void random_bytes(void *out, size_t n)
{
    CHECK(gnutls_rnd(GNUTLS_RND_RANDOM, out, n) == 0);
}
