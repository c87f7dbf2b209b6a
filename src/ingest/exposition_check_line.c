/* The grammar of a line: OpenMetrics's ABNF to the letter, and text 0.0.4 as Prometheus's own
 * client library reads it. */
#include "ingest/exposition_check.h"

#include "base/num.h"
#include "ingest/exposition.h"

#include <math.h>

#define EXCERPT_BYTES 40

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static bool is_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static bool is_name(char ch, bool colon)
{
    return is_digit(ch) || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
           (colon && ch == ':');
}

static bool at(const struct checker *c, char ch)
{
    return c->p < c->end && *c->p == ch;
}

/* What stands at p, without breaking a character. */
static struct str excerpt(const struct checker *c)
{
    size_t n = (size_t)(c->end - c->p);
    if (n > EXCERPT_BYTES) {
        n = EXCERPT_BYTES;
        while (n > 0 && ((unsigned char)c->p[n] & 0xc0) == 0x80)
            n--;
    }
    return str_make(c->p, n);
}

static bool expected(struct checker *c, const char *what)
{
    struct str found = excerpt(c);
    if (found.n == 0)
        return check_error(c, c->p, "%s is expected, the line ends", what);
    return check_error(c, c->p, "%s is expected, '" STR_FMT "' stands there", what, STR_ARG(found));
}

/* --- White space --- */

/* Any blanks in text 0.0.4, none in OpenMetrics, where what follows complains of them. */
static void skip_blanks(struct checker *c)
{
    while (!check_is_openmetrics(c) && c->p < c->end && is_blank(*c->p))
        c->p++;
}

/* Between two parts: one space in OpenMetrics, at least one blank in text 0.0.4. */
static bool take_gap(struct checker *c, const char *before)
{
    char what[80];
    bool there = c->p < c->end && (check_is_openmetrics(c) ? *c->p == ' ' : is_blank(*c->p));
    if (!there) {
        (void)snprintf(what, sizeof what, "a space and %s", before);
        return expected(c, what);
    }
    c->p++;
    if (check_is_openmetrics(c) && c->p < c->end && is_blank(*c->p))
        return check_error(c, c->p, "more than one space before %s", before);
    skip_blanks(c);
    return true;
}

/* --- Names and quoted text --- */

static struct str take_name(struct checker *c, bool colon)
{
    const char *begin = c->p;
    if (c->p < c->end && !is_digit(*c->p)) {
        while (c->p < c->end && is_name(*c->p, colon))
            c->p++;
    }
    return str_make(begin, (size_t)(c->p - begin));
}

/* At a backslash; moves behind the escape. */
static bool take_escape(struct checker *c, struct buf *out)
{
    char next = c->p + 1 < c->end ? c->p[1] : '\0';
    const char *begin = c->p;
    if (next == '\\' || next == '"' || next == 'n') {
        buf_add_char(out, next == 'n' ? '\n' : next);
        c->p += 2;
        return true;
    }
    c->p++;
    buf_add_char(out, '\\');
    if (check_is_openmetrics(c)) {
        check_warning(c, begin, "a single backslash should be written as two");
        return true;
    }
    return check_error(c, begin, "'\\%c' is no escape; \\\\, \\\" and \\n are", next ? next : ' ');
}

/* At a quote: what is inside, without the escapes. */
static bool take_quoted(struct checker *c, const char *what, struct str *out)
{
    struct buf text = BUF_INIT;
    const char *begin = c->p++;
    bool good = true;
    while (good && c->p < c->end && *c->p != '"') {
        if (*c->p == '\\')
            good = take_escape(c, &text);
        else
            buf_add_char(&text, *c->p++);
    }
    if (good && !at(c, '"'))
        good = check_error(c, begin, "%s has no closing quote", what);
    if (good && !str_is_utf8(buf_str(&text)))
        good = check_error(c, begin, "%s is not valid UTF-8", what);
    c->p += good;
    *out = arena_str(&c->arena, buf_str(&text));
    buf_release(&text);
    return good;
}

/* --- Labels --- */

/* A quoted name is an extension, which is said once. */
static bool take_quoted_name(struct checker *c, struct str *out)
{
    const char *begin = c->p;
    if (!take_quoted(c, "the name", out))
        return false;
    if (out->n == 0)
        return check_error(c, begin, "an empty name in quotes");
    if (!c->said_quotes)
        check_warning(c, begin,
                      "a name in quotes needs a scraper that asked for escaping=allow-utf-8");
    c->said_quotes = true;
    return true;
}

static bool check_label_name(struct checker *c, const struct checked_label *l)
{
    if (str_starts(l->name, STR("__")))
        return check_error(c, l->name_at, "label name '" STR_FMT "' is reserved", STR_ARG(l->name));
    if (check_is_openmetrics(c) && l->name.p[0] == '_')
        return check_error(c, l->name_at,
                           "label name '" STR_FMT "' is reserved, as it begins with '_'",
                           STR_ARG(l->name));
    return true;
}

static bool take_label_name(struct checker *c, struct checked_label *l)
{
    l->name_at = c->p;
    if (at(c, '"'))
        return take_quoted_name(c, &l->name);
    l->name = take_name(c, false);
    return l->name.n > 0 || expected(c, "a label name");
}

static bool is_named(const struct checked_label *v, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(v[i].name, name))
            return true;
    }
    return false;
}

static bool take_label_value(struct checker *c, struct checked_label *l)
{
    c->p++;
    skip_blanks(c);
    l->value_at = c->p;
    if (!at(c, '"'))
        return expected(c, "a label value in double quotes");
    return take_quoted(c, "the label value", &l->value) && check_label_name(c, l);
}

struct label_list {
    struct checked_label *v;
    size_t n, capacity;
};

/* `name="value"`, or the metric's name in quotes, which goes to *metric. */
static bool take_label(struct checker *c, struct label_list *list, struct str *metric)
{
    struct checked_label l = {.value = STR("")};
    bool quoted = at(c, '"');
    if (!take_label_name(c, &l))
        return false;
    skip_blanks(c);
    if (quoted && !at(c, '=')) {
        if (!metric || metric->n > 0)
            return check_error(c, l.name_at, "a metric name does not belong here");
        *metric = l.name;
        return true;
    }
    if (!at(c, '='))
        return expected(c, "'=' behind a label name");
    if (!take_label_value(c, &l))
        return false;
    if (is_named(list->v, list->n, l.name))
        return check_error(c, l.name_at, "label '" STR_FMT "' is there twice", STR_ARG(l.name));
    if (list->n == EXPOSITION_CHECK_MAX_LABELS)
        return check_error(c, l.name_at, "over %d labels", EXPOSITION_CHECK_MAX_LABELS);
    list->v = arena_grow(&c->arena, list->v, list->n, &list->capacity, sizeof *list->v);
    list->v[list->n++] = l;
    return true;
}

/* At a brace: to behind the closing one. */
static bool take_labels(struct checker *c, struct checked_label **v, size_t *n, struct str *metric)
{
    struct label_list list = {NULL, 0, 0};
    const char *comma = NULL;
    c->p++;
    for (skip_blanks(c); !at(c, '}') || comma; skip_blanks(c)) {
        if (comma && at(c, '}')) {
            if (check_is_openmetrics(c))
                return check_error(c, comma, "a comma behind the last label");
            break;
        }
        if (!take_label(c, &list, metric))
            return false;
        skip_blanks(c);
        comma = at(c, ',') ? c->p++ : NULL;
        if (!comma && !at(c, '}'))
            return expected(c, "',' or '}' behind a label");
    }
    c->p++;
    *v = list.v;
    *n = list.n;
    return true;
}

/* --- Numbers --- */

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p))
        p++;
    return p;
}

/* realnumber of the ABNF. */
static bool is_real_number(struct str s)
{
    const char *p = s.p, *end = s.p + s.n;
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    const char *whole = p;
    p = skip_digits(p, end);
    bool digits = p > whole;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = skip_digits(p, end);
        digits = digits || p > fraction;
    }
    if (!digits)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const char *exponent = p;
        p = skip_digits(p, end);
        digits = p > exponent;
    }
    return digits && p == end;
}

static bool is_word(struct str s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

bool check_parse_number(struct str s, double *out)
{
    struct str bare = s;
    if (s.n > 1 && (s.p[0] == '+' || s.p[0] == '-'))
        bare = str_make(s.p + 1, s.n - 1);
    if (is_word(bare, "infinity"))
        return num_parse_double(str_make(s.p, s.n - strlen("inity")), out);
    bool word = is_word(bare, "inf") || is_word(s, "nan");
    if (!word && !is_real_number(s))
        return false;
    return num_parse_double(s, out);
}

static bool take_number(struct checker *c, const char *what, struct checked_number *out)
{
    const char *begin = c->p;
    while (c->p < c->end && !is_blank(*c->p))
        c->p++;
    out->text = str_make(begin, (size_t)(c->p - begin));
    if (check_parse_number(out->text, &out->v))
        return true;
    c->p = begin;
    return expected(c, what);
}

static bool take_time(struct checker *c, struct checked_number *out)
{
    const char *begin = c->p;
    int64_t ms;
    if (check_is_openmetrics(c)) {
        if (!take_number(c, "a timestamp in seconds", out))
            return false;
        bool can_be = is_real_number(out->text) && fabs(out->v) < EXPOSITION_SECONDS_END;
        c->p = can_be ? c->p : begin;
        return can_be || expected(c, "a timestamp in seconds");
    }
    while (c->p < c->end && !is_blank(*c->p))
        c->p++;
    out->text = str_make(begin, (size_t)(c->p - begin));
    if (!num_parse_i64(out->text, &ms) || ms == EXPOSITION_NO_TIME) {
        c->p = begin;
        return expected(c, "a timestamp in whole milliseconds");
    }
    out->v = (double)ms;
    return true;
}

/* --- A sample --- */

static bool take_exemplar(struct checker *c, struct checked_sample *s)
{
    struct checked_number time;
    s->has_exemplar = true;
    s->exemplar_at = c->p++;
    if (!take_gap(c, "the exemplar's labels"))
        return false;
    if (!at(c, '{'))
        return expected(c, "'{' and the exemplar's labels");
    if (!take_labels(c, &s->exemplar_labels, &s->n_exemplar_labels, NULL) ||
        !take_gap(c, "the exemplar's value") ||
        !take_number(c, "the exemplar's value", &s->exemplar_value))
        return false;
    return c->p == c->end || (take_gap(c, "the exemplar's timestamp") && take_time(c, &time));
}

static bool take_key(struct checker *c, struct checked_sample *s)
{
    s->at = c->p;
    s->name = take_name(c, true);
    if (s->name.n == 0 && !at(c, '{'))
        return expected(c, "a metric name");
    skip_blanks(c);
    if (!at(c, '{'))
        return true;
    struct str quoted = STR("");
    if (!take_labels(c, &s->labels, &s->n_labels, s->name.n > 0 ? NULL : &quoted))
        return false;
    s->name = quoted.n > 0 ? quoted : s->name;
    return s->name.n > 0 || check_error(c, s->at, "the sample has no metric name");
}

/* Behind a brace text 0.0.4 needs no blank. */
static bool take_value(struct checker *c, struct checked_sample *s)
{
    if (check_is_openmetrics(c) ? !take_gap(c, "the value")
                                : c->p[-1] != '}' && !is_blank(c->p[-1]))
        return !check_is_openmetrics(c) && expected(c, "a space and the value");
    skip_blanks(c);
    return take_number(c, "a value", &s->value);
}

bool check_read_sample(struct checker *c, struct checked_sample *s)
{
    *s = (struct checked_sample){.name = STR("")};
    skip_blanks(c);
    if (!take_key(c, s) || !take_value(c, s))
        return false;
    skip_blanks(c);
    if (c->p == c->end)
        return true;
    if (check_is_openmetrics(c) && !take_gap(c, "a timestamp or an exemplar"))
        return false;
    if (!at(c, '#')) {
        s->timed = true;
        if (!take_time(c, &s->time))
            return false;
        skip_blanks(c);
        if (c->p == c->end)
            return true;
        if (check_is_openmetrics(c) && !take_gap(c, "an exemplar"))
            return false;
    }
    if (!check_is_openmetrics(c) || !at(c, '#'))
        return expected(c, check_is_openmetrics(c) ? "an exemplar" : "the end of the line");
    return take_exemplar(c, s) && (c->p == c->end || expected(c, "the end of the line"));
}

/* --- Comments --- */

static bool take_family(struct checker *c, struct checked_comment *out)
{
    out->family_at = c->p;
    if (at(c, '"'))
        return take_quoted_name(c, &out->family);
    out->family = take_name(c, true);
    return out->family.n > 0 || expected(c, "a metric name");
}

/* HELP text: \\ and \n, and in OpenMetrics \". */
static bool take_help(struct checker *c, struct checked_comment *out)
{
    bool openmetrics = check_is_openmetrics(c);
    out->text = str_make(c->p, (size_t)(c->end - c->p));
    if (!str_is_utf8(out->text))
        return check_error(c, c->p, "the help text is not valid UTF-8");
    for (; c->p < c->end; c->p++) {
        char next = c->p + 1 < c->end ? c->p[1] : '\0';
        if (*c->p == '"' && openmetrics)
            return check_error(c, c->p, "a double quote in a help text is written \\\"");
        if (*c->p != '\\')
            continue;
        bool escape = next == '\\' || next == 'n' || (openmetrics && next == '"');
        if (!escape)
            check_warning(c, c->p, "a single backslash should be written as two");
        c->p += escape;
    }
    return true;
}

static bool take_comment_text(struct checker *c, struct checked_comment *out)
{
    out->text_at = c->p;
    if (out->kind == COMMENT_HELP)
        return take_help(c, out);
    const char *end = c->end;
    while (!check_is_openmetrics(c) && end > c->p && is_blank(end[-1]))
        end--;
    out->text = str_make(c->p, (size_t)(end - c->p));
    return true;
}

/* Behind the '#'. */
static bool take_keyword(struct checker *c, struct checked_comment *out, bool *says)
{
    static const char *const words[] = {
        [COMMENT_TYPE] = "TYPE", [COMMENT_HELP] = "HELP", [COMMENT_UNIT] = "UNIT"};
    const char *begin = c->p;
    while (c->p < c->end && !is_blank(*c->p))
        c->p++;
    struct str word = str_make(begin, (size_t)(c->p - begin));
    for (int i = 0; i < 3; i++) {
        if (!str_is(word, words[i]) || (i == COMMENT_UNIT && !check_is_openmetrics(c)))
            continue;
        out->kind = (enum comment_kind)i;
        *says = true;
        return true;
    }
    c->p = begin;
    return !check_is_openmetrics(c) ||
           check_error(c, c->line_begin,
                       "a comment that is not \"# HELP\", \"# TYPE\", \"# UNIT\" or \"# EOF\"");
}

bool check_read_comment(struct checker *c, struct checked_comment *out, bool *says)
{
    *says = false;
    *out = (struct checked_comment){.text = STR("")};
    skip_blanks(c);
    struct str line = str_make(c->p, (size_t)(c->end - c->p));
    if (check_is_openmetrics(c) && str_is(line, "# EOF")) {
        c->eof = true;
        return true;
    }
    c->p++;
    if (check_is_openmetrics(c) ? !take_gap(c, "HELP, TYPE, UNIT or EOF") : c->p == c->end)
        return !check_is_openmetrics(c);
    skip_blanks(c);
    if (!take_keyword(c, out, says))
        return false;
    if (!*says)
        return true;
    if (!take_gap(c, "a metric name") || !take_family(c, out))
        return false;
    bool empty_help = !check_is_openmetrics(c) && out->kind == COMMENT_HELP && c->p == c->end;
    if (empty_help)
        return true;
    if (out->kind == COMMENT_HELP || out->kind == COMMENT_UNIT) { /* the text may be empty */
        if (!at(c, ' ') && !(at(c, '\t') && !check_is_openmetrics(c)))
            return expected(c, "a space and the text");
        c->p++;
        skip_blanks(c);
    } else if (!take_gap(c, "a metric type")) {
        return false;
    }
    return take_comment_text(c, out);
}
