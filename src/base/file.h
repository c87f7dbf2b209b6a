/* file.h -- durable file operations with clear errors and fault points (fault.h). Paths are
 * borrowed. Every error message names the path. */
#ifndef CQED_BASE_FILE_H
#define CQED_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The whole file, at most max_bytes (else ERR_LIMIT). ERR_NOT_FOUND when it is not there. */
MUST_CHECK bool file_read(const char *path, size_t max_bytes, struct buf *out, struct err *);

/* Replace a file so that a crash leaves the old or the new content: temporary file in the same
 * folder, fsync, rename, fsync of the folder. */
MUST_CHECK bool file_replace(const char *path, struct str content, mode_t mode, struct err *);

/* Open for appending, made with `mode` if absent. Returns the descriptor, -1 on failure. */
int file_open_append(const char *path, mode_t mode, struct err *);

MUST_CHECK bool file_write_all(int fd, const char *path, const void *, size_t size_bytes,
                               struct err *);
MUST_CHECK bool file_sync(int fd, const char *path, struct err *);
MUST_CHECK bool file_sync_folder(const char *path, struct err *);
MUST_CHECK bool file_make_folders(const char *path, mode_t mode, struct err *);
bool file_exists(const char *path);
bool file_is_folder(const char *path);
int64_t file_size(const char *path); /* -1 when it cannot be told */

/* Names in a folder (no "." and ".."), sorted bytewise; called once each. */
MUST_CHECK bool file_list(const char *folder, void (*each)(void *arg, const char *name), void *arg,
                          struct err *);

/* An exclusive advisory lock on `path` (made if absent) for the life of the returned descriptor:
 * two instances on one data folder are ERR_CONFLICT. -1 on failure. */
int file_lock(const char *path, struct err *);

#endif
