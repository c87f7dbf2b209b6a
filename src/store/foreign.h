/* foreign.h -- the data folder of a Prometheus as a source of series, or that of a cQED, read
 * beside whoever has it open: nothing is written or locked.
 *
 *     blocks          as they come and go
 *     wal/ and wbl/   of a Prometheus: what is in no block yet, up to its last scrape
 *
 * A cQED's log is not read. Damaged blocks and records are logged and passed over. Any thread; each
 * question first takes in what has been written since the last one. */
#ifndef CQED_STORE_FOREIGN_H
#define CQED_STORE_FOREIGN_H

#include "store/store.h"

struct store_folder;

/* ERR_NOT_FOUND: there is no such folder, ERR_DENIED: it may not be read, ERR_BAD_INPUT: it is
 * neither a Prometheus's nor a cQED's. *is_cqed may be NULL. */
MUST_CHECK bool store_folder_check(const char *path, bool *is_cqed, struct err *);

/* Checks, and reads what there is with the first question. max_bytes bounds what is in no block yet
 * in memory, 0 = 1 GiB; beyond it questions are ERR_LIMIT. */
struct store_folder *store_folder_open(const char *path, uint64_t max_bytes, struct err *);
void store_folder_close(struct store_folder *); /* no question may be running */

/* What time it covers, [min, max); false in *any: there is nothing in it. */
MUST_CHECK bool store_folder_range(struct store_folder *, bool *any, int64_t *min_ms,
                                   int64_t *max_ms, struct err *);

/* As store_select, or store_select_first. */
MUST_CHECK bool store_folder_select(struct store_folder *, struct arena *, const struct matcher *,
                                    size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                                    bool first_only, struct store_series_data **out, size_t *n,
                                    struct err *);

#endif
