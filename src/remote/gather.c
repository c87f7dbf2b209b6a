#include "remote/internal.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

#define WINDOW_MAX_MS INT64_C(86400000)
#define WINDOW_MIN_MS INT64_C(60000)

struct gathered {
    struct labels labels;
    struct sample *samples; /* owned */
    size_t n, capacity;
};

struct gather {
    struct arena arena;
    struct map *by_labels;
    struct gathered **v;
    size_t n, capacity;
    uint64_t samples;
};

static struct gather *gather_new(void)
{
    struct gather *g = mem_zalloc(sizeof *g);
    arena_init(&g->arena);
    g->by_labels = map_new();
    return g;
}

static void gather_free(struct gather *g)
{
    for (size_t i = 0; i < g->n; i++)
        free(g->v[i]->samples);
    map_free(g->by_labels);
    arena_release(&g->arena);
    free(g);
}

struct gathered *gather_series(struct gather *g, struct labels labels)
{
    struct buf key = BUF_INIT;
    labels_print(labels, &key);
    struct gathered *s = map_get(g->by_labels, buf_str(&key));
    if (!s) {
        s = ARENA_NEW(&g->arena, struct gathered);
        s->labels = labels_copy(&g->arena, labels);
        g->v = arena_grow(&g->arena, g->v, g->n, &g->capacity, sizeof *g->v);
        g->v[g->n++] = s;
        (void)map_set(g->by_labels, buf_str(&key), s);
    }
    buf_release(&key);
    return s;
}

bool gather_add(struct gather *g, struct gathered *s, struct sample sample, struct err *err)
{
    if (g->samples == REMOTE_MAX_SAMPLES)
        return err_set(err, ERR_CONFLICT, "the query reads over %llu samples of the source",
                       (unsigned long long)REMOTE_MAX_SAMPLES);
    s->samples = mem_grow(s->samples, s->n, &s->capacity, sizeof *s->samples);
    s->samples[s->n++] = sample;
    g->samples++;
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct gathered *a = *(struct gathered *const *)left;
    const struct gathered *b = *(struct gathered *const *)right;
    return labels_cmp(a->labels, b->labels);
}

static void gather_take(struct gather *g, struct arena *arena, struct promql_series **out,
                        size_t *n)
{
    if (g->n > 1)
        qsort(g->v, g->n, sizeof *g->v, compare);
    *out = ARENA_ARRAY(arena, struct promql_series, g->n);
    *n = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct gathered *s = g->v[i];
        size_t left = samples_in_order(s->samples, s->n);
        if (left == 0)
            continue;
        (*out)[(*n)++] = (struct promql_series){
            .labels = labels_copy(arena, s->labels),
            .n = left,
            .samples = arena_memdup(arena, s->samples, left * sizeof *s->samples)};
    }
}

static bool ask(const struct remote_source *s, const struct remote_question *q,
                const struct gather_way *way, int64_t from_ms, int64_t to_ms, struct gather *g,
                struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct arena arena = ARENA_INIT;
    struct buf form = BUF_INIT;
    struct http_answer answer;
    way->write(&form, q, from_ms, to_ms);
    struct http_fetch f = {.headers = headers, .body = buf_str(&form), .accept_compressed = true};
    bool good = remote_fetch(s, q, &arena, &f, &answer, err);
    if (good && !way->read(answer.body, g, err))
        good = err_prefix(err, "source '%s': ", s->name);
    buf_release(&form);
    arena_release(&arena);
    return good;
}

static bool ask_windows(const struct remote_source *s, const struct remote_question *q,
                        const struct gather_way *way, struct gather *g, struct err *err)
{
    int64_t window_ms = WINDOW_MAX_MS;
    for (int64_t from_ms = q->mint_ms; from_ms <= q->maxt_ms;) {
        struct err why = ERR_INIT;
        int64_t left_ms = q->maxt_ms - from_ms;
        int64_t took_ms = left_ms < window_ms ? left_ms : window_ms;
        if (ask(s, q, way, from_ms, from_ms + took_ms, g, &why)) {
            from_ms += took_ms + 1;
        } else if (why.code == ERR_LIMIT && took_ms > WINDOW_MIN_MS) {
            window_ms = took_ms / 2;
        } else {
            if (err)
                *err = why;
            return false;
        }
    }
    return true;
}

bool gather_question(const struct remote_source *s, const struct remote_question *q,
                     const struct gather_way *way, struct arena *arena, struct promql_series **out,
                     size_t *n, struct err *err)
{
    struct gather *g = gather_new();
    bool good = ask_windows(s, q, way, g, err);
    if (good)
        gather_take(g, arena, out, n);
    gather_free(g);
    return good;
}

bool gather_answer(const struct gather_way *way, struct arena *arena, struct str body,
                   struct promql_series **out, size_t *n, struct err *err)
{
    struct gather *g = gather_new();
    bool good = way->read(body, g, err);
    if (good)
        gather_take(g, arena, out, n);
    gather_free(g);
    return good;
}

bool labels_of_json(struct arena *arena, const json_t *object, struct labels *out)
{
    struct labels_builder b;
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return false;
    labels_builder_init(&b, arena);
    json_object_foreach((json_t *)object, key, value)
    {
        if (!json_is_string(value))
            return false;
        labels_builder_set(&b, arena_str(arena, str_from(key)),
                           arena_str(arena, str_from(json_string_value(value))));
    }
    *out = labels_build(&b);
    return true;
}

static void add_form_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (plain)
            buf_add_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

void add_form_selector(struct buf *out, const struct remote_question *q)
{
    struct buf text = BUF_INIT;
    matchers_print(q->matchers, q->n, &text);
    add_form_text(out, buf_str(&text));
    buf_release(&text);
}
