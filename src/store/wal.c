#include "store/wal.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/record.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRATCH_KEEP_BYTES (8u << 20)

struct wal {
    char *folder;
    uint64_t segment_bytes;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t synced_more;

    /* The open segment; fd is -1 between segments. */
    int fd;
    struct buf path;
    struct wal_segment open;
    uint64_t definition_bytes; /* of open.size_bytes */
    uint32_t next_id;
    bool given_up; /* or cut: the next write begins a new segment */

    struct wal_segment *finished; /* by number */
    size_t n_finished;
    size_t finished_capacity;

    uint64_t written; /* positions count over all segments of this process */
    uint64_t synced;  /* also past what was lost: nobody waits for that */
    uint64_t lost_upto;
    uint64_t losses;
    bool syncing; /* someone is in fdatasync without the lock */
    uint64_t tickets;
    uint64_t fsyncs;
    struct buf scratch;
};

void wal_segment_path(struct buf *out, const char *folder, uint32_t number)
{
    buf_printf(out, "%s/%08u", folder, number);
}

static void push_finished(struct wal *w, const struct wal_segment *s)
{
    w->finished = mem_grow(w->finished, w->n_finished, &w->finished_capacity, sizeof *w->finished);
    w->finished[w->n_finished++] = *s;
}

struct wal *wal_new(const struct wal_options *o)
{
    struct wal *w = mem_zalloc(sizeof *w);
    w->folder = mem_strdup(o->folder);
    w->segment_bytes = o->segment_bytes;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->synced_more, NULL);
    w->fd = -1;
    w->open.number = o->next_number - 1;
    for (size_t i = 0; i < o->n_old; i++)
        push_finished(w, &o->old[i]);
    return w;
}

void wal_free(struct wal *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    pthread_cond_destroy(&w->synced_more);
    pthread_mutex_destroy(&w->lock);
    buf_release(&w->path);
    buf_release(&w->scratch);
    free(w->finished);
    free(w->folder);
    free(w);
}

static bool sync_file(int fd, const char *path, struct err *err)
{
    if (fault_hit("wal.fsync")) {
        errno = fault_errno("wal.fsync");
        return err_errno(err, "cannot sync %s", path);
    }
    return file_sync(fd, path, err);
}

static bool write_bytes(int fd, const char *path, struct str data, struct err *err)
{
    if (!fault_hit("wal.write"))
        return file_write_all(fd, path, data.p, data.n, err);
    size_t through = fault_short("wal.write");
    if (!file_write_all(fd, path, data.p, through < data.n ? through : data.n, err))
        return false;
    errno = fault_errno("wal.write");
    return err_errno(err, "cannot write %s", path);
}

/* Everything up to `upto` is either on disk or lost. After a failed fsync Linux forgets which pages
 * were dirty, so that a second attempt would lie (Rebello et al., USENIX ATC 2020): the segment is
 * given up. Called with the lock. */
static void settle(struct wal *w, uint64_t upto, bool done)
{
    w->fsyncs++;
    if (!done) {
        w->lost_upto = upto;
        w->losses++;
        w->given_up = true;
    }
    if (upto > w->synced)
        w->synced = upto;
    pthread_cond_broadcast(&w->synced_more);
}

static void finish_segment(struct wal *w)
{
    struct err err = ERR_INIT;
    if (w->synced < w->written) {
        bool done = sync_file(w->fd, w->path.p, &err);
        if (!done)
            log_error("store", "samples may be lost if the machine stops: %s", err.message);
        settle(w, w->written, done);
    }
    close(w->fd);
    w->fd = -1;
    push_finished(w, &w->open);
}

static bool begin_segment(struct wal *w, struct err *err)
{
    struct buf header = BUF_INIT;
    segment_header_add(&header);
    buf_clear(&w->path);
    wal_segment_path(&w->path, w->folder, w->open.number + 1);
    int fd = file_open_append(w->path.p, 0600, err);
    bool done = fd >= 0 && write_bytes(fd, w->path.p, buf_str(&header), err) &&
                file_sync_folder(w->folder, err);
    buf_release(&header);
    if (!done) {
        if (fd >= 0) {
            close(fd);
            (void)unlink(w->path.p);
        }
        return false;
    }
    w->fd = fd;
    w->open = (struct wal_segment){w->open.number + 1, INT64_MIN, SEGMENT_HEADER_BYTES};
    w->definition_bytes = 0;
    w->next_id = 0;
    w->given_up = false;
    return true;
}

/* Definitions, repeated in each segment, are never more than half of what is written. */
static bool is_full(const struct wal *w)
{
    uint64_t samples = w->open.size_bytes - w->definition_bytes;
    return samples >= w->segment_bytes && samples >= w->definition_bytes;
}

static bool ready_segment(struct wal *w, struct err *err)
{
    while (w->fd >= 0 && (w->given_up || is_full(w))) {
        if (w->syncing)
            pthread_cond_wait(&w->synced_more, &w->lock);
        else
            finish_segment(w);
    }
    return w->fd >= 0 || begin_segment(w, err);
}

/* Cut off what a failed write left. If even that fails, replay finds the record torn. */
static void give_up_segment(struct wal *w)
{
    if (ftruncate(w->fd, (off_t)w->open.size_bytes) != 0)
        log_error("store", "%s keeps the start of a failed write", w->path.p);
    w->given_up = true;
}

static bool write_locked(struct wal *w, bool (*make)(void *, struct wal_draft *, struct err *),
                         void *arg, struct wal_receipt *receipt, struct err *err)
{
    if (!ready_segment(w, err))
        return false;
    buf_clear(&w->scratch);
    struct wal_draft draft = {&w->scratch, w->open.number, &w->next_id, 0, INT64_MIN};
    if (!make(arg, &draft, err) || !write_bytes(w->fd, w->path.p, buf_str(&w->scratch), err)) {
        give_up_segment(w);
        return false;
    }
    w->open.size_bytes += w->scratch.n;
    w->definition_bytes += draft.definition_bytes;
    if (draft.max_t_ms > w->open.max_t_ms)
        w->open.max_t_ms = draft.max_t_ms;
    w->written += w->scratch.n;
    *receipt = (struct wal_receipt){w->written, w->tickets++};
    return true;
}

bool wal_write(struct wal *w, bool (*make)(void *arg, struct wal_draft *, struct err *), void *arg,
               struct wal_receipt *receipt, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    bool done = write_locked(w, make, arg, receipt, err);
    if (w->scratch.capacity > SCRATCH_KEEP_BYTES)
        buf_release(&w->scratch);
    pthread_mutex_unlock(&w->lock);
    return done;
}

/* The first to come syncs for all that has been written; who comes meanwhile waits for the next
 * round. The lock is not held in fdatasync; `syncing` keeps the descriptor open. */
static bool sync_round(struct wal *w, struct err *err)
{
    uint64_t upto = w->written;
    int fd = w->fd;
    char *path = mem_strdup(w->path.p);
    w->syncing = true;
    pthread_mutex_unlock(&w->lock);
    bool done = sync_file(fd, path, err);
    free(path);
    pthread_mutex_lock(&w->lock);
    w->syncing = false;
    settle(w, upto, done);
    return done;
}

static bool sync_locked(struct wal *w, uint64_t position, struct err *err)
{
    uint64_t losses = w->losses;
    while (w->synced < position) {
        if (w->syncing)
            pthread_cond_wait(&w->synced_more, &w->lock);
        else if (!sync_round(w, err))
            return false;
    }
    if (w->losses != losses && w->lost_upto >= position)
        return err_set(err, ERR_IO, "%s: what was written may not be on disk", w->folder);
    return true;
}

bool wal_sync_to(struct wal *w, uint64_t position, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    bool done = sync_locked(w, position, err);
    pthread_mutex_unlock(&w->lock);
    return done;
}

bool wal_sync(struct wal *w, struct err *err)
{
    pthread_mutex_lock(&w->lock);
    bool done = sync_locked(w, w->written, err);
    pthread_mutex_unlock(&w->lock);
    return done;
}

void wal_cut(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    w->given_up = w->fd >= 0;
    pthread_mutex_unlock(&w->lock);
}

/* --- Marks --- */

void wal_mark(struct wal *w, struct wal_mark *m)
{
    pthread_mutex_lock(&w->lock);
    bool open = w->fd >= 0;
    *m = (struct wal_mark){.segment = w->open.number + !open,
                           .offset = open ? w->open.size_bytes : 0,
                           .next_id = open ? w->next_id : 0,
                           .position = w->written,
                           .ticket = w->tickets++,
                           .segments = mem_array(w->n_finished + 1, sizeof *m->segments),
                           .n_segments = w->n_finished + open};
    if (w->n_finished > 0)
        memcpy(m->segments, w->finished, w->n_finished * sizeof *w->finished);
    if (open)
        m->segments[w->n_finished] = w->open;
    pthread_mutex_unlock(&w->lock);
}

bool wal_hold(struct wal *w, const struct wal_mark *m)
{
    pthread_mutex_lock(&w->lock);
    if (m->offset == 0 || w->open.number == m->segment)
        return true;
    pthread_mutex_unlock(&w->lock);
    return false;
}

void wal_let_go(struct wal *w)
{
    pthread_mutex_unlock(&w->lock);
}

static uint64_t bytes_from(const struct wal_segment *s, uint32_t segment, uint64_t offset)
{
    if (s->number != segment)
        return s->number > segment ? s->size_bytes : 0;
    return s->size_bytes > offset ? s->size_bytes - offset : 0;
}

uint64_t wal_bytes_from(struct wal *w, uint32_t segment, uint64_t offset)
{
    pthread_mutex_lock(&w->lock);
    uint64_t n = w->fd >= 0 ? bytes_from(&w->open, segment, offset) : 0;
    for (size_t i = 0; i < w->n_finished; i++)
        n += bytes_from(&w->finished[i], segment, offset);
    pthread_mutex_unlock(&w->lock);
    return n;
}

uint32_t wal_first_segment(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    uint32_t first = w->n_finished > 0 ? w->finished[0].number : w->open.number + (w->fd < 0);
    pthread_mutex_unlock(&w->lock);
    return first;
}

void wal_drop_before(struct wal *w, int64_t t_ms)
{
    struct buf path = BUF_INIT;
    size_t n = 0;
    pthread_mutex_lock(&w->lock);
    for (; n < w->n_finished && w->finished[n].max_t_ms < t_ms; n++) {
        buf_clear(&path);
        wal_segment_path(&path, w->folder, w->finished[n].number);
        if (unlink(path.p) != 0 && errno != ENOENT) {
            log_warn("store", "cannot delete %s", path.p);
            break;
        }
    }
    w->n_finished -= n;
    if (n > 0)
        memmove(w->finished, w->finished + n, w->n_finished * sizeof *w->finished);
    pthread_mutex_unlock(&w->lock);
    buf_release(&path);
}

void wal_stats(struct wal *w, uint64_t *size_bytes, uint64_t *fsyncs)
{
    pthread_mutex_lock(&w->lock);
    *size_bytes = w->fd >= 0 ? w->open.size_bytes : 0;
    for (size_t i = 0; i < w->n_finished; i++)
        *size_bytes += w->finished[i].size_bytes;
    *fsyncs = w->fsyncs;
    pthread_mutex_unlock(&w->lock);
}
