/* replay.c -- a fuzz target without libFuzzer: every file of the corpus as it is, cut short at
 * every length, and with single bytes changed by a fixed seed. `fuzz_<name> FOLDER`. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_BYTES ((size_t)1 << 20)
#define CUTS 200
#define CHANGES 400

struct replay {
    const char *folder;
    uint64_t random;
    size_t files;
    size_t inputs;
};

static uint64_t next_random(struct replay *r) /* xorshift64 (Marsaglia, JSS 8(14), 2003) */
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random;
}

/* On a copy of exactly its size, so that the sanitizer sees an overrun. */
static void run(struct replay *r, struct str text)
{
    uint8_t *copy = malloc(text.n ? text.n : 1);
    if (!copy)
        check_no_memory(text.n);
    memcpy(copy, text.p, text.n);
    (void)LLVMFuzzerTestOneInput(copy, text.n);
    free(copy);
    r->inputs++;
}

static void run_damaged(struct replay *r, struct buf *text)
{
    size_t step = text->n / CUTS + 1;
    for (size_t n = 0; n < text->n; n += step)
        run(r, str_make(text->p, n));
    for (size_t i = 0; i < CHANGES && text->n > 0; i++) {
        size_t at = next_random(r) % text->n;
        char before = text->p[at];
        text->p[at] = (char)next_random(r);
        run(r, buf_str(text));
        text->p[at] = before;
    }
}

static void replay_file(void *arg, const char *name)
{
    struct replay *r = arg;
    struct err err = ERR_INIT;
    struct buf path = BUF_INIT, text = BUF_INIT;
    buf_printf(&path, "%s/%s", r->folder, name);
    if (!file_read(path.p, MAX_BYTES, &text, &err)) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    run(r, buf_str(&text));
    run_damaged(r, &text);
    r->files++;
    buf_release(&path);
    buf_release(&text);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct replay r = {.random = 88172645463325252};
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    r.folder = argv[1];
    if (!file_list(r.folder, replay_file, &r, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%zu files, %zu inputs\n", r.files, r.inputs);
    if (r.files == 0)
        fprintf(stderr, "%s: an empty corpus tests nothing\n", r.folder);
    return r.files == 0;
}
