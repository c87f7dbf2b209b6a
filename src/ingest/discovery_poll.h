/* discovery_poll.h -- sources of targets that have to be asked: HTTP (Prometheus's http_sd, the
 * JSON of a file of targets) and DNS (dns_sd: A, AAAA and SRV records). Each is asked at once, and
 * again one refresh interval after its answer. What a source said last stays in force until it says
 * something else: a failure is logged when it is news, and changes nothing. Control thread.
 *
 *     waiting --timer--> asking --answer or failure--> waiting */
#ifndef CQED_INGEST_DISCOVERY_POLL_H
#define CQED_INGEST_DISCOVERY_POLL_H

#include "io/http_client.h"
#include "io/loop.h"
#include "model/scrape.h"

struct polls;

/* changed(arg) runs on the loop when a source says something new. */
struct polls *polls_new(struct loop *, struct http_client *, void (*changed)(void *arg), void *arg);
void polls_free(struct polls *);

/* Ask the sources of these configurations, borrowed until the next call, and no others. A source
 * that was there already, by job and place, keeps what it said. */
void polls_watch(struct polls *, const struct scrape_config *, size_t n);

/* What the sources of one configuration said: each(arg, labels) with __address__ and what is known
 * besides, valid as long as the arena. */
void polls_targets(struct polls *, const struct scrape_config *, struct arena *,
                   void (*each)(void *arg, struct labels), void *arg);

#endif
