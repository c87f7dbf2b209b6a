/* err.h -- why something failed. One convention everywhere: a function that can fail returns bool
 * (true = done) or a pointer (NULL = failed) and takes `struct err *` last. It is untouched on
 * success, may be NULL when the caller does not care, and is filled once, where the cause is known.
 */
#ifndef CQED_BASE_ERR_H
#define CQED_BASE_ERR_H

#include "base/check.h"

#include <stdbool.h>

/* X(code, printed name). Names are persisted and shown; numbers never are. */
#define ERR_CODES(X)                                                                               \
    X(ERR_NONE, "none")                                                                            \
    X(ERR_BAD_INPUT, "bad_input") /* malformed or contradictory outside data */                    \
    X(ERR_LIMIT, "limit")         /* a stated bound was exceeded */                                \
    X(ERR_NOT_FOUND, "not_found")                                                                  \
    X(ERR_CONFLICT, "conflict")   /* the state does not allow it */                                \
    X(ERR_DENIED, "denied")       /* not authorised */                                             \
    X(ERR_CANCELLED, "cancelled") /* whoever asked has gone, or stops */                           \
    X(ERR_TIMEOUT, "timeout")                                                                      \
    X(ERR_UNREACHABLE, "unreachable") /* a peer does not answer */                                 \
    X(ERR_IO, "io")                   /* the operating system said no */                           \
    X(ERR_CORRUPT, "corrupt")         /* our own bytes on disk are not what we wrote */            \
    X(ERR_NOT_IMPLEMENTED, "not_implemented")

enum err_code {
#define X(code, name) code,
    ERR_CODES(X)
#undef X
};

struct err {
    enum err_code code;
    char message[512]; /* a sentence without a final full stop; names the thing and the value */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        ERR_NONE, ""                                                                               \
    }

/* Fill err. Always returns false, so that a failing function ends in `return err_set(...)`. */
bool err_set(struct err *, enum err_code, const char *format, ...) PRINTF_LIKE(3, 4);

/* As err_set, with ": " and the text of errno behind the message. Code ERR_IO. */
bool err_errno(struct err *, const char *format, ...) PRINTF_LIKE(2, 3);

/* Put context in front: "config/a.yaml: " + what is there. Always returns false. */
bool err_prefix(struct err *, const char *format, ...) PRINTF_LIKE(2, 3);

const char *err_code_name(enum err_code);

#endif
