#include "cli/source.h"

#include "base/file.h"

#include <inttypes.h>

#define PAGE 500

const char *ledger_folder(struct arena *arena, const char *data)
{
    const char *inside = arena_printf(arena, "%s/ledger", data);
    bool here = file_exists(arena_printf(arena, "%s/ledger.db", data));
    return !here && file_exists(arena_printf(arena, "%s/ledger.db", inside)) ? inside : data;
}

bool source_open(struct source *s, struct cli *cli, struct err *err)
{
    const char *data = args_value(&cli->args, "data");
    *s = (struct source){.cli = cli};
    if (data) {
        const char *folder = ledger_folder(&cli->arena, data);
        if (!file_exists(arena_printf(&cli->arena, "%s/ledger.db", folder)))
            return err_set(err, ERR_NOT_FOUND,
                           "there is no ledger.db in '%s': --data names the server's data folder",
                           data);
        s->ledger = ledger_open_readonly(folder, err);
        s->size = s->ledger ? ledger_size(s->ledger) : 0;
        return s->ledger != NULL;
    }
    const json_t *answer = api_get(cli, &cli->arena, "/cqed/v1/ledger?limit=0", err);
    s->size = (uint64_t)json_get_i64(answer, "size", 0);
    return answer != NULL;
}

void source_close(struct source *s)
{
    ledger_close(s->ledger);
    s->ledger = NULL;
}

/* What one page's entries are handed to. */
struct page {
    bool (*each)(void *arg, const json_t *entry);
    void *arg;
    uint64_t next; /* first entry not handed over yet */
    size_t n;
    bool stopped;
};

static bool hand_over(struct page *p, const json_t *entry)
{
    int64_t seq = json_get_i64(entry, "seq", -1);
    if (seq < 0 || (uint64_t)seq < p->next)
        return true;
    p->next = (uint64_t)seq + 1;
    p->n++;
    p->stopped = !p->each(p->arg, entry);
    return !p->stopped;
}

static bool take_entry(void *arg, const struct ledger_entry *e)
{
    struct arena arena = ARENA_INIT;
    struct buf leaf = BUF_INIT;
    const json_t *parsed = json_parse(&arena, e->bytes, NULL);
    const json_t *body = json_object_get(parsed, "body");
    hex_add(&leaf, e->leaf.b, sizeof e->leaf.b);
    json_t *entry =
        json_own(&arena, json_pack("{s:I, s:I, s:s, s:s, s:s, s:O?}", "seq", (json_int_t)e->seq,
                                   "atMs", (json_int_t)e->at_ms, "kind", e->kind, "subject",
                                   e->subject, "leaf", leaf.p, "body", body));
    bool more = hand_over(arg, entry);
    buf_release(&leaf);
    arena_release(&arena);
    return more;
}

static bool read_page_of_server(struct source *s, uint64_t from, const char *subject,
                                struct page *page, struct err *err)
{
    struct arena arena = ARENA_INIT;
    const char *path =
        arena_printf(&arena, "/cqed/v1/ledger?from=%" PRIu64 "&limit=%d%s%s", from, PAGE,
                     subject ? "&subject=" : "", subject ? url_part(&arena, subject) : "");
    const json_t *answer = api_get(s->cli, &arena, path, err);
    const json_t *entries = json_object_get(answer, "entries");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        if (!hand_over(page, json_array_get(entries, i)))
            break;
    }
    arena_release(&arena);
    return answer != NULL;
}

bool source_read(struct source *s, uint64_t from, const char *subject,
                 bool (*each)(void *arg, const json_t *entry), void *arg, struct err *err)
{
    struct page page = {.each = each, .arg = arg, .next = from};
    do {
        page.n = 0;
        bool done = s->ledger
                        ? ledger_read(s->ledger, page.next, PAGE, subject, take_entry, &page, err)
                        : read_page_of_server(s, page.next, subject, &page, err);
        if (!done)
            return false;
    } while (page.n == PAGE && !page.stopped);
    return true;
}
