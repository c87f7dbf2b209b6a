/* Requests and canary configurations of Kayenta: what is accepted is judged the same twice. */
#include "fuzz.h"

#include "judge/kayenta.h"

static void ask(struct arena *arena, const json_t *config)
{
    const json_t *metrics = json_object_get(config, "metrics");
    const struct kayenta_scope scope = {"v1", "here", NULL};
    struct err err = ERR_INIT;
    struct str query;
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        if (!kayenta_query(arena, config, json_array_get(metrics, i), &scope, &query, &err))
            CHECK(err.message[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    const json_t *json = json_parse(&arena, fuzz_str(bytes, n), &err);
    if (json && kayenta_check_config(&arena, json, &err))
        ask(&arena, json);
    const json_t *answer = json ? kayenta_judge(&arena, json, &err) : NULL;
    if (answer)
        CHECK(json_equal(answer, kayenta_judge(&arena, json, &err)));
    else
        CHECK(err.message[0]);
    arena_release(&arena);
    return 0;
}
