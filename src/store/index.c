#include "store/index.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

/* A string that lives as long as the object in front of it. */
static struct str copy_behind(void *object, size_t object_bytes, struct str s)
{
    char *text = (char *)object + object_bytes;
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    return str_make(text, s.n);
}

void index_init(struct index *x)
{
    x->names = map_new();
}

static void free_name(struct index_name *name)
{
    struct str key;
    void *value;
    for (size_t i = 0; map_next(name->values, &i, &key, &value);) {
        free(((struct postings *)value)->refs);
        free(value);
    }
    map_free(name->values);
    free(name);
}

void index_release(struct index *x)
{
    struct str key;
    void *value;
    for (size_t i = 0; map_next(x->names, &i, &key, &value);)
        free_name(value);
    map_free(x->names);
}

static struct index_name *make_name(struct index *x, struct str text)
{
    struct index_name *name = map_get(x->names, text);
    if (name)
        return name;
    name = mem_zalloc(sizeof *name + text.n + 1);
    name->name = copy_behind(name, sizeof *name, text);
    name->values = map_new();
    (void)map_set(x->names, text, name);
    return name;
}

static struct postings *make_postings(struct index_name *name, struct str value)
{
    struct postings *p = map_get(name->values, value);
    if (p)
        return p;
    p = mem_zalloc(sizeof *p + value.n + 1);
    p->value = copy_behind(p, sizeof *p, value);
    (void)map_set(name->values, value, p);
    return p;
}

static void push(struct postings *p, uint32_t ref)
{
    CHECK(p->n == 0 || p->refs[p->n - 1] < ref);
    if (p->n == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 1;
        p->refs = mem_resize(p->refs, p->capacity, sizeof *p->refs);
    }
    p->refs[p->n++] = ref;
}

void index_add(struct index *x, struct labels labels, uint32_t ref, struct label *own)
{
    for (size_t i = 0; i < labels.n; i++) {
        struct index_name *name = make_name(x, labels.v[i].name);
        struct postings *p = make_postings(name, labels.v[i].value);
        push(p, ref);
        own[i] = (struct label){name->name, p->value};
    }
}

const struct index_name *index_find_name(const struct index *x, struct str name)
{
    return map_get(x->names, name);
}

const struct postings *index_find(const struct index *x, struct str name, struct str value)
{
    const struct index_name *n = index_find_name(x, name);
    return n ? map_get(n->values, value) : NULL;
}
