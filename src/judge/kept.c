/* What a restart must not lose, as JSON:
 *
 *     {"v": 1,
 *      "selfChecks": [{"slo", "version", "trials", "alarms", "dispersion"}],
 *      "failures": [{"rollout", "check", "failures", "countedMs"}],
 *      "guards": [{"rollout", "weight", "stream"}]} */
#include "judge/judge.h"

#include <math.h>
#include <string.h>

#define VERSION 1
#define MAX_TRIALS 10000000 /* a thousand years of them */
#define MAX_DISPERSION 1e6
#define MAX_FAILURES 1000
#define MAX_TEXT 1000

/* --- Writing --- */

static void append(json_t *array, json_t *value)
{
    CHECK(value && json_array_append_new(array, value) == 0);
}

json_t *judge_kept_to_json(struct arena *arena, const struct judge_kept *k)
{
    json_t *aa = json_array(), *failures = json_array(), *guards = json_array();
    for (size_t i = 0; i < k->n_aa; i++)
        append(aa, json_pack("{s:s, s:s, s:I, s:I, s:f}", "slo", k->aa[i].slo, "version",
                             k->aa[i].version, "trials", (json_int_t)k->aa[i].trials, "alarms",
                             (json_int_t)k->aa[i].alarms, "dispersion", k->aa[i].dispersion));
    for (size_t i = 0; i < k->n_failures; i++)
        append(failures,
               json_pack("{s:s, s:s, s:i, s:I}", "rollout", k->failures[i].rollout, "check",
                         k->failures[i].check, "failures", k->failures[i].failures, "countedMs",
                         (json_int_t)k->failures[i].counted_ms));
    for (size_t i = 0; i < k->n_guards; i++)
        append(guards, json_pack("{s:s, s:f, s:O}", "rollout", k->guards[i].rollout, "weight",
                                 k->guards[i].weight, "stream", k->guards[i].stream));
    return json_own(arena, json_pack("{s:i, s:o, s:o, s:o}", "v", VERSION, "selfChecks", aa,
                                     "failures", failures, "guards", guards));
}

/* --- Reading --- */

static bool take_list(const json_t *json, const char *key, const json_t **out, size_t *n,
                      struct err *err)
{
    *out = json_object_get(json, key);
    *n = json_array_size(*out);
    if (!json_is_array(*out) || *n > JUDGE_KEPT_MAX)
        return err_set(err, ERR_BAD_INPUT, "\"%s\" must be a list of at most %d", key,
                       JUDGE_KEPT_MAX);
    return true;
}

static bool take_name(struct arena *arena, const json_t *json, const char *key, const char **out,
                      struct err *err)
{
    const char *text = json_get_cstr(json, key, NULL);
    if (!text || strlen(text) > MAX_TEXT)
        return err_set(err, ERR_BAD_INPUT, "\"%s\" must be a text of at most %d bytes", key,
                       MAX_TEXT);
    *out = arena_strdup(arena, text);
    return true;
}

static bool read_aa(struct arena *arena, const json_t *json, struct judge_kept_aa *out,
                    struct err *err)
{
    int64_t trials = json_get_i64(json, "trials", -1), alarms = json_get_i64(json, "alarms", -1);
    out->dispersion = json_get_double(json, "dispersion", (double)NAN);
    if (!take_name(arena, json, "slo", &out->slo, err) ||
        !take_name(arena, json, "version", &out->version, err))
        return false;
    if (trials < 0 || trials > MAX_TRIALS || alarms < 0 || alarms > trials ||
        !(out->dispersion >= 0 && out->dispersion <= MAX_DISPERSION))
        return err_set(err, ERR_BAD_INPUT, "\"%s\": %lld alarms of %lld trials, dispersion %g",
                       out->slo, (long long)alarms, (long long)trials, out->dispersion);
    out->trials = (uint64_t)trials;
    out->alarms = (uint64_t)alarms;
    return true;
}

static bool read_failures(struct arena *arena, const json_t *json, struct judge_kept_failures *out,
                          struct err *err)
{
    int64_t failures = json_get_i64(json, "failures", -1);
    out->counted_ms = json_get_i64(json, "countedMs", 0);
    if (!take_name(arena, json, "rollout", &out->rollout, err) ||
        !take_name(arena, json, "check", &out->check, err))
        return false;
    if (failures < 0 || failures > MAX_FAILURES || out->counted_ms < 0)
        return err_set(err, ERR_BAD_INPUT, "\"%s\": %lld failures, counted at %lld", out->check,
                       (long long)failures, (long long)out->counted_ms);
    out->failures = (int)failures;
    return true;
}

/* That the stream is one is seen here; it is made anew where it is used. */
static bool read_guard(struct arena *arena, const json_t *json, struct judge_kept_guard *out,
                       struct err *err)
{
    out->weight = json_get_double(json, "weight", (double)NAN);
    out->stream = json_object_get(json, "stream");
    if (!take_name(arena, json, "rollout", &out->rollout, err))
        return false;
    if (!(out->weight >= 0 && out->weight <= 1))
        return err_set(err, ERR_BAD_INPUT, "\"%s\": a weight of %g", out->rollout, out->weight);
    struct judge_stream *stream = judge_stream_from_json(out->stream, err);
    judge_stream_free(stream);
    return stream != NULL;
}

bool judge_kept_from_json(struct arena *arena, const json_t *json, struct judge_kept *out,
                          struct err *err)
{
    const json_t *aa, *failures, *guards;
    *out = (struct judge_kept){0};
    if (json_get_i64(json, "v", 0) != VERSION)
        return err_set(err, ERR_BAD_INPUT, "\"v\" must be %d", VERSION);
    if (!take_list(json, "selfChecks", &aa, &out->n_aa, err) ||
        !take_list(json, "failures", &failures, &out->n_failures, err) ||
        !take_list(json, "guards", &guards, &out->n_guards, err))
        return false;
    out->aa = ARENA_ARRAY(arena, struct judge_kept_aa, out->n_aa + 1);
    out->failures = ARENA_ARRAY(arena, struct judge_kept_failures, out->n_failures + 1);
    out->guards = ARENA_ARRAY(arena, struct judge_kept_guard, out->n_guards + 1);
    for (size_t i = 0; i < out->n_aa; i++) {
        if (!read_aa(arena, json_array_get(aa, i), &out->aa[i], err))
            return false;
    }
    for (size_t i = 0; i < out->n_failures; i++) {
        if (!read_failures(arena, json_array_get(failures, i), &out->failures[i], err))
            return false;
    }
    for (size_t i = 0; i < out->n_guards; i++) {
        if (!read_guard(arena, json_array_get(guards, i), &out->guards[i], err))
            return false;
    }
    return true;
}
