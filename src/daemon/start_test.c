#include "daemon/testing.h"

static void refused(struct world *w, const char *body, enum err_code code, const char *part)
{
    struct err err = ERR_INIT;
    bool created = true;
    assert_null(test_ask(w, body, NULL, &created, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part))
        fail_msg("wanted '%s' in '%s'", part, err.message);
    assert_false(created);
    assert_int_equal(ledger_size(w->d.ledger), 0);
}

static void what_is_missing_or_wrong_is_named(void **state)
{
    struct world *w = *state;
    refused(w, "{}", ERR_BAD_INPUT, "service is required");
    refused(w, "{\"service\":\"shop\"}", ERR_BAD_INPUT, "version is required");
    refused(w, "{\"service\":7,\"version\":\"v2\"}", ERR_BAD_INPUT, "service must be text");
    refused(w, "{\"service\":\"shpo\",\"version\":\"v2\"}", ERR_NOT_FOUND, "did you mean 'shop'?");
    refused(w, "{\"service\":\"shop\",\"vresion\":\"v2\"}", ERR_BAD_INPUT,
            "'vresion' is not known here; did you mean 'version'?");
    refused(w, "{\"service\":\"shop\",\"version\":\"v2\",\"changeKind\":\"hotfix\"}", ERR_BAD_INPUT,
            "changeKind is normal, fix, security or p0, not 'hotfix'");
    refused(w, "{\"service\":\"shop\",\"version\":\"v 2\",\"stableVersion\":\"v1\"}", ERR_BAD_INPUT,
            "version must not contain white space");
    refused(w, "{\"service\":\"shop\",\"version\":\"v1\",\"stableVersion\":\"v1\"}", ERR_BAD_INPUT,
            "version and stableVersion are both 'v1'");
}

static void the_stable_version_is_found_in_telemetry(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    bool created;
    static const char body[] = "{\"service\":\"shop\",\"version\":\"v2\"}";
    refused(w, body, ERR_BAD_INPUT, "stableVersion is required");
    test_count(w, "v1", 1000, 0, 10);
    struct rollout *r = test_ask(w, body, NULL, &created, &err);
    assert_non_null(r);
    assert_string_equal(r->state.stable_version, "v1");
    assert_string_equal(r->state.author, "unknown");
}

static void two_other_versions_are_not_guessed_from(void **state)
{
    struct world *w = *state;
    test_count(w, "v0", 1000, 0, 10);
    test_count(w, "v1", 1000, 0, 10);
    refused(w, "{\"service\":\"shop\",\"version\":\"v2\"}", ERR_BAD_INPUT,
            "stableVersion is required");
}

static void a_key_gives_the_same_rollout_again(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    bool created;
    static const char body[] = "{\"service\":\"shop\",\"version\":\"v2\",\"stableVersion\":\"v1\"}";
    struct rollout *first = test_ask(w, body, "build-7", &created, &err);
    assert_true(created);
    assert_ptr_equal(test_ask(w, body, "build-7", &created, &err), first);
    assert_false(created);
    assert_null(
        test_ask(w, "{\"service\":\"shop\",\"version\":\"v3\"}", "build-7", &created, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(ledger_size(w->d.ledger), 1);
}

static void a_key_that_is_no_text_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    bool created;
    static const char body[] = "{\"service\":\"shop\",\"version\":\"v2\",\"stableVersion\":\"v1\"}";
    assert_null(test_ask(w, body, "build-\xff", &created, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_int_equal(ledger_size(w->d.ledger), 0);
}

static void what_cannot_be_recorded_does_not_begin(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    bool created;
    assert_true(fault_arm("ledger.append:errno=ENOSPC", &err));
    assert_null(test_ask(w, "{\"service\":\"shop\",\"version\":\"v2\",\"stableVersion\":\"v1\"}",
                         NULL, &created, &err));
    fault_disarm_all();
    assert_int_equal(err.code, ERR_IO);
    assert_null(w->d.rollouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_missing_or_wrong_is_named),
        TEST(the_stable_version_is_found_in_telemetry),
        TEST(two_other_versions_are_not_guessed_from),
        TEST(a_key_gives_the_same_rollout_again),
        TEST(a_key_that_is_no_text_is_refused),
        TEST(what_cannot_be_recorded_does_not_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
