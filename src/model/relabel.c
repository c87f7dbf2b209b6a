/* Prometheus's relabeling (documentation of relabel_config; model/relabel). */
#include "codec/digest.h"
#include "model/scrape.h"

#include <ctype.h>

static struct str join_sources(const struct relabel *rule, const struct labels_builder *b)
{
    struct buf joined = BUF_INIT;
    for (size_t i = 0; i < rule->n_source_labels; i++) {
        if (i > 0)
            buf_add_str(&joined, rule->separator);
        buf_add_str(&joined, labels_builder_get(b, rule->source_labels[i]));
    }
    struct str out = arena_str(b->arena, buf_str(&joined));
    buf_release(&joined);
    return out;
}

/* template expanded from a match of text, in the builder's arena; p NULL when the text does not
 * match. */
static struct str expand(const struct relabel *rule, struct str text, struct str template_text,
                         struct labels_builder *b)
{
    struct buf out = BUF_INIT;
    struct str s = {NULL, 0};
    if (regex_expand(rule->regex, text, template_text, &out))
        s = arena_str(b->arena, buf_str(&out));
    buf_release(&out);
    return s;
}

static void replace(const struct relabel *rule, struct str source, struct labels_builder *b)
{
    struct str target = expand(rule, source, rule->target_label, b);
    if (!target.p || !label_name_is_legacy(target))
        return;
    labels_builder_set(b, target, expand(rule, source, rule->replacement, b));
}

static void hash_mod(const struct relabel *rule, struct str source, struct labels_builder *b)
{
    uint8_t md5[16];
    uint64_t low = 0;
    md5_of(source.p, source.n, md5);
    for (int i = 8; i < 16; i++)
        low = low << 8 | md5[i];
    labels_builder_set(
        b, rule->target_label,
        str_from(arena_printf(b->arena, "%llu", (unsigned long long)(low % rule->modulus))));
}

static void change_case(const struct relabel *rule, struct str source, struct labels_builder *b)
{
    char *text = arena_cstr(b->arena, source);
    for (size_t i = 0; i < source.n; i++) {
        int c = (unsigned char)text[i];
        text[i] = (char)(rule->action == RELABEL_LOWERCASE ? tolower(c) : toupper(c));
    }
    labels_builder_set(b, rule->target_label, str_make(text, source.n));
}

static void map_labels(const struct relabel *rule, struct labels_builder *b)
{
    size_t n = b->n; /* what this rule adds is not mapped again */
    for (size_t i = 0; i < n; i++) {
        struct str target = expand(rule, b->v[i].name, rule->replacement, b);
        if (target.p && b->v[i].value.n > 0)
            labels_builder_set(b, target, b->v[i].value);
    }
}

static void drop_labels(const struct relabel *rule, struct labels_builder *b)
{
    bool drop_matching = rule->action == RELABEL_LABELDROP;
    for (size_t i = 0; i < b->n; i++) {
        if (regex_matches(rule->regex, b->v[i].name) == drop_matching)
            b->v[i].value = STR("");
    }
}

static bool apply_one(const struct relabel *rule, struct labels_builder *b)
{
    struct str source = join_sources(rule, b);
    switch (rule->action) {
    case RELABEL_REPLACE:
        replace(rule, source, b);
        return true;
    case RELABEL_KEEP:
        return regex_matches(rule->regex, source);
    case RELABEL_DROP:
        return !regex_matches(rule->regex, source);
    case RELABEL_KEEPEQUAL:
        return str_eq(source, labels_builder_get(b, rule->target_label));
    case RELABEL_DROPEQUAL:
        return !str_eq(source, labels_builder_get(b, rule->target_label));
    case RELABEL_HASHMOD:
        hash_mod(rule, source, b);
        return true;
    case RELABEL_LABELMAP:
        map_labels(rule, b);
        return true;
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
        drop_labels(rule, b);
        return true;
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        change_case(rule, source, b);
        return true;
    }
    return true;
}

bool relabel_apply(const struct relabel *rules, size_t n, struct labels_builder *b)
{
    for (size_t i = 0; i < n; i++) {
        if (!apply_one(&rules[i], b))
            return false;
    }
    return true;
}
