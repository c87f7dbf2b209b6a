#include "enforce/haproxy.h"

#include "base/clock.h"
#include "base/num.h"
#include "io/unix_client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_SERVERS 16 /* an arm */
#define SOCKET_TIMEOUT_MS 3000

struct arm {
    char *names[MAX_SERVERS];
    size_t n;
};

struct haproxy {
    struct actuator base;
    struct loop *loop;
    char *socket_path;
    char *backend;
    struct arm stable, canary;
    struct unix_exchange *exchange; /* under way, or NULL */
    double desired_pct;             /* of the call under way; NaN = only observe */
    bool was_set;                   /* this call has sent its weights already */
    actuator_done *done;
    void *done_arg;
};

static struct haproxy *haproxy_of(struct actuator *a)
{
    CHECK(a->ops == &haproxy_ops);
    return (struct haproxy *)(void *)a;
}

/* --- The protocol --- */

/* Columns of `show servers state`, format version 1. */
enum {
    COLUMN_BACKEND = 1,
    COLUMN_SERVER = 3,
    COLUMN_OP_STATE = 5,
    COLUMN_ADMIN_STATE = 6,
    COLUMN_WEIGHT = 7,
    N_COLUMNS = 8
};

#define OP_RUNNING 2 /* SRV_ST_RUNNING */
#define OP_STARTING 1

/* The bits of srv_admin_state that keep traffic away: maintenance forced, inherited, for want of an
 * address or a host name; drain forced or inherited. 0x04 only remembers that the configuration
 * said `disabled`, and stays when the server is made ready. */
#define ADMIN_AWAY (0x01 | 0x02 | 0x08 | 0x10 | 0x20 | 0x40)

static size_t split_columns(struct str line, struct str columns[N_COLUMNS])
{
    size_t n = 0;
    struct str column;
    while (n < N_COLUMNS && str_cut(&line, ' ', &column))
        columns[n++] = column;
    return n;
}

bool haproxy_find_server(struct str answer, const char *server, struct haproxy_server *out)
{
    struct str line;
    while (str_cut(&answer, '\n', &line)) {
        struct str columns[N_COLUMNS];
        uint64_t op, admin, weight;
        if (split_columns(line, columns) < N_COLUMNS || !str_is(columns[COLUMN_SERVER], server))
            continue;
        if (!num_parse_u64(columns[COLUMN_OP_STATE], &op) ||
            !num_parse_u64(columns[COLUMN_ADMIN_STATE], &admin) ||
            !num_parse_u64(columns[COLUMN_WEIGHT], &weight) || weight > 256)
            return false;
        *out =
            (struct haproxy_server){columns[COLUMN_SERVER], (int)weight, (admin & ADMIN_AWAY) == 0,
                                    op == OP_RUNNING || op == OP_STARTING};
        return true;
    }
    return false;
}

void haproxy_weights(double pct, size_t n_stable, size_t n_canary, int *stable, int *canary)
{
    *stable = pct >= 100 ? 0 : 256;
    *canary = pct <= 0 ? 0 : 256;
    if (pct <= 0 || pct >= 100)
        return;
    /* The largest pair of integers is not always the nearest: try every stable weight. */
    double best = (double)INFINITY;
    for (int s = 256; s >= 1; s--) {
        double wanted = pct / (100 - pct) * s * (double)n_stable / (double)n_canary;
        int c = (int)lround(wanted);
        if (c < 1 || c > 256)
            continue;
        double in_canary = (double)c * (double)n_canary;
        double miss = fabs(100 * in_canary / (in_canary + (double)s * (double)n_stable) - pct);
        if (miss < best - 1e-9) {
            best = miss;
            *stable = s;
            *canary = c;
        }
    }
}

/* --- One call: ask, compare, set if different, ask again --- */

static void finish(struct haproxy *h, const struct exposure *seen)
{
    actuator_done *done = h->done;
    h->done = NULL;
    done(h->done_arg, seen);
}

static void fail(struct haproxy *h, const char *message)
{
    struct exposure seen = {.known = false,
                            .observed_pct = (double)NAN,
                            .measured_pct = (double)NAN,
                            .at_ms = clock_wall_ms(),
                            .error = message};
    finish(h, &seen);
}

struct sums {
    double weight;
    bool all_usable;
};

static bool add_up(const struct arm *arm, struct str answer, struct sums *out, char *error,
                   size_t error_bytes)
{
    *out = (struct sums){.all_usable = true};
    for (size_t i = 0; i < arm->n; i++) {
        struct haproxy_server s;
        if (!haproxy_find_server(answer, arm->names[i], &s)) {
            (void)snprintf(error, error_bytes, "HAProxy knows no server '%s' in that backend",
                           arm->names[i]);
            return false;
        }
        bool usable = s.enabled && s.up;
        out->all_usable &= usable;
        if (usable)
            out->weight += s.weight;
    }
    return true;
}

static void ask(struct haproxy *h);

static bool differs(const struct arm *arm, struct str answer, int weight)
{
    for (size_t i = 0; i < arm->n; i++) {
        struct haproxy_server s;
        if (!haproxy_find_server(answer, arm->names[i], &s) || s.weight != weight)
            return true;
    }
    return false;
}

static bool knows_all(const struct haproxy *h, struct str answer)
{
    struct sums sums;
    char error[256];
    return add_up(&h->stable, answer, &sums, error, sizeof error) &&
           add_up(&h->canary, answer, &sums, error, sizeof error);
}

static void set_answered(void *arg, struct str answer, const struct err *err)
{
    struct haproxy *h = arg;
    h->exchange = NULL;
    struct str text = str_trim(answer);
    if (err) {
        fail(h, err->message);
    } else if (text.n > 0) { /* HAProxy is silent when all is well */
        char message[256];
        (void)snprintf(message, sizeof message, "HAProxy refused the weights: %.*s",
                       (int)(text.n < 180 ? text.n : 180), text.p);
        fail(h, message);
    } else {
        ask(h);
    }
}

static void send_weights(struct haproxy *h, int stable, int canary)
{
    struct buf command = BUF_INIT;
    for (size_t i = 0; i < h->stable.n; i++)
        buf_printf(&command, "%sset weight %s/%s %d", i ? "; " : "", h->backend, h->stable.names[i],
                   stable);
    for (size_t i = 0; i < h->canary.n; i++)
        buf_printf(&command, "; set weight %s/%s %d", h->backend, h->canary.names[i], canary);
    buf_add_char(&command, '\n');
    h->was_set = true;
    h->exchange = unix_exchange_start(h->loop, h->socket_path, buf_str(&command), SOCKET_TIMEOUT_MS,
                                      set_answered, h);
    buf_release(&command);
}

static void report(struct haproxy *h, struct str answer)
{
    struct sums stable, canary;
    char error[256];
    if (!add_up(&h->stable, answer, &stable, error, sizeof error) ||
        !add_up(&h->canary, answer, &canary, error, sizeof error)) {
        fail(h, error);
        return;
    }
    double total = stable.weight + canary.weight;
    if (total <= 0) {
        fail(h, "no server of either arm can take traffic");
        return;
    }
    struct exposure seen = {.known = true,
                            .observed_pct = 100 * canary.weight / total,
                            .measured_pct = (double)NAN,
                            .capacity_ok = stable.all_usable,
                            .at_ms = clock_wall_ms(),
                            .error = ""};
    finish(h, &seen);
}

static void state_answered(void *arg, struct str answer, const struct err *err)
{
    struct haproxy *h = arg;
    int stable, canary;
    h->exchange = NULL;
    if (err) {
        fail(h, err->message);
        return;
    }
    if (!str_starts(answer, STR("1\n"))) {
        char message[256];
        struct str text = str_trim(answer);
        (void)snprintf(message, sizeof message, "HAProxy does not show backend '%s': %.*s",
                       h->backend, (int)(text.n < 120 ? text.n : 120), text.p ? text.p : "");
        fail(h, message);
        return;
    }
    /* Nothing is set while a name is unknown: half of the weights would be a split nobody asked
     * for.
     */
    if (!isnan(h->desired_pct) && !h->was_set && knows_all(h, answer)) {
        haproxy_weights(h->desired_pct, h->stable.n, h->canary.n, &stable, &canary);
        if (differs(&h->stable, answer, stable) || differs(&h->canary, answer, canary)) {
            send_weights(h, stable, canary);
            return;
        }
    }
    report(h, answer);
}

static void ask(struct haproxy *h)
{
    struct buf command = BUF_INIT;
    buf_printf(&command, "show servers state %s\n", h->backend);
    h->exchange = unix_exchange_start(h->loop, h->socket_path, buf_str(&command), SOCKET_TIMEOUT_MS,
                                      state_answered, h);
    buf_release(&command);
}

static void start(struct haproxy *h, double desired_pct, actuator_done *done, void *arg)
{
    CHECK(!h->done);
    h->desired_pct = desired_pct;
    h->was_set = false;
    h->done = done;
    h->done_arg = arg;
    ask(h);
}

static void haproxy_apply(struct actuator *a, double desired_pct, const char *intent,
                          actuator_done *done, void *arg)
{
    (void)intent; /* weights are absolute, so setting them again is harmless */
    start(haproxy_of(a), desired_pct, done, arg);
}

static void haproxy_observe(struct actuator *a, actuator_done *done, void *arg)
{
    start(haproxy_of(a), (double)NAN, done, arg);
}

static struct actuator_capabilities haproxy_capabilities(const struct actuator *a)
{
    (void)a;
    return (struct actuator_capabilities){
        .min_step_pct = 100.0 / 257, .survives_restart = false, .observes_capacity = true};
}

/* --- Life --- */

static void haproxy_free(struct haproxy *h)
{
    if (h->exchange)
        unix_exchange_cancel(h->exchange);
    for (size_t i = 0; i < MAX_SERVERS; i++) {
        free(h->stable.names[i]);
        free(h->canary.names[i]);
    }
    free(h->socket_path);
    free(h->backend);
    free(h);
}

static void haproxy_abandon(struct actuator *a)
{
    struct haproxy *h = haproxy_of(a);
    if (h->exchange)
        unix_exchange_cancel(h->exchange);
    h->exchange = NULL;
    h->done = NULL;
}

static void haproxy_close(struct actuator *a)
{
    haproxy_free(haproxy_of(a));
}

static char *copy(const char *text)
{
    char *s = strdup(text);
    if (!s)
        check_no_memory(strlen(text));
    return s;
}

/* Names go into a line of commands: nothing that could end one or start another. */
static bool is_name(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p == ';' || *p == '\\' || *p == '/' || *p == 0x7f)
            return false;
    }
    return *text != '\0' && strlen(text) < 128;
}

static bool add_server(struct arm *arm, const json_t *name, const char *key, struct err *err)
{
    if (!json_is_string(name) || !is_name(json_string_value(name)))
        return err_set(err, ERR_BAD_INPUT, "traffic.haproxy.%s must name servers", key);
    if (arm->n == MAX_SERVERS)
        return err_set(err, ERR_LIMIT, "traffic.haproxy.%s has over %d servers", key, MAX_SERVERS);
    arm->names[arm->n++] = copy(json_string_value(name));
    return true;
}

static bool read_arm(struct arm *arm, const json_t *config, const char *key, struct err *err)
{
    const json_t *value = json_object_get(config, key);
    if (!json_is_array(value))
        return add_server(arm, value, key, err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!add_server(arm, json_array_get(value, i), key, err))
            return false;
    }
    return arm->n > 0 || err_set(err, ERR_BAD_INPUT, "traffic.haproxy.%s is empty", key);
}

static bool known_keys_only(const json_t *config, struct err *err)
{
    static const char *const keys[] = {"socket", "backend", "stable", "canary"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            known |= strcmp(keys[i], key) == 0;
        const char *near = str_nearest(str_from(key), keys, sizeof keys / sizeof *keys);
        if (!known)
            return err_set(err, ERR_BAD_INPUT, "traffic.haproxy: unknown key '%s'%s%s%s", key,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return true;
}

static struct actuator *haproxy_open(struct loop *loop, struct http_client *client,
                                     const json_t *config, struct err *err)
{
    (void)client;
    struct haproxy *h = calloc(1, sizeof *h);
    if (!h)
        check_no_memory(sizeof *h);
    h->base.ops = &haproxy_ops;
    h->loop = loop;
    const char *socket_path = json_get_cstr(config, "socket", "");
    const char *backend = json_get_cstr(config, "backend", "");
    h->socket_path = copy(socket_path);
    h->backend = copy(backend);
    bool good = known_keys_only(config, err);
    if (good && !*socket_path)
        good = err_set(err, ERR_BAD_INPUT, "traffic.haproxy.socket is required");
    if (good && !is_name(backend))
        good = err_set(err, ERR_BAD_INPUT, "traffic.haproxy.backend must be a backend's name");
    if (good && read_arm(&h->stable, config, "stable", err) &&
        read_arm(&h->canary, config, "canary", err))
        return (struct actuator *)h; /* base comes first */
    haproxy_free(h);
    return NULL;
}

const struct actuator_ops haproxy_ops = {
    .kind = "haproxy",
    .open = haproxy_open,
    .close = haproxy_close,
    .capabilities = haproxy_capabilities,
    .apply = haproxy_apply,
    .observe = haproxy_observe,
    .abandon = haproxy_abandon,
};
