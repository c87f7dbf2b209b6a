#include "cli/args.h"

void args_accept(struct args *a, const struct option_spec *list)
{
    for (; list && list->name; list++) {
        CHECK(a->n_options < MAX_OPTIONS);
        a->options[a->n_options++] = list;
    }
}

static bool find_long(const struct args *a, struct str name, size_t *index)
{
    for (size_t i = a->n_options; i-- > 0;) {
        if (str_is(name, a->options[i]->name)) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool find_letter(const struct args *a, const char *text, size_t *index)
{
    for (size_t i = a->n_options; text[0] && !text[1] && i-- > 0;) {
        if (a->options[i]->letter == text[0]) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool unknown(const struct args *a, const char *word, struct str name, struct err *err)
{
    const char *names[MAX_OPTIONS];
    for (size_t i = 0; i < a->n_options; i++)
        names[i] = a->options[i]->name;
    const char *nearest = str_nearest(name, names, a->n_options);
    if (nearest)
        return err_set(err, ERR_BAD_INPUT, "unknown option '%.100s': did you mean --%s?", word,
                       nearest);
    return err_set(err, ERR_BAD_INPUT, "unknown option '%.100s'", word);
}

/* `next` is the word behind the option, or NULL; *used tells whether it was the value. */
static bool take_option(struct args *a, const char *word, const char *next, bool *used,
                        struct err *err)
{
    struct str rest = str_from(word + (word[1] == '-' ? 2 : 1)), name;
    size_t i;
    *used = false;
    (void)str_cut(&rest, '=', &name);
    bool found = word[1] == '-' ? find_long(a, name, &i) : find_letter(a, word + 1, &i);
    if (!found)
        return unknown(a, word, name, err);
    if (!a->options[i]->value) {
        if (rest.p)
            return err_set(err, ERR_BAD_INPUT, "--%s takes no value", a->options[i]->name);
        a->values[i] = "";
    } else if (rest.p) {
        a->values[i] = rest.p;
    } else if (!next) {
        return err_set(err, ERR_BAD_INPUT, "--%s needs a value: --%s %s", a->options[i]->name,
                       a->options[i]->name, a->options[i]->value);
    } else if (next[0] == '-' && next[1] == '-') {
        return err_set(err, ERR_BAD_INPUT,
                       "--%s needs a value, and '%.100s' looks like an option; if it is the value, "
                       "write --%s=%.100s",
                       a->options[i]->name, next, a->options[i]->name, next);
    } else {
        a->values[i] = next;
        *used = true;
    }
    return true;
}

static void add_word(struct args *a, struct arena *arena, const char *word)
{
    a->words = arena_grow(arena, a->words, a->n_words, &a->capacity, sizeof *a->words);
    a->words[a->n_words++] = word;
}

bool args_take(struct args *a, struct arena *arena, int argc, char *const *argv, bool stop_at_word,
               int *taken, struct err *err)
{
    bool ended = false;
    for (*taken = 0; *taken < argc; (*taken)++) {
        const char *word = argv[*taken];
        bool is_option = !ended && word[0] == '-' && word[1] != '\0';
        if (!is_option && stop_at_word)
            return true;
        if (!is_option) {
            add_word(a, arena, word);
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else {
            bool used;
            if (!take_option(a, word, *taken + 1 < argc ? argv[*taken + 1] : NULL, &used, err))
                return false;
            *taken += used;
        }
    }
    return true;
}

const char *args_value(const struct args *a, const char *name)
{
    size_t i;
    CHECK(find_long(a, str_from(name), &i));
    return a->values[i];
}

bool args_flag(const struct args *a, const char *name)
{
    return args_value(a, name) != NULL;
}
