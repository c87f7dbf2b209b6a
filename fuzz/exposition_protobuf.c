/* Prometheus's protobuf exposition: one target gets two bodies in turn, which a length in front
 * parts. What is taken must be the same each time, and what is gone must have its marker. The first
 * byte says which histograms are wanted. */
#include "fuzz.h"

#include "noting_store.h"

static void scrape(struct target *t, struct str body, int64_t t_ms)
{
    struct http_answer http = {
        .status = 200, .content_type = STR("application/vnd.google.protobuf"), .body = body};
    struct metadata_store *metadata = metadata_store_new();
    target_take(t, NULL, metadata, &(struct scrape_answer){&http, NULL, t_ms});
    CHECK(t->up == (t->last_error[0] == '\0'));
    CHECK(added.n >= N_REPORTS);
    metadata_store_free(metadata);
}

/* The samples of the last body, without reports. */
static struct notes keep(void)
{
    struct notes n = {0};
    for (size_t i = 0; i + N_REPORTS < added.n; i++)
        note(&n, added.v[i].ref, added.v[i].t_ms, added.v[i].v);
    return n;
}

static bool has(const struct notes *n, uint64_t ref)
{
    for (size_t i = 0; i < n->n; i++) {
        if (n->v[i].ref == ref)
            return true;
    }
    return false;
}

/* Every series of `before` is there again, with a sample or a marker. */
static void check_all_there(const struct notes *before)
{
    struct notes now = {added.v, added.n - N_REPORTS, 0};
    for (size_t i = 0; i < before->n && before->n < 300; i++)
        CHECK(has(&now, before->v[i].ref));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct scrape_config config = {.job_name = "", .metrics_path = "/", .scheme = "http"};
    struct sha256 settings = {{0}};
    struct target_definition d = {.config = &config, .settings = &settings, .url = "http://h/"};
    struct target t = {0};
    if (n < 3 || n > 100000)
        return 0;
    config.native_histograms = bytes[0] & 1;
    config.classic_histograms = bytes[0] & 2;
    config.track_timestamps = true;
    size_t first = (size_t)(bytes[1] | bytes[2] << 8);
    struct str rest = fuzz_str(bytes + 3, n - 3);
    first = first < rest.n ? first : rest.n;
    const struct str bodies[] = {str_make(rest.p, first), str_make(rest.p + first, rest.n - first)};
    refs = map_new();
    target_init(&t, NULL, &d);
    struct notes before = {0};
    for (int64_t i = 0; i < 4; i++) {
        scrape(&t, bodies[i % 2], 1000 + i);
        if (t.up)
            check_all_there(&before);
        free(before.v);
        before = t.up ? keep() : (struct notes){0};
        /* A marker is no series that goes on. */
        size_t kept = 0;
        for (size_t k = 0; k < before.n; k++) {
            if (!is_stale_nan(before.v[k].v))
                before.v[kept++] = before.v[k];
        }
        before.n = kept;
    }
    free(before.v);
    target_release(&t);
    map_free(refs);
    free(added.v);
    added = (struct notes){0};
    return 0;
}
