#include "io/listen.h"

#include "base/num.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    bool is_v6, is_loopback;
};

static bool parse_address(const char *text, struct address *out, struct err *err)
{
    struct str all = str_from(text);
    const char *colon = strrchr(text, ':');
    uint64_t port;
    char host[64];
    memset(out, 0, sizeof *out);
    if (!colon || !num_parse_u64(str_from(colon + 1), &port) || port > 65535)
        return err_set(err, ERR_BAD_INPUT, "listen address '%s' is not HOST:PORT", text);
    struct str name = str_make(all.p, (size_t)(colon - text));
    bool bracketed = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    if (bracketed)
        name = str_make(name.p + 1, name.n - 2);
    (void)snprintf(host, sizeof host, STR_FMT, STR_ARG(name));
    if (strcmp(host, "localhost") == 0)
        (void)snprintf(host, sizeof host, "127.0.0.1");
    if (name.n == 0)
        (void)snprintf(host, sizeof host, "0.0.0.0");
    if (!bracketed && inet_pton(AF_INET, host, &out->u.v4.sin_addr) == 1) {
        out->u.v4.sin_family = AF_INET;
        out->u.v4.sin_port = htons((uint16_t)port);
        out->is_loopback = (ntohl(out->u.v4.sin_addr.s_addr) >> 24) == 127;
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->u.v6.sin6_addr) == 1) {
        out->u.v6.sin6_family = AF_INET6;
        out->u.v6.sin6_port = htons((uint16_t)port);
        out->is_v6 = true;
        out->is_loopback = IN6_IS_ADDR_LOOPBACK(&out->u.v6.sin6_addr);
        return true;
    }
    return err_set(err, ERR_BAD_INPUT, "listen address '%s': '%s' is not an IP address", text,
                   host);
}

/* Bound by us, so that the reason of a failure can be told. */
static int open_socket(const struct address *a, const char *listen_on, struct err *err)
{
    int one = 1;
    socklen_t size = a->is_v6 ? sizeof a->u.v6 : sizeof a->u.v4;
    int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        err_errno(err, "no socket for %s", listen_on);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, &a->u.any, size) == 0 && listen(fd, 1024) == 0)
        return fd;
    if (errno == EADDRINUSE)
        err_set(err, ERR_CONFLICT,
                "%s is in use: another cQED or program listens there; choose another with --listen",
                listen_on);
    else
        err_errno(err, "cannot listen on %s", listen_on);
    (void)close(fd);
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

int listen_open(const char *address, bool encrypted, uint16_t *port, struct err *err)
{
    struct address a;
    if (!parse_address(address, &a, err))
        return -1;
    if (!a.is_loopback && !encrypted) {
        err_set(err, ERR_DENIED,
                "%s is beyond loopback, where cQED demands TLS: listen on 127.0.0.1 and put a "
                "TLS proxy in front",
                address);
        return -1;
    }
    int fd = open_socket(&a, address, err);
    if (fd >= 0)
        *port = port_of(fd);
    return fd;
}
