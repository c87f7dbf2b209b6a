/* What an HAProxy says about a backend's servers. */
#include "fuzz.h"

#include "enforce/haproxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct haproxy_server server;
    if (haproxy_find_server(fuzz_str(bytes, n), "c1", &server))
        CHECK(str_is(server.name, "c1") && server.weight >= 0 && server.weight <= 256);
    return 0;
}
