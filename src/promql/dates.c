/* Parts of a date: seconds after 1970 in UTC as a civil date (Howard Hinnant's algorithm
 * "civil_from_days", in integers). */
#include "promql/functions.h"

#include <math.h>

/* Years of about +-290 million: whatever is beyond is not a date. */
#define MAX_DATE_SECONDS 9e15

struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int64_t days;   /* since 1970-01-01 */
    int hour, minute;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool civil_of(double seconds, struct civil *out)
{
    if (!(fabs(seconds) < MAX_DATE_SECONDS))
        return false;
    int64_t t = (int64_t)seconds; /* toward zero, as Prometheus does */
    out->days = floor_div(t, 86400);
    int second = (int)(t - out->days * 86400);
    out->hour = second / 3600;
    out->minute = second / 60 % 60;
    /* Years begin in March here, so that the leap day is the last. */
    int64_t shifted = out->days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    out->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    out->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    out->year = year_of_era + era * 400 + (out->month <= 2);
    return true;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

double date_year(double v, const double *parameters)
{
    struct civil c;
    (void)parameters;
    return civil_of(v, &c) ? (double)c.year : (double)NAN;
}

double date_month(double v, const double *parameters)
{
    struct civil c;
    (void)parameters;
    return civil_of(v, &c) ? c.month : (double)NAN;
}

double date_day_of_month(double v, const double *parameters)
{
    struct civil c;
    (void)parameters;
    return civil_of(v, &c) ? c.day : (double)NAN;
}

/* 1970-01-01 was a Thursday; Sunday is 0. */
double date_day_of_week(double v, const double *parameters)
{
    struct civil c;
    (void)parameters;
    return civil_of(v, &c) ? (double)((c.days % 7 + 7 + 4) % 7) : (double)NAN;
}

double date_day_of_year(double v, const double *parameters)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    struct civil c;
    (void)parameters;
    if (!civil_of(v, &c))
        return (double)NAN;
    return before[c.month - 1] + c.day + (c.month > 2 && is_leap(c.year));
}

double date_days_in_month(double v, const double *parameters)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct civil c;
    (void)parameters;
    if (!civil_of(v, &c))
        return (double)NAN;
    return days[c.month - 1] + (c.month == 2 && is_leap(c.year));
}

double date_hour(double v, const double *parameters)
{
    struct civil c;
    (void)parameters;
    return civil_of(v, &c) ? c.hour : (double)NAN;
}

double date_minute(double v, const double *parameters)
{
    struct civil c;
    (void)parameters;
    return civil_of(v, &c) ? c.minute : (double)NAN;
}
