/* discovery.h -- where targets come from: the static lists of a configuration; what HTTP and DNS
 * say (discovery_poll.h); and files of targets (Prometheus's file_sd, JSON or YAML), which are read
 * again when they change and at each refresh.
 * A file that cannot be read, or is half written, leaves what it said last in force. Control
 * thread.
 */
#ifndef CQED_INGEST_DISCOVERY_H
#define CQED_INGEST_DISCOVERY_H

#include "io/http_client.h"
#include "io/loop.h"
#include "model/scrape.h"

struct discovery;

/* changed(arg) runs on the loop when it is worth looking again. */
struct discovery *discovery_new(struct loop *, struct http_client *, void (*changed)(void *arg),
                                void *arg);
void discovery_free(struct discovery *);

/* Watch the files and ask the sources of these configurations, borrowed until the next call,
 * instead of those of before. */
void discovery_watch(struct discovery *, const struct scrape_config *, size_t n);

/* All targets of one configuration, now: each(arg, labels) with __address__, the group's labels
 * and, from a file, __meta_filepath; all valid as long as the arena. Reads the files. */
void discovery_targets(struct discovery *, const struct scrape_config *, struct arena *,
                       void (*each)(void *arg, struct labels), void *arg);

/* The groups of one file's text; the name's end tells JSON from YAML. */
struct target_group {
    const struct str *targets;
    size_t n_targets;
    struct labels labels;
};
MUST_CHECK bool target_groups_parse(struct arena *, const char *path, struct str text,
                                    struct target_group **out, size_t *n, struct err *);
/* JSON from anywhere; `where` is for messages. */
MUST_CHECK bool target_groups_parse_json(struct arena *, const char *where, struct str text,
                                         struct target_group **out, size_t *n, struct err *);

#endif
