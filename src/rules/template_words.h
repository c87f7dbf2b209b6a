/* template_words.h -- the words of one action, the text between {{ and }}: names, .fields,
 * $variables, numbers, strings, signs. Lexical rules: pkg.go.dev/text/template. Private to rules/.
 */
#ifndef CQED_RULES_TEMPLATE_WORDS_H
#define CQED_RULES_TEMPLATE_WORDS_H

#include "base/arena.h"
#include "base/err.h"

enum template_token {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_FIELD,
    TOKEN_VARIABLE,
    TOKEN_NUMBER,
    TOKEN_TEXT,
    TOKEN_SYMBOL
};

struct template_word {
    enum template_token kind;
    struct str text; /* a field without its dot, a variable without its $, text unquoted */
    bool spaced;     /* white space stands in front */
};

struct template_words {
    struct arena *arena; /* for unquoted text */
    struct str action;
    size_t at;
    struct template_word token; /* the current one */
    struct err *err;
};

/* The next word becomes the token; TOKEN_END behind the last. ERR_BAD_INPUT. */
bool words_advance(struct template_words *);
bool words_at_sign(const struct template_words *, const char *symbol);
bool words_at_keyword(const struct template_words *, const char *word);

/* ERR_BAD_INPUT: what is wrong, and the action in which. False. */
bool words_wrong(struct template_words *, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
