/* target_testing.h -- one target over a store of its own, for tests of what a body becomes.
 * Included by tests only, after cmocka.h. */
#ifndef CQED_INGEST_TARGET_TESTING_H
#define CQED_INGEST_TARGET_TESTING_H

#include "ingest/target.h"
#include "ingest/testing.h"

struct fixture {
    struct test_store s;
    struct scrape_config config;
    struct sha256 settings;
    struct target target;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    test_store_open(&f->s, 0);
    f->config = (struct scrape_config){.job_name = "j",
                                       .interval_ms = 1000,
                                       .timeout_ms = 1000,
                                       .metrics_path = "/metrics",
                                       .scheme = "http",
                                       .honor_timestamps = true};
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    target_release(&f->target);
    test_store_close(&f->s);
    free(f);
    return 0;
}

static inline struct labels one_label(struct arena *arena, const char *name, const char *value)
{
    struct label *l = ARENA_NEW(arena, struct label);
    *l = (struct label){str_from(name), str_from(value)};
    return (struct labels){1, l};
}

static inline void start(struct fixture *f)
{
    struct target_definition d;
    struct err err = ERR_INIT;
    struct labels discovered = one_label(&f->s.arena, "__address__", "h:1");
    f->settings = target_settings(&f->config);
    if (target_define(&d, &f->s.arena, &f->config, discovered, &err) != TARGET_KEPT)
        fail_msg("%s", err.message);
    d.settings = &f->settings;
    if (f->target.url)
        target_change(&f->target, &d);
    else
        target_init(&f->target, NULL, &d);
}

static inline void take_bytes(struct fixture *f, int64_t t_ms, const char *content_type,
                              struct str body)
{
    /* Exactly as long as the body, for AddressSanitizer. */
    char *exact = malloc(body.n + 1);
    assert_non_null(exact);
    memcpy(exact, body.p, body.n);
    struct http_answer http = {
        .status = 200, .content_type = str_from(content_type), .body = str_make(exact, body.n)};
    struct scrape_answer answer = {&http, NULL, t_ms};
    target_take(&f->target, f->s.store, f->s.metadata, &answer);
    free(exact);
}

static inline void take(struct fixture *f, int64_t t_ms, const char *content_type, const char *body)
{
    take_bytes(f, t_ms, content_type, str_from(body));
}

static inline void scrape(struct fixture *f, int64_t t_ms, const char *body)
{
    if (!f->target.url)
        start(f);
    take(f, t_ms, "text/plain; version=0.0.4", body);
}

#define assert_holds(f, names, expected) assert_string_equal(test_dump(&(f)->s, names), expected)

#define OWN "instance=\"h:1\", job=\"j\""
#define MINE "a|b|c"

#endif
