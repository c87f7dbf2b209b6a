#include "base/num.h"

#include "base/shortest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* --- Reading --- */

static bool parse_word(struct str s, double sign, double *out)
{
    static const char *const infinite[] = {"inf", "infinity"};
    for (size_t i = 0; i < 2; i++) {
        if (s.n == strlen(infinite[i]) && strncasecmp(s.p, infinite[i], s.n) == 0) {
            *out = sign * (double)INFINITY;
            return true;
        }
    }
    if (s.n == 3 && strncasecmp(s.p, "nan", 3) == 0) {
        *out = (double)NAN;
        return true;
    }
    return false;
}

/* strtod on a bounded copy, only for bytes that can stand in a number. The process never calls
 * setlocale, so the decimal point is a point. */
static bool parse_slow(struct str s, double *out)
{
    char text[128];
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!isxdigit((unsigned char)s.p[i]) && !strchr("+-.xXpP", s.p[i]))
            return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    char *end;
    *out = strtod(text, &end);
    return end == text + s.n;
}

/* Clinger's fast path ("How to read floating point numbers accurately", PLDI 1990): a mantissa
 * below 2^53 and a power of ten that a double holds exactly need one correctly rounded operation.
 */
static bool parse_fast(struct str s, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t mantissa = 0;
    int exponent = 0;
    size_t i = 0, digits = 0;
    bool negative = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        i++;
    for (bool point = false; i < s.n; i++) {
        if (is_digit(s.p[i])) {
            mantissa = mantissa * 10 + (uint64_t)(s.p[i] - '0');
            digits++;
            exponent -= point;
        } else if (s.p[i] == '.' && !point) {
            point = true;
        } else {
            break;
        }
        if (digits > 18)
            return false;
    }
    if (i != s.n || digits == 0 || mantissa > (UINT64_C(1) << 53) || exponent < -22)
        return false;
    double v = (double)mantissa / powers[-exponent];
    *out = negative ? -v : v;
    return true;
}

bool num_parse_double(struct str s, double *out)
{
    if (parse_fast(s, out))
        return true;
    struct str word = s;
    double sign = 1;
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
        sign = s.p[0] == '-' ? -1 : 1;
        word = str_make(s.p + 1, s.n - 1);
    }
    return parse_word(word, sign, out) || parse_slow(s, out);
}

bool num_parse_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]) || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    if (s.n == 0)
        return false;
    *out = v;
    return true;
}

bool num_parse_i64(struct str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_make(s.p + 1, s.n - 1);
    uint64_t v;
    if (!num_parse_u64(s, &v) || v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* --- Writing --- */

static void add_zeros(struct buf *out, int count)
{
    for (int i = 0; i < count; i++)
        buf_add_char(out, '0');
}

static void add_scientific(struct buf *out, const char *digits, size_t n, int exponent,
                           int exponent_zeros)
{
    buf_add_char(out, digits[0]);
    if (n > 1) {
        buf_add_char(out, '.');
        buf_add(out, digits + 1, n - 1);
    }
    buf_add_char(out, 'e');
    buf_add_char(out, exponent < 0 ? '-' : '+');
    add_zeros(out, abs(exponent) < 10 ? exponent_zeros : 0);
    buf_printf(out, "%d", abs(exponent));
}

static void add_plain(struct buf *out, const char *digits, size_t n, int exponent)
{
    if (exponent < 0) {
        buf_add_cstr(out, "0.");
        add_zeros(out, -exponent - 1);
        buf_add(out, digits, n);
        return;
    }
    size_t whole = (size_t)exponent + 1;
    buf_add(out, digits, n < whole ? n : whole);
    if (n < whole)
        add_zeros(out, (int)(whole - n));
    if (n > whole) {
        buf_add_char(out, '.');
        buf_add(out, digits + whole, n - whole);
    }
}

/* `exponent_zeros` stand in front of an exponent of one digit. */
static void add_finite(struct buf *out, double v, int exponent_zeros)
{
    if (signbit(v))
        buf_add_char(out, '-');
    double size = fabs(v);
    char digits[SHORTEST_DIGITS];
    int exponent;
    size_t n = shortest_digits(size, digits, &exponent);
    if (size != 0 && (size < 1e-6 || size >= 1e21))
        add_scientific(out, digits, n, exponent, exponent_zeros);
    else
        add_plain(out, digits, n, exponent);
}

void num_add_double(struct buf *out, double v)
{
    if (isnan(v))
        buf_add_cstr(out, "NaN");
    else if (isinf(v))
        buf_add_cstr(out, v > 0 ? "+Inf" : "-Inf");
    else
        add_finite(out, v, 1);
}

void num_add_json(struct buf *out, double v)
{
    CHECK(isfinite(v));
    add_finite(out, v, 0);
}

/* --- Units --- */

static const struct {
    const char *name;
    int64_t ms;
} duration_units[] = {{"y", INT64_C(31536000000)},
                      {"w", 604800000},
                      {"d", 86400000},
                      {"h", 3600000},
                      {"m", 60000},
                      {"s", 1000},
                      {"ms", 1}};
#define N_DURATION_UNITS (sizeof duration_units / sizeof *duration_units)

/* The number and unit at the front of *s; units must come biggest first, each once. */
static bool take_duration_part(struct str *s, size_t *next_unit, int64_t *ms)
{
    size_t digits = 0, letters = 0;
    while (digits < s->n && is_digit(s->p[digits]))
        digits++;
    while (digits + letters < s->n && isalpha((unsigned char)s->p[digits + letters]))
        letters++;
    int64_t count;
    if (!num_parse_i64(str_make(s->p, digits), &count))
        return false;
    struct str unit = str_make(s->p + digits, letters);
    size_t i = *next_unit;
    while (i < N_DURATION_UNITS && !str_is(unit, duration_units[i].name))
        i++;
    if (i == N_DURATION_UNITS || __builtin_mul_overflow(count, duration_units[i].ms, ms))
        return false;
    *next_unit = i + 1;
    *s = str_make(s->p + digits + letters, s->n - digits - letters);
    return true;
}

bool num_parse_duration_ms(struct str s, int64_t *out)
{
    if (str_is(s, "0")) {
        *out = 0;
        return true;
    }
    int64_t total = 0;
    size_t next_unit = 0;
    bool any = false;
    for (; s.n > 0; any = true) {
        int64_t part;
        if (!take_duration_part(&s, &next_unit, &part) ||
            __builtin_add_overflow(total, part, &total))
            return false;
    }
    if (any)
        *out = total;
    return any;
}

void num_add_duration(struct buf *out, int64_t ms)
{
    if (ms == 0)
        buf_add_cstr(out, "0s");
    if (ms < 0)
        buf_add_char(out, '-');
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    for (size_t i = 2; i < N_DURATION_UNITS; i++) { /* from days down, as people read them */
        uint64_t unit = (uint64_t)duration_units[i].ms;
        if (left >= unit)
            buf_printf(out, "%llu%s", (unsigned long long)(left / unit), duration_units[i].name);
        left %= unit;
    }
}

bool num_parse_ratio(struct str s, double *out)
{
    bool percent = str_ends(s, STR("%"));
    if (percent)
        s.n--;
    double v;
    if (s.n == 0 || !num_parse_double(s, &v) || !isfinite(v))
        return false;
    *out = percent ? v / 100 : v;
    return true;
}

static bool size_factor(struct str unit, double *factor)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {{"", 1},     {"k", 1e3},     {"K", 1e3},     {"M", 1e6},     {"G", 1e9},
                 {"T", 1e12}, {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (str_is(unit, units[i].name)) {
            *factor = units[i].factor;
            return true;
        }
    }
    return false;
}

bool num_parse_size(struct str s, uint64_t *out)
{
    size_t digits = 0;
    while (digits < s.n && (is_digit(s.p[digits]) || s.p[digits] == '.'))
        digits++;
    struct str unit = str_make(s.p + digits, s.n - digits);
    if (str_ends(unit, STR("B")))
        unit.n--;
    double number, factor;
    if (digits == 0 || !num_parse_double(str_make(s.p, digits), &number) ||
        !size_factor(unit, &factor) || number * factor >= 0x1p63)
        return false;
    *out = (uint64_t)(number * factor);
    return true;
}
