#include "ingest/otlp_names.h"

#include <string.h>

/* A UCUM code and Prometheus's word for it. */
struct unit_word {
    const char *code, *word;
};

static const struct unit_word main_units[] = {
    {"d", "days"},          {"h", "hours"},
    {"min", "minutes"},     {"s", "seconds"},
    {"ms", "milliseconds"}, {"us", "microseconds"},
    {"ns", "nanoseconds"},  {"By", "bytes"},
    {"KiBy", "kibibytes"},  {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},  {"TiBy", "tebibytes"},
    {"kBy", "kilobytes"},   {"KBy", "kilobytes"},
    {"MBy", "megabytes"},   {"GBy", "gigabytes"},
    {"TBy", "terabytes"},   {"m", "meters"},
    {"V", "volts"},         {"A", "amperes"},
    {"J", "joules"},        {"W", "watts"},
    {"g", "grams"},         {"Cel", "celsius"},
    {"Hz", "hertz"},        {"1", ""},
    {"%", "percent"},
};

static const struct unit_word per_units[] = {
    {"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
    {"w", "week"},   {"mo", "month"}, {"y", "year"},
};

static struct str word_of(const struct unit_word *table, size_t n, struct str code)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(code, table[i].code))
            return str_from(table[i].word);
    }
    return code;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

/* The next run of characters that a name can have, underscores not among them. */
static bool next_token(struct str *rest, bool colon, struct str *token)
{
    size_t i = 0, begin;
    while (i < rest->n && !is_plain(rest->p[i]) && !(colon && rest->p[i] == ':'))
        i++;
    begin = i;
    while (i < rest->n && (is_plain(rest->p[i]) || (colon && rest->p[i] == ':')))
        i++;
    *token = str_make(rest->p + begin, i - begin);
    *rest = str_make(rest->p + i, rest->n - i);
    return token->n > 0;
}

/* Append a word behind what was written since `begin`. */
static void add_word(struct buf *out, size_t begin, struct str word)
{
    if (word.n == 0)
        return;
    if (out->n > begin)
        buf_add_char(out, '_');
    buf_add_str(out, word);
}

static void add_words(struct buf *out, size_t begin, struct str text)
{
    struct str token;
    while (next_token(&text, true, &token))
        add_word(out, begin, token);
}

static bool has_word(struct str text, struct str word)
{
    struct str token;
    while (next_token(&text, true, &token)) {
        if (str_eq(token, word))
            return true;
    }
    return false;
}

/* What stands in front of, between or behind braces; annotations in them are for people. */
static struct str without_annotation(struct str unit)
{
    unit = str_trim(unit);
    const char *brace = unit.n ? memchr(unit.p, '{', unit.n) : NULL;
    return brace ? str_trim(str_make(unit.p, (size_t)(brace - unit.p))) : unit;
}

/* The two halves of "main/per" as words, each possibly empty. */
static void unit_words(struct str unit, struct str *main_word, struct str *per_word)
{
    struct str rest = unit, head;
    *main_word = *per_word = STR("");
    if (!str_cut(&rest, '/', &head))
        return;
    *main_word =
        word_of(main_units, sizeof main_units / sizeof *main_units, without_annotation(head));
    if (rest.p)
        *per_word =
            word_of(per_units, sizeof per_units / sizeof *per_units, without_annotation(rest));
}

void otlp_unit_name(struct buf *out, struct str unit)
{
    struct str main_word, per_word;
    size_t begin = out->n;
    unit_words(unit, &main_word, &per_word);
    add_words(out, begin, main_word);
    if (per_word.n > 0) {
        add_word(out, begin, STR("per"));
        add_words(out, begin, per_word);
    }
}

static void add_unit(struct buf *out, size_t begin, struct str name, struct str unit)
{
    struct str main_word, per_word;
    unit_words(unit, &main_word, &per_word);
    if (!has_word(name, main_word))
        add_words(out, begin, main_word);
    if (per_word.n > 0 && !(has_word(name, STR("per")) && has_word(name, per_word))) {
        add_word(out, begin, STR("per"));
        add_words(out, begin, per_word);
    }
}

/* A name cannot begin with a digit. */
static void guard_first(struct buf *out, size_t begin)
{
    if (!is_digit(out->p[begin]))
        return;
    buf_add_char(out, '_');
    memmove(out->p + begin + 1, out->p + begin, out->n - 1 - begin);
    out->p[begin] = '_';
}

bool otlp_metric_name(struct buf *out, struct str name, struct str unit, enum otlp_suffix suffix)
{
    struct str last = STR(""), rest = name, token;
    size_t begin = out->n, n_words = 0;
    if (suffix == OTLP_SUFFIX_TOTAL)
        last = STR("total");
    else if (suffix == OTLP_SUFFIX_RATIO && str_is(unit, "1"))
        last = STR("ratio");
    for (; next_token(&rest, true, &token); n_words++) {
        if (!str_eq(token, last))
            add_word(out, begin, token);
    }
    if (n_words == 0)
        return false;
    add_unit(out, begin, name, unit);
    add_word(out, begin, last);
    guard_first(out, begin);
    return true;
}

void otlp_label_name(struct buf *out, struct str key)
{
    size_t begin = out->n;
    bool gap = false;
    for (size_t i = 0; i < key.n; i++) {
        if (!is_plain(key.p[i])) {
            gap = true;
            continue;
        }
        if (out->n == begin && (gap || is_digit(key.p[i])))
            buf_add_cstr(out, "key_");
        else if (gap)
            buf_add_char(out, '_');
        gap = false;
        buf_add_char(out, key.p[i]);
    }
    if (out->n == begin)
        buf_add_cstr(out, "key_");
    else if (gap)
        buf_add_char(out, '_');
}
