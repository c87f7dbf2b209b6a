/* words.h -- one line of a case file as words. A word in double quotes may hold spaces; `key=value`
 * words can be taken apart; `#` begins a comment. */
#ifndef CQED_TESTS_DECIDE_WORDS_H
#define CQED_TESTS_DECIDE_WORDS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 64

struct words {
    size_t n;
    size_t next; /* the first one not taken yet */
    struct word {
        const char *text;
        bool quoted;
    } v[WORDS_MAX];
};

/* False when a quote is not closed or there are too many words. */
bool words_split(struct words *, struct arena *, const char *line);

const char *words_peek(const struct words *);         /* "" at the end */
const char *words_take(struct words *);               /* "" at the end */
bool words_take_if(struct words *, const char *word); /* takes it when it is next */
bool words_next_is_quoted(const struct words *);

/* "key=value" as two; false when there is no `=`. */
bool words_pair(struct arena *, const char *word, const char **key, const char **value);

#endif
