/* source.h -- where series can be asked for besides the embedded store. */
#ifndef CQED_MODEL_SOURCE_H
#define CQED_MODEL_SOURCE_H

#include "model/scrape.h"

struct source_spec {
    const char *name;
    const char *remote_read; /* its URL */
    int64_t timeout_ms;
    struct http_access access;
};

#endif
