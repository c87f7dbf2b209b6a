#include "base/fault.h"

#include "base/num.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_POINTS 32

struct point {
    char name[64];
    uint64_t after;     /* hits to let pass first */
    uint64_t every;     /* then each so-many-th; 0 = each */
    double probability; /* < 0 = always */
    uint64_t random;    /* state of this point's own generator */
    bool once;
    bool kill;
    int error;
    size_t short_bytes;
    uint64_t delay_ms; /* > 0: late, but done */
    uint64_t hits;
    bool spent;
};

bool fault_any_armed;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards points and n_points */
static struct point points[MAX_POINTS];
static size_t n_points;
static pthread_cond_t disarmed = PTHREAD_COND_INITIALIZER;
static uint64_t n_disarmed;

static struct point *find(const char *name)
{
    for (size_t i = 0; i < n_points; i++) {
        if (strcmp(points[i].name, name) == 0)
            return &points[i];
    }
    return NULL;
}

/* SplitMix64 (Steele, Lea, Flood 2014): enough for choosing where to fail. */
static double next_random(struct point *p)
{
    uint64_t z = p->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static bool fires(struct point *p)
{
    if (p->spent)
        return false;
    uint64_t hit = p->hits++;
    if (hit < p->after)
        return false;
    if (p->every > 1 && (hit - p->after) % p->every != 0)
        return false;
    if (p->probability >= 0 && next_random(p) >= p->probability)
        return false;
    p->spent = p->once;
    return true;
}

/* Locked; others are served meanwhile. */
static void wait_disarmed(uint64_t most_ms)
{
    struct timespec until;
    uint64_t before = n_disarmed;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + most_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(most_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    while (n_disarmed == before && pthread_cond_timedwait(&disarmed, &lock, &until) == 0)
        continue;
}

bool fault_hit_slow(const char *name)
{
    pthread_mutex_lock(&lock);
    struct point *p = find(name);
    bool hit = p && fires(p);
    bool dies = hit && p->kill;
    uint64_t delay_ms = hit ? p->delay_ms : 0;
    if (delay_ms > 0)
        wait_disarmed(delay_ms);
    pthread_mutex_unlock(&lock);
    if (dies)
        (void)kill(getpid(), SIGKILL);
    return hit && delay_ms == 0;
}

int fault_errno(const char *name)
{
    pthread_mutex_lock(&lock);
    struct point *p = find(name);
    int error = p ? p->error : EIO;
    pthread_mutex_unlock(&lock);
    return error;
}

size_t fault_short(const char *name)
{
    pthread_mutex_lock(&lock);
    struct point *p = find(name);
    size_t bytes = p ? p->short_bytes : 0;
    pthread_mutex_unlock(&lock);
    return bytes;
}

static bool parse_errno(struct str text, int *out)
{
    static const struct {
        const char *name;
        int value;
    } known[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EROFS", EROFS},  {"EACCES", EACCES},
                 {"EMFILE", EMFILE}, {"EINTR", EINTR},   {"EDQUOT", EDQUOT}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (str_is(text, known[i].name)) {
            *out = known[i].value;
            return true;
        }
    }
    return false;
}

static bool parse_option(struct point *p, struct str key, struct str value)
{
    uint64_t bytes;
    if (str_is(key, "once"))
        return p->once = true;
    if (str_is(key, "kill"))
        return p->kill = true;
    if (str_is(key, "after"))
        return num_parse_u64(value, &p->after);
    if (str_is(key, "every"))
        return num_parse_u64(value, &p->every);
    if (str_is(key, "seed"))
        return num_parse_u64(value, &p->random);
    if (str_is(key, "p"))
        return num_parse_double(value, &p->probability) && p->probability >= 0;
    if (str_is(key, "delay"))
        return num_parse_u64(value, &p->delay_ms) && p->delay_ms < 3600000;
    if (str_is(key, "errno"))
        return parse_errno(value, &p->error);
    if (str_is(key, "short") && num_parse_u64(value, &bytes)) {
        p->short_bytes = (size_t)bytes;
        return true;
    }
    return false;
}

static bool parse_point(struct str spec, struct point *p, struct err *err)
{
    struct str option;
    *p = (struct point){.probability = -1, .error = EIO};
    if (!str_cut(&spec, ':', &option) || option.n == 0 || option.n >= sizeof p->name)
        return err_set(err, ERR_BAD_INPUT, "a fault point needs a name of 1 to 63 bytes");
    memcpy(p->name, option.p, option.n);
    while (str_cut(&spec, ':', &option)) {
        struct str key, value = option;
        (void)str_cut(&value, '=', &key);
        if (!parse_option(p, key, value))
            return err_set(err, ERR_BAD_INPUT, "fault point %s: bad option '" STR_FMT "'", p->name,
                           STR_ARG(option));
    }
    return true;
}

static bool add_point(const struct point *p, struct err *err)
{
    pthread_mutex_lock(&lock);
    struct point *slot = find(p->name);
    bool full = !slot && n_points == MAX_POINTS;
    if (!slot && !full)
        slot = &points[n_points++];
    if (slot)
        *slot = *p;
    __atomic_store_n(&fault_any_armed, n_points > 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
    return !full || err_set(err, ERR_LIMIT, "more than %d fault points are armed", MAX_POINTS);
}

bool fault_arm(const char *spec, struct err *err)
{
    struct str rest = str_from(spec), one;
    while (str_cut(&rest, ';', &one)) {
        struct point p;
        if (one.n == 0)
            continue;
        if (!parse_point(one, &p, err) || !add_point(&p, err))
            return false;
    }
    return true;
}

bool fault_arm_from_env(struct err *err)
{
    const char *spec = getenv("CQED_FAULTS");
    return !spec || fault_arm(spec, err);
}

void fault_disarm_all(void)
{
    pthread_mutex_lock(&lock);
    n_points = 0;
    n_disarmed++;
    pthread_cond_broadcast(&disarmed);
    __atomic_store_n(&fault_any_armed, false, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}
