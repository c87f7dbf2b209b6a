/* Families: which one a line belongs to, and what their metadata says.
 *
 *     a line's family:  the present one if its type knows the name's suffix, else any that does,
 *                       else a new one of unknown type
 *     another family's line ends the present one, and its points are judged
 */
#include "ingest/exposition_check.h"

#include "ingest/exposition_protobuf.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define MASK(suffix) (1u << (suffix))

static const char *const type_names[] = {
#define X(code, name) name,
    METRIC_TYPES(X)
#undef X
};

static const char *const suffixes[] = {
#define X(code, text) text,
    METRIC_SUFFIXES(X)
#undef X
};

const char *metric_type_name(enum metric_type type)
{
    return type_names[type];
}

const char *metric_suffix_text(enum metric_suffix suffix)
{
    return suffixes[suffix];
}

/* --- Places --- */

size_t check_column(const struct checker *c, const char *at)
{
    size_t column = 1;
    for (const char *p = c->line_begin; p < at; p++)
        column += ((unsigned char)*p & 0xc0) != 0x80;
    return column;
}

static void complain(struct checker *c, enum diag_level level, size_t line, size_t column,
                     const char *format, va_list args)
{
    struct buf text = BUF_INIT;
    buf_vprintf(&text, format, args);
    diag_add(c->diags, level, c->path, (int)line, (int)column, "%s", text.p);
    buf_release(&text);
}

bool check_error(struct checker *c, const char *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(c, DIAG_ERROR, c->line, check_column(c, at), format, args);
    va_end(args);
    return false;
}

void check_warning(struct checker *c, const char *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(c, DIAG_WARNING, c->line, check_column(c, at), format, args);
    va_end(args);
}

void check_error_at(struct checker *c, size_t line, size_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(c, DIAG_ERROR, line, column, format, args);
    va_end(args);
}

void check_warning_at(struct checker *c, size_t line, size_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(c, DIAG_WARNING, line, column, format, args);
    va_end(args);
}

/* --- Suffixes --- */

static unsigned suffixes_of(const struct checker *c, enum metric_type type)
{
    bool openmetrics = check_is_openmetrics(c);
    unsigned created = openmetrics ? MASK(SUFFIX_CREATED) : 0;
    switch (type) {
    case METRIC_UNKNOWN:
    case METRIC_GAUGE:
    case METRIC_STATESET:
        return MASK(SUFFIX_NONE);
    case METRIC_COUNTER:
        return openmetrics ? MASK(SUFFIX_TOTAL) | created : MASK(SUFFIX_NONE);
    case METRIC_HISTOGRAM:
        return MASK(SUFFIX_BUCKET) | MASK(SUFFIX_COUNT) | MASK(SUFFIX_SUM) | created;
    case METRIC_GAUGE_HISTOGRAM:
        return MASK(SUFFIX_BUCKET) | MASK(SUFFIX_GCOUNT) | MASK(SUFFIX_GSUM);
    case METRIC_SUMMARY:
        return MASK(SUFFIX_NONE) | MASK(SUFFIX_COUNT) | MASK(SUFFIX_SUM) | created;
    case METRIC_INFO:
        return MASK(SUFFIX_INFO);
    }
    CHECK(false);
}

/* "'a_total'", or "'a', 'a_count' or 'a_sum'", for messages. */
static const char *sample_names(struct checker *c, const struct checked_family *f)
{
    unsigned mask = suffixes_of(c, f->type);
    struct buf text = BUF_INIT;
    for (int i = 0, n = 0; i < N_SUFFIXES; i++) {
        if (!(mask & MASK(i)))
            continue;
        bool last = (mask >> (i + 1)) == 0;
        buf_printf(&text, "%s'" STR_FMT "%s'",
                   n == 0 ? ""
                   : last ? " or "
                          : ", ",
                   STR_ARG(f->name), suffixes[i]);
        n++;
    }
    const char *names = arena_cstr(&c->arena, buf_str(&text));
    buf_release(&text);
    return names;
}

/* --- Families come and go --- */

static struct checked_family *make_family(struct checker *c, struct str name)
{
    struct checked_family *f = ARENA_NEW(&c->arena, struct checked_family);
    f->name = arena_str(&c->arena, name);
    f->help = f->unit = STR("");
    f->line = c->line;
    (void)map_set(c->families, f->name, f);
    return f;
}

/* Its samples' names must be nobody else's. */
static void take_names(struct checker *c, struct checked_family *f)
{
    unsigned mask = suffixes_of(c, f->type);
    for (int i = 0; i < N_SUFFIXES; i++) {
        if (!(mask & MASK(i)))
            continue;
        char *name = arena_printf(&c->arena, STR_FMT "%s", STR_ARG(f->name), suffixes[i]);
        struct checked_family *other = map_get(c->taken, str_from(name));
        if (!other)
            (void)map_set(c->taken, str_from(name), f);
        else if (other != f)
            check_error_at(c, f->line, 1,
                           "%s '" STR_FMT "' clashes with %s '" STR_FMT
                           "' of line %zu: both may have a sample '%s'",
                           type_names[f->type], STR_ARG(f->name), type_names[other->type],
                           STR_ARG(other->name), other->line, name);
    }
}

static void end_family(struct checker *c)
{
    struct checked_family *f = c->family;
    c->family = NULL;
    if (!f)
        return;
    if (f->points && !f->muddled)
        check_points_end(c, f);
    map_free(f->points);
    map_free(f->seen);
    f->points = f->seen = NULL;
    f->point = NULL;
    if (!f->ended) {
        take_names(c, f);
        lint_family(c, f);
    }
    f->ended = true;
}

static void enter_family(struct checker *c, struct checked_family *f, const char *at)
{
    if (c->family == f)
        return;
    struct str between = c->family ? c->family->name : STR("");
    end_family(c);
    if (f->ended && !f->muddled) {
        check_error(c, at,
                    "'" STR_FMT "' began in line %zu and goes on behind '" STR_FMT
                    "'; all lines of a metric stand together",
                    STR_ARG(f->name), f->line, STR_ARG(between));
        f->muddled = true;
    }
    c->family = f;
}

/* --- Metadata --- */

static void take_type(struct checker *c, struct checked_family *f, const struct checked_comment *m)
{
    static const char *const text_names[] = {"counter", "gauge", "histogram", "summary", "untyped"};
    bool openmetrics = check_is_openmetrics(c);
    const char *const *known = openmetrics ? type_names : text_names;
    size_t n = openmetrics ? COUNT_OF(type_names) : COUNT_OF(text_names);
    for (size_t i = 0; i < n; i++) {
        if (!str_is(m->text, known[i]))
            continue;
        for (size_t k = 0; k < COUNT_OF(type_names); k++) {
            if (strcmp(type_names[k], known[i]) == 0)
                f->type = (enum metric_type)k;
        }
        return;
    }
    const char *nearest = str_nearest(m->text, known, n);
    f->muddled = true;
    if (openmetrics && str_is(m->text, "untyped"))
        nearest = "unknown";
    check_error(c, m->text_at, "'" STR_FMT "' is not a metric type%s%s%s", STR_ARG(m->text),
                nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static void take_unit(struct checker *c, struct checked_family *f, const struct checked_comment *m)
{
    struct str unit = m->text;
    f->unit = arena_str(&c->arena, unit);
    if (unit.n == 0)
        return;
    for (size_t i = 0; i < unit.n; i++) {
        if (!metric_name_is_legacy(str_make(unit.p + i, 1)) && !strchr("0123456789", unit.p[i])) {
            check_error(c, unit.p + i, "'%c' cannot be part of a unit", unit.p[i]);
            return;
        }
    }
    if (f->name.n <= unit.n || !str_ends(f->name, unit) || f->name.p[f->name.n - unit.n - 1] != '_')
        check_error(c, m->text_at, "the name '" STR_FMT "' does not end in '_" STR_FMT "'",
                    STR_ARG(f->name), STR_ARG(unit));
}

static void check_order(struct checker *c, struct checked_family *f,
                        const struct checked_comment *m)
{
    const size_t lines[] = {f->type_line, f->unit_line, f->help_line};
    for (size_t later = (size_t)m->kind + 1; later <= COMMENT_HELP; later++) {
        if (lines[later] == 0 || f->order_said || !check_is_openmetrics(c))
            continue;
        check_warning(c, c->line_begin, "the order should be TYPE, UNIT, HELP");
        f->order_said = true;
    }
}

static void take_metadata(struct checker *c, const struct checked_comment *m)
{
    static const char *const words[] = {"TYPE", "UNIT", "HELP"};
    struct checked_family *f = map_get(c->families, m->family);
    if (!f)
        f = make_family(c, m->family);
    enter_family(c, f, m->family_at);
    size_t *const lines[] = {&f->type_line, &f->unit_line, &f->help_line};
    size_t *line = lines[m->kind];
    if (*line > 0) {
        check_error(c, c->line_begin, "a second %s of '" STR_FMT "'; the first is in line %zu",
                    words[m->kind], STR_ARG(f->name), *line);
        return;
    }
    check_order(c, f, m);
    *line = c->line;
    if (f->sample_line > 0) {
        check_error(c, c->line_begin,
                    "%s of '" STR_FMT "' stands behind its first sample in line %zu",
                    words[m->kind], STR_ARG(f->name), f->sample_line);
        f->muddled = true;
        return;
    }
    if (m->kind == COMMENT_TYPE)
        take_type(c, f, m);
    else if (m->kind == COMMENT_UNIT)
        take_unit(c, f, m);
    else
        f->help = arena_str(&c->arena, m->text);
    bool unitless = f->type == METRIC_INFO || f->type == METRIC_STATESET;
    if (unitless && f->unit.n > 0 && m->kind != COMMENT_HELP)
        check_error(c, c->line_begin, "%s '" STR_FMT "' must have no unit", type_names[f->type],
                    STR_ARG(f->name));
}

/* --- Samples --- */

static bool is_of(const struct checker *c, const struct checked_family *f, struct str name,
                  enum metric_suffix *suffix)
{
    unsigned mask = suffixes_of(c, f->type);
    if (!str_starts(name, f->name))
        return false;
    struct str rest = str_make(name.p + f->name.n, name.n - f->name.n);
    for (int i = 0; i < N_SUFFIXES; i++) {
        if ((mask & MASK(i)) && str_is(rest, suffixes[i])) {
            *suffix = (enum metric_suffix)i;
            return true;
        }
    }
    return false;
}

static struct checked_family *find_family(const struct checker *c, struct str name,
                                          enum metric_suffix *suffix)
{
    if (c->family && is_of(c, c->family, name, suffix))
        return c->family;
    for (int i = 0; i < N_SUFFIXES; i++) {
        struct str end = str_from(suffixes[i]);
        if (name.n <= end.n || !str_ends(name, end))
            continue;
        struct checked_family *f = map_get(c->families, str_make(name.p, name.n - end.n));
        if (f && is_of(c, f, name, suffix))
            return f;
    }
    return NULL;
}

/* A family of exactly this name whose samples are called otherwise. */
static void complain_of_name(struct checker *c, struct checked_family *f,
                             const struct checked_sample *s)
{
    const char *names = sample_names(c, f);
    struct str total = STR("_total");
    enter_family(c, f, s->at);
    if (f->type == METRIC_COUNTER && str_ends(f->name, total))
        check_error(c, s->at,
                    "a sample of counter '" STR_FMT "' is called %s; name the family '" STR_FMT "'",
                    STR_ARG(f->name), names, (int)(f->name.n - total.n), f->name.p);
    else
        check_error(c, s->at, "a sample of %s '" STR_FMT "' is called %s", type_names[f->type],
                    STR_ARG(f->name), names);
    f->muddled = true;
}

static void take_sample(struct checker *c, const struct checked_sample *s)
{
    enum metric_suffix suffix = SUFFIX_NONE;
    struct checked_family *f = find_family(c, s->name, &suffix);
    struct checked_family *same = f ? NULL : map_get(c->families, s->name);
    if (same) {
        complain_of_name(c, same, s);
        return;
    }
    if (!f)
        f = make_family(c, s->name);
    enter_family(c, f, s->at);
    if (f->sample_line == 0)
        f->sample_line = c->line;
    if (!f->points) {
        f->points = map_new();
        f->seen = map_new();
    }
    lint_labels(c, f, s);
    if (!f->muddled)
        check_point_sample(c, f, suffix, s);
}

/* --- The whole text --- */

static void take_line(struct checker *c)
{
    struct checked_sample sample;
    struct checked_comment comment;
    bool says;
    const char *p = c->p;
    while (!check_is_openmetrics(c) && p < c->end && (*p == ' ' || *p == '\t'))
        p++;
    if (p == c->end) {
        if (check_is_openmetrics(c))
            check_error(c, p, "an empty line");
        return;
    }
    if (c->eof) {
        check_error(c, c->p, "text behind \"# EOF\"");
        return;
    }
    if (check_is_openmetrics(c) && c->end[-1] == '\r') {
        check_error(c, c->end - 1, "a carriage return; lines end in a line feed alone");
        c->end--;
    }
    if (*p == '#' ? check_read_comment(c, &comment, &says) && says
                  : check_read_sample(c, &sample)) {
        if (*p == '#')
            take_metadata(c, &comment);
        else
            take_sample(c, &sample);
    }
}

static void end_text(struct checker *c, struct str text)
{
    bool line_feed = text.n == 0 || text.p[text.n - 1] == '\n';
    size_t last = line_feed ? c->line : c->line - 1;
    end_family(c);
    if (check_is_openmetrics(c) && !c->eof)
        check_error_at(c, last, 1, "the text ends without \"# EOF\"; it may be cut off");
    else if (!line_feed && check_is_openmetrics(c))
        check_warning_at(c, last, 1, "the last line should end in a line feed");
    else if (!line_feed)
        check_error_at(c, last, 1, "the last line must end in a line feed");
}

/* A body is sound when the scraper can read it; messages have no lines. */
static bool check_protobuf(struct arena *arena, struct str text, struct err *err)
{
    struct pb body = pb_of(text);
    struct proto_family family;
    struct proto_metric metric;
    struct exposition_key *key = ARENA_NEW(arena, struct exposition_key);
    while (proto_next_family(&body, &family, err)) {
        while (proto_next_metric(&family, arena, &metric, err)) {
            if (!proto_read_labels(metric.labels, key, err))
                return err_prefix(err, "family '" STR_FMT "', metric %zu: ", STR_ARG(family.name),
                                  family.number);
        }
        if (err->code != ERR_NONE)
            return false;
    }
    return err->code == ERR_NONE;
}

void exposition_check(enum exposition_format format, const char *path, struct str text,
                      struct diag_list *diags)
{
    struct err err = ERR_INIT;
    if (format == EXPOSITION_PROTOBUF) {
        struct arena arena = ARENA_INIT;
        if (!check_protobuf(&arena, text, &err))
            diag_add(diags, DIAG_ERROR, path, 0, 0, "%s", err.message);
        arena_release(&arena);
        return;
    }
    struct checker c = {.format = format, .path = path, .diags = diags, .line = 1};
    struct str rest = text, line;
    arena_init(&c.arena);
    c.families = map_new();
    c.taken = map_new();
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        check_error_at(&c, 1, 1, "a byte order mark");
        rest = str_make(text.p + 3, text.n - 3);
    }
    while (rest.n > 0 && str_cut(&rest, '\n', &line)) {
        c.line_begin = c.p = line.p;
        c.end = line.p + line.n;
        take_line(&c);
        c.line++;
    }
    end_text(&c, text);
    map_free(c.families);
    map_free(c.taken);
    arena_release(&c.arena);
}
