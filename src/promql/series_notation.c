#include "promql/series_notation.h"

#include "base/num.h"
#include "promql/native.h"
#include "promql/promql.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_VALUES 1000000
#define MAX_SUMS 10000 /* of histograms: each is made */

/* --- Numbers --- */

static size_t word_length(struct str s, size_t at)
{
    static const char *const words[] = {"infinity", "inf", "nan"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (s.n - at >= n && strncasecmp(s.p + at, words[i], n) == 0)
            return n;
    }
    return 0;
}

static size_t skip_digits(struct str s, size_t at)
{
    while (at < s.n && isdigit((unsigned char)s.p[at]))
        at++;
    return at;
}

/* The end of the decimal number at the front: here `x` is no part of one, it repeats. */
static size_t number_end(struct str s)
{
    size_t at = s.n > 0 && (s.p[0] == '+' || s.p[0] == '-') ? 1 : 0;
    size_t word = word_length(s, at);
    if (word)
        return at + word;
    at = skip_digits(s, at);
    if (at < s.n && s.p[at] == '.')
        at = skip_digits(s, at + 1);
    if (at + 1 < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
        size_t digits = at + 1 + (s.p[at + 1] == '+' || s.p[at + 1] == '-');
        size_t end = skip_digits(s, digits);
        at = end > digits ? end : at;
    }
    return at;
}

static bool take_number(struct str *s, double *out)
{
    size_t n = number_end(*s);
    if (n == 0 || !num_parse_double(str_make(s->p, n), out))
        return false;
    *s = str_make(s->p + n, s->n - n);
    return true;
}

/* --- Values --- */

struct value_list {
    struct arena *arena;
    struct notation_value *v;
    size_t n, capacity;
};

static bool add_values(struct value_list *list, struct notation_value value, double step,
                       uint64_t times)
{
    if (times > MAX_VALUES)
        return false;
    for (uint64_t i = 0; i < times; i++) {
        list->v = arena_grow(list->arena, list->v, list->n, &list->capacity, sizeof *list->v);
        list->v[list->n++] = value;
        value.v += step;
    }
    return true;
}

/* "x3" -> 3; nothing -> 0. */
static bool take_repeat(struct str s, uint64_t *times)
{
    *times = 0;
    return s.n == 0 || (s.p[0] == 'x' && num_parse_u64(str_make(s.p + 1, s.n - 1), times));
}

/* What is before and with the next "}}". */
static struct str cut_histogram(struct str *item)
{
    for (size_t i = 0; i + 1 < item->n; i++) {
        if (item->p[i] == '}' && item->p[i + 1] == '}') {
            struct str out = str_make(item->p, i + 2);
            *item = str_make(item->p + i + 2, item->n - i - 2);
            return out;
        }
    }
    return *item;
}

/* "{{...}}", "{{...}}x3", "{{...}}+{{...}}x3". */
static bool add_histograms(struct value_list *list, struct str item)
{
    struct notation_value value;
    const struct histogram *step = NULL;
    struct meeting met = {0};
    struct notation_value added;
    uint64_t times;
    double sign = 1;
    struct str first = cut_histogram(&item);
    if (!parse_histogram_notation(list->arena, first, &value))
        return false;
    if (item.n > 2 && (item.p[0] == '+' || item.p[0] == '-')) {
        sign = item.p[0] == '-' ? -1 : 1;
        item = str_make(item.p + 1, item.n - 1);
        if (!parse_histogram_notation(list->arena, cut_histogram(&item), &added))
            return false;
        step = added.h;
    }
    if (!take_repeat(item, &times) || (step && times > MAX_SUMS))
        return false;
    if (!step)
        return add_values(list, value, 0, times + 1);
    for (uint64_t i = 0; i <= times; i++) {
        if (!add_values(list, value, 0, 1))
            return false;
        struct native next = native_copy(list->arena, value.h);
        if (!native_add(&next, step, sign, list->arena, &met))
            return false;
        value.h = native_value(list->arena, &next);
    }
    return true;
}

static bool add_item(struct value_list *list, struct str item)
{
    uint64_t times;
    double v, step = 0;
    if (item.p[0] == '_')
        return take_repeat(str_make(item.p + 1, item.n - 1), &times) &&
               add_values(list, (struct notation_value){0}, 0, times ? times : 1);
    if (str_starts(item, STR("{{")))
        return add_histograms(list, item);
    if (str_starts(item, STR("stale")))
        return take_repeat(str_make(item.p + 5, item.n - 5), &times) &&
               add_values(list, (struct notation_value){.present = true, .v = stale_nan()}, 0,
                          times + 1);
    if (!take_number(&item, &v))
        return false;
    if (item.n > 0 && (item.p[0] == '+' || item.p[0] == '-') && !take_number(&item, &step))
        return false;
    return take_repeat(item, &times) &&
           add_values(list, (struct notation_value){.present = true, .v = v}, step, times + 1);
}

/* The next item; blanks inside {{ }} do not end it. */
static struct str take_item(struct str *s)
{
    size_t start = 0, n, depth = 0;
    while (start < s->n && isspace((unsigned char)s->p[start]))
        start++;
    for (n = start; n < s->n && (depth > 0 || !isspace((unsigned char)s->p[n])); n++) {
        if (s->p[n] == '{')
            depth++;
        if (s->p[n] == '}' && depth > 0)
            depth--;
    }
    struct str item = str_make(s->p + start, n - start);
    *s = str_make(s->p + n, s->n - n);
    return item;
}

bool parse_start_notation(struct arena *arena, struct str text, const int64_t **out, size_t *n)
{
    int64_t *starts = NULL;
    size_t capacity = 0;
    *n = 0;
    for (struct str item = take_item(&text); item.n > 0; item = take_item(&text)) {
        const char *x = memchr(item.p, 'x', item.n);
        size_t length = x ? (size_t)(x - item.p) : item.n;
        uint64_t times;
        int64_t ms = 0;
        bool negative = item.p[0] == '-', gap = item.p[0] == '_';
        struct str rest = str_make(item.p + length, item.n - length);
        struct str duration = str_make(item.p + negative, length - negative);
        if (!take_repeat(rest, &times) || times > MAX_VALUES ||
            (!gap && !num_parse_duration_ms(duration, &ms)))
            return false;
        for (uint64_t i = 0; i < (gap && times ? times : times + 1); i++) {
            starts = arena_grow(arena, starts, *n, &capacity, sizeof *starts);
            starts[(*n)++] = negative ? -ms : ms;
        }
    }
    *out = starts;
    return true;
}

/* --- Series --- */

/* Where the labels end: behind the name, or behind the brace that closes them. */
static size_t metric_end(struct str line)
{
    size_t i = 0;
    char quote = 0;
    while (i < line.n && line.p[i] != '{' && !isspace((unsigned char)line.p[i]))
        i++;
    if (i == line.n || line.p[i] != '{')
        return i;
    for (i++; i < line.n; i++) {
        char c = line.p[i];
        if (quote) {
            i += c == '\\' && quote != '`';
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '}') {
            return i + 1;
        }
    }
    return line.n;
}

/* Labels are written as a selector writes them. */
static bool parse_metric(struct arena *arena, struct str text, struct labels *out, struct err *err)
{
    struct labels_builder b;
    const struct matcher *m;
    size_t n = 0;
    labels_builder_init(&b, arena);
    if (!str_is(text, "{}")) {
        struct promql_expr *expr = promql_parse(arena, text, err);
        if (!expr || !promql_as_counter_selector(expr, &m, &n))
            return expr ? err_set(err, ERR_BAD_INPUT, "not a series: " STR_FMT, STR_ARG(text))
                        : false;
    }
    for (size_t i = 0; i < n; i++)
        labels_builder_set(&b, m[i].name, m[i].value);
    *out = labels_build(&b);
    return true;
}

bool parse_series_notation(struct arena *arena, struct str line, struct notation_series *out,
                           struct err *err)
{
    size_t end = metric_end(line);
    struct value_list list = {.arena = arena};
    struct str rest = str_make(line.p + end, line.n - end);
    *out = (struct notation_series){0};
    if (!parse_metric(arena, str_make(line.p, end), &out->labels, err))
        return false;
    for (struct str item = take_item(&rest); item.n > 0; item = take_item(&rest)) {
        if (!add_item(&list, item))
            return err_set(err, ERR_BAD_INPUT, "bad value \"" STR_FMT "\"", STR_ARG(item));
    }
    out->values = list.v;
    out->n = list.n;
    for (size_t i = 0; i < list.n; i++)
        out->histograms |= list.v[i].h != NULL;
    return true;
}
