/* libcurl's multi interface driven by libuv: curl says which sockets and timeout to watch, we tell
 * it what happened (curl.se/libcurl/c/libcurl-multi.html, "multi_socket"). */
#include "io/http_client.h"

#include "codec/compress.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_MAX_BODY ((size_t)64 << 20)
/* curl's own rule, four for each transfer under way, lets hundreds of targets connect anew for
 * every scrape. */
#define MAX_KEPT_CONNECTIONS 1000

/* What both the asynchronous and the blocking calls need of one request. */
struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    char *url;
    struct buf body;   /* sent */
    struct buf answer; /* received, as it came */
    size_t max_body_bytes;
    bool too_big;
    char content_encoding[32];
    char retry_after[64];
    char reason[CURL_ERROR_SIZE];
    bool (*on_bytes)(void *arg, const char *bytes, size_t n); /* streaming; NULL = keep */
    void *on_bytes_arg;
    bool stopped; /* on_bytes had enough */
    bool unix_socket;
};

static void init_curl(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static void init_curl_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
}

/* --- One transfer --- */

static size_t body_came(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t size_bytes = size * n;
    if (t->on_bytes) {
        t->stopped = !t->on_bytes(t->on_bytes_arg, bytes, size_bytes);
        return t->stopped ? 0 : size_bytes;
    }
    t->too_big = t->answer.n + size_bytes > t->max_body_bytes;
    if (t->too_big)
        return 0;
    buf_add(&t->answer, bytes, size_bytes);
    return size_bytes;
}

static void keep_header(struct str line, struct str name, char *out, size_t out_bytes)
{
    if (line.n <= name.n || strncasecmp(line.p, name.p, name.n) != 0)
        return;
    struct str value = str_trim(str_make(line.p + name.n, line.n - name.n));
    (void)snprintf(out, out_bytes, STR_FMT, STR_ARG(value));
}

static size_t header_came(char *bytes, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct str line = str_make(bytes, size * n);
    keep_header(line, STR("content-encoding:"), t->content_encoding, sizeof t->content_encoding);
    keep_header(line, STR("retry-after:"), t->retry_after, sizeof t->retry_after);
    return size * n;
}

static void set_headers(struct transfer *t, const struct http_fetch *f)
{
    for (const char *const *h = f->headers; h && *h; h++)
        t->headers = curl_slist_append(t->headers, *h);
    if (f->accept_compressed)
        t->headers = curl_slist_append(t->headers, "Accept-Encoding: zstd, gzip");
    t->headers = curl_slist_append(t->headers, "Expect:");
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

/* "127.0.0.1:9797" of "http://127.0.0.1:9797/metrics". */
static struct str authority(const char *url)
{
    const char *begin = strstr(url, "://");
    begin = begin ? begin + 3 : url;
    return str_make(begin, strcspn(begin, "/?#"));
}

/* curl takes the name to verify from the URL: another one goes there, and the host of the URL is
 * where to connect to and what Host says. */
static void set_server_name(struct transfer *t, const char *name)
{
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL, *renamed = NULL, text[1024];
    if (url && curl_url_set(url, CURLUPART_URL, t->url, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_HOST, name, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &renamed, 0) == CURLUE_OK) {
        struct str peer = authority(t->url);
        (void)snprintf(text, sizeof text, "Host: " STR_FMT, STR_ARG(peer));
        t->headers = curl_slist_append(t->headers, text);
        (void)snprintf(text, sizeof text, "%s:%s:%s:%s", name, port, host, port);
        t->connect_to = curl_slist_append(NULL, text);
        curl_easy_setopt(t->easy, CURLOPT_URL, renamed);
        curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to);
        curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    }
    curl_free(host);
    curl_free(port);
    curl_free(renamed);
    curl_url_cleanup(url);
}

static void set_security(struct transfer *t, const struct http_fetch *f)
{
    if (f->username) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(t->easy, CURLOPT_USERNAME, f->username);
        curl_easy_setopt(t->easy, CURLOPT_PASSWORD, f->password ? f->password : "");
    } else if (f->bearer_token) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(t->easy, CURLOPT_XOAUTH2_BEARER, f->bearer_token);
    }
    /* Else each new connection reads every certificate in the system's folder, which takes the loop
     * tens of milliseconds; the system's bundle, curl's other default, has the same. */
    curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
    if (f->tls_ca_file || f->tls_skip_verify)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, f->tls_ca_file);
    if (f->tls_cert_file)
        curl_easy_setopt(t->easy, CURLOPT_SSLCERT, f->tls_cert_file);
    if (f->tls_key_file)
        curl_easy_setopt(t->easy, CURLOPT_SSLKEY, f->tls_key_file);
    if (f->tls_server_name)
        set_server_name(t, f->tls_server_name);
    if (f->tls_skip_verify) {
        curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void transfer_init(struct transfer *t, const struct http_fetch *f)
{
    memset(t, 0, sizeof *t);
    t->easy = curl_easy_init();
    t->url = strdup(f->url);
    if (!t->easy || !t->url)
        check_no_memory(sizeof *t);
    t->max_body_bytes = f->max_body_bytes ? f->max_body_bytes : DEFAULT_MAX_BODY;
    curl_easy_setopt(t->easy, CURLOPT_URL, f->url);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "cqed/" CQED_VERSION);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS,
                     (long)(f->timeout_ms ? f->timeout_ms : DEFAULT_TIMEOUT_MS));
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->reason);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, body_came);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, header_came);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    t->unix_socket = f->unix_socket != NULL;
    if (f->unix_socket)
        curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, f->unix_socket);
    bool has_body = f->body.n > 0;
    bool is_get = f->method ? strcmp(f->method, "GET") == 0 : !has_body;
    if (!is_get) {
        buf_add_str(&t->body, f->body);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, (long)t->body.n);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body.p ? t->body.p : "");
    }
    if (f->method && !is_get)
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, f->method);
    set_headers(t, f);
    set_security(t, f);
}

static void transfer_release(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    free(t->url);
    buf_release(&t->body);
    buf_release(&t->answer);
}

/* curl says that it could not connect, the system why. */
static bool explain_connect(const struct transfer *t, struct err *err)
{
    long code = 0;
    struct str peer = authority(t->url);
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &code);
    if (code == ECONNREFUSED)
        return err_set(err, ERR_UNREACHABLE, "connect to " STR_FMT " refused", STR_ARG(peer));
    return err_set(err, ERR_UNREACHABLE, "connect to " STR_FMT " failed: %s", STR_ARG(peer),
                   code ? strerror((int)code) : t->reason);
}

static bool explain(const struct transfer *t, CURLcode code, struct err *err)
{
    const char *why = t->reason[0] ? t->reason : curl_easy_strerror(code);
    if (code == CURLE_COULDNT_CONNECT && !t->unix_socket)
        return explain_connect(t, err);
    if (t->too_big)
        return err_set(err, ERR_LIMIT, "%s: the answer is over %zu bytes", t->url,
                       t->max_body_bytes);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_TIMEOUT, "%s: %s", t->url, why);
    return err_set(err,
                   code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL
                       ? ERR_BAD_INPUT
                       : ERR_UNREACHABLE,
                   "%s: %s", t->url, why);
}

static bool decode_answer(struct transfer *t, struct err *err)
{
    struct buf plain = BUF_INIT;
    bool done;
    if (strcasecmp(t->content_encoding, "gzip") == 0)
        done = gzip_decode(buf_str(&t->answer), t->max_body_bytes, &plain, err);
    else if (strcasecmp(t->content_encoding, "zstd") == 0)
        done = zstd_decode(buf_str(&t->answer), t->max_body_bytes, &plain, err);
    else
        return true;
    if (!done) {
        buf_release(&plain);
        return err_prefix(err, "%s: ", t->url);
    }
    buf_release(&t->answer);
    t->answer = plain;
    return true;
}

/* The answer borrows from the transfer. */
static bool read_answer(struct transfer *t, CURLcode code, struct http_answer *out, struct err *err)
{
    long status = 0;
    const char *content_type = NULL;
    curl_off_t elapsed_us = 0;
    if (code != CURLE_OK)
        return explain(t, code, err);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &content_type);
    curl_easy_getinfo(t->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
    if (status == 0)
        return err_set(err, ERR_UNREACHABLE, "%s: not an HTTP answer", t->url);
    if (!decode_answer(t, err))
        return false;
    *out = (struct http_answer){.status = (int)status,
                                .content_type = str_from(content_type ? content_type : ""),
                                .retry_after = str_from(t->retry_after),
                                .body = buf_str(&t->answer),
                                .elapsed_ms = (int64_t)elapsed_us / 1000};
    return true;
}

/* --- On the loop --- */

struct http_transfer {
    struct transfer t;
    struct http_client *client;
    struct http_transfer *next, *previous;
    void (*done)(void *arg, const struct http_answer *answer, const struct err *err);
    void *arg;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    uv_timer_t *timer;
    struct http_transfer *transfers;
};

struct watched_socket {
    uv_poll_t poll;
    struct http_client *client;
    curl_socket_t socket;
};

static void unlink_transfer(struct http_transfer *x)
{
    if (x->previous)
        x->previous->next = x->next;
    else
        x->client->transfers = x->next;
    if (x->next)
        x->next->previous = x->previous;
}

static void free_transfer(struct http_transfer *x)
{
    unlink_transfer(x);
    (void)curl_multi_remove_handle(x->client->multi, x->t.easy);
    transfer_release(&x->t);
    free(x);
}

static void finish_transfer(struct http_transfer *x, CURLcode code)
{
    struct http_answer answer;
    struct err err = ERR_INIT;
    bool good = read_answer(&x->t, code, &answer, &err);
    (void)curl_multi_remove_handle(x->client->multi, x->t.easy);
    x->done(x->arg, good ? &answer : NULL, good ? NULL : &err);
    free_transfer(x);
}

static void take_finished(struct http_client *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        struct http_transfer *x = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&x);
        finish_transfer(x, code);
    }
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watched_socket *s = poll->data;
    struct http_client *c = s->client;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    (void)curl_multi_socket_action(c->multi, s->socket, flags, &running);
    take_finished(c);
}

static void timer_fired(uv_timer_t *timer)
{
    struct http_client *c = timer->data;
    int running;
    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(c);
}

static void handle_closed(uv_handle_t *handle)
{
    free(handle);
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *known)
{
    struct http_client *c = arg;
    struct watched_socket *s = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            (void)curl_multi_assign(c->multi, socket, NULL);
            (void)uv_poll_stop(&s->poll);
            uv_close((uv_handle_t *)&s->poll, handle_closed);
        }
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s)
            check_no_memory(sizeof *s);
        s->client = c;
        s->socket = socket;
        if (uv_poll_init_socket(loop_uv(c->loop), &s->poll, socket) != 0) {
            free(s);
            return -1;
        }
        s->poll.data = s;
        (void)curl_multi_assign(c->multi, socket, s);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    (void)uv_poll_start(&s->poll, events, socket_ready);
    return 0;
}

static int watch_timeout(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *c = arg;
    (void)multi;
    if (timeout_ms < 0)
        (void)uv_timer_stop(c->timer);
    else
        (void)uv_timer_start(c->timer, timer_fired, (uint64_t)timeout_ms, 0);
    return 0;
}

struct http_client *http_client_new(struct loop *loop)
{
    init_curl_once();
    struct http_client *c = calloc(1, sizeof *c);
    if (!c || !(c->timer = calloc(1, sizeof *c->timer)))
        check_no_memory(sizeof *c);
    c->loop = loop;
    c->multi = curl_multi_init();
    if (!c->multi)
        check_no_memory(sizeof *c);
    CHECK(uv_timer_init(loop_uv(loop), c->timer) == 0);
    c->timer->data = c;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, watch_timeout);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)MAX_KEPT_CONNECTIONS);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    while (c->transfers)
        free_transfer(c->transfers);
    (void)curl_multi_cleanup(c->multi);
    uv_close((uv_handle_t *)c->timer, handle_closed);
    free(c);
}

struct http_transfer *http_fetch_start(struct http_client *c, const struct http_fetch *fetch,
                                       void (*done)(void *arg, const struct http_answer *answer,
                                                    const struct err *err),
                                       void *arg)
{
    struct http_transfer *x = calloc(1, sizeof *x);
    if (!x)
        check_no_memory(sizeof *x);
    transfer_init(&x->t, fetch);
    x->client = c;
    x->done = done;
    x->arg = arg;
    x->next = c->transfers;
    if (x->next)
        x->next->previous = x;
    c->transfers = x;
    curl_easy_setopt(x->t.easy, CURLOPT_PRIVATE, x);
    CHECK(curl_multi_add_handle(c->multi, x->t.easy) == CURLM_OK);
    return x;
}

void http_cancel(struct http_transfer *x)
{
    free_transfer(x);
}

/* --- Blocking --- */

bool http_fetch_sync(struct arena *arena, const struct http_fetch *fetch, struct http_answer *out,
                     struct err *err)
{
    struct transfer t;
    init_curl_once();
    transfer_init(&t, fetch);
    bool done = read_answer(&t, curl_easy_perform(t.easy), out, err);
    if (done) {
        out->content_type = arena_str(arena, out->content_type);
        out->retry_after = arena_str(arena, out->retry_after);
        out->body = arena_str(arena, out->body);
    }
    transfer_release(&t);
    return done;
}

/* Server-sent events by the rules of the HTML standard, section 9.2.6, for the fields that cQED
 * sends. */
struct event_reader {
    bool (*each)(void *arg, struct str event, struct str data);
    void *arg;
    struct buf line, event, data;
};

#define MAX_EVENT_BYTES ((size_t)8 << 20)

static bool end_event(struct event_reader *r)
{
    bool more = true;
    if (r->data.n > 0)
        more = r->each(r->arg, buf_str(&r->event), buf_str(&r->data));
    buf_clear(&r->event);
    buf_clear(&r->data);
    return more;
}

static bool take_line(struct event_reader *r, struct str line)
{
    if (line.n == 0)
        return end_event(r);
    struct str name, value = line;
    if (!str_cut(&value, ':', &name) || name.n == 0)
        return true;
    if (value.p && value.n > 0 && value.p[0] == ' ')
        value = str_make(value.p + 1, value.n - 1);
    if (str_is(name, "event"))
        buf_add_str(&r->event, value);
    else if (str_is(name, "data"))
        buf_add_str(&r->data, value);
    return r->data.n < MAX_EVENT_BYTES;
}

static bool take_bytes(void *arg, const char *bytes, size_t n)
{
    struct event_reader *r = arg;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            if (bytes[i] != '\r')
                buf_add_char(&r->line, bytes[i]);
            continue;
        }
        bool more = take_line(r, buf_str(&r->line));
        buf_clear(&r->line);
        if (!more)
            return false;
    }
    return r->line.n < MAX_EVENT_BYTES;
}

bool http_stream_events(const struct http_fetch *fetch,
                        bool (*each)(void *arg, struct str event, struct str data), void *arg,
                        struct err *err)
{
    struct event_reader reader = {.each = each, .arg = arg};
    struct transfer t;
    init_curl_once();
    transfer_init(&t, fetch);
    t.on_bytes = take_bytes;
    t.on_bytes_arg = &reader;
    CURLcode code = curl_easy_perform(t.easy);
    bool done = t.stopped || code == CURLE_OK || explain(&t, code, err);
    long status = 0;
    curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &status);
    if (done && !t.stopped && status != 200)
        done = err_set(err, ERR_UNREACHABLE, "%s: status %ld", t.url, status);
    transfer_release(&t);
    buf_release(&reader.line);
    buf_release(&reader.event);
    buf_release(&reader.data);
    return done;
}
