/* Exposition text read strictly: the first byte chooses the format. Each place that is named must
 * be in the text, and text that is sound in the strict sense must be readable in the lenient one.
 */
#include "fuzz.h"

#include "ingest/ingest.h"

static bool take(void *self, const struct exposition_sample *s, struct err *err)
{
    (void)self;
    (void)err;
    CHECK(s->name.n > 0);
    return true;
}

static bool is_readable(enum exposition_format format, struct str text)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    bool good =
        exposition_parse(format, text, &arena, &(struct exposition_sink){.sample = take}, &err);
    /* What the lenient reader alone has: bounds. */
    good = good || err.code == ERR_LIMIT;
    arena_release(&arena);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct diag_list diags;
    if (n == 0 || n > 100000)
        return 0;
    struct str text = fuzz_str(bytes + 1, n - 1);
    enum exposition_format format =
        bytes[0] % 2 == 0 ? EXPOSITION_TEXT_004 : EXPOSITION_OPENMETRICS_1;
    int lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    diag_init(&diags, &arena);
    exposition_check(format, "", text, &diags);
    for (size_t i = 0; i < diags.n; i++)
        CHECK(diags.items[i].line >= 1 && diags.items[i].line <= lines &&
              diags.items[i].column >= 1);
    CHECK(diags.errors > 0 || is_readable(format, text));
    arena_release(&arena);
    return 0;
}
