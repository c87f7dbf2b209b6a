#include "ledger/note.h"

#include "base/num.h"

#define ALGORITHM_ED25519 0x01
#define MAX_SIGNATURES 100 /* as the reference implementation, golang.org/x/mod/sumdb/note */
#define SIGNATURE_BYTES (4 + ED25519_SIGNATURE_BYTES)
#define EM_DASH "\xe2\x80\x94 "

static bool is_name(struct str name)
{
    if (name.n == 0 || name.n > NOTE_MAX_NAME || !str_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= ' ' || c == '+' || c == 0x7f)
            return false;
    }
    return true;
}

/* --- Keys --- */

static void hash_key(struct note_key *key)
{
    struct buf b = BUF_INIT;
    buf_add_cstr(&b, key->name);
    buf_add_char(&b, '\n');
    buf_add_char(&b, ALGORITHM_ED25519);
    buf_add(&b, key->public_key, sizeof key->public_key);
    struct sha256 digest = sha256_of(b.p, b.n);
    memcpy(key->hash, digest.b, sizeof key->hash);
    buf_release(&b);
}

void note_key_init(struct note_key *key, const char *name,
                   const uint8_t public_key[ED25519_KEY_BYTES])
{
    CHECK(is_name(str_from(name)));
    memset(key, 0, sizeof *key);
    memcpy(key->name, name, strlen(name));
    memcpy(key->public_key, public_key, sizeof key->public_key);
    hash_key(key);
}

void note_key_format(const struct note_key *key, struct buf *out)
{
    uint8_t typed[1 + ED25519_KEY_BYTES] = {ALGORITHM_ED25519};
    memcpy(typed + 1, key->public_key, ED25519_KEY_BYTES);
    buf_add_cstr(out, key->name);
    buf_add_char(out, '+');
    hex_add(out, key->hash, sizeof key->hash);
    buf_add_char(out, '+');
    base64_add(out, typed, sizeof typed);
}

/* Exactly n bytes in the one base64 form that encoding them gives: decoders differ in what else
 * they let pass. */
static bool take_base64(struct str text, void *out, size_t n)
{
    struct buf bytes = BUF_INIT, again = BUF_INIT;
    bool good = base64_parse(text, &bytes) && bytes.n == n;
    if (good) {
        base64_add(&again, bytes.p, bytes.n);
        good = str_eq(buf_str(&again), text);
    }
    if (good)
        memcpy(out, bytes.p, n);
    buf_release(&bytes);
    buf_release(&again);
    return good;
}

bool note_key_parse(struct str text, struct note_key *key, struct err *err)
{
    struct str name, hash, rest = text;
    uint8_t typed[1 + ED25519_KEY_BYTES], wanted[4];
    char name_cstr[NOTE_MAX_NAME + 1] = {0};
    if (text.n > NOTE_MAX_BYTES || !str_cut(&rest, '+', &name) || !str_cut(&rest, '+', &hash) ||
        !rest.p || !is_name(name) || !hex_parse(hash, wanted, sizeof wanted))
        return err_set(err, ERR_BAD_INPUT, "a verifier key is name+hash+key, this is not one");
    if (!take_base64(rest, typed, sizeof typed) || typed[0] != ALGORITHM_ED25519)
        return err_set(err, ERR_BAD_INPUT, "verifier key of " STR_FMT " is not an Ed25519 key",
                       STR_ARG(name));
    memcpy(name_cstr, name.p, name.n);
    note_key_init(key, name_cstr, typed + 1);
    if (memcmp(key->hash, wanted, sizeof wanted) != 0)
        return err_set(err, ERR_BAD_INPUT, "verifier key of " STR_FMT " has a hash that is wrong",
                       STR_ARG(name));
    return true;
}

/* --- Notes --- */

static bool is_text(struct str text)
{
    if (text.n == 0 || text.p[text.n - 1] != '\n' || !str_is_utf8(text))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < ' ' && text.p[i] != '\n')
            return false;
    }
    return true;
}

bool note_sign(struct str text, const struct note_key *key, const struct signing_key *secret,
               struct buf *out, struct err *err)
{
    uint8_t bytes[SIGNATURE_BYTES];
    CHECK(is_text(text));
    memcpy(bytes, key->hash, sizeof key->hash);
    if (!signing_key_sign(secret, text, bytes + sizeof key->hash, err))
        return false;
    buf_add_str(out, text);
    buf_printf(out, "\n" EM_DASH "%s ", key->name);
    base64_add(out, bytes, sizeof bytes);
    buf_add_char(out, '\n');
    return true;
}

/* The signatures stand behind the last empty line; the text keeps its own last newline. */
static bool split_note(struct str note, struct str *text, struct str *signatures)
{
    for (size_t i = note.n; i-- > 1;) {
        if (note.p[i] == '\n' && note.p[i - 1] == '\n') {
            *text = str_make(note.p, i);
            *signatures = str_make(note.p + i + 1, note.n - i - 1);
            return signatures->n > 0 && note.p[note.n - 1] == '\n';
        }
    }
    return false;
}

enum signature { SIGNATURE_MALFORMED, SIGNATURE_OTHER, SIGNATURE_BAD, SIGNATURE_GOOD };

static enum signature check_line(struct str line, struct str text, const struct note_key *key)
{
    struct str name, rest = line;
    uint8_t bytes[SIGNATURE_BYTES];
    if (!str_starts(line, STR(EM_DASH)))
        return SIGNATURE_MALFORMED;
    rest = str_make(line.p + sizeof EM_DASH - 1, line.n - (sizeof EM_DASH - 1));
    if (!str_cut(&rest, ' ', &name) || !rest.p || rest.n == 0 || !is_name(name))
        return SIGNATURE_MALFORMED;
    if (!str_is(name, key->name))
        return SIGNATURE_OTHER;
    /* The same name with another hash is another key, perhaps of another algorithm. */
    if (!take_base64(rest, bytes, sizeof bytes) || memcmp(bytes, key->hash, sizeof key->hash) != 0)
        return SIGNATURE_OTHER;
    return ed25519_verify(key->public_key, text, bytes + sizeof key->hash) ? SIGNATURE_GOOD
                                                                           : SIGNATURE_BAD;
}

bool note_verify(struct str note, const struct note_key *key, struct str *text, struct err *err)
{
    struct str signatures, line;
    int seen = 0;
    bool good = false;
    if (note.n > NOTE_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "a note of %zu bytes is over the limit of %d", note.n,
                       NOTE_MAX_BYTES);
    if (!split_note(note, text, &signatures) || !is_text(*text))
        return err_set(err, ERR_BAD_INPUT, "this is not a signed note");
    while (signatures.n > 0 && str_cut(&signatures, '\n', &line)) {
        enum signature found = check_line(line, *text, key);
        if (found == SIGNATURE_MALFORMED || ++seen > MAX_SIGNATURES)
            return err_set(err, ERR_BAD_INPUT, "signature line %d is malformed or one too many",
                           seen);
        if (found == SIGNATURE_BAD)
            return err_set(err, ERR_CORRUPT, "the signature of %s does not fit the text",
                           key->name);
        good = good || found == SIGNATURE_GOOD;
    }
    return good ||
           err_set(err, ERR_CORRUPT, "it bears no signature of %s with key hash %02x%02x%02x%02x",
                   key->name, key->hash[0], key->hash[1], key->hash[2], key->hash[3]);
}

/* --- Checkpoints --- */

void checkpoint_format(const struct checkpoint *c, struct buf *out)
{
    buf_printf(out, STR_FMT "\n%llu\n", STR_ARG(c->origin), (unsigned long long)c->size);
    base64_add(out, c->root.b, sizeof c->root.b);
    buf_add_char(out, '\n');
}

/* ASCII decimal without leading zeros, so that one size has one text. */
static bool take_size(struct str s, uint64_t *size)
{
    if (s.n == 0 || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    }
    return num_parse_u64(s, size);
}

bool checkpoint_parse(struct str text, struct checkpoint *c, struct err *err)
{
    struct str size, root, extension;
    if (!is_text(text))
        return err_set(err, ERR_BAD_INPUT, "a checkpoint is UTF-8 text of whole lines");
    if (!str_cut(&text, '\n', &c->origin) || c->origin.n == 0)
        return err_set(err, ERR_BAD_INPUT, "a checkpoint starts with its origin");
    if (!str_cut(&text, '\n', &size) || !take_size(size, &c->size))
        return err_set(err, ERR_BAD_INPUT, "a checkpoint's second line is the tree's size");
    if (!str_cut(&text, '\n', &root) || !text.p || !take_base64(root, c->root.b, sizeof c->root.b))
        return err_set(err, ERR_BAD_INPUT, "a checkpoint's third line is the root in base64");
    while (text.n > 0 && str_cut(&text, '\n', &extension)) {
        if (extension.n == 0 || !text.p)
            return err_set(err, ERR_BAD_INPUT, "a checkpoint's extension line is empty or cut off");
    }
    return true;
}
