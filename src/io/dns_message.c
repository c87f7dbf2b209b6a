#include "io/dns.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 12
#define MAX_NAME_BYTES 255
#define MAX_JUMPS 64
#define CLASS_IN 1
#define RCODE_NAME_ERROR 3

struct reader {
    const unsigned char *begin, *p, *end;
};

static bool take_u16(struct reader *r, uint16_t *out)
{
    if (r->end - r->p < 2)
        return false;
    *out = (uint16_t)(r->p[0] << 8 | r->p[1]);
    r->p += 2;
    return true;
}

static bool skip(struct reader *r, size_t n)
{
    if ((size_t)(r->end - r->p) < n)
        return false;
    r->p += n;
    return true;
}

/* A label's bytes; dots and what is not printable stay out of names that we use. */
static bool add_label(char *out, size_t *n, const unsigned char *label, size_t size_bytes)
{
    if (*n + size_bytes + 1 > MAX_NAME_BYTES)
        return false;
    for (size_t i = 0; i < size_bytes; i++) {
        if (label[i] <= ' ' || label[i] >= 0x7f || label[i] == '.')
            return false;
    }
    if (*n > 0)
        out[(*n)++] = '.';
    memcpy(out + *n, label, size_bytes);
    *n += size_bytes;
    return true;
}

/* Labels, the last of which may be elsewhere: a pointer must go backwards, so that it ends. */
static bool take_name(struct reader *r, char out[MAX_NAME_BYTES + 1])
{
    const unsigned char *p = r->p, *lowest = r->p;
    size_t n = 0;
    bool jumped = false;
    for (int jumps = 0;;) {
        if (p >= r->end)
            return false;
        size_t length = *p++;
        if (length >= 0xc0) {
            if (p >= r->end)
                return false;
            const unsigned char *to = r->begin + ((length & 0x3f) << 8 | *p++);
            if (!jumped)
                r->p = p;
            jumped = true;
            if (to >= lowest || ++jumps > MAX_JUMPS)
                return false;
            p = lowest = to;
            continue;
        }
        if (length > 63 || (size_t)(r->end - p) < length)
            return false;
        if (length == 0)
            break;
        if (!add_label(out, &n, p, length))
            return false;
        p += length;
    }
    out[n] = '\0';
    if (!jumped)
        r->p = p;
    return true;
}

/* Past a name of any bytes. */
static bool skip_name(struct reader *r)
{
    for (;;) {
        if (r->p >= r->end)
            return false;
        size_t length = *r->p++;
        if (length >= 0xc0)
            return skip(r, 1);
        if (length > 63 || !skip(r, length))
            return false;
        if (length == 0)
            return true;
    }
}

static bool read_address(struct arena *arena, struct reader data, int family, size_t size_bytes,
                         struct dns_record *out)
{
    char text[INET6_ADDRSTRLEN];
    if ((size_t)(data.end - data.p) != size_bytes || !inet_ntop(family, data.p, text, sizeof text))
        return false;
    out->target = arena_strdup(arena, text);
    return true;
}

/* Priority, weight, port, target. */
static bool read_srv(struct arena *arena, struct reader data, const unsigned char *message_end,
                     struct dns_record *out)
{
    char name[MAX_NAME_BYTES + 1];
    if (!skip(&data, 4) || !take_u16(&data, &out->port))
        return false;
    const unsigned char *end = data.end;
    data.end = message_end;
    if (!take_name(&data, name) || data.p != end)
        return false;
    out->target = arena_strdup(arena, name);
    return true;
}

static bool read_record(struct arena *arena, struct reader *r, enum dns_type type,
                        struct dns_record *out, bool *fits)
{
    uint16_t kind, class, size_bytes;
    *fits = false;
    *out = (struct dns_record){NULL, 0};
    if (!skip_name(r) || !take_u16(r, &kind) || !take_u16(r, &class) || !skip(r, 4) ||
        !take_u16(r, &size_bytes))
        return false;
    struct reader data = {r->begin, r->p, r->p + size_bytes};
    if (!skip(r, size_bytes))
        return false;
    if (kind != type || class != CLASS_IN)
        return true;
    *fits = true;
    switch (type) {
    case DNS_A:
        return read_address(arena, data, AF_INET, 4, out);
    case DNS_AAAA:
        return read_address(arena, data, AF_INET6, 16, out);
    case DNS_SRV:
        return read_srv(arena, data, r->end, out);
    }
    return false;
}

static int compare_records(const void *left, const void *right)
{
    const struct dns_record *a = left, *b = right;
    int order = strcmp(a->target, b->target);
    return order ? order : (a->port > b->port) - (a->port < b->port);
}

static bool read_records(struct arena *arena, struct reader *r, enum dns_type type,
                         size_t n_answers, struct dns_record **out, size_t *n)
{
    struct dns_record *records = NULL, record;
    size_t capacity = 0;
    bool fits;
    for (size_t i = 0; i < n_answers; i++) {
        if (!read_record(arena, r, type, &record, &fits))
            return false;
        if (!fits)
            continue;
        records = arena_grow(arena, records, *n, &capacity, sizeof *records);
        records[(*n)++] = record;
    }
    if (*n > 1)
        qsort(records, *n, sizeof *records, compare_records);
    *out = records;
    return true;
}

bool dns_read_answer(struct arena *arena, struct str message, enum dns_type type,
                     struct dns_record **out, size_t *n, struct err *err)
{
    const unsigned char *begin = (const unsigned char *)message.p;
    struct reader r = {begin, begin, begin + message.n};
    uint16_t flags, questions, answers;
    *out = NULL;
    *n = 0;
    if (message.n < HEADER_BYTES || !skip(&r, 2) || !take_u16(&r, &flags) ||
        !take_u16(&r, &questions) || !take_u16(&r, &answers) || !skip(&r, 4))
        return err_set(err, ERR_BAD_INPUT, "the DNS answer has %zu bytes", message.n);
    unsigned code = flags & 0xf;
    if (code == RCODE_NAME_ERROR)
        return true;
    if (code != 0)
        return err_set(err, ERR_UNREACHABLE, "the DNS server answers with code %u", code);
    for (size_t i = 0; i < questions; i++) {
        if (!skip_name(&r) || !skip(&r, 4))
            return err_set(err, ERR_BAD_INPUT, "the DNS answer's question is malformed");
    }
    return read_records(arena, &r, type, answers, out, n) ||
           err_set(err, ERR_BAD_INPUT, "the DNS answer is malformed");
}
