#include "ingest/discovery_poll.h"

#include "base/hash.h"
#include "base/log.h"
#include "ingest/discovery.h"
#include "ingest/target.h"
#include "io/dns.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ANSWER_BYTES ((size_t)32 << 20)
#define ASK_TIMEOUT_MS 10000

struct source {
    struct polls *polls;
    struct source *next;
    char *key; /* job, kind and place in the configuration */
    bool wanted;
    const struct scrape_http_sd *http; /* one of the two; of the configuration */
    const struct scrape_dns_sd *dns;
    const char *name; /* the one that DNS is asked for */
    struct loop_timer *timer;
    struct http_transfer *transfer;
    struct dns_lookup *lookup;
    struct arena arena;           /* of what it said last */
    const struct labels *targets; /* with __address__ */
    size_t n_targets;
    uint64_t said; /* hash of that; 0 = nothing yet */
    char error[512];
};

struct polls {
    struct loop *loop;
    struct http_client *client;
    void (*changed)(void *arg);
    void *arg;
    struct source *sources;
};

struct polls *polls_new(struct loop *loop, struct http_client *client, void (*changed)(void *arg),
                        void *arg)
{
    struct polls *p = calloc(1, sizeof *p);
    if (!p)
        check_no_memory(sizeof *p);
    *p = (struct polls){.loop = loop, .client = client, .changed = changed, .arg = arg};
    return p;
}

/* --- Asking --- */

static void ask(void *arg);

static int64_t refresh_ms(const struct source *s)
{
    return s->http ? s->http->refresh_ms : s->dns->refresh_ms;
}

static void wait_to_ask(struct source *s, int64_t delay_ms)
{
    s->timer = loop_timer_start(s->polls->loop, delay_ms, 0, ask, s);
}

static void fail(struct source *s, const struct err *err)
{
    if (strcmp(s->error, err->message) != 0)
        log_warn("ingest", "targets stay as they were: %s", err->message);
    (void)snprintf(s->error, sizeof s->error, "%s", err->message);
    wait_to_ask(s, refresh_ms(s));
}

/* The arena goes over to the source. */
static void succeed(struct source *s, struct arena *arena, const struct labels *targets, size_t n,
                    uint64_t said)
{
    bool news = said != s->said;
    s->error[0] = '\0';
    if (news) {
        arena_release(&s->arena);
        s->arena = *arena;
        s->targets = targets;
        s->n_targets = n;
        s->said = said;
    } else {
        arena_release(arena);
    }
    wait_to_ask(s, refresh_ms(s));
    if (news)
        s->polls->changed(s->polls->arg);
}

/* --- HTTP --- */

static bool is_json(struct str content_type)
{
    static const char json[] = "application/json";
    struct str type;
    (void)str_cut(&content_type, ';', &type);
    type = str_trim(type);
    return type.n == sizeof json - 1 && strncasecmp(type.p, json, type.n) == 0;
}

static bool read_http(struct source *s, struct arena *arena, const struct http_answer *http,
                      struct target_group **groups, size_t *n, struct err *err)
{
    const char *url = s->http->url;
    if (http->status != 200)
        return err_set(err, ERR_BAD_INPUT, "HTTP %d from %s", http->status, url);
    if (!is_json(http->content_type))
        return err_set(err, ERR_BAD_INPUT,
                       "%s answers with the Content-Type '%.*s'; application/json is wanted", url,
                       (int)(http->content_type.n < 100 ? http->content_type.n : 100),
                       http->content_type.p);
    return target_groups_parse_json(arena, url, arena_str(arena, http->body), groups, n, err);
}

static const struct labels *labels_of_groups(struct arena *arena, const char *url,
                                             const struct target_group *groups, size_t n_groups,
                                             size_t *n)
{
    struct labels *all = NULL;
    size_t capacity = 0;
    *n = 0;
    for (size_t i = 0; i < n_groups; i++) {
        for (size_t k = 0; k < groups[i].n_targets; k++) {
            struct labels_builder b;
            labels_builder_from(&b, arena, groups[i].labels);
            labels_builder_set(&b, STR("__address__"), groups[i].targets[k]);
            labels_builder_set(&b, STR("__meta_url"), str_from(url));
            all = arena_grow(arena, all, *n, &capacity, sizeof *all);
            all[(*n)++] = labels_build(&b);
        }
    }
    return all;
}

static void http_answered(void *arg, const struct http_answer *http, const struct err *why)
{
    struct source *s = arg;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct target_group *groups;
    size_t n_groups, n;
    s->transfer = NULL;
    if (!http) {
        fail(s, why);
    } else if (!read_http(s, &arena, http, &groups, &n_groups, &err)) {
        arena_release(&arena);
        fail(s, &err);
    } else {
        const char *url = arena_strdup(&arena, s->http->url);
        const struct labels *targets = labels_of_groups(&arena, url, groups, n_groups, &n);
        succeed(s, &arena, targets, n, hash64(http->body.p, http->body.n, 0) | 1);
    }
}

static void ask_http(struct source *s)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    char refresh[80];
    (void)snprintf(refresh, sizeof refresh, "X-Prometheus-Refresh-Interval-Seconds: %g",
                   (double)s->http->refresh_ms / 1000);
    const char *const headers[] = {"Accept: application/json", refresh, NULL};
    struct http_fetch fetch = {.url = s->http->url,
                               .headers = headers,
                               .timeout_ms = ASK_TIMEOUT_MS,
                               .max_body_bytes = MAX_ANSWER_BYTES,
                               .accept_compressed = true};
    if (http_fetch_as(&fetch, &s->http->access, &arena, &err))
        s->transfer = http_fetch_start(s->polls->client, &fetch, http_answered, s);
    else
        fail(s, &err);
    arena_release(&arena);
}

/* --- DNS --- */

static struct labels labels_of_record(struct arena *arena, const struct source *s,
                                      const struct dns_record *r)
{
    bool srv = s->dns->type == SCRAPE_DNS_SRV;
    unsigned port = srv ? r->port : s->dns->port;
    const char *format = s->dns->type == SCRAPE_DNS_AAAA ? "[%s]:%u" : "%s:%u";
    char address[320];
    struct labels_builder b;
    (void)snprintf(address, sizeof address, format, r->target, port);
    labels_builder_init(&b, arena);
    labels_builder_set(&b, STR("__address__"), arena_str(arena, str_from(address)));
    labels_builder_set(&b, STR("__meta_dns_name"), str_from(arena_strdup(arena, s->name)));
    if (srv) {
        labels_builder_set(&b, STR("__meta_dns_srv_record_target"),
                           str_from(arena_strdup(arena, r->target)));
        labels_builder_set(&b, STR("__meta_dns_srv_record_port"),
                           str_from(arena_printf(arena, "%u", port)));
    }
    return labels_build(&b);
}

static void dns_answered(void *arg, const struct dns_record *records, size_t n,
                         const struct err *err)
{
    struct source *s = arg;
    struct arena arena = ARENA_INIT;
    s->lookup = NULL;
    if (err) {
        fail(s, err);
        return;
    }
    struct labels *targets = ARENA_ARRAY(&arena, struct labels, n);
    uint64_t said = n;
    for (size_t i = 0; i < n; i++) {
        targets[i] = labels_of_record(&arena, s, &records[i]);
        said = said * UINT64_C(0x9e3779b97f4a7c15) + labels_hash(targets[i]);
    }
    succeed(s, &arena, targets, n, said | 1);
}

static void ask_dns(struct source *s)
{
    static const enum dns_type types[] = {
        [SCRAPE_DNS_SRV] = DNS_SRV, [SCRAPE_DNS_A] = DNS_A, [SCRAPE_DNS_AAAA] = DNS_AAAA};
    s->lookup = dns_lookup_start(s->polls->loop, s->name, types[s->dns->type], s->dns->resolver,
                                 dns_answered, s);
}

static void ask(void *arg)
{
    struct source *s = arg;
    loop_timer_stop(s->timer);
    s->timer = NULL;
    if (s->http)
        ask_http(s);
    else
        ask_dns(s);
}

/* --- Sources come and go --- */

static void halt(struct source *s)
{
    loop_timer_stop(s->timer);
    if (s->transfer)
        http_cancel(s->transfer);
    if (s->lookup)
        dns_cancel(s->lookup);
    s->timer = NULL;
    s->transfer = NULL;
    s->lookup = NULL;
}

static void free_source(struct source *s)
{
    halt(s);
    arena_release(&s->arena);
    free(s->key);
    free(s);
}

void polls_free(struct polls *p)
{
    if (!p)
        return;
    while (p->sources) {
        struct source *s = p->sources;
        p->sources = s->next;
        free_source(s);
    }
    free(p);
}

static struct source *find_or_make(struct polls *p, const char *key)
{
    for (struct source *s = p->sources; s; s = s->next) {
        if (strcmp(s->key, key) == 0)
            return s;
    }
    struct source *s = calloc(1, sizeof *s);
    if (!s || !(s->key = strdup(key)))
        check_no_memory(sizeof *s);
    s->polls = p;
    s->next = p->sources;
    p->sources = s;
    return s;
}

/* Asked anew, since what it is asked with may be new. */
static void want(struct source *s, const struct scrape_http_sd *http,
                 const struct scrape_dns_sd *dns, const char *name)
{
    halt(s);
    s->wanted = true;
    s->http = http;
    s->dns = dns;
    s->name = name;
    wait_to_ask(s, 0);
}

static const char *http_key(struct arena *arena, const struct scrape_config *c, size_t i)
{
    return arena_printf(arena, "%s/http/%s", c->job_name, c->http_sd[i].url);
}

static const char *dns_key(struct arena *arena, const struct scrape_config *c, size_t i, size_t k)
{
    const struct scrape_dns_sd *d = &c->dns_sd[i];
    return arena_printf(arena, "%s/dns/%d/%u/%s", c->job_name, (int)d->type, d->port, d->names[k]);
}

static void want_all(struct polls *p, struct arena *arena, const struct scrape_config *c)
{
    for (size_t i = 0; i < c->n_http_sd; i++)
        want(find_or_make(p, http_key(arena, c, i)), &c->http_sd[i], NULL, NULL);
    for (size_t i = 0; i < c->n_dns_sd; i++) {
        for (size_t k = 0; k < c->dns_sd[i].n_names; k++)
            want(find_or_make(p, dns_key(arena, c, i, k)), NULL, &c->dns_sd[i],
                 c->dns_sd[i].names[k]);
    }
}

void polls_watch(struct polls *p, const struct scrape_config *configs, size_t n)
{
    struct arena arena = ARENA_INIT;
    for (struct source *s = p->sources; s; s = s->next)
        s->wanted = false;
    for (size_t i = 0; i < n; i++)
        want_all(p, &arena, &configs[i]);
    for (struct source **at = &p->sources; *at;) {
        struct source *s = *at;
        if (s->wanted) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        free_source(s);
    }
    arena_release(&arena);
}

struct each_poll {
    struct polls *polls;
    struct arena *arena;
    void (*each)(void *arg, struct labels);
    void *arg;
};

static void put_source(const struct each_poll *to, const char *key)
{
    const struct source *s = find_or_make(to->polls, key);
    for (size_t i = 0; i < s->n_targets; i++)
        to->each(to->arg, labels_copy(to->arena, s->targets[i]));
}

void polls_targets(struct polls *p, const struct scrape_config *c, struct arena *arena,
                   void (*each)(void *arg, struct labels), void *arg)
{
    struct each_poll to = {p, arena, each, arg};
    for (size_t i = 0; i < c->n_http_sd; i++)
        put_source(&to, http_key(arena, c, i));
    for (size_t i = 0; i < c->n_dns_sd; i++) {
        for (size_t k = 0; k < c->dns_sd[i].n_names; k++)
            put_source(&to, dns_key(arena, c, i, k));
    }
}
