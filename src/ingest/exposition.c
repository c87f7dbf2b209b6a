#include "ingest/exposition.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>

#define EXCERPT_BYTES 40

/* --- Bytes --- */

enum { BLANK = 1, NAME_START = 2, NAME = 4, COLON = 8, ENDS_TOKEN = 16 };

static const unsigned char classes[256] = {
    ['\t'] = BLANK | ENDS_TOKEN,
    [' '] = BLANK | ENDS_TOKEN,
    ['\n'] = ENDS_TOKEN,
    [':'] = COLON,
    ['_'] = NAME_START | NAME,
    ['0' ... '9'] = NAME,
    ['a' ... 'z'] = NAME_START | NAME,
    ['A' ... 'Z'] = NAME_START | NAME,
};

static inline bool is(char c, int which)
{
    return classes[(unsigned char)c] & which;
}

static inline void skip_blanks(struct exposition *e)
{
    while (e->p < e->end && is(*e->p, BLANK))
        e->p++;
}

static const char *line_end(const struct exposition *e)
{
    const char *newline = memchr(e->p, '\n', (size_t)(e->end - e->p));
    return newline ? newline : e->end;
}

/* What is found at p, for a message. */
static struct str excerpt(const struct exposition *e)
{
    size_t n = (size_t)(line_end(e) - e->p);
    return str_make(e->p, n < EXCERPT_BYTES ? n : EXCERPT_BYTES);
}

static bool unexpected(const struct exposition *e, const char *expected, struct err *err)
{
    struct str found = excerpt(e);
    if (found.n == 0)
        return err_set(err, ERR_BAD_INPUT, "line %zu: expected %s, found the end of the line",
                       e->line, expected);
    return err_set(err, ERR_BAD_INPUT, "line %zu: expected %s, found '" STR_FMT "'", e->line,
                   expected, STR_ARG(found));
}

static bool is_openmetrics(const struct exposition *e)
{
    return e->format == EXPOSITION_OPENMETRICS_1;
}

/* --- Lines --- */

void exposition_init(struct exposition *e, enum exposition_format format, struct str text,
                     struct arena *arena, struct exposition_key *room)
{
    const char *p = text.n > 0 ? text.p : "";
    *e = (struct exposition){.format = format,
                             .p = p,
                             .end = p + text.n,
                             .line = 1,
                             .family = STR(""),
                             .type = STR(""),
                             .arena = arena,
                             .key = room};
}

static bool end_of_text(const struct exposition *e, struct err *err)
{
    if (is_openmetrics(e) && !e->eof)
        return err_set(err, ERR_BAD_INPUT,
                       "line %zu: the text ends without \"# EOF\"; it may be cut off", e->line);
    return true;
}

bool exposition_next(struct exposition *e, enum exposition_line *kind, struct err *err)
{
    for (;;) {
        if (!is_openmetrics(e))
            skip_blanks(e);
        if (e->p == e->end) {
            *kind = EXPOSITION_END;
            return end_of_text(e, err);
        }
        if (e->eof)
            return unexpected(e, "nothing behind \"# EOF\"", err);
        if (*e->p != '\n') {
            *kind = *e->p == '#' ? EXPOSITION_COMMENT : EXPOSITION_SERIES;
            return true;
        }
        if (is_openmetrics(e))
            return err_set(err, ERR_BAD_INPUT,
                           "line %zu: an empty line is not allowed in OpenMetrics", e->line);
        e->p++;
        e->line++;
    }
}

struct str exposition_peek_line(const struct exposition *e)
{
    return str_make(e->p, (size_t)(line_end(e) - e->p));
}

static bool check_length(const struct exposition *e, size_t n, struct err *err)
{
    if (n > EXPOSITION_MAX_LINE_BYTES)
        return err_set(err, ERR_LIMIT, "line %zu: it has %zu bytes, the limit is %zu", e->line, n,
                       EXPOSITION_MAX_LINE_BYTES);
    return true;
}

/* --- Quoted text --- */

/* \\, \" and \n; another character behind a backslash stands for both, as in Prometheus. */
static struct str unescape(struct arena *arena, struct str s)
{
    char *out = arena_alloc(arena, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\0';
        if (c != '\\' || (next != '\\' && next != '"' && next != 'n')) {
            out[n++] = c;
            continue;
        }
        out[n++] = next == 'n' ? '\n' : next;
        i++;
    }
    return str_make(out, n);
}

/* At a quote: the text inside, up to the closing quote on the same line. */
static bool read_quoted(struct exposition *e, const char *what, struct str *out, struct err *err)
{
    const char *begin = ++e->p;
    bool escaped = false;
    for (; e->p < e->end && *e->p != '"' && *e->p != '\n'; e->p++) {
        if (*e->p != '\\')
            continue;
        escaped = true;
        if (e->p + 1 < e->end && e->p[1] != '\n')
            e->p++;
    }
    if (e->p == e->end || *e->p != '"')
        return err_set(err, ERR_BAD_INPUT, "line %zu: %s has no closing quote", e->line, what);
    *out = str_make(begin, (size_t)(e->p++ - begin));
    if (!str_is_utf8(*out))
        return err_set(err, ERR_BAD_INPUT, "line %zu: %s is not valid UTF-8", e->line, what);
    if (escaped)
        *out = unescape(e->arena, *out);
    return true;
}

/* --- Names and labels --- */

static struct str read_plain_name(struct exposition *e, int more)
{
    const char *begin = e->p;
    if (e->p < e->end && is(*e->p, NAME_START | more)) {
        while (e->p < e->end && is(*e->p, NAME | more))
            e->p++;
    }
    return str_make(begin, (size_t)(e->p - begin));
}

static bool set_name(const struct exposition *e, struct exposition_key *key, struct str name,
                     struct err *err)
{
    if (key->name.n > 0)
        return err_set(err, ERR_BAD_INPUT,
                       "line %zu: a second metric name, '" STR_FMT "' after '" STR_FMT "'", e->line,
                       STR_ARG(name), STR_ARG(key->name));
    key->name = name;
    return true;
}

static bool read_label_name(struct exposition *e, bool quoted, struct str *name, struct err *err)
{
    if (quoted) {
        if (!read_quoted(e, "the name in quotes", name, err))
            return false;
    } else {
        *name = read_plain_name(e, 0);
    }
    return name->n > 0 || unexpected(e, quoted ? "a name that is not empty" : "a label name", err);
}

static bool add_label(const struct exposition *e, struct exposition_key *key, struct str name,
                      struct str value, struct err *err)
{
    if (str_is(name, LABEL_NAME))
        return set_name(e, key, value, err);
    if (key->n == EXPOSITION_MAX_LABELS)
        return err_set(err, ERR_LIMIT, "line %zu: the series has over %d labels", e->line,
                       EXPOSITION_MAX_LABELS);
    key->labels[key->n++] = (struct label){name, value};
    return true;
}

/* One `name="value"`, or the metric's name in quotes. */
static bool read_label(struct exposition *e, struct exposition_key *key, struct err *err)
{
    struct str name, value;
    bool quoted = *e->p == '"';
    if (!read_label_name(e, quoted, &name, err))
        return false;
    skip_blanks(e);
    if (quoted && e->p < e->end && (*e->p == ',' || *e->p == '}'))
        return set_name(e, key, name, err);
    if (e->p == e->end || *e->p != '=')
        return unexpected(e, "'=' behind a label name", err);
    e->p++;
    skip_blanks(e);
    if (e->p == e->end || *e->p != '"')
        return unexpected(e, "a label value in quotes", err);
    return read_quoted(e, "the label value", &value, err) && add_label(e, key, name, value, err);
}

static int compare_names(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    return str_cmp(a->name, b->name);
}

static bool sort_labels(const struct exposition *e, struct exposition_key *key, struct err *err)
{
    struct label *v = key->labels;
    bool sorted = true;
    for (size_t i = 1; i < key->n; i++)
        sorted = sorted && str_cmp(v[i - 1].name, v[i].name) < 0;
    if (sorted)
        return true;
    qsort(v, key->n, sizeof *v, compare_names);
    for (size_t i = 1; i < key->n; i++) {
        if (str_eq(v[i - 1].name, v[i].name))
            return err_set(err, ERR_BAD_INPUT, "line %zu: label '" STR_FMT "' is there twice",
                           e->line, STR_ARG(v[i].name));
    }
    return true;
}

/* At an opening brace: to behind the closing one. */
static bool read_labels(struct exposition *e, struct exposition_key *key, struct err *err)
{
    e->p++;
    for (;;) {
        skip_blanks(e);
        if (e->p < e->end && *e->p == '}')
            break;
        if (e->p == e->end || *e->p == '\n')
            return unexpected(e, "'}' behind the labels", err);
        if (!read_label(e, key, err))
            return false;
        skip_blanks(e);
        if (e->p < e->end && *e->p == ',')
            e->p++;
        else if (e->p == e->end || *e->p != '}')
            return unexpected(e, "',' or '}' behind a label", err);
    }
    e->p++;
    return sort_labels(e, key, err);
}

bool exposition_read_key(struct exposition *e, struct exposition_key *key, struct err *err)
{
    const char *begin = e->p;
    if (!check_length(e, (size_t)(line_end(e) - begin), err))
        return false;
    key->n = 0;
    key->name = read_plain_name(e, COLON);
    if (key->name.n == 0 && *e->p != '{')
        return unexpected(e, "a metric name", err);
    const char *behind_name = e->p;
    if (!is_openmetrics(e))
        skip_blanks(e);
    if (e->p < e->end && *e->p == '{') {
        if (!read_labels(e, key, err))
            return false;
    } else {
        e->p = behind_name;
    }
    if (key->name.n == 0)
        return err_set(err, ERR_BAD_INPUT, "line %zu: the series has no metric name", e->line);
    key->bytes = str_make(begin, (size_t)(e->p - begin));
    return true;
}

/* --- Values --- */

static struct str read_token(struct exposition *e)
{
    const char *begin = e->p;
    while (e->p < e->end && !is(*e->p, ENDS_TOKEN))
        e->p++;
    return str_make(begin, (size_t)(e->p - begin));
}

/* A whole number of up to 15 digits is exact and most of what is there. */
static inline bool read_small_integer(struct exposition *e, double *v)
{
    const char *p = e->p;
    uint64_t n = 0;
    while (p < e->end && *p >= '0' && *p <= '9' && p - e->p < 16)
        n = n * 10 + (uint64_t)(*p++ - '0');
    size_t digits = (size_t)(p - e->p);
    if (digits == 0 || digits > 15 || (p < e->end && !is(*p, ENDS_TOKEN)))
        return false;
    *v = (double)n;
    e->p = p;
    return true;
}

/* Hexadecimal floats are not part of the formats. */
static bool read_number(struct exposition *e, const char *what, double *v, struct err *err)
{
    if (read_small_integer(e, v))
        return true;
    const char *begin = e->p;
    struct str token = read_token(e);
    if (token.n > 0 && !memchr(token.p, 'x', token.n) && !memchr(token.p, 'X', token.n) &&
        num_parse_double(token, v))
        return true;
    e->p = begin;
    return unexpected(e, what, err);
}

static bool read_milliseconds(struct exposition *e, int64_t *t_ms, struct err *err)
{
    const char *begin = e->p;
    if (num_parse_i64(read_token(e), t_ms) && *t_ms != EXPOSITION_NO_TIME)
        return true;
    e->p = begin;
    return unexpected(e, "a timestamp in whole milliseconds", err);
}

static bool read_seconds(struct exposition *e, int64_t *t_ms, struct err *err)
{
    const char *begin = e->p;
    double seconds;
    if (!read_number(e, "a timestamp in seconds", &seconds, err))
        return false;
    if (!(fabs(seconds) < EXPOSITION_SECONDS_END)) {
        e->p = begin;
        return unexpected(e, "a timestamp in seconds that is finite and small enough", err);
    }
    *t_ms = llround(seconds * 1000);
    return true;
}

static bool end_line(struct exposition *e, struct err *err)
{
    if (e->p < e->end && *e->p != '\n')
        return unexpected(e, "the end of the line", err);
    if (e->p < e->end)
        e->p++;
    e->line++;
    return true;
}

static bool take_space(struct exposition *e)
{
    bool there = e->p < e->end && *e->p == ' ';
    e->p += there;
    return there;
}

/* At '#': `# {labels} value [seconds]`. */
static bool read_exemplar(struct exposition *e, struct err *err)
{
    e->has_exemplar = true;
    e->exemplar_t_ms = EXPOSITION_NO_TIME;
    e->p++;
    if (!take_space(e) || e->p == e->end || *e->p != '{')
        return unexpected(e, "' {' and the labels of an exemplar", err);
    e->key->n = 0;
    e->key->name = STR("");
    if (!read_labels(e, e->key, err))
        return false;
    if (e->key->name.n > 0)
        return err_set(err, ERR_BAD_INPUT, "line %zu: an exemplar with a metric name", e->line);
    if (!take_space(e))
        return unexpected(e, "a space and an exemplar's value", err);
    if (!read_number(e, "an exemplar's value", &e->exemplar_v, err))
        return false;
    return !take_space(e) || read_seconds(e, &e->exemplar_t_ms, err);
}

static bool read_openmetrics_value(struct exposition *e, double *v, int64_t *t_ms, struct err *err)
{
    if (!take_space(e))
        return unexpected(e, "one space and a value", err);
    if (!read_number(e, "a value", v, err))
        return false;
    bool more = take_space(e);
    if (more && (e->p == e->end || *e->p != '#')) {
        if (!read_seconds(e, t_ms, err))
            return false;
        more = take_space(e);
    }
    if (more && (e->p == e->end || *e->p != '#'))
        return unexpected(e, "an exemplar", err);
    if (more && (!check_length(e, (size_t)(line_end(e) - e->p), err) || !read_exemplar(e, err)))
        return false;
    return end_line(e, err);
}

bool exposition_read_value(struct exposition *e, double *v, int64_t *t_ms, struct err *err)
{
    *t_ms = EXPOSITION_NO_TIME;
    e->has_exemplar = false;
    if (is_openmetrics(e))
        return read_openmetrics_value(e, v, t_ms, err);
    if (e->p < e->end && !is(*e->p, ENDS_TOKEN) && e->p[-1] != '}')
        return unexpected(e, "a blank behind the metric name", err);
    skip_blanks(e);
    if (!read_number(e, "a value", v, err))
        return false;
    skip_blanks(e);
    if (e->p < e->end && *e->p != '\n') {
        if (!read_milliseconds(e, t_ms, err))
            return false;
        skip_blanks(e);
    }
    return end_line(e, err);
}
