#include "promql/lex.h"

#include "base/num.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct place place_of(struct str all, size_t position)
{
    struct place p = {1, 1};
    for (size_t i = 0; i < position && i < all.n; i++) {
        p.column++;
        if (all.p[i] == '\n')
            p = (struct place){p.line + 1, 1};
    }
    return p;
}

bool lex_error(struct str all, size_t position, struct err *err, enum err_code code,
               const char *format, ...)
{
    struct place place = place_of(all, position);
    char message[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return err_set(err, code, "%zu:%zu: parse error: %s", place.line, place.column, message);
}

static int peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->all.n ? (unsigned char)l->all.p[l->at + ahead] : -1;
}

static void skip_space(struct lexer *l)
{
    for (;;) {
        int c = peek(l, 0);
        if (c == '#') {
            while (peek(l, 0) != -1 && peek(l, 0) != '\n')
                l->at++;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            l->at++;
        } else {
            return;
        }
    }
}

static bool is_word_start(int c)
{
    return c != -1 && (isalpha(c) || c == '_' || c == ':');
}

static bool is_word_part(const struct lexer *l, int c)
{
    return c != -1 && (isalnum(c) || c == '_' || (c == ':' && !l->in_brackets));
}

/* --- Strings --- */

static void add_code_point(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
    } else if (c < 0x800) {
        buf_add_char(out, (char)(0xc0 | c >> 6));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_char(out, (char)(0xe0 | c >> 12));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_char(out, (char)(0xf0 | c >> 18));
        buf_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* n digits of a base at l->at; false when they are not there. */
static bool take_digits(struct lexer *l, int n, int base, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < n; i++, l->at++) {
        int c = peek(l, 0);
        int digit = c >= '0' && c <= '9'     ? c - '0'
                    : c != -1 && isxdigit(c) ? tolower(c) - 'a' + 10
                                             : 99;
        if (digit >= base)
            return false;
        *out = *out * (uint32_t)base + (uint32_t)digit;
    }
    return true;
}

/* Go's escapes, as PromQL takes them. */
static bool take_escape(struct lexer *l, struct buf *out)
{
    static const char plain[] = "abfnrtv\\'\"", meaning[] = "\a\b\f\n\r\t\v\\'\"";
    int c = peek(l, 0);
    uint32_t code;
    const char *found = c > 0 ? strchr(plain, c) : NULL;
    if (found) {
        l->at++;
        buf_add_char(out, meaning[found - plain]);
        return true;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        l->at++;
        if (!take_digits(l, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, &code) || code > 0x10ffff)
            return false;
        if (c == 'x')
            buf_add_char(out, (char)code);
        else
            add_code_point(out, code);
        return true;
    }
    if (!take_digits(l, 3, 8, &code) || code > 255)
        return false;
    buf_add_char(out, (char)code);
    return true;
}

static bool lex_string(struct lexer *l, struct token *t, struct err *err)
{
    struct buf out = BUF_INIT;
    int quote = peek(l, 0), c;
    const char *wrong = NULL;
    l->at++;
    while (!wrong && (c = peek(l, 0)) != quote) {
        if (c == -1 || (c == '\n' && quote != '`')) {
            wrong = "unterminated string";
        } else if (c == '\\' && quote != '`') {
            l->at++;
            if (!take_escape(l, &out))
                wrong = "unknown escape sequence in a string";
        } else {
            buf_add_char(&out, (char)c);
            l->at++;
        }
    }
    l->at++;
    t->kind = TOKEN_STRING;
    t->text = arena_str(l->arena, buf_str(&out));
    buf_release(&out);
    return !wrong || lex_error(l->all, t->position, err, ERR_BAD_INPUT, "%s", wrong);
}

/* --- Numbers and durations --- */

static size_t number_length(const struct lexer *l)
{
    size_t n = 0;
    bool hex = peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X');
    for (;; n++) {
        int c = peek(l, n);
        int before = n > 0 ? peek(l, n - 1) : 0;
        bool exponent = !hex && (before == 'e' || before == 'E');
        if (c == -1 ||
            !(isalnum(c) || c == '_' || c == '.' || ((c == '+' || c == '-') && exponent)))
            return n;
    }
}

/* Go's integer literals have octal and underscores between digits; floats have neither. */
static bool parse_go_number(struct str text, double *out)
{
    char plain[64];
    size_t n = 0;
    bool octal = text.n > 1 && text.p[0] == '0';
    if (text.n >= sizeof plain)
        return num_parse_double(text, out);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_' && i > 0 && i + 1 < text.n && text.p[i - 1] != '_')
            continue;
        octal = octal && text.p[i] >= '0' && text.p[i] <= '7';
        plain[n++] = text.p[i];
    }
    plain[n] = '\0';
    if (!octal)
        return num_parse_double(str_make(plain, n), out);
    *out = (double)strtoull(plain, NULL, 8);
    return true;
}

static bool lex_number(struct lexer *l, struct token *t, struct err *err)
{
    size_t n = number_length(l);
    t->text = str_make(l->all.p + l->at, n);
    l->at += n;
    if (parse_go_number(t->text, &t->number)) {
        t->kind = TOKEN_NUMBER;
        return true;
    }
    if (num_parse_duration_ms(t->text, &t->duration_ms)) {
        t->kind = TOKEN_DURATION;
        return true;
    }
    return lex_error(l->all, t->position, err, ERR_BAD_INPUT,
                     "bad number or duration \"%.60s\" (durations are like 1h30m, units ms s m h "
                     "d w y)",
                     arena_cstr(l->arena, t->text));
}

/* What people of other languages write. */
static const char *symbol_hint(int c, int next)
{
    if (c == '&')
        return "; did you mean \"and\"?";
    if (c == '|')
        return "; did you mean \"or\"?";
    if (c == '!')
        return next == '(' ? "; did you mean \"unless\"?" : "; did you mean \"!=\"?";
    return "";
}

static bool lex_symbol(struct lexer *l, struct token *t, struct err *err)
{
    static const char *const twos[] = {"==", "!=", "=~", "!~", "<=", ">=", "</", ">/"};
    int c = peek(l, 0);
    t->kind = TOKEN_SYMBOL;
    for (size_t i = 0; i < sizeof twos / sizeof *twos; i++) {
        if (c == twos[i][0] && peek(l, 1) == twos[i][1]) {
            t->text = str_make(l->all.p + l->at, 2);
            l->at += 2;
            return true;
        }
    }
    if (c == 0 || !strchr("(){}[],=<>+-*/%^@:", c))
        return isprint(c) ? lex_error(l->all, t->position, err, ERR_BAD_INPUT,
                                      "unexpected character '%c'%s", c, symbol_hint(c, peek(l, 1)))
                          : lex_error(l->all, t->position, err, ERR_BAD_INPUT,
                                      "unexpected byte 0x%02x; names with it need quotes: "
                                      "{\"name\"}",
                                      (unsigned)c);
    t->text = str_make(l->all.p + l->at, 1);
    l->at++;
    l->in_brackets = c == '[' || (l->in_brackets && c != ']');
    return true;
}

bool lex_next(struct lexer *l, struct token *t, struct err *err)
{
    skip_space(l);
    *t = (struct token){.kind = TOKEN_END, .position = l->at, .text = STR("end of input")};
    int c = peek(l, 0);
    if (c == -1)
        return true;
    if (c == '"' || c == '\'' || c == '`')
        return lex_string(l, t, err);
    if (isdigit(c) || (c == '.' && peek(l, 1) != -1 && isdigit(peek(l, 1))))
        return lex_number(l, t, err);
    if (!is_word_start(c) || (c == ':' && l->in_brackets))
        return lex_symbol(l, t, err);
    size_t start = l->at;
    while (is_word_part(l, peek(l, 0)))
        l->at++;
    t->kind = TOKEN_WORD;
    t->text = str_make(l->all.p + start, l->at - start);
    return true;
}
