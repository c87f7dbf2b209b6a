/* internal.h -- what the commands share: the terminal, the options, the server and printing. */
#ifndef CQED_CLI_INTERNAL_H
#define CQED_CLI_INTERNAL_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "codec/json.h"

#include <stdint.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NEGATIVE = 1,   /* the answer is no: errors found, tampering, harm shown, refused */
    EXIT_USAGE = 2,      /* the question is wrong: options, names, a broken policy */
    EXIT_PENDING = 3,    /* gate: neither shown healthy nor harmful */
    EXIT_TIMED_OUT = 4,  /* --wait or --timeout is over */
    EXIT_UNREACHABLE = 5 /* no server, or it does not let us */
};

struct cli {
    struct arena arena; /* lives as long as the command */
    FILE *out, *err;
    bool out_is_terminal, err_is_terminal;
    bool color;
    const char *server; /* without a slash at its end */
    bool json;
    struct args args;
    const struct command *command;
    cli_serve_fn *serve;
};

typedef int command_fn(struct cli *);

struct command {
    const char *name;      /* one or two words */
    const char *arguments; /* "SERVICE|ID", "" for none; [X] may be left out, ... repeats */
    int min_words, max_words;
    bool talks;  /* takes --server */
    bool prints; /* takes --json */
    command_fn *run;
    const char *summary;               /* one line */
    const char *details;               /* more for --help; NULL = none */
    const char *example;               /* one or more lines */
    const struct option_spec *options; /* of its own; NULL = none */
};

extern const struct command commands[];
extern const size_t n_commands;
extern const struct option_spec common_options[]; /* ends at a NULL name */

#define DEFAULT_SERVER "http://127.0.0.1:9797"

/* One a command; the table in commands.c says what they are. */
command_fn run_serve, run_check, run_test_rules, run_check_metrics, run_gate, run_rollout_start,
    run_rollout_list, run_rollout_show, run_rollout_watch, run_rollout_explain, run_rollout_act,
    run_slo_list, run_slo_show, run_query, run_ledger_show, run_ledger_verify, run_ledger_replay,
    run_judge, run_status, run_version, run_help;

/* Run with everything but the arguments set up: out, err, the terminal's nature. argv[0] is the
 * first word behind the program's name. */
int run_command_line(struct cli *, int argc, char *const *argv);

/* --- help.c --- */

/* second NULL = a command of one word. */
const struct command *find_command(const char *first, const char *second);
void print_overview(FILE *);
/* The commands whose first word this is; returns how many. FILE NULL only counts. */
size_t print_group(FILE *, const char *word);
void print_command_help(struct cli *, const struct command *);
/* Says what is near and what there is. Returns EXIT_USAGE. */
int unknown_command(struct cli *, const char *first, const char *second);

/* --- run.c --- */

/* Say "cqed: ..." on standard error. */
void tell_error(struct cli *, const char *format, ...) PRINTF_LIKE(2, 3);
/* Say why something failed; returns the fitting exit code. */
int fail_with(struct cli *, const struct err *);
/* A wrong use of this command: says why and how it is used. Returns EXIT_USAGE. */
int misuse(struct cli *, const char *format, ...) PRINTF_LIKE(2, 3);
/* --name as a duration of at least `least_ms`; the fallback when it is not given. False after
 * saying why. */
bool take_duration(struct cli *, const char *name, int64_t least_ms, int64_t fallback_ms,
                   int64_t *out_ms);
bool take_integer(struct cli *, const char *name, int64_t fallback, int64_t *out);

/* --- api.c: the server --- */

/* NULL with err on failure: ERR_UNREACHABLE says what to do about it; what the server refuses has
 * its own code and sentence. The value belongs to the arena. body NULL = GET. */
json_t *api_get(struct cli *, struct arena *, const char *path, struct err *);
json_t *api_post(struct cli *, struct arena *, const char *path, const json_t *body,
                 const char *idempotency_key, struct err *);
/* The same for answers that are text. */
bool api_get_text(struct cli *, struct arena *, const char *path, struct str *out, struct err *);

/* One part of a path or a query's value, percent-encoded (RFC 3986). */
const char *url_part(struct arena *, const char *text);

/* As fail_with(); when the server knows no such name, also the nearest one and the list of what
 * there is, from `path`: {"<list>":[{"<key>":name}]}. */
int fail_by_name(struct cli *, const struct err *, const char *word, const char *path,
                 const char *list, const char *key);

/* --- progress.c: one line on a terminal's standard error, after the first second --- */

struct progress;
struct progress *progress_start(struct cli *, const char *format, ...) PRINTF_LIKE(2, 3);
void progress_stop(struct progress *); /* wipes the line */
/* At once, for loops that wait anyway, cut at the terminal's edge; NULL wipes it. */
void show_line(struct cli *, const char *text);

/* --- print.c --- */

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_BAD, PAINT_WARN, PAINT_BLIND, PAINT_DIM, PAINT_BOLD };

enum paint paint_of_state(const char *state); /* of evidence, rollouts and verdicts */
/* Escape codes, or "" without colours. */
const char *paint_on(const struct cli *, enum paint);
const char *paint_off(const struct cli *);

/* Text from elsewhere, fit for a terminal: control characters become '?', NULL "". */
const char *clean(struct arena *, const char *text);
const char *clean_get(struct arena *, const json_t *object, const char *key);

const char *text_percent(struct arena *, double ratio); /* "0.12%", "-" when not known */
const char *text_weight(struct arena *, double pct);    /* "25%" */
const char *text_count(struct arena *, double);         /* "8412" */
const char *text_in_unit(struct arena *, double, const char *unit);
const char *text_duration(struct arena *, int64_t ms);  /* "800ms", "3m20s" */
int64_t span_ms(int64_t from_ms, int64_t to_ms);        /* 0 when it goes backwards or cannot be */
const char *text_age(struct arena *, int64_t ms);       /* "12s ago", "never" below 0 */
const char *text_time(struct arena *, int64_t wall_ms); /* local, "14:47:05" */
const char *text_date(struct arena *, int64_t wall_ms); /* "2026-11-23 14:47:05", local */

/* Of a terminal; 100 for anything else. */
size_t columns_of(FILE *, bool is_terminal);

struct table {
    struct arena *arena;
    size_t n_columns;
    const char **cells;
    enum paint *paints;
    size_t n, capacity, paint_capacity;
};

/* Headers NULL-terminated. */
void table_init(struct table *, struct arena *, const char *const *headers);
void table_add(struct table *, enum paint, const char *text); /* the next cell, row by row */
void table_print(const struct table *, struct cli *);

void print_json(struct cli *, const json_t *); /* one line */

/* Wrapped at the terminal's width, each line behind `indent` spaces. */
void print_wrapped(struct cli *, int indent, const char *text);

/* --- check.c: what is wrong, with its place --- */

void print_problem(struct cli *, const struct diag *);
/* "ok", "errors" and "problems" of an object. */
void put_problems(struct json_writer *, const struct diag_list *);

/* --- checks.c: evidence --- */

/* What a check says; its sentence, numbers and what would change it. */
void print_checks(struct cli *, struct arena *, const json_t *checks);
/* The evidence of harm of a check against its limit over time: `curves` of the API. */
void print_evidence_plot(struct cli *, const json_t *curves);
/* "0.12% [0.08% .. 0.2%], tolerated 1%"; "" when there is no effect. */
const char *text_effect(struct arena *, const json_t *check);
/* "canary 8412 events, 10 bad; stable 16000, 12 bad"; "" when there are none. */
const char *text_samples(struct arena *, const json_t *check);

/* --- forecast.c --- */

struct rollout_policy;

void print_forecast(struct cli *, const json_t *forecast);
/* The server's, of its own policy. stable NULL = the server finds out. */
json_t *ask_forecast(struct cli *, const char *service, const char *stable, struct err *);
/* Of this policy, with the traffic that the server sees. */
json_t *forecast_policy(struct cli *, const struct rollout_policy *, struct err *);

/* --- report.c: what CI systems read --- */

/* Text with what XML reserves escaped. */
void xml_add(struct buf *, const char *text);

bool write_junit(const char *path, const json_t *gate, int exit_code, int64_t waited_ms,
                 struct err *);
bool write_summary(const char *path, const json_t *gate, int exit_code, int64_t waited_ms,
                   struct err *);

/* --- watch.c --- */

/* Follow a rollout until it is final; timeout_ms 0 = no limit. Returns the exit code. */
int watch_rollout(struct cli *, const char *id, int64_t timeout_ms);
/* EXIT_DONE for succeeded, EXIT_NEGATIVE for the other ends, -1 while live. */
int exit_code_of_rollout(const json_t *rollout);
/* "shop v1 -> v2: progressing at 25%, step 2 of 4" */
const char *text_rollout(struct arena *, const json_t *rollout);

/* --- ranges.c: cqed judge --total QUERY --- */

struct trace;
/* The counters of --stable and --canary as the server answers --total, --bad and --latency, each
 * with the version in the place of {{version}}. */
bool trace_of_queries(struct cli *, double start_s, struct trace *, struct err *);

/* --- kayenta.c: cqed judge --kayenta FILE --- */

int judge_kayenta(struct cli *, const char *path);

#endif
