#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    err->code = code;
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return false;
}

bool err_errno(struct err *err, const char *format, ...)
{
    int saved = errno;
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    err->code = ERR_IO;
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);

    size_t n = strlen(err->message);
    char text[128];
    (void)snprintf(err->message + n, sizeof err->message - n, ": %s",
                   strerror_r(saved, text, sizeof text));
    return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);

    size_t n = strlen(err->message);
    (void)snprintf(err->message + n, sizeof err->message - n, "%s", old);
    return false;
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
#define X(c, name)                                                                                 \
    case c:                                                                                        \
        return name;
        ERR_CODES(X)
#undef X
    }
    return "unknown";
}
