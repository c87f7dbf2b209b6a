/* A stream as JSON, and what a stream may be. Doubles are hexadecimal text, so that the copy goes
 * on exactly as the original would. */
#include "base/num.h"
#include "judge/internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#define MAX_COUNT 1e22 /* of events: more than 2^32 of the largest buckets */

/* --- What may be --- */

static bool is_between(double v, double low, double high) /* false for NaN */
{
    return v >= low && v <= high;
}

static bool is_count(double v)
{
    return is_between(v, 0, MAX_COUNT);
}

static bool are_counts(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_count(v[i]))
            return false;
    }
    return true;
}

static bool are_arm_counts(const struct arm_counts *c)
{
    return is_count(c->total) && is_count(c->bad) && c->bad <= c->total;
}

static bool are_pair_counts(const struct pair *p, size_t n_edges)
{
    return are_arm_counts(&p->stable) && are_arm_counts(&p->canary) &&
           are_counts(p->stable_hist, n_edges) && are_counts(p->canary_hist, n_edges);
}

static bool is_config(const struct judge_config *c)
{
    if (c->kind != EVIDENCE_RATIO && c->kind != EVIDENCE_LATENCY)
        return false;
    if (c->n_edges > JUDGE_MAX_EDGES || (c->kind == EVIDENCE_LATENCY && c->n_edges == 0))
        return false;
    for (size_t i = 0; i < c->n_edges; i++) {
        if (isnan(c->edges[i]) || (i > 0 && c->edges[i] <= c->edges[i - 1]))
            return false;
    }
    return c->alpha > 0 && c->alpha < 1 && c->beta > 0 && c->beta < 1 &&
           is_between(c->tolerate, 0, 1) && is_between(c->dispersion, 1, 1e6) &&
           is_between(c->harm_ratio, 1, 1e6) && is_between(c->onset_per_bucket, 0, 1);
}

static bool are_numbers(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(v[i]) || v[i] > DBL_MAX) /* minus infinity is the logarithm of nothing */
            return false;
    }
    return true;
}

static bool is_harm(const struct harm *h)
{
    return are_numbers(h->log_m, JUDGE_HARM_GRID) && is_between(h->unstarted, 0, 1) &&
           are_numbers(&h->log_discount, 1) && are_numbers(&h->log_e, 1);
}

static bool are_thresholds(const struct judge_stream *s)
{
    if (s->n_thresholds > JUDGE_THRESHOLDS || (s->n_thresholds > 0 && s->past.total <= 0))
        return false;
    for (size_t i = 0; i < s->n_thresholds; i++) {
        if (s->thresholds[i].edge >= s->config.n_edges ||
            !is_between(s->thresholds[i].null_ratio, 1, 1e6))
            return false;
    }
    return true;
}

const char *judge_stream_problem(const struct judge_stream *s)
{
    size_t n = s->config.n_edges;
    if (!is_config(&s->config))
        return "the configuration is out of range";
    if (!are_pair_counts(&s->all, n) || !are_pair_counts(&s->waiting, n) ||
        !are_arm_counts(&s->past) || !are_counts(s->past_hist, n))
        return "there are impossible counts";
    if (s->buckets > 0 && (s->all.stable.total <= 0 || s->all.canary.total <= 0))
        return "buckets without events";
    if (!are_thresholds(s))
        return "there are impossible thresholds";
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++) {
        if (!is_harm(&s->harm[i]))
            return "the evidence of harm is no number";
    }
    return are_numbers(s->health.log_e, HEALTH_GRID) ? NULL : "the evidence of health is no number";
}

/* --- As JSON --- */

static json_t *exact(double v)
{
    char text[40];
    (void)snprintf(text, sizeof text, isfinite(v) ? "%a" : "%f", v);
    return json_string(text);
}

static json_t *exact_array(const double *v, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(array, exact(v[i]));
    return array;
}

static bool read_array(const json_t *json, const char *key, double *out, size_t n, struct err *err)
{
    const json_t *array = json_object_get(json, key);
    if (json_array_size(array) != n)
        return err_set(err, ERR_BAD_INPUT, "judge state: \"%s\" must have %zu numbers", key, n);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text || !num_parse_double(str_from(text), &out[i]))
            return err_set(err, ERR_BAD_INPUT, "judge state: \"%s\" has no number at %zu", key, i);
    }
    return true;
}

/* The configuration's and the state's plain numbers in one order, for both directions. */
#define N_PLAIN 17
static void plain_pointers(struct judge_stream *s, double *out[N_PLAIN])
{
    double *const v[N_PLAIN] = {
        &s->config.alpha,         &s->config.beta,          &s->config.tolerate,
        &s->config.harm_ratio,    &s->config.dispersion,    &s->config.onset_per_bucket,
        &s->config.slo_edge,      &s->past.total,           &s->past.bad,
        &s->all.stable.total,     &s->all.stable.bad,       &s->all.canary.total,
        &s->all.canary.bad,       &s->waiting.stable.total, &s->waiting.stable.bad,
        &s->waiting.canary.total, &s->waiting.canary.bad};
    memcpy(out, v, sizeof v);
}

static json_t *harm_to_json(const struct harm *h)
{
    double rest[3] = {h->unstarted, h->log_discount, h->log_e};
    return json_pack("{s:o, s:o, s:b}", "m", exact_array(h->log_m, JUDGE_HARM_GRID), "rest",
                     exact_array(rest, 3), "begun", h->begun);
}

static bool harm_from_json(const json_t *json, struct harm *h, struct err *err)
{
    double rest[3];
    if (!read_array(json, "m", h->log_m, JUDGE_HARM_GRID, err) ||
        !read_array(json, "rest", rest, 3, err))
        return false;
    h->unstarted = rest[0];
    h->log_discount = rest[1];
    h->log_e = rest[2];
    h->begun = json_get_bool(json, "begun", false);
    return true;
}

json_t *judge_stream_to_json(struct arena *arena, const struct judge_stream *stream)
{
    struct judge_stream s = *stream;
    double *plain[N_PLAIN], values[N_PLAIN], ratios[JUDGE_THRESHOLDS];
    size_t n = s.config.n_edges;
    plain_pointers(&s, plain);
    for (size_t i = 0; i < N_PLAIN; i++)
        values[i] = *plain[i];
    json_t *edges = json_array(), *harm = json_array();
    for (size_t i = 0; i < s.n_thresholds; i++) {
        (void)json_array_append_new(edges, json_integer((json_int_t)s.thresholds[i].edge));
        ratios[i] = s.thresholds[i].null_ratio;
    }
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++)
        (void)json_array_append_new(harm, harm_to_json(&s.harm[i]));
    json_t *json =
        json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "kind",
                  evidence_kind_name(s.config.kind), "plain", exact_array(values, N_PLAIN), "edges",
                  exact_array(s.config.edges, n), "firstMs", (json_int_t)s.first_ms, "lastMs",
                  (json_int_t)s.last_ms, "buckets", (json_int_t)s.buckets, "thresholds", edges,
                  "nullRatios", exact_array(ratios, s.n_thresholds), "harm", harm, "health",
                  exact_array(s.health.log_e, HEALTH_GRID));
    const struct {
        const char *key;
        const double *v;
    } hists[] = {{"pastHist", s.past_hist},
                 {"stableHist", s.all.stable_hist},
                 {"canaryHist", s.all.canary_hist},
                 {"waitingStableHist", s.waiting.stable_hist},
                 {"waitingCanaryHist", s.waiting.canary_hist}};
    for (size_t i = 0; i < sizeof hists / sizeof *hists; i++)
        (void)json_object_set_new(json, hists[i].key, exact_array(hists[i].v, n));
    return json_own(arena, json);
}

static bool read_thresholds(const json_t *json, struct judge_stream *s, struct err *err)
{
    const json_t *edges = json_object_get(json, "thresholds");
    double ratios[JUDGE_THRESHOLDS];
    s->n_thresholds = json_array_size(edges);
    if (s->n_thresholds > JUDGE_THRESHOLDS)
        return err_set(err, ERR_BAD_INPUT, "judge state: too many thresholds");
    if (!read_array(json, "nullRatios", ratios, s->n_thresholds, err))
        return false;
    for (size_t i = 0; i < s->n_thresholds; i++) {
        json_int_t edge = json_integer_value(json_array_get(edges, i));
        if (edge < 0 || (size_t)edge >= s->config.n_edges)
            return err_set(err, ERR_BAD_INPUT, "judge state: no edge %lld", (long long)edge);
        s->thresholds[i] = (struct threshold){(size_t)edge, ratios[i]};
    }
    return true;
}

static bool read_numbers(const json_t *json, struct judge_stream *s, struct err *err)
{
    double *plain[N_PLAIN], values[N_PLAIN];
    size_t n = json_array_size(json_object_get(json, "edges"));
    if (n > JUDGE_MAX_EDGES)
        return err_set(err, ERR_BAD_INPUT, "judge state: %zu edges, the limit is %d", n,
                       JUDGE_MAX_EDGES);
    s->config.n_edges = n;
    if (!read_array(json, "plain", values, N_PLAIN, err) ||
        !read_array(json, "edges", s->config.edges, n, err) ||
        !read_array(json, "pastHist", s->past_hist, n, err) ||
        !read_array(json, "stableHist", s->all.stable_hist, n, err) ||
        !read_array(json, "canaryHist", s->all.canary_hist, n, err) ||
        !read_array(json, "waitingStableHist", s->waiting.stable_hist, n, err) ||
        !read_array(json, "waitingCanaryHist", s->waiting.canary_hist, n, err) ||
        !read_array(json, "health", s->health.log_e, HEALTH_GRID, err))
        return false;
    plain_pointers(s, plain);
    for (size_t i = 0; i < N_PLAIN; i++)
        *plain[i] = values[i];
    return true;
}

static bool read_state(const json_t *json, struct judge_stream *s, struct err *err)
{
    const char *kind = json_get_cstr(json, "kind", "");
    if (strcmp(kind, evidence_kind_name(EVIDENCE_LATENCY)) == 0)
        s->config.kind = EVIDENCE_LATENCY;
    else if (strcmp(kind, evidence_kind_name(EVIDENCE_RATIO)) != 0)
        return err_set(err, ERR_BAD_INPUT, "judge state: kind '%.40s' is not known", kind);
    if (!read_numbers(json, s, err) || !read_thresholds(json, s, err))
        return false;
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++) {
        if (!harm_from_json(json_array_get(json_object_get(json, "harm"), i), &s->harm[i], err))
            return false;
    }
    int64_t buckets = json_get_i64(json, "buckets", -1);
    s->first_ms = json_get_i64(json, "firstMs", 0);
    s->last_ms = json_get_i64(json, "lastMs", 0);
    s->buckets = (uint32_t)buckets;
    if (buckets < 0 || buckets > UINT32_MAX || s->first_ms > s->last_ms)
        return err_set(err, ERR_BAD_INPUT, "judge state: %lld buckets from %lld to %lld",
                       (long long)buckets, (long long)s->first_ms, (long long)s->last_ms);
    const char *problem = judge_stream_problem(s);
    return !problem || err_set(err, ERR_BAD_INPUT, "judge state: %s", problem);
}

struct judge_stream *judge_stream_from_json(const json_t *json, struct err *err)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    if (read_state(json, s, err))
        return s;
    judge_stream_free(s);
    return NULL;
}
