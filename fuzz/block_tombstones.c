/* A block's tombstones: refused, or read as what writing them gives again. */
#include "fuzz.h"

#include "block/tombstones.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct block_tombstones t = {0}, again = {0};
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT;
    if (!block_tombstones_parse(fuzz_str(bytes, n), &t, &err)) {
        CHECK(err.code == ERR_CORRUPT);
        return 0;
    }
    block_tombstones_write(&t, &out);
    CHECK(block_tombstones_parse(buf_str(&out), &again, &err));
    CHECK(again.n == t.n);
    for (size_t i = 0; i < t.n; i++)
        CHECK(memcmp(&t.v[i], &again.v[i], sizeof t.v[i]) == 0);
    buf_release(&out);
    block_tombstones_release(&t);
    block_tombstones_release(&again);
    return 0;
}
