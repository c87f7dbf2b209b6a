/* log.h -- one line per event on standard error: time, level, stage, sentence, key=value pairs.
 * Return an error or log it, never both. No secrets, no bytes from outside unescaped. Any thread.
 */
#ifndef CQED_BASE_LOG_H
#define CQED_BASE_LOG_H

#include "base/check.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level); /* default LOG_INFO */

/* log_line(LOG_INFO, "store", "head recovered series=%zu segments=%d", n, k); */
void log_line(enum log_level, const char *stage, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_debug(stage, ...) log_line(LOG_DEBUG, stage, __VA_ARGS__)
#define log_info(stage, ...) log_line(LOG_INFO, stage, __VA_ARGS__)
#define log_warn(stage, ...) log_line(LOG_WARN, stage, __VA_ARGS__)
#define log_error(stage, ...) log_line(LOG_ERROR, stage, __VA_ARGS__)

#endif
