#include "ledger/note.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* The reference key and note of golang.org/x/mod/sumdb/note (note_test.go) and the C2SP text. */
#define GO_KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define GO_TEXT                                                                                    \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define GO_SIGNATURE                                                                               \
    "\xe2\x80\x94 PeterNeumann "                                                                   \
    "x08go/ZJkuBS9UG/"                                                                             \
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
#define GO_NOTE GO_TEXT "\n" GO_SIGNATURE

static void read_key(struct note_key *key)
{
    struct err err = ERR_INIT;
    assert_true(note_key_parse(STR(GO_KEY), key, &err));
}

static void gos_verifier_key_is_read_and_written(void **state)
{
    (void)state;
    struct note_key key;
    struct buf out = BUF_INIT;
    read_key(&key);
    assert_string_equal(key.name, "PeterNeumann");
    note_key_format(&key, &out);
    assert_string_equal(out.p, GO_KEY);
    buf_release(&out);
}

static void no_mangled_verifier_key_is_read(void **state)
{
    (void)state;
    struct note_key key;
    char text[] = GO_KEY;
    size_t n = sizeof text - 1;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = i; j <= n; j++)
            assert_int_equal(note_key_parse(str_make(text + i, j - i), &key, NULL),
                             i == 0 && j == n);
    }
    for (size_t i = 0; i < n; i++) {
        text[i]++;
        assert_false(note_key_parse(str_make(text, n), &key, NULL));
        text[i]--;
    }
    /* A key of another length, and another algorithm, both with hashes that fit. */
    assert_false(note_key_parse(
        STR("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="), &key,
        NULL));
    assert_false(note_key_parse(
        STR("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), &key, NULL));
}

static void gos_note_verifies(void **state)
{
    (void)state;
    struct note_key key;
    struct err err = ERR_INIT;
    struct str text;
    read_key(&key);
    assert_true(note_verify(STR(GO_NOTE), &key, &text, &err));
    assert_true(str_is(text, GO_TEXT));
    assert_true(note_verify(STR(GO_TEXT "\n\xe2\x80\x94 Other AAAAAAAA\n" GO_SIGNATURE), &key,
                            &text, &err));
}

static void no_mangled_note_verifies(void **state)
{
    (void)state;
    struct note_key key;
    struct str text;
    char note[] = GO_NOTE;
    size_t n = sizeof note - 1;
    read_key(&key);
    for (size_t i = 0; i < n; i++) {
        note[i] ^= 1;
        assert_false(note_verify(str_make(note, n), &key, &text, NULL));
        note[i] ^= 1;
        assert_false(note_verify(str_make(note, i), &key, &text, NULL));
    }
    assert_false(note_verify(STR(GO_TEXT "\n\xe2\x80\x94 Other AAAAAAAA\n"), &key, &text, NULL));
    assert_false(note_verify(STR(GO_NOTE "junk\n"), &key, &text, NULL));
    assert_false(note_verify(STR(""), &key, &text, NULL));
}

static void what_we_sign_verifies_under_our_key_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/cqed_note_XXXXXX", path[64];
    struct err err = ERR_INIT;
    struct note_key key, other;
    struct buf note = BUF_INIT;
    struct str text;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/key", folder);
    struct signing_key *secret = signing_key_open(path, &err);
    assert_non_null(secret);
    note_key_init(&key, "cqed.ledger/x", signing_key_public(secret));
    assert_true(note_sign(STR("one\n\ntwo\n"), &key, secret, &note, &err));
    assert_true(note_verify(buf_str(&note), &key, &text, &err));
    assert_true(str_is(text, "one\n\ntwo\n"));
    read_key(&other);
    assert_false(note_verify(buf_str(&note), &other, &text, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    note_key_init(&other, "cqed.ledger/x", other.public_key);
    assert_false(note_verify(buf_str(&note), &other, &text, &err));
    buf_release(&note);
    signing_key_free(secret);
    unlink(path);
    rmdir(folder);
}

#define ROOT64 "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="

static void checkpoints_are_written_and_read(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct checkpoint c, again;
    struct buf out = BUF_INIT;
    assert_true(checkpoint_parse(STR("example.com/log\n8\n" ROOT64 "\n"), &c, &err));
    assert_true(str_is(c.origin, "example.com/log"));
    assert_int_equal(c.size, 8);
    assert_int_equal(c.root.b[0], 0x5d);
    checkpoint_format(&c, &out);
    assert_string_equal(out.p, "example.com/log\n8\n" ROOT64 "\n");
    assert_true(checkpoint_parse(STR("o\n0\n" ROOT64 "\nextension\n"), &again, &err));
    buf_release(&out);
}

static void malformed_checkpoints_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "\n8\n" ROOT64 "\n",
                                      "o\n08\n" ROOT64 "\n",
                                      "o\n-8\n" ROOT64 "\n",
                                      "o\n+8\n" ROOT64 "\n",
                                      "o\n\n" ROOT64 "\n",
                                      "o\n18446744073709551616\n" ROOT64 "\n",
                                      "o\n8\n" ROOT64,
                                      "o\n8\n" ROOT64 "=\n",
                                      "o\n8\nAAAA\n",
                                      "o\n8\n" ROOT64 "\n\n",
                                      "o\n8\n" ROOT64 "\nextension",
                                      "o\x01\n8\n" ROOT64 "\n",
                                      "o\xff\n8\n" ROOT64 "\n"};
    struct checkpoint c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(checkpoint_parse(str_from(bad[i]), &c, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gos_verifier_key_is_read_and_written),
        cmocka_unit_test(no_mangled_verifier_key_is_read),
        cmocka_unit_test(gos_note_verifies),
        cmocka_unit_test(no_mangled_note_verifies),
        cmocka_unit_test(what_we_sign_verifies_under_our_key_alone),
        cmocka_unit_test(checkpoints_are_written_and_read),
        cmocka_unit_test(malformed_checkpoints_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
