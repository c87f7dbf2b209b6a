/* Habits of naming, prometheus.io/docs/practices/naming: what promtool's lint says, and what
 * OpenMetrics reserves. Each is said once a family. */
#include "ingest/exposition_check.h"

enum { SAID_CASE = 1, SAID_LE = 2, SAID_QUANTILE = 4 };

static const char *const prefixes[] = {"",     "pico",  "nano", "micro", "milli", "centi", "deci",
                                       "deca", "hecto", "kilo", "kibi",  "mega",  "mebi",  "giga",
                                       "gibi", "tera",  "tebi", "peta",  "pebi"};

static const char *const units[][2] = {
    {"amperes", "amperes"},    {"bytes", "bytes"},     {"celsius", "celsius"},
    {"grams", "grams"},        {"joules", "joules"},   {"kelvin", "kelvin"},
    {"meters", "meters"},      {"metres", "metres"},   {"seconds", "seconds"},
    {"volts", "volts"},        {"minutes", "seconds"}, {"hours", "seconds"},
    {"days", "seconds"},       {"weeks", "seconds"},   {"kelvins", "kelvin"},
    {"fahrenheit", "celsius"}, {"rankine", "celsius"}, {"inches", "meters"},
    {"yards", "meters"},       {"miles", "meters"},    {"bits", "bytes"},
    {"calories", "joules"},    {"pounds", "grams"},    {"ounces", "grams"}};

static const char *const abbreviations[] = {"s",  "ms", "us", "ns", "sec", "b", "kb",
                                            "mb", "gb", "tb", "pb", "m",   "h", "d"};

/* The base unit that a word of a name stands for; NULL when it is no unit. */
static const char *base_unit(struct str word)
{
    for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
        struct str prefix = str_from(prefixes[p]);
        if (!str_starts(word, prefix))
            continue;
        struct str rest = str_make(word.p + prefix.n, word.n - prefix.n);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            if (str_is(rest, units[u][0]))
                return units[u][1];
        }
    }
    return NULL;
}

static bool is_camel_case(struct str s)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i - 1] >= 'a' && s.p[i - 1] <= 'z' && s.p[i] >= 'A' && s.p[i] <= 'Z')
            return true;
    }
    return false;
}

static bool is_abbreviation(struct str word)
{
    for (size_t i = 0; i < sizeof abbreviations / sizeof *abbreviations; i++) {
        size_t n = strlen(abbreviations[i]);
        if (word.n == n && strncasecmp(word.p, abbreviations[i], n) == 0)
            return true;
    }
    return false;
}

static bool is_type_name(struct str word)
{
    static const enum metric_type types[] = {METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM,
                                             METRIC_SUMMARY};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *name = metric_type_name(types[i]);
        if (word.n == strlen(name) && strncasecmp(word.p, name, word.n) == 0)
            return true;
    }
    return false;
}

static void lint(struct checker *c, const struct checked_family *f, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void lint(struct checker *c, const struct checked_family *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *what = arena_vprintf(&c->arena, format, args);
    va_end(args);
    check_warning_at(c, f->line, 1, "'" STR_FMT "': %s", STR_ARG(f->name), what);
}

/* The parts between underscores; a part that begins the name is never a suffix. */
static void lint_words(struct checker *c, const struct checked_family *f)
{
    struct str rest = f->name, word;
    bool unit_said = false;
    for (bool first = true; str_cut(&rest, '_', &word); first = false) {
        const char *base = base_unit(word);
        if (base && !unit_said && !str_is(word, base)) {
            lint(c, f, "use base unit %s instead of " STR_FMT, base, STR_ARG(word));
            unit_said = true;
        } else if (!first && is_abbreviation(word)) {
            lint(c, f, "the unit '" STR_FMT "' should not be abbreviated", STR_ARG(word));
        } else if (!first && is_type_name(word)) {
            lint(c, f, "the name should not have the type '" STR_FMT "'", STR_ARG(word));
        }
    }
}

static void lint_suffixes(struct checker *c, const struct checked_family *f)
{
    bool histogram = f->type == METRIC_HISTOGRAM || f->type == METRIC_GAUGE_HISTOGRAM;
    bool total = str_ends(f->name, STR("_total"));
    if (f->type == METRIC_COUNTER && !check_is_openmetrics(c) && !total)
        lint(c, f, "a counter's name should end in _total");
    if (f->type != METRIC_COUNTER && f->type != METRIC_UNKNOWN && total)
        lint(c, f, "only a counter's name should end in _total");
    if (!histogram && str_ends(f->name, STR("_bucket")))
        lint(c, f, "only a histogram should have _bucket");
    for (int i = 0; i < 2; i++) {
        const char *suffix = i == 0 ? "_count" : "_sum";
        if (!histogram && f->type != METRIC_SUMMARY && str_ends(f->name, str_from(suffix)))
            lint(c, f, "only a histogram or summary should have %s", suffix);
    }
    if (check_is_openmetrics(c) && f->type != METRIC_UNKNOWN && str_ends(f->name, STR("_info")))
        lint(c, f, "_info is what an info's samples have behind the name");
}

void lint_family(struct checker *c, const struct checked_family *f)
{
    if (check_is_openmetrics(c) && f->name.p[0] == '_')
        check_error_at(c, f->line, 1, "the name '" STR_FMT "' is reserved, as it begins with '_'",
                       STR_ARG(f->name));
    if (f->help.n == 0)
        lint(c, f, "no help text");
    if (memchr(f->name.p, ':', f->name.n))
        lint(c, f, "colons are for recording rules");
    if (is_camel_case(f->name))
        lint(c, f, "the name should be in snake_case");
    lint_suffixes(c, f);
    lint_words(c, f);
}

void lint_labels(struct checker *c, struct checked_family *f, const struct checked_sample *s)
{
    bool histogram = f->type == METRIC_HISTOGRAM || f->type == METRIC_GAUGE_HISTOGRAM;
    for (size_t i = 0; i < s->n_labels; i++) {
        const struct checked_label *l = &s->labels[i];
        bool le = str_is(l->name, "le"), quantile = str_is(l->name, "quantile");
        if (is_camel_case(l->name) && !(f->linted & SAID_CASE)) {
            f->linted |= SAID_CASE;
            check_warning(c, l->name_at, "label '" STR_FMT "' should be in snake_case",
                          STR_ARG(l->name));
        }
        if (le && !histogram && !(f->linted & SAID_LE)) {
            f->linted |= SAID_LE;
            check_warning(c, l->name_at, "only a histogram should have a label 'le'");
        }
        if (quantile && f->type != METRIC_SUMMARY && !(f->linted & SAID_QUANTILE)) {
            f->linted |= SAID_QUANTILE;
            check_warning(c, l->name_at, "only a summary should have a label 'quantile'");
        }
    }
}
