#include "io/loop.h"

#include <pthread.h>
#include <stdlib.h>

/* A job of loop_post is on the heap; one of loop_call on its caller's stack. */
struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
    bool waited_for;
    bool done, ran;
};

struct signal_watch {
    uv_signal_t uv;
    struct signal_watch *next;
    void (*fn)(void *arg, int signal_number);
    void *arg;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_t thread;
    struct signal_watch *signals;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t done;
    struct job *first, *last;
    bool stopping; /* loop_stop was called */
    bool stopped;  /* nothing will run any more */
};

struct loop_timer {
    uv_timer_t uv;
    void (*fn)(void *arg);
    void *arg;
};

static struct job *take_job(struct loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    struct job *job = l->first;
    if (job) {
        l->first = job->next;
        if (!l->first)
            l->last = NULL;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return job;
}

static void finish_job(struct loop *l, struct job *job, bool ran)
{
    if (!job->waited_for) {
        free(job);
        return;
    }
    (void)pthread_mutex_lock(&l->lock);
    job->ran = ran;
    job->done = true;
    (void)pthread_cond_broadcast(&l->done);
    (void)pthread_mutex_unlock(&l->lock);
}

static void woken(uv_async_t *wake)
{
    struct loop *l = wake->data;
    for (struct job *job; (job = take_job(l));) {
        job->fn(job->arg);
        finish_job(l, job, true);
    }
    (void)pthread_mutex_lock(&l->lock);
    bool stop = l->stopping;
    (void)pthread_mutex_unlock(&l->lock);
    if (stop)
        uv_stop(&l->uv);
}

struct loop *loop_new(struct err *err)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        check_no_memory(sizeof *l);
    int status = uv_loop_init(&l->uv);
    if (status == 0)
        status = uv_async_init(&l->uv, &l->wake, woken);
    if (status != 0) {
        err_set(err, ERR_IO, "no event loop: %s", uv_strerror(status));
        free(l);
        return NULL;
    }
    l->wake.data = l;
    l->thread = pthread_self();
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->done, NULL);
    return l;
}

static bool is_on(struct loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    bool same = pthread_equal(l->thread, pthread_self());
    (void)pthread_mutex_unlock(&l->lock);
    return same;
}

void loop_run(struct loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->thread = pthread_self();
    (void)pthread_mutex_unlock(&l->lock);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    (void)pthread_mutex_lock(&l->lock);
    l->stopped = true;
    (void)pthread_mutex_unlock(&l->lock);
    for (struct job *job; (job = take_job(l));)
        finish_job(l, job, false);
}

void loop_stop(struct loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->stopping = true;
    (void)pthread_mutex_unlock(&l->lock);
    (void)uv_async_send(&l->wake);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    uv_walk(&l->uv, close_handle, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&l->uv) == 0);
    while (l->signals) {
        struct signal_watch *next = l->signals->next;
        free(l->signals);
        l->signals = next;
    }
    for (struct job *job; (job = take_job(l));)
        finish_job(l, job, false);
    (void)pthread_cond_destroy(&l->done);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

/* False when the loop has stopped. */
static bool enqueue(struct loop *l, struct job *job)
{
    (void)pthread_mutex_lock(&l->lock);
    bool open = !l->stopped;
    if (open) {
        if (l->last)
            l->last->next = job;
        else
            l->first = job;
        l->last = job;
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (open)
        (void)uv_async_send(&l->wake);
    return open;
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        check_no_memory(sizeof *job);
    job->fn = fn;
    job->arg = arg;
    if (!enqueue(l, job))
        free(job);
}

bool loop_call(struct loop *l, void (*fn)(void *arg), void *arg)
{
    if (is_on(l)) {
        fn(arg);
        return true;
    }
    struct job job = {.fn = fn, .arg = arg, .waited_for = true};
    if (!enqueue(l, &job))
        return false;
    (void)pthread_mutex_lock(&l->lock);
    while (!job.done)
        (void)pthread_cond_wait(&l->done, &l->lock);
    (void)pthread_mutex_unlock(&l->lock);
    return job.ran;
}

static void timer_fired(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_start(struct loop *l, int64_t first_ms, int64_t period_ms,
                                    void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (!timer)
        check_no_memory(sizeof *timer);
    timer->fn = fn;
    timer->arg = arg;
    CHECK(uv_timer_init(&l->uv, &timer->uv) == 0);
    timer->uv.data = timer;
    uv_update_time(&l->uv);
    CHECK(uv_timer_start(&timer->uv, timer_fired, first_ms > 0 ? (uint64_t)first_ms : 0,
                         (uint64_t)period_ms) == 0);
    return timer;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, timer_closed);
}

static void signal_came(uv_signal_t *uv, int signal_number)
{
    struct signal_watch *watch = uv->data;
    watch->fn(watch->arg, signal_number);
}

void loop_on_signal(struct loop *l, int signal_number, void (*fn)(void *arg, int signal_number),
                    void *arg)
{
    struct signal_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        check_no_memory(sizeof *watch);
    watch->fn = fn;
    watch->arg = arg;
    watch->next = l->signals;
    l->signals = watch;
    CHECK(uv_signal_init(&l->uv, &watch->uv) == 0);
    watch->uv.data = watch;
    CHECK(uv_signal_start(&watch->uv, signal_came, signal_number) == 0);
    uv_unref((uv_handle_t *)&watch->uv);
}
