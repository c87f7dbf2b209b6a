/* The process dies (SIGKILL) at any moment: what was acknowledged is there, and whole. */
#include "ledger/ledger.h"

#include "base/fault.h"
#include "ledger/testing.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 40

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Appends until it is killed; says each number once it is acknowledged. */
static void append_for_ever(const char *folder, const char *fault, int fd)
{
    struct err err = ERR_INIT;
    if (fault && !fault_arm(fault, &err))
        _exit(2);
    struct ledger *l = ledger_open(folder, &err);
    if (!l)
        _exit(3);
    for (uint64_t n = ledger_size(l);; n++) {
        if (!try_append(l, (int64_t)n, &err) || write(fd, &n, sizeof n) != sizeof n)
            _exit(4);
    }
}

static pid_t start(const char *folder, const char *fault, int *acks)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        append_for_ever(folder, fault, fds[1]);
    }
    close(fds[1]);
    *acks = fds[0];
    return pid;
}

/* How many entries were acknowledged, with those there were before. */
static uint64_t acknowledged(int acks, uint64_t before)
{
    uint64_t n;
    while (read(acks, &n, sizeof n) == sizeof n)
        before = n + 1;
    close(acks);
    return before;
}

static void died_by_kill(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the writer ended with status %x", (unsigned)status);
}

/* Opens what was left; returns its size. */
static uint64_t check_what_is_left(const char *folder, uint64_t at_least, uint64_t at_most)
{
    struct ledger *l = open_ledger(folder);
    uint64_t size = ledger_size(l);
    char *report = verify(l);
    assert_string_equal(report, "");
    free(report);
    ledger_close(l);
    if (size < at_least || size > at_most)
        fail_msg("%d entries are left, not from %d to %d", (int)size, (int)at_least, (int)at_most);
    return size;
}

static void sleep_us(uint64_t us)
{
    struct timespec wait = {.tv_nsec = (long)(us * 1000)};
    nanosleep(&wait, NULL);
}

static void killed_at_any_moment(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    uint64_t random = 1, size = 0, first;
    int acks;
    make_folder(folder);
    ledger_close(open_ledger(folder));
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = start(folder, NULL, &acks);
        assert_int_equal(read(acks, &first, sizeof first), sizeof first);
        assert_int_equal(first, size);
        sleep_us(next_random(&random) % 15000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        died_by_kill(pid);
        uint64_t known = acknowledged(acks, size + 1);
        size = check_what_is_left(folder, known, known + 1);
    }
    assert_true(size >= ROUNDS);
    remove_folder(folder);
}

static void killed_at_a_named_place(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        uint64_t acknowledged, left;
    } cases[] = {{"ledger.append:after=5:kill", 5, 5},
                 {"ledger.insert:after=5:kill", 5, 5},
                 {"ledger.sync:after=6:kill", 5, 5}, /* the first one is of the tables */
                 {"ledger.ack:after=5:kill", 5, 6}};
    int acks;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[FOLDER_BYTES];
        make_folder(folder);
        pid_t pid = start(folder, cases[i].fault, &acks);
        died_by_kill(pid);
        assert_int_equal(acknowledged(acks, 0), cases[i].acknowledged);
        check_what_is_left(folder, cases[i].left, cases[i].left);
        remove_folder(folder);
    }
}

static void killed_during_the_first_start(void **state)
{
    (void)state;
    static const char *const faults[] = {"ledger.sync:once:kill", "file.rename:once:kill",
                                         "file.rename:after=1:once:kill", "file.sync:after=2:kill"};
    uint64_t random = 2;
    int acks;
    for (size_t i = 0; i < ROUNDS; i++) {
        char folder[FOLDER_BYTES];
        bool named = i < sizeof faults / sizeof *faults;
        make_folder(folder);
        pid_t pid = start(folder, named ? faults[i] : NULL, &acks);
        sleep_us(next_random(&random) % 12000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        died_by_kill(pid);
        uint64_t known = acknowledged(acks, 0);
        check_what_is_left(folder, known, known + 1);
        (void)unlink(file_in(folder, "ledger.key.tmp"));
        (void)unlink(file_in(folder, "ledger.pub.tmp"));
        remove_folder(folder);
    }
}

/* A reader at the moment of death sees a state that was committed. */
static void a_reader_survives_the_writer(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    int acks;
    make_folder(folder);
    ledger_close(open_ledger(folder));
    struct ledger *reader = ledger_open_readonly(folder, &err);
    assert_non_null(reader);
    pid_t pid = start(folder, "ledger.insert:after=20:kill", &acks);
    died_by_kill(pid);
    assert_int_equal(acknowledged(acks, 0), 20);
    assert_int_equal(ledger_size(reader), 20);
    char *report = verify(reader);
    assert_string_equal(report, "");
    free(report);
    check_what_is_left(folder, 20, 20);
    assert_int_equal(ledger_size(reader), 20);
    ledger_close(reader);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_moment),
        cmocka_unit_test(killed_at_a_named_place),
        cmocka_unit_test(killed_during_the_first_start),
        cmocka_unit_test(a_reader_survives_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
