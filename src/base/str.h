/* str.h -- a borrowed run of bytes: pointer and length, not NUL-terminated, owns nothing. */
#ifndef CQED_BASE_STR_H
#define CQED_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p /* for printf; the field's width caps at INT_MAX */

static inline struct str str_from(const char *cstr)
{
    return (struct str){cstr, strlen(cstr)};
}

static inline struct str str_make(const char *p, size_t n)
{
    return (struct str){p, n};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *cstr)
{
    return str_eq(a, str_from(cstr));
}

int str_cmp(struct str a, struct str b);        /* bytewise, shorter first on a tie */
size_t str_sort_unique(struct str *, size_t n); /* in place, each once; how many are left */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* ASCII white space at both ends */

/* Split at the first `sep`: *head before it, *s after it. At the end *head is the rest and *s is
 * empty with p == NULL. False when *s.p was NULL already. */
bool str_cut(struct str *s, char sep, struct str *head);

bool str_is_utf8(struct str s);

/* Edit distance (Levenshtein), for "did you mean"; gives up above `limit` and returns limit + 1. */
size_t str_distance(struct str a, struct str b, size_t limit);

/* The nearest of `n` candidates within a third of the word's length, or NULL. */
const char *str_nearest(struct str word, const char *const *candidates, size_t n);

#endif
