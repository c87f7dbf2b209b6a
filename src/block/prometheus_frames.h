/* prometheus_frames.h -- the records of one segment of Prometheus's write-ahead log, page by page,
 * while it may still be written: what is not whole yet is left for later. The bytes are outside
 * data: lengths are bounded, every checksum is compared, what fails is ERR_CORRUPT.
 *
 *     segment   pages of 32 KiB, the last one of the newest segment shorter
 *     page      fragments: 1 byte type and compression | 2 length | 4 CRC | data; zeros to the end
 *     record    one fragment, or first, middle ..., last; compressed as a whole
 *
 * Format: docs/format/prometheus-wal.md. */
#ifndef CQED_BLOCK_PROMETHEUS_FRAMES_H
#define CQED_BLOCK_PROMETHEUS_FRAMES_H

#include "base/buf.h"
#include "base/err.h"

#define PROMETHEUS_PAGE_BYTES 32768u
#define PROMETHEUS_RECORD_MAX_BYTES ((size_t)256 << 20) /* compressed, and not */

/* Of one segment; zero-initialised. */
struct prometheus_frames {
    struct buf joined; /* the fragments of a record so far */
    struct buf plain;  /* the last record that was compressed */
    bool is_open;      /* a record has begun and not ended */
};

void prometheus_frames_release(struct prometheus_frames *);
void prometheus_frames_clear(struct prometheus_frames *); /* for another segment */

enum prometheus_frame {
    PROMETHEUS_RECORD, /* valid until the next call, or as long as the page */
    PROMETHEUS_WAIT,   /* the page has no more; from *at on its bytes are not whole yet */
    PROMETHEUS_DAMAGED /* err says why */
};

/* The next record of a page, of which there are `page` bytes so far. *at is where to go on in it,
 * and PROMETHEUS_PAGE_BYTES when the page is done with. */
enum prometheus_frame prometheus_frames_next(struct prometheus_frames *, struct str page,
                                             size_t *at, struct str *record, struct err *);

#endif
