/* Numbers as text: what is read is what strtod reads, and what is written reads back the same. */
#include "fuzz.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void check_against_strtod(struct str text, double v)
{
    char copy[128], *end;
    CHECK(text.n < sizeof copy);
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    double expected = strtod(copy, &end);
    CHECK(end == copy + text.n && same(v, expected));
}

static void check_round_trip(double v)
{
    double again;
    struct buf out = BUF_INIT;
    num_add_double(&out, v);
    CHECK(num_parse_double(buf_str(&out), &again) && same(v, again));
    buf_release(&out);
}

static void check_units(struct str text)
{
    int64_t ms, again;
    double ratio;
    uint64_t size;
    if (num_parse_duration_ms(text, &ms)) {
        struct buf out = BUF_INIT;
        num_add_duration(&out, ms);
        CHECK(num_parse_duration_ms(buf_str(&out), &again) && again == ms);
        buf_release(&out);
    }
    if (num_parse_ratio(text, &ratio))
        CHECK(isfinite(ratio));
    if (num_parse_size(text, &size))
        CHECK(size < UINT64_C(1) << 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str text = fuzz_str(bytes, n);
    double v;
    int64_t whole;
    if (num_parse_double(text, &v)) {
        check_against_strtod(text, v);
        check_round_trip(v);
    }
    if (n < 128 && num_parse_i64(text, &whole))
        CHECK(num_parse_double(text, &v) && v == (double)whole);
    check_units(text);
    if (n == sizeof v) {
        memcpy(&v, bytes, sizeof v);
        check_round_trip(v);
    }
    return 0;
}
