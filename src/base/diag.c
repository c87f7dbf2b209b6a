#include "base/diag.h"

#include <stdlib.h>

void diag_init(struct diag_list *list, struct arena *arena)
{
    *list = (struct diag_list){.arena = arena};
}

void diag_add(struct diag_list *list, enum diag_level level, const char *path, int line, int column,
              const char *format, ...)
{
    if (level == DIAG_ERROR)
        list->errors++;
    if (list->n >= DIAG_MAX)
        return;
    va_list args;
    va_start(args, format);
    char *message = arena_vprintf(list->arena, format, args);
    va_end(args);
    list->items =
        arena_grow(list->arena, list->items, list->n, &list->capacity, sizeof *list->items);
    list->items[list->n++] =
        (struct diag){level, arena_strdup(list->arena, path), line, column, message};
}

static int compare_places(const void *left, const void *right)
{
    const struct diag *a = left, *b = right;
    int c = strcmp(a->path, b->path);
    if (c == 0)
        c = (a->line > b->line) - (a->line < b->line);
    if (c == 0)
        c = (a->column > b->column) - (a->column < b->column);
    return c;
}

void diag_sort(struct diag_list *list)
{
    if (list->n > 1)
        qsort(list->items, list->n, sizeof *list->items, compare_places);
}

void diag_print(const struct diag_list *list, struct buf *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct diag *d = &list->items[i];
        buf_add_cstr(out, d->path);
        if (d->line > 0)
            buf_printf(out, ":%d:%d", d->line, d->column);
        buf_printf(out, ": %s: %s\n", d->level == DIAG_ERROR ? "error" : "warning", d->message);
        shown += d->level == DIAG_ERROR;
    }
    if (list->errors > shown)
        buf_printf(out, "and %zu more errors\n", list->errors - shown);
}
