#include "model/fields.h"

#include <math.h>

void object_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(object, key, value) != 0)
        check_no_memory(sizeof value);
}

json_t *new_array(void)
{
    json_t *array = json_array();
    if (!array)
        check_no_memory(sizeof array);
    return array;
}

void array_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        check_no_memory(sizeof value);
}

static const void *member(const struct field *f, const void *object)
{
    return (const char *)object + f->offset;
}

/* Members are reached through memcpy: the table knows their types, the compiler does not. */
#define READ_MEMBER(type, f, object, name)                                                         \
    type name;                                                                                     \
    memcpy(&name, member(f, object), sizeof name)

static json_t *text_or_null(const char *text)
{
    return text ? json_string_nocheck(text) : json_null();
}

static json_t *member_to_json(const struct field *f, const void *object)
{
    switch (f->type) {
    case FIELD_DOUBLE: {
        READ_MEMBER(double, f, object, v);
        return json_from_double(v);
    }
    case FIELD_I64: {
        READ_MEMBER(int64_t, f, object, v);
        return json_integer(v);
    }
    case FIELD_INT: {
        READ_MEMBER(int, f, object, v);
        return json_integer(v);
    }
    case FIELD_U32: {
        READ_MEMBER(uint32_t, f, object, v);
        return json_integer(v);
    }
    case FIELD_BOOL: {
        READ_MEMBER(bool, f, object, v);
        return json_boolean(v);
    }
    case FIELD_TEXT:
    case FIELD_OPTIONAL_TEXT: {
        READ_MEMBER(const char *, f, object, v);
        CHECK(v || f->type == FIELD_OPTIONAL_TEXT);
        return text_or_null(v);
    }
    case FIELD_NAME: {
        READ_MEMBER(int, f, object, v);
        CHECK(v >= 0 && (size_t)v < f->n_names);
        return json_string_nocheck(f->names[v]);
    }
    }
    return NULL;
}

json_t *fields_to_json(const struct field *fields, size_t n, const void *object)
{
    json_t *json = json_object();
    if (!json)
        check_no_memory(sizeof json);
    for (size_t i = 0; i < n; i++)
        object_set(json, fields[i].key, member_to_json(&fields[i], object));
    return json;
}

bool name_index(const char *const *names, size_t n, const char *name, int *out)
{
    for (size_t i = 0; name && i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (int)i;
            return true;
        }
    }
    return false;
}

static bool whole_from_json(const struct field *f, const json_t *v, void *to)
{
    if (!json_is_integer(v))
        return false;
    int64_t wide = json_integer_value(v);
    int narrow = (int)wide;
    uint32_t natural = (uint32_t)wide;
    if (f->type == FIELD_I64)
        memcpy(to, &wide, sizeof wide);
    else if (f->type == FIELD_INT && narrow == wide)
        memcpy(to, &narrow, sizeof narrow);
    else if (f->type == FIELD_U32 && natural == wide)
        memcpy(to, &natural, sizeof natural);
    else
        return false;
    return true;
}

static bool text_from_json(const struct field *f, struct arena *arena, const json_t *v, void *to)
{
    const char *text = NULL;
    if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v))
        text = arena_strdup(arena, json_string_value(v));
    else if (f->type == FIELD_TEXT || !json_is_null(v))
        return false;
    memcpy(to, &text, sizeof text);
    return true;
}

static bool double_from_json(const json_t *v, void *to)
{
    double d = json_to_double(v, 0);
    if (d == 0 && !json_is_number(v))
        return false;
    memcpy(to, &d, sizeof d);
    return true;
}

static bool member_from_json(const struct field *f, struct arena *arena, const json_t *v, void *to)
{
    int index;
    bool yes = json_is_true(v);
    switch (f->type) {
    case FIELD_DOUBLE:
        return double_from_json(v, to);
    case FIELD_I64:
    case FIELD_INT:
    case FIELD_U32:
        return whole_from_json(f, v, to);
    case FIELD_BOOL:
        memcpy(to, &yes, sizeof yes);
        return json_is_boolean(v);
    case FIELD_TEXT:
    case FIELD_OPTIONAL_TEXT:
        return text_from_json(f, arena, v, to);
    case FIELD_NAME:
        if (!name_index(f->names, f->n_names, json_string_value(v), &index))
            return false;
        memcpy(to, &index, sizeof index);
        return true;
    }
    return false;
}

bool fields_from_json(const struct field *fields, size_t n, struct arena *arena, const json_t *json,
                      const char *what, void *object, struct err *err)
{
    if (!json_is_object(json))
        return err_set(err, ERR_BAD_INPUT, "%s is not a JSON object", what);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(json, fields[i].key);
        if (!v || !member_from_json(&fields[i], arena, v, (char *)object + fields[i].offset))
            return err_set(err, ERR_BAD_INPUT, "%s: \"%s\" is %s", what, fields[i].key,
                           v ? "not of its type" : "missing");
    }
    return true;
}

const json_t *need_array(const json_t *json, const char *key, const char *what, struct err *err)
{
    const json_t *v = json_object_get(json, key);
    if (json_is_array(v))
        return v;
    err_set(err, ERR_BAD_INPUT, "%s: \"%s\" is not an array", what, key);
    return NULL;
}

const json_t *need_object(const json_t *json, const char *key, const char *what, struct err *err)
{
    const json_t *v = json_object_get(json, key);
    if (json_is_object(v))
        return v;
    err_set(err, ERR_BAD_INPUT, "%s: \"%s\" is not an object", what, key);
    return NULL;
}
