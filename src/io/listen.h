/* listen.h -- from "HOST:PORT" to a listening socket. Beyond loopback only who encrypts may listen.
 */
#ifndef CQED_IO_LISTEN_H
#define CQED_IO_LISTEN_H

#include "base/err.h"

#include <stdint.h>

/* "127.0.0.1:9797", "localhost:0", "[::1]:0"; port 0 takes a free one, which *port tells. A
 * non-blocking descriptor, or -1: ERR_CONFLICT when the address is in use, ERR_DENIED beyond
 * loopback unless `encrypted`, ERR_BAD_INPUT when it is no address. */
int listen_open(const char *address, bool encrypted, uint16_t *port, struct err *);

#endif
