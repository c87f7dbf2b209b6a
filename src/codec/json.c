#include "codec/json.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>

#define MAX_DEPTH 64

/* --- Reading --- */

/* jansson recurses without a bound of ours, so depth is checked before it sees the text. Brackets
 * inside strings do not count; malformed text is left to jansson. */
static bool depth_is_bounded(struct str text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH)
                return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

static void decref(void *value)
{
    json_decref(value);
}

json_t *json_own(struct arena *arena, json_t *value)
{
    if (!value)
        check_no_memory(sizeof(json_t *));
    arena_on_release(arena, decref, value);
    return value;
}

static json_t *load(struct str text, json_error_t *why)
{
    return json_loadb(text.n ? text.p : "", text.n,
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, why);
}

/* How many bytes at text.p + i are a whole number, and whether it is beyond int64_t. */
static size_t whole_number(struct str text, size_t i, bool *is_wide)
{
    int64_t ignored;
    size_t n = text.p[i] == '-';
    while (i + n < text.n && text.p[i + n] >= '0' && text.p[i + n] <= '9')
        n++;
    char next = i + n < text.n ? text.p[i + n] : ' ';
    *is_wide = n > 1 && next != '.' && next != 'e' && next != 'E' &&
               !num_parse_i64(str_make(text.p + i, n), &ignored);
    return n;
}

/* The same text with ".0" behind every whole number beyond int64_t: such a number is a double
 * (canonical form writes 1e20 in digits), and jansson refuses it otherwise. */
static void widen(struct str text, struct buf *out)
{
    bool in_string = false;
    for (size_t i = 0; i < text.n;) {
        char c = text.p[i];
        bool is_wide = false;
        size_t n = 1;
        if (in_string && c == '\\')
            n = i + 1 < text.n ? 2 : 1;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '-' || (c >= '0' && c <= '9')))
            n = whole_number(text, i, &is_wide);
        buf_add(out, text.p + i, n);
        if (is_wide)
            buf_add_cstr(out, ".0");
        i += n;
    }
}

static json_t *load_widened(struct str text, json_error_t *why)
{
    struct buf wide = BUF_INIT;
    widen(text, &wide);
    json_t *value = load(buf_str(&wide), why);
    buf_release(&wide);
    return value;
}

json_t *json_parse(struct arena *arena, struct str text, struct err *err)
{
    json_error_t why;
    if (!depth_is_bounded(text)) {
        err_set(err, ERR_LIMIT, "JSON is nested deeper than %d", MAX_DEPTH);
        return NULL;
    }
    json_t *value = load(text, &why);
    if (!value && json_error_code(&why) == json_error_numeric_overflow)
        value = load_widened(text, &why);
    if (!value) {
        err_set(err, ERR_BAD_INPUT, "JSON line %d, column %d: %s", why.line, why.column, why.text);
        return NULL;
    }
    return json_own(arena, value);
}

const char *json_get_cstr(const json_t *object, const char *key, const char *fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t json_get_i64(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}

double json_get_double(const json_t *object, const char *key, double fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *v = json_object_get(object, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

json_t *json_from_double(double v)
{
    json_t *json;
    if (isnan(v))
        json = json_string("NaN");
    else if (isinf(v))
        json = json_string(v > 0 ? "+Inf" : "-Inf");
    else
        json = json_real(v);
    if (!json)
        check_no_memory(sizeof v);
    return json;
}

double json_to_double(const json_t *json, double fallback)
{
    double v;
    if (json_is_number(json))
        return json_number_value(json);
    if (json_is_string(json) && num_parse_double(str_from(json_string_value(json)), &v) &&
        !isfinite(v))
        return v;
    return fallback;
}

/* --- Canonical form --- */

/* How many bytes of s from i on are one valid UTF-8 character; 0 = none. */
static size_t character_bytes(struct str s, size_t i)
{
    for (size_t n = 1; n <= 4 && i + n <= s.n; n++) {
        if (str_is_utf8(str_make(s.p + i, n)))
            return n;
    }
    return 0;
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char shorts[] = "btn\0fr"; /* for 8..13; 11 has none */
    if (c == '"' || c == '\\') {
        buf_add_char(out, '\\');
        buf_add_char(out, (char)c);
    } else if (c >= 8 && c <= 13 && shorts[c - 8]) {
        buf_add_char(out, '\\');
        buf_add_char(out, shorts[c - 8]);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

void json_add_string(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\') {
            add_escaped(out, c);
            i++;
        } else if (c < 0x80) {
            buf_add_char(out, (char)c);
            i++;
        } else {
            size_t n = character_bytes(s, i);
            if (n > 0)
                buf_add(out, s.p + i, n);
            else
                buf_add_cstr(out, "\xef\xbf\xbd");
            i += n ? n : 1;
        }
    }
    buf_add_char(out, '"');
}

static int compare_keys(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

static void canonical_object(const json_t *object, struct buf *out)
{
    size_t n = 0, count = json_object_size(object);
    const char **keys = malloc((count + 1) * sizeof *keys);
    if (!keys)
        check_no_memory(count * sizeof *keys);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        keys[n++] = key;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    buf_add_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_add_string(out, str_from(keys[i]));
        buf_add_char(out, ':');
        json_canonical(json_object_get(object, keys[i]), out);
    }
    buf_add_char(out, '}');
    free(keys);
}

static void canonical_array(const json_t *array, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_canonical(json_array_get(array, i), out);
    }
    buf_add_char(out, ']');
}

/* A whole double is written like the integer of the same value, and -0 as 0; an exponent has no
 * leading zero (RFC 8785 section 3.2.2.3, after ECMAScript): reading the text back gives the same
 * text, here and in a browser. */
static void canonical_real(double v, struct buf *out)
{
    size_t start = out->n;
    num_add_json(out, v == 0 ? 0.0 : v);
    char *e = memchr(out->p + start, 'e', out->n - start);
    if (!e || e[2] != '0')
        return;
    memmove(e + 2, e + 3, strlen(e + 3) + 1);
    out->n--;
}

void json_canonical(const json_t *value, struct buf *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        canonical_object(value, out);
        break;
    case JSON_ARRAY:
        canonical_array(value, out);
        break;
    case JSON_STRING:
        json_add_string(out, str_make(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        buf_printf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        canonical_real(json_real_value(value), out);
        break;
    case JSON_TRUE:
        buf_add_cstr(out, "true");
        break;
    case JSON_FALSE:
        buf_add_cstr(out, "false");
        break;
    case JSON_NULL:
        buf_add_cstr(out, "null");
        break;
    }
}

/* --- Streaming writer --- */

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){out, 0, false};
}

void json_writer_end(struct json_writer *w)
{
    CHECK(w->depth == 0);
}

static void before_value(struct json_writer *w)
{
    if (w->need_comma)
        buf_add_char(w->out, ',');
    w->need_comma = true;
}

static void open_with(struct json_writer *w, char c)
{
    before_value(w);
    buf_add_char(w->out, c);
    w->need_comma = false;
    w->depth++;
}

static void close_with(struct json_writer *w, char c)
{
    CHECK(w->depth > 0);
    buf_add_char(w->out, c);
    w->need_comma = true;
    w->depth--;
}

void json_open_object(struct json_writer *w)
{
    open_with(w, '{');
}

void json_close_object(struct json_writer *w)
{
    close_with(w, '}');
}

void json_open_array(struct json_writer *w)
{
    open_with(w, '[');
}

void json_close_array(struct json_writer *w)
{
    close_with(w, ']');
}

void json_key_str(struct json_writer *w, struct str key)
{
    before_value(w);
    json_add_string(w->out, key);
    buf_add_char(w->out, ':');
    w->need_comma = false;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_str(w, str_from(key));
}

void json_put_str(struct json_writer *w, struct str s)
{
    before_value(w);
    json_add_string(w->out, s);
}

void json_put_cstr(struct json_writer *w, const char *cstr)
{
    if (cstr)
        json_put_str(w, str_from(cstr));
    else
        json_put_null(w);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_printf(w->out, "%lld", (long long)v);
}

void json_put_double(struct json_writer *w, double v)
{
    before_value(w);
    bool finite = isfinite(v);
    if (!finite)
        buf_add_char(w->out, '"');
    num_add_double(w->out, v);
    if (!finite)
        buf_add_char(w->out, '"');
}

void json_put_bool(struct json_writer *w, bool v)
{
    before_value(w);
    buf_add_cstr(w->out, v ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    before_value(w);
    buf_add_cstr(w->out, "null");
}

void json_put_value(struct json_writer *w, const json_t *value)
{
    before_value(w);
    json_canonical(value, w->out);
}

void json_put_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_add_str(w->out, json);
}
