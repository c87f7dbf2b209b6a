/* judge.json: what is accepted is written as it was read, and its streams can be made. */
#include "fuzz.h"

#include "judge/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct judge_kept kept, again;
    struct buf first = BUF_INIT, second = BUF_INIT;
    const json_t *json = json_parse(&arena, fuzz_str(bytes, n), &err);
    if (json && judge_kept_from_json(&arena, json, &kept, &err)) {
        json_t *written = judge_kept_to_json(&arena, &kept);
        json_canonical(written, &first);
        CHECK(judge_kept_from_json(&arena, written, &again, &err));
        json_canonical(judge_kept_to_json(&arena, &again), &second);
        CHECK(str_eq(buf_str(&first), buf_str(&second)));
        for (size_t i = 0; i < kept.n_guards; i++) {
            struct judge_stream *s = judge_stream_from_json(kept.guards[i].stream, &err);
            CHECK(s);
            judge_stream_free(s);
        }
        for (size_t i = 0; i < kept.n_aa; i++) {
            struct judge_aa *aa = judge_aa_new();
            struct judge_aa_result r;
            judge_aa_restore(aa, kept.aa[i].trials, kept.aa[i].alarms, kept.aa[i].dispersion);
            judge_aa_read(aa, &r);
            CHECK(r.trials == kept.aa[i].trials);
            judge_aa_free(aa);
        }
    } else {
        CHECK(err.message[0]);
    }
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
    return 0;
}
