/* Gorilla chunks: every sample comes back with every bit, however times and values jump. */
#include "fuzz.h"

#include "store/chunk.h"

/* One sample of the input: how far the time moves (1, 2, 4 or 8 bytes) and the value's 8 bytes, or
 * the value before it again. */
static bool take_sample(struct str *rest, struct sample *s)
{
    static const size_t widths[] = {1, 2, 4, 8};
    if (rest->n < 1)
        return false;
    uint8_t head = (uint8_t)rest->p[0];
    size_t width = widths[head & 3], value = head & 4 ? sizeof s->v : 0;
    if (rest->n < 1 + width + value)
        return false;
    uint64_t step = 0;
    memcpy(&step, rest->p + 1, width);
    if (value)
        memcpy(&s->v, rest->p + 1 + width, sizeof s->v);
    *rest = str_make(rest->p + 1 + width + value, rest->n - 1 - width - value);
    int64_t t_ms = (int64_t)((uint64_t)s->t_ms + step);
    if (t_ms <= s->t_ms)
        return false;
    s->t_ms = t_ms;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct sample expected[CHUNK_MAX_SAMPLES], got[CHUNK_MAX_SAMPLES];
    struct str rest = fuzz_str(bytes, n);
    struct sample s = {.t_ms = INT64_MIN, .v = 0};
    struct chunk c;
    struct chunk_tail tail = {0};
    size_t count = 0;
    chunk_init(&c);
    while (!chunk_is_full(&c) && take_sample(&rest, &s)) {
        chunk_append(&c, &tail, s.t_ms, s.v);
        expected[count++] = s;
    }
    chunk_seal(&c);
    CHECK(c.n == count && chunk_read(&c, got) == count);
    for (size_t i = 0; i < count; i++)
        CHECK(got[i].t_ms == expected[i].t_ms &&
              memcmp(&got[i].v, &expected[i].v, sizeof got[i].v) == 0);
    chunk_release(&c);
    return 0;
}
