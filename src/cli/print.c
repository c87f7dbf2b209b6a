/* Numbers, times, colours and tables for people. */
#include "cli/internal.h"

#include "base/clock.h"
#include "base/num.h"

#include <math.h>
#include <sys/ioctl.h>
#include <time.h>

#define DEFAULT_WIDTH 100
#define MIN_WIDTH 40
#define GAP 2 /* between columns */

/* --- Colours --- */

enum paint paint_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum paint paint;
    } paints[] = {
        {"pass", PAINT_GOOD},    {"succeeded", PAINT_GOOD},   {"start", PAINT_GOOD},
        {"advance", PAINT_GOOD}, {"promote", PAINT_GOOD},     {"succeed", PAINT_GOOD},
        {"resume", PAINT_GOOD},  {"fail", PAINT_BAD},         {"error", PAINT_BAD},
        {"rollback", PAINT_BAD}, {"rolling_back", PAINT_BAD}, {"rolled_back", PAINT_BAD},
        {"cancel", PAINT_BAD},   {"cancelled", PAINT_BAD},    {"insufficient", PAINT_WARN},
        {"ask", PAINT_WARN},     {"would", PAINT_WARN},       {"pause", PAINT_WARN},
        {"paused", PAINT_WARN},  {"blind", PAINT_BLIND},
    };
    for (size_t i = 0; state && i < COUNT_OF(paints); i++) {
        if (strcmp(paints[i].state, state) == 0)
            return paints[i].paint;
    }
    return PAINT_NONE;
}

const char *paint_on(const struct cli *cli, enum paint paint)
{
    if (!cli->color)
        return "";
    switch (paint) {
    case PAINT_NONE:
        break;
    case PAINT_GOOD:
        return "\033[32m";
    case PAINT_BAD:
        return "\033[31m";
    case PAINT_WARN:
        return "\033[33m";
    case PAINT_BLIND:
        return "\033[35m";
    case PAINT_DIM:
        return "\033[2m";
    case PAINT_BOLD:
        return "\033[1m";
    }
    return "";
}

const char *paint_off(const struct cli *cli)
{
    return cli->color ? "\033[0m" : "";
}

/* --- Text --- */

/* A control character at s[0]? Its bytes; 0 when it is none. C1 is U+0080 to U+009F. */
static size_t control_bytes(const unsigned char *s)
{
    if (s[0] < 0x20 || s[0] == 0x7f)
        return 1;
    return s[0] == 0xc2 && s[1] >= 0x80 && s[1] <= 0x9f ? 2 : 0;
}

const char *clean(struct arena *arena, const char *text)
{
    if (!text)
        return "";
    char *copy = arena_strdup(arena, text), *out = copy;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = control_bytes(s);
        if (n == 0) {
            *out++ = (char)*s++;
            continue;
        }
        *out++ = *s == '\n' || *s == '\t' ? ' ' : '?';
        s += n;
    }
    *out = '\0';
    return copy;
}

const char *clean_get(struct arena *arena, const json_t *object, const char *key)
{
    return clean(arena, json_get_cstr(object, key, ""));
}

const char *text_percent(struct arena *arena, double ratio)
{
    if (isnan(ratio))
        return "-";
    double pct = 100 * ratio;
    /* Nearly all is not all: 100% is printed for 1 alone. */
    if (pct > 99 && pct < 100)
        return pct < 99.9999 ? arena_printf(arena, "%.6g%%", pct) : "over 99.9999%";
    return arena_printf(arena, "%.3g%%", pct);
}

const char *text_weight(struct arena *arena, double pct)
{
    return isnan(pct) ? "-" : arena_printf(arena, "%.3g%%", pct);
}

const char *text_count(struct arena *arena, double n)
{
    return isnan(n) ? "-" : arena_printf(arena, "%.0f", n);
}

const char *text_in_unit(struct arena *arena, double v, const char *unit)
{
    if (isnan(v))
        return "-";
    if (strcmp(unit, "ratio") == 0)
        return text_percent(arena, v);
    if (strcmp(unit, "seconds") == 0 && fabs(v) < 1)
        return arena_printf(arena, "%.3g ms", 1000 * v);
    if (strcmp(unit, "seconds") == 0)
        return arena_printf(arena, "%.3g s", v);
    return arena_printf(arena, "%.6g", v);
}

const char *text_duration(struct arena *arena, int64_t ms)
{
    struct buf out = BUF_INIT;
    if (ms >= 1000 && ms < 10000 && ms % 1000 != 0)
        return arena_printf(arena, "%d.%ds", (int)(ms / 1000), (int)(ms % 1000 / 100));
    num_add_duration(&out, ms < 1000 ? ms : ms / 1000 * 1000);
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

int64_t span_ms(int64_t from_ms, int64_t to_ms)
{
    int64_t ms;
    return __builtin_sub_overflow(to_ms, from_ms, &ms) || ms < 0 ? 0 : ms;
}

const char *text_age(struct arena *arena, int64_t ms)
{
    return ms < 0 ? "never" : arena_printf(arena, "%s ago", text_duration(arena, ms));
}

static const char *format_time(struct arena *arena, int64_t wall_ms, const char *format)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t;
    char text[64];
    if (!localtime_r(&seconds, &t) || strftime(text, sizeof text, format, &t) == 0)
        return "-";
    return arena_strdup(arena, text);
}

const char *text_time(struct arena *arena, int64_t wall_ms)
{
    return format_time(arena, wall_ms, "%H:%M:%S");
}

const char *text_date(struct arena *arena, int64_t wall_ms)
{
    return wall_ms <= 0 ? "-" : format_time(arena, wall_ms, "%Y-%m-%d %H:%M:%S");
}

/* --- Layout --- */

/* Columns of a text, one a character: good enough for names and sentences. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

size_t columns_of(FILE *file, bool is_terminal)
{
    struct winsize size;
    if (!is_terminal || ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return DEFAULT_WIDTH;
    return size.ws_col < MIN_WIDTH ? MIN_WIDTH : size.ws_col;
}

void print_wrapped(struct cli *cli, int indent, const char *text)
{
    size_t width = columns_of(cli->out, cli->out_is_terminal) - (size_t)indent, column = 0;
    struct str rest = str_from(text), word;
    while (str_cut(&rest, ' ', &word)) {
        size_t n = width_of(arena_cstr(&cli->arena, word));
        if (column > 0 && column + 1 + n > width) {
            (void)fputc('\n', cli->out);
            column = 0;
        }
        if (column == 0)
            (void)fprintf(cli->out, "%*s", indent, "");
        else
            (void)fputc(' ', cli->out);
        (void)fprintf(cli->out, STR_FMT, STR_ARG(word));
        column += n + (column > 0);
    }
    (void)fputc('\n', cli->out);
}

void table_init(struct table *t, struct arena *arena, const char *const *headers)
{
    *t = (struct table){.arena = arena};
    for (size_t i = 0; headers[i]; i++)
        table_add(t, PAINT_DIM, headers[i]);
    t->n_columns = t->n;
}

void table_add(struct table *t, enum paint paint, const char *text)
{
    t->cells = arena_grow(t->arena, t->cells, t->n, &t->capacity, sizeof *t->cells);
    t->paints = arena_grow(t->arena, t->paints, t->n, &t->paint_capacity, sizeof *t->paints);
    t->cells[t->n] = text;
    t->paints[t->n++] = paint;
}

void table_print(const struct table *t, struct cli *cli)
{
    size_t *widths = ARENA_ARRAY(t->arena, size_t, t->n_columns);
    for (size_t i = 0; i < t->n; i++) {
        size_t w = width_of(t->cells[i]);
        if (w > widths[i % t->n_columns])
            widths[i % t->n_columns] = w;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->n_columns;
        bool last = column + 1 == t->n_columns;
        int pad = last ? 0 : (int)(widths[column] - width_of(t->cells[i]) + GAP);
        (void)fprintf(cli->out, "%s%s%s%*s%s", paint_on(cli, t->paints[i]), t->cells[i],
                      paint_off(cli), pad, "", last ? "\n" : "");
    }
}

void print_json(struct cli *cli, const json_t *json)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_put_value(&w, json);
    json_writer_end(&w);
    buf_add_char(&text, '\n');
    (void)fwrite(text.p, 1, text.n, cli->out);
    buf_release(&text);
}
