/* ReadResponse (prompb/remote.proto, prompb/types.proto of prometheus/prometheus): series with
 * their samples, in whatever order. */
#include "ingest/protobuf.h"
#include "ingest/remote_histogram.h"
#include "remote/internal.h"

#include <stdlib.h>

#define MAX_LABELS 1000

static bool broken(struct err *err)
{
    return err_set(err, ERR_BAD_INPUT, "the answer to a remote read is no ReadResponse");
}

bool remote_read_label(struct str message, struct labels_builder *b)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str name = STR(""), value = STR("");
    while (pb_next(&in, &f)) {
        if (f.type == PB_BYTES && f.number == 1)
            name = f.bytes;
        else if (f.type == PB_BYTES && f.number == 2)
            value = f.bytes;
    }
    if (in.broken || !str_is_utf8(name) || !str_is_utf8(value))
        return false;
    labels_builder_set(b, name, value);
    return true;
}

static bool read_sample(struct str message, struct sample *out)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    *out = (struct sample){0, 0};
    while (pb_next(&in, &f)) {
        if (f.type == PB_FIXED64 && f.number == 1)
            out->v = pb_double(f.value);
        else if (f.type == PB_VARINT && f.number == 2)
            out->t_ms = (int64_t)f.value;
    }
    return !in.broken;
}

static int compare_samples(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
}

/* Evaluation needs times that rise; an honest peer sends them so. */
size_t samples_in_order(struct sample *samples, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(samples, n, sizeof *samples, compare_samples);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || samples[i].t_ms != samples[kept - 1].t_ms)
            samples[kept++] = samples[i];
    }
    return kept;
}

static bool is_ascending(const struct sample *samples, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (samples[i].t_ms <= samples[i - 1].t_ms)
            return false;
    }
    return true;
}

static int compare_histograms(const void *a, const void *b)
{
    const struct histogram_sample *x = a, *y = b;
    return (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
}

static size_t histograms_in_order(struct histogram_sample *v, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(v, n, sizeof *v, compare_histograms);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || v[i].t_ms != v[kept - 1].t_ms)
            v[kept++] = v[i];
    }
    return kept;
}

struct counted {
    size_t labels, samples, histograms;
};

static bool count_fields(struct str message, struct counted *out)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    *out = (struct counted){0};
    while (pb_next(&in, &f)) {
        out->labels += f.type == PB_BYTES && f.number == 1;
        out->samples += f.type == PB_BYTES && f.number == 2;
        out->histograms += f.type == PB_BYTES && f.number == 4;
    }
    return !in.broken && out->labels <= MAX_LABELS;
}

static bool read_series(struct arena *arena, struct str message, struct promql_series *out,
                        struct err *err)
{
    struct counted n;
    struct labels_builder b;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    size_t count = 0, n_histograms = 0;
    if (!count_fields(message, &n))
        return broken(err);
    /* A histogram that is a stale marker is a sample. */
    struct sample *samples = ARENA_ARRAY(arena, struct sample, n.samples + n.histograms);
    struct histogram_sample *histograms = ARENA_ARRAY(arena, struct histogram_sample, n.histograms);
    labels_builder_init(&b, arena);
    while (pb_next(&in, &f)) {
        if (f.type == PB_BYTES && f.number == 1) {
            if (!remote_read_label(f.bytes, &b))
                return broken(err);
        } else if (f.type == PB_BYTES && f.number == 2) {
            if (!read_sample(f.bytes, &samples[count++]))
                return broken(err);
        } else if (f.type == PB_BYTES && f.number == 4) {
            struct rw_histogram h;
            if (!rw_parse_histogram(arena, f.bytes, &h))
                return broken(err);
            if (is_stale_nan(h.h->sum))
                samples[count++] = (struct sample){h.t_ms, h.h->sum};
            else if (h.refused)
                return err_set(err, ERR_BAD_INPUT, "a remote read: %s", h.refused);
            else
                histograms[n_histograms++] = (struct histogram_sample){h.t_ms, h.h};
        }
    }
    if (!is_ascending(samples, count))
        count = samples_in_order(samples, count);
    *out = (struct promql_series){.labels = labels_build(&b),
                                  .n = count,
                                  .samples = samples,
                                  .n_histograms = histograms_in_order(histograms, n_histograms),
                                  .histograms = histograms};
    return true;
}

/* What each result holds goes to one list; a question has one result. */
bool remote_read_parse(struct arena *arena, struct str message, struct promql_series **out,
                       size_t *n, struct err *err)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    size_t capacity = 0;
    *out = NULL;
    *n = 0;
    while (pb_next(&in, &f)) {
        if (f.type != PB_BYTES || f.number != 1)
            continue;
        struct pb result = pb_of(f.bytes);
        struct pb_field s = {0};
        while (pb_next(&result, &s)) {
            if (s.type != PB_BYTES || s.number != 1)
                continue;
            *out = arena_grow(arena, *out, *n, &capacity, sizeof **out);
            if (!read_series(arena, s.bytes, &(*out)[*n], err))
                return false;
            *n += (*out)[*n].n + (*out)[*n].n_histograms > 0;
        }
        if (result.broken)
            return broken(err);
    }
    return !in.broken || broken(err);
}
