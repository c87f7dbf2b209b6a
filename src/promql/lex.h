/* lex.h -- PromQL's words. Private to promql/. */
#ifndef CQED_PROMQL_LEX_H
#define CQED_PROMQL_LEX_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,     /* identifier or keyword; may contain ':' outside brackets */
    TOKEN_NUMBER,   /* value in number */
    TOKEN_DURATION, /* value in duration_ms */
    TOKEN_STRING,   /* decoded in text */
    TOKEN_SYMBOL    /* text is it: ( ) { } [ ] , = == != =~ !~ < <= > >= </ >/ + - * / % ^ @ : */
};

struct token {
    enum token_kind kind;
    struct str text;
    size_t position;
    double number;
    int64_t duration_ms;
};

struct lexer {
    struct str all;
    size_t at;
    struct arena *arena;
    bool in_brackets; /* ':' stands alone, as in [5m:1m] */
};

/* The next token; false with "line:column: what" on a character or literal that is none. */
MUST_CHECK bool lex_next(struct lexer *, struct token *, struct err *);

/* Line and column, from 1, of a byte offset. */
struct place {
    size_t line, column;
};
struct place place_of(struct str all, size_t position);

/* An error with "line:column: parse error: " in front. Always false. */
bool lex_error(struct str all, size_t position, struct err *, enum err_code, const char *format,
               ...) PRINTF_LIKE(5, 6);

#endif
