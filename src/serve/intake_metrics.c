/* Own metrics of what comes in, and of what is refused and why. */
#include "base/budget.h"
#include "base/num.h"
#include "serve/internal.h"

#include <math.h>

#define MAX_SHOWN 1000 /* sources */

static void begin_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct buf *out, double v)
{
    buf_add_char(out, ' ');
    num_add_double(out, v);
    buf_add_char(out, '\n');
}

static void add_plain(struct buf *out, const char *name, const char *type, const char *help,
                      double v)
{
    begin_family(out, name, type, help);
    buf_add_cstr(out, name);
    add_value(out, v);
}

static void add_escaped(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' || value.p[i] == '"')
            buf_add_char(out, '\\');
        if (value.p[i] == '\n')
            buf_add_cstr(out, "\\n");
        else
            buf_add_char(out, value.p[i]);
    }
}

/* name{label="value"} v */
static void add_labelled(struct buf *out, const char *name, const char *label, struct str value,
                         double v)
{
    buf_printf(out, "%s{%s=\"", name, label);
    add_escaped(out, value);
    buf_add_cstr(out, "\"}");
    add_value(out, v);
}

static void add_memory(struct buf *out)
{
    struct budget_state b;
    budget_state(&b);
    add_plain(out, "cqed_memory_limit_bytes", "gauge", "storage.memory; 0 = no budget.",
              (double)b.limit_bytes);
    add_plain(out, "cqed_memory_held_bytes", "gauge", "Memory that counts against the budget.",
              (double)b.held_bytes);
    add_plain(out, "cqed_memory_reserved_bytes", "gauge", "Reserved by requests under way.",
              (double)b.reserved_bytes);
    add_plain(out, "cqed_requests_deferred_total", "counter",
              "Requests that were asked to come again for lack of memory.", (double)b.refusals);
}

static void add_refusals(struct buf *out, struct store *store)
{
    static const char name[] = "cqed_series_refused_total";
    uint64_t limit, memory, quota;
    store_refusals(store, &limit, &memory, &quota);
    begin_family(out, name, "counter", "Attempts to make a series that were refused.");
    add_labelled(out, name, "reason", STR("limit"), (double)limit);
    add_labelled(out, name, "reason", STR("memory"), (double)memory);
    add_labelled(out, name, "reason", STR("quota"), (double)quota);
}

static void add_owners(struct buf *out, struct store *store, struct arena *arena)
{
    static const char name[] = "cqed_quota_refused_total";
    struct store_owner *owners;
    size_t n;
    if (!store_owners_refused(store, arena, &owners, &n))
        return;
    begin_family(out, name, "counter", "Series refused because their owner has its quota.");
    for (size_t i = 0; i < n; i++)
        add_labelled(out, name, "owner", owners[i].value, (double)owners[i].refused);
}

static void add_otlp(struct buf *out, const struct otlp *otlp)
{
    static const char *const signals[OTLP_SIGNALS] = {"metrics", "traces", "logs"};
    static const char taken[] = "cqed_otlp_accepted_total", refused[] = "cqed_otlp_rejected_total";
    uint64_t accepted[OTLP_SIGNALS], rejected[OTLP_SIGNALS];
    for (int i = 0; i < OTLP_SIGNALS; i++)
        otlp_counts(otlp, (enum otlp_signal)i, &accepted[i], &rejected[i]);
    begin_family(out, taken, "counter", "Data points, spans and log records of OTLP taken.");
    for (int i = 0; i < OTLP_SIGNALS; i++)
        add_labelled(out, taken, "signal", str_from(signals[i]), (double)accepted[i]);
    begin_family(out, refused, "counter", "Data points, spans and log records of OTLP refused.");
    for (int i = 0; i < OTLP_SIGNALS; i++)
        add_labelled(out, refused, "signal", str_from(signals[i]), (double)rejected[i]);
}

/* --- Freshness --- */

static void add_names(struct buf *out, const char *metric, const struct freshness_source *s)
{
    buf_printf(out, "%s{kind=\"%s\",job=\"", metric, freshness_kind_name(s->kind));
    add_escaped(out, s->job);
    buf_add_cstr(out, "\",instance=\"");
    add_escaped(out, s->instance);
}

static void add_histogram(struct buf *out, const struct freshness_source *s)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= FRESHNESS_BOUNDS; i++) {
        add_names(out, "cqed_freshness_seconds_bucket", s);
        buf_add_cstr(out, "\",le=\"");
        num_add_double(out, i < FRESHNESS_BOUNDS ? freshness_bounds[i] : (double)INFINITY);
        below = i < FRESHNESS_BOUNDS ? below + s->buckets[i] : s->count;
        buf_add_cstr(out, "\"}");
        add_value(out, (double)below);
    }
    add_names(out, "cqed_freshness_seconds_sum", s);
    buf_add_cstr(out, "\"}");
    add_value(out, s->sum_seconds);
    add_names(out, "cqed_freshness_seconds_count", s);
    buf_add_cstr(out, "\"}");
    add_value(out, (double)s->count);
}

static void add_freshness(struct buf *out, struct freshness *f, struct arena *arena)
{
    static const char watermark[] = "cqed_watermark_timestamp_seconds";
    struct freshness_source *v;
    size_t n;
    freshness_list(f, arena, &v, &n);
    n = n < MAX_SHOWN ? n : MAX_SHOWN;
    begin_family(out, "cqed_freshness_seconds", "histogram",
                 "From the newest event of a scrape or a request to when it could be seen.");
    for (size_t i = 0; i < n; i++)
        add_histogram(out, &v[i]);
    begin_family(out, watermark, "gauge",
                 "Everything of the source up to this time is visible, as far as one can know.");
    for (size_t i = 0; i < n; i++) {
        add_names(out, watermark, &v[i]);
        buf_add_cstr(out, "\"}");
        add_value(out, (double)v[i].watermark_ms / 1000);
    }
}

void add_intake_metrics(struct buf *out, struct serve *s, struct arena *arena, const json_t *status)
{
    const json_t *targets = json_object_get(status, "targets");
    add_memory(out);
    add_refusals(out, s->options.store);
    add_owners(out, s->options.store, arena);
    add_otlp(out, s->otlp);
    add_freshness(out, s->options.freshness, arena);
    add_plain(out, "cqed_scrapes_skipped_total", "counter",
              "Scrapes left out because the store could not keep up.",
              json_get_double(targets, "skipped", 0));
}
