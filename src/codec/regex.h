/* regex.h -- RE2 regular expressions behind a small C face: linear time on hostile input. Matches
 * are anchored at both ends and `.` matches newline, as Prometheus 3 does: ^(?s:pattern)$. Any
 * thread. */
#ifndef CQED_CODEC_REGEX_H
#define CQED_CODEC_REGEX_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct regex;

#ifdef __cplusplus
extern "C" {
#endif

#define REGEX_MAX_GROUPS 32

/* NULL on a bad pattern (ERR_BAD_INPUT with RE2's reason) or one that needs over 8 MiB. */
struct regex *regex_new(struct str pattern, struct err *);
void regex_free(struct regex *);
struct str regex_pattern(const struct regex *); /* as it was given; lives as long as the regex */

bool regex_matches(const struct regex *, struct str text);

/* As above; on a match groups[0] is the whole text and groups[i] the i-th group (p NULL if unset).
 */
bool regex_groups(const struct regex *, struct str text, struct str groups[REGEX_MAX_GROUPS],
                  size_t *n);

/* Append `template` with $1, ${1}, $name, ${name} and $$ replaced from a match of `text`, by Go's
 * Expand rules. False, and nothing added, when the text does not match. */
bool regex_expand(const struct regex *, struct str text, struct str template_text, struct buf *out);

/* Not anchored: whether the pattern matches anywhere in `text`; and `text` with every match, from
 * left to right, replaced by the template expanded from it (Go's ReplaceAllString). */
bool regex_finds(const struct regex *, struct str text);
void regex_replace_all(const struct regex *, struct str text, struct str template_text,
                       struct buf *out);

#ifdef __cplusplus
}
#endif
#endif
