#include "remote/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/foreign.h"

#include <stdio.h>
#include <stdlib.h>

struct remote_sources {
    struct arena arena;
    struct remote_source *v;
    size_t n;
};

/* --- Asking --- */

bool remote_fetch(const struct remote_source *s, const struct remote_question *q,
                  struct arena *arena, struct http_fetch *f, struct http_answer *out,
                  struct err *err)
{
    int64_t left_ms = (q->deadline_ns - clock_mono_ns()) / 1000000;
    if (left_ms < 1)
        return err_set(err, ERR_TIMEOUT, "source '%s' has not answered within %lld ms", s->name,
                       (long long)s->timeout_ms);
    f->url = s->at;
    f->timeout_ms = left_ms;
    f->max_body_bytes = REMOTE_MAX_BYTES;
    if (!http_fetch_as(f, &s->access, arena, err) || !http_fetch_sync(arena, f, out, err))
        return err_prefix(err, "source '%s': ", s->name);
    if (out->status == 200)
        return true;
    struct str text = str_trim(out->body);
    return err_set(err, ERR_UNREACHABLE, "source '%s' (%s) answers %d: %.*s", s->name, s->at,
                   out->status, (int)(text.n < 200 ? text.n : 200), text.n ? text.p : "");
}

static bool select_remote(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    static remote_select *const how[] = {[SOURCE_REMOTE_READ] = remote_select_read,
                                         [SOURCE_EXPORT] = remote_select_export,
                                         [SOURCE_QUERY] = remote_select_query};
    const struct remote_source *s = self;
    struct remote_question q = {matchers, n_matchers, mint_ms, maxt_ms,
                                clock_mono_ns() + s->timeout_ms * INT64_C(1000000)};
    return how[s->kind](s, &q, arena, out, n, err);
}

/* --- A folder --- */

/* What another cQED writes is not a Prometheus's, and our own would be asked twice. */
static struct store_folder *open_folder(const struct remote_source *s, struct err *err)
{
    bool is_cqed = false;
    struct store_folder *f = NULL;
    if (store_folder_check(s->at, &is_cqed, err) && !is_cqed)
        f = store_folder_open(s->at, 0, err);
    else if (is_cqed)
        err_set(err, ERR_BAD_INPUT, "'%s' is the data folder of a cQED, not of a Prometheus",
                s->at);
    if (!f)
        err_prefix(err, "source '%s': ", s->name);
    return f;
}

static struct store_folder *folder_of(struct remote_source *s, struct err *err)
{
    (void)pthread_mutex_lock(&s->lock);
    if (!s->folder)
        s->folder = open_folder(s, err);
    struct store_folder *f = s->folder;
    (void)pthread_mutex_unlock(&s->lock);
    return f;
}

static bool ask_folder(struct remote_source *s, struct arena *arena, const struct matcher *matchers,
                       size_t n_matchers, int64_t mint_ms, int64_t maxt_ms, bool first_only,
                       struct promql_series **out, size_t *n, struct err *err)
{
    struct store_series_data *found;
    struct store_folder *f = folder_of(s, err);
    if (!f)
        return false;
    if (!store_folder_select(f, arena, matchers, n_matchers, mint_ms, maxt_ms, first_only, &found,
                             n, err))
        return err_prefix(err, "source '%s': ", s->name);
    *out = ARENA_ARRAY(arena, struct promql_series, *n);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = (struct promql_series){.labels = found[i].labels,
                                           .n = found[i].n,
                                           .samples = found[i].samples,
                                           .n_histograms = found[i].n_histograms,
                                           .histograms = found[i].histograms};
    return true;
}

static bool select_folder(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    return ask_folder(self, arena, matchers, n_matchers, mint_ms, maxt_ms, false, out, n, err);
}

static bool select_folder_first(void *self, struct arena *arena, const struct matcher *matchers,
                                size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                                struct promql_series **out, size_t *n, struct err *err)
{
    return ask_folder(self, arena, matchers, n_matchers, mint_ms, maxt_ms, true, out, n, err);
}

/* --- Life --- */

static void warn_of_folder(const struct remote_source *s)
{
    struct err err = ERR_INIT;
    struct store_folder *f = open_folder(s, &err);
    if (!f)
        log_warn("remote", "%s", err.message);
    store_folder_close(f);
}

struct remote_sources *remote_sources_new(const struct source_spec *specs, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct remote_sources *r = ARENA_NEW(&arena, struct remote_sources);
    r->v = ARENA_ARRAY(&arena, struct remote_source, n);
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        r->v[i] = (struct remote_source){.name = arena_strdup(&arena, specs[i].name),
                                         .kind = specs[i].kind,
                                         .at = arena_strdup(&arena, specs[i].at),
                                         .timeout_ms = specs[i].timeout_ms,
                                         .access = http_access_copy(&arena, &specs[i].access)};
        (void)pthread_mutex_init(&r->v[i].lock, NULL);
        if (r->v[i].kind == SOURCE_FOLDER)
            warn_of_folder(&r->v[i]);
    }
    r->arena = arena;
    return r;
}

void remote_sources_free(struct remote_sources *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        store_folder_close(r->v[i].folder);
        (void)pthread_mutex_destroy(&r->v[i].lock);
    }
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
            *out = r->v[i].kind == SOURCE_FOLDER
                       ? (struct promql_source){.self = &r->v[i],
                                                .select = select_folder,
                                                .select_first = select_folder_first}
                       : (struct promql_source){.self = &r->v[i], .select = select_remote};
            return true;
        }
    }
    for (size_t i = 0; i < n; i++)
        names[i] = r->v[i].name;
    const char *near = str_nearest(str_from(name), names, n);
    return err_set(err, ERR_NOT_FOUND, "there is no source '%.60s'%s%s%s", name,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
