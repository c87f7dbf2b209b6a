/* OTLP's traces and logs in both encodings: what is not malformed is counted, and the message tells
 * as many. The first byte chooses. */
#include "fuzz.h"

#include "ingest/ingest.h"

#include <stdlib.h>

static struct otlp *otlp;

static void end(void)
{
    otlp_free(otlp);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct otlp_result r;
    struct err err = ERR_INIT;
    if (n == 0)
        return 0;
    if (!otlp) {
        otlp = otlp_new(NULL, NULL, 0); /* neither signal reaches the store */
        (void)atexit(end);
    }
    enum otlp_signal signal = bytes[0] & 1 ? OTLP_TRACES : OTLP_LOGS;
    enum otlp_encoding encoding = bytes[0] & 2 ? OTLP_JSON : OTLP_PROTOBUF;
    if (!otlp_take(otlp, signal, encoding, fuzz_str(bytes + 1, n - 1), 1, &r, &err)) {
        CHECK(err.code == ERR_BAD_INPUT && err.message[0] != '\0');
        return 0;
    }
    CHECK(r.accepted == 0 && r.rejected <= n);
    CHECK((r.rejected > 0) == (r.message[0] != '\0'));
    return 0;
}
