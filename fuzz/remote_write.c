/* Remote write of both messages, into a real store: a refused body says why and leaves nothing, and
 * a message says what was refused. */
#include "fuzz.h"

#include "base/file.h"
#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STORE_INPUTS 2000 /* then it begins anew */

static struct rig {
    char folder[64];
    struct store *store;
    struct metadata_store *metadata;
    struct remote_write *rw;
    unsigned inputs;
} rig;

static void remove_file(void *arg, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    (void)unlink(path);
}

static void close_rig(void)
{
    char wal[80];
    if (!rig.store)
        return;
    remote_write_free(rig.rw);
    metadata_store_free(rig.metadata);
    store_close(rig.store);
    rig.store = NULL;
    (void)snprintf(wal, sizeof wal, "%s/wal", rig.folder);
    CHECK(file_list(wal, remove_file, wal, NULL));
    (void)rmdir(wal);
    CHECK(file_list(rig.folder, remove_file, rig.folder, NULL));
    (void)rmdir(rig.folder);
}

static void open_rig(void)
{
    struct err err = ERR_INIT;
    (void)snprintf(rig.folder, sizeof rig.folder, "/tmp/cqed-fuzz-rw-XXXXXX");
    CHECK(mkdtemp(rig.folder));
    rig.store = store_open(
        &(struct store_options){.path = rig.folder, .max_series = 5000, .exemplars = 20}, &err);
    CHECK(rig.store);
    rig.metadata = metadata_store_new();
    rig.rw = remote_write_new(rig.store, rig.metadata, 1000);
}

static void try_one(enum remote_write_message kind, struct str body)
{
    struct remote_write_result result;
    struct err err = ERR_INIT;
    struct store_stats before, after;
    store_stats(rig.store, &before);
    bool done = remote_write_append(rig.rw, kind, body, 2000000, &result, &err);
    store_stats(rig.store, &after);
    if (!done) {
        CHECK((err.code == ERR_BAD_INPUT || err.code == ERR_LIMIT) && err.message[0] != '\0');
        CHECK(after.samples_appended == before.samples_appended && result.samples_written == 0);
        return;
    }
    CHECK(memchr(result.message, '\0', sizeof result.message));
    CHECK(str_is_utf8(str_from(result.message)));
    CHECK(result.samples_written <= result.samples);
    CHECK(result.histograms_written <= result.histograms);
    CHECK(result.exemplars_written <= result.exemplars);
    CHECK((result.samples_written == result.samples &&
           result.histograms_written == result.histograms) ||
          result.message[0] != '\0');
    /* A sample may bring the zero that its counter started with. */
    CHECK(after.samples_appended - before.samples_appended <=
          2 * (result.samples + result.histograms));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (rig.inputs == 0)
        (void)atexit(close_rig);
    if (rig.inputs++ % STORE_INPUTS == 0) {
        close_rig();
        open_rig();
    }
    try_one(REMOTE_WRITE_1, fuzz_str(bytes, n));
    try_one(REMOTE_WRITE_2, fuzz_str(bytes, n));
    return 0;
}
