/* Prometheus's query API: an instant query of a range selector answers with the raw samples of the
 * range. Whoever speaks PromQL over HTTP has it, but it leaves out stale markers, and a histogram
 * comes without its layout. Prometheus 3 leaves the beginning of a range out, 2 does not: each
 * window reaches back a millisecond further. */
#include "remote/internal.h"

#include "base/num.h"

#include <math.h>

#define MAX_TIME_S 1e12

static bool read_point(const json_t *point, struct sample *out)
{
    double t_s = json_to_double(json_array_get(point, 0), (double)NAN);
    const json_t *v = json_array_get(point, 1);
    if (json_array_size(point) != 2 || !(fabs(t_s) < MAX_TIME_S) || !json_is_string(v))
        return false;
    out->t_ms = (int64_t)llround(t_s * 1000);
    return num_parse_double(str_from(json_string_value(v)), &out->v);
}

static bool read_series(struct arena *arena, const json_t *one, struct gather *g, struct err *err)
{
    struct labels labels;
    struct sample s;
    const json_t *values = json_object_get(one, "values");
    if (json_array_size(json_object_get(one, "histograms")) > 0)
        return err_set(
            err, ERR_NOT_IMPLEMENTED,
            "native histograms by the query API are not implemented; remoteRead has them");
    if (!labels_of_json(arena, json_object_get(one, "metric"), &labels))
        return err_set(err, ERR_BAD_INPUT, "a series of the answer has no metric");
    struct gathered *series = gather_series(g, labels);
    for (size_t i = 0; i < json_array_size(values); i++) {
        if (!read_point(json_array_get(values, i), &s))
            return err_set(err, ERR_BAD_INPUT, "value %zu of a series of the answer is none", i);
        if (!gather_add(g, series, s, err))
            return false;
    }
    return true;
}

static bool read_body(struct str body, struct gather *g, struct err *err)
{
    struct arena arena = ARENA_INIT;
    const json_t *answer = json_parse(&arena, body, err);
    const json_t *data = json_object_get(answer, "data");
    const json_t *result = json_object_get(data, "result");
    bool good = answer != NULL;
    if (good &&
        (strcmp(json_get_cstr(data, "resultType", ""), "matrix") != 0 || !json_is_array(result)))
        good = err_set(err, ERR_BAD_INPUT, "the answer to a range selector is no matrix");
    for (size_t i = 0; good && i < json_array_size(result); i++)
        good = read_series(&arena, json_array_get(result, i), g, err);
    arena_release(&arena);
    return good;
}

static void write_form(struct buf *form, const struct remote_question *q, int64_t from_ms,
                       int64_t to_ms)
{
    buf_add_cstr(form, "query=");
    add_form_selector(form, q);
    buf_printf(form, "%%5B%lldms%%5D&time=%.3f&nocache=1", (long long)to_ms - from_ms + 1,
               (double)to_ms / 1000);
}

static const struct gather_way way = {write_form, read_body};

bool remote_query_parse(struct arena *arena, struct str body, struct promql_series **out, size_t *n,
                        struct err *err)
{
    return gather_answer(&way, arena, body, out, n, err);
}

bool remote_select_query(const struct remote_source *s, const struct remote_question *q,
                         struct arena *arena, struct promql_series **out, size_t *n,
                         struct err *err)
{
    return gather_question(s, q, &way, arena, out, n, err);
}
