/* An answer of a DNS server; the first byte chooses the type. */
#include "fuzz.h"

#include "io/dns.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct dns_record *records;
    size_t n_records;
    if (n == 0 || n > 65536)
        return 0;
    bool good = dns_read_answer(&arena, fuzz_str(bytes + 1, n - 1), types[bytes[0] % 3], &records,
                                &n_records, &err);
    CHECK(good == (err.code == ERR_NONE));
    for (size_t i = 0; good && i < n_records; i++) {
        CHECK(strlen(records[i].target) < 256);
        CHECK(i == 0 || strcmp(records[i - 1].target, records[i].target) <= 0);
    }
    arena_release(&arena);
    return 0;
}
