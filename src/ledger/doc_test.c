/* The commands of docs/format/ledger.md, run as they stand there. */
#include "ledger/ledger.h"

#include "ledger/merkle.h"
#include "ledger/testing.h"

#include <sqlite3.h>
#include <sys/wait.h>

static const char *const made[] = {"key.der", "key.pem", "note", "text", "signature"};

/* The lines between "```sh" and "```". */
static void add_commands(struct buf *script)
{
    struct buf doc = BUF_INIT;
    struct err err = ERR_INIT;
    bool inside = false;
    assert_true(file_read("docs/format/ledger.md", 1u << 20, &doc, &err));
    struct str rest = buf_str(&doc), line;
    while (rest.n > 0 && str_cut(&rest, '\n', &line)) {
        if (str_starts(line, STR("```"))) {
            inside = str_is(line, "```sh");
        } else if (inside) {
            buf_add_str(script, line);
            buf_add_char(script, '\n');
        }
    }
    buf_release(&doc);
}

/* /bin/sh -c COMMAND; its standard output and error. */
static char *run_shell(const char *command, int *status)
{
    struct buf output = BUF_INIT;
    char bytes[4096];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (dup2(fds[1], 1) == 1 && dup2(fds[1], 2) == 2)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], bytes, sizeof bytes)) > 0;)
        buf_add(&output, bytes, (size_t)n);
    close(fds[0]);
    assert_int_equal(waitpid(pid, status, 0), pid);
    buf_add_char(&output, '\n');
    return buf_detach(&output);
}

static char *run_commands(const char *folder, int *status)
{
    struct buf script = BUF_INIT;
    buf_printf(&script, "set -eu\ncd %s\n", folder);
    add_commands(&script);
    char *output = run_shell(script.p, status);
    buf_release(&script);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        (void)unlink(file_in(folder, made[i]));
    return output;
}

static bool keep_leaf(void *arg, const struct ledger_entry *e)
{
    *(struct sha256 *)arg = e->leaf;
    return false;
}

static bool has_tools(void)
{
    int status;
    free(run_shell("command -v sqlite3 openssl basenc", &status));
    return status == 0;
}

static void the_documented_commands_verify(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    struct sha256 leaf;
    struct buf line = BUF_INIT;
    int status;
    if (!has_tools())
        skip();
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 11);
    assert_true(ledger_read(l, 0, 1, NULL, keep_leaf, &leaf, &err));
    buf_add_cstr(&line, "leaf 0: ");
    hex_add(&line, leaf.b, sizeof leaf.b);
    char *output = run_commands(folder, &status);
    if (status != 0 || !strstr(output, "Signature Verified Successfully") ||
        !strstr(output, line.p) || !strstr(output, "root: as signed"))
        fail_msg("status %d:\n%s", status, output);
    free(output);
    buf_release(&line);
    ledger_close(l);
    remove_folder(folder);
}

static void the_documented_commands_find_an_edit(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    sqlite3 *db;
    int status;
    if (!has_tools())
        skip();
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 6);
    ledger_close(l);
    assert_int_equal(sqlite3_open(file_in(folder, "ledger.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE entry SET bytes = replace(bytes, '\"n\":4', '\"n\":5')",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    char *output = run_commands(folder, &status);
    if (!strstr(output, "Signature Verified Successfully") ||
        !strstr(output, "root: NOT as signed"))
        fail_msg("status %d:\n%s", status, output);
    free(output);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_commands_verify),
        cmocka_unit_test(the_documented_commands_find_an_edit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
