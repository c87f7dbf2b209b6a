#include "alert/alert.h"

#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>

#define BATCH 64
#define FIRST_WAIT_MS 1000
#define LONGEST_WAIT_MS 30000

/* One alert as JSON, shared by the queues. */
struct message {
    struct arena arena; /* of itself */
    unsigned refs;      /* under the notifier's lock */
    struct str json;
};

struct manager {
    struct manager *next;
    struct notifier *notifier;
    struct arena arena; /* of itself and what it was configured with */
    const char *url;
    int64_t timeout_ms;
    struct http_access access;
    bool wanted; /* by the configuration that is applied */
    /* The loop's. */
    struct http_transfer *transfer;
    struct loop_timer *timer; /* the wait after a failure */
    int64_t wait_ms;
    size_t n_sending; /* the first of the queue are under way */
    bool told_of_failure;
    /* Under the lock: a ring. */
    struct message **queue;
    size_t capacity, first, n;
};

struct notifier {
    struct loop *loop;
    struct http_client *client;
    pthread_mutex_t lock;     /* guards the list, the queues and the counters */
    struct manager *managers; /* changed on the loop's thread only */
    bool woken;               /* wake is posted and has not run */
    uint64_t sent, dropped, errors;
};

/* --- Queues; all under the lock --- */

static void drop_message(struct message *m)
{
    struct arena arena = m->arena;
    if (--m->refs == 0)
        arena_release(&arena);
}

static void take_off(struct manager *m, size_t n)
{
    for (size_t i = 0; i < n && m->n > 0; i++) {
        drop_message(m->queue[m->first]);
        m->first = (m->first + 1) % m->capacity;
        m->n--;
    }
}

static void push(struct notifier *n, struct manager *m, struct message *message)
{
    if (m->n == m->capacity) {
        take_off(m, 1);
        n->dropped++;
        if (m->n_sending > 0)
            m->n_sending--;
    }
    m->queue[(m->first + m->n++) % m->capacity] = message;
    message->refs++;
}

static void set_capacity(struct notifier *n, struct manager *m, size_t capacity)
{
    if (m->capacity == capacity)
        return;
    struct message **queue = ARENA_ARRAY(&m->arena, struct message *, capacity);
    if (m->n > capacity) {
        size_t surplus = m->n - capacity;
        take_off(m, surplus);
        n->dropped += surplus;
        m->n_sending = m->n_sending > surplus ? m->n_sending - surplus : 0;
    }
    for (size_t i = 0; i < m->n; i++)
        queue[i] = m->queue[(m->first + i) % m->capacity];
    m->queue = queue;
    m->capacity = capacity;
    m->first = 0;
}

/* --- Sending, on the loop --- */

static void send_batch(struct manager *);

static void wait_over(void *arg)
{
    struct manager *m = arg;
    loop_timer_stop(m->timer);
    m->timer = NULL;
    send_batch(m);
}

static void failed(struct manager *m, const char *why)
{
    if (!m->told_of_failure)
        log_warn("alert", "%s takes no alerts: %s", m->url, why);
    m->told_of_failure = true;
    m->wait_ms = m->wait_ms == 0 ? FIRST_WAIT_MS : m->wait_ms * 2;
    if (m->wait_ms > LONGEST_WAIT_MS)
        m->wait_ms = LONGEST_WAIT_MS;
    m->timer = loop_timer_start(m->notifier->loop, m->wait_ms, 0, wait_over, m);
}

static void batch_is_done(struct manager *m, bool taken)
{
    struct notifier *n = m->notifier;
    (void)pthread_mutex_lock(&n->lock);
    *(taken ? &n->sent : &n->dropped) += m->n_sending;
    take_off(m, m->n_sending);
    m->n_sending = 0;
    (void)pthread_mutex_unlock(&n->lock);
    m->wait_ms = 0;
}

static void answered(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct manager *m = arg;
    struct notifier *n = m->notifier;
    bool taken = answer && answer->status / 100 == 2;
    char why[400];
    m->transfer = NULL;
    if (taken && m->told_of_failure)
        log_info("alert", "%s takes alerts again", m->url);
    if (taken) {
        m->told_of_failure = false;
        batch_is_done(m, true);
        send_batch(m);
        return;
    }
    (void)pthread_mutex_lock(&n->lock);
    n->errors++;
    (void)pthread_mutex_unlock(&n->lock);
    if (answer && answer->status / 100 == 4 && answer->status != 429) {
        log_warn("alert", "%s refuses %zu alerts with status %d", m->url, m->n_sending,
                 answer->status);
        batch_is_done(m, false);
        send_batch(m);
        return;
    }
    if (answer)
        (void)snprintf(why, sizeof why, "status %d", answer->status);
    else
        (void)snprintf(why, sizeof why, "%.380s", err->message);
    failed(m, why);
}

static void send_batch(struct manager *m)
{
    struct notifier *n = m->notifier;
    struct buf body = BUF_INIT;
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    if (m->transfer || m->timer)
        return;
    (void)pthread_mutex_lock(&n->lock);
    m->n_sending = m->n < BATCH ? m->n : BATCH;
    buf_add_char(&body, '[');
    for (size_t i = 0; i < m->n_sending; i++) {
        const struct message *message = m->queue[(m->first + i) % m->capacity];
        if (i > 0)
            buf_add_char(&body, ',');
        buf_add_str(&body, message->json);
    }
    buf_add_char(&body, ']');
    (void)pthread_mutex_unlock(&n->lock);
    if (m->n_sending > 0) {
        struct http_fetch fetch = {.url = m->url,
                                   .headers = headers,
                                   .body = buf_str(&body),
                                   .timeout_ms = m->timeout_ms,
                                   .max_body_bytes = 1 << 16};
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        if (http_fetch_as(&fetch, &m->access, &arena, &err))
            m->transfer = http_fetch_start(n->client, &fetch, answered, m);
        else
            answered(m, NULL, &err);
        arena_release(&arena);
    }
    buf_release(&body);
}

static void wake(void *arg)
{
    struct notifier *n = arg;
    (void)pthread_mutex_lock(&n->lock);
    n->woken = false;
    (void)pthread_mutex_unlock(&n->lock);
    for (struct manager *m = n->managers; m; m = m->next)
        send_batch(m);
}

/* --- Taking alerts --- */

static void put_labels(struct json_writer *w, const char *key, struct labels labels)
{
    json_key(w, key);
    json_open_object(w);
    for (size_t i = 0; i < labels.n; i++) {
        json_key_str(w, labels.v[i].name);
        json_put_str(w, labels.v[i].value);
    }
    json_close_object(w);
}

static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    struct buf text = BUF_INIT;
    clock_format_ms(&text, ms);
    json_key(w, key);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

static void add_alert(struct buf *out, const struct alert *a, struct labels labels)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open_object(&w);
    put_labels(&w, "labels", labels);
    put_labels(&w, "annotations", a->annotations);
    put_time(&w, "startsAt", a->starts_ms);
    put_time(&w, "endsAt", a->ends_ms);
    if (a->source && *a->source) {
        json_key(&w, "generatorURL");
        json_put_cstr(&w, a->source);
    }
    json_close_object(&w);
    json_writer_end(&w);
}

/* False when relabelling drops it. */
static bool outside_labels(const struct alerting_config *c, const struct alert *a,
                           struct arena *arena, struct labels *out)
{
    struct labels_builder b;
    labels_builder_from(&b, arena, a->labels);
    for (size_t i = 0; i < c->external_labels.n; i++) {
        struct label l = c->external_labels.v[i];
        if (labels_get_str(a->labels, l.name).n == 0)
            labels_builder_set(&b, l.name, l.value);
    }
    if (!relabel_apply(c->relabels, c->n_relabels, &b))
        return false;
    *out = labels_build(&b);
    return out->n > 0;
}

static struct message *message_of(const struct alert *a, struct labels labels)
{
    struct arena arena = ARENA_INIT;
    struct buf json = BUF_INIT;
    add_alert(&json, a, labels);
    struct message *m = ARENA_NEW(&arena, struct message);
    m->refs = 1;
    m->json = arena_str(&arena, buf_str(&json));
    m->arena = arena;
    buf_release(&json);
    return m;
}

void notifier_send(struct notifier *n, const struct alerting_config *config,
                   const struct alert *alerts, size_t n_alerts)
{
    struct arena arena = ARENA_INIT;
    bool post = false;
    for (size_t i = 0; i < n_alerts; i++) {
        struct labels labels;
        if (!outside_labels(config, &alerts[i], &arena, &labels))
            continue;
        struct message *message = message_of(&alerts[i], labels);
        (void)pthread_mutex_lock(&n->lock);
        for (struct manager *m = n->managers; m; m = m->next)
            push(n, m, message);
        post |= !n->woken && n->managers;
        n->woken |= post;
        drop_message(message);
        (void)pthread_mutex_unlock(&n->lock);
    }
    arena_release(&arena);
    if (post)
        loop_post(n->loop, wake, n);
}

/* --- Life --- */

static const char *url_of(struct arena *arena, const struct alertmanager_config *c,
                          struct str target)
{
    size_t n = strlen(c->path_prefix);
    while (n > 0 && c->path_prefix[n - 1] == '/')
        n--;
    return arena_printf(arena, "%s://" STR_FMT "%.*s/api/v2/alerts", c->scheme, STR_ARG(target),
                        (int)n, c->path_prefix);
}

static void manager_free(struct manager *m)
{
    if (m->transfer)
        http_cancel(m->transfer);
    loop_timer_stop(m->timer);
    take_off(m, m->n);
    struct arena arena = m->arena;
    arena_release(&arena);
}

static struct manager *find_manager(struct notifier *n, const char *url)
{
    for (struct manager *m = n->managers; m; m = m->next) {
        if (strcmp(m->url, url) == 0)
            return m;
    }
    struct arena arena = ARENA_INIT;
    struct manager *m = ARENA_NEW(&arena, struct manager);
    m->arena = arena;
    m->notifier = n;
    m->url = arena_strdup(&m->arena, url);
    m->next = n->managers;
    n->managers = m;
    return m;
}

static void configure(struct notifier *n, const struct alerting_config *config,
                      const struct alertmanager_config *c, struct str target)
{
    struct arena arena = ARENA_INIT;
    struct manager *m = find_manager(n, url_of(&arena, c, target));
    m->wanted = true;
    m->timeout_ms = c->timeout_ms;
    m->access = http_access_copy(&m->arena, &c->access);
    set_capacity(n, m, config->queue);
    arena_release(&arena);
}

void notifier_apply(struct notifier *n, const struct alerting_config *config)
{
    (void)pthread_mutex_lock(&n->lock);
    for (struct manager *m = n->managers; m; m = m->next)
        m->wanted = false;
    for (size_t i = 0; i < config->n_managers; i++) {
        for (size_t k = 0; k < config->managers[i].n_targets; k++)
            configure(n, config, &config->managers[i], config->managers[i].targets[k]);
    }
    for (struct manager **p = &n->managers; *p;) {
        struct manager *m = *p;
        if (m->wanted) {
            p = &m->next;
            continue;
        }
        *p = m->next;
        manager_free(m);
    }
    (void)pthread_mutex_unlock(&n->lock);
}

struct notifier *notifier_new(struct loop *loop, struct http_client *client)
{
    struct notifier *n = calloc(1, sizeof *n);
    if (!n)
        check_no_memory(sizeof *n);
    n->loop = loop;
    n->client = client;
    (void)pthread_mutex_init(&n->lock, NULL);
    return n;
}

void notifier_free(struct notifier *n)
{
    if (!n)
        return;
    while (n->managers) {
        struct manager *next = n->managers->next;
        manager_free(n->managers);
        n->managers = next;
    }
    (void)pthread_mutex_destroy(&n->lock);
    free(n);
}

/* --- Looking at it --- */

void notifier_view(struct notifier *n, struct json_writer *w)
{
    json_open_object(w);
    json_key(w, "activeAlertmanagers");
    json_open_array(w);
    (void)pthread_mutex_lock(&n->lock);
    for (struct manager *m = n->managers; m; m = m->next) {
        json_open_object(w);
        json_key(w, "url");
        json_put_cstr(w, m->url);
        json_close_object(w);
    }
    (void)pthread_mutex_unlock(&n->lock);
    json_close_array(w);
    json_key(w, "droppedAlertmanagers");
    json_open_array(w);
    json_close_array(w);
    json_close_object(w);
}

void notifier_stats(struct notifier *n, struct notifier_stats *out)
{
    (void)pthread_mutex_lock(&n->lock);
    *out = (struct notifier_stats){.sent = n->sent, .dropped = n->dropped, .errors = n->errors};
    for (struct manager *m = n->managers; m; m = m->next) {
        out->queued += m->n;
        out->managers++;
    }
    (void)pthread_mutex_unlock(&n->lock);
}
