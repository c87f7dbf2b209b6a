/* alert.h -- alerts to Alertmanagers, by their API v2 (POST /api/v2/alerts). Every instance gets
 * every alert, and they agree among themselves; so each has its own queue, and one that is down
 * holds up no other.
 *
 *   idle --alert--> sending --2xx--> idle
 *                     |  4xx: the batch is dropped and counted
 *                     +--5xx, 429, no answer--> waiting (1 s, doubling to 30 s) --> sending
 *
 * A full queue drops its oldest alerts, and counts them. Whoever evaluates the rules tells alerts
 * again and again, so nothing is kept over a restart. */
#ifndef CQED_ALERT_ALERT_H
#define CQED_ALERT_ALERT_H

#include "codec/json.h"
#include "io/http_client.h"
#include "model/alert.h"

struct notifier;

struct notifier *notifier_new(struct loop *, struct http_client *);
/* Before the client; alerts that wait are lost. */
void notifier_free(struct notifier *);

/* On the loop's thread: the instances from now on; those that stay keep their queues. What is
 * needed of the configuration is copied. */
void notifier_apply(struct notifier *, const struct alerting_config *);

/* Any thread: add external labels, relabel, and queue for every instance. Everything is borrowed
 * for the call. */
void notifier_send(struct notifier *, const struct alerting_config *, const struct alert *,
                   size_t n);

/* Any thread. The `data` of Prometheus's /api/v1/alertmanagers. */
void notifier_view(struct notifier *, struct json_writer *);

struct notifier_stats {
    uint64_t sent;    /* alerts that an instance took */
    uint64_t dropped; /* full queue, or refused by the instance */
    uint64_t errors;  /* requests that failed */
    uint64_t queued;
    uint64_t managers;
};
void notifier_stats(struct notifier *, struct notifier_stats *);

#endif
