/* The index of a block: refused, or every series, name and value can be asked for. Checksums would
 * stop nearly every damage at once, so the input is told apart by its first byte: 0 = as it is,
 * else the checksums of the sections that the table of contents names are made right first. */
#include "fuzz.h"

#include "base/hash.h"
#include "base/mem.h"
#include "block/index.h"

#include <endian.h>
#include <stdlib.h>

#define CONTENTS_BYTES 52

static void put_crc(uint8_t *at, const uint8_t *content, size_t n)
{
    uint32_t crc = htobe32(crc32c(0, content, n));
    memcpy(at, &crc, sizeof crc);
}

static void mend_section(uint8_t *bytes, size_t n, uint64_t at)
{
    uint32_t length;
    if (n < 8 || at > n - 8)
        return;
    memcpy(&length, bytes + at, sizeof length);
    length = be32toh(length);
    if (length <= n - 8 - at)
        put_crc(bytes + at + 4 + length, bytes + at + 4, length);
}

static void mend(uint8_t *bytes, size_t n)
{
    if (n < CONTENTS_BYTES)
        return;
    uint8_t *contents = bytes + n - CONTENTS_BYTES;
    put_crc(contents + CONTENTS_BYTES - 4, contents, CONTENTS_BYTES - 4);
    for (size_t i = 0; i < 6; i++) {
        uint64_t at;
        memcpy(&at, contents + 8 * i, sizeof at);
        if (i != 1)
            mend_section(bytes, n, be64toh(at));
    }
}

static void ask(const struct block_index *x, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct matcher m;
    uint32_t *refs;
    struct str *strings;
    size_t n, n_strings;
    if (block_index_select(x, arena, NULL, 0, &refs, &n, &err)) {
        for (size_t i = 0; i < n && i < 1000; i++) {
            struct block_series s;
            CHECK(block_index_series(x, arena, refs[i], &s, &err) || err.code == ERR_CORRUPT);
        }
    }
    (void)!block_index_names(x, arena, &strings, &n_strings, &err);
    for (int type = MATCH_EQUAL; type <= MATCH_NOT_REGEX; type++) {
        CHECK(matcher_init(&m, arena, (enum match_type)type, STR("mod"), STR("1"), &err));
        (void)!block_index_select(x, arena, &m, 1, &refs, &n, &err);
    }
    (void)!block_index_values(x, arena, STR("i"), &strings, &n_strings, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    if (n == 0)
        return 0;
    uint8_t *exact = mem_array(n, 1);
    memcpy(exact, bytes + 1, n - 1);
    if (bytes[0] != 0)
        mend(exact, n - 1);
    struct block_index *x = block_index_open(fuzz_str(exact, n - 1), &err);
    CHECK(x || err.code == ERR_CORRUPT);
    if (x)
        ask(x, &arena);
    block_index_free(x);
    arena_release(&arena);
    free(exact);
    return 0;
}
