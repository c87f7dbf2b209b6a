/* otlp_store.h -- a store for OTLP's fuzz targets, begun anew now and then, and what must hold of
 * every request: the message is text, a refused body says why, and what was taken is in the store.
 */
#ifndef CQED_FUZZ_OTLP_STORE_H
#define CQED_FUZZ_OTLP_STORE_H

#include "base/file.h"
#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OTLP_STORE_INPUTS 2000

struct otlp_fuzz {
    char folder[64];
    struct store *store;
    struct metadata_store *metadata;
    struct otlp *otlp;
    unsigned inputs;
};

typedef bool otlp_decoder(struct otlp *, struct str body, int64_t now_ms, struct otlp_result *,
                          struct err *);

static inline void otlp_fuzz_remove(void *arg, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    (void)unlink(path);
}

static inline void otlp_fuzz_close(struct otlp_fuzz *f)
{
    char wal[80];
    if (!f->store)
        return;
    otlp_free(f->otlp);
    metadata_store_free(f->metadata);
    store_close(f->store);
    f->store = NULL;
    (void)snprintf(wal, sizeof wal, "%s/wal", f->folder);
    CHECK(file_list(wal, otlp_fuzz_remove, wal, NULL));
    (void)rmdir(wal);
    CHECK(file_list(f->folder, otlp_fuzz_remove, f->folder, NULL));
    (void)rmdir(f->folder);
}

static inline void otlp_fuzz_open(struct otlp_fuzz *f)
{
    struct err err = ERR_INIT;
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/cqed-fuzz-otlp-XXXXXX");
    CHECK(mkdtemp(f->folder));
    f->store = store_open(&(struct store_options){.path = f->folder, .max_series = 5000}, &err);
    CHECK(f->store);
    f->metadata = metadata_store_new();
    f->otlp = otlp_new(f->store, f->metadata, 1000);
}

static struct otlp_fuzz otlp_fuzz;

static inline void otlp_fuzz_end(void)
{
    otlp_fuzz_close(&otlp_fuzz);
}

static inline void otlp_fuzz_one(otlp_decoder *decode, struct str body)
{
    struct otlp_fuzz *f = &otlp_fuzz;
    struct otlp_result result;
    struct err err = ERR_INIT;
    struct store_stats before, after;
    if (f->inputs == 0)
        (void)atexit(otlp_fuzz_end);
    if (f->inputs++ % OTLP_STORE_INPUTS == 0) {
        otlp_fuzz_close(f);
        otlp_fuzz_open(f);
    }
    store_stats(f->store, &before);
    bool done = decode(f->otlp, body, 2000000, &result, &err);
    store_stats(f->store, &after);
    if (!done) {
        CHECK(err.code == ERR_BAD_INPUT && err.message[0] != '\0');
        CHECK(after.samples_appended == before.samples_appended);
        return;
    }
    CHECK(memchr(result.message, '\0', sizeof result.message));
    CHECK((result.rejected > 0) == (result.message[0] != '\0'));
    CHECK(str_is_utf8(str_from(result.message)));
    CHECK(result.accepted > 0 || after.samples_appended == before.samples_appended);
}

#endif
