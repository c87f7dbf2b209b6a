/* daemon.h -- the running program: reads the configuration, opens everything, turns the loop, and
 * closes everything again. The loop itself is in tick.c; read that first. */
#ifndef CQED_DAEMON_DAEMON_H
#define CQED_DAEMON_DAEMON_H

#include "base/err.h"

struct daemon_options {
    const char *config_path; /* NULL = run without a file */
    const char *listen;      /* NULL = what the file says */
    const char *data_path;   /* NULL = what the file says */
};

/* Runs until SIGTERM or SIGINT. The exit code: 0, or 1 after printing why it could not run. */
int daemon_run(const struct daemon_options *);

#endif
