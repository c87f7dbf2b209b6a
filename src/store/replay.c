#include "store/replay.h"

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "store/record.h"
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_SAMPLES 64

/* One segment while it is read. */
struct reading {
    struct replay *replay;
    struct head *head;
    const char *path;
    struct str bytes;        /* the whole file, mapped */
    uint64_t from;           /* what is before has been read */
    struct series **defined; /* by number in the segment; NULL = it has left the head */
    size_t n_defined;
    size_t capacity;
    struct wal_segment segment;
};

static void push_segment(struct replay *r, const struct wal_segment *s)
{
    r->segments = mem_grow(r->segments, r->n_segments, &r->capacity, sizeof *r->segments);
    r->segments[r->n_segments++] = *s;
}

static void define(struct reading *g, struct series *s)
{
    g->defined = mem_grow(g->defined, g->n_defined, &g->capacity, sizeof *g->defined);
    g->defined[g->n_defined++] = s;
}

/* False: the record makes no sense although its checksum is right. */
static bool apply_series(struct reading *g, struct str payload)
{
    struct arena arena = ARENA_INIT;
    struct labels labels;
    struct series *s = NULL;
    bool bad, is_new;
    while (record_take_series(&payload, &arena, &labels, &bad)) {
        s = head_series_after(g->head, s, labels, &is_new);
        bad = !s;
        if (bad)
            break;
        define(g, s);
        arena_clear(&arena);
    }
    arena_release(&arena);
    return !bad;
}

/* False: not newer than the newest, so passed over. */
static bool apply_float(struct reading *g, struct series *s, const struct record_sample *r)
{
    const struct store_tap *tap = g->head->tap;
    double increase;
    if (!head_append(g->head, s, r->t_ms, r->v, r->origin_zero, &increase))
        return false;
    if (s->token)
        tap->feed(tap->self, s->token, r->t_ms, r->v, increase, true);
    return true;
}

static bool apply_histogram(struct reading *g, struct series *s, const struct record_sample *r)
{
    const struct store_tap *tap = g->head->tap;
    const struct histogram *base;
    struct arena arena = ARENA_INIT;
    bool done = head_append_histogram(g->head, s, r->t_ms, r->h, r->origin_zero, &arena, &base);
    if (done && s->token && tap->feed_histogram)
        tap->feed_histogram(tap->self, s->token, r->t_ms, r->h, base, true);
    arena_release(&arena);
    return done;
}

/* NULL when none is of this number. */
static struct series *defined_as(const struct reading *g, uint32_t id)
{
    return id < g->n_defined ? g->defined[id] : NULL;
}

static bool apply_sample(struct reading *g, const struct record_sample *r)
{
    struct series *s = defined_as(g, r->id);
    if (!s)
        return false;
    bool applied = r->h ? apply_histogram(g, s, r) : apply_float(g, s, r);
    if (applied || (r->may_be_late && head_append_late(g->head, s, r->t_ms, r->v, r->h))) {
        g->replay->samples++;
        if (r->t_ms > g->segment.max_t_ms)
            g->segment.max_t_ms = r->t_ms;
    }
    return true;
}

/* Samples that were taken from a record and wait to be applied together. */
struct group {
    struct record_sample v[GROUP_SAMPLES];
    size_t n;
};

/* What appending will read first of each series: loads that do not wait for one another. */
static void touch(const struct reading *g, const struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        const struct series *s = defined_as(g, group->v[i].id);
        if (s)
            (void)*(volatile const uint16_t *)&s->open.n_bits;
    }
    for (size_t i = 0; i < group->n; i++) {
        const struct series *s = defined_as(g, group->v[i].id);
        if (s && s->open.bytes)
            (void)*(volatile const uint8_t *)(s->open.bytes + s->open.n_bits / 8);
    }
}

static bool apply_group(struct reading *g, struct group *group, struct arena *arena)
{
    bool known = true;
    touch(g, group);
    for (size_t i = 0; known && i < group->n; i++)
        known = apply_sample(g, &group->v[i]);
    arena_clear(arena);
    group->n = 0;
    return known;
}

static bool apply_samples(struct reading *g, struct str payload)
{
    struct arena arena = ARENA_INIT; /* histograms of the group */
    struct record_cursor cursor = {0};
    struct group group = {.n = 0};
    bool bad, known = true;
    while (known && record_take_sample(&payload, &cursor, &arena, &group.v[group.n], &bad)) {
        if (++group.n == GROUP_SAMPLES)
            known = apply_group(g, &group, &arena);
    }
    known = known && apply_group(g, &group, &arena);
    arena_release(&arena);
    return known && !bad;
}

static bool apply_exemplars(struct reading *g, struct str payload)
{
    struct arena arena = ARENA_INIT;
    struct record_exemplar r;
    bool bad, known = true;
    while (known && record_take_exemplar(&payload, &arena, &r, &bad)) {
        struct store_exemplar e = {r.labels, r.v, r.t_ms};
        known = defined_as(g, r.id) != NULL;
        if (known && exemplars_add(&g->head->exemplars, g->defined[r.id]->ref, &e) == STORE_OK &&
            r.t_ms > g->segment.max_t_ms)
            g->segment.max_t_ms = r.t_ms;
        arena_clear(&arena);
    }
    arena_release(&arena);
    return known && !bad;
}

static bool apply(struct reading *g, const struct record *r)
{
    switch (r->type) {
    case RECORD_SERIES:
        return apply_series(g, r->payload);
    case RECORD_SAMPLES:
        return apply_samples(g, r->payload);
    case RECORD_EXEMPLARS:
        return apply_exemplars(g, r->payload);
    }
    return false;
}

static bool cut(const char *path, size_t size_bytes, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && ftruncate(fd, (off_t)size_bytes) == 0 && fdatasync(fd) == 0;
    if (!done)
        err_errno(err, "cannot cut %s to %zu bytes", path, size_bytes);
    if (fd >= 0)
        close(fd);
    return done;
}

/* Copy first, cut then: a crash in between repeats both. */
static bool quarantine(const struct reading *g, size_t offset, struct err *err)
{
    struct buf aside = BUF_INIT;
    buf_printf(&aside, "%s-%zu.corrupt", g->path, offset);
    struct str rest = str_make(g->bytes.p + offset, g->bytes.n - offset);
    bool done = file_replace(aside.p, rest, 0600, err) && cut(g->path, offset, err);
    if (done)
        log_error("store", "log damaged, the rest of the segment is set aside file=%s bytes=%zu",
                  aside.p, rest.n);
    g->replay->corruptions++;
    buf_release(&aside);
    return done;
}

static bool repair(struct reading *g, enum record_state state, size_t offset, struct err *err)
{
    g->segment.size_bytes = offset;
    if (state == RECORD_END)
        return true;
    if (state == RECORD_BAD)
        return quarantine(g, offset, err);
    log_warn("store", "log ends in an unfinished write, cut off file=%s offset=%zu bytes=%zu",
             g->path, offset, g->bytes.n - offset);
    g->replay->torn++;
    return cut(g->path, offset, err);
}

static bool read_records(struct reading *g, struct err *err)
{
    struct str rest = g->bytes;
    struct record record;
    enum record_state state;
    size_t offset = 0;
    if (g->from == 0 && !segment_header_is_good(rest))
        return repair(g, rest.n < SEGMENT_HEADER_BYTES ? RECORD_TORN : RECORD_BAD, 0, err);
    size_t begin = g->from > SEGMENT_HEADER_BYTES ? (size_t)g->from : SEGMENT_HEADER_BYTES;
    CHECK(begin <= rest.n);
    rest = str_make(rest.p + begin, rest.n - begin);
    for (;;) {
        offset = g->bytes.n - rest.n;
        state = record_next(&rest, &record);
        if (state != RECORD_GOOD)
            break;
        if (!apply(g, &record)) {
            state = RECORD_BAD;
            break;
        }
    }
    return repair(g, state, offset, err);
}

static bool map_file(const char *path, struct str *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_errno(err, "cannot open %s", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    *out = STR("");
    void *p = NULL;
    if (st.st_size > 0)
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return err_errno(err, "cannot map %s", path);
    if (p)
        *out = str_make(p, (size_t)st.st_size);
    return true;
}

/* A segment of which nothing is left is deleted: it would only be read again; but not the one that
 * a snapshot goes on from. */
static bool keep_or_delete(struct reading *g, struct err *err)
{
    if (g->segment.size_bytes > SEGMENT_HEADER_BYTES || g->from > 0) {
        push_segment(g->replay, &g->segment);
        return true;
    }
    return unlink(g->path) == 0 || err_errno(err, "cannot delete %s", g->path);
}

static const struct wal_segment *known_segment(const struct wal_segment *v, size_t n,
                                               uint32_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].number == number)
            return &v[i];
    }
    return NULL;
}

/* The first segment that is read is known up to where that begins. */
static void go_on_from(struct reading *g, const struct replay_from *from)
{
    const struct wal_segment *s = known_segment(from->segments, from->n_segments, from->segment);
    g->from = from->offset;
    g->segment.max_t_ms = s ? s->max_t_ms : INT64_MIN;
    g->defined = mem_resize(NULL, from->n_defined + 1, sizeof *g->defined);
    if (from->n_defined > 0)
        memcpy(g->defined, from->defined, from->n_defined * sizeof *g->defined);
    g->n_defined = from->n_defined;
    g->capacity = from->n_defined + 1;
}

static bool replay_segment(struct replay *r, const struct replay_from *from, struct head *head,
                           const char *folder, uint32_t number, struct err *err)
{
    struct buf path = BUF_INIT;
    wal_segment_path(&path, folder, number);
    struct reading g = {
        .replay = r, .head = head, .path = path.p, .segment = {number, INT64_MIN, 0}};
    if (number == from->segment)
        go_on_from(&g, from);
    bool done = map_file(path.p, &g.bytes, err);
    if (done) {
        done = read_records(&g, err) && keep_or_delete(&g, err);
        if (g.bytes.n > 0)
            munmap((void *)(uintptr_t)g.bytes.p, g.bytes.n);
    }
    free(g.defined);
    buf_release(&path);
    return done;
}

struct numbers {
    uint32_t *v;
    size_t n;
    uint32_t highest; /* of the damaged ones too: their numbers are not used again */
};

static void add_number(void *arg, const char *name)
{
    struct numbers *all = arg;
    uint64_t number;
    if (strlen(name) < 8 || !num_parse_u64(str_make(name, 8), &number) || number == 0 ||
        number >= UINT32_MAX)
        return;
    if (number > all->highest)
        all->highest = (uint32_t)number;
    if (name[8] != '\0')
        return;
    all->v = mem_resize(all->v, all->n + 1, sizeof *all->v);
    all->v[all->n++] = (uint32_t)number;
}

bool replay_from_fits(const struct snapshot_facts *f, const char *folder, struct err *err)
{
    struct numbers all = {0};
    struct buf wal = BUF_INIT, path = BUF_INIT;
    bool there = f->offset == 0;
    buf_printf(&wal, "%s/wal", folder);
    bool done = file_list(wal.p, add_number, &all, err);
    for (size_t i = 0; done && i < all.n; i++) {
        done = all.v[i] >= f->segment || known_segment(f->segments, f->n_segments, all.v[i]);
        if (!done)
            err_set(err, ERR_CORRUPT, "the log has segment %u, which it does not know", all.v[i]);
        if (all.v[i] == f->segment) {
            wal_segment_path(&path, wal.p, f->segment);
            there = file_size(path.p) >= (int64_t)f->offset;
        } else if (all.v[i] > f->segment && f->offset == 0 && i == 0) {
            there = false; /* its own is gone */
        }
    }
    if (done && !there)
        done =
            err_set(err, ERR_CORRUPT, "it goes on at byte %llu of segment %u, which is not there",
                    (unsigned long long)f->offset, f->segment);
    free(all.v);
    buf_release(&wal);
    buf_release(&path);
    return done;
}

void replay_from_release(struct replay_from *from)
{
    free(from->defined);
    free(from->segments);
    *from = (struct replay_from){0};
}

/* Of those before, it is only noted that they are there. */
static void pass_over(struct replay *r, const struct replay_from *from, uint32_t number)
{
    const struct wal_segment *s = known_segment(from->segments, from->n_segments, number);
    CHECK(s);
    push_segment(r, s);
}

bool wal_replay_folder(const char *folder, const struct replay_from *from, struct head *head,
                       struct replay *r, struct err *err)
{
    struct numbers all = {0};
    *r = (struct replay){0};
    bool done = file_list(folder, add_number, &all, err);
    for (size_t i = 0; done && i < all.n; i++) {
        if (all.v[i] < from->segment)
            pass_over(r, from, all.v[i]);
        else
            done = replay_segment(r, from, head, folder, all.v[i], err);
    }
    r->next_number = all.highest + 1;
    if (r->next_number < from->segment)
        r->next_number = from->segment;
    free(all.v);
    return done;
}

void wal_replay_release(struct replay *r)
{
    free(r->segments);
    *r = (struct replay){0};
}
