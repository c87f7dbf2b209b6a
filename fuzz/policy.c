/* Policy and OpenSLO files: what is accepted survives the ledger's round trip, byte for byte. */
#include "fuzz.h"
#include "memory_file.h"

#include "config/config.h"

static void check_rollout(struct arena *arena, const struct rollout_policy *policy)
{
    struct err err = ERR_INIT;
    struct buf first = BUF_INIT, second = BUF_INIT;
    json_canonical(rollout_policy_to_json(arena, policy), &first);
    json_t *json = json_parse(arena, buf_str(&first), &err);
    struct rollout_policy *again = json ? rollout_policy_from_json(arena, json, &err) : NULL;
    CHECK(again);
    json_canonical(rollout_policy_to_json(arena, again), &second);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    buf_release(&first);
    buf_release(&second);
}

static void check_gate(struct arena *arena, const struct gate_policy *policy)
{
    struct err err = ERR_INIT;
    struct buf first = BUF_INIT, second = BUF_INIT;
    json_canonical(gate_policy_to_json(arena, policy), &first);
    json_t *json = json_parse(arena, buf_str(&first), &err);
    struct gate_policy *again = json ? gate_policy_from_json(arena, json, &err) : NULL;
    CHECK(again);
    json_canonical(gate_policy_to_json(arena, again), &second);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct diag_list diags;
    const char *path = memory_file(bytes, n);
    if (fuzz_leaks_in_libfyaml(fuzz_str(bytes, n)))
        return 0;
    diag_init(&diags, &arena);
    struct config *c = config_load_policies(&path, 1, &diags);
    CHECK(!c == (diags.errors > 0));
    for (size_t i = 0; c && i < c->n_rollouts; i++)
        check_rollout(&arena, &c->rollouts[i]);
    for (size_t i = 0; c && i < c->n_gates; i++)
        check_gate(&arena, &c->gates[i]);
    config_free(c);
    arena_release(&arena);
    return 0;
}
