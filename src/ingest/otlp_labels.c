/* Attributes as labels. Everything here runs once per series, not once per point. */
#include "ingest/otlp_internal.h"
#include "ingest/otlp_names.h"

#include <stdlib.h>

static int compare_keys(const void *left, const void *right)
{
    const struct otlp_attribute *a = left, *b = right;
    return str_cmp(a->key, b->key);
}

static struct str join(struct arena *arena, struct str a, struct str between, struct str b)
{
    char *p = arena_alloc(arena, a.n + between.n + b.n + 1);
    char *end = mempcpy(mempcpy(mempcpy(p, a.p, a.n), between.p, between.n), b.p, b.n);
    *end = '\0';
    return str_make(p, (size_t)(end - p));
}

static struct str label_name(struct arena *arena, struct str prefix, struct str key)
{
    struct buf name = BUF_INIT;
    otlp_label_name(&name, join(arena, prefix, STR(""), key));
    struct str copy = arena_str(arena, buf_str(&name));
    buf_release(&name);
    return copy;
}

static bool is_one_of(struct str key, const char *const *names)
{
    for (; *names; names++) {
        if (str_is(key, *names))
            return true;
    }
    return false;
}

static const char *check_attributes(const struct otlp_attributes *attributes)
{
    if (attributes->too_many)
        return "it has more than 128 attributes";
    for (size_t i = 0; i < attributes->n; i++) {
        if (!str_is_utf8(attributes->v[i].key) || !str_is_utf8(attributes->v[i].value))
            return "an attribute is not UTF-8";
    }
    return NULL;
}

/* Keys that become the same name have their values joined by ';', in the order of the keys: the
 * specification's rule ("Metric Attributes"). */
static void add_attributes(struct labels_builder *b, struct arena *arena, struct str prefix,
                           const struct otlp_attributes *attributes, const char *const *except)
{
    size_t n = attributes->n;
    struct otlp_attribute *sorted =
        arena_memdup(arena, attributes->v, n * sizeof(struct otlp_attribute));
    if (n > 1)
        qsort(sorted, n, sizeof *sorted, compare_keys);
    for (size_t i = 0; i < n; i++) {
        if (sorted[i].value.n == 0 || is_one_of(sorted[i].key, except))
            continue;
        struct str name = label_name(arena, prefix, sorted[i].key);
        struct str value = sorted[i].value, first = labels_builder_get(b, name);
        labels_builder_set(b, name, first.n > 0 ? join(arena, first, STR(";"), value) : value);
    }
}

static void set_all(struct labels_builder *b, struct labels labels)
{
    for (size_t i = 0; i < labels.n; i++)
        labels_builder_set(b, labels.v[i].name, labels.v[i].value);
}

static const char *build(struct labels_builder *b, struct labels *out)
{
    size_t size_bytes = 0;
    *out = labels_build(b);
    for (size_t i = 0; i < out->n; i++)
        size_bytes += out->v[i].name.n + out->v[i].value.n;
    return size_bytes > OTLP_MAX_LABEL_BYTES ? "its labels are over 64 KiB" : NULL;
}

static struct str attribute(const struct otlp_attributes *attributes, const char *key)
{
    for (size_t i = 0; i < attributes->n; i++) {
        if (str_is(attributes->v[i].key, key))
            return attributes->v[i].value;
    }
    return STR("");
}

static struct str job_of(struct arena *arena, const struct otlp_attributes *attributes)
{
    struct str service = attribute(attributes, "service.name");
    struct str namespace = attribute(attributes, "service.namespace");
    if (service.n == 0 || namespace.n == 0)
        return service;
    return join(arena, namespace, STR("/"), service);
}

/* target_info names the resource's other attributes, if there are any and it can be told whose. */
const char *otlp_resource_labels(struct arena *arena, const struct otlp_attributes *attributes,
                                 struct otlp_resource *out, struct labels *target_info)
{
    static const char *const identifying[] = {"service.name", "service.namespace",
                                              "service.instance.id", NULL};
    struct labels_builder b;
    const char *refused = check_attributes(attributes);
    *target_info = (struct labels){0, NULL};
    if (refused)
        return refused;
    labels_builder_init(&b, arena);
    labels_builder_set(&b, STR("job"), job_of(arena, attributes));
    labels_builder_set(&b, STR("instance"), attribute(attributes, "service.instance.id"));
    if ((refused = build(&b, &out->identity)) != NULL)
        return refused;
    out->version = attribute(attributes, "service.version");

    struct labels_builder info;
    labels_builder_init(&info, arena);
    add_attributes(&info, arena, STR(""), attributes, identifying);
    if (info.n == 0 || out->identity.n == 0)
        return NULL;
    set_all(&info, out->identity);
    labels_builder_set(&info, STR(LABEL_NAME), STR("target_info"));
    return build(&info, target_info);
}

const char *otlp_scope_build(struct arena *arena, const struct otlp_scope *scope,
                             struct labels *out)
{
    static const char *const own[] = {"name", "version", "schema_url", NULL};
    struct labels_builder b;
    const char *refused = check_attributes(&scope->attributes);
    if (!refused && !(str_is_utf8(scope->name) && str_is_utf8(scope->version) &&
                      str_is_utf8(scope->schema_url)))
        refused = "its scope is not UTF-8";
    if (refused)
        return refused;
    labels_builder_init(&b, arena);
    add_attributes(&b, arena, STR("otel_scope_"), &scope->attributes, own);
    labels_builder_set(&b, STR("otel_scope_name"), scope->name);
    labels_builder_set(&b, STR("otel_scope_version"), scope->version);
    labels_builder_set(&b, STR("otel_scope_schema_url"), scope->schema_url);
    return build(&b, out);
}

/* The name and the bound are the caller's to add. */
const char *otlp_series_labels(struct arena *arena, const struct otlp_family *f,
                               const struct otlp_attributes *attributes, struct labels *out)
{
    static const char *const none[] = {NULL};
    struct labels_builder b;
    const char *refused = check_attributes(attributes);
    if (refused)
        return refused;
    labels_builder_init(&b, arena);
    add_attributes(&b, arena, STR(""), attributes, none);
    set_all(&b, f->scope->labels);
    set_all(&b, f->scope->resource->identity);
    if (labels_builder_get(&b, STR("version")).n == 0)
        labels_builder_set(&b, STR("version"), f->scope->resource->version);
    return build(&b, out);
}
