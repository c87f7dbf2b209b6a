/* An exemplar of either message. */
#include "ingest/remote_write.h"

/* More labels than this cannot be short enough (STORE_EXEMPLAR_MAX_LENGTH). */
static void add_label(struct labels_builder *b, struct str name, struct str value, bool *sound)
{
    *sound = *sound && b->n < STORE_EXEMPLAR_MAX_LENGTH && name.n > 0 && str_is_utf8(name) &&
             str_is_utf8(value);
    if (*sound)
        labels_builder_set(b, name, value);
}

/* Label of 1.0. */
static bool take_label(struct labels_builder *b, struct str message, bool *sound)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str name = {"", 0}, value = {"", 0};
    while (pb_next(&in, &f)) {
        if (f.number <= 2 && f.type != PB_BYTES)
            return false;
        if (f.number == 1)
            name = f.bytes;
        else if (f.number == 2)
            value = f.bytes;
    }
    add_label(b, name, value, sound);
    return !in.broken;
}

/* 2.0: what refers to nothing makes the exemplar none, not the series. */
static void take_reference(const struct rw_reader *r, struct labels_builder *b, uint64_t reference,
                           struct str *name, bool *sound)
{
    if (reference >= r->n_symbols) {
        *sound = false;
        return;
    }
    struct str symbol = r->symbols[reference];
    if (name->p)
        add_label(b, *name, symbol, sound);
    *name = name->p ? str_make(NULL, 0) : symbol;
}

static bool take_references(const struct rw_reader *r, struct labels_builder *b,
                            const struct pb_field *f, struct str *name, bool *sound)
{
    uint64_t reference;
    if (f->type == PB_VARINT) {
        take_reference(r, b, f->value, name, sound);
        return true;
    }
    struct pb in = pb_of(f->bytes);
    if (f->type != PB_BYTES)
        return false;
    while (pb_next_varint(&in, &reference))
        take_reference(r, b, reference, name, sound);
    return !in.broken;
}

bool rw_read_exemplar(struct rw_reader *r, enum remote_write_message kind, struct str message)
{
    struct rw_series *s = &r->series;
    struct labels_builder b;
    struct store_exemplar e = {.v = 0};
    struct str name = {NULL, 0};
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    bool sound = true;
    s->n_exemplars++;
    labels_builder_init(&b, &r->scratch);
    while (pb_next(&in, &f)) {
        if (f.number == 1 && kind == REMOTE_WRITE_1) {
            if (f.type != PB_BYTES || !take_label(&b, f.bytes, &sound))
                return false;
        } else if (f.number == 1) {
            if (!take_references(r, &b, &f, &name, &sound))
                return false;
        } else if (f.number == 2 && f.type == PB_FIXED64) {
            e.v = pb_double(f.value);
        } else if (f.number == 3 && f.type == PB_VARINT) {
            e.t_ms = (int64_t)f.value;
        } else if (f.number <= 3) {
            return false;
        }
    }
    if (in.broken)
        return false;
    e.labels = labels_build(&b);
    if (!sound || name.p)
        return true;
    s->exemplars = arena_grow(&r->scratch, s->exemplars, s->n_sound_exemplars,
                              &s->exemplar_capacity, sizeof *s->exemplars);
    s->exemplars[s->n_sound_exemplars++] = e;
    return true;
}
