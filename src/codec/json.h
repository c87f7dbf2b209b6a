/* json.h -- JSON for control data. Values are jansson's json_t (json_decref them, or let an arena
 * do it); this adds bounded parsing with a place in the error, one canonical form for hashing, and
 * a streaming writer for large answers. Hot telemetry paths do not come here. */
#ifndef CQED_CODEC_JSON_H
#define CQED_CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

/* Parse one JSON text (RFC 8259): duplicate keys, trailing bytes and depth over 64 are errors with
 * line and column. Whole numbers beyond int64_t are doubles. The value belongs to the arena: no
 * decref. NULL on failure. */
json_t *json_parse(struct arena *, struct str text, struct err *);

/* Let the arena own a value made by jansson; returns it. */
json_t *json_own(struct arena *, json_t *);

/* Canonical form: RFC 8785 (JCS) with UTF-8 bytewise key order: no white space, keys sorted,
 * doubles as the shortest round-trip text (num.h), integers as integers, in full beyond 2^53 too.
 * Equal values give equal bytes; reading them gives them again. */
void json_canonical(const json_t *, struct buf *out);

/* Typed look-ups in an object: the value, or the fallback when the key is absent or of another
 * type. */
const char *json_get_cstr(const json_t *object, const char *key, const char *fallback);
int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback);
double json_get_double(const json_t *object, const char *key, double fallback); /* ints too */
bool json_get_bool(const json_t *object, const char *key, bool fallback);

/* A double that may not be finite, and back: finite numbers as numbers, "NaN", "+Inf", "-Inf" as
 * text. */
json_t *json_from_double(double);
double json_to_double(const json_t *, double fallback);

/* The streaming writer appends to a buffer; it puts the commas. Nesting is the caller's duty and is
 * CHECKed by json_writer_end. */
struct json_writer {
    struct buf *out;
    int depth;
    bool need_comma;
};

void json_writer_init(struct json_writer *, struct buf *out);
void json_open_object(struct json_writer *);
void json_close_object(struct json_writer *);
void json_open_array(struct json_writer *);
void json_close_array(struct json_writer *);
void json_key(struct json_writer *, const char *key);
void json_key_str(struct json_writer *, struct str key);
void json_put_str(struct json_writer *, struct str);    /* invalid UTF-8 becomes U+FFFD */
void json_put_cstr(struct json_writer *, const char *); /* NULL writes null */
void json_put_i64(struct json_writer *, int64_t);
void json_put_double(struct json_writer *, double); /* non-finite: as json_from_double */
void json_put_bool(struct json_writer *, bool);
void json_put_null(struct json_writer *);
void json_put_value(struct json_writer *, const json_t *); /* any jansson value, compact */
void json_put_raw(struct json_writer *, struct str json);  /* trusted, already JSON */
void json_writer_end(struct json_writer *);

/* One string with its quotes and escapes. */
void json_add_string(struct buf *, struct str);

#endif
