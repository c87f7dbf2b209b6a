/* Regular expressions and relabeling: three lines are the pattern, the template and the text. */
#include "fuzz.h"

#include "model/scrape.h"

#define MAX_TEXT_BYTES                                                                             \
    2048 /* time is linear in text times pattern; the fuzzer need not prove it                     \
          */

static void relabel(struct arena *arena, struct regex *regex, struct str template_text,
                    struct str text, enum relabel_action action)
{
    struct labels_builder b;
    struct str source = STR("instance");
    struct relabel rule = {action, &source, 1, STR(";"), regex, 7, template_text, template_text};
    labels_builder_init(&b, arena);
    labels_builder_set(&b, STR("instance"), text);
    labels_builder_set(&b, STR("job"), STR("shop"));
    if (!relabel_apply(&rule, 1, &b))
        return;
    struct labels labels = labels_build(&b);
    for (size_t i = 0; i < labels.n; i++) {
        CHECK(labels.v[i].value.n > 0);
        CHECK(i == 0 || str_cmp(labels.v[i - 1].name, labels.v[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str text = fuzz_str(bytes, n), pattern, template_text;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    if (n > MAX_TEXT_BYTES || !str_cut(&text, '\n', &pattern) ||
        !str_cut(&text, '\n', &template_text) || !text.p)
        return 0;
    struct regex *regex = regex_new(pattern, &err);
    if (!regex) {
        CHECK(err.message[0]);
        return 0;
    }
    for (int action = RELABEL_REPLACE; action <= RELABEL_UPPERCASE; action++)
        relabel(&arena, regex, template_text, text, (enum relabel_action)action);
    regex_free(regex);
    arena_release(&arena);
    return 0;
}
