/* dns_testing.h -- a fake DNS server on a free loopback port, with a thread of its own, for tests.
 * It knows what it is told, answers others that there is no such name, and can be made to fail.
 * Included by tests only, after cmocka.h. */
#ifndef CQED_IO_DNS_TESTING_H
#define CQED_IO_DNS_TESTING_H

#include "base/buf.h"
#include "io/dns.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_DNS_RECORDS 16

struct fake_record {
    char name[64];
    enum dns_type type;
    char data[64]; /* an address, or the target of an SRV record */
    uint16_t port;
};

struct fake_dns {
    int socket;
    char address[32]; /* "127.0.0.1:PORT" */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    struct fake_record records[FAKE_DNS_RECORDS];
    size_t n;
    int failure; /* answer with this code; 0 = do not fail */
    int asked;
    bool stopping;
};

static inline void fake_dns_u16(struct buf *out, unsigned v)
{
    buf_add_char(out, (char)(v >> 8));
    buf_add_char(out, (char)v);
}

/* Labels, none compressed. */
static inline void fake_dns_name(struct buf *out, const char *name)
{
    struct str rest = str_from(name), label;
    while (str_cut(&rest, '.', &label)) {
        buf_add_char(out, (char)label.n);
        buf_add_str(out, label);
    }
    buf_add_char(out, '\0');
}

static inline void fake_dns_record(struct buf *out, const struct fake_record *r)
{
    struct buf data = BUF_INIT;
    unsigned char address[16];
    fake_dns_u16(out, 0xc00c); /* the name of the question */
    fake_dns_u16(out, r->type);
    fake_dns_u16(out, 1);
    fake_dns_u16(out, 0);
    fake_dns_u16(out, 60);
    if (r->type == DNS_SRV) {
        fake_dns_u16(&data, 10);
        fake_dns_u16(&data, 5);
        fake_dns_u16(&data, r->port);
        fake_dns_name(&data, r->data);
    } else {
        assert_int_equal(inet_pton(r->type == DNS_A ? AF_INET : AF_INET6, r->data, address), 1);
        buf_add(&data, address, r->type == DNS_A ? 4 : 16);
    }
    fake_dns_u16(out, (unsigned)data.n);
    buf_add_str(out, buf_str(&data));
    buf_release(&data);
}

/* The question's name as text; its end is returned, 0 = malformed. */
static inline size_t fake_dns_question(const unsigned char *m, size_t n, char name[256])
{
    size_t at = 12, length = 0;
    while (at < n && m[at] != 0) {
        size_t label = m[at++];
        if (label > 63 || at + label >= n || length + label + 2 > 256)
            return 0;
        if (length > 0)
            name[length++] = '.';
        memcpy(name + length, m + at, label);
        length += label;
        at += label;
    }
    name[length] = '\0';
    return at + 5 <= n ? at + 5 : 0;
}

static inline void fake_dns_answer(struct fake_dns *f, const unsigned char *m, size_t n,
                                   struct buf *out)
{
    char name[256];
    struct buf records = BUF_INIT;
    unsigned answers = 0, known = 0;
    size_t end = n >= 12 ? fake_dns_question(m, n, name) : 0;
    if (end == 0)
        return;
    unsigned type = (unsigned)m[end - 4] << 8 | m[end - 3];
    (void)pthread_mutex_lock(&f->lock);
    f->asked++;
    for (size_t i = 0; i < f->n; i++) {
        if (strcasecmp(f->records[i].name, name) != 0)
            continue;
        known++;
        if (f->records[i].type != type)
            continue;
        answers++;
        fake_dns_record(&records, &f->records[i]);
    }
    unsigned code = f->failure ? (unsigned)f->failure : known ? 0 : 3;
    (void)pthread_mutex_unlock(&f->lock);
    buf_add(out, m, 2);
    fake_dns_u16(out, 0x8180 | code);
    fake_dns_u16(out, 1);
    fake_dns_u16(out, code ? 0 : answers);
    fake_dns_u16(out, 0);
    fake_dns_u16(out, 0);
    buf_add(out, m + 12, end - 12);
    if (!code)
        buf_add_str(out, buf_str(&records));
    buf_release(&records);
}

static inline void *fake_dns_run(void *arg)
{
    struct fake_dns *f = arg;
    unsigned char question[1500];
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        ssize_t n =
            recvfrom(f->socket, question, sizeof question, 0, (struct sockaddr *)&peer, &size);
        (void)pthread_mutex_lock(&f->lock);
        bool stopping = f->stopping;
        (void)pthread_mutex_unlock(&f->lock);
        if (stopping || n < 0)
            return NULL;
        struct buf answer = BUF_INIT;
        fake_dns_answer(f, question, (size_t)n, &answer);
        if (answer.n > 0)
            (void)!sendto(f->socket, answer.p, answer.n, 0, (struct sockaddr *)&peer, size);
        buf_release(&answer);
    }
}

static inline void fake_dns_start(struct fake_dns *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    memset(f, 0, sizeof *f);
    f->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(f->socket >= 0);
    assert_int_equal(bind(f->socket, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(f->socket, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(f->address, sizeof f->address, "127.0.0.1:%u", ntohs(address.sin_port));
    (void)pthread_mutex_init(&f->lock, NULL);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_dns_run, f), 0);
}

static inline void fake_dns_add(struct fake_dns *f, const char *name, enum dns_type type,
                                const char *data, uint16_t port)
{
    (void)pthread_mutex_lock(&f->lock);
    assert_true(f->n < FAKE_DNS_RECORDS);
    struct fake_record *r = &f->records[f->n++];
    (void)snprintf(r->name, sizeof r->name, "%s", name);
    (void)snprintf(r->data, sizeof r->data, "%s", data);
    r->type = type;
    r->port = port;
    (void)pthread_mutex_unlock(&f->lock);
}

/* Answer with this code from now on, and forget all records; 0 = well again. */
static inline void fake_dns_fail(struct fake_dns *f, int code)
{
    (void)pthread_mutex_lock(&f->lock);
    f->failure = code;
    f->n = 0;
    (void)pthread_mutex_unlock(&f->lock);
}

static inline int fake_dns_asked(struct fake_dns *f)
{
    (void)pthread_mutex_lock(&f->lock);
    int asked = f->asked;
    (void)pthread_mutex_unlock(&f->lock);
    return asked;
}

static inline void fake_dns_stop(struct fake_dns *f)
{
    struct sockaddr_in self;
    socklen_t size = sizeof self;
    (void)pthread_mutex_lock(&f->lock);
    f->stopping = true;
    (void)pthread_mutex_unlock(&f->lock);
    assert_int_equal(getsockname(f->socket, (struct sockaddr *)&self, &size), 0);
    (void)!sendto(f->socket, "", 1, 0, (struct sockaddr *)&self, size);
    (void)pthread_join(f->thread, NULL);
    (void)close(f->socket);
    (void)pthread_mutex_destroy(&f->lock);
}

#endif
