#include "script.h"

#include "base/num.h"
#include "promql/promql.h"

#include <stdlib.h>

void script_init(struct script *s, struct arena *arena, char *text)
{
    *s = (struct script){.arena = arena, .next = text};
}

/* --- Lines --- */

/* The next line, trimmed, empty where it is a comment; p is NULL at the end. */
static struct str take_line(struct script *s)
{
    if (!s->next || !*s->next)
        return (struct str){0};
    char *end = strchr(s->next, '\n');
    struct str line = str_trim(str_make(s->next, end ? (size_t)(end - s->next) : strlen(s->next)));
    s->next = end ? end + 1 : NULL;
    s->line++;
    if (line.n > 0 && line.p[0] == '#')
        line.n = 0;
    return line;
}

/* The next line of a block; false where a blank one ends it. */
static bool take_block_line(struct script *s, struct str *line)
{
    *line = take_line(s);
    return line->p && line->n > 0;
}

/* The first word of *s, which is cut off it. */
static struct str take_word(struct str *s)
{
    size_t n = 0;
    while (n < s->n && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    struct str word = str_make(s->p, n);
    *s = str_trim(str_make(s->p + n, s->n - n));
    return word;
}

static bool take_time(struct str *s, int64_t *out_ms)
{
    struct str word = take_word(s);
    bool negative = word.n > 0 && word.p[0] == '-';
    if (negative)
        word = str_make(word.p + 1, word.n - 1);
    if (!num_parse_duration_ms(word, out_ms))
        return false;
    if (negative)
        *out_ms = -*out_ms;
    return true;
}

static bool take_words(struct str *s, const char *word)
{
    struct str rest = *s;
    if (!str_is(take_word(&rest), word))
        return false;
    *s = rest;
    return true;
}

/* "from A to B step S" */
static bool take_range(struct str *s, struct eval *e)
{
    return take_words(s, "from") && take_time(s, &e->start_ms) && take_words(s, "to") &&
           take_time(s, &e->end_ms) && take_words(s, "step") && take_time(s, &e->step_ms) &&
           e->step_ms > 0 && e->end_ms >= e->start_ms;
}

/* --- load --- */

/* A series given twice in one load: the later line counts. */
static void add_line(struct script *s, struct load *load, struct notation_series line)
{
    for (size_t i = 0; i < load->n; i++) {
        if (labels_eq(load->series[i].labels, line.labels)) {
            load->series[i] = line;
            return;
        }
    }
    load->series =
        arena_grow(s->arena, load->series, load->n, &load->capacity, sizeof *load->series);
    load->series[load->n++] = line;
}

/* Cuts "metric@st" off a line; false when that is not its beginning. */
static bool cut_metric(struct str *line)
{
    for (size_t i = 0; i + 3 <= line->n; i++) {
        bool ends = i + 3 == line->n || line->p[i + 3] == ' ' || line->p[i + 3] == '\t';
        if (memcmp(line->p + i, "@st", 3) == 0 && ends) {
            *line = str_trim(str_make(line->p + i + 3, line->n - i - 3));
            return true;
        }
    }
    return false;
}

static bool take_load(struct script *s, struct load *load, struct str rest, struct err *err)
{
    struct str line;
    struct notation_series series;
    const int64_t *starts = NULL;
    size_t n_starts = 0;
    if (!take_time(&rest, &load->step_ms) || rest.n > 0)
        return err_set(err, ERR_BAD_INPUT, "write `load DURATION`");
    while (take_block_line(s, &line)) {
        struct str copy = line;
        if (cut_metric(&copy)) {
            if (!parse_start_notation(s->arena, copy, &starts, &n_starts))
                return err_set(err, ERR_BAD_INPUT, "bad start timestamps: " STR_FMT, STR_ARG(copy));
            continue;
        }
        if (!parse_series_notation(s->arena, line, &series, err))
            return false;
        series.starts_ms = starts;
        series.n_starts = n_starts;
        add_line(s, load, series);
        starts = NULL;
        n_starts = 0;
    }
    return true;
}

/* --- eval --- */

static bool take_string(struct script *s, struct eval *e, struct str text, struct err *err)
{
    struct promql_source none = {0};
    struct promql_result result;
    struct promql_expr *expr = promql_parse(s->arena, text, err);
    if (!expr || promql_expr_type(expr) != PROMQL_STRING)
        return expr ? err_set(err, ERR_BAD_INPUT, "not a string: " STR_FMT, STR_ARG(text)) : false;
    if (!promql_instant(expr, &none, NULL, 0, s->arena, &result, err))
        return false;
    e->is_string = true;
    e->string = result.string;
    return true;
}

static void add_wanted(struct script *s, struct wanted_list *list, struct wanted wanted)
{
    list->v = arena_grow(s->arena, list->v, list->n, &list->capacity, sizeof *list->v);
    list->v[list->n++] = wanted;
}

/* "msg: TEXT", "regex: RE" or nothing. */
static struct wanted parse_wanted(struct str text)
{
    if (str_starts(text, STR("msg:")))
        return (struct wanted){WANTED_TEXT, str_trim(str_make(text.p + 4, text.n - 4))};
    if (str_starts(text, STR("regex:")))
        return (struct wanted){WANTED_REGEX, str_trim(str_make(text.p + 6, text.n - 6))};
    return (struct wanted){WANTED_ANY, text};
}

static bool take_expect(struct script *s, struct eval *e, struct str rest, struct err *err)
{
    struct str what = take_word(&rest);
    if (str_is(what, "string"))
        return take_string(s, e, rest, err);
    if (str_is(what, "range")) {
        e->range_vector = true;
        return (take_words(&rest, "vector") && take_range(&rest, e)) ||
               err_set(err, ERR_BAD_INPUT, "write `expect range vector from A to B step S`");
    }
    struct wanted wanted = parse_wanted(rest);
    if (str_is(what, "ordered"))
        e->ordered = true;
    else if (str_is(what, "no_warn"))
        e->warnings.none = true;
    else if (str_is(what, "no_info"))
        e->infos.none = true;
    else if (str_is(what, "warn"))
        add_wanted(s, &e->warnings, wanted);
    else if (str_is(what, "info"))
        add_wanted(s, &e->infos, wanted);
    else if (str_is(what, "fail"))
        e->failure = wanted;
    else
        return err_set(err, ERR_BAD_INPUT, "unknown expectation \"" STR_FMT "\"", STR_ARG(what));
    e->fails |= str_is(what, "fail");
    return true;
}

static bool take_old_failure(struct eval *e, struct str line)
{
    static const struct {
        const char *prefix;
        enum wanted_kind kind;
    } forms[] = {{"expected_fail_message", WANTED_TEXT}, {"expected_fail_regexp", WANTED_REGEX}};
    for (size_t i = 0; i < 2; i++) {
        struct str prefix = str_from(forms[i].prefix);
        if (str_starts(line, prefix)) {
            struct str text = str_trim(str_make(line.p + prefix.n, line.n - prefix.n));
            e->failure = (struct wanted){forms[i].kind, text};
            return true;
        }
    }
    return false;
}

static bool take_result_line(struct script *s, struct eval *e, struct str line, struct err *err)
{
    struct str rest = line;
    if (str_is(take_word(&rest), "expect"))
        return take_expect(s, e, rest, err);
    if (take_old_failure(e, line))
        return true;
    if (line.n > 0 && num_parse_double(line, &e->scalar)) {
        e->is_scalar = true;
        return true;
    }
    e->series = arena_grow(s->arena, e->series, e->n, &e->capacity, sizeof *e->series);
    return parse_series_notation(s->arena, line, &e->series[e->n++], err);
}

static bool take_eval(struct script *s, struct eval *e, struct str variant, struct str rest,
                      struct err *err)
{
    struct str line;
    e->instant = take_words(&rest, "instant");
    if (e->instant) {
        e->step_ms = 1;
        if (!take_words(&rest, "at") || !take_time(&rest, &e->end_ms))
            return err_set(err, ERR_BAD_INPUT, "write `eval instant at DURATION EXPR`");
        e->start_ms = e->end_ms;
    } else if (!take_words(&rest, "range") || !take_range(&rest, e)) {
        return err_set(err, ERR_BAD_INPUT, "write `eval range from A to B step S EXPR`");
    }
    e->expr = arena_cstr(s->arena, rest);
    e->fails = str_is(variant, "eval_fail");
    e->ordered = str_is(variant, "eval_ordered");
    if (str_is(variant, "eval_warn"))
        add_wanted(s, &e->warnings, (struct wanted){0});
    if (str_is(variant, "eval_info"))
        add_wanted(s, &e->infos, (struct wanted){0});
    while (take_block_line(s, &line)) {
        if (!take_result_line(s, e, line, err))
            return false;
    }
    return true;
}

bool script_next(struct script *s, struct command *c, struct err *err)
{
    struct str line = take_line(s);
    while (line.p && line.n == 0)
        line = take_line(s);
    if (!line.p)
        return false;
    *c = (struct command){.line = s->line};
    struct str word = take_word(&line);
    if (str_is(word, "clear")) {
        c->kind = COMMAND_CLEAR;
        return true;
    }
    if (str_is(word, "load") || str_is(word, "load_with_nhcb")) {
        c->kind = COMMAND_LOAD;
        c->load.with_nhcb = !str_is(word, "load");
        return take_load(s, &c->load, line, err);
    }
    if (str_starts(word, STR("eval"))) {
        c->kind = COMMAND_EVAL;
        return take_eval(s, &c->eval, word, line, err);
    }
    return err_set(err, ERR_BAD_INPUT, "unknown command \"" STR_FMT "\"", STR_ARG(word));
}
