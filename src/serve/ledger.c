/* The ledger over HTTP: entries, checkpoints, proofs, and a verification on demand. */
#include "ledger/ledger.h"

#include "base/num.h"
#include "serve/internal.h"

#define MAX_ENTRIES 1000

/* A whole number parameter, or the fallback; false with an answered error when it is none. */
static bool take_number(struct http_request *request, struct http_response *response,
                        const char *name, int64_t fallback, int64_t *out)
{
    const char *text = http_param(request, name);
    *out = fallback;
    if (!text || num_parse_i64(str_from(text), out))
        return true;
    struct err err = ERR_INIT;
    err_set(&err, ERR_BAD_INPUT, "%s must be a whole number, not '%s'", name, text);
    http_respond_error(response, &err);
    return false;
}

static bool put_entry(void *arg, const struct ledger_entry *e)
{
    struct json_writer *w = arg;
    struct arena arena = ARENA_INIT;
    struct buf leaf = BUF_INIT;
    const json_t *entry = json_parse(&arena, e->bytes, NULL);
    hex_add(&leaf, e->leaf.b, sizeof e->leaf.b);
    json_open_object(w);
    json_key(w, "seq");
    json_put_i64(w, (int64_t)e->seq);
    json_key(w, "atMs");
    json_put_i64(w, e->at_ms);
    json_key(w, "kind");
    json_put_cstr(w, e->kind);
    json_key(w, "subject");
    json_put_cstr(w, e->subject);
    json_key(w, "leaf");
    json_put_str(w, buf_str(&leaf));
    json_key(w, "body");
    if (entry && json_object_get(entry, "body"))
        json_put_value(w, json_object_get(entry, "body"));
    else
        json_put_null(w);
    json_close_object(w);
    buf_release(&leaf);
    arena_release(&arena);
    return true;
}

void handle_ledger(void *context, struct http_request *request, struct http_response *response)
{
    struct ledger *ledger = ((struct serve *)context)->options.ledger;
    struct err err = ERR_INIT;
    struct json_writer w;
    int64_t from, limit, size = (int64_t)ledger_size(ledger);
    if (!take_number(request, response, "from", 0, &from) ||
        !take_number(request, response, "limit", 100, &limit))
        return;
    if (from < 0)
        from = from + size < 0 ? 0 : from + size;
    if (limit < 0 || limit > MAX_ENTRIES)
        limit = MAX_ENTRIES;
    json_writer_init(&w, &response->body);
    json_open_object(&w);
    json_key(&w, "size");
    json_put_i64(&w, size);
    json_key(&w, "entries");
    json_open_array(&w);
    if (!ledger_read(ledger, (uint64_t)from, (uint64_t)limit, http_param(request, "subject"),
                     put_entry, &w, &err)) {
        buf_clear(&response->body);
        http_respond_error(response, &err);
        return;
    }
    json_close_array(&w);
    json_close_object(&w);
    json_writer_end(&w);
}

void handle_ledger_checkpoint(void *context, struct http_request *request,
                              struct http_response *response)
{
    struct err err = ERR_INIT;
    (void)request;
    response->content_type = "text/plain; charset=utf-8";
    if (!ledger_checkpoint(((struct serve *)context)->options.ledger, &response->body, &err))
        http_respond_error(response, &err);
}

void handle_ledger_key(void *context, struct http_request *request, struct http_response *response)
{
    (void)request;
    response->content_type = "text/plain; charset=utf-8";
    ledger_verifier_key(((struct serve *)context)->options.ledger, &response->body);
    buf_add_char(&response->body, '\n');
}

static void put_hash(struct json_writer *w, const struct sha256 *hash)
{
    struct buf hex = BUF_INIT;
    hex_add(&hex, hash->b, sizeof hash->b);
    json_put_str(w, buf_str(&hex));
    buf_release(&hex);
}

static bool keep_leaf(void *arg, const struct ledger_entry *e)
{
    *(struct sha256 *)arg = e->leaf;
    return false;
}

void handle_ledger_proof(void *context, struct http_request *request,
                         struct http_response *response)
{
    struct ledger *ledger = ((struct serve *)context)->options.ledger;
    struct err err = ERR_INIT;
    struct sha256 *path, leaf = {{0}}, root;
    size_t n;
    int64_t seq, size;
    if (!take_number(request, response, "seq", -1, &seq) ||
        !take_number(request, response, "size", (int64_t)ledger_size(ledger), &size))
        return;
    if (seq < 0 || size < 0 || seq >= size || (uint64_t)size > ledger_size(ledger)) {
        err_set(&err, ERR_NOT_FOUND, "there is no entry %lld in a ledger of %lld", (long long)seq,
                (long long)size);
        http_respond_error(response, &err);
        return;
    }
    if (!ledger_inclusion_proof(ledger, (uint64_t)seq, (uint64_t)size, request->arena, &path, &n,
                                &err) ||
        !ledger_root_at(ledger, (uint64_t)size, &root, &err) ||
        !ledger_read(ledger, (uint64_t)seq, 1, NULL, keep_leaf, &leaf, &err)) {
        http_respond_error(response, &err);
        return;
    }
    struct json_writer w;
    json_writer_init(&w, &response->body);
    json_open_object(&w);
    json_key(&w, "seq");
    json_put_i64(&w, seq);
    json_key(&w, "size");
    json_put_i64(&w, size);
    json_key(&w, "leaf");
    put_hash(&w, &leaf);
    json_key(&w, "path");
    json_open_array(&w);
    for (size_t i = 0; i < n; i++)
        put_hash(&w, &path[i]);
    json_close_array(&w);
    json_key(&w, "root");
    put_hash(&w, &root);
    json_close_object(&w);
    json_writer_end(&w);
}

static void put_findings(struct json_writer *w, struct str report)
{
    struct str line;
    json_open_array(w);
    while (report.n && str_cut(&report, '\n', &line)) {
        if (line.n)
            json_put_str(w, line);
    }
    json_close_array(w);
}

void handle_ledger_verify(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct ledger *ledger = ((struct serve *)context)->options.ledger;
    struct buf report = BUF_INIT;
    struct err err = ERR_INIT;
    uint64_t checked = 0;
    (void)request;
    bool good = ledger_verify(ledger, NULL, &report, &checked, &err);
    if (!good && report.n == 0)
        buf_add_cstr(&report, err.message);
    struct sha256 root = ledger_root(ledger);
    struct json_writer w;
    json_writer_init(&w, &response->body);
    json_open_object(&w);
    json_key(&w, "ok");
    json_put_bool(&w, good);
    json_key(&w, "checked");
    json_put_i64(&w, (int64_t)checked);
    json_key(&w, "size");
    json_put_i64(&w, (int64_t)ledger_size(ledger));
    json_key(&w, "root");
    put_hash(&w, &root);
    json_key(&w, "findings");
    put_findings(&w, buf_str(&report));
    json_close_object(&w);
    json_writer_end(&w);
    buf_release(&report);
}
