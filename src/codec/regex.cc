// RE2 behind regex.h. C++ stays in this file.
extern "C" {
#include "base/buf.h"
#include "base/err.h"
}
#include "codec/regex.h"

#include <re2/re2.h>

#include <map>
#include <new>
#include <string>

struct regex {
    re2::RE2 re;
    explicit regex(const std::string &pattern, const re2::RE2::Options &options)
        : re(pattern, options)
    {
    }
};

static re2::StringPiece piece(struct str s)
{
    return re2::StringPiece(s.p ? s.p : "", s.n);
}

struct regex *regex_new(struct str pattern, struct err *err)
{
    re2::RE2::Options options;
    options.set_dot_nl(true);
    options.set_log_errors(false);
    options.set_max_mem(8 << 20);
    struct regex *r =
        new (std::nothrow) regex(std::string(pattern.p ? pattern.p : "", pattern.n), options);
    if (!r)
        check_no_memory(sizeof *r);
    if (!r->re.ok() || r->re.NumberOfCapturingGroups() >= REGEX_MAX_GROUPS) {
        if (r->re.ok())
            err_set(err, ERR_LIMIT, "regular expression has over %d groups", REGEX_MAX_GROUPS - 1);
        else
            err_set(err, ERR_BAD_INPUT, "bad regular expression: %s", r->re.error().c_str());
        delete r;
        return NULL;
    }
    return r;
}

void regex_free(struct regex *r)
{
    delete r;
}

struct str regex_pattern(const struct regex *r)
{
    return str_make(r->re.pattern().data(), r->re.pattern().size());
}

bool regex_matches(const struct regex *r, struct str text)
{
    return r->re.Match(piece(text), 0, text.n, re2::RE2::ANCHOR_BOTH, NULL, 0);
}

bool regex_groups(const struct regex *r, struct str text, struct str groups[REGEX_MAX_GROUPS],
                  size_t *n)
{
    re2::StringPiece found[REGEX_MAX_GROUPS];
    int count = r->re.NumberOfCapturingGroups() + 1;
    if (!r->re.Match(piece(text), 0, text.n, re2::RE2::ANCHOR_BOTH, found, count))
        return false;
    for (int i = 0; i < count; i++)
        groups[i] = str_make(found[i].data(), found[i].size());
    *n = (size_t)count;
    return true;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// The name behind a `$` at t[i] (Go's regexp.Expand): ${name} or the longest run of word bytes.
// *next is where the text goes on; false when it is no reference at all.
static bool take_reference(struct str t, size_t i, std::string *name, size_t *next)
{
    bool braced = i < t.n && t.p[i] == '{';
    size_t start = i + braced, end = start;
    while (end < t.n && is_word(t.p[end]))
        end++;
    if (end == start || (braced && (end >= t.n || t.p[end] != '}')))
        return false;
    name->assign(t.p + start, end - start);
    *next = end + braced;
    return true;
}

static int group_index(const struct regex *r, const std::string &name)
{
    if (name.find_first_not_of("0123456789") == std::string::npos)
        return name.size() > 3 ? -1 : atoi(name.c_str());
    const std::map<std::string, int> &named = r->re.NamedCapturingGroups();
    std::map<std::string, int>::const_iterator it = named.find(name);
    return it == named.end() ? -1 : it->second;
}

// The template `t` with its references replaced from what was found.
static void expand(const struct regex *r, const struct str *groups, size_t n, struct str t,
                   struct buf *out)
{
    for (size_t i = 0; i < t.n;) {
        std::string name;
        size_t next;
        if (t.p[i] != '$') {
            buf_add_char(out, t.p[i++]);
        } else if (i + 1 < t.n && t.p[i + 1] == '$') {
            buf_add_char(out, '$');
            i += 2;
        } else if (take_reference(t, i + 1, &name, &next)) {
            int index = group_index(r, name);
            if (index >= 0 && (size_t)index < n && groups[index].p)
                buf_add_str(out, groups[index]);
            i = next;
        } else {
            buf_add_char(out, t.p[i++]);
        }
    }
}

bool regex_expand(const struct regex *r, struct str text, struct str t, struct buf *out)
{
    struct str groups[REGEX_MAX_GROUPS];
    size_t n;
    if (!regex_groups(r, text, groups, &n))
        return false;
    expand(r, groups, n, t, out);
    return true;
}

bool regex_finds(const struct regex *r, struct str text)
{
    return r->re.Match(piece(text), 0, text.n, re2::RE2::UNANCHORED, NULL, 0);
}

// How many bytes the UTF-8 character at s[i] has.
static size_t character_bytes(struct str s, size_t i)
{
    size_t n = 1;
    while (i + n < s.n && ((unsigned char)s.p[i + n] & 0xc0) == 0x80)
        n++;
    return n;
}

void regex_replace_all(const struct regex *r, struct str text, struct str t, struct buf *out)
{
    re2::StringPiece found[REGEX_MAX_GROUPS], all = piece(text);
    struct str groups[REGEX_MAX_GROUPS];
    int count = r->re.NumberOfCapturingGroups() + 1;
    size_t at = 0, copied = 0;
    while (at <= text.n && r->re.Match(all, at, text.n, re2::RE2::UNANCHORED, found, count)) {
        size_t start = (size_t)(found[0].data() - all.data()), end = start + found[0].size();
        buf_add(out, all.data() + copied, start - copied);
        // Go's rule: an empty match right behind another match is none.
        if (end > copied || start == 0) {
            for (int i = 0; i < count; i++)
                groups[i] = str_make(found[i].data(), found[i].size());
            expand(r, groups, (size_t)count, t, out);
        }
        copied = end;
        size_t next = at + (at < text.n ? character_bytes(text, at) : 1);
        at = next > end ? next : end;
    }
    if (copied < text.n)
        buf_add(out, all.data() + copied, text.n - copied);
}
