/* Something to look at while it takes longer than a second. Its own thread, since the work blocks.
 */
#include "cli/internal.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_MS 1000
#define THEN_MS 200

struct progress {
    struct cli *cli;
    char text[256];
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t changed;
    bool stop;
};

/* Bytes of a text that fill that many columns, one a character. */
static size_t bytes_in(const char *text, size_t columns)
{
    size_t n = 0;
    for (; text[n]; n++) {
        if ((text[n] & 0xc0) != 0x80 && columns-- == 0)
            break;
    }
    return n;
}

void show_line(struct cli *cli, const char *text)
{
    if (!cli->err_is_terminal)
        return;
    /* A line that wraps could not be wiped. */
    size_t columns = columns_of(cli->err, true) - 1;
    (void)fprintf(cli->err, "\r\033[K%.*s", text ? (int)bytes_in(text, columns) : 0,
                  text ? text : "");
    (void)fflush(cli->err);
}

/* False when it is to stop. */
static bool wait_ms(struct progress *p, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stop && pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0)
        continue;
    bool stop = p->stop;
    (void)pthread_mutex_unlock(&p->lock);
    return !stop;
}

static void *show_progress(void *arg)
{
    static const char turning[] = "-\\|/";
    struct progress *p = arg;
    int64_t began_ns = clock_mono_ns();
    char line[300];
    for (unsigned i = 0; wait_ms(p, i ? THEN_MS : FIRST_MS); i++) {
        (void)snprintf(line, sizeof line, "%c %s, %d s", turning[i % 4], p->text,
                       (int)((clock_mono_ns() - began_ns) / 1000000000));
        show_line(p->cli, line);
    }
    return NULL;
}

struct progress *progress_start(struct cli *cli, const char *format, ...)
{
    if (!cli->err_is_terminal)
        return NULL;
    struct progress *p = calloc(1, sizeof *p);
    if (!p)
        check_no_memory(sizeof *p);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    p->cli = cli;
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&p->lock, NULL);
    CHECK(pthread_create(&p->thread, NULL, show_progress, p) == 0);
    return p;
}

void progress_stop(struct progress *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    show_line(p->cli, NULL);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
