/* script.h -- a case file, command by command. The language is Prometheus's promqltest; README.md
 * says which part of it. */
#ifndef CQED_TESTS_PROMQL_SCRIPT_H
#define CQED_TESTS_PROMQL_SCRIPT_H

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"
#include "promql/series_notation.h"

/* --- Commands --- */

struct load {
    int64_t step_ms;
    struct notation_series *series;
    size_t n, capacity;
    bool with_nhcb;
};

enum wanted_kind { WANTED_ANY, WANTED_TEXT, WANTED_REGEX };

struct wanted {
    enum wanted_kind kind;
    struct str text;
};

struct wanted_list {
    struct wanted *v;
    size_t n, capacity;
    bool none; /* no_warn, no_info */
};

struct eval {
    const char *expr;
    bool instant, range_vector, fails, ordered, is_scalar, is_string;
    int64_t start_ms, end_ms, step_ms; /* an instant one is at end_ms */
    double scalar;
    struct str string;
    struct wanted failure;
    struct wanted_list warnings, infos;
    struct notation_series *series;
    size_t n, capacity;
};

enum command_kind { COMMAND_CLEAR, COMMAND_LOAD, COMMAND_EVAL };

struct command {
    enum command_kind kind;
    int line;
    struct load load;
    struct eval eval;
};

struct script {
    struct arena *arena;
    char *next; /* the text that is left; lines are cut out of it */
    int line;
};

void script_init(struct script *, struct arena *, char *text);
/* False at the end, or on an error: then err is filled and `line` says where. */
bool script_next(struct script *, struct command *, struct err *);

#endif
