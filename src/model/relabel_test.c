#include "model/scrape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One rule on {__address__="127.0.0.1:8080", __meta_a="1", __meta_b="2", job="Shop"}. */
struct rule {
    enum relabel_action action;
    const char *source; /* two with a ; between */
    const char *regex;
    const char *target;
    const char *replacement;
    uint64_t modulus;
};

static void expect(struct rule rule, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct buf out = BUF_INIT;
    struct str sources[2] = {{NULL, 0}, {NULL, 0}}, rest = str_from(rule.source);
    size_t n = 0;
    while (rest.n > 0 && n < 2 && str_cut(&rest, ';', &sources[n]))
        n++;
    struct regex *regex = regex_new(str_from(rule.regex ? rule.regex : "(.*)"), NULL);
    assert_non_null(regex);
    struct relabel r = {rule.action,
                        sources,
                        n,
                        STR(";"),
                        regex,
                        rule.modulus,
                        str_from(rule.target ? rule.target : ""),
                        str_from(rule.replacement ? rule.replacement : "$1")};
    struct labels_builder b;
    labels_builder_init(&b, &arena);
    labels_builder_set(&b, STR("__address__"), STR("127.0.0.1:8080"));
    labels_builder_set(&b, STR("__meta_a"), STR("1"));
    labels_builder_set(&b, STR("__meta_b"), STR("2"));
    labels_builder_set(&b, STR("job"), STR("Shop"));
    if (relabel_apply(&r, 1, &b))
        labels_print(labels_build(&b), &out);
    else
        buf_add_cstr(&out, "dropped");
    assert_string_equal(out.p, expected);
    buf_release(&out);
    regex_free(regex);
    arena_release(&arena);
}

#define REST "__address__=\"127.0.0.1:8080\", __meta_a=\"1\", __meta_b=\"2\""

static void replace(void **state)
{
    (void)state;
    expect((struct rule){RELABEL_REPLACE, "__address__", "(.*):(\\d+)", "port", "p$2", 0},
           "{" REST ", job=\"Shop\", port=\"p8080\"}");
    expect((struct rule){RELABEL_REPLACE, "job;__meta_a", "(.*);(.*)", "job", "${1}-$2", 0},
           "{" REST ", job=\"Shop-1\"}");
    expect((struct rule){RELABEL_REPLACE, "job", "none", "job", "x", 0},
           "{" REST ", job=\"Shop\"}");
    expect((struct rule){RELABEL_REPLACE, "job", NULL, "job", "", 0}, "{" REST "}");
    expect((struct rule){RELABEL_REPLACE, "", NULL, "env", "test", 0},
           "{" REST ", env=\"test\", job=\"Shop\"}");
    /* The target may be a template; one that is no label name changes nothing. */
    expect((struct rule){RELABEL_REPLACE, "job", "(.*)", "is_$1", "yes", 0},
           "{" REST ", is_Shop=\"yes\", job=\"Shop\"}");
    expect((struct rule){RELABEL_REPLACE, "__address__", "(.*)", "$1", "yes", 0},
           "{" REST ", job=\"Shop\"}");
}

static void keep_and_drop(void **state)
{
    (void)state;
    expect((struct rule){RELABEL_KEEP, "job", "Sh.p", NULL, NULL, 0}, "{" REST ", job=\"Shop\"}");
    expect((struct rule){RELABEL_KEEP, "job", "sh.p", NULL, NULL, 0}, "dropped");
    expect((struct rule){RELABEL_KEEP, "absent", "", NULL, NULL, 0}, "{" REST ", job=\"Shop\"}");
    expect((struct rule){RELABEL_DROP, "job", "Sh.p", NULL, NULL, 0}, "dropped");
    expect((struct rule){RELABEL_DROP, "job", "Sh", NULL, NULL, 0}, "{" REST ", job=\"Shop\"}");
    expect((struct rule){RELABEL_KEEPEQUAL, "__meta_a", NULL, "__meta_b", NULL, 0}, "dropped");
    expect((struct rule){RELABEL_DROPEQUAL, "__meta_a", NULL, "__meta_b", NULL, 0},
           "{" REST ", job=\"Shop\"}");
    expect((struct rule){RELABEL_KEEPEQUAL, "job", NULL, "job", NULL, 0},
           "{" REST ", job=\"Shop\"}");
}

static void whole_labels(void **state)
{
    (void)state;
    expect((struct rule){RELABEL_LABELMAP, "", "__meta_(.+)", NULL, "m_$1", 0},
           "{" REST ", job=\"Shop\", m_a=\"1\", m_b=\"2\"}");
    expect((struct rule){RELABEL_LABELDROP, "", "__.*", NULL, NULL, 0}, "{job=\"Shop\"}");
    expect((struct rule){RELABEL_LABELKEEP, "", "__meta_.*", NULL, NULL, 0},
           "{__meta_a=\"1\", __meta_b=\"2\"}");
}

/* md5("Shop") is 9f82518d468b9fee 614fcc92f76bb163; Prometheus takes the last eight bytes, big end
 * first. */
static void values(void **state)
{
    (void)state;
    expect((struct rule){RELABEL_HASHMOD, "job", NULL, "shard", NULL, 1000},
           "{" REST ", job=\"Shop\", shard=\"251\"}");
    expect((struct rule){RELABEL_LOWERCASE, "job", NULL, "job", NULL, 0},
           "{" REST ", job=\"shop\"}");
    expect((struct rule){RELABEL_UPPERCASE, "job", NULL, "big", NULL, 0},
           "{" REST ", big=\"SHOP\", job=\"Shop\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replace),
        cmocka_unit_test(keep_and_drop),
        cmocka_unit_test(whole_labels),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
