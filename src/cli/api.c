/* The server's side of every command: one request, its answer or a sentence that says what to do.
 */
#include "cli/internal.h"

#include "io/http_client.h"

#include <ctype.h>

#define REQUEST_MS 60000

const char *url_part(struct arena *arena, const char *text)
{
    struct buf out = BUF_INIT;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x80 && isalnum(c)) || strchr("-._~", c))
            buf_add_char(&out, *text);
        else
            buf_printf(&out, "%%%02X", c);
    }
    const char *part = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return part;
}

static enum err_code code_of_name(const char *name, int status)
{
#define X(code, text)                                                                              \
    if (strcmp(name, text) == 0)                                                                   \
        return code;
    ERR_CODES(X)
#undef X
    return status == 401 || status == 403 ? ERR_DENIED : ERR_IO;
}

/* Prometheus's envelope: {"status":"error","errorType":"bad_data","error":"..."}. */
static bool prometheus_error(const json_t *answer, struct err *err)
{
    const char *type = json_get_cstr(answer, "errorType", "");
    enum err_code code = ERR_IO;
    if (strcmp(type, "bad_data") == 0)
        code = ERR_BAD_INPUT;
    else if (strcmp(type, "timeout") == 0)
        code = ERR_TIMEOUT;
    return err_set(err, code, "%s", json_get_cstr(answer, "error", "an error without a sentence"));
}

static bool server_error(struct cli *cli, struct arena *arena, const struct http_answer *answer,
                         struct err *err)
{
    const json_t *json = json_parse(arena, answer->body, NULL);
    const json_t *error = json_object_get(json, "error");
    const char *message = json_get_cstr(error, "message", NULL);
    if (json_is_string(error))
        return prometheus_error(json, err);
    if (message)
        return err_set(err, code_of_name(json_get_cstr(error, "code", ""), answer->status), "%s",
                       message);
    if (answer->status == 401 || answer->status == 403)
        return err_set(err, ERR_DENIED, "%s does not let us in: status %d", cli->server,
                       answer->status);
    return err_set(err, ERR_UNREACHABLE,
                   "%s answers, but not as cQED does (status %d): is the address right?",
                   cli->server, answer->status);
}

static bool explain_silence(struct cli *cli, const struct err *why, struct err *err)
{
    if (why->code == ERR_BAD_INPUT)
        return err_set(err, ERR_BAD_INPUT, "'%s' is no server's address: %s", cli->server,
                       why->message);
    if (why->code == ERR_TIMEOUT)
        return err_set(err, ERR_TIMEOUT, "%s gave no answer within %d s", cli->server,
                       REQUEST_MS / 1000);
    if (why->code != ERR_UNREACHABLE)
        return err_set(err, why->code, "%s", why->message);
    return err_set(err, ERR_UNREACHABLE,
                   "nothing answers at %s: is `cqed serve` running there? --server URL or "
                   "CQED_SERVER names another address (%s)",
                   cli->server, why->message);
}

static bool request(struct cli *cli, struct arena *arena, struct http_fetch *fetch,
                    const char *path, struct http_answer *answer, struct err *err)
{
    struct err why = ERR_INIT;
    fetch->url = arena_printf(arena, "%s%s", cli->server, path);
    fetch->timeout_ms = REQUEST_MS;
    fetch->accept_compressed = true;
    struct progress *progress = progress_start(cli, "waiting for %s", cli->server);
    bool came = http_fetch_sync(arena, fetch, answer, &why);
    progress_stop(progress);
    if (!came)
        return explain_silence(cli, &why, err);
    return (answer->status >= 200 && answer->status < 300) || server_error(cli, arena, answer, err);
}

static json_t *request_json(struct cli *cli, struct arena *arena, struct http_fetch *fetch,
                            const char *path, struct err *err)
{
    struct http_answer answer;
    if (!request(cli, arena, fetch, path, &answer, err))
        return NULL;
    json_t *json = json_parse(arena, answer.body, NULL);
    if (!json || !json_is_object(json)) {
        err_set(err, ERR_UNREACHABLE, "%s%s answers, but not as cQED does: is the address right?",
                cli->server, path);
        return NULL;
    }
    return json;
}

json_t *api_get(struct cli *cli, struct arena *arena, const char *path, struct err *err)
{
    struct http_fetch fetch = {0};
    return request_json(cli, arena, &fetch, path, err);
}

json_t *api_post(struct cli *cli, struct arena *arena, const char *path, const json_t *body,
                 const char *idempotency_key, struct err *err)
{
    struct buf text = BUF_INIT;
    const char *headers[] = {"Content-Type: application/json", NULL, NULL};
    if (idempotency_key)
        headers[1] = arena_printf(arena, "Idempotency-Key: %s", idempotency_key);
    if (body)
        json_canonical(body, &text);
    struct http_fetch fetch = {.method = "POST", .headers = headers, .body = buf_str(&text)};
    json_t *answer = request_json(cli, arena, &fetch, path, err);
    buf_release(&text);
    return answer;
}

bool api_get_text(struct cli *cli, struct arena *arena, const char *path, struct str *out,
                  struct err *err)
{
    struct http_fetch fetch = {0};
    struct http_answer answer;
    if (!request(cli, arena, &fetch, path, &answer, err))
        return false;
    *out = str_trim(answer.body);
    return true;
}

/* --- Names --- */

static size_t read_names(struct arena *arena, const json_t *list, const char *key,
                         const char ***names)
{
    size_t n = 0;
    *names = ARENA_ARRAY(arena, const char *, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name =
            json_is_string(item) ? json_string_value(item) : json_get_cstr(item, key, NULL);
        bool known = !name;
        for (size_t j = 0; j < n && !known; j++)
            known = strcmp((*names)[j], name) == 0;
        if (!known)
            (*names)[n++] = name;
    }
    return n;
}

int fail_by_name(struct cli *cli, const struct err *err, const char *word, const char *path,
                 const char *list, const char *key)
{
    int code = fail_with(cli, err);
    const char **names;
    if (err->code != ERR_NOT_FOUND || strstr(err->message, "did you mean"))
        return code;
    const json_t *all = api_get(cli, &cli->arena, path, NULL);
    size_t n = read_names(&cli->arena, json_object_get(all, list), key, &names);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], word) == 0)
            return code; /* the name is right; something else of it is not there */
    }
    const char *nearest = str_nearest(str_from(word), names, n);
    if (nearest)
        (void)fprintf(cli->err, "did you mean '%s'?\n", clean(&cli->arena, nearest));
    if (all && n == 0)
        (void)fprintf(cli->err, "there are no %s yet\n", list);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(cli->err, "%s%s%s", i ? ", " : "there are: ", clean(&cli->arena, names[i]),
                      i + 1 == n ? "\n" : "");
    return code;
}
