/* Values as text, by the rules of Go's package fmt (pkg.go.dev/fmt), since a rule's author expects
 * what Prometheus prints. */
#include "rules/template.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_WIDTH 1000

const char *value_kind_name(const struct value *v)
{
    static const char *const names[] = {"<nil>",  "bool",   "int",     "float64", "string",
                                        "labels", "sample", "samples", "map",     "data"};
    return names[v->kind];
}

bool value_is_true(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NIL:
        return false;
    case VALUE_BOOL:
        return v->as.boolean;
    case VALUE_INT:
        return v->as.integer != 0;
    case VALUE_FLOAT:
        return v->as.number != 0;
    case VALUE_TEXT:
        return v->as.text.n > 0;
    case VALUE_LABELS:
        return v->as.labels.n > 0;
    case VALUE_LIST:
    case VALUE_ARGS:
        return v->as.list.n > 0;
    case VALUE_SAMPLE:
    case VALUE_DATA:
        return true;
    }
    return false;
}

static bool add_not_finite(struct buf *out, double v)
{
    if (isnan(v))
        buf_add_cstr(out, "NaN");
    else if (isinf(v))
        buf_add_cstr(out, v > 0 ? "+Inf" : "-Inf");
    return !isfinite(v);
}

void add_4g(struct buf *out, double v)
{
    if (!add_not_finite(out, v))
        buf_printf(out, "%.4g", v);
}

/* With an exponent below -4 and from 6 on, as Go prints %v. */
void add_shortest_g(struct buf *out, double v)
{
    char text[40];
    int precision = 1;
    if (add_not_finite(out, v))
        return;
    do {
        (void)snprintf(text, sizeof text, "%.*e", precision - 1, v);
    } while (strtod(text, NULL) != v && precision++ < 17);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent < -4 || exponent >= 6)
        buf_add_cstr(out, text);
    else
        buf_printf(out, "%.*f", precision - 1 > exponent ? precision - 1 - exponent : 0, v);
}

static void print_labels_as_map(struct labels labels, struct buf *out)
{
    buf_add_cstr(out, "map[");
    for (size_t i = 0; i < labels.n; i++)
        buf_printf(out, "%s" STR_FMT ":" STR_FMT, i > 0 ? " " : "", STR_ARG(labels.v[i].name),
                   STR_ARG(labels.v[i].value));
    buf_add_char(out, ']');
}

static void print_data(const struct template_data *data, struct buf *out)
{
    buf_add_char(out, '{');
    print_labels_as_map(data->labels, out);
    buf_add_char(out, ' ');
    print_labels_as_map(data->external_labels, out);
    buf_printf(out, " %s ", data->external_url ? data->external_url : "");
    add_shortest_g(out, data->v);
    buf_add_char(out, '}');
}

static void print_list(const struct value *v, struct buf *out)
{
    buf_add_cstr(out, v->kind == VALUE_ARGS ? "map[" : "[");
    for (size_t i = 0; i < v->as.list.n; i++) {
        if (i > 0)
            buf_add_char(out, ' ');
        if (v->kind == VALUE_ARGS)
            buf_printf(out, "arg%zu:", i);
        value_print(&v->as.list.v[i], out);
    }
    buf_add_char(out, ']');
}

void value_print(const struct value *v, struct buf *out)
{
    switch (v->kind) {
    case VALUE_NIL:
        buf_add_cstr(out, "<no value>");
        return;
    case VALUE_BOOL:
        buf_add_cstr(out, v->as.boolean ? "true" : "false");
        return;
    case VALUE_INT:
        buf_printf(out, "%lld", (long long)v->as.integer);
        return;
    case VALUE_FLOAT:
        add_shortest_g(out, v->as.number);
        return;
    case VALUE_TEXT:
        buf_add_str(out, v->as.text);
        return;
    case VALUE_LABELS:
        print_labels_as_map(v->as.labels, out);
        return;
    case VALUE_SAMPLE:
        labels_print(v->as.sample->labels, out);
        buf_add_cstr(out, " => ");
        add_shortest_g(out, v->as.sample->v);
        return;
    case VALUE_LIST:
    case VALUE_ARGS:
        print_list(v, out);
        return;
    case VALUE_DATA:
        print_data(v->as.data, out);
        return;
    }
}

/* --- printf --- */

struct verb {
    bool minus, plus, space, zero, sharp;
    int width, precision; /* -1: not given */
    char letter;
};

static int take_digits(struct str s, size_t *i)
{
    int n = 0;
    for (; *i < s.n && isdigit((unsigned char)s.p[*i]); ++*i)
        n = n > MAX_WIDTH ? n : n * 10 + (s.p[*i] - '0');
    return n > MAX_WIDTH ? MAX_WIDTH : n;
}

static struct verb take_verb(struct str s, size_t *i)
{
    struct verb v = {.width = -1, .precision = -1};
    for (; *i < s.n && strchr("-+ 0#", s.p[*i]); ++*i) {
        v.minus |= s.p[*i] == '-';
        v.plus |= s.p[*i] == '+';
        v.space |= s.p[*i] == ' ';
        v.zero |= s.p[*i] == '0';
        v.sharp |= s.p[*i] == '#';
    }
    if (*i < s.n && isdigit((unsigned char)s.p[*i]))
        v.width = take_digits(s, i);
    if (*i < s.n && s.p[*i] == '.') {
        ++*i;
        v.precision = take_digits(s, i);
    }
    v.letter = *i < s.n ? s.p[(*i)++] : 0;
    v.plus &= v.letter != 'v'; /* %+v asks for names of fields, not for signs */
    return v;
}

static void pad(struct buf *out, const struct verb *v, struct str text, bool may_zero)
{
    size_t letters = 0;
    for (size_t i = 0; i < text.n; i++)
        letters += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    size_t missing = v->width > 0 && (size_t)v->width > letters ? (size_t)v->width - letters : 0;
    bool zeros = v->zero && !v->minus && may_zero;
    if (zeros && text.n > 0 && (text.p[0] == '-' || text.p[0] == '+')) {
        buf_add_char(out, text.p[0]);
        text = str_make(text.p + 1, text.n - 1);
    }
    for (size_t i = 0; !v->minus && i < missing; i++)
        buf_add_char(out, zeros ? '0' : ' ');
    buf_add_str(out, text);
    for (size_t i = 0; v->minus && i < missing; i++)
        buf_add_char(out, ' ');
}

static void format_float(struct buf *text, const struct verb *v, double x)
{
    char letter = v->letter == 'v' ? 'g' : v->letter;
    if (v->plus && !(x < 0) && !signbit(x) && isfinite(x))
        buf_add_char(text, '+');
    else if (v->space && !signbit(x))
        buf_add_char(text, ' ');
    if (add_not_finite(text, x))
        return;
    int precision = v->precision;
    if (precision < 0 && letter == 'g') {
        add_shortest_g(text, x);
        return;
    }
    if (precision < 0)
        precision = 6;
    switch (letter) {
    case 'e':
        buf_printf(text, "%.*e", precision, x);
        return;
    case 'E':
        buf_printf(text, "%.*E", precision, x);
        return;
    case 'G':
        buf_printf(text, "%.*G", precision, x);
        return;
    case 'g':
        buf_printf(text, "%.*g", precision, x);
        return;
    default:
        buf_printf(text, "%.*f", precision, x);
        return;
    }
}

static void format_int(struct buf *text, const struct verb *v, int64_t x)
{
    unsigned long long size = x < 0 ? 0ULL - (unsigned long long)x : (unsigned long long)x;
    if (x < 0)
        buf_add_char(text, '-');
    else if (v->plus)
        buf_add_char(text, '+');
    else if (v->space)
        buf_add_char(text, ' ');
    switch (v->letter) {
    case 'x':
        buf_printf(text, "%s%llx", v->sharp ? "0x" : "", size);
        return;
    case 'X':
        buf_printf(text, "%s%llX", v->sharp ? "0X" : "", size);
        return;
    case 'o':
        buf_printf(text, "%s%llo", v->sharp ? "0" : "", size);
        return;
    default:
        buf_printf(text, "%llu", size);
        return;
    }
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_cstr(out, "\\n");
        else if (c == '\t')
            buf_add_cstr(out, "\\t");
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_char(out, '"');
}

/* The first `n` letters of UTF-8 text. */
static struct str first_letters(struct str s, int n)
{
    size_t at = 0;
    for (int i = 0; i < n && at < s.n; i++) {
        at++;
        while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80)
            at++;
    }
    return str_make(s.p, at);
}

static bool format_value(struct buf *text, const struct verb *v, const struct value *x,
                         bool *is_number)
{
    struct buf plain = BUF_INIT;
    bool known = true;
    *is_number = false;
    if (x->kind == VALUE_FLOAT && strchr("veEfFgG", v->letter)) {
        *is_number = isfinite(x->as.number);
        format_float(text, v, x->as.number);
    } else if (x->kind == VALUE_INT && strchr("vdxXo", v->letter)) {
        *is_number = true;
        format_int(text, v, x->as.integer);
    } else if ((x->kind == VALUE_BOOL && strchr("vt", v->letter)) ||
               (x->kind > VALUE_TEXT && strchr("vs", v->letter))) {
        value_print(x, text);
    } else if (x->kind == VALUE_TEXT && strchr("vs", v->letter)) {
        buf_add_str(text, v->precision >= 0 ? first_letters(x->as.text, v->precision) : x->as.text);
    } else if (x->kind == VALUE_TEXT && v->letter == 'q') {
        add_quoted(text, x->as.text);
    } else {
        known = false;
        value_print(x, &plain);
        buf_printf(text, "%%!%c(%s=" STR_FMT ")", v->letter, value_kind_name(x),
                   STR_ARG(buf_str(&plain)));
    }
    buf_release(&plain);
    return known;
}

void value_printf(struct buf *out, struct str format, const struct value *args, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < format.n;) {
        struct buf text = BUF_INIT;
        bool is_number;
        if (format.p[i] != '%') {
            buf_add_char(out, format.p[i++]);
            continue;
        }
        i++;
        struct verb v = take_verb(format, &i);
        if (v.letter == 0) {
            buf_add_cstr(out, "%!(NOVERB)");
        } else if (v.letter == '%') {
            buf_add_char(out, '%');
        } else if (used >= n) {
            buf_printf(out, "%%!%c(MISSING)", v.letter);
        } else if (format_value(&text, &v, &args[used++], &is_number)) {
            pad(out, &v, buf_str(&text), is_number);
        } else {
            buf_add_str(out, buf_str(&text));
        }
        buf_release(&text);
    }
    for (size_t i = used; i < n; i++) {
        buf_add_cstr(out, i == used ? "%!(EXTRA " : ", ");
        buf_printf(out, "%s=", value_kind_name(&args[i]));
        value_print(&args[i], out);
    }
    if (used < n)
        buf_add_char(out, ')');
}
