/* A judge stream from JSON: what is accepted can be fed and read, and is written as it was. */
#include "fuzz.h"

#include "judge/judge.h"

static void check_round_trip(struct arena *arena, const struct judge_stream *s)
{
    struct err err = ERR_INIT;
    struct buf first = BUF_INIT, second = BUF_INIT;
    json_canonical(judge_stream_to_json(arena, s), &first);
    json_t *json = json_parse(arena, buf_str(&first), &err);
    struct judge_stream *again = json ? judge_stream_from_json(json, &err) : NULL;
    CHECK(again);
    json_canonical(judge_stream_to_json(arena, again), &second);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    judge_stream_free(again);
    buf_release(&first);
    buf_release(&second);
}

static void use(struct arena *arena, struct judge_stream *s)
{
    double stable[JUDGE_MAX_EDGES] = {40}, canary[JUDGE_MAX_EDGES] = {10};
    struct judge_bucket bucket = {.start_ms = INT64_C(1) << 50,
                                  .length_ms = 5000,
                                  .stable_reported = true,
                                  .canary_reported = true,
                                  .stable = {40, 1},
                                  .canary = {10, 2},
                                  .stable_hist = stable,
                                  .canary_hist = canary,
                                  .weight = 0.2};
    struct evidence e = {0};
    judge_stream_check(s);
    judge_stream_read(s, arena, &e);
    CHECK(e.state <= EVIDENCE_FAIL && e.code && e.sentence && e.would_change);
    if (judge_stream_feed(s, &bucket, NULL))
        judge_stream_read(s, arena, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *json = json_parse(&arena, fuzz_str(bytes, n), &err);
    struct judge_stream *s = json ? judge_stream_from_json(json, &err) : NULL;
    if (s) {
        check_round_trip(&arena, s);
        use(&arena, s);
    } else {
        CHECK(err.message[0]);
    }
    judge_stream_free(s);
    arena_release(&arena);
    return 0;
}
