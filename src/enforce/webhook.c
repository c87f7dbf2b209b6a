#include "enforce/webhook.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_TOKEN_BYTES 8192

struct webhook {
    struct actuator base;
    struct http_client *client;
    char *url;
    char *bearer_token; /* NULL = none */
    int64_t timeout_ms;
    struct http_transfer *transfer; /* under way, or NULL */
    double desired_pct;             /* of the call under way; NaN = only observe */
    char *intent;
    bool was_put;
    actuator_done *done;
    void *done_arg;
};

static struct webhook *webhook_of(struct actuator *a)
{
    CHECK(a->ops == &webhook_ops);
    return (struct webhook *)(void *)a;
}

static void finish(struct webhook *w, const struct exposure *seen)
{
    actuator_done *done = w->done;
    w->done = NULL;
    done(w->done_arg, seen);
}

static void fail(struct webhook *w, const char *message)
{
    struct exposure seen = {.known = false,
                            .observed_pct = (double)NAN,
                            .measured_pct = (double)NAN,
                            .at_ms = clock_wall_ms(),
                            .error = message};
    finish(w, &seen);
}

/* {"weight": 5, "capacityOk": true}; capacityOk may be left out. */
static bool read_answer(const struct http_answer *answer, struct exposure *out, struct err *err)
{
    struct arena arena = ARENA_INIT;
    bool done = false;
    json_t *json;
    if (answer->status < 200 || answer->status > 299) {
        err_set(err, ERR_BAD_INPUT, "the webhook answered status %d", answer->status);
        goto out;
    }
    json = json_parse(&arena, answer->body, err);
    if (!json) {
        err_prefix(err, "the webhook's answer: ");
        goto out;
    }
    double weight = json_get_double(json, "weight", (double)NAN);
    if (!(weight >= 0 && weight <= 100)) {
        err_set(err, ERR_BAD_INPUT, "the webhook's answer has no \"weight\" from 0 to 100");
        goto out;
    }
    *out = (struct exposure){.known = true,
                             .observed_pct = weight,
                             .measured_pct = (double)NAN,
                             .capacity_ok = json_get_bool(json, "capacityOk", true),
                             .at_ms = clock_wall_ms(),
                             .error = ""};
    done = true;
out:
    arena_release(&arena);
    return done;
}

static void request(struct webhook *w, const char *method, struct str body);

static void put(struct webhook *w)
{
    struct buf body = BUF_INIT;
    struct json_writer json;
    json_writer_init(&json, &body);
    json_open_object(&json);
    json_key(&json, "weight");
    json_put_double(&json, w->desired_pct);
    json_key(&json, "intent");
    json_put_cstr(&json, w->intent);
    json_close_object(&json);
    json_writer_end(&json);
    w->was_put = true;
    request(w, "PUT", buf_str(&body));
    buf_release(&body);
}

static void answered(void *arg, const struct http_answer *answer, const struct err *transport)
{
    struct webhook *w = arg;
    struct err err = ERR_INIT;
    struct exposure seen;
    w->transfer = NULL;
    if (!answer)
        fail(w, transport->message);
    else if (!read_answer(answer, &seen, &err))
        fail(w, err.message);
    else if (!isnan(w->desired_pct) && !w->was_put &&
             fabs(seen.observed_pct - w->desired_pct) > 1e-6)
        put(w);
    else
        finish(w, &seen);
}

static void request(struct webhook *w, const char *method, struct str body)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct http_fetch fetch = {.method = method,
                               .url = w->url,
                               .headers = headers,
                               .body = body,
                               .timeout_ms = w->timeout_ms,
                               .max_body_bytes = 65536,
                               .bearer_token = w->bearer_token};
    w->transfer = http_fetch_start(w->client, &fetch, answered, w);
}

static void start(struct webhook *w, double desired_pct, const char *intent, actuator_done *done,
                  void *arg)
{
    CHECK(!w->done);
    w->desired_pct = desired_pct;
    free(w->intent);
    w->intent = strdup(intent);
    if (!w->intent)
        check_no_memory(strlen(intent));
    w->was_put = false;
    w->done = done;
    w->done_arg = arg;
    request(w, "GET", STR(""));
}

static void webhook_apply(struct actuator *a, double desired_pct, const char *intent,
                          actuator_done *done, void *arg)
{
    start(webhook_of(a), desired_pct, intent, done, arg);
}

static void webhook_observe(struct actuator *a, actuator_done *done, void *arg)
{
    start(webhook_of(a), (double)NAN, "", done, arg);
}

static void webhook_abandon(struct actuator *a)
{
    struct webhook *w = webhook_of(a);
    if (w->transfer)
        http_cancel(w->transfer);
    w->transfer = NULL;
    w->done = NULL;
}

static struct actuator_capabilities webhook_capabilities(const struct actuator *a)
{
    (void)a;
    return (struct actuator_capabilities){
        .min_step_pct = 0, .survives_restart = true, .observes_capacity = true};
}

static void webhook_close(struct actuator *a)
{
    struct webhook *w = webhook_of(a);
    webhook_abandon(a);
    free(w->url);
    free(w->bearer_token);
    free(w->intent);
    free(w);
}

static bool check_keys(const json_t *config, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value)
    {
        if (strcmp(key, "url") != 0 && strcmp(key, "timeout") != 0 &&
            strcmp(key, "bearerTokenFile") != 0)
            return err_set(
                err, ERR_BAD_INPUT,
                "traffic.webhook: unknown key '%s'; url, timeout and bearerTokenFile are known",
                key);
    }
    return true;
}

/* The token stands in a file of its own: the policy is in the ledger, for everybody to read. */
static bool read_token(struct webhook *w, const char *path, struct err *err)
{
    struct buf text = BUF_INIT;
    bool done = !path || file_read(path, MAX_TOKEN_BYTES, &text, err);
    struct str token = str_trim(buf_str(&text));
    if (!done)
        err_prefix(err, "traffic.webhook.bearerTokenFile: ");
    else if (path && token.n == 0)
        done = err_set(err, ERR_BAD_INPUT, "traffic.webhook.bearerTokenFile %s is empty", path);
    else if (path && !(w->bearer_token = strndup(token.p, token.n)))
        check_no_memory(token.n);
    buf_release(&text);
    return done;
}

static struct actuator *webhook_open(struct loop *loop, struct http_client *client,
                                     const json_t *config, struct err *err)
{
    (void)loop;
    const char *url = json_get_cstr(config, "url", "");
    const char *timeout = json_get_cstr(config, "timeout", "5s");
    int64_t timeout_ms;
    if (!check_keys(config, err))
        return NULL;
    if (!str_starts(str_from(url), STR("http://")) && !str_starts(str_from(url), STR("https://"))) {
        err_set(err, ERR_BAD_INPUT, "traffic.webhook.url '%s' is not an http or https URL", url);
        return NULL;
    }
    if (!num_parse_duration_ms(str_from(timeout), &timeout_ms) || timeout_ms < 1) {
        err_set(err, ERR_BAD_INPUT, "traffic.webhook.timeout '%s' is not a duration", timeout);
        return NULL;
    }
    struct webhook *w = calloc(1, sizeof *w);
    if (!w)
        check_no_memory(sizeof *w);
    w->base.ops = &webhook_ops;
    w->client = client;
    w->timeout_ms = timeout_ms;
    w->url = strdup(url);
    if (!w->url)
        check_no_memory(strlen(url));
    if (!read_token(w, json_get_cstr(config, "bearerTokenFile", NULL), err)) {
        free(w->url);
        free(w);
        return NULL;
    }
    return (struct actuator *)w; /* base comes first */
}

const struct actuator_ops webhook_ops = {
    .kind = "webhook",
    .open = webhook_open,
    .close = webhook_close,
    .capabilities = webhook_capabilities,
    .apply = webhook_apply,
    .observe = webhook_observe,
    .abandon = webhook_abandon,
};
