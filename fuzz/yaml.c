/* YAML: a tree whose places are inside the file, or problems with a place; never both. */
#include "fuzz.h"

#include "codec/yaml.h"

static void check_node(const struct yaml_node *node, int depth)
{
    CHECK(node->line >= 1 && node->column >= 1 && depth < 70);
    for (size_t i = 0; node->kind == YAML_LIST && i < node->n; i++)
        check_node(node->items[i], depth + 1);
    for (size_t i = 0; node->kind == YAML_MAP && i < node->n; i++)
        check_node(node->pairs[i].value, depth + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct diag_list diags;
    struct yaml_node **documents;
    size_t n_documents;
    if (fuzz_leaks_in_libfyaml(fuzz_str(bytes, n)))
        return 0;
    diag_init(&diags, &arena);
    bool done =
        yaml_parse(&arena, "fuzz.yaml", fuzz_str(bytes, n), &documents, &n_documents, &diags);
    CHECK(done == (diags.errors == 0));
    for (size_t i = 0; done && i < n_documents; i++) {
        struct buf out = BUF_INIT;
        check_node(documents[i], 0);
        json_canonical(yaml_to_json(&arena, documents[i]), &out);
        buf_release(&out);
    }
    arena_release(&arena);
    return 0;
}
