#include "block/file.h"

#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAIN_BYTES (1u << 20)

static bool injected(const char *point)
{
    if (!fault_hit(point))
        return false;
    errno = fault_errno(point);
    return true;
}

bool block_file_create(struct block_file *f, const char *path, struct err *err)
{
    buf_clear(&f->path);
    buf_clear(&f->pending);
    buf_add_cstr(&f->path, path);
    f->offset = 0;
    f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return f->fd >= 0 || err_errno(err, "cannot make %s", path);
}

void block_file_add(struct block_file *f, struct str s)
{
    buf_add_str(&f->pending, s);
    f->offset += s.n;
}

void block_file_u8(struct block_file *f, uint8_t v)
{
    block_file_add(f, str_make((const char *)&v, sizeof v));
}

void block_file_u32(struct block_file *f, uint32_t v)
{
    v = htobe32(v);
    block_file_add(f, str_make((const char *)&v, sizeof v));
}

void block_file_uvarint(struct block_file *f, uint64_t v)
{
    size_t before = f->pending.n;
    buf_add_uvarint(&f->pending, v);
    f->offset += f->pending.n - before;
}

void block_file_zeros(struct block_file *f, size_t n)
{
    static const char zeros[16];
    block_file_add(f, str_make(zeros, n < sizeof zeros ? n : sizeof zeros));
}

void block_file_align(struct block_file *f, size_t bytes)
{
    size_t over = (size_t)(f->offset % bytes);
    if (over > 0)
        block_file_zeros(f, bytes - over);
}

static bool write_pending(struct block_file *f, struct err *err)
{
    bool fails = injected("block.write");
    size_t n = f->pending.n;
    if (fails && fault_short("block.write") < n)
        n = fault_short("block.write");
    int why = errno;
    if (!file_write_all(f->fd, f->path.p, f->pending.p, n, err))
        return false;
    if (fails) {
        errno = why;
        return err_errno(err, "cannot write %s", f->path.p);
    }
    buf_clear(&f->pending);
    return true;
}

bool block_file_has(struct block_file *f, uint64_t offset, struct str bytes)
{
    uint64_t written = f->offset - f->pending.n;
    char there[4096];
    if (offset >= written)
        return offset + bytes.n <= f->offset &&
               memcmp(f->pending.p + (offset - written), bytes.p, bytes.n) == 0;
    while (bytes.n > 0 && offset < written) {
        size_t n = bytes.n < sizeof there ? bytes.n : sizeof there;
        if (pread(f->fd, there, n, (off_t)offset) != (ssize_t)n || memcmp(there, bytes.p, n) != 0)
            return false;
        bytes = str_make(bytes.p + n, bytes.n - n);
        offset += n;
    }
    return bytes.n == 0;
}

bool block_file_drain(struct block_file *f, struct err *err)
{
    return f->pending.n < DRAIN_BYTES || write_pending(f, err);
}

bool block_file_finish(struct block_file *f, struct err *err)
{
    if (f->pending.n > 0 && !write_pending(f, err))
        return false;
    if (injected("block.sync"))
        return err_errno(err, "cannot sync %s", f->path.p);
    bool done = file_sync(f->fd, f->path.p, err);
    close(f->fd);
    f->fd = -1;
    return done;
}

void block_file_release(struct block_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    buf_release(&f->path);
    buf_release(&f->pending);
}

bool block_rename(const char *from, const char *to, struct err *err)
{
    if (injected("block.rename") || rename(from, to) != 0)
        return err_errno(err, "cannot rename %s to %s", from, to);
    return true;
}

static void remove_one(void *arg, const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", (const char *)arg, name);
    if (file_is_folder(path.p)) {
        if (file_list(path.p, remove_one, path.p, NULL))
            (void)rmdir(path.p);
    } else {
        (void)unlink(path.p);
    }
    buf_release(&path);
}

void block_remove_folder(const char *path)
{
    char *folder = (char *)(uintptr_t)path;
    if (file_is_folder(path) && file_list(path, remove_one, folder, NULL))
        (void)rmdir(path);
}

bool block_map_file(const char *path, struct str *out, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *out = STR("");
    if (fd < 0) {
        int why = errno;
        err_errno(err, "cannot open %s", path);
        if (err && why == ENOENT)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    bool done = fstat(fd, &st) == 0;
    void *p = NULL;
    if (done && st.st_size > 0)
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    done = done && p != MAP_FAILED;
    if (!done)
        err_errno(err, "cannot map %s", path);
    else if (p)
        *out = str_make(p, (size_t)st.st_size);
    close(fd);
    return done;
}

void block_unmap(struct str s)
{
    if (s.n > 0)
        munmap((void *)(uintptr_t)s.p, s.n);
}
