#include "store/head_snapshot.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "block/file.h"
#include "store/internal.h"
#include "store/snapshot.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LEAST_LOG_BYTES (UINT64_C(16) << 20) /* less is read in a tenth of a second */
#define LEAST_LOG_BYTES_CLOSING (UINT64_C(1) << 20)
#define LOG_SHARE 4 /* the log since the last one, as a part of it */
#define BYTES_A_SECOND (UINT64_C(64) << 20)
#define SERIES_BYTES 64 /* about what one takes without its chunks */
#define SPARE_DISK_BYTES (UINT64_C(64) << 20)

struct head_snapshot {
    struct store *store;
    char *path, *temporary;
    int64_t least_ns;

    /* Of the one that is there; segment 0 = none is. */
    uint32_t segment;
    uint64_t offset;
    _Atomic int64_t horizon_ms;
    int64_t made_ns; /* by the monotonic clock; INT64_MIN = before this process */
    bool fails;      /* the last attempt did */

    _Atomic uint64_t size_bytes, written, failures, skipped, set_aside;
    _Atomic int64_t made_ms, pause_ns, write_ms, load_ms;
};

struct head_snapshot *head_snapshot_new(struct store *s, int64_t least_ms)
{
    struct head_snapshot *x = mem_zalloc(sizeof *x);
    struct buf path = BUF_INIT;
    x->store = s;
    x->least_ns = least_ms * 1000000;
    x->made_ns = INT64_MIN;
    atomic_store(&x->horizon_ms, INT64_MAX);
    buf_printf(&path, "%s/" SNAPSHOT_FILE, s->folder);
    x->path = buf_detach(&path);
    buf_printf(&path, "%s.tmp", x->path);
    x->temporary = buf_detach(&path);
    return x;
}

void head_snapshot_free(struct head_snapshot *x)
{
    if (!x)
        return;
    free(x->path);
    free(x->temporary);
    free(x);
}

static void note_file(struct head_snapshot *x, const struct snapshot_facts *f, uint64_t size_bytes)
{
    x->segment = f->segment;
    x->offset = f->offset;
    atomic_store(&x->horizon_ms, f->horizon_ms);
    atomic_store(&x->size_bytes, size_bytes);
}

static void note_none(struct head_snapshot *x)
{
    x->segment = 0;
    x->offset = 0;
    atomic_store(&x->horizon_ms, INT64_MAX);
    atomic_store(&x->size_bytes, 0);
}

/* --- At the start --- */

static void set_aside(struct head_snapshot *x, const struct err *why)
{
    struct buf aside = BUF_INIT;
    struct err err = ERR_INIT;
    buf_printf(&aside, "%s.corrupt", x->path);
    log_error("store", "head snapshot set aside, the whole log is read file=%s why=%s", aside.p,
              why->message);
    if (!block_rename(x->path, aside.p, &err))
        log_error("store", "%s", err.message);
    atomic_fetch_add(&x->set_aside, 1);
    buf_release(&aside);
}

/* Whether a tap can take part, if there is one. */
static bool tap_takes_part(const struct store_tap *tap)
{
    return !tap || (tap->save && tap->load && tap->newest);
}

static bool load(struct head_snapshot *x, struct snapshot *s, const struct store_options *options,
                 struct replay_from *from, struct err *err)
{
    struct head *h = &x->store->head;
    const struct snapshot_facts *f = snapshot_facts(s);
    int64_t border_ms = atomic_load(&h->border_ms);
    if (!replay_from_fits(f, x->store->folder, err))
        return false;
    if (!snapshot_load(s, h, &from->defined, err)) {
        head_release(h);
        head_init(h, options);
        (void)head_move_border(h, border_ms);
        return false;
    }
    from->segment = f->segment;
    from->offset = f->offset;
    from->n_defined = f->next_id;
    from->segments = mem_array(f->n_segments + 1, sizeof *from->segments);
    from->n_segments = f->n_segments;
    if (f->n_segments > 0)
        memcpy(from->segments, f->segments, f->n_segments * sizeof *f->segments);
    note_file(x, f, snapshot_size(s));
    return true;
}

void head_snapshot_load(struct head_snapshot *x, const struct store_options *options,
                        struct replay_from *from)
{
    struct err err = ERR_INIT;
    int64_t begin_ns = clock_mono_ns();
    *from = (struct replay_from){0};
    (void)unlink(x->temporary);
    if (!tap_takes_part(options->tap))
        return;
    struct snapshot *s = snapshot_open(x->path, &err);
    if (!s && err.code == ERR_NOT_FOUND)
        return;
    if (!s || !load(x, s, options, from, &err)) {
        set_aside(x, &err);
    } else {
        atomic_store(&x->load_ms, (clock_mono_ns() - begin_ns) / 1000000);
        log_info("store", "head snapshot read series=%u bytes=%llu ms=%lld",
                 snapshot_facts(s)->n_series, (unsigned long long)snapshot_size(s),
                 (long long)atomic_load(&x->load_ms));
    }
    snapshot_close(s);
}

/* --- Writing --- */

static uint64_t estimate(const struct head_snapshot *x)
{
    const struct head *h = &x->store->head;
    uint64_t size_bytes = atomic_load(&x->size_bytes);
    return size_bytes ? size_bytes
                      : (uint64_t)atomic_load(&h->chunk_bytes) +
                            (uint64_t)atomic_load(&h->n_living) * SERIES_BYTES;
}

static bool is_due(const struct head_snapshot *x, bool closing)
{
    uint64_t log = wal_bytes_from(x->store->wal, x->segment, x->offset);
    if (x->least_ns == 0 || !tap_takes_part(x->store->head.tap))
        return false;
    if (closing)
        return log >= LEAST_LOG_BYTES_CLOSING;
    if (x->made_ns != INT64_MIN && clock_mono_ns() - x->made_ns < x->least_ns)
        return false;
    return log >= LEAST_LOG_BYTES && log >= estimate(x) / LOG_SHARE;
}

/* Whether memory and the disk have room for it. */
static bool has_room(const struct head_snapshot *x)
{
    struct statvfs fs;
    if (budget_mark() != BUDGET_FREE || statvfs(x->store->folder, &fs) != 0)
        return false;
    return (uint64_t)fs.f_bavail * fs.f_frsize >= 2 * estimate(x) + SPARE_DISK_BYTES;
}

static bool write_file(struct head_snapshot *x, struct capture *c, bool closing,
                       const _Atomic bool *stop, struct err *err)
{
    const struct snapshot_writing how = {closing ? 0 : BYTES_A_SECOND, stop};
    uint64_t size_bytes;
    if (!capture_take(x->store, c, err) ||
        !snapshot_write(x->store, c, x->temporary, &how, &size_bytes, err))
        return false;
    /* It may not say that it has what the disk's log has not. */
    if (!wal_sync_to(x->store->wal, c->position, err) ||
        !block_rename(x->temporary, x->path, err) || !file_sync_folder(x->store->folder, err)) {
        (void)unlink(x->temporary);
        return false;
    }
    note_file(x, &c->facts, size_bytes);
    return true;
}

bool head_snapshot_write(struct head_snapshot *x, const _Atomic bool *stop, bool closing,
                         struct err *err)
{
    struct capture c;
    int64_t begin_ns = clock_mono_ns();
    bool done = write_file(x, &c, closing, stop, err);
    int64_t ms = (clock_mono_ns() - begin_ns) / 1000000;
    if (done) {
        x->made_ns = begin_ns;
        atomic_store(&x->made_ms, clock_wall_ms());
        atomic_store(&x->pause_ns, c.pause_ns);
        atomic_store(&x->write_ms, ms);
        atomic_fetch_add(&x->written, 1);
        log_info("store", "head snapshot written series=%u bytes=%llu ms=%lld paused_us=%lld",
                 c.facts.n_series, (unsigned long long)atomic_load(&x->size_bytes), (long long)ms,
                 (long long)c.pause_ns / 1000);
    }
    capture_release(x->store, &c);
    return done;
}

/* One that the log does not go on from any more is of no use. */
static void drop_outdated(struct head_snapshot *x)
{
    if (x->segment == 0 || x->segment >= wal_first_segment(x->store->wal))
        return;
    (void)unlink(x->path);
    note_none(x);
}

void head_snapshot_round(struct head_snapshot *x, bool closing, const _Atomic bool *stop)
{
    struct err err = ERR_INIT;
    drop_outdated(x);
    if (!is_due(x, closing))
        return;
    if (!has_room(x)) {
        atomic_fetch_add(&x->skipped, 1);
        return;
    }
    bool done = head_snapshot_write(x, stop, closing, &err);
    if (done || err.code == ERR_TIMEOUT || err.code == ERR_CONFLICT) {
        x->fails = false;
        return;
    }
    atomic_fetch_add(&x->failures, 1);
    if (!x->fails)
        log_warn("store", "no head snapshot, a restart reads more of the log: %s", err.message);
    x->fails = true;
}

int64_t head_snapshot_wait_s(const struct head_snapshot *x, int64_t most_s)
{
    int64_t least_s = x->least_ns / 1000000000 + 1;
    return x->least_ns > 0 && least_s < most_s ? least_s : most_s;
}

int64_t head_snapshot_horizon(const struct head_snapshot *x)
{
    return atomic_load(&x->horizon_ms);
}

void head_snapshot_stats(const struct head_snapshot *x, struct store_snapshot_stats *out)
{
    *out = (struct store_snapshot_stats){.written = atomic_load(&x->written),
                                         .failures = atomic_load(&x->failures),
                                         .skipped = atomic_load(&x->skipped),
                                         .set_aside = atomic_load(&x->set_aside),
                                         .size_bytes = atomic_load(&x->size_bytes),
                                         .made_ms = atomic_load(&x->made_ms),
                                         .pause_ns = atomic_load(&x->pause_ns),
                                         .write_ms = atomic_load(&x->write_ms),
                                         .load_ms = atomic_load(&x->load_ms)};
}
