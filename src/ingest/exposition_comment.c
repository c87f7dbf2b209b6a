/* Comments of exposition text, and the whole of a text in one call. */
#include "ingest/exposition.h"

#include <math.h>
#include <stdlib.h>

static const char *const types[] = {"counter", "gauge",   "histogram", "gaugehistogram", "summary",
                                    "info",    "unknown", "stateset",  "untyped"};

static bool is_openmetrics(const struct exposition *e)
{
    return e->format == EXPOSITION_OPENMETRICS_1;
}

/* \\ and \n, and \" where it is said. */
static struct str unescape(const struct exposition *e, struct str s, bool quotes)
{
    if (s.n == 0 || !memchr(s.p, '\\', s.n))
        return s;
    char *out = arena_alloc(e->arena, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : '\0';
        bool escape = c == '\\' && (next == '\\' || next == 'n' || (next == '"' && quotes));
        out[n++] = !escape ? c : next == 'n' ? '\n' : next;
        i += escape;
    }
    return str_make(out, n);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Blanks in front of a part: any number here, none in OpenMetrics, whose one space behind the part
 * before is gone already. */
static void skip_blanks(const struct exposition *e, struct str *rest)
{
    while (!is_openmetrics(e) && rest->n > 0 && is_blank(rest->p[0]))
        *rest = str_make(rest->p + 1, rest->n - 1);
}

/* The first n bytes of a comment; the rest goes on behind one blank, its p is NULL at the end. */
static struct str take_bytes(struct str *rest, size_t n)
{
    struct str bytes = str_make(rest->p, n);
    *rest = n < rest->n ? str_make(rest->p + n + 1, rest->n - n - 1) : str_make(NULL, 0);
    return bytes;
}

static struct str take_word(const struct exposition *e, struct str *rest)
{
    size_t n = 0;
    skip_blanks(e, rest);
    while (n < rest->n && !is_blank(rest->p[n]))
        n++;
    return take_bytes(rest, n);
}

static bool take_quoted_family(const struct exposition *e, struct str *rest, struct str *family,
                               struct err *err)
{
    size_t n = 1;
    while (n < rest->n && rest->p[n] != '"')
        n += rest->p[n] == '\\' ? 2 : 1;
    if (n >= rest->n || (n + 1 < rest->n && !is_blank(rest->p[n + 1])))
        return err_set(err, ERR_BAD_INPUT,
                       "line %zu: the metric name has no closing quote with a blank behind it",
                       e->line);
    struct str quoted = take_bytes(rest, n + 1);
    *family = unescape(e, str_make(quoted.p + 1, n - 1), true);
    return (family->n > 0 && str_is_utf8(*family)) ||
           err_set(err, ERR_BAD_INPUT, "line %zu: the metric name is empty or not valid UTF-8",
                   e->line);
}

/* A family's name, which stands in quotes when it is not a plain one. */
static bool take_family(const struct exposition *e, struct str *rest, struct str *family,
                        struct err *err)
{
    skip_blanks(e, rest);
    if (rest->n > 0 && rest->p[0] == '"')
        return take_quoted_family(e, rest, family, err);
    *family = take_word(e, rest);
    return metric_name_is_legacy(*family) ||
           err_set(err, ERR_BAD_INPUT, "line %zu: '" STR_FMT "' is not a metric name", e->line,
                   STR_ARG(*family));
}

static bool take_type(struct exposition *e, struct exposition_comment *c, struct str text,
                      struct err *err)
{
    text = is_openmetrics(e) ? text : str_trim(text);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!str_is(text, types[i]) || (is_openmetrics(e) && str_is(text, "untyped")))
            continue;
        c->type = str_is(text, "untyped") ? STR("unknown") : str_from(types[i]);
        e->family = c->family;
        e->type = c->type;
        return true;
    }
    return err_set(err, ERR_BAD_INPUT,
                   "line %zu: '" STR_FMT "' is not a metric type (family " STR_FMT ")", e->line,
                   STR_ARG(text), STR_ARG(c->family));
}

static bool take_unit(const struct exposition *e, struct exposition_comment *c, struct str text,
                      struct err *err)
{
    c->unit = text;
    size_t n = c->unit.n;
    if (n == 0 || (c->family.n > n && c->family.p[c->family.n - n - 1] == '_' &&
                   str_ends(c->family, c->unit)))
        return true;
    return err_set(err, ERR_BAD_INPUT,
                   "line %zu: unit '" STR_FMT "' is not the end of the name '" STR_FMT "'", e->line,
                   STR_ARG(c->unit), STR_ARG(c->family));
}

static bool take_help(const struct exposition *e, struct exposition_comment *c, struct str text,
                      struct err *err)
{
    if (!str_is_utf8(text))
        return err_set(err, ERR_BAD_INPUT, "line %zu: the help text is not valid UTF-8", e->line);
    c->help = unescape(e, text, is_openmetrics(e));
    return true;
}

static bool read_comment_line(struct exposition *e, struct str line, struct exposition_comment *c,
                              struct err *err)
{
    struct str rest = str_make(line.p + 1, line.n - 1);
    if (is_openmetrics(e) && str_is(line, "# EOF")) {
        e->eof = true;
        return true;
    }
    if (is_openmetrics(e) && rest.n > 0 && rest.p[0] == ' ')
        rest = str_make(rest.p + 1, rest.n - 1);
    struct str word = take_word(e, &rest);
    bool unit = str_is(word, "UNIT") && is_openmetrics(e);
    if (!unit && !str_is(word, "HELP") && !str_is(word, "TYPE")) {
        if (!is_openmetrics(e))
            return true;
        return err_set(err, ERR_BAD_INPUT,
                       "line %zu: OpenMetrics knows no comments but \"# HELP \", \"# TYPE \", "
                       "\"# UNIT \" and \"# EOF\"",
                       e->line);
    }
    if (!take_family(e, &rest, &c->family, err))
        return false;
    if (is_openmetrics(e) && !rest.p)
        return err_set(err, ERR_BAD_INPUT, "line %zu: no text behind the metric name", e->line);
    if (unit)
        return take_unit(e, c, rest, err);
    return str_is(word, "TYPE") ? take_type(e, c, rest, err) : take_help(e, c, rest, err);
}

bool exposition_read_comment(struct exposition *e, struct exposition_comment *c, struct err *err)
{
    struct str line = exposition_peek_line(e);
    *c = (struct exposition_comment){STR(""), STR(""), STR(""), STR("")};
    if (line.n > EXPOSITION_MAX_LINE_BYTES)
        return err_set(err, ERR_LIMIT, "line %zu: it has %zu bytes, the limit is %zu", e->line,
                       line.n, EXPOSITION_MAX_LINE_BYTES);
    if (!read_comment_line(e, line, c, err))
        return false;
    exposition_skip_line(e, line);
    return true;
}

void exposition_skip_line(struct exposition *e, struct str line)
{
    e->p = line.p + line.n;
    if (e->p < e->end)
        e->p++;
    e->line++;
}

bool exposition_counts(const struct exposition *e, struct str name)
{
    if (e->family.n == 0 || !str_starts(name, e->family))
        return false;
    struct str suffix = str_make(name.p + e->family.n, name.n - e->family.n);
    if (str_is(e->type, "counter"))
        return suffix.n == 0 || str_is(suffix, "_total");
    bool count = str_is(suffix, "_count") || str_is(suffix, "_sum");
    if (str_is(e->type, "histogram"))
        return count || str_is(suffix, "_bucket");
    return str_is(e->type, "summary") && count;
}

/* --- Bounds as text --- */

/* Go's shortest %g, with ".0" where it looks like an integer (OpenMetrics, "Canonical Numbers"). */
struct str exposition_bound(struct arena *arena, double v)
{
    char text[40];
    if (isnan(v))
        return STR("NaN");
    if (isinf(v))
        return v > 0 ? STR("+Inf") : STR("-Inf");
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v)
            break;
    }
    const char *e = strchr(text, 'e');
    int exponent = atoi(e + 1);
    if (exponent < -4 || exponent >= 6)
        return str_from(arena_strdup(arena, text));
    int digits = (int)(e - text) - (text[0] == '-');
    digits -= digits > 1; /* the point */
    int decimals = digits - 1 - exponent;
    return str_from(arena_printf(arena, "%.*f", decimals > 0 ? decimals : 1, v));
}

/* --- Content types --- */

static bool is_word(struct str s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Parameters of protobuf's media type, where they are said. */
static bool is_metric_family(struct str parameters)
{
    struct str part, name;
    while (str_cut(&parameters, ';', &part)) {
        (void)str_cut(&part, '=', &name);
        struct str value = str_trim(part.p ? part : STR(""));
        if (is_word(str_trim(name), "proto") && !str_is(value, "io.prometheus.client.MetricFamily"))
            return false;
        if (is_word(str_trim(name), "encoding") && !str_is(value, "delimited"))
            return false;
    }
    return true;
}

bool exposition_format_of(const char *content_type, enum exposition_format *out)
{
    struct str rest = str_from(content_type ? content_type : ""), type;
    (void)str_cut(&rest, ';', &type);
    type = str_trim(type);
    if (is_word(type, "application/openmetrics-text"))
        *out = EXPOSITION_OPENMETRICS_1;
    else if (is_word(type, "text/plain"))
        *out = EXPOSITION_TEXT_004;
    else if (is_word(type, "application/vnd.google.protobuf") && is_metric_family(rest))
        *out = EXPOSITION_PROTOBUF;
    else
        return false;
    return true;
}

/* --- The whole text --- */

static struct labels without_empty(struct exposition_key *key)
{
    size_t n = 0;
    for (size_t i = 0; i < key->n; i++) {
        if (key->labels[i].value.n > 0)
            key->labels[n++] = key->labels[i];
    }
    return (struct labels){n, key->labels};
}

static bool parse_series(struct exposition *e, struct exposition_key *key,
                         const struct exposition_sink *sink, struct err *err)
{
    struct exposition_sample s;
    if (!exposition_read_key(e, key, err) || !exposition_read_value(e, &s.v, &s.t_ms, err))
        return false;
    s.name = key->name;
    s.labels = without_empty(key);
    return sink->sample(sink->self, &s, err);
}

static bool parse_comment(struct exposition *e, const struct exposition_sink *sink, struct err *err)
{
    struct exposition_comment c;
    if (!exposition_read_comment(e, &c, err))
        return false;
    if (sink->meta && c.family.n > 0)
        sink->meta(sink->self, c.family, c.type, c.help, c.unit);
    return true;
}

bool exposition_parse(enum exposition_format format, struct str text, struct arena *arena,
                      const struct exposition_sink *sink, struct err *err)
{
    struct exposition e;
    struct exposition_key *keys = ARENA_ARRAY(arena, struct exposition_key, 2);
    exposition_init(&e, format, text, arena, &keys[1]);
    for (enum exposition_line kind;;) {
        if (!exposition_next(&e, &kind, err))
            return false;
        if (kind == EXPOSITION_END)
            return true;
        if (kind == EXPOSITION_COMMENT ? !parse_comment(&e, sink, err)
                                       : !parse_series(&e, &keys[0], sink, err))
            return false;
    }
}
