#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "cqed: bug at %s:%d: this must hold and does not: %s\n", file, line, what);
    abort();
}

void check_no_memory(unsigned long size_bytes)
{
    fprintf(stderr, "cqed: out of memory: %lu more bytes were asked for\n", size_bytes);
    abort();
}
