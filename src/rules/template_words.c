#include "rules/template_words.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>

bool words_wrong(struct template_words *w, const char *format, ...)
{
    char what[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    struct str near = str_trim(w->action);
    return err_set(w->err, ERR_BAD_INPUT, "%s in {{ %.*s }}", what,
                   (int)(near.n < 80 ? near.n : 80), near.n ? near.p : "");
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t name_end(struct str s, size_t at)
{
    while (at < s.n && is_name(s.p[at]))
        at++;
    return at;
}

static bool take_escape(struct template_words *w, struct buf *out, struct str s, size_t *at)
{
    static const char from[] = "abfnrtv\\\"'", to[] = "\a\b\f\n\r\t\v\\\"'";
    const char *known = *at < s.n ? memchr(from, s.p[*at], sizeof from - 1) : NULL;
    if (!known)
        return words_wrong(w, "unknown escape in a string");
    buf_add_char(out, to[known - from]);
    ++*at;
    return true;
}

static bool take_quoted(struct template_words *w)
{
    struct str s = w->action;
    struct buf out = BUF_INIT;
    size_t at = w->at + 1;
    char quote = s.p[w->at];
    bool good = true;
    while (good && at < s.n && s.p[at] != quote) {
        if (s.p[at] == '\\' && quote != '`') {
            at++;
            good = take_escape(w, &out, s, &at);
        } else {
            buf_add_char(&out, s.p[at++]);
        }
    }
    if (good && at >= s.n)
        good = words_wrong(w, "unterminated string");
    w->token.kind = TOKEN_TEXT;
    w->token.text = arena_str(w->arena, buf_str(&out));
    w->at = at + 1;
    buf_release(&out);
    return good;
}

static size_t number_length(struct str s, size_t at)
{
    size_t i = at;
    while (i < s.n && (is_name(s.p[i]) || s.p[i] == '.' ||
                       ((s.p[i] == '+' || s.p[i] == '-') &&
                        (i == at || s.p[i - 1] == 'e' || s.p[i - 1] == 'E'))))
        i++;
    return i - at;
}

static bool take(struct template_words *w, enum template_token kind, size_t skip, size_t end)
{
    w->token.kind = kind;
    w->token.text = str_make(w->action.p + w->at + skip, end - w->at - skip);
    w->at = end;
    return true;
}

bool words_advance(struct template_words *w)
{
    struct str s = w->action;
    size_t at = w->at;
    while (at < s.n && isspace((unsigned char)s.p[at]))
        at++;
    w->token = (struct template_word){.spaced = at > w->at};
    w->at = at;
    if (at >= s.n)
        return true;
    char c = s.p[at], next = at + 1 < s.n ? s.p[at + 1] : 0;
    if (c == '"' || c == '`')
        return take_quoted(w);
    if (c == '.' && (isalpha((unsigned char)next) || next == '_'))
        return take(w, TOKEN_FIELD, 1, name_end(s, at + 1));
    if (c == '$')
        return take(w, TOKEN_VARIABLE, 1, name_end(s, at + 1));
    if (isdigit((unsigned char)c) ||
        ((c == '-' || c == '+' || c == '.') && isdigit((unsigned char)next)))
        return take(w, TOKEN_NUMBER, 0, at + number_length(s, at));
    if (isalpha((unsigned char)c) || c == '_')
        return take(w, TOKEN_WORD, 0, name_end(s, at));
    if (c == ':' && next == '=')
        return take(w, TOKEN_SYMBOL, 0, at + 2);
    if (strchr("().|,=", c))
        return take(w, TOKEN_SYMBOL, 0, at + 1);
    return words_wrong(w, "unexpected '%c'", isprint((unsigned char)c) ? c : '?');
}

bool words_at_sign(const struct template_words *w, const char *symbol)
{
    return w->token.kind == TOKEN_SYMBOL && str_is(w->token.text, symbol);
}

bool words_at_keyword(const struct template_words *w, const char *word)
{
    return w->token.kind == TOKEN_WORD && str_is(w->token.text, word);
}
