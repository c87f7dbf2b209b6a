#include "io/dns.h"

#include "base/buf.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

#define MAX_ANSWER_BYTES 65536
#define TRY_SECONDS 2
#define TRIES 2

struct dns_lookup {
    uv_work_t work;
    char *name, *server;
    enum dns_type type;
    void (*done)(void *arg, const struct dns_record *, size_t n, const struct err *err); /* NULL =
                                                                                    cancelled */
    void *arg;
    /* of the worker */
    unsigned char *answer;
    int answer_bytes; /* < 0 = none */
    int why;          /* netdb.h's codes */
};

/* "127.0.0.1:53" */
static bool parse_server(const char *text, struct sockaddr_in *out)
{
    struct str port = str_from(text), host;
    char address[INET_ADDRSTRLEN];
    uint64_t number;
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    if (!str_cut(&port, ':', &host) || !port.p || !num_parse_u64(port, &number) || number == 0 ||
        number > 65535 || host.n >= sizeof address)
        return false;
    memcpy(address, host.p, host.n);
    address[host.n] = '\0';
    out->sin_port = htons((uint16_t)number);
    return inet_pton(AF_INET, address, &out->sin_addr) == 1;
}

bool dns_server_is_valid(const char *server)
{
    struct sockaddr_in address;
    return parse_server(server, &address);
}

/* On a worker thread. */
static void look_up(uv_work_t *work)
{
    struct dns_lookup *l = work->data;
    struct __res_state state = {0};
    struct sockaddr_in server;
    l->answer_bytes = -1;
    l->why = NO_RECOVERY;
    if (res_ninit(&state) != 0)
        return;
    if (l->server && parse_server(l->server, &server)) {
        state.nscount = 1;
        state.nsaddr_list[0] = server;
    }
    state.retrans = TRY_SECONDS;
    state.retry = TRIES;
    l->answer_bytes = res_nsearch(&state, l->name, C_IN, (int)l->type, l->answer, MAX_ANSWER_BYTES);
    l->why = state.res_h_errno;
    res_nclose(&state);
}

static bool read_answer(struct dns_lookup *l, struct arena *arena, struct dns_record **records,
                        size_t *n, struct err *err)
{
    *records = NULL;
    *n = 0;
    if (l->answer_bytes < 0) {
        if (l->why == HOST_NOT_FOUND || l->why == NO_DATA)
            return true;
        return err_set(err, ERR_UNREACHABLE, "name '%s' cannot be looked up: %s", l->name,
                       l->why == TRY_AGAIN ? "no DNS server answers" : hstrerror(l->why));
    }
    struct str message = str_make((const char *)l->answer, (size_t)l->answer_bytes);
    return dns_read_answer(arena, message, l->type, records, n, err) ||
           err_prefix(err, "name '%s': ", l->name);
}

static void looked_up(uv_work_t *work, int status)
{
    struct dns_lookup *l = work->data;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct dns_record *records;
    size_t n;
    if (l->done && status == 0) {
        bool good = read_answer(l, &arena, &records, &n, &err);
        l->done(l->arg, records, n, good ? NULL : &err);
    }
    arena_release(&arena);
    free(l->answer);
    free(l->name);
    free(l->server);
    free(l);
}

struct dns_lookup *dns_lookup_start(
    struct loop *loop, const char *name, enum dns_type type, const char *server,
    void (*done)(void *arg, const struct dns_record *, size_t n, const struct err *err), void *arg)
{
    struct dns_lookup *l = calloc(1, sizeof *l);
    if (!l || !(l->answer = malloc(MAX_ANSWER_BYTES)) || !(l->name = strdup(name)) ||
        (server && !(l->server = strdup(server))))
        check_no_memory(MAX_ANSWER_BYTES);
    l->work.data = l;
    l->type = type;
    l->done = done;
    l->arg = arg;
    CHECK(uv_queue_work(loop_uv(loop), &l->work, look_up, looked_up) == 0);
    return l;
}

void dns_cancel(struct dns_lookup *l)
{
    l->done = NULL;
    (void)uv_cancel((uv_req_t *)&l->work);
}
