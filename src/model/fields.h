/* fields.h -- structures of plain data as JSON objects, by a table of their fields. Private to
 * model/. One table serves both directions, so what is written can always be read back. */
#ifndef CQED_MODEL_FIELDS_H
#define CQED_MODEL_FIELDS_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"

enum field_type {
    FIELD_DOUBLE, /* NaN and infinities as json_from_double */
    FIELD_I64,
    FIELD_INT,
    FIELD_U32,
    FIELD_BOOL,
    FIELD_TEXT,          /* const char *; never NULL */
    FIELD_OPTIONAL_TEXT, /* const char *; NULL is null */
    FIELD_NAME           /* an enum, as the name of its value */
};

struct field {
    const char *key;
    enum field_type type;
    size_t offset;
    const char *const *names; /* FIELD_NAME: the values' names in order */
    size_t n_names;
};

#define FIELD(struct_type, member, json_key, type)                                                 \
    {                                                                                              \
        json_key, type, offsetof(struct struct_type, member), NULL, 0                              \
    }
#define FIELD_ENUM(struct_type, member, json_key, names)                                           \
    {                                                                                              \
        json_key, FIELD_NAME, offsetof(struct struct_type, member), names, FIELDS_COUNT(names)     \
    }
#define FIELDS_COUNT(array) (sizeof(array) / sizeof *(array))

/* A new object with every field; the caller owns it and may add what no table says. */
json_t *fields_to_json(const struct field *, size_t n, const void *object);

/* Fill the fields of *object; strings are copied into the arena. Absent or of another type:
 * ERR_BAD_INPUT naming `what` and the key. */
bool fields_from_json(const struct field *, size_t n, struct arena *, const json_t *,
                      const char *what, void *object, struct err *);

/* Never fails: out of memory stops the process. */
void object_set(json_t *object, const char *key, json_t *value);
json_t *new_array(void);
void array_add(json_t *array, json_t *value);

/* The array under key, or NULL with an error naming `what`. */
const json_t *need_array(const json_t *, const char *key, const char *what, struct err *);
const json_t *need_object(const json_t *, const char *key, const char *what, struct err *);

/* The index of a name in a table; false when it is none. */
bool name_index(const char *const *names, size_t n, const char *name, int *out);

#endif
