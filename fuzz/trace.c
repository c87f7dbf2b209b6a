/* Counters from files, as `cqed judge` reads them: two CSV files behind one another, split by a
 * form feed, or a line of a manifest before a trace of JSON rows. What is accepted can be judged.
 */
#include "fuzz.h"

#include "cli/trace.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file of these bytes, one of two; valid until it is next made. */
static const char *file_of(size_t which, const uint8_t *bytes, size_t n)
{
    static int fds[2] = {-1, -1};
    static char paths[2][40];
    if (fds[which] < 0)
        fds[which] = memfd_create("fuzz", MFD_CLOEXEC);
    CHECK(fds[which] >= 0 && ftruncate(fds[which], 0) == 0 &&
          pwrite(fds[which], bytes, n, 0) == (ssize_t)n);
    (void)snprintf(paths[which], sizeof paths[which], "/proc/self/fd/%d", fds[which]);
    return paths[which];
}

static void judge_it(const struct trace *t)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    CHECK(t->n_history <= t->n && t->n_edges <= JUDGE_MAX_EDGES);
    if (t->n_history > 0)
        judge_stream_calibrate(s, t->buckets, t->n_history);
    for (size_t i = t->n_history; i < t->n && i < t->n_history + 2000; i++) {
        struct err err = ERR_INIT;
        CHECK(judge_stream_feed(s, &t->buckets[i], &err) || err.message[0]);
    }
    judge_stream_check(s);
    judge_stream_free(s);
}

static void read_two_files(struct arena *arena, const uint8_t *bytes, size_t n, const uint8_t *cut)
{
    struct trace t;
    struct err err = ERR_INIT;
    const char *stable = file_of(0, bytes, (size_t)(cut - bytes));
    const char *canary = file_of(1, cut + 1, n - (size_t)(cut - bytes) - 1);
    if (trace_join(arena, stable, canary, n % 2 ? 100 : (double)NAN, &t, &err))
        judge_it(&t);
    else
        CHECK(err.message[0]);
}

static void read_set(struct arena *arena, const uint8_t *bytes, size_t n)
{
    struct trace t;
    struct err err = ERR_INIT;
    const uint8_t *end = memchr(bytes, '\n', n);
    size_t first = end ? (size_t)(end - bytes) : n;
    json_t *line = json_parse(arena, fuzz_str(bytes, first), &err);
    if (!line || !json_is_object(line) || !end)
        return;
    const char *path = file_of(0, end + 1, n - first - 1);
    (void)json_object_set_new(line, "file", json_string(strrchr(path, '/') + 1));
    if (trace_read(arena, "/proc/self/fd", line, &t, &err))
        judge_it(&t);
    else
        CHECK(err.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    const uint8_t *cut = n ? memchr(bytes, '\f', n) : NULL;
    if (cut)
        read_two_files(&arena, bytes, n, cut);
    else if (n)
        read_set(&arena, bytes, n);
    arena_release(&arena);
    return 0;
}
