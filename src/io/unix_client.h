/* unix_client.h -- one command, one answer over a Unix stream socket, on the loop: how HAProxy's
 * runtime API is spoken. The peer closes after its answer. */
#ifndef CQED_IO_UNIX_CLIENT_H
#define CQED_IO_UNIX_CLIENT_H

#include "base/err.h"
#include "base/str.h"
#include "io/loop.h"

struct unix_exchange;

/* Connect to `path`, send `request`, read until the peer closes. done runs on the loop exactly once
 * unless cancelled; err is NULL on success. Over 4 MiB: ERR_LIMIT; no answer in timeout_ms:
 * ERR_TIMEOUT; no socket or nobody listening: ERR_UNREACHABLE, naming the path and the reason. */
struct unix_exchange *
unix_exchange_start(struct loop *, const char *path, struct str request, int64_t timeout_ms,
                    void (*done)(void *arg, struct str answer, const struct err *err), void *arg);
void unix_exchange_cancel(struct unix_exchange *);

#endif
