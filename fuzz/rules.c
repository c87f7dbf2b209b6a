/* Rule files, templates and tests of rules: one input is each of them at once. Whatever parses must
 * also run. */
#include "fuzz.h"

#include "rules/rules.h"
#include "rules/template.h"

static bool no_series(void *self, struct arena *arena, const struct matcher *matchers,
                      size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                      struct promql_series **out, size_t *n, struct err *err)
{
    (void)self, (void)arena, (void)matchers, (void)n_matchers, (void)mint_ms, (void)maxt_ms;
    (void)err;
    *out = NULL;
    *n = 0;
    return true;
}

static bool write_nothing(void *self, const struct rule_sample *samples, size_t n, struct err *err)
{
    (void)self, (void)samples, (void)n, (void)err;
    return true;
}

static bool load_nothing(void *self, struct arena *arena, const char *glob,
                         const struct rule_defaults *defaults, struct rule_group **groups,
                         size_t *n, size_t *capacity, struct diag_list *diags)
{
    (void)self, (void)arena, (void)glob, (void)defaults, (void)groups, (void)n, (void)capacity;
    (void)diags;
    return true;
}

static void run_template(struct arena *arena, struct str text)
{
    struct label label[] = {{STR("a"), STR("1")}};
    struct template_data data = {.labels = {1, label}, .external_url = "http://x/y", .v = 0.5};
    struct err err = ERR_INIT;
    const struct template *t = template_parse(arena, text, &err);
    CHECK(t || err.code != ERR_NONE);
    if (t && !template_expand(t, &data, arena, &err))
        CHECK(err.code != ERR_NONE);
}

static void run_rules(struct arena *arena, struct yaml_node *document, struct diag_list *diags)
{
    struct rule_group *groups = NULL;
    size_t n = 0, capacity = 0;
    struct rule_defaults defaults = {.interval_ms = 60000};
    struct rule_world world = {.source = {.select = no_series}, .write = write_nothing};
    struct arena scratch = ARENA_INIT;
    rules_read(arena, "rules.yml", document, &defaults, &groups, &n, &capacity, diags);
    if (diags->errors == 0) {
        struct rules *rules = rules_new();
        rules_apply(rules, groups, n, &world, false, 1000);
        for (size_t i = 0; i < n; i++)
            rules_evaluate_at(rules, i, &world, 1700000000000, &scratch);
        rules_free(rules);
    }
    arena_release(&scratch);
}

/* Long tests are no finding. */
static bool is_short(struct str text)
{
    return text.n < 4096 && !memmem(text.p, text.n, "eval_time", 9) &&
           !memmem(text.p, text.n, "x1", 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct diag_list diags;
    struct yaml_node **documents;
    struct rule_test_report report = {0};
    struct str text = fuzz_str(bytes, n);
    size_t count;
    run_template(&arena, text);
    diag_init(&diags, &arena);
    if (!fuzz_leaks_in_libfyaml(text) &&
        yaml_parse(&arena, "rules.yml", arena_str(&arena, text), &documents, &count, &diags) &&
        count > 0) {
        run_rules(&arena, documents[0], &diags);
        diag_init(&diags, &arena);
        if (is_short(text) && !rules_unit_test(&arena, "tests.yml", documents[0], load_nothing,
                                               NULL, NULL, &report, &diags))
            CHECK(diags.errors > 0);
    }
    arena_release(&arena);
    return 0;
}
