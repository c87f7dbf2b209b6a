/* Server-sent events: one list of open pages, and whatever is published goes to each. */
#include "serve/internal.h"

void handle_events(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    bool full;
    (void)pthread_mutex_lock(&s->lock);
    full = s->n_listeners == MAX_LISTENERS;
    if (!full)
        s->listeners[s->n_listeners++] = http_respond_stream(request, response);
    (void)pthread_mutex_unlock(&s->lock);
    if (full) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_UNREACHABLE, "over %d event streams are open", MAX_LISTENERS);
        http_respond_error(response, &err);
    }
}

void serve_publish(struct serve *s, const char *event, int64_t id, const json_t *data)
{
    if (!serve_has_listeners(s))
        return;
    struct buf text = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_put_value(&w, data);
    json_writer_end(&w);
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_listeners;) {
        if (http_stream_send(s->listeners[i], event, id, buf_str(&text))) {
            i++;
            continue;
        }
        http_stream_close(s->listeners[i]);
        s->listeners[i] = s->listeners[--s->n_listeners];
    }
    (void)pthread_mutex_unlock(&s->lock);
    buf_release(&text);
}

bool serve_has_listeners(struct serve *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool any = s->n_listeners > 0;
    (void)pthread_mutex_unlock(&s->lock);
    return any;
}
