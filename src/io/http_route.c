/* Which handler a request goes to, and what it says in its address and form. */
#include "io/http_internal.h"

#include <stdio.h>

static void capture(struct exchange *x, struct str name, struct str value)
{
    if (x->n_captures == sizeof x->captures / sizeof *x->captures)
        return;
    x->captures[x->n_captures++] =
        (struct param){arena_cstr(&x->arena, name), arena_cstr(&x->arena, value)};
}

/* Part by part: `:name` takes one, a final `*` the rest. */
static bool matches(struct exchange *x, const char *pattern, const char *path)
{
    struct str p = str_from(pattern), s = str_from(path), part, word;
    x->n_captures = 0;
    while (str_cut(&p, '/', &part)) {
        if (str_is(part, "*"))
            return s.p != NULL;
        if (!str_cut(&s, '/', &word))
            return false;
        if (part.n > 0 && part.p[0] == ':' && word.n > 0)
            capture(x, str_make(part.p + 1, part.n - 1), word);
        else if (!str_eq(part, word))
            return false;
    }
    return s.p == NULL;
}

const struct http_route *route_find(struct exchange *x, const char *method, const char *path)
{
    const struct http_server_options *o = &x->server->options;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < o->n_routes; i++) {
        if (strcmp(o->routes[i].method, wanted) == 0 && matches(x, o->routes[i].pattern, path))
            return &o->routes[i];
    }
    return NULL;
}

/* What could have been asked of this path; false when nothing could. */
bool route_allows(struct exchange *x, const char *path, char *allow, size_t allow_bytes)
{
    const struct http_server_options *o = &x->server->options;
    size_t n = 0;
    for (size_t i = 0; i < o->n_routes; i++) {
        const char *method = o->routes[i].method;
        bool catch_all = strcmp(o->routes[i].pattern, "/*") == 0;
        if (catch_all || !matches(x, o->routes[i].pattern, path) || n + 16 > allow_bytes)
            continue;
        n += (size_t)snprintf(allow + n, allow_bytes - n, "%s%s", n ? ", " : "", method);
    }
    x->n_captures = 0;
    return n > 0;
}

const char *http_capture(const struct http_request *request, const char *name)
{
    const struct exchange *x = request->internal;
    for (size_t i = 0; i < x->n_captures; i++) {
        if (strcmp(x->captures[i].name, name) == 0)
            return x->captures[i].value;
    }
    CHECK(false);
    return "";
}

/* --- Parameters --- */

static void add_param(struct exchange *x, const char *name, const char *value)
{
    x->params =
        arena_grow(&x->arena, x->params, x->n_params, &x->param_capacity, sizeof *x->params);
    x->params[x->n_params++] = (struct param){name, value};
}

static enum MHD_Result take_argument(void *arg, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    add_param(arg, name, value ? value : "");
    return MHD_YES;
}

void params_read(struct exchange *x)
{
    (void)MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, take_argument, x);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* application/x-www-form-urlencoded (URL standard, section 5.1). */
static char *decode_form(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '+' ? ' ' : text.p[i];
        if (c == '%' && i + 2 < text.n && hex_digit(text.p[i + 1]) >= 0 &&
            hex_digit(text.p[i + 2]) >= 0) {
            c = (char)(hex_digit(text.p[i + 1]) * 16 + hex_digit(text.p[i + 2]));
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

void params_add_form(struct exchange *x, struct str form)
{
    struct str pair, name;
    while (form.n > 0 && str_cut(&form, '&', &pair)) {
        if (!str_cut(&pair, '=', &name))
            continue;
        add_param(x, decode_form(&x->arena, name), decode_form(&x->arena, pair.p ? pair : STR("")));
    }
}

const char *http_param(const struct http_request *request, const char *name)
{
    const struct exchange *x = request->internal;
    for (size_t i = 0; i < x->n_params; i++) {
        if (strcmp(x->params[i].name, name) == 0)
            return x->params[i].value;
    }
    return NULL;
}

size_t http_params(const struct http_request *request, const char *name, const char *const **values)
{
    const struct exchange *x = request->internal;
    const char **found = ARENA_ARRAY(request->arena, const char *, x->n_params);
    size_t n = 0;
    for (size_t i = 0; i < x->n_params; i++) {
        if (strcmp(x->params[i].name, name) == 0)
            found[n++] = x->params[i].value;
    }
    *values = found;
    return n;
}

const char *http_header(const struct http_request *request, const char *name)
{
    const struct exchange *x = request->internal;
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}
