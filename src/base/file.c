#include "base/file.h"

#include "base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fault points: file.open file.read file.write file.sync file.rename. */
static bool injected(const char *point)
{
    if (!fault_hit(point))
        return false;
    errno = fault_errno(point);
    return true;
}

static int open_file(const char *path, int flags, mode_t mode, struct err *err)
{
    int fd = injected("file.open") ? -1 : open(path, flags | O_CLOEXEC, mode);
    if (fd < 0) {
        int why = errno;
        err_errno(err, "cannot open %s", path);
        if (err && why == ENOENT)
            err->code = ERR_NOT_FOUND;
    }
    return fd;
}

static bool read_all(int fd, const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    size_t before = out->n;
    for (;;) {
        size_t room = 65536;
        char *end = buf_reserve(out, room);
        ssize_t got = injected("file.read") ? -1 : read(fd, end, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "cannot read %s", path);
        if (got == 0)
            return true;
        out->n += (size_t)got;
        out->p[out->n] = '\0';
        if (out->n - before > max_bytes)
            return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", path, max_bytes);
    }
}

bool file_read(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    int fd = open_file(path, O_RDONLY, 0, err);
    if (fd < 0)
        return false;
    bool done = read_all(fd, path, max_bytes, out, err);
    close(fd);
    return done;
}

int file_open_append(const char *path, mode_t mode, struct err *err)
{
    return open_file(path, O_WRONLY | O_CREAT | O_APPEND, mode, err);
}

bool file_write_all(int fd, const char *path, const void *data, size_t size_bytes, struct err *err)
{
    const char *p = data;
    size_t left = size_bytes;
    bool fails = fault_hit("file.write");
    if (fails && fault_short("file.write") < left)
        left = fault_short("file.write");
    while (left > 0) {
        ssize_t written = write(fd, p, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return err_errno(err, "cannot write %s", path);
        p += written;
        left -= (size_t)written;
    }
    if (fails) {
        errno = fault_errno("file.write");
        return err_errno(err, "cannot write %s", path);
    }
    return true;
}

bool file_sync(int fd, const char *path, struct err *err)
{
    if (injected("file.sync") || fdatasync(fd) != 0)
        return err_errno(err, "cannot sync %s", path);
    return true;
}

bool file_sync_folder(const char *path, struct err *err)
{
    int fd = open_file(path, O_RDONLY | O_DIRECTORY, 0, err);
    if (fd < 0)
        return false;
    bool done = !injected("file.sync") && fsync(fd) == 0;
    if (!done)
        err_errno(err, "cannot sync %s", path);
    close(fd);
    return done;
}

/* "a/b/c" -> "a/b", "c" -> ".", "/c" -> "/". */
static void add_parent(struct buf *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        buf_add_char(out, '.');
    else
        buf_add(out, path, slash == path ? 1 : (size_t)(slash - path));
}

static bool write_temporary(const char *path, struct str content, mode_t mode, struct err *err)
{
    int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode, err);
    if (fd < 0)
        return false;
    bool done = file_write_all(fd, path, content.p, content.n, err) && file_sync(fd, path, err);
    close(fd);
    return done;
}

bool file_replace(const char *path, struct str content, mode_t mode, struct err *err)
{
    bool done = false;
    struct buf temporary = BUF_INIT, folder = BUF_INIT;
    buf_printf(&temporary, "%s.tmp", path);
    add_parent(&folder, path);

    if (!write_temporary(temporary.p, content, mode, err))
        goto out;
    if (injected("file.rename") || rename(temporary.p, path) != 0) {
        err_errno(err, "cannot replace %s", path);
        goto out;
    }
    done = file_sync_folder(folder.p, err);
out:
    if (!done)
        (void)unlink(temporary.p);
    buf_release(&temporary);
    buf_release(&folder);
    return done;
}

bool file_make_folders(const char *path, mode_t mode, struct err *err)
{
    char *copy = strdup(path);
    if (!copy)
        check_no_memory(strlen(path));
    bool done = true;
    for (char *p = copy + 1; done && p[-1]; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) != 0 && !(errno == EEXIST && file_is_folder(copy)))
            done = err_errno(err, "cannot make folder %s", copy);
        *p = c;
    }
    free(copy);
    return done;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool file_list(const char *folder, void (*each)(void *arg, const char *name), void *arg,
               struct err *err)
{
    struct dirent **names;
    int n = scandir(folder, &names, NULL, compare_names);
    if (n < 0)
        return err_errno(err, "cannot list %s", folder);
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
            each(arg, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return true;
}

int file_lock(const char *path, struct err *err)
{
    int fd = open_file(path, O_RDWR | O_CREAT, 0600, err);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            err_set(err, ERR_CONFLICT, "%s is locked by another running instance", path);
        else
            err_errno(err, "cannot lock %s", path);
        close(fd);
        return -1;
    }
    return fd;
}
