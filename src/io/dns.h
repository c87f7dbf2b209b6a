/* dns.h -- names, looked up without holding up the loop: the system's resolver asks, on libuv's
 * worker threads, the servers of /etc/resolv.conf, with its search list, or one server that is
 * named. Only the answer is read here. Loop's thread. RFC 1035, RFC 2782, RFC 3596. */
#ifndef CQED_IO_DNS_H
#define CQED_IO_DNS_H

#include "base/arena.h"
#include "base/err.h"
#include "io/loop.h"

#include <stddef.h>
#include <stdint.h>

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33 }; /* in the protocol's numbers */

struct dns_record {
    const char *target; /* an address; or the name of an SRV record, without a final dot */
    uint16_t port;      /* of an SRV record, else 0 */
};

/* Start one. server: "127.0.0.1:53", NULL = the system's. done runs on the loop exactly once unless
 * cancelled; err is NULL when there was an answer, which may have no records (as when there is no
 * such name). Records are sorted, and borrowed for the call. Failures: ERR_BAD_INPUT for a name or
 * an answer that is none, ERR_UNREACHABLE. */
struct dns_lookup;
struct dns_lookup *dns_lookup_start(
    struct loop *, const char *name, enum dns_type, const char *server,
    void (*done)(void *arg, const struct dns_record *, size_t n, const struct err *err), void *arg);
void dns_cancel(struct dns_lookup *); /* done will not run; the worker ends in its own time */

/* The records of one type in an answer, sorted; bounded by the message. */
MUST_CHECK bool dns_read_answer(struct arena *, struct str message, enum dns_type,
                                struct dns_record **out, size_t *n, struct err *);

/* IPv4 and port. */
bool dns_server_is_valid(const char *server);

#endif
