/* template.h -- the templates of alert labels and annotations: Go's text/template as Prometheus
 * sets it up ({{ $labels.x }}, {{ $value | humanize }}, if, with, range). Parsed once, expanded
 * often; a parsed template is immutable.
 *
 * Not there, and refused by name when a rule file is read: the functions call, js and slice, and
 * methods of the times that toTime and toDuration give (here they are text).
 *
 * Bounded: text 64 KiB, nesting 32, templates in templates 100, output 64 KiB, 100,000 steps an
 * expansion, 100 queries.
 * Private to rules/. */
#ifndef CQED_RULES_TEMPLATE_H
#define CQED_RULES_TEMPLATE_H

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"

#include <stdint.h>

/* --- Values --- */

enum value_kind {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_TEXT,
    VALUE_LABELS,
    VALUE_SAMPLE,
    VALUE_LIST,
    VALUE_ARGS, /* a list whose items are called arg0, arg1, ... */
    VALUE_DATA  /* what `.` is at first: Labels, ExternalLabels, ExternalURL, Value */
};

struct template_sample {
    struct labels labels; /* with the name */
    double v;
};

struct template_data;

struct value {
    enum value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct str text;
        struct labels labels;
        const struct template_sample *sample;
        const struct template_data *data;
        struct {
            const struct value *v;
            size_t n;
        } list; /* of VALUE_ARGS too */
    } as;
};

/* --- Parsing --- */

struct template;

/* ERR_BAD_INPUT with what is wrong and near which text. The template lives in the arena and borrows
 * the text. */
struct template *template_parse(struct arena *, struct str text, struct err *);

/* --- Expanding --- */

struct template_data {
    struct labels labels; /* of the sample */
    struct labels external_labels;
    const char *external_url;
    double v;
    int64_t t_ms; /* the time of the evaluation */
    /* The function query: samples at the time of the evaluation. NULL: it is an error. */
    bool (*query)(void *self, struct arena *, struct str expr, struct template_sample **out,
                  size_t *n, struct err *);
    void *query_self;
};

/* The text; NULL on failure. Memory is the arena's. */
const char *template_expand(const struct template *, const struct template_data *, struct arena *,
                            struct err *);

/* --- The tree (template_parse.c makes it, template_run.c walks it) --- */

struct pipeline;

enum operand_kind { OPERAND_VALUE, OPERAND_DOT, OPERAND_VARIABLE, OPERAND_PIPELINE };

struct operand {
    enum operand_kind kind;
    struct value value;
    size_t variable; /* its slot */
    const struct pipeline *pipeline;
    const struct str *fields; /* .a.b behind it */
    size_t n_fields;
};

struct template_function;

/* One operand, or a function with its arguments. */
struct template_command {
    const struct template_function *function;
    const struct operand *args;
    size_t n;
};

struct pipeline {
    const struct template_command *commands;
    size_t n;
    bool sets; /* $x := or $x = in front: it prints nothing */
    size_t variables[2];
    size_t n_variables; /* two: `range $i, $x :=` */
};

enum template_node_kind {
    NODE_TEXT,
    NODE_ACTION,
    NODE_IF,
    NODE_WITH,
    NODE_RANGE,
    NODE_BREAK,
    NODE_CONTINUE,
    NODE_TEMPLATE
};

struct template_node {
    enum template_node_kind kind;
    struct str text;                              /* or the called template's name */
    const struct pipeline *pipeline;              /* NULL: a template called without a value */
    const struct template_node *body, *otherwise; /* first of their lists */
    struct template_node *next;
};

#define TEMPLATE_MAX_VARIABLES 64

/* {{ define "name" }}: its `.` and `$` are what it is called with. */
struct template_body {
    struct str name;
    const struct template_node *first;
    const struct template_body *next;
};

struct template
{
    const struct template_node *first;
    const struct template_body *defined;
};

/* Slots of the variables that every template has. */
enum { SLOT_ROOT, SLOT_LABELS, SLOT_EXTERNAL_LABELS, SLOT_EXTERNAL_URL, SLOT_VALUE, N_FIXED_SLOTS };

/* --- Functions (template_functions.c) --- */

#define TEMPLATE_MAX_CALLS 100 /* of templates in templates */

/* What a range is to do when break or continue was met. */
enum template_jump { JUMP_NONE, JUMP_BREAK, JUMP_CONTINUE };

struct expansion {
    const struct template *template;
    const struct template_data *data;
    struct arena *arena;
    struct value *frames[TEMPLATE_MAX_CALLS + 1]; /* the slots of each depth, made when needed */
    struct value *slots;                          /* those of this depth */
    size_t depth;
    enum template_jump jump;
    uint64_t steps;
    unsigned queries;
    struct err *err;
};

struct template_function {
    const char *name;
    int min_args, max_args; /* max -1: any number */
    bool (*call)(struct expansion *, const struct value *args, size_t n, struct value *out);
};

const struct template_function *find_template_function(struct str name);

/* Tables that end in a row without a name. */
extern const struct template_function template_number_functions[]; /* template_numbers.c */
extern const struct template_function template_logic_functions[];  /* template_logic.c */

/* What the template of this name makes of the value. */
bool run_defined_template(struct expansion *, struct str name, struct value, struct buf *out);

/* What an argument is, or ERR_BAD_INPUT: a number, or text that is one; text. */
bool argument_float(struct expansion *, const struct value *, double *out);
bool argument_text(struct expansion *, const struct value *, struct str *out);
bool argument_refuse(struct expansion *, const char *expected, const struct value *got);

/* True; result_buf takes the buffer over, and is false (ERR_LIMIT) when it holds too much. */
bool result_text(struct value *out, struct str text);
bool result_buf(struct expansion *, struct value *out, struct buf *text);
bool result_bool(struct value *out, bool b);
bool result_number(struct value *out, double v);

/* --- Printing (template_print.c) --- */

bool value_is_true(const struct value *);
void value_print(const struct value *, struct buf *); /* Go's %v */
const char *value_kind_name(const struct value *);    /* Go's name of the type */
void value_printf(struct buf *, struct str format, const struct value *args, size_t n);
/* Go's strconv 'g' with the fewest digits. */
void add_shortest_g(struct buf *, double);
/* Go's %.4g. */
void add_4g(struct buf *, double);

#endif
