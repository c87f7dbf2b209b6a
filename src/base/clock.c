#include "base/clock.h"

#include "base/num.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t shift_ms;

int64_t clock_wall_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + atomic_load(&shift_ms);
}

int64_t clock_mono_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void clock_shift_wall_ms(int64_t shift)
{
    atomic_store(&shift_ms, shift);
}

void clock_format_ms(struct buf *out, int64_t wall_ms)
{
    int64_t ms = wall_ms % 1000;
    if (ms < 0)
        ms += 1000;
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm t;
    CHECK(gmtime_r(&seconds, &t) != NULL);
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900, t.tm_mon + 1,
               t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)ms);
}

/* `digits` decimal digits at the front of *s, then the separator (0 = none). */
static bool take_field(struct str *s, size_t digits, char separator, int *out)
{
    size_t n = digits + (separator != 0);
    if (s->n < n || (separator && s->p[digits] != separator))
        return false;
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        *out = *out * 10 + (s->p[i] - '0');
    }
    *s = str_make(s->p + n, s->n - n);
    return true;
}

static bool take_zone(struct str s, int *offset_minutes)
{
    *offset_minutes = 0;
    if (s.n == 1)
        return s.p[0] == 'Z' || s.p[0] == 'z';
    if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-'))
        return false;
    int sign = s.p[0] == '-' ? -1 : 1, hours, minutes;
    s = str_make(s.p + 1, s.n - 1);
    if (!take_field(&s, 2, ':', &hours) || !take_field(&s, 2, 0, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *offset_minutes = sign * (hours * 60 + minutes);
    return true;
}

static void take_fraction(struct str *s, int *ms)
{
    *ms = 0;
    if (s->n < 2 || s->p[0] != '.')
        return;
    size_t i = 1;
    int scale = 100;
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
        *ms += (s->p[i] - '0') * scale;
        scale /= 10;
    }
    if (i > 1)
        *s = str_make(s->p + i, s->n - i);
}

bool clock_parse_rfc3339(struct str s, int64_t *wall_ms)
{
    int year, month, day, hour, minute, second, ms, zone;
    if (!take_field(&s, 4, '-', &year) || !take_field(&s, 2, '-', &month) || s.n < 3)
        return false;
    char separator = s.p[2];
    if (separator != 'T' && separator != 't' && separator != ' ')
        return false;
    if (!take_field(&s, 2, separator, &day) || !take_field(&s, 2, ':', &hour) ||
        !take_field(&s, 2, ':', &minute) || !take_field(&s, 2, 0, &second))
        return false;
    take_fraction(&s, &ms);
    if (!take_zone(s, &zone) || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 ||
        second > 60)
        return false;

    struct tm t = {.tm_year = year - 1900,
                   .tm_mon = month - 1,
                   .tm_mday = day,
                   .tm_hour = hour,
                   .tm_min = minute,
                   .tm_sec = second};
    time_t seconds = timegm(&t);
    if (t.tm_mon != month - 1) /* 31 April became 1 May */
        return false;
    *wall_ms = ((int64_t)seconds - (int64_t)zone * 60) * 1000 + ms;
    return true;
}
