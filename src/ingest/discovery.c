#include "ingest/discovery.h"

#include "ingest/discovery_poll.h"

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"

#include <glob.h>
#include <stdlib.h>

#define MAX_FILE_BYTES ((size_t)8 << 20)
#define MAX_FILES 1000 /* a pattern */
#define SETTLE_MS 50   /* after a change, as one write comes as several events */

/* A file as it was last read well. */
struct target_file {
    struct arena arena;
    struct target_group *groups;
    size_t n_groups;
    char error[512]; /* "" = fine */
};

struct watched_folder {
    uv_fs_event_t uv;
    struct discovery *discovery;
    struct watched_folder *next;
};

struct refresh {
    struct loop_timer *timer;
    struct refresh *next;
};

struct discovery {
    struct loop *loop;
    void (*changed)(void *arg);
    void *arg;
    struct map *files; /* path -> struct target_file */
    struct watched_folder *folders;
    struct refresh *refreshes;
    struct polls *polls;
    struct loop_timer *settling; /* NULL = nothing is about to be told */
};

static void *must_zalloc(size_t size_bytes)
{
    void *p = calloc(1, size_bytes);
    if (!p)
        check_no_memory(size_bytes);
    return p;
}

static void settled(void *arg)
{
    struct discovery *d = arg;
    loop_timer_stop(d->settling);
    d->settling = NULL;
    d->changed(d->arg);
}

/* Several changes at once are told once. */
static void tell_soon(struct discovery *d)
{
    if (!d->settling)
        d->settling = loop_timer_start(d->loop, SETTLE_MS, 0, settled, d);
}

static void polled(void *arg)
{
    tell_soon(arg);
}

struct discovery *discovery_new(struct loop *loop, struct http_client *client,
                                void (*changed)(void *arg), void *arg)
{
    struct discovery *d = must_zalloc(sizeof *d);
    d->loop = loop;
    d->changed = changed;
    d->arg = arg;
    d->files = map_new();
    d->polls = polls_new(loop, client, polled, d);
    return d;
}

static void folder_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void stop_watching(struct discovery *d)
{
    while (d->folders) {
        struct watched_folder *f = d->folders;
        d->folders = f->next;
        uv_close((uv_handle_t *)&f->uv, folder_closed);
    }
    while (d->refreshes) {
        struct refresh *r = d->refreshes;
        d->refreshes = r->next;
        loop_timer_stop(r->timer);
        free(r);
    }
    loop_timer_stop(d->settling);
    d->settling = NULL;
}

void discovery_free(struct discovery *d)
{
    struct str path;
    void *file;
    if (!d)
        return;
    stop_watching(d);
    for (size_t i = 0; map_next(d->files, &i, &path, &file);) {
        arena_release(&((struct target_file *)file)->arena);
        free(file);
    }
    map_free(d->files);
    polls_free(d->polls);
    free(d);
}

/* --- Watching --- */

static void folder_changed(uv_fs_event_t *uv, const char *name, int events, int status)
{
    struct watched_folder *f = uv->data;
    struct discovery *d = f->discovery;
    (void)name;
    (void)events;
    (void)status;
    tell_soon(d);
}

static void watch_folder(struct discovery *d, const char *path)
{
    struct watched_folder *f = must_zalloc(sizeof *f);
    CHECK(uv_fs_event_init(loop_uv(d->loop), &f->uv) == 0);
    f->uv.data = f;
    f->discovery = d;
    int status = uv_fs_event_start(&f->uv, folder_changed, path, 0);
    if (status != 0) {
        log_warn("ingest", "changes in folder %s show at the refresh interval only: %s", path,
                 uv_strerror(status));
        uv_close((uv_handle_t *)&f->uv, folder_closed);
        return;
    }
    f->next = d->folders;
    d->folders = f;
}

static void watch_folder_of(struct discovery *d, struct map *seen, const char *pattern)
{
    const char *slash = strrchr(pattern, '/');
    char *folder =
        slash ? strndup(pattern, (size_t)(slash - pattern) + (slash == pattern)) : strdup(".");
    if (!folder)
        check_no_memory(strlen(pattern));
    if (!strpbrk(folder, "*?[") && !map_get(seen, str_from(folder))) {
        (void)map_set(seen, str_from(folder), d);
        watch_folder(d, folder);
    }
    free(folder);
}

static void refresh_fired(void *arg)
{
    struct discovery *d = arg;
    d->changed(d->arg);
}

void discovery_watch(struct discovery *d, const struct scrape_config *configs, size_t n)
{
    struct map *seen = map_new();
    stop_watching(d);
    polls_watch(d->polls, configs, n);
    for (size_t i = 0; i < n; i++) {
        const struct scrape_config *c = &configs[i];
        for (size_t k = 0; k < c->n_file_sd; k++)
            watch_folder_of(d, seen, c->file_sd[k]);
        if (c->n_file_sd == 0 || c->file_sd_refresh_ms <= 0)
            continue;
        struct refresh *r = must_zalloc(sizeof *r);
        r->timer = loop_timer_start(d->loop, c->file_sd_refresh_ms, c->file_sd_refresh_ms,
                                    refresh_fired, d);
        r->next = d->refreshes;
        d->refreshes = r;
    }
    map_free(seen);
}

/* --- Reading --- */

static bool read_groups(struct arena *arena, const char *path, struct target_file *out,
                        struct err *err)
{
    struct buf text = BUF_INIT;
    bool done = file_read(path, MAX_FILE_BYTES, &text, err) &&
                target_groups_parse(arena, path, arena_str(arena, buf_str(&text)), &out->groups,
                                    &out->n_groups, err);
    buf_release(&text);
    return done;
}

/* The file's groups, those of before when it cannot be read now. */
static const struct target_file *look_at_file(struct discovery *d, const char *path)
{
    struct target_file *f = map_get(d->files, str_from(path)), now = {.arena = ARENA_INIT};
    struct err err = ERR_INIT;
    if (!f) {
        f = must_zalloc(sizeof *f);
        (void)map_set(d->files, str_from(path), f);
    }
    if (read_groups(&now.arena, path, &now, &err)) {
        arena_release(&f->arena);
        *f = now;
        return f;
    }
    arena_release(&now.arena);
    if (strcmp(f->error, err.message) != 0)
        log_warn("ingest", "targets stay as they were: %s", err.message);
    (void)snprintf(f->error, sizeof f->error, "%s", err.message);
    return f;
}

struct each_target {
    struct arena *arena;
    void (*each)(void *arg, struct labels);
    void *arg;
};

static void put_target(const struct each_target *to, struct str address, struct labels labels,
                       const char *path)
{
    struct labels_builder b;
    labels_builder_from(&b, to->arena, labels);
    labels_builder_set(&b, STR("__address__"), address);
    if (path)
        labels_builder_set(&b, STR("__meta_filepath"), str_from(path));
    to->each(to->arg, labels_copy(to->arena, labels_build(&b)));
}

static void put_file(struct discovery *d, const struct each_target *to, const char *path)
{
    const struct target_file *f = look_at_file(d, path);
    for (size_t i = 0; i < f->n_groups; i++) {
        const struct target_group *g = &f->groups[i];
        for (size_t k = 0; k < g->n_targets; k++)
            put_target(to, g->targets[k], g->labels, path);
    }
}

static void put_pattern(struct discovery *d, const struct each_target *to, const char *pattern)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    if (found.gl_pathc > MAX_FILES)
        log_warn("ingest", "%s names %zu files, only the first %d are read", pattern,
                 found.gl_pathc, MAX_FILES);
    for (size_t i = 0; i < found.gl_pathc && i < MAX_FILES; i++)
        put_file(d, to, found.gl_pathv[i]);
    globfree(&found);
}

void discovery_targets(struct discovery *d, const struct scrape_config *c, struct arena *arena,
                       void (*each)(void *arg, struct labels), void *arg)
{
    struct each_target to = {arena, each, arg};
    for (size_t i = 0; i < c->n_statics; i++) {
        const struct scrape_static *s = &c->statics[i];
        for (size_t k = 0; k < s->n_targets; k++)
            put_target(&to, s->targets[k], s->labels, NULL);
    }
    for (size_t i = 0; i < c->n_file_sd; i++)
        put_pattern(d, &to, c->file_sd[i]);
    polls_targets(d->polls, c, arena, each, arg);
}
