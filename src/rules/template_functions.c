/* What a template can call: Prometheus's functions on text and queries (prometheus.io/docs,
 * "Template reference"), and what all functions share. */
#include "rules/internal.h"

#include "base/num.h"
#include "codec/regex.h"

#include <ctype.h>
#include <stdlib.h>

#define MAX_QUERIES 100
#define MAX_TEXT_BYTES ((size_t)64 << 10)

/* --- Arguments and results --- */

bool argument_refuse(struct expansion *x, const char *expected, const struct value *got)
{
    return err_set(x->err, ERR_BAD_INPUT, "expected %s, got %s", expected, value_kind_name(got));
}

bool result_text(struct value *out, struct str text)
{
    *out = (struct value){.kind = VALUE_TEXT, .as.text = text};
    return true;
}

/* Takes the buffer over. */
bool result_buf(struct expansion *x, struct value *out, struct buf *text)
{
    bool fits = text->n <= MAX_TEXT_BYTES;
    if (fits)
        (void)result_text(out, arena_str(x->arena, buf_str(text)));
    else
        err_set(x->err, ERR_LIMIT, "the result is over %zu bytes", MAX_TEXT_BYTES);
    buf_release(text);
    return fits;
}

bool result_bool(struct value *out, bool b)
{
    *out = (struct value){.kind = VALUE_BOOL, .as.boolean = b};
    return true;
}

bool result_number(struct value *out, double v)
{
    *out = (struct value){.kind = VALUE_FLOAT, .as.number = v};
    return true;
}

/* Numbers, and text that is one. */
bool argument_float(struct expansion *x, const struct value *v, double *out)
{
    if (v->kind == VALUE_FLOAT)
        *out = v->as.number;
    else if (v->kind == VALUE_INT)
        *out = (double)v->as.integer;
    else if (v->kind != VALUE_TEXT)
        return argument_refuse(x, "a number", v);
    else if (!num_parse_double(v->as.text, out))
        return err_set(x->err, ERR_BAD_INPUT, "\"%.*s\" is no number",
                       (int)(v->as.text.n < 60 ? v->as.text.n : 60), v->as.text.p);
    return true;
}

bool argument_text(struct expansion *x, const struct value *v, struct str *out)
{
    if (v->kind != VALUE_TEXT)
        return argument_refuse(x, "text", v);
    *out = v->as.text;
    return true;
}

/* --- Text --- */

static bool change_case(struct expansion *x, const struct value *args, struct value *out,
                        bool upper, bool title)
{
    struct str text = {0};
    if (!argument_text(x, args, &text))
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
    return result_text(out, str_make(copy, text.n));
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
    if (!argument_text(x, &args[0], &pattern) || !argument_text(x, &args[1], &text))
        return false;
    struct regex *regex = regex_new(pattern, x->err);
    if (!regex)
        return false;
    (void)result_bool(out, regex_finds(regex, text));
    regex_free(regex);
    return true;
}

static bool replace_regex(struct expansion *x, const struct value *args, size_t n,
                          struct value *out)
{
    struct str pattern = {0}, replacement = {0}, text = {0};
    struct buf replaced = BUF_INIT;
    (void)n;
    if (!argument_text(x, &args[0], &pattern) || !argument_text(x, &args[1], &replacement) ||
        !argument_text(x, &args[2], &text))
        return false;
    struct regex *regex = regex_new(pattern, x->err);
    if (!regex)
        return false;
    regex_replace_all(regex, text, replacement, &replaced);
    regex_free(regex);
    return result_buf(x, out, &replaced);
}

static bool same_text(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str text = {0};
    (void)n;
    return argument_text(x, args, &text) && result_text(out, text);
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
    if (!argument_text(x, args, &text))
        return false;
    size_t end = port_colon(text);
    if (end < text.n && text.p[0] == '[' && text.p[end - 1] == ']')
        return result_text(out, str_make(text.p + 1, end - 2));
    return result_text(out, str_make(text.p, end));
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
    if (!argument_text(x, args, &text))
        return false;
    size_t colon = port_colon(text);
    struct str host = str_make(text.p, colon);
    const char *dot = host.p ? memchr(host.p, '.', host.n) : NULL;
    if (is_address(host) || !dot)
        return result_text(out, text);
    struct buf short_name = BUF_INIT;
    buf_add(&short_name, host.p, (size_t)(dot - host.p));
    buf_add(&short_name, text.p + colon, text.n - colon);
    return result_buf(x, out, &short_name);
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
    return result_buf(x, out, &text);
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
    if (!argument_text(x, args, &expr))
        return false;
    add_expression_link(&text, expr, tab);
    return result_buf(x, out, &text);
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
    return result_text(out, path ? str_make(path, url.n - (size_t)(path - url.p)) : STR(""));
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
    return result_buf(x, out, &text);
}

/* --- Queries --- */

static bool query(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct template_sample *samples;
    struct str expr = {0};
    size_t count;
    (void)n;
    if (!argument_text(x, args, &expr))
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
        return argument_refuse(x, "the result of a query", args);
    if (args->as.list.n == 0)
        return err_set(x->err, ERR_NOT_FOUND, "first() called on vector with no elements");
    *out = args->as.list.v[0];
    return true;
}

static bool label(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str name = {0};
    (void)n;
    if (!argument_text(x, &args[0], &name))
        return false;
    if (args[1].kind != VALUE_SAMPLE)
        return argument_refuse(x, "a sample", &args[1]);
    return result_text(out, labels_get_str(args[1].as.sample->labels, name));
}

static bool value(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    if (args->kind != VALUE_SAMPLE)
        return argument_refuse(x, "a sample", args);
    return result_number(out, args->as.sample->v);
}

static bool strvalue(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    if (args->kind != VALUE_SAMPLE)
        return argument_refuse(x, "a sample", args);
    return result_text(out, labels_get(args->as.sample->labels, "__value__"));
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
    if (!argument_text(x, &args[0], &name))
        return false;
    if (args[1].kind != VALUE_LIST)
        return argument_refuse(x, "the result of a query", &args[1]);
    size_t count = args[1].as.list.n;
    struct sort_item *items = ARENA_ARRAY(x->arena, struct sort_item, count);
    struct value *sorted = ARENA_ARRAY(x->arena, struct value, count);
    for (size_t i = 0; i < count; i++) {
        struct value v = args[1].as.list.v[i];
        if (v.kind != VALUE_SAMPLE)
            return argument_refuse(x, "samples", &v);
        items[i] = (struct sort_item){labels_get_str(v.as.sample->labels, name), v, i};
    }
    if (count > 1)
        qsort(items, count, sizeof *items, compare_items);
    for (size_t i = 0; i < count; i++)
        sorted[i] = items[i].v;
    *out = (struct value){.kind = VALUE_LIST, .as.list = {sorted, count}};
    return true;
}

/* --- Templates in templates --- */

static bool list_args(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    const struct value *v = n > 0 ? arena_memdup(x->arena, args, n * sizeof *args) : NULL;
    *out = (struct value){.kind = VALUE_ARGS, .as.list = {v, n}};
    return true;
}

static bool call_template(struct expansion *x, const struct value *args, size_t n,
                          struct value *out)
{
    struct buf text = BUF_INIT;
    struct str name = {0};
    (void)n;
    if (!argument_text(x, args, &name))
        return false;
    if (run_defined_template(x, name, args[1], &text))
        return result_buf(x, out, &text);
    buf_release(&text);
    return false;
}

static bool now(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)args;
    (void)n;
    return result_number(out, (double)x->data->t_ms / 1000);
}

static const struct template_function template_text_functions[] = {
    {"args", 0, -1, list_args},
    {"externalURL", 0, 0, external_url},
    {"first", 1, 1, first},
    {"graphLink", 1, 1, graph_link},
    {"html", 1, 1, html},
    {"label", 2, 2, label},
    {"match", 2, 2, match_regex},
    {"now", 0, 0, now},
    {"pathPrefix", 0, 0, path_prefix},
    {"query", 1, 1, query},
    {"reReplaceAll", 3, 3, replace_regex},
    {"safeHtml", 1, 1, same_text},
    {"sortByLabel", 2, 2, sort_by_label},
    {"stripDomain", 1, 1, strip_domain},
    {"stripPort", 1, 1, strip_port},
    {"strvalue", 1, 1, strvalue},
    {"tableLink", 1, 1, table_link},
    {"title", 1, 1, to_title},
    {"tmpl", 2, 2, call_template},
    {"toLower", 1, 1, to_lower},
    {"toUpper", 1, 1, to_upper},
    {"urlquery", 1, 1, url_query},
    {"value", 1, 1, value},
    {0},
};

const struct template_function *find_template_function(struct str name)
{
    static const struct template_function *const tables[] = {
        template_text_functions, template_number_functions, template_logic_functions};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct template_function *f = tables[i]; f->name; f++) {
            if (str_is(name, f->name))
                return f;
        }
    }
    return NULL;
}
