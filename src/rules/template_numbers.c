/* Numbers for people, in templates (prometheus.io/docs, "Template reference"). */
#include "rules/template.h"

#include "base/clock.h"
#include "base/num.h"

#include <math.h>
#include <stdio.h>

static bool humanize(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    static const char big[] = "kMGTPEZY", small[] = "munpfazy";
    struct buf text = BUF_INIT;
    double v = 0;
    (void)n;
    if (!argument_float(x, args, &v))
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
    return result_buf(x, out, &text);
}

static bool humanize_1024(struct expansion *x, const struct value *args, size_t n,
                          struct value *out)
{
    static const char *const prefixes[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    struct buf text = BUF_INIT;
    double v = 0;
    size_t prefix = 0;
    (void)n;
    if (!argument_float(x, args, &v))
        return false;
    while (isfinite(v) && fabs(v) >= 1024 && prefix + 1 < sizeof prefixes / sizeof *prefixes)
        v /= 1024, prefix++;
    add_4g(&text, v);
    buf_add_cstr(&text, prefixes[prefix]);
    return result_buf(x, out, &text);
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
    if (!argument_float(x, args, &v))
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
    return result_buf(x, out, &text);
}

static bool humanize_percentage(struct expansion *x, const struct value *args, size_t n,
                                struct value *out)
{
    struct buf text = BUF_INIT;
    double v = 0;
    (void)n;
    if (!argument_float(x, args, &v))
        return false;
    add_4g(&text, v * 100);
    buf_add_char(&text, '%');
    return result_buf(x, out, &text);
}

/* 2015-05-29 21:05:30.125 +0000 UTC. Also toTime, which is printed so. */
static bool humanize_timestamp(struct expansion *x, const struct value *args, size_t n,
                               struct value *out)
{
    struct buf text = BUF_INIT, rfc = BUF_INIT;
    double v = 0;
    (void)n;
    if (!argument_float(x, args, &v))
        return false;
    if (!isfinite(v)) {
        add_4g(&text, v);
        return result_buf(x, out, &text);
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
    return result_buf(x, out, &text);
}

/* A fraction without trailing zeros, as Go prints a time.Duration's: 1.5, 250. */
static void add_duration_part(struct buf *text, uint64_t ns, uint64_t unit_ns, const char *unit)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%.9f", (double)(ns % unit_ns) / (double)unit_ns);
    while (n > 0 && (digits[n - 1] == '0' || digits[n - 1] == '.') && n > 1)
        n--;
    buf_printf(text, "%llu%.*s%s", (unsigned long long)(ns / unit_ns), n - 1, digits + 1, unit);
}

/* 1h30m0s, 1.5s, 250ms */
static bool to_duration(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf text = BUF_INIT;
    double v = 0;
    (void)n;
    if (!argument_float(x, args, &v))
        return false;
    if (!(fabs(v) < 9.2e9))
        return err_set(x->err, ERR_BAD_INPUT, "%g cannot be represented as a duration", v);
    uint64_t ns = (uint64_t)(fabs(v) * 1e9), minute = 60000000000, second = 1000000000;
    if (v < 0 && ns > 0)
        buf_add_char(&text, '-');
    if (ns >= 60 * minute)
        buf_printf(&text, "%lluh", (unsigned long long)(ns / (60 * minute)));
    if (ns >= minute)
        buf_printf(&text, "%llum", (unsigned long long)(ns / minute % 60));
    if (ns >= second)
        add_duration_part(&text, ns % minute, second, "s");
    else if (ns >= 1000000)
        add_duration_part(&text, ns, 1000000, "ms");
    else if (ns >= 1000)
        add_duration_part(&text, ns, 1000, "µs");
    else
        buf_printf(&text, ns > 0 ? "%lluns" : "%llus", (unsigned long long)ns);
    return result_buf(x, out, &text);
}

static bool parse_duration(struct expansion *x, const struct value *args, size_t n,
                           struct value *out)
{
    struct str text = {0};
    int64_t ms;
    (void)n;
    if (!argument_text(x, args, &text))
        return false;
    bool negative = str_starts(text, STR("-"));
    if (!num_parse_duration_ms(negative ? str_make(text.p + 1, text.n - 1) : text, &ms))
        return err_set(x->err, ERR_BAD_INPUT, "\"%.*s\" is no duration",
                       (int)(text.n < 60 ? text.n : 60), text.p);
    return result_number(out, (double)(negative ? -ms : ms) / 1000);
}

const struct template_function template_number_functions[] = {
    {"humanize", 1, 1, humanize},
    {"humanize1024", 1, 1, humanize_1024},
    {"humanizeDuration", 1, 1, humanize_duration},
    {"humanizePercentage", 1, 1, humanize_percentage},
    {"humanizeTimestamp", 1, 1, humanize_timestamp},
    {"parseDuration", 1, 1, parse_duration},
    {"toDuration", 1, 1, to_duration},
    {"toTime", 1, 1, humanize_timestamp},
    {0},
};
