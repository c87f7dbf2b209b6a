/* Look-ups against a fake server, and answers by hand. */
#include "io/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "io/dns_testing.h"

/* --- Answers by hand --- */

#define HEAD(flags, answers) "\x12\x34" flags "\0\1\0" answers "\0\0\0\0"
#define QUESTION "\3abc\4test\0\0\1\0\1" /* 14 bytes, at 12 */
#define RECORD(type, size) "\xc0\x0c\0" type "\0\1\0\0\0\x3c\0" size

struct answer {
    struct arena arena;
    struct dns_record *records;
    size_t n;
    struct err err;
};

static bool read_bytes(struct answer *a, enum dns_type type, const char *bytes, size_t n)
{
    /* Exactly as long as the message, for AddressSanitizer. */
    char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    *a = (struct answer){.arena = ARENA_INIT, .err = ERR_INIT};
    bool good = dns_read_answer(&a->arena, str_make(exact, n), type, &a->records, &a->n, &a->err);
    free(exact);
    return good;
}

#define READ(a, type, literal) read_bytes(a, type, literal, sizeof(literal) - 1)

static void addresses(void **state)
{
    struct answer a;
    (void)state;
    assert_true(READ(&a, DNS_A,
                     HEAD("\x81\x80", "\2")
                         QUESTION RECORD("\1", "\4") "\x7f\0\0\2" RECORD("\1", "\4") "\x7f\0\0\1"));
    assert_int_equal(a.n, 2);
    assert_string_equal(a.records[0].target, "127.0.0.1");
    assert_string_equal(a.records[1].target, "127.0.0.2");
    arena_release(&a.arena);
    assert_true(READ(&a, DNS_AAAA,
                     HEAD("\x81\x80", "\1")
                         QUESTION RECORD("\x1c", "\x10") "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
    assert_int_equal(a.n, 1);
    assert_string_equal(a.records[0].target, "2001:db8::1");
    arena_release(&a.arena);
}

/* An alias in front, and a target that goes on in the question. */
static void services_behind_an_alias(void **state)
{
    struct answer a;
    (void)state;
    assert_true(READ(&a, DNS_SRV,
                     HEAD("\x81\x80", "\2") QUESTION RECORD("\5", "\2") "\xc0\x10" RECORD(
                         "\x21", "\xb") "\0\1\0\1\x23\x8c\2n1\xc0\x10"));
    assert_int_equal(a.n, 1);
    assert_string_equal(a.records[0].target, "n1.test");
    assert_int_equal(a.records[0].port, 9100);
    arena_release(&a.arena);
}

static void no_such_name_is_an_answer(void **state)
{
    struct answer a;
    (void)state;
    assert_true(READ(&a, DNS_A, HEAD("\x81\x83", "\0") QUESTION));
    assert_int_equal(a.n, 0);
    arena_release(&a.arena);
    assert_false(READ(&a, DNS_A, HEAD("\x81\x82", "\0") QUESTION));
    assert_string_equal(a.err.message, "the DNS server answers with code 2");
    arena_release(&a.arena);
}

static void assert_malformed(enum dns_type type, const char *bytes, size_t n)
{
    struct answer a;
    assert_false(read_bytes(&a, type, bytes, n));
    assert_int_equal(a.err.code, ERR_BAD_INPUT);
    arena_release(&a.arena);
}

static void malformed_answers(void **state)
{
    static const char whole[] =
        HEAD("\x81\x80", "\1") QUESTION RECORD("\x21", "\xb") "\0\1\0\1\x23\x8c\2n1\xc0\x10";
    static const char loop[] =
        HEAD("\x81\x80", "\1") QUESTION RECORD("\x21", "\x8") "\0\1\0\1\x23\x8c\xc0\x2c";
    static const char wrong_size[] = HEAD("\x81\x80", "\1") QUESTION RECORD("\1", "\3") "\x7f\0\0";
    static const char blank[] =
        HEAD("\x81\x80", "\1") QUESTION RECORD("\x21", "\xb") "\0\1\0\1\x23\x8c\3a b\0";
    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_malformed(DNS_SRV, whole, n);
    assert_malformed(DNS_SRV, loop, sizeof loop - 1);
    assert_malformed(DNS_A, wrong_size, sizeof wrong_size - 1);
    assert_malformed(DNS_SRV, blank, sizeof blank - 1);
}

/* --- Look-ups --- */

struct found {
    struct loop *loop;
    int done;
    size_t n;
    char first[64];
    uint16_t port;
    char error[512];
};

static void found(void *arg, const struct dns_record *records, size_t n, const struct err *err)
{
    struct found *f = arg;
    f->done++;
    f->n = n;
    if (n > 0) {
        (void)snprintf(f->first, sizeof f->first, "%s", records[0].target);
        f->port = records[0].port;
    }
    if (err)
        (void)snprintf(f->error, sizeof f->error, "%s", err->message);
}

static struct found look_up(struct fake_dns *server, const char *name, enum dns_type type)
{
    struct found f = {.loop = loop_new(NULL)};
    (void)dns_lookup_start(f.loop, name, type, server->address, found, &f);
    assert_int_equal(f.done, 0);
    while (f.done == 0)
        (void)uv_run(loop_uv(f.loop), UV_RUN_ONCE);
    loop_free(f.loop);
    assert_int_equal(f.done, 1);
    return f;
}

static void a_server_is_asked(void **state)
{
    struct fake_dns server;
    (void)state;
    fake_dns_start(&server);
    fake_dns_add(&server, "shop.test", DNS_A, "127.0.0.2", 0);
    fake_dns_add(&server, "shop.test", DNS_A, "127.0.0.1", 0);
    fake_dns_add(&server, "shop.test", DNS_AAAA, "::1", 0);
    fake_dns_add(&server, "_metrics._tcp.shop.test", DNS_SRV, "node-1.shop.test", 9100);
    struct found f = look_up(&server, "shop.test.", DNS_A);
    assert_int_equal(f.n, 2);
    assert_string_equal(f.first, "127.0.0.1");
    f = look_up(&server, "shop.test.", DNS_AAAA);
    assert_string_equal(f.first, "::1");
    f = look_up(&server, "_metrics._tcp.shop.test.", DNS_SRV);
    assert_string_equal(f.first, "node-1.shop.test");
    assert_int_equal(f.port, 9100);
    f = look_up(&server, "nobody.test.", DNS_A);
    assert_int_equal(f.n, 0);
    assert_string_equal(f.error, "");
    f = look_up(&server, "shop.test.", DNS_SRV);
    assert_int_equal(f.n, 0);
    assert_string_equal(f.error, "");
    fake_dns_fail(&server, 2);
    f = look_up(&server, "shop.test.", DNS_A);
    assert_non_null(strstr(f.error, "name 'shop.test.' cannot be looked up: "));
    assert_true(fake_dns_asked(&server) >= 6);
    fake_dns_stop(&server);
}

static void a_cancelled_one_says_nothing(void **state)
{
    struct found f = {.loop = loop_new(NULL)};
    struct fake_dns server;
    (void)state;
    fake_dns_start(&server);
    dns_cancel(dns_lookup_start(f.loop, "shop.test.", DNS_A, server.address, found, &f));
    loop_free(f.loop);
    assert_int_equal(f.done, 0);
    fake_dns_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(services_behind_an_alias),
        cmocka_unit_test(no_such_name_is_an_answer),
        cmocka_unit_test(malformed_answers),
        cmocka_unit_test(a_server_is_asked),
        cmocka_unit_test(a_cancelled_one_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
