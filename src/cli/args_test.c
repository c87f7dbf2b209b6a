#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct option_spec common[] = {
    {"json", 0, NULL, ""}, {"version", 'V', NULL, ""}, {NULL, 0, NULL, NULL}};
static const struct option_spec own[] = {
    {"wait", 'w', "DURATION", ""}, {"version", 0, "VERSION", ""}, {NULL, 0, NULL, NULL}};

struct fixture {
    struct arena arena;
    struct args args;
    struct err err;
    int taken;
};

/* Words separated by single spaces; "_" is an empty word. */
static bool take(struct fixture *f, const char *line, bool stop_at_word)
{
    char *argv[16];
    int argc = 0;
    struct str rest = str_from(line), word;
    *f = (struct fixture){0};
    args_accept(&f->args, common);
    args_accept(&f->args, own);
    while (rest.n > 0 && str_cut(&rest, ' ', &word))
        argv[argc++] = str_is(word, "_") ? (char *)"" : arena_cstr(&f->arena, word);
    return args_take(&f->args, &f->arena, argc, argv, stop_at_word, &f->taken, &f->err);
}

static void options_stand_anywhere_and_take_both_forms(void **state)
{
    struct fixture f;
    (void)state;
    assert_true(take(&f, "gate --wait 10m --json more", false));
    assert_string_equal(args_value(&f.args, "wait"), "10m");
    assert_true(args_flag(&f.args, "json"));
    assert_int_equal(f.args.n_words, 2);
    assert_string_equal(f.args.words[1], "more");
    arena_release(&f.arena);

    assert_true(take(&f, "--wait=1m a -w 5m -", false));
    assert_string_equal(args_value(&f.args, "wait"), "5m");
    assert_false(args_flag(&f.args, "json"));
    assert_string_equal(f.args.words[1], "-");
    arena_release(&f.arena);
}

static void two_dashes_end_the_options(void **state)
{
    struct fixture f;
    (void)state;
    assert_true(take(&f, "-- --json -w", false));
    assert_false(args_flag(&f.args, "json"));
    assert_int_equal(f.args.n_words, 2);
    arena_release(&f.arena);
}

static void empty_and_negative_values_are_values(void **state)
{
    struct fixture f;
    (void)state;
    assert_true(take(&f, "--wait _ --version=", false));
    assert_string_equal(args_value(&f.args, "wait"), "");
    assert_string_equal(args_value(&f.args, "version"), "");
    arena_release(&f.arena);
    assert_true(take(&f, "--wait -5", false));
    assert_string_equal(args_value(&f.args, "wait"), "-5");
    arena_release(&f.arena);
}

static void the_later_of_two_names_counts(void **state)
{
    struct fixture f;
    (void)state;
    assert_true(take(&f, "--version v2", false));
    assert_string_equal(args_value(&f.args, "version"), "v2");
    arena_release(&f.arena);
}

static void it_can_stop_at_the_first_word(void **state)
{
    struct fixture f;
    (void)state;
    assert_true(take(&f, "--json gate --nonsense", true));
    assert_int_equal(f.taken, 1);
    assert_int_equal(f.args.n_words, 0);
    arena_release(&f.arena);
}

static void refuse(const char *line, const char *message)
{
    struct fixture f;
    assert_false(take(&f, line, false));
    assert_int_equal(f.err.code, ERR_BAD_INPUT);
    assert_string_equal(f.err.message, message);
    arena_release(&f.arena);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    refuse("--wiat 5m", "unknown option '--wiat': did you mean --wait?");
    refuse("--zzz=1", "unknown option '--zzz=1'");
    refuse("-x", "unknown option '-x'");
    refuse("-wx", "unknown option '-wx'");
    refuse("--json=yes", "--json takes no value");
    refuse("--wait", "--wait needs a value: --wait DURATION");
    refuse("--wait --json", "--wait needs a value, and '--json' looks like an option; if it is the "
                            "value, write --wait=--json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere_and_take_both_forms),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(empty_and_negative_values_are_values),
        cmocka_unit_test(the_later_of_two_names_counts),
        cmocka_unit_test(it_can_stop_at_the_first_word),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
