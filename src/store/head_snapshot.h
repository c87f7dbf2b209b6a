/* head_snapshot.h -- when the head is written to <data>/head.snapshot, and what becomes of the file
 * at the next start. Formats and the making: snapshot.h.
 *
 * One is written by the keeper, when the log since the last one is over a quarter of what that one
 * was (and 16 MiB), not more often than storage.snapshot says; and when the store is closed. None
 * is while memory is past its soft mark or the disk has no room. A file that is damaged, or that
 * the log does not go on from, is renamed *.corrupt, logged and counted, and all of the log is
 * read. */
#ifndef CQED_STORE_HEAD_SNAPSHOT_H
#define CQED_STORE_HEAD_SNAPSHOT_H

#include "base/err.h"
#include "store/replay.h"
#include "store/store.h"

struct head_snapshot;

/* least_ms: between two; 0 = none are written, and one that is there is read all the same. */
struct head_snapshot *head_snapshot_new(struct store *, int64_t least_ms);
void head_snapshot_free(struct head_snapshot *);

/* Fill the store's head, which is empty, from the file, and say from where the log is to be read.
 * Without a file, or when it had to be set aside, the head is empty again: `options` are those of
 * its head_init. */
void head_snapshot_load(struct head_snapshot *, const struct store_options *options,
                        struct replay_from *);

/* One if it is due; whether the store is about to be closed. One thread. */
void head_snapshot_round(struct head_snapshot *, bool closing, const _Atomic bool *stop);
/* How long until the next round, at most. */
int64_t head_snapshot_wait_s(const struct head_snapshot *, int64_t most_s);
/* One now. One thread, as above. */
MUST_CHECK bool head_snapshot_write(struct head_snapshot *, const _Atomic bool *stop, bool closing,
                                    struct err *);

/* What lies before may be in the snapshot no more: its horizon; INT64_MAX without one. */
int64_t head_snapshot_horizon(const struct head_snapshot *);

void head_snapshot_stats(const struct head_snapshot *, struct store_snapshot_stats *);

#endif
