/* source.h -- a ledger to read from: a folder's files, or a server. Entries come as the API shows
 * them, {"seq","atMs","kind","subject","leaf","body"}, whichever it is. */
#ifndef CQED_CLI_SOURCE_H
#define CQED_CLI_SOURCE_H

#include "cli/internal.h"
#include "ledger/ledger.h"

struct source {
    struct cli *cli;
    struct ledger *ledger; /* NULL = the server's */
    uint64_t size;         /* entries when it was opened */
};

/* The folder in --data, else the server. */
MUST_CHECK bool source_open(struct source *, struct cli *, struct err *);
void source_close(struct source *);

/* The folder that holds ledger.db: `data`, or `data`/ledger. */
const char *ledger_folder(struct arena *, const char *data);

/* Entries from `from` on, oldest first, until each returns false. subject NULL = all. An entry
 * lives for the call. */
MUST_CHECK bool source_read(struct source *, uint64_t from, const char *subject,
                            bool (*each)(void *arg, const json_t *entry), void *arg, struct err *);

#endif
