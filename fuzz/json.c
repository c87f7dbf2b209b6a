/* JSON: the canonical form of whatever parses is a fixed point, and the writer writes what parses.
 */
#include "fuzz.h"

#include "codec/json.h"

static void check_canonical(struct arena *arena, const json_t *value)
{
    struct buf first = BUF_INIT, second = BUF_INIT;
    json_canonical(value, &first);
    json_t *again = json_parse(arena, buf_str(&first), NULL);
    CHECK(again);
    json_canonical(again, &second);
    CHECK(str_eq(buf_str(&first), buf_str(&second)));
    buf_release(&first);
    buf_release(&second);
}

static void check_writer(struct arena *arena, struct str text)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_open_array(&w);
    json_put_str(&w, text);
    json_put_str(&w, text);
    json_close_array(&w);
    json_writer_end(&w);
    json_t *array = json_parse(arena, buf_str(&out), NULL);
    CHECK(array && json_array_size(array) == 2);
    if (str_is_utf8(text)) {
        const json_t *s = json_array_get(array, 1);
        CHECK(str_eq(text, str_make(json_string_value(s), json_string_length(s))));
    }
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct str text = fuzz_str(bytes, n);
    json_t *value = json_parse(&arena, text, &err);
    if (value)
        check_canonical(&arena, value);
    else
        CHECK(err.code != ERR_NONE && err.message[0]);
    check_writer(&arena, text);
    arena_release(&arena);
    return 0;
}
