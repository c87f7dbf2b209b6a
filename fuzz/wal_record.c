/* The write-ahead log's bytes: as a segment, and, past the checksum, as the payloads in it. What is
 * read as a definition or as samples is the same when it is written and read again. */
#include "fuzz.h"

#include "store/record.h"

static void check_series(struct arena *arena, struct labels labels)
{
    bool bad;
    struct labels again;
    struct buf out = BUF_INIT;
    record_add_series(&out, labels);
    struct str rest = buf_str(&out);
    CHECK(record_take_series(&rest, arena, &again, &bad) && rest.n == 0 &&
          labels_eq(labels, again));
    buf_release(&out);
}

static void read_series(struct str payload)
{
    bool bad = false;
    struct arena arena = ARENA_INIT;
    struct labels labels;
    while (record_take_series(&payload, &arena, &labels, &bad))
        check_series(&arena, labels);
    CHECK(bad || payload.n == 0);
    arena_release(&arena);
}

static void read_samples(struct str payload)
{
    bool bad = false;
    struct record_cursor in = {0}, out = {0}, check = {0};
    struct record_sample s, again;
    struct buf written = BUF_INIT;
    struct arena arena = ARENA_INIT;
    while (record_take_sample(&payload, &in, &arena, &s, &bad)) {
        buf_clear(&written);
        record_add_sample(&written, &out, &s);
        struct str rest = buf_str(&written);
        CHECK(record_take_sample(&rest, &check, &arena, &again, &bad) && rest.n == 0);
        CHECK(again.id == s.id && again.t_ms == s.t_ms && again.origin_zero == s.origin_zero &&
              again.may_be_late == s.may_be_late);
        CHECK(s.h ? histogram_identical(again.h, s.h) : memcmp(&again.v, &s.v, sizeof s.v) == 0);
        arena_clear(&arena);
    }
    CHECK(bad || payload.n == 0);
    arena_release(&arena);
    buf_release(&written);
}

static void read_exemplars(struct str payload)
{
    bool bad = false;
    struct arena arena = ARENA_INIT;
    struct buf written = BUF_INIT;
    struct record_exemplar e, again;
    while (record_take_exemplar(&payload, &arena, &e, &bad)) {
        buf_clear(&written);
        record_add_exemplar(&written, &e);
        struct str rest = buf_str(&written);
        CHECK(record_take_exemplar(&rest, &arena, &again, &bad) && rest.n == 0);
        CHECK(again.id == e.id && again.t_ms == e.t_ms && labels_eq(again.labels, e.labels) &&
              memcmp(&again.v, &e.v, sizeof e.v) == 0);
        arena_clear(&arena);
    }
    CHECK(bad || payload.n == 0);
    arena_release(&arena);
    buf_release(&written);
}

static void read_segment(struct str segment)
{
    struct record r;
    if (!segment_header_is_good(segment))
        return;
    struct str rest = str_make(segment.p + SEGMENT_HEADER_BYTES, segment.n - SEGMENT_HEADER_BYTES);
    for (size_t before = rest.n + 1; record_next(&rest, &r) == RECORD_GOOD; before = rest.n) {
        CHECK(rest.n < before);
        if (r.type == RECORD_SERIES)
            read_series(r.payload);
        else if (r.type == RECORD_SAMPLES)
            read_samples(r.payload);
        else
            read_exemplars(r.payload);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str text = fuzz_str(bytes, n);
    read_segment(text);
    read_series(text);
    read_samples(text);
    read_exemplars(text);
    return 0;
}
