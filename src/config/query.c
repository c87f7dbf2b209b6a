/* What a query may take. */
#include "config/internal.h"

void read_query_settings(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"timeout",        "maxSamples", "maxMemory",
                                       "maxConcurrency", "slowLog",    "experimental"};
    static const char *const slow_keys[] = {"threshold", "file"};
    struct query_settings *q = &r->config->query;
    bool experimental = true;
    int64_t max_samples = (int64_t)q->max_samples;
    yaml_take_duration(map, "timeout", &q->timeout_ms, r->diags);
    if (q->timeout_ms < 1)
        yaml_error(map, r->diags, "query.timeout must be over 0");
    yaml_take_i64(map, "maxSamples", 1, INT64_MAX, &max_samples, r->diags);
    q->max_samples = (uint64_t)max_samples;
    yaml_take_size(map, "maxMemory", &q->max_memory_bytes, r->diags);
    if (q->max_memory_bytes < (1 << 20))
        yaml_error(map, r->diags, "query.maxMemory must be at least 1Mi");
    yaml_take_i64(map, "maxConcurrency", 1, 64, &q->max_concurrency, r->diags);
    yaml_take_bool(map, "experimental", &experimental, r->diags);
    q->stable_only = r->rule_defaults.stable_only = !experimental;
    struct yaml_node *slow = yaml_take_map(map, "slowLog", r->diags);
    if (slow) {
        q->slow_ms = 1000;
        yaml_take_duration(slow, "threshold", &q->slow_ms, r->diags);
        if (yaml_take_string(slow, "file", r->arena, &q->slow_path, r->diags))
            q->slow_path = resolve_path(r->arena, r->config->path, q->slow_path);
        yaml_reject_unknown(slow, slow_keys, COUNT_OF(slow_keys), "query.slowLog", r->diags);
    }
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "query", r->diags);
}
