#include "remote/remote.h"

#include "codec/compress.h"
#include "io/http_client.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ANSWER_BYTES ((size_t)256 << 20) /* compressed, and not */

struct remote_source {
    const char *name;
    const char *url;
    int64_t timeout_ms;
    struct http_access access;
};

struct remote_sources {
    struct arena arena;
    struct remote_source *v;
    size_t n;
};

/* --- The question: ReadRequest --- */

static void add_number(struct buf *out, unsigned field, uint64_t v)
{
    buf_add_uvarint(out, field << 3);
    buf_add_uvarint(out, v);
}

static void add_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static void add_matcher(struct buf *out, const struct matcher *m)
{
    static const uint64_t types[] = {
        [MATCH_EQUAL] = 0, [MATCH_NOT_EQUAL] = 1, [MATCH_REGEX] = 2, [MATCH_NOT_REGEX] = 3};
    struct buf one = BUF_INIT;
    add_number(&one, 1, types[m->type]);
    add_bytes(&one, 2, m->name);
    add_bytes(&one, 3, m->value);
    add_bytes(out, 3, buf_str(&one));
    buf_release(&one);
}

static void make_request(const struct matcher *matchers, size_t n, int64_t mint_ms, int64_t maxt_ms,
                         struct buf *out)
{
    struct buf query = BUF_INIT, plain = BUF_INIT;
    add_number(&query, 1, (uint64_t)mint_ms);
    add_number(&query, 2, (uint64_t)maxt_ms);
    for (size_t i = 0; i < n; i++)
        add_matcher(&query, &matchers[i]);
    add_bytes(&plain, 1, buf_str(&query));
    snappy_encode(buf_str(&plain), out);
    buf_release(&query);
    buf_release(&plain);
}

/* --- Asking --- */

static bool check_answer(const struct remote_source *s, const struct http_answer *a,
                         struct err *err)
{
    if (a->status == 200)
        return true;
    struct str text = str_trim(a->body);
    return err_set(err, ERR_UNREACHABLE, "source '%s' (%s) answers %d: %.*s", s->name, s->url,
                   a->status, (int)(text.n < 200 ? text.n : 200), text.n ? text.p : "");
}

static bool fetch(const struct remote_source *s, struct arena *arena, struct str body,
                  struct http_answer *out, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/x-protobuf",
                                          "Content-Encoding: snappy",
                                          "X-Prometheus-Remote-Read-Version: 0.1.0", NULL};
    struct http_fetch f = {.url = s->url,
                           .headers = headers,
                           .body = body,
                           .timeout_ms = s->timeout_ms,
                           .max_body_bytes = MAX_ANSWER_BYTES};
    if (!http_fetch_as(&f, &s->access, arena, err) || !http_fetch_sync(arena, &f, out, err))
        return err_prefix(err, "source '%s': ", s->name);
    return check_answer(s, out, err);
}

static bool select_remote(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    const struct remote_source *s = self;
    struct buf request = BUF_INIT, plain = BUF_INIT;
    struct http_answer answer;
    make_request(matchers, n_matchers, mint_ms, maxt_ms, &request);
    bool good = fetch(s, arena, buf_str(&request), &answer, err) &&
                snappy_decode(answer.body, MAX_ANSWER_BYTES, &plain, err) &&
                remote_read_parse(arena, arena_str(arena, buf_str(&plain)), out, n, err);
    buf_release(&request);
    buf_release(&plain);
    return good;
}

/* --- Life --- */

struct remote_sources *remote_sources_new(const struct source_spec *specs, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct remote_sources *r = ARENA_NEW(&arena, struct remote_sources);
    r->v = ARENA_ARRAY(&arena, struct remote_source, n);
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        r->v[i] = (struct remote_source){.name = arena_strdup(&arena, specs[i].name),
                                         .url = arena_strdup(&arena, specs[i].remote_read),
                                         .timeout_ms = specs[i].timeout_ms,
                                         .access = http_access_copy(&arena, &specs[i].access)};
    }
    r->arena = arena;
    return r;
}

void remote_sources_free(struct remote_sources *r)
{
    if (!r)
        return;
    struct arena arena = r->arena;
    arena_release(&arena);
}

bool remote_source_find(const struct remote_sources *r, const char *name, struct promql_source *out,
                        struct err *err)
{
    const char *names[64];
    size_t n = r->n < 64 ? r->n : 64;
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->v[i].name, name) == 0) {
            *out = (struct promql_source){.self = &r->v[i], .select = select_remote};
            return true;
        }
    }
    for (size_t i = 0; i < n; i++)
        names[i] = r->v[i].name;
    const char *near = str_nearest(str_from(name), names, n);
    return err_set(err, ERR_NOT_FOUND, "there is no source '%.60s'%s%s%s", name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
