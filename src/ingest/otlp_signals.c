/* OTLP's traces and logs: read to their records, so that what is broken is told, counted, and not
 * stored, which each answer says. The interface is that of the metrics, for the day they are. */
#include "ingest/otlp_internal.h"
#include "ingest/protobuf.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_JSON_BYTES ((size_t)8 << 20)

/* What the messages are called; their field numbers are the same. */
struct shape {
    const char *request, *resources, *scopes, *records, *name;
};

static const struct shape shapes[] = {
    [OTLP_TRACES] = {"ExportTraceServiceRequest", "resourceSpans", "scopeSpans", "spans", "spans"},
    [OTLP_LOGS] = {"ExportLogsServiceRequest", "resourceLogs", "scopeLogs", "logRecords",
                   "log records"},
};

/* --- Protobuf --- */

enum depth { REQUEST, RESOURCE, SCOPE, RECORD };

/* The field that leads one level down: resource_spans, scope_spans, spans. */
static const uint32_t field_below[] = {[REQUEST] = 1, [RESOURCE] = 2, [SCOPE] = 2};

/* False: broken at *at. */
static bool count_messages(struct str message, enum depth depth, uint64_t *n, const void **at)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (pb_next(&in, &f)) {
        if (depth == RECORD || f.number != field_below[depth])
            continue;
        *at = in.p;
        if (f.type != PB_BYTES || !count_messages(f.bytes, depth + 1, n, at))
            return false;
    }
    if (in.broken) {
        *at = in.p;
        return false;
    }
    *n += depth == RECORD;
    return true;
}

static bool count_protobuf(const struct shape *shape, struct str body, uint64_t *n, struct err *err)
{
    const void *at = body.p;
    if (count_messages(body, REQUEST, n, &at))
        return true;
    return err_set(err, ERR_BAD_INPUT, "protobuf %s, byte %zu of %zu: malformed field",
                   shape->request, (size_t)((const char *)at - body.p), body.n);
}

/* --- JSON --- */

static bool list_of(const json_t *object, const char *key, const json_t **out, struct err *err)
{
    *out = json_object_get(object, key);
    if (!*out || json_is_null(*out) || json_is_array(*out))
        return true;
    return err_set(err, ERR_BAD_INPUT, "JSON: %s is not an array", key);
}

static bool count_scopes(const struct shape *shape, const json_t *resource, uint64_t *n,
                         struct err *err)
{
    const json_t *scopes, *records;
    if (!list_of(resource, shape->scopes, &scopes, err))
        return false;
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        if (!list_of(json_array_get(scopes, i), shape->records, &records, err))
            return false;
        *n += json_array_size(records);
    }
    return true;
}

static bool count_json(const struct shape *shape, struct str body, uint64_t *n, struct err *err)
{
    struct arena arena = ARENA_INIT;
    const json_t *list = NULL;
    const json_t *root = NULL;
    if (body.n > MAX_JSON_BYTES)
        err_set(err, ERR_BAD_INPUT, "JSON body is %zu bytes, the limit is %zu: send protobuf",
                body.n, MAX_JSON_BYTES);
    else
        root = json_parse(&arena, body, err);
    if (root && !json_is_object(root))
        err_set(err, ERR_BAD_INPUT, "JSON body is not an object");
    bool done = root && json_is_object(root) && list_of(root, shape->resources, &list, err);
    for (size_t i = 0; done && i < json_array_size(list); i++)
        done = count_scopes(shape, json_array_get(list, i), n, err);
    arena_release(&arena);
    if (!done && err && err->code == ERR_LIMIT)
        err->code = ERR_BAD_INPUT; /* sending it again will not help */
    return done;
}

/* --- Either, of any signal --- */

static void keep_count(struct otlp *o, enum otlp_signal signal, const struct otlp_result *result)
{
    atomic_fetch_add_explicit(&o->accepted[signal], result->accepted, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->rejected[signal], result->rejected, memory_order_relaxed);
}

static bool count(enum otlp_signal signal, enum otlp_encoding encoding, struct str body,
                  struct otlp_result *result, struct err *err)
{
    const struct shape *shape = &shapes[signal];
    uint64_t n = 0;
    *result = (struct otlp_result){0};
    if (!(encoding == OTLP_JSON ? count_json : count_protobuf)(shape, body, &n, err))
        return false;
    result->rejected = n;
    if (n > 0)
        (void)snprintf(result->message, sizeof result->message,
                       "%s are not stored yet: %" PRIu64 " were read, counted and dropped",
                       shape->name, n);
    return true;
}

bool otlp_take(struct otlp *o, enum otlp_signal signal, enum otlp_encoding encoding,
               struct str body, int64_t now_ms, struct otlp_result *result, struct err *err)
{
    bool done = signal != OTLP_METRICS  ? count(signal, encoding, body, result, err)
                : encoding == OTLP_JSON ? otlp_metrics_json(o, body, now_ms, result, err)
                                        : otlp_metrics_protobuf(o, body, now_ms, result, err);
    if (done)
        keep_count(o, signal, result);
    return done;
}

void otlp_counts(const struct otlp *o, enum otlp_signal signal, uint64_t *accepted,
                 uint64_t *rejected)
{
    *accepted = atomic_load_explicit(&o->accepted[signal], memory_order_relaxed);
    *rejected = atomic_load_explicit(&o->rejected[signal], memory_order_relaxed);
}
