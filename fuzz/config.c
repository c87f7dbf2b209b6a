/* cqed.yaml: a configuration or problems, never both and never neither. */
#include "fuzz.h"
#include "memory_file.h"

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct diag_list diags;
    struct buf out = BUF_INIT;
    if (fuzz_leaks_in_libfyaml(fuzz_str(bytes, n)))
        return 0;
    diag_init(&diags, &arena);
    struct config *c = config_load(memory_file(bytes, n), &diags);
    CHECK(!c == (diags.errors > 0));
    diag_print(&diags, &out);
    if (c)
        CHECK(c->flush_ms > 0 && c->listen && c->data_path);
    config_free(c);
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
