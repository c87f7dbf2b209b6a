/* One remote write request: all of its series are added to one batch. */
#include "ingest/remote_write.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct remote_write *remote_write_new(struct store *store, struct metadata_store *metadata,
                                      int64_t now_ms)
{
    struct remote_write *rw = mem_zalloc(sizeof *rw);
    rw->store = store;
    rw->metadata = metadata;
    rw->since_ms = now_ms;
    (void)pthread_mutex_init(&rw->swap_lock, NULL);
    rw->cache = series_cache_new(store);
    return rw;
}

void remote_write_free(struct remote_write *rw)
{
    if (!rw)
        return;
    series_cache_unref(rw->cache);
    (void)pthread_mutex_destroy(&rw->swap_lock);
    free(rw);
}

/* --- Which message it is --- */

static bool same_word(struct str s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static struct str unquote(struct str s)
{
    return s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' ? str_make(s.p + 1, s.n - 2) : s;
}

bool remote_write_message_of(const char *content_type, enum remote_write_message *out)
{
    struct str rest = str_from(content_type), part, name;
    (void)str_cut(&rest, ';', &part);
    if (!same_word(str_trim(part), "application/x-protobuf"))
        return false;
    *out = REMOTE_WRITE_1;
    while (str_cut(&rest, ';', &part)) {
        struct str value = str_trim(part);
        if (!str_cut(&value, '=', &name) || !same_word(str_trim(name), "proto"))
            continue;
        value = unquote(str_trim(value.p ? value : STR("")));
        if (str_is(value, "io.prometheus.write.v2.Request"))
            *out = REMOTE_WRITE_2;
        else if (!str_is(value, "prometheus.WriteRequest"))
            return false;
    }
    return true;
}

/* --- The request --- */

static void begin(struct rw_intake *r, struct remote_write *rw, int64_t now_ms,
                  struct remote_write_result *result)
{
    *r =
        (struct rw_intake){.rw = rw, .result = result, .now_ms = now_ms, .last = SERIES_CACHE_NONE};
    *result = (struct remote_write_result){0};
    arena_init(&r->arena);
    arena_init(&r->labels);
    buf_init(&r->first);
    buf_init(&r->reader.key);
    arena_init(&r->reader.scratch);
    r->reader.arena = &r->arena;
    r->batch = store_batch_begin(rw->store, now_ms);
    (void)pthread_mutex_lock(&rw->swap_lock);
    r->cache = series_cache_take(&rw->cache, r->batch);
    (void)pthread_mutex_unlock(&rw->swap_lock);
}

static void end(struct rw_intake *r)
{
    series_cache_unref(r->cache);
    buf_release(&r->reader.key);
    arena_release(&r->reader.scratch);
    buf_release(&r->first);
    arena_release(&r->labels);
    arena_release(&r->arena);
}

static bool malformed(const struct pb *in, struct str body, struct err *err)
{
    return err_set(err, ERR_BAD_INPUT, "the request is malformed at byte %zu of %zu",
                   (size_t)((const char *)in->p - body.p), body.n);
}

/* The symbols may stand behind what refers to them. */
static bool read_symbols(struct rw_reader *r, struct str body, struct err *err)
{
    struct pb in = pb_of(body);
    struct pb_field f = {0};
    bool series = false;
    while (pb_next(&in, &f)) {
        series = series || f.number == 5;
        if (f.number != 4)
            continue;
        if (f.type != PB_BYTES)
            return malformed(&in, body, err);
        if (r->n_symbols == RW_MAX_SYMBOLS)
            return err_set(err, ERR_LIMIT, "the request has over %zu symbols", RW_MAX_SYMBOLS);
        r->symbols =
            arena_grow(r->arena, r->symbols, r->n_symbols, &r->symbol_capacity, sizeof *r->symbols);
        r->symbols[r->n_symbols++] = f.bytes;
    }
    if (in.broken)
        return malformed(&in, body, err);
    if (series && (r->n_symbols == 0 || r->symbols[0].n > 0))
        return err_set(err, ERR_BAD_INPUT, "the first of the request's symbols must be empty");
    return true;
}

/* MetricMetadata of 1.0: a family's. */
static bool read_family(struct rw_intake *r, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str family = {"", 0}, help = {"", 0}, unit = {"", 0};
    uint64_t type = RW_UNKNOWN;
    while (pb_next(&in, &f)) {
        if (f.number <= 5 && f.type != (f.number == 1 ? PB_VARINT : PB_BYTES))
            return false;
        if (f.number == 1)
            type = f.value;
        else if (f.number == 2)
            family = f.bytes;
        else if (f.number == 4)
            help = f.bytes;
        else if (f.number == 5)
            unit = f.bytes;
    }
    if (family.n > 0 && str_is_utf8(family) && str_is_utf8(help) && str_is_utf8(unit))
        metadata_store_put(r->rw->metadata, family, str_from(rw_type_name(type)), help, unit);
    return !in.broken;
}

static bool take_series(struct rw_intake *r, enum remote_write_message kind, struct str message,
                        struct err *err)
{
    r->n_series++;
    if (rw_read_series(&r->reader, kind, message) && rw_store_series(r))
        return true;
    return err_set(err, ERR_BAD_INPUT, "series %zu of the request is malformed", r->n_series);
}

static bool take_all(struct rw_intake *r, enum remote_write_message kind, struct str body,
                     struct err *err)
{
    unsigned series = kind == REMOTE_WRITE_1 ? 1 : 5;
    struct pb in = pb_of(body);
    struct pb_field f = {0};
    if (kind == REMOTE_WRITE_2 && !read_symbols(&r->reader, body, err))
        return false;
    while (pb_next(&in, &f)) {
        bool family = kind == REMOTE_WRITE_1 && f.number == 3;
        if (f.number != series && !family)
            continue;
        if (f.type != PB_BYTES)
            return malformed(&in, body, err);
        if (family && !read_family(r, f.bytes))
            return err_set(err, ERR_BAD_INPUT, "metadata of the request is malformed");
        if (!family && !take_series(r, kind, f.bytes, err))
            return false;
    }
    return !in.broken || malformed(&in, body, err);
}

/* --- What is said of it --- */

static void add_reason(struct buf *out, const char *name, uint64_t n, const char **before)
{
    if (n == 0)
        return;
    buf_printf(out, "%s%s %" PRIu64, *before, name, n);
    *before = ", ";
}

static void tell(const struct rw_intake *r)
{
    struct remote_write_result *result = r->result;
    uint64_t all = result->samples + result->histograms;
    uint64_t written = result->samples_written + result->histograms_written;
    uint64_t refused = all - written;
    struct buf text = BUF_INIT;
    const char *before = " (";
    if (refused == 0 && r->invalid_series == 0)
        return;
    result->limited = refused > 0 && r->refused[STORE_LIMIT] == refused && r->invalid_series == 0;
    buf_printf(&text, "refused %" PRIu64 " of %" PRIu64 " samples", refused, all);
    for (enum store_result i = STORE_OK; i <= STORE_LIMIT; i++)
        add_reason(&text, store_result_name(i), r->refused[i], &before);
    add_reason(&text, "invalid", r->invalid, &before);
    buf_add_cstr(&text, refused > 0 ? ")" : "");
    if (r->invalid_series > 0)
        buf_printf(&text, ", %" PRIu64 " invalid series", r->invalid_series);
    buf_add_cstr(&text, written > 0 ? "; the rest is stored" : "");
    buf_printf(&text, "; first: %s", r->first.n > 0 ? r->first.p : "");
    (void)snprintf(result->message, sizeof result->message, "%s", text.p);
    buf_release(&text);
}

bool remote_write_append(struct remote_write *rw, enum remote_write_message kind, struct str body,
                         int64_t now_ms, struct remote_write_result *result, struct err *err)
{
    struct rw_intake r;
    begin(&r, rw, now_ms, result);
    bool done = take_all(&r, kind, body, err);
    if (!done)
        store_batch_cancel(r.batch);
    else if ((done = store_batch_commit(r.batch, err)))
        tell(&r);
    if (!done)
        *result = (struct remote_write_result){0};
    end(&r);
    return done;
}
