/* loop.h -- the control thread's event loop (libuv). It owns all mutable control state: scrapes,
 * timers, ticks and actuators run on it, one callback at a time. Other threads reach it only by
 * loop_post and loop_call. Everything else in this header is for the loop's own thread. */
#ifndef CQED_IO_LOOP_H
#define CQED_IO_LOOP_H

#include "base/err.h"

#include <stdint.h>
#include <uv.h>

struct loop;
struct loop_timer;

struct loop *loop_new(struct err *);
void loop_run(
    struct loop *); /* until loop_stop; the calling thread is the loop's thread from here */
void loop_stop(struct loop *); /* any thread, and signal-safe through loop_on_signal */
void loop_free(struct loop *); /* after loop_run returned; closes what is still open */
uv_loop_t *loop_uv(struct loop *);

/* Run fn(arg) on the loop soon. Any thread. Runs in the order of the calls. */
void loop_post(struct loop *, void (*fn)(void *arg), void *arg);

/* Run fn(arg) on the loop and wait for it: how an HTTP thread reads or changes control state. Any
 * other thread; on the loop's own thread it runs at once. False (and fn never runs) once the loop
 * stopped. */
MUST_CHECK bool loop_call(struct loop *, void (*fn)(void *arg), void *arg);

/* Call fn(arg) after first_ms and then every period_ms (0 = once). Late ticks are merged, not made
 * up. */
struct loop_timer *loop_timer_start(struct loop *, int64_t first_ms, int64_t period_ms,
                                    void (*fn)(void *arg), void *arg);
void loop_timer_stop(
    struct loop_timer *); /* frees it; NULL is fine; may be called from its own fn */

void loop_on_signal(struct loop *, int signal_number, void (*fn)(void *arg, int signal_number),
                    void *arg);

#endif
