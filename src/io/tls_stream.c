#include "io/tls_stream.h"

#include "base/mem.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define RECORD_BYTES 16384

struct tls_identity {
    gnutls_certificate_credentials_t credentials;
};

struct tls_stream {
    gnutls_session_t session;
    struct buf in, out;
    size_t in_read;
    bool ready;
};

struct tls_identity *tls_identity_open(const char *cert_file, const char *key_file, struct err *err)
{
    struct tls_identity *identity = mem_zalloc(sizeof *identity);
    CHECK(gnutls_certificate_allocate_credentials(&identity->credentials) == 0);
    int why = gnutls_certificate_set_x509_key_file(identity->credentials, cert_file, key_file,
                                                   GNUTLS_X509_FMT_PEM);
    if (why >= 0)
        return identity;
    err_set(err, why == GNUTLS_E_FILE_ERROR ? ERR_IO : ERR_BAD_INPUT,
            "certificate %s with key %s: %s", cert_file, key_file, gnutls_strerror(why));
    tls_identity_free(identity);
    return NULL;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (!identity)
        return;
    gnutls_certificate_free_credentials(identity->credentials);
    free(identity);
}

/* --- What GnuTLS takes for the network --- */

static ssize_t pull(gnutls_transport_ptr_t arg, void *out, size_t size)
{
    struct tls_stream *t = arg;
    size_t left = t->in.n - t->in_read;
    size_t n = left < size ? left : size;
    if (n == 0) {
        gnutls_transport_set_errno(t->session, EAGAIN);
        return -1;
    }
    memcpy(out, t->in.p + t->in_read, n);
    t->in_read += n;
    return (ssize_t)n;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *bytes, size_t n)
{
    struct tls_stream *t = arg;
    buf_add(&t->out, bytes, n);
    return (ssize_t)n;
}

static int is_there_more(gnutls_transport_ptr_t arg, unsigned ms)
{
    struct tls_stream *t = arg;
    (void)ms;
    return t->in.n > t->in_read;
}

/* --- Streams --- */

struct tls_stream *tls_stream_new(const struct tls_identity *identity, const char *protocol)
{
    struct tls_stream *t = mem_zalloc(sizeof *t);
    gnutls_datum_t name = {(unsigned char *)(uintptr_t)protocol, (unsigned)strlen(protocol)};
    CHECK(gnutls_init(&t->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) == 0);
    CHECK(gnutls_priority_set_direct(t->session, PRIORITIES, NULL) == 0);
    CHECK(gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, identity->credentials) == 0);
    CHECK(gnutls_alpn_set_protocols(t->session, &name, 1, GNUTLS_ALPN_MANDATORY) == 0);
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, pull);
    gnutls_transport_set_pull_timeout_function(t->session, is_there_more);
    gnutls_transport_set_push_function(t->session, push);
    return t;
}

void tls_stream_free(struct tls_stream *t)
{
    if (!t)
        return;
    gnutls_deinit(t->session);
    buf_release(&t->in);
    buf_release(&t->out);
    free(t);
}

static bool goes_on(ssize_t result)
{
    return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED;
}

/* ALPN must have been offered too: a client without it is none of ours. */
static bool shake_hands(struct tls_stream *t)
{
    gnutls_datum_t chosen;
    int result = gnutls_handshake(t->session);
    if (result != 0) {
        (void)gnutls_alert_send_appropriate(t->session, result);
        return goes_on(result) || !gnutls_error_is_fatal(result);
    }
    t->ready = true;
    return gnutls_alpn_get_selected_protocol(t->session, &chosen) == 0;
}

static bool read_records(struct tls_stream *t, struct buf *plain)
{
    for (;;) {
        char *room = buf_reserve(plain, RECORD_BYTES);
        ssize_t n = gnutls_record_recv(t->session, room, RECORD_BYTES);
        if (n > 0)
            plain->n += (size_t)n;
        else if (n == 0 || !goes_on(n))
            return false; /* ended, broken, or it wants to renegotiate */
        else if (t->in.n == t->in_read)
            return true;
    }
}

bool tls_stream_feed(struct tls_stream *t, struct str bytes, struct buf *plain)
{
    buf_add_str(&t->in, bytes);
    bool fine = (t->ready || shake_hands(t)) && (!t->ready || read_records(t, plain));
    if (t->in_read == t->in.n) {
        buf_clear(&t->in);
        t->in_read = 0;
    }
    return fine;
}

bool tls_stream_is_ready(const struct tls_stream *t)
{
    return t->ready;
}

bool tls_stream_send(struct tls_stream *t, struct str plain)
{
    while (plain.n > 0) {
        ssize_t n = gnutls_record_send(t->session, plain.p, plain.n);
        if (n < 0 && !goes_on(n))
            return false;
        if (n > 0)
            plain = str_make(plain.p + n, plain.n - (size_t)n);
    }
    return true;
}

void tls_stream_output(struct tls_stream *t, struct buf *out)
{
    buf_add_str(out, buf_str(&t->out));
    buf_clear(&t->out);
}
