#include "ledger/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The Certificate Transparency reference leaves, tree heads and proofs (transparency-dev/merkle,
 * testonly/constants.go and the reference proofs of RFC 6962's authors). */
static const char *const ct_leaves[] = {"",
                                        "00",
                                        "10",
                                        "2021",
                                        "3031",
                                        "40414243",
                                        "5051525354555657",
                                        "606162636465666768696a6b6c6d6e6f"};
static const char *const ct_roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

struct proof_vector {
    uint64_t first; /* the leaf's index, or the old size */
    uint64_t size;
    const char *path[4];
};

static const struct proof_vector ct_inclusion[] = {
    {0, 1, {NULL}},
    {0,
     8,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4", NULL}},
    {5,
     8,
     {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7", NULL}},
    {2, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125", NULL}},
};
static const struct proof_vector ct_consistency[] = {
    {1, 1, {NULL}},
    {1,
     8,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4", NULL}},
    {6,
     8,
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7", NULL}},
    {2,
     5,
     {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", NULL}},
};

static struct sha256 from_hex(const char *hex)
{
    struct sha256 out;
    assert_true(hex_parse(str_from(hex), out.b, sizeof out.b));
    return out;
}

static void fill_reference(struct merkle *t)
{
    merkle_init(t);
    for (size_t i = 0; i < 8; i++) {
        uint8_t bytes[16];
        size_t n = strlen(ct_leaves[i]) / 2;
        assert_true(hex_parse(str_from(ct_leaves[i]), bytes, n));
        struct sha256 leaf = merkle_leaf(str_make((char *)bytes, n));
        merkle_append(t, &leaf);
    }
}

static void fill_numbers(struct merkle *t, size_t n)
{
    merkle_init(t);
    for (size_t i = 0; i < n; i++) {
        struct sha256 leaf = merkle_leaf(str_make((char *)&i, sizeof i));
        merkle_append(t, &leaf);
    }
}

/* MTH exactly as RFC 6962 section 2.1 writes it, to compare with. */
static struct sha256 plain_root(const struct sha256 *leaves, size_t n)
{
    if (n == 0)
        return sha256_of("", 0);
    if (n == 1)
        return leaves[0];
    size_t k = 1;
    while (k * 2 < n)
        k *= 2;
    struct sha256 left = plain_root(leaves, k), right = plain_root(leaves + k, n - k);
    return merkle_node(&left, &right);
}

static void roots_are_certificate_transparencys(void **state)
{
    (void)state;
    struct merkle t;
    fill_reference(&t);
    for (uint64_t size = 0; size <= 8; size++) {
        struct sha256 want = from_hex(ct_roots[size]), got = merkle_root(&t, size);
        assert_memory_equal(got.b, want.b, sizeof want.b);
    }
    merkle_release(&t);
}

static void expect_path(const struct sha256 *path, size_t n, const struct proof_vector *v)
{
    for (size_t i = 0; i < n; i++) {
        assert_non_null(v->path[i]);
        struct sha256 want = from_hex(v->path[i]);
        assert_memory_equal(path[i].b, want.b, sizeof want.b);
    }
    assert_null(v->path[n]);
}

static void proofs_are_certificate_transparencys(void **state)
{
    (void)state;
    struct merkle t;
    struct arena arena = ARENA_INIT;
    struct sha256 *path;
    size_t n;
    fill_reference(&t);
    for (size_t i = 0; i < sizeof ct_inclusion / sizeof *ct_inclusion; i++) {
        merkle_inclusion(&t, ct_inclusion[i].first, ct_inclusion[i].size, &arena, &path, &n);
        expect_path(path, n, &ct_inclusion[i]);
    }
    for (size_t i = 0; i < sizeof ct_consistency / sizeof *ct_consistency; i++) {
        merkle_consistency(&t, ct_consistency[i].first, ct_consistency[i].size, &arena, &path, &n);
        expect_path(path, n, &ct_consistency[i]);
    }
    arena_release(&arena);
    merkle_release(&t);
}

static void levels_agree_with_the_definition(void **state)
{
    (void)state;
    enum { N = 70 };
    struct merkle t, grown;
    fill_numbers(&t, N);
    merkle_init(&grown);
    for (size_t size = 0; size <= N; size++) {
        struct sha256 want = plain_root(t.levels[0].items, size), got = merkle_root(&t, size);
        assert_memory_equal(got.b, want.b, sizeof want.b);
        if (size == N)
            break;
        struct sha256 next = plain_root(t.levels[0].items, size + 1);
        got = merkle_root_with(&grown, &t.levels[0].items[size]);
        assert_memory_equal(got.b, next.b, sizeof next.b);
        merkle_append(&grown, &t.levels[0].items[size]);
    }
    merkle_release(&grown);
    merkle_release(&t);
}

static void every_inclusion_proof_holds_and_no_other(void **state)
{
    (void)state;
    enum { N = 33 };
    struct merkle t;
    struct arena arena = ARENA_INIT;
    struct sha256 *path;
    size_t n;
    fill_numbers(&t, N);
    for (uint64_t size = 1; size <= N; size++) {
        struct sha256 root = merkle_root(&t, size);
        for (uint64_t i = 0; i < size; i++) {
            const struct sha256 *leaf = &t.levels[0].items[i];
            merkle_inclusion(&t, i, size, &arena, &path, &n);
            assert_true(merkle_verify_inclusion(leaf, i, size, path, n, &root));
            assert_false(merkle_verify_inclusion(leaf, i ^ 1, size, path, n, &root));
            assert_false(merkle_verify_inclusion(leaf, size, size, path, n, &root));
            assert_false(merkle_verify_inclusion(&root, i, size, path, n, &root) && n > 0);
            if (n == 0)
                continue;
            assert_false(merkle_verify_inclusion(leaf, i, size, path, n - 1, &root));
            path[n / 2].b[7] ^= 1;
            assert_false(merkle_verify_inclusion(leaf, i, size, path, n, &root));
        }
        arena_clear(&arena);
    }
    arena_release(&arena);
    merkle_release(&t);
}

static void every_consistency_proof_holds_and_no_other(void **state)
{
    (void)state;
    enum { N = 33 };
    struct merkle t;
    struct arena arena = ARENA_INIT;
    struct sha256 *path;
    size_t n;
    fill_numbers(&t, N);
    for (uint64_t size = 1; size <= N; size++) {
        struct sha256 root = merkle_root(&t, size);
        for (uint64_t old = 0; old <= size; old++) {
            struct sha256 old_root = merkle_root(&t, old), bad = old_root;
            bad.b[0] ^= 1;
            merkle_consistency(&t, old, size, &arena, &path, &n);
            assert_true(merkle_verify_consistency(old, &old_root, size, &root, path, n));
            assert_false(merkle_verify_consistency(old, &bad, size, &root, path, n));
            assert_false(merkle_verify_consistency(size + 1, &old_root, size, &root, path, n));
            if (n == 0)
                continue;
            assert_false(merkle_verify_consistency(old, &old_root, size, &root, path, n - 1));
            path[0].b[31] ^= 0x80;
            assert_false(merkle_verify_consistency(old, &old_root, size, &root, path, n));
        }
        arena_clear(&arena);
    }
    arena_release(&arena);
    merkle_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_certificate_transparencys),
        cmocka_unit_test(proofs_are_certificate_transparencys),
        cmocka_unit_test(levels_agree_with_the_definition),
        cmocka_unit_test(every_inclusion_proof_holds_and_no_other),
        cmocka_unit_test(every_consistency_proof_holds_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
