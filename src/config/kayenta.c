/* Canary configurations of Kayenta, one a JSON file, for its callers at /canary. */
#include "judge/kayenta.h"

#include "base/file.h"
#include "config/internal.h"

#define MAX_CANARY_BYTES ((size_t)1 << 20)
#define MAX_CANARIES 1000

static const char *id_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct str name = str_from(slash ? slash + 1 : path);
    if (str_ends(name, STR(".json")))
        name.n -= 5;
    return arena_cstr(arena, name);
}

static bool is_taken(const struct config *c, const char *id)
{
    for (size_t i = 0; i < c->n_canaries; i++) {
        if (strcmp(c->canaries[i].id, id) == 0)
            return true;
    }
    return false;
}

static bool read_canary(struct reader *r, const char *path, struct canary_config *out,
                        struct err *err)
{
    struct buf text = BUF_INIT;
    bool done = file_read(path, MAX_CANARY_BYTES, &text, err);
    if (done) {
        buf_add_str(&r->all_bytes, buf_str(&text));
        out->id = id_of(r->arena, path);
        out->json = json_parse(r->arena, buf_str(&text), err);
        done = out->json && kayenta_check_config(r->arena, out->json, err);
    }
    buf_release(&text);
    return done;
}

void read_kayenta(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"canaryConfigs"};
    struct config *c = r->config;
    size_t n;
    const char **paths = read_strings(r, map, "canaryConfigs", &n);
    if (n > MAX_CANARIES) {
        yaml_error(map, r->diags, "kayenta.canaryConfigs names %zu files, the limit is %d", n,
                   MAX_CANARIES);
        return;
    }
    struct canary_config *canaries = ARENA_ARRAY(r->arena, struct canary_config, n);
    c->canaries = canaries;
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        const char *path = resolve_path(r->arena, c->path, paths[i]);
        if (!read_canary(r, path, &canaries[c->n_canaries], &err))
            diag_add(r->diags, DIAG_ERROR, path, 0, 0, "%s", err.message);
        else if (is_taken(c, canaries[c->n_canaries].id))
            diag_add(r->diags, DIAG_ERROR, path, 0, 0,
                     "another canary configuration has the id '%s', its file's name",
                     canaries[c->n_canaries].id);
        else
            c->n_canaries++;
    }
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "kayenta", r->diags);
}
