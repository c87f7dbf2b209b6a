/* noting_store.h -- a store that only writes down what the scraper gives it, in the real one's
 * place, for fuzz targets. Labels must be as the store wants them. */
#ifndef CQED_FUZZ_NOTING_STORE_H
#define CQED_FUZZ_NOTING_STORE_H

#include "base/map.h"
#include "base/mem.h"
#include "ingest/exposition.h"
#include "ingest/target.h"

#include <stdlib.h>

struct note {
    uint64_t ref;
    int64_t t_ms;
    double v;
};

struct notes {
    struct note *v;
    size_t n, capacity;
};

struct store_batch {
    char nothing;
};

static struct store_batch the_batch;
static struct map *refs; /* labels as text -> ref */
static struct notes added;

static void note(struct notes *to, uint64_t ref, int64_t t_ms, double v)
{
    if (to->n == to->capacity) {
        to->capacity = to->capacity ? to->capacity * 2 : 64;
        to->v = mem_resize(to->v, to->capacity, sizeof *to->v);
    }
    to->v[to->n++] = (struct note){ref, t_ms, v};
}

static void check_labels(struct labels labels)
{
    for (size_t i = 0; i < labels.n; i++) {
        CHECK(labels.v[i].name.n > 0 && labels.v[i].value.n > 0);
        CHECK(i == 0 || str_cmp(labels.v[i - 1].name, labels.v[i].name) < 0);
        CHECK(str_is_utf8(labels.v[i].name) && str_is_utf8(labels.v[i].value));
    }
}

static uint64_t ref_of(struct labels labels)
{
    struct buf text = BUF_INIT;
    check_labels(labels);
    for (size_t i = 0; i < labels.n; i++) {
        buf_add_uvarint(&text, labels.v[i].name.n);
        buf_add_str(&text, labels.v[i].name);
        buf_add_uvarint(&text, labels.v[i].value.n);
        buf_add_str(&text, labels.v[i].value);
    }
    uintptr_t ref = (uintptr_t)map_get(refs, buf_str(&text));
    if (ref == 0) {
        ref = map_count(refs) + 1;
        (void)map_set(refs, buf_str(&text), (void *)ref);
    }
    buf_release(&text);
    return ref;
}

struct store_batch *store_batch_begin(struct store *store, int64_t now_ms)
{
    (void)store;
    (void)now_ms;
    added.n = 0;
    return &the_batch;
}

uint64_t store_batch_epoch(const struct store_batch *batch)
{
    (void)batch;
    return 1;
}

bool store_batch_knows(const struct store_batch *batch, uint64_t ref, uint64_t since_epoch)
{
    (void)batch;
    (void)since_epoch;
    return ref > 0;
}

uint64_t store_series(struct store_batch *batch, struct labels labels, bool *is_new)
{
    (void)batch;
    (void)is_new;
    return ref_of(labels);
}

const char *store_series_refusal(const struct store_batch *b)
{
    (void)b;
    return "limit";
}

enum store_result store_batch_add(struct store_batch *batch, uint64_t ref, int64_t t_ms, double v,
                                  enum store_origin origin)
{
    (void)batch;
    (void)origin;
    note(&added, ref, t_ms, v);
    return STORE_OK;
}

enum store_result store_batch_add_histogram(struct store_batch *batch, uint64_t ref, int64_t t_ms,
                                            const struct histogram *h, enum store_origin origin)
{
    (void)batch;
    (void)origin;
    CHECK(histogram_validate(h, NULL));
    note(&added, ref, t_ms, h->count);
    return STORE_OK;
}

enum store_result store_batch_add_exemplar(struct store_batch *batch, uint64_t ref,
                                           const struct store_exemplar *e)
{
    (void)batch;
    CHECK(ref > 0 && e->t_ms != EXPOSITION_NO_TIME);
    check_labels(e->labels);
    return STORE_OK;
}

bool store_batch_newest(const struct store_batch *batch, uint64_t ref, struct sample *out)
{
    (void)batch;
    (void)ref;
    (void)out;
    return false;
}

bool store_batch_commit(struct store_batch *batch, struct err *err)
{
    (void)batch;
    (void)err;
    return true;
}

void store_batch_cancel(struct store_batch *batch)
{
    (void)batch;
}

const char *store_result_name(enum store_result result)
{
    (void)result;
    return "";
}

#endif
