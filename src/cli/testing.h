/* testing.h -- for the tests of cli/: run a command line against a small server that answers what
 * the test says, and keep what was printed and asked. */
#ifndef CQED_CLI_TESTING_H
#define CQED_CLI_TESTING_H

#include "cli/internal.h"
#include "io/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_ANSWERS 16

/* What a path answers; the first that fits and is not used up. times 0 = always. */
struct canned {
    const char *method, *path;
    int status;
    const char *body;
    int times;
};

struct fake {
    struct http_server *server;
    pthread_mutex_t lock; /* guards what follows */
    struct canned answers[MAX_ANSWERS];
    size_t n_answers;
    char asked[4096]; /* "METHOD path body\n" of each request */
    char idempotency_key[100];
    unsigned delay_us;          /* before each answer */
    struct http_stream *stream; /* the newest; NULL = none */
};

struct console {
    struct fake *fake;
    char server[64];
    bool color, is_terminal;
    char *out, *err; /* of the last run */
};

static inline void fake_answer(void *context, struct http_request *request,
                               struct http_response *response)
{
    struct fake *f = context;
    const char *key = http_header(request, "Idempotency-Key");
    (void)usleep(f->delay_us);
    (void)pthread_mutex_lock(&f->lock);
    size_t used = strlen(f->asked);
    (void)snprintf(f->asked + used, sizeof f->asked - used, "%s %s " STR_FMT "\n", request->method,
                   request->path, STR_ARG(request->body));
    (void)snprintf(f->idempotency_key, sizeof f->idempotency_key, "%s", key ? key : "");
    response->status = 404;
    for (size_t i = 0; i < f->n_answers; i++) {
        struct canned *c = &f->answers[i];
        if (strcmp(c->path, request->path) != 0 || strcmp(c->method, request->method) != 0 ||
            c->times < 0)
            continue;
        response->status = c->status;
        buf_add_cstr(&response->body, c->body);
        c->times = c->times == 1 ? -1 : c->times > 1 ? c->times - 1 : 0;
        break;
    }
    (void)pthread_mutex_unlock(&f->lock);
}

static inline void fake_events(void *context, struct http_request *request,
                               struct http_response *response)
{
    struct fake *f = context;
    (void)pthread_mutex_lock(&f->lock);
    if (f->stream)
        http_stream_close(f->stream);
    f->stream = http_respond_stream(request, response);
    (void)http_stream_send(f->stream, "services", -1, STR("{}"));
    (void)pthread_mutex_unlock(&f->lock);
}

static const struct http_route fake_routes[] = {
    {"GET", "/cqed/v1/events", fake_events, 0},
    {"GET", "/*", fake_answer, 0},
    {"POST", "/*", fake_answer, 0},
};

static inline void fake_start(struct fake *f, const char *listen)
{
    struct http_server_options options = {
        .listen = listen, .routes = fake_routes, .n_routes = COUNT_OF(fake_routes), .context = f};
    f->server = http_server_start(&options, NULL);
    assert_non_null(f->server);
}

static inline void fake_stop(struct fake *f)
{
    (void)pthread_mutex_lock(&f->lock);
    if (f->stream)
        http_stream_close(f->stream);
    f->stream = NULL;
    (void)pthread_mutex_unlock(&f->lock);
    http_server_stop(f->server);
    f->server = NULL;
}

static inline int console_set_up(void **state)
{
    struct console *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->fake = calloc(1, sizeof *c->fake);
    assert_non_null(c->fake);
    (void)pthread_mutex_init(&c->fake->lock, NULL);
    fake_start(c->fake, "127.0.0.1:0");
    (void)snprintf(c->server, sizeof c->server, "http://127.0.0.1:%d",
                   http_server_port(c->fake->server));
    *state = c;
    return 0;
}

static inline int console_tear_down(void **state)
{
    struct console *c = *state;
    if (c->fake->server)
        fake_stop(c->fake);
    (void)pthread_mutex_destroy(&c->fake->lock);
    free(c->fake);
    free(c->out);
    free(c->err);
    free(c);
    return 0;
}

static inline void answer(struct console *c, const char *method, const char *path, int status,
                          const char *body, int times)
{
    struct fake *f = c->fake;
    (void)pthread_mutex_lock(&f->lock);
    CHECK(f->n_answers < MAX_ANSWERS);
    f->answers[f->n_answers++] = (struct canned){method, path, status, body, times};
    (void)pthread_mutex_unlock(&f->lock);
}

/* argv ends at NULL. Returns the exit code. */
static inline int run_argv(struct console *c, char *const *argv)
{
    size_t out_bytes, err_bytes;
    int argc = 0;
    while (argv[argc])
        argc++;
    free(c->out);
    free(c->err);
    struct cli cli = {.color = c->color, .err_is_terminal = c->is_terminal};
    cli.out = open_memstream(&c->out, &out_bytes);
    cli.err = open_memstream(&c->err, &err_bytes);
    assert_true(cli.out && cli.err);
    assert_int_equal(setenv("CQED_SERVER", c->server, 1), 0);
    int code = run_command_line(&cli, argc, argv);
    (void)fclose(cli.out);
    (void)fclose(cli.err);
    arena_release(&cli.arena);
    return code;
}

#define RUN(console, ...) run_argv((console), (char *[]){__VA_ARGS__, NULL})

static inline void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static inline void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in:\n%s", part, text);
}

#endif
