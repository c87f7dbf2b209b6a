/* The ledger's commands, on files and over HTTP. */
#include "base/file.h"
#include "cli/testing.h"
#include "ledger/ledger.h"

#include <unistd.h>

#define N_FEW 40
#define N_MANY 520 /* more than one page */

static char folder[64];

static int make_ledger(void **state, int n_entries)
{
    struct arena arena = ARENA_INIT;
    (void)snprintf(folder, sizeof folder, "/tmp/cqed-cli-ledger-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct ledger *l = ledger_open(folder, NULL);
    assert_non_null(l);
    for (int i = 0; i < n_entries; i++) {
        const json_t *body =
            i % 100 == 3 ? json_own(&arena, json_pack("{s:s, s:b, s:f}", "intent", "shop-1/1/0",
                                                      "known", 1, "observedPct", 25.0))
                         : json_own(&arena, json_pack("{s:s, s:f, s:s}", "intent", "shop-1/1/0",
                                                      "weightPct", 25.0, "actuator", "haproxy"));
        assert_true(ledger_append(l, i % 100 == 3 ? LEDGER_OBSERVATION : LEDGER_INTENT,
                                  i % 100 == 3 ? "shop-1" : "shop-2", 1000 * i, body, NULL, NULL));
    }
    ledger_close(l);
    arena_release(&arena);
    return console_set_up(state);
}

static int make_short_ledger(void **state)
{
    return make_ledger(state, N_FEW);
}

static int make_long_ledger(void **state)
{
    return make_ledger(state, N_MANY);
}

static void remove_one(void *arg, const char *name)
{
    char path[256];
    (void)arg;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static int remove_ledger(void **state)
{
    assert_true(file_list(folder, remove_one, NULL, NULL));
    assert_int_equal(rmdir(folder), 0);
    return console_tear_down(state);
}

/* Overwrite text in the database, wherever it stands behind `after`. */
static void edit(const char *after, const char *from, const char *to)
{
    char path[128];
    struct buf bytes = BUF_INIT;
    CHECK(strlen(from) == strlen(to));
    (void)snprintf(path, sizeof path, "%s/ledger.db", folder);
    assert_true(file_read(path, 1 << 24, &bytes, NULL));
    char *place = memmem(bytes.p, bytes.n, after, strlen(after));
    char *end = bytes.p + bytes.n;
    place = place ? memmem(place, (size_t)(end - place), from, strlen(from)) : NULL;
    CHECK(place);
    memcpy(place, to, strlen(to));
    assert_true(file_replace(path, buf_str(&bytes), 0600, NULL));
    buf_release(&bytes);
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void entries_are_shown_from_the_files(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "ledger", "show", "--data", folder, "--limit=3"), EXIT_DONE);
    assert_int_equal(count_lines(c->out), 4);
    assert_has(c->out, "519");
    assert_lacks(c->out, "516 ");
    assert_has(c->out, "intent  shop-2  set weight 25% on haproxy\n");

    assert_int_equal(RUN(c, "ledger", "show", "--data", folder, "--subject=shop-1"), EXIT_DONE);
    assert_int_equal(count_lines(c->out), 1 + 6);
    assert_has(c->out, "503");
    assert_has(c->out, "observation  shop-1  weight 25% is in force\n");

    assert_int_equal(RUN(c, "ledger", "show", "--data", folder, "--from=1", "--limit=510"),
                     EXIT_DONE);
    assert_int_equal(count_lines(c->out), 1 + 510);
    assert_int_equal(RUN(c, "ledger", "show", "--data", folder, "--from=-2"), EXIT_DONE);
    assert_int_equal(count_lines(c->out), 1 + 2);
}

static void one_entry_is_shown_whole(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "ledger", "show", "3", "--data", folder, "--json"), EXIT_DONE);
    assert_has(c->out, "{\"atMs\":3000,\"body\":{\"intent\":");
    assert_has(c->out, "\"seq\":3,\"subject\":\"shop-1\"}\n");
    assert_int_equal(RUN(c, "ledger", "show", "40", "--data", folder), EXIT_USAGE);
    assert_has(c->err, "there is no entry 40 in a ledger of 40");
    assert_int_equal(RUN(c, "ledger", "show", "last", "--data", folder), EXIT_USAGE);
    assert_int_equal(RUN(c, "ledger", "show", "--data", "/nowhere"), EXIT_USAGE);
    assert_has(c->err, "there is no ledger.db in '/nowhere'");
}

static void a_whole_ledger_is_whole(void **state)
{
    struct console *c = *state;
    char *key;
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder), EXIT_DONE);
    assert_has(c->out, "whole: 40 of 40 entries checked\nroot  ");
    key = strdup(strstr(c->out, "key   ") + 6);
    assert_non_null(key);
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder, "--key", key), EXIT_DONE);
    /* The hash does not fit any more. */
    char *hash = strchr(key, '+');
    CHECK(hash);
    hash[1] = hash[1] == '0' ? '1' : '0';
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder, "--key", key), EXIT_USAGE);
    assert_has(c->err, "--key must be a verifier key");
    assert_int_equal(RUN(c, "ledger", "verify", "--key", key), EXIT_USAGE);
    free(key);
}

static void another_ledgers_key_does_not_fit(void **state)
{
    struct console *c = *state;
    /* A well-formed key of someone else: C2SP signed-note's own example. */
    char *key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder, "--key", key), EXIT_NEGATIVE);
    assert_has(c->out, "not whole: ");
}

static void tampering_is_named(void **state)
{
    struct console *c = *state;
    edit("\"at\":17000,", "haproxy", "hacker7");
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder), EXIT_NEGATIVE);
    assert_has(c->out, "entry 17");
    assert_has(c->out, "not whole: ");
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder, "--json"), EXIT_NEGATIVE);
    assert_has(c->out, "\"ok\":false,");
    assert_has(c->out, "\"findings\":[\"entry 17");
    assert_int_equal(RUN(c, "ledger", "show", "--data", folder, "--from=0"), EXIT_NEGATIVE);
    assert_has(c->err, "entry 17 was edited");
}

static void ruins_are_a_finding_too(void **state)
{
    struct console *c = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/ledger.db", folder);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    for (int i = 0; i < 8192; i++)
        assert_int_not_equal(fputc('x', f), EOF);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(RUN(c, "ledger", "verify", "--data", folder), EXIT_NEGATIVE);
    assert_has(c->out, "ledger.db");
    assert_has(c->out, "not whole");
}

/* The intents here belong to no rollout, which is a finding; without them nothing is. */
static void replay_tells_what_does_not_follow(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "ledger", "replay", "--data", folder), EXIT_NEGATIVE);
    assert_has(c->out, "entry 0 (shop-2): no rollout of this id was recorded before\n");
    assert_has(c->out, "not the same: 0 decisions of 0 rollouts and 0 gates asked again, from 40 "
                       "entries; 39 findings\n");
    answer(c, "GET", "/cqed/v1/ledger", 200,
           "{\"size\":1,\"entries\":[{\"seq\":0,\"atMs\":1,\"kind\":\"start\",\"subject\":\"\","
           "\"leaf\":\"\",\"body\":{}}]}",
           0);
    assert_int_equal(RUN(c, "ledger", "replay", "--json"), EXIT_DONE);
    assert_has(c->out, "\"entries\":1,\"findings\":[]");
}

static void a_server_is_asked_for_its_own_word(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/ledger/key", 200, "cqed+00000000+AAAA\n", 0);
    answer(c, "GET", "/cqed/v1/ledger/verify", 200,
           "{\"ok\":true,\"checked\":9,\"size\":9,\"root\":\"ab\",\"findings\":[]}", 1);
    answer(c, "GET", "/cqed/v1/ledger/verify", 200,
           "{\"ok\":false,\"checked\":9,\"size\":9,\"root\":\"ab\",\"findings\":[\"entry 2: x\"]}",
           1);
    assert_int_equal(RUN(c, "ledger", "verify"), EXIT_DONE);
    assert_string_equal(c->out, "whole: 9 of 9 entries checked\nroot  ab\nkey   "
                                "cqed+00000000+AAAA\n");
    assert_int_equal(RUN(c, "ledger", "verify"), EXIT_NEGATIVE);
    assert_has(c->out, "entry 2: x\nnot whole: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_short_ledger, remove_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_are_shown_from_the_files, make_long_ledger,
                                        remove_ledger),
        TEST(one_entry_is_shown_whole),
        TEST(a_whole_ledger_is_whole),
        TEST(another_ledgers_key_does_not_fit),
        TEST(tampering_is_named),
        TEST(ruins_are_a_finding_too),
        TEST(replay_tells_what_does_not_follow),
        TEST(a_server_is_asked_for_its_own_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
