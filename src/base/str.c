#include "base/str.h"

#include <stdlib.h>

#include "base/check.h"

#include <stdint.h>

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

static int compare(const void *left, const void *right)
{
    return str_cmp(*(const struct str *)left, *(const struct str *)right);
}

size_t str_sort_unique(struct str *v, size_t n)
{
    size_t kept = 0;
    if (n > 1)
        qsort(v, n, sizeof *v, compare);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !str_eq(v[kept - 1], v[i]))
            v[kept++] = v[i];
    }
    return kept;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_make(s.p, prefix.n), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_make(s.p + (s.n - suffix.n), suffix.n), suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_cut(struct str *s, char sep, struct str *head)
{
    if (!s->p)
        return false;
    const char *at = s->n > 0 ? memchr(s->p, sep, s->n) : NULL;
    if (!at) {
        *head = *s;
        *s = str_make(NULL, 0);
        return true;
    }
    size_t before = (size_t)(at - s->p);
    *head = str_make(s->p, before);
    *s = str_make(at + 1, s->n - before - 1);
    return true;
}

/* How many bytes the UTF-8 sequence at p has, 0 when it is none: RFC 3629, table in section 4. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || n < length)
        return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t length = utf8_length((const unsigned char *)s.p + i, s.n - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

#define DISTANCE_MAX 64 /* words longer than this are never mistyped keys */

size_t str_distance(struct str a, struct str b, size_t limit)
{
    if (a.n > DISTANCE_MAX || b.n > DISTANCE_MAX)
        return str_eq(a, b) ? 0 : limit + 1;
    size_t row[DISTANCE_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n] > limit ? limit + 1 : row[b.n];
}

const char *str_nearest(struct str word, const char *const *candidates, size_t n)
{
    size_t limit = word.n / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(word, str_from(candidates[i]), limit);
        if (d > limit)
            continue;
        nearest = candidates[i];
        if (d == 0)
            break;
        limit = d - 1; /* only a nearer one replaces it */
    }
    return nearest;
}
