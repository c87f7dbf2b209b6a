/* Series, their labels, metadata and exemplars, in Prometheus's API. */
#include "base/map.h"
#include "base/num.h"
#include "serve/internal.h"

#include <stdlib.h>

/* --- Series and labels --- */

bool take_selectors(struct http_request *request, struct http_response *response,
                    struct selectors *out)
{
    const char *const *texts;
    size_t n = http_params(request, "match[]", &texts);
    struct err err = ERR_INIT;
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct promql_expr *expr = promql_parse(request->arena, str_from(texts[i]), &err);
        bool good = expr != NULL;
        if (good && i == sizeof out->v / sizeof *out->v)
            good = err_set(&err, ERR_BAD_INPUT, "over 64 selectors");
        if (good && !promql_as_counter_selector(expr, &out->v[i].matchers, &out->v[i].n))
            good = err_set(&err, ERR_BAD_INPUT, "'%.100s' is not a series selector", texts[i]);
        if (!good) {
            err_prefix(&err, "invalid parameter \"match[]\": ");
            fail_prometheus_err(response, &err);
            return false;
        }
        out->n++;
    }
    return true;
}

static int cmp_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* How many answers at most; UINT64_MAX without the parameter or with 0. */
static bool take_limit(struct http_request *request, struct http_response *response, uint64_t *out)
{
    const char *text = http_param(request, "limit");
    *out = 0;
    if (text && !num_parse_u64(str_from(text), out)) {
        fail_prometheus(response, 400, "bad_data", "limit must be a whole number");
        return false;
    }
    if (*out == 0)
        *out = UINT64_MAX;
    return true;
}

/* What `start` and `end` leave of all times. */
struct span {
    int64_t start_ms, end_ms;
};

static bool take_span(struct http_request *request, struct http_response *response,
                      struct span *out)
{
    *out = (struct span){INT64_MIN / 2, INT64_MAX / 2};
    return take_param(request, response, "start", parse_api_time, false, &out->start_ms) &&
           take_param(request, response, "end", parse_api_time, false, &out->end_ms);
}

static void end_limited(struct json_writer *w, bool cut)
{
    static const char *const note[] = {"results truncated due to limit"};
    json_close_array(w);
    put_notes(w, "warnings", note, cut ? 1 : 0);
    close_success(w);
}

static void respond_strings(struct http_response *response, struct str *v, size_t n, uint64_t limit)
{
    uint64_t shown = 0;
    struct json_writer w;
    if (n > 0)
        qsort(v, n, sizeof *v, cmp_str);
    open_success(&w, response);
    json_open_array(&w);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && str_eq(v[i], v[i - 1]))
            continue;
        if (shown++ < limit)
            json_put_str(&w, v[i]);
    }
    end_limited(&w, shown > limit);
}

/* Names (name == NULL) or values of one label, over the union of the selectors. */
static void answer_strings(struct serve *s, struct http_request *request,
                           struct http_response *response, const char *name)
{
    struct selectors selectors;
    struct str *all = NULL;
    size_t n = 0, capacity = 0;
    uint64_t limit;
    struct span span;
    if (!take_limit(request, response, &limit) || !take_span(request, response, &span) ||
        !take_selectors(request, response, &selectors))
        return;
    for (size_t i = 0; i < (selectors.n ? selectors.n : 1); i++) {
        const struct matcher *m = selectors.n ? selectors.v[i].matchers : NULL;
        size_t n_matchers = selectors.n ? selectors.v[i].n : 0, found_n = 0;
        struct str *found = NULL;
        struct err err = ERR_INIT;
        bool good = name ? store_label_values(s->options.store, request->arena, str_from(name), m,
                                              n_matchers, span.start_ms, span.end_ms, &found,
                                              &found_n, &err)
                         : store_label_names(s->options.store, request->arena, m, n_matchers,
                                             span.start_ms, span.end_ms, &found, &found_n, &err);
        if (!good) {
            fail_prometheus_err(response, &err);
            return;
        }
        for (size_t k = 0; k < found_n; k++) {
            all = arena_grow(request->arena, all, n, &capacity, sizeof *all);
            all[n++] = found[k];
        }
    }
    respond_strings(response, all, n, limit);
}

void handle_labels(void *context, struct http_request *request, struct http_response *response)
{
    answer_strings(context, request, response, NULL);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code point of "_2e_" at p; *n is how many bytes it takes. */
static bool take_escape(const char *p, uint32_t *code, size_t *n)
{
    *code = 0;
    for (*n = 1; *n < 8 && hex_digit(p[*n]) >= 0; ++*n)
        *code = *code << 4 | (uint32_t)hex_digit(p[*n]);
    bool good = *n > 1 && p[*n] == '_' && *code > 0 && *code <= 0x10ffff &&
                !(*code >= 0xd800 && *code < 0xe000);
    ++*n;
    return good;
}

static void add_utf8(struct buf *out, uint32_t code)
{
    if (code < 0x80) {
        buf_add_char(out, (char)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    buf_add_char(out, (char)(first[more] | code >> 6 * more));
    while (more-- > 0)
        buf_add_char(out, (char)(0x80 | (code >> 6 * more & 0x3f)));
}

/* Names that are no word come as U__http_2e_status, "__" for "_" (Prometheus's "values" escaping);
 * what is no such thing is the name as it is. */
static const char *unescape_name(struct arena *arena, const char *name)
{
    struct buf out = BUF_INIT;
    const char *plain = name;
    bool good = strncmp(name, "U__", 3) == 0;
    for (const char *p = name + 3; good && *p;) {
        uint32_t code;
        size_t n;
        if (*p != '_') {
            buf_add_char(&out, *p++);
        } else if (p[1] == '_') {
            buf_add_char(&out, '_');
            p += 2;
        } else if ((good = take_escape(p, &code, &n))) {
            add_utf8(&out, code);
            p += n;
        }
    }
    if (good && out.n > 0)
        plain = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return plain;
}

void handle_label_values(void *context, struct http_request *request,
                         struct http_response *response)
{
    const char *name = unescape_name(request->arena, http_capture(request, "name"));
    if (*name == '\0' || !str_is_utf8(str_from(name)))
        fail_prometheus(response, 400, "bad_data", "invalid label name");
    else
        answer_strings(context, request, response, name);
}

void handle_series(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct selectors selectors;
    struct json_writer w;
    uint64_t limit, shown = 0;
    struct span span;
    if (!take_limit(request, response, &limit) || !take_span(request, response, &span) ||
        !take_selectors(request, response, &selectors))
        return;
    if (selectors.n == 0) {
        fail_prometheus(response, 400, "bad_data", "no match[] parameter provided");
        return;
    }
    struct map *seen = map_new();
    open_success(&w, response);
    json_open_array(&w);
    for (size_t i = 0; i < selectors.n; i++) {
        struct labels *found;
        size_t n;
        struct err err = ERR_INIT;
        if (!store_series_list(s->options.store, request->arena, selectors.v[i].matchers,
                               selectors.v[i].n, span.start_ms, span.end_ms, &found, &n, &err)) {
            fail_prometheus_err(response, &err);
            goto out;
        }
        for (size_t k = 0; k < n; k++) {
            struct buf text = BUF_INIT;
            labels_print(found[k], &text);
            if (!map_set(seen, buf_str(&text), s) && shown++ < limit)
                put_label_object(&w, found[k]);
            buf_release(&text);
        }
    }
    end_limited(&w, shown > limit);
out:
    map_free(seen);
}

/* --- Exemplars --- */

static void put_exemplar(struct json_writer *w, const struct store_exemplar *e)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, e->v);
    json_open_object(w);
    json_key(w, "labels");
    put_label_object(w, e->labels);
    json_key(w, "value");
    json_put_str(w, buf_str(&text));
    json_key(w, "timestamp");
    json_put_double(w, (double)e->t_ms / 1000);
    json_close_object(w);
    buf_release(&text);
}

static void put_series_exemplars(struct json_writer *w, const struct store_series_exemplars *s)
{
    json_open_object(w);
    json_key(w, "seriesLabels");
    put_label_object(w, s->labels);
    json_key(w, "exemplars");
    json_open_array(w);
    for (size_t i = 0; i < s->n; i++)
        put_exemplar(w, &s->exemplars[i]);
    json_close_array(w);
    json_close_object(w);
}

/* Those of every series that the query names, each series once. */
static bool put_exemplars(struct serve *s, struct arena *arena, const struct promql_expr *expr,
                          int64_t start_ms, int64_t end_ms, struct json_writer *w, struct err *err)
{
    const struct promql_selector *selectors;
    size_t n;
    struct map *seen = map_new();
    bool good = true;
    promql_selectors(expr, arena, &selectors, &n);
    for (size_t i = 0; good && i < n; i++) {
        struct store_series_exemplars *found;
        size_t n_found = 0;
        good = store_select_exemplars(s->options.store, arena, selectors[i].matchers,
                                      selectors[i].n, start_ms, end_ms, &found, &n_found, err);
        for (size_t k = 0; good && k < n_found; k++) {
            struct buf text = BUF_INIT;
            labels_print(found[k].labels, &text);
            if (!map_set(seen, buf_str(&text), s))
                put_series_exemplars(w, &found[k]);
            buf_release(&text);
        }
    }
    map_free(seen);
    return good;
}

void handle_query_exemplars(void *context, struct http_request *request,
                            struct http_response *response)
{
    const struct serve *s = context;
    const char *text = http_param(request, "query");
    struct err err = ERR_INIT;
    struct json_writer w;
    struct span span;
    if (!take_span(request, response, &span))
        return;
    if (span.end_ms < span.start_ms) {
        fail_prometheus(response, 400, "bad_data", "end timestamp must not be before start");
        return;
    }
    struct promql_expr *expr = promql_parse_allowed(request->arena, str_from(text ? text : ""),
                                                    s->options.query.stable_only, &err);
    if (expr) {
        open_success(&w, response);
        json_open_array(&w);
    }
    if (!expr ||
        !put_exemplars(context, request->arena, expr, span.start_ms, span.end_ms, &w, &err)) {
        fail_prometheus_err(response, &err);
        return;
    }
    json_close_array(&w);
    close_success(&w);
}

/* --- About --- */

void handle_metadata(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct json_writer w;
    uint64_t limit = 0;
    const char *text = http_param(request, "limit");
    if (text && !num_parse_u64(str_from(text), &limit)) {
        fail_prometheus(response, 400, "bad_data", "limit must be a whole number");
        return;
    }
    open_success(&w, response);
    metadata_store_json(s->options.metadata, http_param(request, "metric"), (size_t)limit, &w);
    close_success(&w);
}

void handle_targets(void *context, struct http_request *request, struct http_response *response)
{
    struct control_request asked = {.op = CONTROL_TARGETS};
    struct control_answer answer = {NULL, false};
    struct err err = ERR_INIT;
    struct json_writer w;
    if (!ask_control(context, &asked, request->arena, &answer, &err)) {
        fail_prometheus_err(response, &err);
        return;
    }
    open_success(&w, response);
    json_put_value(&w, answer.json);
    close_success(&w);
}

/* --- Metadata by target --- */

struct target_question {
    struct serve *serve;
    struct arena *arena;
    const struct matcher *matchers; /* match_target */
    size_t n_matchers;
    const char *metric;
    uint64_t limit, shown;
    const json_t *metadata; /* {family: [{type, help, unit}]} */
};

static struct labels labels_of(struct arena *arena, const json_t *object)
{
    struct labels_builder b;
    const char *key;
    json_t *value;
    labels_builder_init(&b, arena);
    json_object_foreach((json_t *)object, key, value)
    {
        if (json_is_string(value))
            labels_builder_set(&b, str_from(key), str_from(json_string_value(value)));
    }
    return labels_build(&b);
}

/* The family of a series' name: itself, or without what histograms, summaries and counters add. */
static const char *family_of(const struct target_question *q, struct str name)
{
    static const char *const suffixes[] = {"", "_total", "_bucket", "_count", "_sum", "_created"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        struct str suffix = str_from(suffixes[i]);
        if (!str_ends(name, suffix))
            continue;
        const char *family = arena_cstr(q->arena, str_make(name.p, name.n - suffix.n));
        if (json_object_get(q->metadata, family))
            return family;
    }
    return NULL;
}

static void put_target_family(struct target_question *q, struct json_writer *w,
                              struct labels target, const char *family)
{
    const json_t *about = json_array_get(json_object_get(q->metadata, family), 0);
    json_open_object(w);
    json_key(w, "target");
    put_label_object(w, target);
    if (!q->metric) {
        json_key(w, "metric");
        json_put_cstr(w, family);
    }
    json_key(w, "type");
    json_put_cstr(w, json_get_cstr(about, "type", "unknown"));
    json_key(w, "help");
    json_put_cstr(w, json_get_cstr(about, "help", ""));
    json_key(w, "unit");
    json_put_cstr(w, json_get_cstr(about, "unit", ""));
    json_close_object(w);
}

/* The names of the series that carry the target's job and instance tell what it exposes. */
static bool put_target(struct target_question *q, struct json_writer *w, struct labels target,
                       struct err *err)
{
    struct matcher own[2];
    struct str *names;
    size_t n;
    struct map *seen = map_new();
    bool good =
        matcher_init(&own[0], q->arena, MATCH_EQUAL, STR("job"), labels_get(target, "job"), err) &&
        matcher_init(&own[1], q->arena, MATCH_EQUAL, STR("instance"),
                     labels_get(target, "instance"), err) &&
        store_label_values(q->serve->options.store, q->arena, STR(LABEL_NAME), own, 2, INT64_MIN,
                           INT64_MAX, &names, &n, err);
    for (size_t i = 0; good && i < n && q->shown < q->limit; i++) {
        const char *family = family_of(q, names[i]);
        if (!family || (q->metric && strcmp(family, q->metric) != 0) ||
            map_set(seen, str_from(family), q))
            continue;
        put_target_family(q, w, target, family);
        q->shown++;
    }
    map_free(seen);
    return good;
}

static bool read_target_question(struct serve *s, struct http_request *request,
                                 struct target_question *q, struct err *err)
{
    const char *match = http_param(request, "match_target");
    struct buf text = BUF_INIT;
    struct json_writer w;
    q->serve = s;
    q->arena = request->arena;
    q->metric = http_param(request, "metric");
    if (q->metric && !*q->metric)
        q->metric = NULL;
    if (match && *match && strcmp(match, "{}") != 0) {
        struct promql_expr *expr = promql_parse(q->arena, str_from(match), err);
        if (!expr || !promql_as_counter_selector(expr, &q->matchers, &q->n_matchers))
            return expr ? err_set(err, ERR_BAD_INPUT, "match_target is not a selector") : false;
    }
    json_writer_init(&w, &text);
    metadata_store_json(s->options.metadata, q->metric, 0, &w);
    json_writer_end(&w);
    q->metadata = json_parse(q->arena, arena_str(q->arena, buf_str(&text)), err);
    buf_release(&text);
    return q->metadata != NULL;
}

void handle_target_metadata(void *context, struct http_request *request,
                            struct http_response *response)
{
    struct target_question q = {.shown = 0};
    struct control_request asked = {.op = CONTROL_TARGETS};
    struct control_answer answer = {NULL, false};
    struct err err = ERR_INIT;
    struct json_writer w;
    if (!take_limit(request, response, &q.limit))
        return;
    if (!read_target_question(context, request, &q, &err) ||
        !ask_control(context, &asked, request->arena, &answer, &err)) {
        fail_prometheus_err(response, &err);
        return;
    }
    const json_t *targets = json_object_get(answer.json, "activeTargets");
    open_success(&w, response);
    json_open_array(&w);
    for (size_t i = 0; i < json_array_size(targets); i++) {
        struct labels target =
            labels_of(request->arena, json_object_get(json_array_get(targets, i), "labels"));
        if (!matchers_match(q.matchers, q.n_matchers, target))
            continue;
        if (!put_target(&q, &w, target, &err)) {
            fail_prometheus_err(response, &err);
            return;
        }
    }
    json_close_array(&w);
    close_success(&w);
}
