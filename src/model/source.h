/* source.h -- where series can be asked for besides the embedded store. */
#ifndef CQED_MODEL_SOURCE_H
#define CQED_MODEL_SOURCE_H

#include "model/http_access.h"

#include <stdint.h>

/* X(enumerator, key in configuration, what stands there) */
#define SOURCE_KINDS(X)                                                                            \
    X(SOURCE_REMOTE_READ, "remoteRead", "the URL of its remote read API")                          \
    X(SOURCE_EXPORT, "export", "the URL of a VictoriaMetrics's /api/v1/export")                    \
    X(SOURCE_QUERY, "query", "the URL of its /api/v1/query")                                       \
    X(SOURCE_FOLDER, "folder", "the data folder of a Prometheus on this machine")

enum source_kind {
#define X(code, key, meaning) code,
    SOURCE_KINDS(X)
#undef X
};

struct source_spec {
    const char *name;
    enum source_kind kind;
    const char *at; /* the URL, or the folder */
    int64_t timeout_ms;
    struct http_access access;
};

#endif
