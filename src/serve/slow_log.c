/* Queries that took longer than query.slowLog.threshold, one line each: in the program's log, or as
 * JSON in a file of their own. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "serve/internal.h"

#include <stdlib.h>
#include <unistd.h>

#define MAX_SHOWN 2000
#define FILE_MODE 0640

struct slow_log {
    int64_t threshold_ms;
    char *path;
    int fd;               /* -1: the program's log */
    pthread_mutex_t lock; /* one line after another */
};

struct slow_log *slow_log_open(int64_t threshold_ms, const char *path, struct err *err)
{
    int fd = path ? file_open_append(path, FILE_MODE, err) : -1;
    if (path && fd < 0)
        return NULL;
    struct slow_log *log = calloc(1, sizeof *log);
    if (!log || (path && !(log->path = strdup(path))))
        check_no_memory(sizeof *log);
    log->threshold_ms = threshold_ms;
    log->fd = fd;
    (void)pthread_mutex_init(&log->lock, NULL);
    return log;
}

void slow_log_close(struct slow_log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        (void)close(log->fd);
    (void)pthread_mutex_destroy(&log->lock);
    free(log->path);
    free(log);
}

static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    struct buf text = BUF_INIT;
    clock_format_ms(&text, ms);
    json_key(w, key);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

static void add_line(struct buf *out, const struct slow_query *q)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open_object(&w);
    put_time(&w, "at", clock_wall_ms());
    json_key(&w, "seconds");
    json_put_double(&w, (double)q->took_ns / 1e9);
    json_key(&w, "kind");
    json_put_cstr(&w, q->kind);
    json_key(&w, "query");
    json_put_str(&w, str_make(q->query, strnlen(q->query, MAX_SHOWN)));
    put_time(&w, "start", q->start_ms);
    put_time(&w, "end", q->end_ms);
    json_key(&w, "step");
    json_put_double(&w, (double)q->step_ms / 1000);
    json_key(&w, "samples");
    json_put_i64(&w, (int64_t)q->samples);
    json_key(&w, "bytes");
    json_put_i64(&w, (int64_t)q->bytes);
    json_key(&w, "peer");
    json_put_cstr(&w, q->peer);
    if (q->error) {
        json_key(&w, "error");
        json_put_cstr(&w, q->error);
    }
    json_close_object(&w);
    json_writer_end(&w);
}

void slow_log_note(struct slow_log *log, const struct slow_query *q)
{
    struct buf line = BUF_INIT;
    struct err err = ERR_INIT;
    if (!log || q->took_ns < log->threshold_ms * 1000000)
        return;
    add_line(&line, q);
    if (log->fd < 0) {
        log_warn("query", "slow: %s", line.p);
    } else {
        buf_add_char(&line, '\n');
        (void)pthread_mutex_lock(&log->lock);
        bool written = file_write_all(log->fd, log->path, line.p, line.n, &err);
        (void)pthread_mutex_unlock(&log->lock);
        if (!written)
            log_warn("query", "%s", err.message);
    }
    buf_release(&line);
}
