/* OTLP metrics in JSON, into a real store. */
#include "fuzz.h"

#include "otlp_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    otlp_fuzz_one(otlp_metrics_json, fuzz_str(bytes, n));
    return 0;
}
