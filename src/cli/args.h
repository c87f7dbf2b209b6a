/* args.h -- options and arguments of a command line, the same rules for every command: options may
 * stand before or after arguments; `--name value`, `--name=value`, `-n value`; `--` ends them; the
 * last of a repeated option counts. Strings are borrowed from argv. */
#ifndef CQED_CLI_ARGS_H
#define CQED_CLI_ARGS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct option_spec {
    const char *name;  /* "wait" */
    char letter;       /* 'c', or 0 */
    const char *value; /* what the help calls its value, "DURATION"; NULL = a flag */
    const char *help;
};

#define MAX_OPTIONS 24

struct args {
    const struct option_spec *options[MAX_OPTIONS];
    const char *values[MAX_OPTIONS]; /* parallel; NULL = not given; "" for a flag */
    size_t n_options;
    const char **words; /* the arguments */
    size_t n_words;
    size_t capacity;
};

/* More options are accepted from now on; of two with one name the later counts. The list ends at a
 * NULL name; NULL = none. */
void args_accept(struct args *, const struct option_spec *list);

/* Take from argv[0]; with stop_at_word nothing from the first argument on. *taken is how many were
 * read. ERR_BAD_INPUT with a "did you mean" for an unknown option, a missing or a surplus value. */
MUST_CHECK bool args_take(struct args *, struct arena *, int argc, char *const *argv,
                          bool stop_at_word, int *taken, struct err *);

/* Of an accepted option: its value, or NULL when it was not given. Another name is our bug. */
const char *args_value(const struct args *, const char *name);
bool args_flag(const struct args *, const char *name);

#endif
