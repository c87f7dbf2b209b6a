#include "cli/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];

static const char *write_file(struct arena *arena, const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", folder, name);
    assert_true(file_replace(path, str_from(text), 0600, NULL));
    return path;
}

static bool read_one(struct arena *arena, const char *rows, struct trace *t, struct err *err)
{
    static const char line[] = "{\"id\":\"a\",\"file\":\"a.csv\",\"dt\":5,\"pre\":10,\"dur\":10,"
                               "\"weight\":[[0,0.1],[5,0.2]],\"edges_ms\":[100,200],"
                               "\"counters\":\"cumulative\",\"warmup_declared\":true}";
    (void)write_file(arena, "a.csv", rows);
    return trace_read(arena, folder, json_parse(arena, STR(line), NULL), t, err);
}

/* A missed scrape's events come with the next; a counter that falls begins anew. */
static void a_trace_is_read(void **state)
{
    static const char rows[] = "t,arm,up,total,bad,h0,h1,h2\n"
                               "-10,baseline,1,100,2,90,8,2\n-10,canary,1,10,1,9,1,0\n"
                               "-5,baseline,1,180,3,160,15,5\n-5,canary,0,,,,,\n"
                               "0,baseline,1,260,3,235,18,7\n0,canary,1,30,1,28,1,1\n"
                               "5,baseline,1,40,1,30,5,5\n5,canary,1,41,2,38,2,1\n";
    struct arena arena = ARENA_INIT;
    struct trace t;
    (void)state;
    assert_true(read_one(&arena, rows, &t, NULL));
    assert_int_equal(t.n, 4);
    assert_int_equal(t.n_history, 2);
    assert_int_equal(t.n_edges, 3);
    assert_true(t.warms_up && t.edges[1] == 0.2 && isinf(t.edges[2]));
    assert_true(t.buckets[1].stable.total == 80 && !t.buckets[1].canary_reported);
    assert_true(t.buckets[2].canary.total == 20 && t.buckets[2].canary_hist[0] == 19);
    assert_true(t.buckets[3].stable.total == 40 && t.buckets[3].stable.bad == 1);
    assert_true(t.buckets[2].weight == 0.1 && t.buckets[3].weight == 0.2);
    assert_int_equal(t.buckets[2].start_ms, t.start_ms);
    arena_release(&arena);
}

static void broken_traces_say_where(void **state)
{
    static const struct {
        const char *rows, *says;
    } cases[] = {
        {"t,arm,up,total,bad,h0,h1,h2\n0,baseline,1,5,1,2,3\n", "a.csv: line 2 is no row"},
        {"t,arm,up,total,bad,h0,h1,h2\n0,other,1,5,1,2,3,0\n", "a.csv: line 2 is no row"},
        {"t,arm,up,total,bad,h0,h1,h2\n0,canary,1,5,nan,2,3,0\n", "a.csv: line 2 is no row"},
        {"t,arm,up,total,bad,h0,h1,h2\n99,canary,1,5,1,2,3,0\n", "outside the trace"}};
    struct arena arena = ARENA_INIT;
    struct trace t;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        assert_false(read_one(&arena, cases[i].rows, &t, &err));
        if (!strstr(err.message, cases[i].says))
            fail_msg("case %zu says: %s", i, err.message);
    }
    arena_release(&arena);
}

static void two_files_are_joined_by_time(void **state)
{
    struct arena arena = ARENA_INIT;
    struct trace t;
    struct err err = ERR_INIT;
    (void)state;
    const char *a = write_file(&arena, "s.csv",
                               "time,total,bad,le_0.1,le_+Inf\n100,1000,5,900,"
                               "1000\n105,1100,6,990,1100\n110,1200,6,1080,"
                               "1200\n115,1300,7,1170,1300\n");
    const char *b = write_file(&arena, "c.csv",
                               "time,total,bad,le_0.1,le_+Inf\r\n100,0,0,0,0\r\n"
                               "105,10,0,9,10\r\n115,30,1,27,30\r\n");
    assert_true(trace_join(&arena, a, b, 105, &t, &err));
    assert_int_equal(t.n, 3);
    assert_int_equal(t.n_history, 1);
    assert_true(t.buckets[0].stable.total == 100 && t.buckets[0].canary.total == 10);
    assert_true(t.buckets[1].stable_reported && !t.buckets[1].canary_reported);
    assert_true(t.buckets[2].canary.total == 20 && t.buckets[2].canary_hist[0] == 18 &&
                t.buckets[2].canary_hist[1] == 2);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(t.buckets[i].length_ms, 5000);
    assert_int_equal(t.start_ms, t.buckets[1].start_ms);
    assert_false(trace_join(&arena, a, b, 1e6, &t, &err));
    const char *bad = write_file(&arena, "b.csv", "time,total,errors\n1,2,3\n");
    assert_false(trace_join(&arena, a, bad, 0, &t, &err));
    assert_non_null(strstr(err.message, "must begin time,total,bad"));
    const char *back = write_file(&arena, "d.csv", "time,total,bad\n1,2,0\n3,4,0\n2,5,0\n");
    assert_false(trace_join(&arena, a, back, 0, &t, &err));
    assert_non_null(strstr(err.message, "d.csv:4: time 2 after 3"));
    arena_release(&arena);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/cqed-trace-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"a.csv", "s.csv", "c.csv", "b.csv", "d.csv"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_is_read),
        cmocka_unit_test(broken_traces_say_where),
        cmocka_unit_test(two_files_are_joined_by_time),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
