#include "words.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool words_split(struct words *w, struct arena *arena, const char *line)
{
    *w = (struct words){0};
    for (const char *p = line; *p && *p != '#';) {
        if (is_space(*p)) {
            p++;
            continue;
        }
        bool quoted = *p == '"';
        const char *start = p += quoted;
        while (*p && (quoted ? *p != '"' : !is_space(*p)))
            p++;
        if (w->n == WORDS_MAX || (quoted && !*p))
            return false;
        w->v[w->n].text = arena_cstr(arena, str_make(start, (size_t)(p - start)));
        w->v[w->n++].quoted = quoted;
        p += quoted;
    }
    return true;
}

const char *words_peek(const struct words *w)
{
    return w->next < w->n ? w->v[w->next].text : "";
}

const char *words_take(struct words *w)
{
    return w->next < w->n ? w->v[w->next++].text : "";
}

bool words_take_if(struct words *w, const char *word)
{
    if (w->next >= w->n || w->v[w->next].quoted || strcmp(words_peek(w), word) != 0)
        return false;
    w->next++;
    return true;
}

bool words_next_is_quoted(const struct words *w)
{
    return w->next < w->n && w->v[w->next].quoted;
}

bool words_pair(struct arena *arena, const char *word, const char **key, const char **value)
{
    struct str rest = str_from(word), head;
    if (!strchr(word, '=') || !str_cut(&rest, '=', &head))
        return false;
    *key = arena_cstr(arena, head);
    *value = arena_cstr(arena, rest);
    return true;
}
