/* A stream as JSON, and what a stream may be. Doubles are hexadecimal text, so that the copy goes
 * on exactly as the original would. */
#include "base/num.h"
#include "judge/internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#define MAX_COUNT 1e22                     /* of events: more than 2^32 of the largest buckets */
#define MAX_WARMUP (INT64_C(7) * 86400000) /* ms */

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

static bool are_arm_counts(const struct judge_stream *s, const struct arm_counts *c)
{
    return is_count(c->total) && is_count(c->bad) && (s->config.is_rate || c->bad <= c->total);
}

static bool are_pair_counts(const struct judge_stream *s, const struct pair *p)
{
    return are_arm_counts(s, &p->stable) && are_arm_counts(s, &p->canary) &&
           are_counts(p->stable_hist, s->config.n_edges) &&
           are_counts(p->canary_hist, s->config.n_edges);
}

static bool are_all_counts(const struct judge_stream *s)
{
    return are_pair_counts(s, &s->all) && are_pair_counts(s, &s->waiting) &&
           are_arm_counts(s, &s->past) && are_arm_counts(s, &s->settled_stable) &&
           are_arm_counts(s, &s->settled_canary) && are_counts(s->past_hist, s->config.n_edges) &&
           are_counts(s->picked_hist, s->config.n_edges);
}

static bool is_config(const struct judge_config *c)
{
    if (c->kind != EVIDENCE_RATIO && c->kind != EVIDENCE_LATENCY && c->kind != EVIDENCE_TRAFFIC)
        return false;
    if ((c->is_rate && c->kind != EVIDENCE_RATIO) || c->warmup_ms < 0 || c->warmup_ms > MAX_WARMUP)
        return false;
    if (c->n_edges > JUDGE_MAX_EDGES || (c->kind == EVIDENCE_LATENCY && c->n_edges == 0))
        return false;
    for (size_t i = 0; i < c->n_edges; i++) {
        if (isnan(c->edges[i]) || (i > 0 && c->edges[i] <= c->edges[i - 1]))
            return false;
    }
    return c->alpha > 0 && c->alpha < 1 && c->beta > 0 && c->beta < 1 &&
           is_between(c->tolerate, 0, c->is_rate ? MAX_COUNT : 1) &&
           (isnan(c->bank_tolerate) || is_between(c->bank_tolerate, 0, 1)) &&
           is_between(c->dispersion, 1, 1e6) && is_between(c->harm_ratio, 1, 1e6) &&
           is_between(c->onset_per_bucket, 0, 1);
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
           are_numbers(&h->log_discount, 1) && are_numbers(&h->log_e, 1) &&
           are_counts(h->rise, HARM_RISES);
}

/* What a test counts as bad may be more than all of it: for traffic the arms are swapped. */
static bool are_recent(const struct judge_stream *s, size_t i)
{
    for (size_t k = 0; k < HARM_RISES; k++) {
        const struct recent *r = &s->recent[i][k];
        if (!is_count(r->stable.total) || !is_count(r->stable.bad) || !is_count(r->canary.total) ||
            !is_count(r->canary.bad) || r->since_ms < 0)
            return false;
    }
    return true;
}

static bool are_thresholds(const struct judge_stream *s)
{
    if (s->n_thresholds > JUDGE_THRESHOLDS || (s->n_thresholds > 0 && s->past.total <= 0))
        return false;
    for (size_t i = 0; i < s->n_thresholds; i++) {
        if (s->thresholds[i].edge >= s->config.n_edges ||
            !is_between(s->thresholds[i].null_ratio, 1, 1e30) ||
            !is_between(s->thresholds[i].margin_ratio, 0, 1e10))
            return false;
    }
    return true;
}

static bool are_tests(const struct judge_stream *s)
{
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++) {
        if (!is_harm(&s->harm[i]) || !dispersion_is_possible(&s->dispersion[i]) ||
            !are_numbers(s->bank[i].log_e, HEALTH_GRID) || !are_recent(s, i))
            return false;
    }
    return true;
}

const char *judge_stream_problem(const struct judge_stream *s)
{
    if (!is_config(&s->config))
        return "the configuration is out of range";
    if (!are_all_counts(s))
        return "there are impossible counts";
    if (!are_thresholds(s))
        return "there are impossible thresholds";
    if (!are_tests(s))
        return "the evidence of harm is no number";
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
#define N_PLAIN 22
static void plain_pointers(struct judge_stream *s, double *out[N_PLAIN])
{
    double *const v[N_PLAIN] = {&s->config.alpha,         &s->config.beta,
                                &s->config.tolerate,      &s->config.harm_ratio,
                                &s->config.dispersion,    &s->config.onset_per_bucket,
                                &s->config.slo_edge,      &s->config.bank_tolerate,
                                &s->settled_stable.total, &s->settled_stable.bad,
                                &s->settled_canary.total, &s->settled_canary.bad,
                                &s->past.total,           &s->past.bad,
                                &s->all.stable.total,     &s->all.stable.bad,
                                &s->all.canary.total,     &s->all.canary.bad,
                                &s->waiting.stable.total, &s->waiting.stable.bad,
                                &s->waiting.canary.total, &s->waiting.canary.bad};
    memcpy(out, v, sizeof v);
}

/* The same of what a stream sees of dispersion. */
#define N_SPREAD (6 + 6 * DISPERSION_RUN_LENGTHS)
static void spread_pointers(struct dispersion *d, double *out[N_SPREAD])
{
    size_t n = 0;
    out[n++] = &d->learned;
    out[n++] = &d->now;
    out[n++] = &d->most;
    out[n++] = &d->all.bad_canary;
    out[n++] = &d->all.bad_both;
    out[n++] = &d->all.expected;
    for (size_t l = 0; l < DISPERSION_RUN_LENGTHS; l++) {
        out[n++] = &d->open[l].bad_canary;
        out[n++] = &d->open[l].bad_both;
        out[n++] = &d->open[l].expected;
        out[n++] = &d->squares[l];
        out[n++] = &d->variance[l];
        out[n++] = &d->freedom[l];
    }
    CHECK(n == N_SPREAD);
}

/* The same of what was counted since the evidence rose. */
#define N_RECENT (5 * HARM_RISES)
static void recent_pointers(struct judge_stream *s, size_t i, double *out[N_RECENT])
{
    for (size_t k = 0; k < HARM_RISES; k++) {
        struct recent *r = &s->recent[i][k];
        double *const v[] = {&s->harm[i].rise[k], &r->stable.total, &r->stable.bad,
                             &r->canary.total, &r->canary.bad};
        memcpy(&out[k * 5], v, sizeof v);
    }
}

static json_t *test_to_json(struct judge_stream *s, size_t i)
{
    const struct harm *h = &s->harm[i];
    double rest[3] = {h->unstarted, h->log_discount, h->log_e};
    double *spread[N_SPREAD], values[N_SPREAD];
    spread_pointers(&s->dispersion[i], spread);
    for (size_t k = 0; k < N_SPREAD; k++)
        values[k] = *spread[k];
    double *recent[N_RECENT], since[N_RECENT];
    recent_pointers(s, i, recent);
    for (size_t k = 0; k < N_RECENT; k++)
        since[k] = *recent[k];
    json_t *since_ms = json_array();
    for (size_t k = 0; k < HARM_RISES; k++)
        (void)json_array_append_new(since_ms, json_integer((json_int_t)s->recent[i][k].since_ms));
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "recent", exact_array(since, N_RECENT),
                     "sinceMs", since_ms, "m", exact_array(h->log_m, JUDGE_HARM_GRID), "rest",
                     exact_array(rest, 3), "begun", h->begun, "dispersion",
                     exact_array(values, N_SPREAD), "health",
                     exact_array(s->bank[i].log_e, HEALTH_GRID));
}

static bool recent_from_json(const json_t *json, struct judge_stream *s, size_t i, struct err *err)
{
    double *recent[N_RECENT], since[N_RECENT];
    const json_t *since_ms = json_object_get(json, "sinceMs");
    if (!read_array(json, "recent", since, N_RECENT, err))
        return false;
    recent_pointers(s, i, recent);
    for (size_t k = 0; k < N_RECENT; k++)
        *recent[k] = since[k];
    for (size_t k = 0; k < HARM_RISES; k++)
        s->recent[i][k].since_ms = json_integer_value(json_array_get(since_ms, k));
    return true;
}

static bool test_from_json(const json_t *json, struct judge_stream *s, size_t i, struct err *err)
{
    struct harm *h = &s->harm[i];
    double rest[3], *spread[N_SPREAD], values[N_SPREAD];
    if (!read_array(json, "m", h->log_m, JUDGE_HARM_GRID, err) ||
        !read_array(json, "rest", rest, 3, err) ||
        !read_array(json, "dispersion", values, N_SPREAD, err) ||
        !read_array(json, "health", s->bank[i].log_e, HEALTH_GRID, err) ||
        !recent_from_json(json, s, i, err))
        return false;
    h->unstarted = rest[0];
    h->log_discount = rest[1];
    h->log_e = rest[2];
    h->begun = json_get_bool(json, "begun", false);
    spread_pointers(&s->dispersion[i], spread);
    for (size_t k = 0; k < N_SPREAD; k++)
        *spread[k] = values[k];
    return true;
}

/* The histograms by name, for both directions. */
#define N_HISTS 6
static void hist_pointers(struct judge_stream *s, const char *keys[N_HISTS], double *out[N_HISTS])
{
    static const char *const names[N_HISTS] = {"pastHist",          "pickedHist",
                                               "stableHist",        "canaryHist",
                                               "waitingStableHist", "waitingCanaryHist"};
    double *const hists[N_HISTS] = {s->past_hist,           s->picked_hist,
                                    s->all.stable_hist,     s->all.canary_hist,
                                    s->waiting.stable_hist, s->waiting.canary_hist};
    memcpy(keys, names, sizeof names);
    memcpy(out, hists, sizeof hists);
}

static void put_thresholds(json_t *json, const struct judge_stream *s)
{
    double ratios[JUDGE_THRESHOLDS], margins[JUDGE_THRESHOLDS];
    json_t *edges = json_array();
    for (size_t i = 0; i < s->n_thresholds; i++) {
        (void)json_array_append_new(edges, json_integer((json_int_t)s->thresholds[i].edge));
        ratios[i] = s->thresholds[i].null_ratio;
        margins[i] = s->thresholds[i].margin_ratio;
    }
    (void)json_object_set_new(json, "thresholds", edges);
    (void)json_object_set_new(json, "nullRatios", exact_array(ratios, s->n_thresholds));
    (void)json_object_set_new(json, "marginRatios", exact_array(margins, s->n_thresholds));
}

json_t *judge_stream_to_json(struct arena *arena, const struct judge_stream *stream)
{
    struct judge_stream s = *stream;
    double *plain[N_PLAIN], values[N_PLAIN], *hists[N_HISTS];
    const char *keys[N_HISTS];
    plain_pointers(&s, plain);
    for (size_t i = 0; i < N_PLAIN; i++)
        values[i] = *plain[i];
    json_t *tests = json_array();
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++)
        (void)json_array_append_new(tests, test_to_json(&s, i));
    json_t *json = json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "kind",
                             evidence_kind_name(s.config.kind), "reference", s.config.reference,
                             "isRate", s.config.is_rate, "warmupMs", (json_int_t)s.config.warmup_ms,
                             "plain", exact_array(values, N_PLAIN), "edges",
                             exact_array(s.config.edges, s.config.n_edges), "firstMs",
                             (json_int_t)s.first_ms, "lastMs", (json_int_t)s.last_ms, "learnedMs",
                             (json_int_t)s.learned_ms, "buckets", (json_int_t)s.buckets, "tests",
                             tests, "health", exact_array(s.health.log_e, HEALTH_GRID));
    if (s.against_baseline)
        (void)json_object_set_new(json, "baseline", json_true());
    put_thresholds(json, &s);
    hist_pointers(&s, keys, hists);
    for (size_t i = 0; i < N_HISTS; i++)
        (void)json_object_set_new(json, keys[i], exact_array(hists[i], s.config.n_edges));
    return json_own(arena, json);
}

static bool read_thresholds(const json_t *json, struct judge_stream *s, struct err *err)
{
    const json_t *edges = json_object_get(json, "thresholds");
    double ratios[JUDGE_THRESHOLDS], margins[JUDGE_THRESHOLDS];
    s->n_thresholds = json_array_size(edges);
    if (s->n_thresholds > JUDGE_THRESHOLDS)
        return err_set(err, ERR_BAD_INPUT, "judge state: too many thresholds");
    if (!read_array(json, "nullRatios", ratios, s->n_thresholds, err) ||
        !read_array(json, "marginRatios", margins, s->n_thresholds, err))
        return false;
    for (size_t i = 0; i < s->n_thresholds; i++) {
        json_int_t edge = json_integer_value(json_array_get(edges, i));
        if (edge < 0 || (size_t)edge >= s->config.n_edges)
            return err_set(err, ERR_BAD_INPUT, "judge state: no edge %lld", (long long)edge);
        s->thresholds[i] = (struct threshold){(size_t)edge, ratios[i], margins[i]};
    }
    return true;
}

static bool read_numbers(const json_t *json, struct judge_stream *s, struct err *err)
{
    double *plain[N_PLAIN], values[N_PLAIN], *hists[N_HISTS];
    const char *keys[N_HISTS];
    size_t n = json_array_size(json_object_get(json, "edges"));
    if (n > JUDGE_MAX_EDGES)
        return err_set(err, ERR_BAD_INPUT, "judge state: %zu edges, the limit is %d", n,
                       JUDGE_MAX_EDGES);
    s->config.n_edges = n;
    if (!read_array(json, "plain", values, N_PLAIN, err) ||
        !read_array(json, "edges", s->config.edges, n, err) ||
        !read_array(json, "health", s->health.log_e, HEALTH_GRID, err))
        return false;
    hist_pointers(s, keys, hists);
    for (size_t i = 0; i < N_HISTS; i++) {
        if (!read_array(json, keys[i], hists[i], n, err))
            return false;
    }
    plain_pointers(s, plain);
    for (size_t i = 0; i < N_PLAIN; i++)
        *plain[i] = values[i];
    return true;
}

static bool read_kind(const json_t *json, enum evidence_kind *out, struct err *err)
{
    static const enum evidence_kind kinds[] = {EVIDENCE_RATIO, EVIDENCE_LATENCY, EVIDENCE_TRAFFIC};
    const char *kind = json_get_cstr(json, "kind", "");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, evidence_kind_name(kinds[i])) == 0) {
            *out = kinds[i];
            return true;
        }
    }
    return err_set(err, ERR_BAD_INPUT, "judge state: kind '%.40s' is not known", kind);
}

static bool read_state(const json_t *json, struct judge_stream *s, struct err *err)
{
    if (!read_kind(json, &s->config.kind, err))
        return false;
    if (!read_numbers(json, s, err) || !read_thresholds(json, s, err))
        return false;
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++) {
        if (!test_from_json(json_array_get(json_object_get(json, "tests"), i), s, i, err))
            return false;
    }
    int64_t buckets = json_get_i64(json, "buckets", -1);
    s->config.is_rate = json_get_bool(json, "isRate", false);
    s->config.reference = json_get_bool(json, "reference", false);
    s->config.warmup_ms = json_get_i64(json, "warmupMs", 0);
    s->against_baseline = json_get_bool(json, "baseline", false);
    s->learned_ms = json_get_i64(json, "learnedMs", 0);
    s->first_ms = json_get_i64(json, "firstMs", 0);
    s->last_ms = json_get_i64(json, "lastMs", 0);
    s->buckets = (uint32_t)buckets;
    if (buckets < 0 || buckets > UINT32_MAX || s->first_ms > s->last_ms || s->learned_ms < 0)
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
