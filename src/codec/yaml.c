/* From libfyaml's events to a tree in an arena. Events, not documents, because they carry the place
 * of every node, collections included. */
#include "codec/yaml.h"

#include "base/map.h"

#include <libfyaml.h>

#define MAX_BYTES ((size_t)8 << 20)
#define MAX_DEPTH 64
#define MAX_NODES 200000

struct builder {
    struct arena *arena;
    const char *path;
    struct diag_list *diags;
    struct fy_parser *parser;
    size_t n_nodes;
    bool failed;
};

static bool refuse(struct builder *b, int line, int column, const char *why)
{
    diag_add(b->diags, DIAG_ERROR, b->path, line, column, "%s", why);
    b->failed = true;
    return false;
}

static bool is_quoted(const struct fy_event *event)
{
    if (event->type != FYET_SCALAR || !event->scalar.value)
        return false;
    enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

/* libfyaml's mark stands behind a quote and behind an alias's asterisk. */
static void find_place(struct fy_event *event, int *line, int *column)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    *line = mark ? mark->line + 1 : 1;
    *column = mark ? mark->column + 1 : 1;
    if (*column > 1 && (event->type == FYET_ALIAS || is_quoted(event)))
        --*column;
}

static struct yaml_node *new_node(struct builder *b, struct fy_event *event, enum yaml_kind kind)
{
    struct yaml_node *node = ARENA_NEW(b->arena, struct yaml_node);
    node->kind = kind;
    node->path = b->path;
    find_place(event, &node->line, &node->column);
    if (++b->n_nodes == MAX_NODES + 1)
        refuse(b, node->line, node->column, "the file has over 200000 nodes");
    return node;
}

static bool is_null_text(struct str s)
{
    return s.n == 0 || str_is(s, "~") || str_is(s, "null") || str_is(s, "Null") ||
           str_is(s, "NULL");
}

static struct yaml_node *build(struct builder *b, struct fy_event *event, int depth);

/* The next event's node, or NULL at the end of the collection (or on failure). */
static struct yaml_node *next_child(struct builder *b, enum fy_event_type end, int depth)
{
    if (b->failed)
        return NULL;
    struct fy_event *event = fy_parser_parse(b->parser);
    if (!event) {
        b->failed = true; /* libfyaml's own message follows from its diagnostics */
        return NULL;
    }
    struct yaml_node *node = event->type == end ? NULL : build(b, event, depth + 1);
    fy_parser_event_free(b->parser, event);
    return node;
}

static void build_list(struct builder *b, struct yaml_node *node, int depth)
{
    size_t capacity = 0;
    struct yaml_node *item;
    while ((item = next_child(b, FYET_SEQUENCE_END, depth))) {
        node->items = arena_grow(b->arena, node->items, node->n, &capacity, sizeof *node->items);
        node->items[node->n++] = item;
    }
}

static void check_key(struct builder *b, const struct yaml_node *key, struct map *seen)
{
    if (key->kind != YAML_SCALAR)
        refuse(b, key->line, key->column, "a key must be plain text");
    else if (memchr(key->scalar.p, '\0', key->scalar.n))
        refuse(b, key->line, key->column, "a key must be text without NUL bytes");
    else if (str_is(key->scalar, "<<") && !key->quoted)
        refuse(b, key->line, key->column, "merge keys are refused: write the keys out");
    else if (map_set(seen, key->scalar, seen))
        refuse(b, key->line, key->column,
               arena_printf(b->arena, "key '" STR_FMT "' is there twice", STR_ARG(key->scalar)));
}

static void build_map(struct builder *b, struct yaml_node *node, int depth)
{
    size_t capacity = 0;
    struct map *seen = map_new();
    struct yaml_node *key;
    while ((key = next_child(b, FYET_MAPPING_END, depth))) {
        check_key(b, key, seen);
        struct yaml_node *value = next_child(b, FYET_NONE, depth);
        if (!value)
            break;
        node->pairs = arena_grow(b->arena, node->pairs, node->n, &capacity, sizeof *node->pairs);
        node->pairs[node->n++] =
            (struct yaml_pair){key->scalar, key->line, key->column, value, false};
    }
    map_free(seen);
}

static struct yaml_node *build_scalar(struct builder *b, struct fy_event *event)
{
    size_t n = 0;
    const char *text = event->scalar.value ? fy_token_get_text(event->scalar.value, &n) : "";
    struct yaml_node *node = new_node(b, event, YAML_SCALAR);
    node->scalar = arena_str(b->arena, str_make(text, n));
    node->quoted = event->scalar.value && fy_token_scalar_style(event->scalar.value) != FYSS_PLAIN;
    if (!node->quoted && is_null_text(node->scalar))
        node->kind = YAML_NULL;
    return node;
}

static bool has_anchor_or_tag(const struct fy_event *event)
{
    if (event->type == FYET_SCALAR)
        return event->scalar.anchor || event->scalar.tag;
    if (event->type == FYET_SEQUENCE_START)
        return event->sequence_start.anchor || event->sequence_start.tag;
    return event->type == FYET_MAPPING_START &&
           (event->mapping_start.anchor || event->mapping_start.tag);
}

static struct yaml_node *build(struct builder *b, struct fy_event *event, int depth)
{
    int line, column;
    find_place(event, &line, &column);
    if (event->type == FYET_ALIAS || has_anchor_or_tag(event)) {
        refuse(b, line, column, "anchors, aliases and tags are refused: write the value out");
        return NULL;
    }
    if (depth > MAX_DEPTH) {
        refuse(b, line, column, "nested deeper than 64");
        return NULL;
    }
    struct yaml_node *node = NULL;
    if (event->type == FYET_SCALAR) {
        node = build_scalar(b, event);
    } else if (event->type == FYET_SEQUENCE_START) {
        node = new_node(b, event, YAML_LIST);
        build_list(b, node, depth);
    } else if (event->type == FYET_MAPPING_START) {
        node = new_node(b, event, YAML_MAP);
        build_map(b, node, depth);
    } else {
        refuse(b, line, column, "a value was expected here");
    }
    return b->failed ? NULL : node;
}

/* Documents until the stream ends; *n of them. */
static void build_stream(struct builder *b, struct yaml_node ***documents, size_t *n)
{
    size_t capacity = 0;
    while (!b->failed) {
        struct fy_event *event = fy_parser_parse(b->parser);
        if (!event) {
            b->failed = fy_parser_get_stream_error(b->parser);
            return;
        }
        enum fy_event_type type = event->type;
        if (type == FYET_SCALAR || type == FYET_ALIAS || type == FYET_SEQUENCE_START ||
            type == FYET_MAPPING_START) {
            *documents = arena_grow(b->arena, *documents, *n, &capacity, sizeof **documents);
            (*documents)[*n] = build(b, event, 1);
            *n += (*documents)[*n] != NULL;
        }
        fy_parser_event_free(b->parser, event);
        if (type == FYET_STREAM_END)
            return;
    }
}

static void copy_messages(struct builder *b, struct fy_diag *diag)
{
    void *cursor = NULL;
    struct fy_diag_error *e;
    while ((e = fy_diag_errors_iterate(diag, &cursor)))
        diag_add(b->diags, DIAG_ERROR, b->path, e->line > 0 ? e->line : 1,
                 e->column > 0 ? e->column : 1, "%s", e->msg);
}

bool yaml_parse(struct arena *arena, const char *path, struct str text,
                struct yaml_node ***documents, size_t *n, struct diag_list *diags)
{
    size_t errors_before = diags->errors;
    struct builder b = {.arena = arena, .path = arena_strdup(arena, path), .diags = diags};
    *documents = NULL;
    *n = 0;
    if (text.n > MAX_BYTES)
        return refuse(&b, 1, 1, "the file is over 8 MiB");
    if (!str_is_utf8(text))
        return refuse(&b, 1, 1, "the file is not UTF-8");

    struct fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_config);
    if (!diag)
        check_no_memory(sizeof diag_config);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET, .diag = diag};
    b.parser = fy_parser_create(&config);
    if (!b.parser || fy_parser_set_string(b.parser, text.n ? text.p : "", text.n) != 0)
        check_no_memory(text.n);

    build_stream(&b, documents, n);
    copy_messages(&b, diag);
    if (b.failed && diags->errors == errors_before)
        refuse(&b, 1, 1, "the file is not valid YAML");
    fy_diag_reset_error(diag); /* unref alone does not free what was collected */
    fy_parser_destroy(b.parser);
    fy_diag_destroy(diag); /* unref alone keeps the collected messages */
    return !b.failed && diags->errors == errors_before;
}
