/* memory_file.h -- bytes behind a path, for readers that take a path. */
#ifndef CQED_FUZZ_MEMORY_FILE_H
#define CQED_FUZZ_MEMORY_FILE_H

#include "base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Valid until the next call. */
static inline const char *memory_file(const uint8_t *bytes, size_t n)
{
    static int fd = -1;
    static char path[40];
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, bytes, n, 0) == (ssize_t)n);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

#endif
