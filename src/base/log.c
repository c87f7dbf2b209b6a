#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdatomic.h>
#include <unistd.h>

static _Atomic int threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG:
        return "debug";
    case LOG_INFO:
        return "info";
    case LOG_WARN:
        return "warn";
    case LOG_ERROR:
        return "error";
    }
    return "?";
}

/* Control characters could forge a line or drive a terminal. */
static void add_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
}

void log_line(enum log_level level, const char *stage, const char *format, ...)
{
    if ((int)level < atomic_load(&threshold))
        return;
    struct buf text = BUF_INIT, line = BUF_INIT;
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);

    clock_format_ms(&line, clock_wall_ms());
    buf_printf(&line, " %-5s %s: ", level_name(level), stage);
    add_escaped(&line, buf_str(&text));
    buf_add_char(&line, '\n');
    /* One write a line keeps lines of several threads apart; nothing is left to do if it fails. */
    ssize_t written = write(STDERR_FILENO, line.p, line.n);
    (void)written;
    buf_release(&text);
    buf_release(&line);
}
