#include "base/num.h"
#include "promql/series_notation.h"

#include <math.h>

#define MAX_BUCKETS 10000
#define MAX_OFFSET 1e6

struct fields {
    struct arena *arena;
    struct histogram *h;
    double *positive, *negative, *custom;
    uint32_t n_positive, n_negative, n_custom;
    double offset, n_offset, schema;
    bool hint_written;
};

static bool take_list(struct fields *f, struct str text, double **out, uint32_t *n)
{
    *out = ARENA_ARRAY(f->arena, double, text.n / 2 + 1);
    *n = 0;
    for (size_t i = 0; i < text.n;) {
        size_t start = i;
        while (i < text.n && text.p[i] != ' ')
            i++;
        struct str number = str_trim(str_make(text.p + start, i - start));
        if (number.n > 0 && (*n == MAX_BUCKETS || !num_parse_double(number, &(*out)[(*n)++])))
            return false;
        i++;
    }
    return true;
}

static bool take_hint(struct fields *f, struct str value)
{
    static const enum histogram_hint hints[] = {HISTOGRAM_HINT_UNKNOWN, HISTOGRAM_HINT_RESET,
                                                HISTOGRAM_HINT_NOT_RESET, HISTOGRAM_HINT_GAUGE};
    f->hint_written = true;
    for (size_t i = 0; i < 4; i++) {
        if (str_is(value, histogram_hint_name(hints[i]))) {
            f->h->hint = hints[i];
            return true;
        }
    }
    return false;
}

static bool take_field(struct fields *f, struct str name, struct str value)
{
    struct {
        const char *name;
        double *to;
    } numbers[] = {{"schema", &f->schema},
                   {"sum", &f->h->sum},
                   {"count", &f->h->count},
                   {"z_bucket", &f->h->zero_count},
                   {"z_bucket_w", &f->h->zero_threshold},
                   {"offset", &f->offset},
                   {"n_offset", &f->n_offset}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (str_is(name, numbers[i].name))
            return num_parse_double(value, numbers[i].to);
    }
    if (str_is(name, "buckets"))
        return take_list(f, value, &f->positive, &f->n_positive);
    if (str_is(name, "n_buckets"))
        return take_list(f, value, &f->negative, &f->n_negative);
    if (str_is(name, "custom_values"))
        return take_list(f, value, &f->custom, &f->n_custom);
    return str_is(name, "counter_reset_hint") && take_hint(f, value);
}

/* name:value, the value a word or a list in brackets. */
static bool take_fields(struct fields *f, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        size_t start = i, end;
        if (s.p[i] == ' ')
            continue;
        while (i < s.n && s.p[i] != ':')
            i++;
        if (i == s.n)
            return false;
        struct str name = str_make(s.p + start, i - start);
        bool list = ++i < s.n && s.p[i] == '[';
        start = i + list;
        for (end = start; end < s.n && s.p[end] != (list ? ']' : ' ');)
            end++;
        if (!take_field(f, name, str_make(s.p + start, end - start)))
            return false;
        i = end;
    }
    return true;
}

static struct histogram_side make_side(struct arena *arena, double offset, const double *v,
                                       uint32_t n)
{
    struct histogram_span *span = ARENA_NEW(arena, struct histogram_span);
    *span = (struct histogram_span){(int32_t)offset, n};
    return n > 0 ? (struct histogram_side){1, n, span, v} : (struct histogram_side){0};
}

/* What the engine relies on; counts may be anything, as a result's may be negative. */
static bool check_layout(const struct fields *f)
{
    bool custom = f->schema == HISTOGRAM_SCHEMA_CUSTOM;
    bool fits = custom ? f->n_negative == 0 && f->offset >= 0 &&
                             f->offset + f->n_positive <= f->n_custom + 1.0
                       : f->n_custom == 0 && f->schema >= HISTOGRAM_SCHEMA_MIN &&
                             f->schema <= HISTOGRAM_SCHEMA_MAX;
    for (uint32_t i = 0; i < f->n_custom; i++)
        fits = fits && isfinite(f->custom[i]) && (i == 0 || f->custom[i] > f->custom[i - 1]);
    return fits && fabs(f->offset) < MAX_OFFSET && fabs(f->n_offset) < MAX_OFFSET &&
           f->h->zero_threshold >= 0;
}

bool parse_histogram_notation(struct arena *arena, struct str text, struct notation_value *out)
{
    struct fields f = {.arena = arena, .h = ARENA_NEW(arena, struct histogram)};
    if (text.n < 4 || !str_starts(text, STR("{{")) || !str_ends(text, STR("}}")) ||
        !take_fields(&f, str_make(text.p + 2, text.n - 4)) || !check_layout(&f))
        return false;
    f.h->schema = (int32_t)f.schema;
    f.h->positive = make_side(arena, f.offset, f.positive, f.n_positive);
    f.h->negative = make_side(arena, f.n_offset, f.negative, f.n_negative);
    f.h->n_custom = f.n_custom;
    f.h->custom = f.custom;
    *out = (struct notation_value){.present = true, .h = f.h, .hint_written = f.hint_written};
    return true;
}
