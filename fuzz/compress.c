/* Compressed bodies: output never passes the cap, and our own gzip reads back. */
#include "fuzz.h"

#include "codec/compress.h"

#define CAP_BYTES ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static bool (*const decoders[])(struct str, size_t, struct buf *,
                                    struct err *) = {gzip_decode, zstd_decode, snappy_decode};
    struct str text = fuzz_str(bytes, n);
    struct buf out = BUF_INIT, packed = BUF_INIT;
    for (size_t i = 0; i < 3; i++) {
        struct err err = ERR_INIT;
        buf_clear(&out);
        bool done = decoders[i](text, CAP_BYTES, &out, &err);
        CHECK((!done || out.n <= CAP_BYTES) && done == (err.code == ERR_NONE));
    }
    gzip_encode(text, &packed);
    buf_clear(&out);
    if (n <= CAP_BYTES)
        CHECK(gzip_decode(buf_str(&packed), CAP_BYTES, &out, NULL) && str_eq(buf_str(&out), text));
    buf_release(&out);
    buf_release(&packed);
    return 0;
}
