/* What serve/ asks of the control thread, one case each. */
#include "daemon/internal.h"

static struct rollout *need_rollout(struct daemon *d, const char *id, struct err *err)
{
    struct rollout *r = rollout_find(d, id);
    if (!r && config_find_rollout(d->config, id))
        err_set(err, ERR_NOT_FOUND,
                "service '%.100s' has no rollout yet; `cqed rollout start %.100s --version V` "
                "makes one",
                id, id);
    else if (!r)
        err_set(err, ERR_NOT_FOUND, "there is no rollout '%.100s', nor one of a service so named",
                id);
    return r;
}

static const struct slo_spec *need_slo(struct daemon *d, const char *name, struct err *err)
{
    const struct slo_spec *slo = config_find_slo(d->config, name);
    const char *names[64];
    size_t n = d->config->n_slos < 64 ? d->config->n_slos : 64;
    if (slo)
        return slo;
    for (size_t i = 0; i < n; i++)
        names[i] = d->config->slos[i].name;
    const char *near = str_nearest(str_from(name), names, n);
    err_set(err, ERR_NOT_FOUND, "there is no SLO '%.100s'%s%s%s", name,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return NULL;
}

static json_t *one_rollout(struct daemon *d, struct arena *arena, const char *id, struct err *err)
{
    const struct rollout *r = need_rollout(d, id, err);
    return r ? rollout_view(arena, r, true) : NULL;
}

static json_t *one_slo(struct daemon *d, struct arena *arena, const char *name, struct err *err)
{
    const struct slo_spec *slo = need_slo(d, name, err);
    return slo ? slo_view(d, arena, slo) : NULL;
}

static json_t *curves(struct daemon *d, struct arena *arena, const struct control_request *asked,
                      struct err *err)
{
    const struct rollout *r = need_rollout(d, asked->id, err);
    json_t *view = r ? comparison_curves(r->comparison, arena, asked->check) : NULL;
    if (r && !view)
        err_set(err, ERR_NOT_FOUND, "rollout %s has no check '%.100s'", r->id, asked->check);
    return view;
}

static json_t *start(struct daemon *d, struct arena *arena, const struct control_request *asked,
                     bool *created, struct err *err)
{
    const struct rollout *r = rollout_begin(d, asked, created, err);
    return r ? rollout_view(arena, r, true) : NULL;
}

static json_t *act(struct daemon *d, struct arena *arena, const struct control_request *asked,
                   struct err *err)
{
    struct rollout *r = need_rollout(d, asked->id, err);
    return r && rollout_act(d, r, asked, err) ? rollout_view(arena, r, true) : NULL;
}

static json_t *canaries_view(struct daemon *d, struct arena *arena)
{
    json_t *list = json_own(arena, json_array());
    for (size_t i = 0; i < d->config->n_canaries; i++) {
        const struct canary_config *c = &d->config->canaries[i];
        /* A copy: a reload may free the configuration while it is used. */
        CHECK(json_array_append_new(list, json_pack("{s:s, s:o}", "id", c->id, "config",
                                                    json_deep_copy(c->json))) == 0);
    }
    return list;
}

static json_t *reload(struct daemon *d, struct arena *arena, struct err *err)
{
    return daemon_reload(d, err) ? json_own(arena, json_pack("{s:b}", "reloaded", 1)) : NULL;
}

static json_t *answer(struct daemon *d, struct arena *arena, const struct control_request *asked,
                      bool *created, struct err *err)
{
    switch (asked->op) {
    case CONTROL_STATUS:
        return status_view(d, arena);
    case CONTROL_SERVICES:
        return services_view(d, arena);
    case CONTROL_SLOS:
        return slos_view(d, arena);
    case CONTROL_SLO:
        return one_slo(d, arena, asked->id, err);
    case CONTROL_TARGETS:
        return targets_view(d, arena);
    case CONTROL_ROLLOUTS:
        return rollouts_view(d, arena);
    case CONTROL_ROLLOUT:
        return one_rollout(d, arena, asked->id, err);
    case CONTROL_CURVES:
        return curves(d, arena, asked, err);
    case CONTROL_START:
        return start(d, arena, asked, created, err);
    case CONTROL_ACT:
        return act(d, arena, asked, err);
    case CONTROL_FORECAST:
        return forecast_view(d, arena, asked, err);
    case CONTROL_GATES:
        return gates_view(d, arena);
    case CONTROL_GATE:
        return gate_answer(d, arena, asked->id, err);
    case CONTROL_CANARIES:
        return canaries_view(d, arena);
    case CONTROL_CONFIG:
        return config_view(d, arena);
    case CONTROL_FLAGS:
        return flags_view(d, arena);
    case CONTROL_RUNTIME:
        return runtime_view(d, arena);
    case CONTROL_RELOAD:
        return reload(d, arena, err);
    }
    return NULL;
}

bool control(void *self, const struct control_request *asked, struct arena *arena,
             struct control_answer *out, struct err *err)
{
    out->created = false;
    out->json = answer(self, arena, asked, &out->created, err);
    return out->json != NULL;
}
