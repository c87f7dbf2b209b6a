#include "codec/digest.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_hex(const void *bytes, size_t n, const char *hex)
{
    struct buf out = BUF_INIT;
    hex_add(&out, bytes, n);
    assert_string_equal(out.p, hex);
    buf_release(&out);
}

static void hashes(void **state)
{
    uint8_t md5[16];
    struct sha256 h;
    (void)state;
    h = sha256_of(NULL, 0); /* FIPS 180-4's examples */
    expect_hex(h.b, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    h = sha256_of("abc", 3);
    expect_hex(h.b, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    struct sha256 parts = sha256_of_parts('a', STR("b"), STR("c"));
    assert_true(sha256_eq(&h, &parts));
    parts = sha256_of_parts(0, STR(""), STR("")); /* RFC 6962's leaf hash of nothing */
    expect_hex(parts.b, 32, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_false(sha256_eq(&h, &parts));
    md5_of("abc", 3, md5); /* RFC 1321 */
    expect_hex(md5, 16, "900150983cd24fb0d6963f7d28e17f72");
}

static void hex_reads_back(void **state)
{
    uint8_t out[3];
    (void)state;
    assert_true(hex_parse(STR("00fFa5"), out, 3));
    assert_memory_equal(out, "\x00\xff\xa5", 3);
    assert_false(hex_parse(STR("00fFa"), out, 3));
    assert_false(hex_parse(STR("00fFa500"), out, 3));
    assert_false(hex_parse(STR("00fFg5"), out, 3));
}

/* RFC 4648, section 10. */
static void base64_of_the_rfc(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "!!!!", "Zg==\n"};
    struct buf out = BUF_INIT;
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        buf_clear(&out);
        base64_add(&out, pairs[i][0], strlen(pairs[i][0]));
        assert_true(str_is(buf_str(&out), pairs[i][1]));
        buf_clear(&out);
        assert_true(base64_parse(str_from(pairs[i][1]), &out));
        assert_true(str_is(buf_str(&out), pairs[i][0]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (base64_parse(str_from(bad[i]), &out))
            fail_msg("'%s' was taken for base64", bad[i]);
    }
    buf_release(&out);
}

static char folder[64], path[80];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cqed-digest-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/key.pem", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* A key file as `openssl genpkey -algorithm ed25519` would write it (RFC 8410, section 7). */
static void write_key(const char *seed_hex)
{
    uint8_t der[48];
    struct buf pem = BUF_INIT;
    assert_true(hex_parse(STR("302e020100300506032b657004220420"), der, 16));
    assert_true(hex_parse(str_from(seed_hex), der + 16, 32));
    buf_add_cstr(&pem, "-----BEGIN PRIVATE KEY-----\n");
    base64_add(&pem, der, sizeof der);
    buf_add_cstr(&pem, "\n-----END PRIVATE KEY-----\n");
    assert_true(file_replace(path, buf_str(&pem), 0600, NULL));
    buf_release(&pem);
}

/* RFC 8032, section 7.1, tests 1 and 3. */
static void signatures_of_the_rfc(void **state)
{
    static const struct {
        const char *seed, *public_key, *message, *signature;
    } cases[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
         "c"
         "f9b46bd25bf5f0595bbe24655141438e7a100b"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "\xaf\x82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
         "8"
         "4dc6594a7c15e9716ed28dc027beceea1ec40a"},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct err err = ERR_INIT;
        uint8_t signature[ED25519_SIGNATURE_BYTES];
        struct str message = str_from(cases[i].message);
        write_key(cases[i].seed);
        struct signing_key *key = signing_key_open(path, &err);
        if (!key)
            fail_msg("%s", err.message);
        expect_hex(signing_key_public(key), ED25519_KEY_BYTES, cases[i].public_key);
        assert_true(signing_key_sign(key, message, signature, &err));
        expect_hex(signature, sizeof signature, cases[i].signature);
        assert_true(ed25519_verify(signing_key_public(key), message, signature));
        assert_false(ed25519_verify(signing_key_public(key), STR("another"), signature));
        signature[40] ^= 1;
        assert_false(ed25519_verify(signing_key_public(key), message, signature));
        signing_key_free(key);
    }
}

static void a_key_is_made_once_and_kept_private(void **state)
{
    struct err err = ERR_INIT;
    struct stat st;
    uint8_t first[ED25519_KEY_BYTES];
    (void)state;
    unlink(path);
    struct signing_key *key = signing_key_open(path, &err);
    assert_non_null(key);
    memcpy(first, signing_key_public(key), sizeof first);
    signing_key_free(key);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    key = signing_key_open(path, &err);
    assert_memory_equal(signing_key_public(key), first, sizeof first);
    signing_key_free(key);

    assert_int_equal(chmod(path, 0640), 0);
    assert_null(signing_key_open(path, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_non_null(strstr(err.message, "mode 0640"));
    assert_true(file_replace(path, STR("no key"), 0600, &err));
    assert_null(signing_key_open(path, &err));
    assert_non_null(strstr(err.message, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes),
        cmocka_unit_test(hex_reads_back),
        cmocka_unit_test(base64_of_the_rfc),
        cmocka_unit_test_setup_teardown(signatures_of_the_rfc, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_key_is_made_once_and_kept_private, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
