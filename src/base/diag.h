/* diag.h -- everything that is wrong with some configuration, all at once, each with its place. */
#ifndef CQED_BASE_DIAG_H
#define CQED_BASE_DIAG_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum diag_level { DIAG_WARNING, DIAG_ERROR };

struct diag {
    enum diag_level level;
    const char *path; /* file; never NULL */
    int line;         /* from 1; 0 when there is none */
    int column;       /* from 1, in characters */
    const char *message;
};

struct diag_list {
    struct arena *arena; /* owns the messages */
    struct diag *items;
    size_t n;
    size_t capacity;
    size_t errors; /* how many of n are DIAG_ERROR */
};

#define DIAG_MAX 200 /* more than this many and the rest are only counted */

void diag_init(struct diag_list *, struct arena *);
void diag_add(struct diag_list *, enum diag_level, const char *path, int line, int column,
              const char *format, ...) PRINTF_LIKE(6, 7);
void diag_sort(struct diag_list *);                      /* by path, line, column */
void diag_print(const struct diag_list *, struct buf *); /* file:line:column: error: message */

#endif
