#include "block/prometheus_wal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "block/prometheus_frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 3 /* Prometheus may delete what we are about to read */
#define NOTHING (-1)

struct prometheus_wal {
    char *folder;
    bool has_begun;
    int64_t checkpoint; /* the one that was read; NOTHING = none */
    int64_t segment;    /* the one that is read */
    ino_t inode;        /* its file's; 0 = not opened yet */
    uint64_t offset;    /* in it: where to go on */
    uint64_t damaged;
    struct prometheus_frames frames;
    char page[PROMETHEUS_PAGE_BYTES];
};

struct prometheus_wal *prometheus_wal_new(const char *folder)
{
    struct prometheus_wal *w = mem_zalloc(sizeof *w);
    w->folder = mem_strdup(folder);
    return w;
}

void prometheus_wal_free(struct prometheus_wal *w)
{
    if (!w)
        return;
    prometheus_frames_release(&w->frames);
    free(w->folder);
    free(w);
}

void prometheus_wal_rewind(struct prometheus_wal *w)
{
    w->has_begun = false;
}

uint64_t prometheus_wal_damaged(const struct prometheus_wal *w)
{
    return w->damaged;
}

/* --- What there is --- */

struct listing {
    int64_t checkpoint, first, last; /* NOTHING = none */
};

static void consider(void *arg, const char *name)
{
    struct listing *l = arg;
    struct str text = str_from(name);
    struct str number = text;
    int64_t v;
    bool is_checkpoint = str_starts(text, STR("checkpoint."));
    if (is_checkpoint)
        number = str_make(text.p + strlen("checkpoint."), text.n - strlen("checkpoint."));
    if (number.n == 0 || number.n > 9 || !num_parse_i64(number, &v) || v < 0)
        return;
    if (is_checkpoint) {
        l->checkpoint = v > l->checkpoint ? v : l->checkpoint;
        return;
    }
    l->first = l->first == NOTHING || v < l->first ? v : l->first;
    l->last = v > l->last ? v : l->last;
}

static bool list(const char *folder, struct listing *out, struct err *err)
{
    *out = (struct listing){NOTHING, NOTHING, NOTHING};
    return !file_exists(folder) || file_list(folder, consider, out, err);
}

/* --- One segment --- */

/* What the caller is told beside done and failed. */
enum reading { READ_ALL, READ_GONE, READ_FAILED };

static bool hand_over(struct prometheus_wal *w, const struct prometheus_follower *to,
                      const char *path, struct str record, struct err *err)
{
    struct err why = ERR_INIT;
    if (!prometheus_record_read(record, &to->sink, &why)) {
        w->damaged++;
        log_warn("store", "%s: %s", path, why.message);
    }
    return !to->stop || !to->stop(to->sink.self, err);
}

/* The records of a page, of which n bytes are there. */
static bool read_page(struct prometheus_wal *w, const struct prometheus_follower *to,
                      const char *path, size_t n, bool *damaged, struct err *err)
{
    size_t at = w->offset % PROMETHEUS_PAGE_BYTES, from = at;
    struct str record;
    struct err why = ERR_INIT;
    for (;;) {
        enum prometheus_frame got =
            prometheus_frames_next(&w->frames, str_make(w->page, n), &at, &record, &why);
        if (got == PROMETHEUS_RECORD && !hand_over(w, to, path, record, err))
            return false;
        if (got == PROMETHEUS_RECORD)
            continue;
        *damaged = got == PROMETHEUS_DAMAGED;
        if (*damaged)
            log_warn("store", "%s is damaged behind %llu: %s", path,
                     (unsigned long long)(w->offset - from + at), why.message);
        w->offset += at - from;
        return true;
    }
}

/* From w->offset to the end of the file as it is now. */
static enum reading read_pages(struct prometheus_wal *w, const struct prometheus_follower *to,
                               const char *path, int fd, struct err *err)
{
    bool damaged = false;
    for (;;) {
        uint64_t page = w->offset / PROMETHEUS_PAGE_BYTES * PROMETHEUS_PAGE_BYTES, before;
        ssize_t n = pread(fd, w->page, sizeof w->page, (off_t)page);
        if (n < 0)
            return err_errno(err, "cannot read '%s'", path), READ_FAILED;
        if (page + (uint64_t)n <= w->offset)
            return READ_ALL;
        before = w->offset;
        if (!read_page(w, to, path, (size_t)n, &damaged, err))
            return READ_FAILED;
        if (damaged) {
            w->damaged++;
            w->offset = UINT64_MAX; /* no more of this segment */
            return READ_ALL;
        }
        if (w->offset == before || w->offset % PROMETHEUS_PAGE_BYTES != 0)
            return READ_ALL;
    }
}

static enum reading read_segment(struct prometheus_wal *w, const struct prometheus_follower *to,
                                 const char *path, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return READ_GONE;
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_errno(err, "cannot read '%s'", path);
        if (fd >= 0)
            close(fd);
        return READ_FAILED;
    }
    bool other = w->inode != 0 && (w->inode != st.st_ino ||
                                   (w->offset != UINT64_MAX && (uint64_t)st.st_size < w->offset));
    w->inode = st.st_ino;
    enum reading r = other                     ? READ_GONE
                     : w->offset == UINT64_MAX ? READ_ALL
                                               : read_pages(w, to, path, fd, err);
    close(fd);
    return r;
}

static void stand_before(struct prometheus_wal *w, int64_t segment)
{
    w->segment = segment;
    w->inode = 0;
    w->offset = 0;
    prometheus_frames_clear(&w->frames);
}

/* All from w->segment to `last`; what is there of the last one. */
static enum reading read_segments(struct prometheus_wal *w, const struct prometheus_follower *to,
                                  const char *folder, int64_t last, struct err *err)
{
    struct buf path = BUF_INIT;
    enum reading r;
    for (;;) {
        buf_clear(&path);
        buf_printf(&path, "%s/%08lld", folder, (long long)w->segment);
        r = read_segment(w, to, path.p, err);
        if (r != READ_ALL || w->segment >= last)
            break;
        stand_before(w, w->segment + 1);
    }
    buf_release(&path);
    return r;
}

/* --- All --- */

static enum reading read_checkpoint(struct prometheus_wal *w, const struct prometheus_follower *to,
                                    int64_t number, struct err *err)
{
    struct buf folder = BUF_INIT;
    struct listing l;
    enum reading r = READ_FAILED;
    buf_printf(&folder, "%s/checkpoint.%08lld", w->folder, (long long)number);
    if (list(folder.p, &l, err)) {
        stand_before(w, l.first);
        r = l.first == NOTHING ? READ_GONE : read_segments(w, to, folder.p, l.last, err);
    }
    buf_release(&folder);
    return r;
}

static enum reading begin(struct prometheus_wal *w, const struct prometheus_follower *to,
                          const struct listing *l, struct err *err)
{
    enum reading r = READ_ALL;
    to->forget(to->sink.self);
    w->damaged = 0;
    w->checkpoint = l->checkpoint;
    if (l->checkpoint != NOTHING)
        r = read_checkpoint(w, to, l->checkpoint, err);
    stand_before(w, l->checkpoint != NOTHING ? l->checkpoint + 1 : l->first);
    if (w->segment < l->first)
        stand_before(w, l->first);
    w->has_begun = r == READ_ALL;
    return r;
}

bool prometheus_wal_follow(struct prometheus_wal *w, const struct prometheus_follower *to,
                           struct err *err)
{
    struct listing l;
    for (int i = 0; i < ATTEMPTS; i++) {
        enum reading r = READ_ALL;
        if (!list(w->folder, &l, err))
            return false;
        if (l.last == NOTHING) {
            if (w->has_begun)
                to->forget(to->sink.self);
            w->has_begun = false;
            return true;
        }
        if (!w->has_begun || w->checkpoint != l.checkpoint)
            r = begin(w, to, &l, err);
        if (r == READ_ALL && w->segment <= l.last)
            r = read_segments(w, to, w->folder, l.last, err);
        else if (r == READ_ALL && w->inode != 0)
            r = READ_GONE;
        if (r == READ_ALL)
            return true;
        w->has_begun = false;
        if (r == READ_FAILED)
            return false;
    }
    return err_set(err, ERR_IO, "segments of '%s' are missing, or go faster than they can be read",
                   w->folder);
}
