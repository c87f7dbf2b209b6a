/* haproxy.h -- the canary's share in an HAProxy backend, through the runtime socket. Weights are
 * absolute numbers from 0 to 256, set only when they differ from what `show servers state` says, so
 * a reload or restart of HAProxy (which forgets them) is repaired on the next tick. Nothing else of
 * the backend is touched.
 *
 *     traffic:
 *       haproxy: { socket: /run/haproxy/admin.sock, backend: shop, stable: [s1, s2], canary: [c1] }
 *
 * Source: HAProxy 2.6 management guide, chapter 9.3 ("Unix Socket commands"). */
#ifndef CQED_ENFORCE_HAPROXY_H
#define CQED_ENFORCE_HAPROXY_H

#include "enforce/enforce.h"

extern const struct actuator_ops haproxy_ops;

/* One server's line of `show servers state`. */
struct haproxy_server {
    struct str name;
    int weight;   /* in force: srv_uweight */
    bool enabled; /* not in maintenance and not draining */
    bool up;      /* operational state running */
};

/* Read the answer of `show servers state <backend>` (format version 1) for one server; false when
 * it is not there. */
bool haproxy_find_server(struct str answer, const char *server, struct haproxy_server *out);

/* Weights (0..256) for `n_stable` and `n_canary` servers so that the canaries together get nearest
 * to pct. */
void haproxy_weights(double pct, size_t n_stable, size_t n_canary, int *stable, int *canary);

#endif
