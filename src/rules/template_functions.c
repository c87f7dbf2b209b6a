/* What a template can call: Prometheus's functions (prometheus.io/docs, "Template reference") and
 * those of text/template that have a use here. */
#include "rules/internal.h"

#include "base/clock.h"
#include "base/num.h"
#include "codec/regex.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_QUERIES 100
#define MAX_TEXT_BYTES ((size_t)64 << 10)

/* --- Arguments and results --- */

static bool refuse(struct expansion *x, const char *expected, const struct value *got)
{
    return err_set(x->err, ERR_BAD_INPUT, "expected %s, got %s", expected, value_kind_name(got));
}

static bool give_text(struct value *out, struct str text)
{
    *out = (struct value){.kind = VALUE_TEXT, .as.text = text};
    return true;
}

/* Takes the buffer over. */
static bool give_buf(struct expansion *x, struct value *out, struct buf *text)
{
    bool fits = text->n <= MAX_TEXT_BYTES;
    if (fits)
        (void)give_text(out, arena_str(x->arena, buf_str(text)));
    else
        err_set(x->err, ERR_LIMIT, "the result is over %zu bytes", MAX_TEXT_BYTES);
    buf_release(text);
    return fits;
}

static bool give_bool(struct value *out, bool b)
{
    *out = (struct value){.kind = VALUE_BOOL, .as.boolean = b};
    return true;
}

static bool give_number(struct value *out, double v)
{
    *out = (struct value){.kind = VALUE_FLOAT, .as.number = v};
    return true;
}

/* Numbers, and text that is one. */
static bool take_float(struct expansion *x, const struct value *v, double *out)
{
    if (v->kind == VALUE_FLOAT)
        *out = v->as.number;
    else if (v->kind == VALUE_INT)
        *out = (double)v->as.integer;
    else if (v->kind != VALUE_TEXT)
        return refuse(x, "a number", v);
    else if (!num_parse_double(v->as.text, out))
        return err_set(x->err, ERR_BAD_INPUT, "\"%.*s\" is no number",
                       (int)(v->as.text.n < 60 ? v->as.text.n : 60), v->as.text.p);
    return true;
}

static bool take_text(struct expansion *x, const struct value *v, struct str *out)
{
    if (v->kind != VALUE_TEXT)
        return refuse(x, "text", v);
    *out = v->as.text;
    return true;
}

/* --- Numbers for people --- */

static bool humanize(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    static const char big[] = "kMGTPEZY", small[] = "munpfazy";
    struct buf text = BUF_INIT;
    double v = 0;
    (void)n;
    if (!take_float(x, args, &v))
        return false;
    size_t prefix = 0; /* 1: the first */
    bool whole = fabs(v) >= 1;
    if (v != 0 && isfinite(v)) {
        while (whole && fabs(v) >= 1000 && prefix < sizeof big - 1)
            v /= 1000, prefix++;
        while (!whole && fabs(v) < 1 && prefix < sizeof small - 1)
            v *= 1000, prefix++;
    }
    add_4g(&text, v);
    if (prefix > 0 && whole)
        buf_add_char(&text, big[prefix - 1]);
    else if (prefix > 0)
        buf_add_char(&text, small[prefix - 1]);
    return give_buf(x, out, &text);
}

static bool humanize_1024(struct expansion *x, const struct value *args, size_t n,
                          struct value *out)
{
    static const char *const prefixes[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    struct buf text = BUF_INIT;
    double v = 0;
    size_t prefix = 0;
    (void)n;
    if (!take_float(x, args, &v))
        return false;
    while (isfinite(v) && fabs(v) >= 1024 && prefix + 1 < sizeof prefixes / sizeof *prefixes)
        v /= 1024, prefix++;
    add_4g(&text, v);
    buf_add_cstr(&text, prefixes[prefix]);
    return give_buf(x, out, &text);
}

static void add_long_duration(struct buf *text, double v)
{
    int64_t s = (int64_t)fmin(fabs(v), 9e15);
    long long seconds = s % 60, minutes = s / 60 % 60, hours = s / 3600 % 24, days = s / 86400;
    if (v < 0)
        buf_add_char(text, '-');
    if (days)
        buf_printf(text, "%lldd %lldh %lldm %llds", days, hours, minutes, seconds);
    else if (hours)
        buf_printf(text, "%lldh %lldm %llds", hours, minutes, seconds);
    else if (minutes)
        buf_printf(text, "%lldm %llds", minutes, seconds);
    else
        buf_printf(text, "%.4gs", fabs(v));
}

static bool humanize_duration(struct expansion *x, const struct value *args, size_t n,
                              struct value *out)
{
    static const char small[] = "munpfazy";
    struct buf text = BUF_INIT;
    double v = 0;
    size_t prefix = 0;
    (void)n;
    if (!take_float(x, args, &v))
        return false;
    if (!isfinite(v)) {
        add_4g(&text, v);
    } else if (fabs(v) >= 1) {
        add_long_duration(&text, v);
    } else {
        while (v != 0 && fabs(v) < 1 && prefix < sizeof small - 1)
            v *= 1000, prefix++;
        add_4g(&text, v);
        if (prefix > 0)
            buf_add_char(&text, small[prefix - 1]);
        buf_add_char(&text, 's');
    }
    return give_buf(x, out, &text);
}

static bool humanize_percentage(struct expansion *x, const struct value *args, size_t n,
                                struct value *out)
{
    struct buf text = BUF_INIT;
    double v = 0;
    (void)n;
    if (!take_float(x, args, &v))
        return false;
    add_4g(&text, v * 100);
    buf_add_char(&text, '%');
    return give_buf(x, out, &text);
}

/* 2015-05-29 21:05:30.125 +0000 UTC */
static bool humanize_timestamp(struct expansion *x, const struct value *args, size_t n,
                               struct value *out)
{
    struct buf text = BUF_INIT, rfc = BUF_INIT;
    double v = 0;
    (void)n;
    if (!take_float(x, args, &v))
        return false;
    if (!isfinite(v)) {
        add_4g(&text, v);
        return give_buf(x, out, &text);
    }
    if (fabs(v) > 9.2e9)
        return err_set(x->err, ERR_BAD_INPUT, "%g cannot be represented as a timestamp", v);
    clock_format_ms(&rfc, (int64_t)(v * 1e9) / 1000000); /* 2015-05-29T21:05:30.125Z */
    struct str t = buf_str(&rfc);
    while (t.n > 0 && (t.p[t.n - 1] == 'Z' || t.p[t.n - 1] == '0') && memchr(t.p, '.', t.n))
        t.n--;
    if (t.n > 0 && t.p[t.n - 1] == '.')
        t.n--;
    buf_printf(&text, "%.10s %.*s +0000 UTC", t.p, (int)(t.n - 11), t.p + 11);
    buf_release(&rfc);
    return give_buf(x, out, &text);
}

static bool parse_duration(struct expansion *x, const struct value *args, size_t n,
                           struct value *out)
{
    struct str text = {0};
    int64_t ms;
    (void)n;
    if (!take_text(x, args, &text))
        return false;
    bool negative = str_starts(text, STR("-"));
    if (!num_parse_duration_ms(negative ? str_make(text.p + 1, text.n - 1) : text, &ms))
        return err_set(x->err, ERR_BAD_INPUT, "\"%.*s\" is no duration",
                       (int)(text.n < 60 ? text.n : 60), text.p);
    return give_number(out, (double)(negative ? -ms : ms) / 1000);
}

/* --- Text --- */

static bool change_case(struct expansion *x, const struct value *args, struct value *out,
                        bool upper, bool title)
{
    struct str text = {0};
    if (!take_text(x, args, &text))
        return false;
    char *copy = arena_cstr(x->arena, text);
    for (size_t i = 0; i < text.n; i++) {
        bool starts = i == 0 || !(isalnum((unsigned char)text.p[i - 1]) || text.p[i - 1] == '_' ||
                                  text.p[i - 1] == '\'' || (text.p[i - 1] & 0x80));
        if (title ? starts : upper)
            copy[i] = (char)toupper((unsigned char)copy[i]);
        else if (!title)
            copy[i] = (char)tolower((unsigned char)copy[i]);
    }
    return give_text(out, str_make(copy, text.n));
}

static bool to_upper(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    return change_case(x, args, out, true, false);
}

static bool to_lower(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    return change_case(x, args, out, false, false);
}

static bool to_title(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    return change_case(x, args, out, false, true);
}

static bool match_regex(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str pattern = {0}, text = {0};
    (void)n;
    if (!take_text(x, &args[0], &pattern) || !take_text(x, &args[1], &text))
        return false;
    struct regex *regex = regex_new(pattern, x->err);
    if (!regex)
        return false;
    (void)give_bool(out, regex_finds(regex, text));
    regex_free(regex);
    return true;
}

static bool replace_regex(struct expansion *x, const struct value *args, size_t n,
                          struct value *out)
{
    struct str pattern = {0}, replacement = {0}, text = {0};
    struct buf replaced = BUF_INIT;
    (void)n;
    if (!take_text(x, &args[0], &pattern) || !take_text(x, &args[1], &replacement) ||
        !take_text(x, &args[2], &text))
        return false;
    struct regex *regex = regex_new(pattern, x->err);
    if (!regex)
        return false;
    regex_replace_all(regex, text, replacement, &replaced);
    regex_free(regex);
    return give_buf(x, out, &replaced);
}

static bool same_text(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str text = {0};
    (void)n;
    return take_text(x, args, &text) && give_text(out, text);
}

/* Where the colon in front of a port is; n without one. */
static size_t port_colon(struct str s)
{
    if (!s.p)
        return 0;
    const char *colon = memrchr(s.p, ':', s.n);
    bool v6 = colon && memchr(s.p, ':', (size_t)(colon - s.p)) && s.p[0] != '[';
    return colon && !v6 ? (size_t)(colon - s.p) : s.n;
}

static bool strip_port(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str text = {0};
    (void)n;
    if (!take_text(x, args, &text))
        return false;
    size_t end = port_colon(text);
    if (end < text.n && text.p[0] == '[' && text.p[end - 1] == ']')
        return give_text(out, str_make(text.p + 1, end - 2));
    return give_text(out, str_make(text.p, end));
}

static bool is_address(struct str s)
{
    if (!s.p)
        return true;
    for (size_t i = 0; i < s.n; i++) {
        if (!isdigit((unsigned char)s.p[i]) && s.p[i] != '.')
            return memchr(s.p, ':', s.n) != NULL;
    }
    return true;
}

static bool strip_domain(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str text = {0};
    (void)n;
    if (!take_text(x, args, &text))
        return false;
    size_t colon = port_colon(text);
    struct str host = str_make(text.p, colon);
    const char *dot = host.p ? memchr(host.p, '.', host.n) : NULL;
    if (is_address(host) || !dot)
        return give_text(out, text);
    struct buf short_name = BUF_INIT;
    buf_add(&short_name, host.p, (size_t)(dot - host.p));
    buf_add(&short_name, text.p + colon, text.n - colon);
    return give_buf(x, out, &short_name);
}

static void add_url_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (isalnum(c) || strchr("-_.~", c))
            buf_add_char(out, (char)c);
        else if (c == ' ')
            buf_add_char(out, '+');
        else
            buf_printf(out, "%%%02X", c);
    }
}

static bool url_query(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf plain = BUF_INIT, text = BUF_INIT;
    (void)n;
    value_print(args, &plain);
    add_url_escaped(&text, buf_str(&plain));
    buf_release(&plain);
    return give_buf(x, out, &text);
}

void add_expression_link(struct buf *out, struct str expr, int tab)
{
    buf_add_cstr(out, "/graph?g0.expr=");
    add_url_escaped(out, expr);
    buf_printf(out, "&g0.tab=%d", tab);
}

static bool link_to(struct expansion *x, const struct value *args, struct value *out, int tab)
{
    struct str expr = {0};
    struct buf text = BUF_INIT;
    if (!take_text(x, args, &expr))
        return false;
    add_expression_link(&text, expr, tab);
    return give_buf(x, out, &text);
}

static bool table_link(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    return link_to(x, args, out, 1);
}

static bool graph_link(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    return link_to(x, args, out, 0);
}

static bool external_url(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)args;
    (void)n;
    *out = x->slots[SLOT_EXTERNAL_URL];
    return true;
}

static bool path_prefix(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str url = x->slots[SLOT_EXTERNAL_URL].as.text;
    const char *host = memmem(url.p, url.n, "://", 3);
    const char *path = host ? memchr(host + 3, '/', url.n - (size_t)(host + 3 - url.p)) : NULL;
    (void)args;
    (void)n;
    return give_text(out, path ? str_make(path, url.n - (size_t)(path - url.p)) : STR(""));
}

static void add_html_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            buf_add_cstr(out, "&amp;");
            break;
        case '<':
            buf_add_cstr(out, "&lt;");
            break;
        case '>':
            buf_add_cstr(out, "&gt;");
            break;
        case '"':
            buf_add_cstr(out, "&#34;");
            break;
        case '\'':
            buf_add_cstr(out, "&#39;");
            break;
        default:
            buf_add_char(out, s.p[i]);
        }
    }
}

static bool html(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf plain = BUF_INIT, text = BUF_INIT;
    (void)n;
    value_print(args, &plain);
    add_html_escaped(&text, buf_str(&plain));
    buf_release(&plain);
    return give_buf(x, out, &text);
}

/* --- Queries --- */

static bool query(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct template_sample *samples;
    struct str expr = {0};
    size_t count;
    (void)n;
    if (!take_text(x, args, &expr))
        return false;
    if (!x->data->query)
        return err_set(x->err, ERR_NOT_IMPLEMENTED, "queries are not possible here");
    if (++x->queries > MAX_QUERIES)
        return err_set(x->err, ERR_LIMIT, "over %d queries in one template", MAX_QUERIES);
    if (!x->data->query(x->data->query_self, x->arena, expr, &samples, &count, x->err))
        return false;
    struct value *list = ARENA_ARRAY(x->arena, struct value, count);
    for (size_t i = 0; i < count; i++)
        list[i] = (struct value){.kind = VALUE_SAMPLE, .as.sample = &samples[i]};
    *out = (struct value){.kind = VALUE_LIST, .as.list = {list, count}};
    return true;
}

static bool first(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    if (args->kind != VALUE_LIST)
        return refuse(x, "the result of a query", args);
    if (args->as.list.n == 0)
        return err_set(x->err, ERR_NOT_FOUND, "first() called on vector with no elements");
    *out = args->as.list.v[0];
    return true;
}

static bool label(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str name = {0};
    (void)n;
    if (!take_text(x, &args[0], &name))
        return false;
    if (args[1].kind != VALUE_SAMPLE)
        return refuse(x, "a sample", &args[1]);
    return give_text(out, labels_get_str(args[1].as.sample->labels, name));
}

static bool value(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    if (args->kind != VALUE_SAMPLE)
        return refuse(x, "a sample", args);
    return give_number(out, args->as.sample->v);
}

static bool strvalue(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    if (args->kind != VALUE_SAMPLE)
        return refuse(x, "a sample", args);
    return give_text(out, labels_get(args->as.sample->labels, "__value__"));
}

struct sort_item {
    struct str key;
    struct value v;
    size_t at; /* equal ones stay in order */
};

static int compare_items(const void *a, const void *b)
{
    const struct sort_item *p = a, *q = b;
    int order = str_cmp(p->key, q->key);
    return order ? order : (p->at > q->at) - (p->at < q->at);
}

static bool sort_by_label(struct expansion *x, const struct value *args, size_t n,
                          struct value *out)
{
    struct str name = {0};
    (void)n;
    if (!take_text(x, &args[0], &name))
        return false;
    if (args[1].kind != VALUE_LIST)
        return refuse(x, "the result of a query", &args[1]);
    size_t count = args[1].as.list.n;
    struct sort_item *items = ARENA_ARRAY(x->arena, struct sort_item, count);
    struct value *sorted = ARENA_ARRAY(x->arena, struct value, count);
    for (size_t i = 0; i < count; i++) {
        struct value v = args[1].as.list.v[i];
        if (v.kind != VALUE_SAMPLE)
            return refuse(x, "samples", &v);
        items[i] = (struct sort_item){labels_get_str(v.as.sample->labels, name), v, i};
    }
    if (count > 1)
        qsort(items, count, sizeof *items, compare_items);
    for (size_t i = 0; i < count; i++)
        sorted[i] = items[i].v;
    *out = (struct value){.kind = VALUE_LIST, .as.list = {sorted, count}};
    return true;
}

/* --- text/template's own --- */

static bool fn_and(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    size_t i = 0;
    (void)x;
    while (i + 1 < n && value_is_true(&args[i]))
        i++;
    *out = args[i];
    return true;
}

static bool fn_or(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    size_t i = 0;
    (void)x;
    while (i + 1 < n && !value_is_true(&args[i]))
        i++;
    *out = args[i];
    return true;
}

static bool fn_not(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)x;
    (void)n;
    return give_bool(out, !value_is_true(args));
}

static bool fn_len(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    *out = (struct value){.kind = VALUE_INT};
    if (args->kind == VALUE_TEXT)
        out->as.integer = (int64_t)args->as.text.n;
    else if (args->kind == VALUE_LIST)
        out->as.integer = (int64_t)args->as.list.n;
    else if (args->kind == VALUE_LABELS)
        out->as.integer = (int64_t)args->as.labels.n;
    else
        return refuse(x, "text, labels or a list", args);
    return true;
}

static bool fn_index(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    *out = args[0];
    for (size_t i = 1; i < n; i++) {
        const struct value *key = &args[i];
        if (out->kind == VALUE_LABELS && key->kind == VALUE_TEXT) {
            (void)give_text(out, labels_get_str(out->as.labels, key->as.text));
        } else if (out->kind == VALUE_LIST && key->kind == VALUE_INT) {
            if (key->as.integer < 0 || (uint64_t)key->as.integer >= out->as.list.n)
                return err_set(x->err, ERR_BAD_INPUT, "index out of range: %lld",
                               (long long)key->as.integer);
            *out = out->as.list.v[key->as.integer];
        } else {
            return err_set(x->err, ERR_BAD_INPUT, "cannot index %s with %s", value_kind_name(out),
                           value_kind_name(key));
        }
    }
    return true;
}

/* Go does not compare an integer with a float. */
static bool compare(struct expansion *x, const struct value *a, const struct value *b, int *order)
{
    if (a->kind != b->kind || a->kind > VALUE_TEXT)
        return err_set(x->err, ERR_BAD_INPUT, "incompatible types for comparison: %s and %s",
                       value_kind_name(a), value_kind_name(b));
    switch (a->kind) {
    case VALUE_FLOAT:
        /* 2: NaN, which Go finds greater than anything */
        *order = a->as.number < b->as.number    ? -1
                 : a->as.number > b->as.number  ? 1
                 : a->as.number == b->as.number ? 0
                                                : 2;
        return true;
    case VALUE_INT:
        *order = (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
        return true;
    case VALUE_TEXT:
        *order = str_cmp(a->as.text, b->as.text);
        *order = (*order > 0) - (*order < 0);
        return true;
    case VALUE_BOOL:
        *order = a->as.boolean == b->as.boolean ? 0 : 2;
        return true;
    case VALUE_NIL:
    case VALUE_LABELS:
    case VALUE_SAMPLE:
    case VALUE_LIST:
    case VALUE_DATA:
        break;
    }
    *order = 0;
    return true;
}

/* eq a b c: a equals b or c. */
static bool fn_eq(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    bool equal = false;
    for (size_t i = 1; i < n && !equal; i++) {
        int order;
        if (!compare(x, &args[0], &args[i], &order))
            return false;
        equal = order == 0;
    }
    return give_bool(out, equal);
}

/* Which orders count as true. NaN is greater than anything in Go's templates. */
enum { LESS = 1, EQUAL = 2, GREATER = 4 };

static bool compare_two(struct expansion *x, const struct value *args, int wanted,
                        struct value *out)
{
    int order;
    return compare(x, &args[0], &args[1], &order) &&
           give_bool(out, wanted & (order < 0    ? LESS
                                    : order == 0 ? EQUAL
                                                 : GREATER));
}

#define COMPARISON(name, wanted)                                                                   \
    static bool name(struct expansion *x, const struct value *args, size_t n, struct value *out)   \
    {                                                                                              \
        (void)n;                                                                                   \
        return compare_two(x, args, wanted, out);                                                  \
    }

COMPARISON(fn_ne, LESS | GREATER)
COMPARISON(fn_lt, LESS)
COMPARISON(fn_le, LESS | EQUAL)
COMPARISON(fn_gt, GREATER)
COMPARISON(fn_ge, GREATER | EQUAL)
#undef COMPARISON

static bool fn_printf(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str format = {0};
    struct buf text = BUF_INIT;
    if (!take_text(x, args, &format))
        return false;
    value_printf(&text, format, args + 1, n - 1);
    return give_buf(x, out, &text);
}

/* Blanks stand between operands when neither is text. */
static bool fn_print(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && args[i].kind != VALUE_TEXT && args[i - 1].kind != VALUE_TEXT)
            buf_add_char(&text, ' ');
        value_print(&args[i], &text);
    }
    return give_buf(x, out, &text);
}

static bool fn_println(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(&text, ' ');
        value_print(&args[i], &text);
    }
    buf_add_char(&text, '\n');
    return give_buf(x, out, &text);
}

static const struct template_function functions[] = {
    {"and", 1, -1, fn_and},
    {"eq", 2, -1, fn_eq},
    {"externalURL", 0, 0, external_url},
    {"first", 1, 1, first},
    {"ge", 2, 2, fn_ge},
    {"graphLink", 1, 1, graph_link},
    {"gt", 2, 2, fn_gt},
    {"html", 1, 1, html},
    {"humanize", 1, 1, humanize},
    {"humanize1024", 1, 1, humanize_1024},
    {"humanizeDuration", 1, 1, humanize_duration},
    {"humanizePercentage", 1, 1, humanize_percentage},
    {"humanizeTimestamp", 1, 1, humanize_timestamp},
    {"index", 1, -1, fn_index},
    {"label", 2, 2, label},
    {"le", 2, 2, fn_le},
    {"len", 1, 1, fn_len},
    {"lt", 2, 2, fn_lt},
    {"match", 2, 2, match_regex},
    {"ne", 2, 2, fn_ne},
    {"not", 1, 1, fn_not},
    {"or", 1, -1, fn_or},
    {"parseDuration", 1, 1, parse_duration},
    {"pathPrefix", 0, 0, path_prefix},
    {"print", 0, -1, fn_print},
    {"printf", 1, -1, fn_printf},
    {"println", 0, -1, fn_println},
    {"query", 1, 1, query},
    {"reReplaceAll", 3, 3, replace_regex},
    {"safeHtml", 1, 1, same_text},
    {"sortByLabel", 2, 2, sort_by_label},
    {"stripDomain", 1, 1, strip_domain},
    {"stripPort", 1, 1, strip_port},
    {"strvalue", 1, 1, strvalue},
    {"tableLink", 1, 1, table_link},
    {"title", 1, 1, to_title},
    {"toLower", 1, 1, to_lower},
    {"toUpper", 1, 1, to_upper},
    {"urlquery", 1, 1, url_query},
    {"value", 1, 1, value},
};

const struct template_function *find_template_function(struct str name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (str_is(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}
