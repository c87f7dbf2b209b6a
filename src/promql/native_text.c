/* A histogram as Go's %v and String() print it, for count_values(). */
#include "promql/native.h"
#include "promql/promql.h"

#include "base/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The shortest digits that read as the same number; with an exponent from 1e+06 and
 * below 0.0001 on. */
static void add_number(struct buf *out, double v)
{
    char text[40];
    if (!isfinite(v)) {
        buf_add_cstr(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v)
            break;
    }
    int exponent = atoi(strchr(text, 'e') + 1);
    if (v == 0 || (exponent >= -4 && exponent < 6))
        num_add_double(out, v);
    else
        buf_add_cstr(out, text);
}

const char *native_text(struct arena *arena, const struct histogram *h)
{
    struct buf out = BUF_INIT;
    size_t n;
    const struct promql_bucket *b = promql_buckets(arena, h, &n);
    buf_add_cstr(&out, "{count:");
    add_number(&out, h->count);
    buf_add_cstr(&out, ", sum:");
    add_number(&out, h->sum);
    for (size_t i = 0; i < n; i++) {
        buf_add_cstr(&out, b[i].low_inclusive ? ", [" : ", (");
        add_number(&out, b[i].low);
        buf_add_char(&out, ',');
        add_number(&out, b[i].high);
        buf_add_cstr(&out, b[i].high_inclusive ? "]:" : "):");
        add_number(&out, b[i].count);
    }
    buf_add_char(&out, '}');
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}
