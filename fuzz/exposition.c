/* Exposition text, read in two ways that must agree: whole, by exposition_parse, and by the
 * scraper, whose line cache leaves out what it has seen. The first byte chooses the format, a zero
 * byte parts two bodies, and one target gets them in turn. A store that only writes down what it is
 * given stands in for the real one. */
#include "fuzz.h"

#include "noting_store.h"

/* --- What the text says when it is read whole --- */

struct reading {
    struct notes notes;
    int64_t t_ms;
};

static bool take_sample(void *self, const struct exposition_sample *s, struct err *err)
{
    struct reading *r = self;
    struct arena arena = ARENA_INIT;
    struct labels_builder b;
    (void)err;
    CHECK(s->name.n > 0);
    labels_builder_from(&b, &arena, s->labels);
    labels_builder_set(&b, STR(LABEL_NAME), s->name);
    note(&r->notes, ref_of(labels_build(&b)), s->t_ms == EXPOSITION_NO_TIME ? r->t_ms : s->t_ms,
         s->v);
    arena_release(&arena);
    return true;
}

static bool read_whole(enum exposition_format format, struct str body, struct reading *r)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct exposition_sink sink = {.self = r, .sample = take_sample};
    bool good = exposition_parse(format, body, &arena, &sink, &err);
    CHECK(good == (err.code == ERR_NONE));
    CHECK(good || strncmp(err.message, "line ", 5) == 0);
    arena_release(&arena);
    return good;
}

/* --- Both --- */

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static bool has(const struct notes *notes, size_t n, uint64_t ref)
{
    for (size_t i = 0; i < n; i++) {
        if (notes->v[i].ref == ref)
            return true;
    }
    return false;
}

/* Behind the samples stand markers, which must be of series of the last good body (`before`), and
 * the reports. What is gone must have its marker. */
static void check_markers(const struct notes *before, size_t n_samples, int64_t t_ms)
{
    size_t n_markers = added.n - n_samples - N_REPORTS;
    struct notes markers = {added.v + n_samples, n_markers, 0};
    for (size_t i = 0; i < n_markers; i++) {
        CHECK(is_stale_nan(markers.v[i].v) && markers.v[i].t_ms == t_ms);
        CHECK(has(before, before->n, markers.v[i].ref));
    }
    for (size_t i = 0; i < before->n; i++)
        CHECK(has(&added, n_samples, before->v[i].ref) ||
              has(&markers, n_markers, before->v[i].ref));
}

/* Only samples without a time of their own are followed. */
static void keep_untimed(struct notes *before, const struct notes *now, int64_t t_ms)
{
    before->n = 0;
    for (size_t i = 0; i < now->n && before->n < 1000; i++) {
        if (now->v[i].t_ms == t_ms && !has(before, before->n, now->v[i].ref))
            note(before, now->v[i].ref, 0, 0);
    }
}

static void scrape(struct target *t, enum exposition_format format, struct str body, int64_t t_ms,
                   struct notes *before)
{
    const char *type =
        format == EXPOSITION_OPENMETRICS_1 ? "application/openmetrics-text" : "text/plain";
    struct http_answer http = {.status = 200, .content_type = str_from(type), .body = body};
    struct metadata_store *metadata = metadata_store_new();
    struct reading whole = {.t_ms = t_ms};
    bool good = read_whole(format, body, &whole);
    target_take(t, NULL, metadata, &(struct scrape_answer){&http, NULL, t_ms});
    CHECK(t->up == good);
    size_t n = good ? whole.notes.n : 0;
    CHECK(added.n >= n + N_REPORTS);
    for (size_t i = 0; i < n; i++) {
        const struct note *a = &whole.notes.v[i], *b = &added.v[i];
        CHECK(a->ref == b->ref && a->t_ms == b->t_ms && same_bits(a->v, b->v));
    }
    if (n < 1000) {
        check_markers(before, n, t_ms);
        keep_untimed(before, &(struct notes){whole.notes.v, n, 0}, t_ms);
    }
    free(whole.notes.v);
    metadata_store_free(metadata);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct scrape_config config = {
        .job_name = "", .metrics_path = "/", .scheme = "http", .honor_timestamps = true};
    struct sha256 settings = {{0}};
    struct target_definition d = {.config = &config, .settings = &settings, .url = "http://h/"};
    struct target t = {0};
    struct notes before = {0};
    if (n == 0 || n > 100000)
        return 0;
    enum exposition_format format =
        bytes[0] % 2 == 0 ? EXPOSITION_TEXT_004 : EXPOSITION_OPENMETRICS_1;
    struct str second = fuzz_str(bytes + 1, n - 1), first = second;
    const char *part = memchr(second.p, 0, second.n);
    if (part) {
        first.n = (size_t)(part - first.p);
        second = str_make(part + 1, second.n - first.n - 1);
    }
    refs = map_new();
    target_init(&t, NULL, &d);
    const struct str bodies[] = {first, second, first, first, second};
    for (int64_t i = 0; i < 5; i++)
        scrape(&t, format, bodies[i], INT64_MIN + 1 + i, &before);
    target_release(&t);
    map_free(refs);
    free(added.v);
    added = (struct notes){0};
    free(before.v);
    return 0;
}
