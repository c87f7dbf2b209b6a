/* file.h -- a file of a block while it is written: buffered, big-endian, and synced before it
 * is closed; and what blocks need of folders. Fault points: block.write, block.sync, block.rename.
 */
#ifndef CQED_BLOCK_FILE_H
#define CQED_BLOCK_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct block_file {
    int fd; /* -1 = none open */
    struct buf path;
    struct buf pending;
    uint64_t offset; /* where the next byte goes, pending ones counted */
};

MUST_CHECK bool block_file_create(struct block_file *, const char *path, struct err *);

/* Buffered; only drain and finish can fail. */
void block_file_add(struct block_file *, struct str);
void block_file_u8(struct block_file *, uint8_t);
void block_file_u32(struct block_file *, uint32_t);
void block_file_uvarint(struct block_file *, uint64_t);
void block_file_zeros(struct block_file *, size_t n);
void block_file_align(struct block_file *, size_t bytes);

/* Whether these bytes stand there already; false also when that cannot be told. */
bool block_file_has(struct block_file *, uint64_t offset, struct str bytes);

/* Hand the pending bytes to the system when there are many. */
MUST_CHECK bool block_file_drain(struct block_file *, struct err *);
MUST_CHECK bool block_file_finish(struct block_file *, struct err *); /* all, sync, close */
void block_file_release(struct block_file *);

MUST_CHECK bool block_rename(const char *from, const char *to, struct err *);

/* A folder with all that is in it; what cannot be removed stays. */
void block_remove_folder(const char *path);

/* The whole file, read-only, mapped; an empty file is an empty str. */
MUST_CHECK bool block_map_file(const char *path, struct str *out, struct err *);
void block_unmap(struct str);

#endif
