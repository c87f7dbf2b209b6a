/* template.h -- the templates of alert labels and annotations: Go's text/template as Prometheus
 * sets it up ({{ $labels.x }}, {{ $value | humanize }}, if, with, range). Parsed once, expanded
 * often; a parsed template is immutable.
 *
 * Not there, and refused by name when a rule file is read: define, template, block, break,
 * continue, and the functions tmpl, safeHtml's HTML types aside, toTime, toDuration, now, call, js.
 *
 * Bounded: text 64 KiB, nesting 32, output 64 KiB, 100,000 steps an expansion, 100 queries.
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
    VALUE_DATA /* what `.` is at first: Labels, ExternalLabels, ExternalURL, Value */
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
        } list;
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

enum template_node_kind { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_WITH, NODE_RANGE };

struct template_node {
    enum template_node_kind kind;
    struct str text;
    const struct pipeline *pipeline;
    const struct template_node *body, *otherwise; /* first of their lists */
    struct template_node *next;
};

#define TEMPLATE_MAX_VARIABLES 64

struct template
{
    const struct template_node *first;
    size_t n_slots; /* of variables */
};

/* Slots of the variables that every template has. */
enum { SLOT_ROOT, SLOT_LABELS, SLOT_EXTERNAL_LABELS, SLOT_EXTERNAL_URL, SLOT_VALUE, N_FIXED_SLOTS };

/* --- Functions (template_functions.c) --- */

struct expansion {
    const struct template_data *data;
    struct arena *arena;
    struct value *slots;
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
