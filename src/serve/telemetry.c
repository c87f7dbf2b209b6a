/* Remote write in, and cQED's own metrics out. */
#include "base/clock.h"
#include "base/num.h"
#include "codec/compress.h"
#include "serve/internal.h"

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

/* --- Remote write (prometheus.io/docs/specs/prw/remote_write_spec_2_0) --- */

/* Senders log the text as it is. */
static void answer_remote_write(struct http_response *response, int status, const char *why)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    if (status == 503 || status == 429)
        http_add_header(response, "Retry-After", "1");
    if (why[0])
        buf_printf(&response->body, "%s\n", why);
}

static bool read_remote_write(const struct http_request *request, enum remote_write_message *kind,
                              struct buf *plain, int *status, struct err *err)
{
    const char *encoding = http_header(request, "Content-Encoding");
    *status = 415;
    if (!remote_write_message_of(request->content_type, kind))
        return err_set(err, ERR_BAD_INPUT,
                       "Content-Type must be application/x-protobuf, with proto="
                       "prometheus.WriteRequest or proto=io.prometheus.write.v2.Request if any, "
                       "not '%.100s'",
                       request->content_type);
    if (encoding && strcasecmp(encoding, "snappy") != 0)
        return err_set(err, ERR_BAD_INPUT, "Content-Encoding must be snappy, not '%.40s'",
                       encoding);
    bool done = snappy_decode(request->body, REMOTE_WRITE_MAX_BYTES, plain, err);
    *status = err->code == ERR_LIMIT ? 413 : 400;
    return done;
}

/* A sender is known by its address alone: its series have the names of their own targets. */
static void note_sender(struct serve *s, const struct http_request *request,
                        const struct remote_write_result *result)
{
    const char *colon = strrchr(request->peer, ':');
    struct str host = str_make(request->peer, colon ? (size_t)(colon - request->peer) : 0);
    if (result->newest_ms > 0)
        freshness_note(s->options.freshness, FRESHNESS_REMOTE_WRITE, STR(""), host,
                       result->newest_ms, clock_wall_ms(), 0);
}

static void add_written(struct http_response *response, const char *what, uint64_t n)
{
    char name[64], value[24];
    (void)snprintf(name, sizeof name, "X-Prometheus-Remote-Write-%s-Written", what);
    (void)snprintf(value, sizeof value, "%llu", (unsigned long long)n);
    http_add_header(response, name, value);
}

/* Exemplars that are not written are no error, or a sender would take its requests for failed. */
void handle_remote_write(void *context, struct http_request *request,
                         struct http_response *response)
{
    struct serve *s = context;
    struct remote_write_result result = {0};
    enum remote_write_message kind = REMOTE_WRITE_1;
    struct buf plain = BUF_INIT;
    struct err err = ERR_INIT;
    int status = 503;
    size_t size_bytes = snappy_decoded_bytes(request->body);
    if (size_bytes > REMOTE_WRITE_MAX_BYTES)
        size_bytes = 0; /* it will be refused */
    if (!begin_intake(s, size_bytes, &err)) {
        answer_remote_write(response, err.code == ERR_BAD_INPUT ? 413 : 503, err.message);
        return;
    }
    bool done = read_remote_write(request, &kind, &plain, &status, &err);
    if (done) {
        done = remote_write_append(s->remote_write, kind, buf_str(&plain), clock_wall_ms(), &result,
                                   &err);
        status = err.code == ERR_IO ? 503 : err.code == ERR_LIMIT ? 413 : 400;
    }
    if (done)
        note_sender(s, request, &result);
    if (done && !result.message[0])
        answer_remote_write(response, 204, "");
    else
        answer_remote_write(response, done && result.limited ? 429 : status,
                            done ? result.message : err.message);
    if (kind == REMOTE_WRITE_2) {
        add_written(response, "Samples", result.samples_written);
        add_written(response, "Histograms", result.histograms_written);
        add_written(response, "Exemplars", result.exemplars_written);
    }
    buf_release(&plain);
    end_intake(size_bytes);
}

/* --- Ours --- */

struct own_metric {
    const char *name, *type, *help;
    double value;
};

static double resident_bytes(void)
{
    long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    (void)fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void add_metric(struct buf *out, const struct own_metric *m)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", m->name, m->help, m->name, m->type, m->name);
    num_add_double(out, m->value);
    buf_add_char(out, '\n');
}

static void add_metrics(struct buf *out, const struct own_metric *metrics, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_metric(out, &metrics[i]);
}

static void add_store_metrics(struct buf *out, struct store *store)
{
    struct store_stats st;
    struct store_snapshot_stats snapshot;
    store_stats(store, &st);
    store_snapshot_stats(store, &snapshot);
    const struct own_metric metrics[] = {
        {"cqed_store_series", "gauge", "Series in the head.", (double)st.series},
        {"cqed_store_series_removed_total", "counter", "Series that left the head, all in blocks.",
         (double)st.series_removed},
        {"cqed_store_samples_appended_total", "counter", "Samples taken.",
         (double)st.samples_appended},
        {"cqed_store_samples_refused_total", "counter", "Samples refused.",
         (double)st.samples_refused},
        {"cqed_store_chunk_bytes", "gauge", "Bytes of compressed samples.", (double)st.chunk_bytes},
        {"cqed_store_blocks", "gauge", "Blocks on disk.", (double)st.blocks},
        {"cqed_store_block_bytes", "gauge", "Bytes of blocks on disk.", (double)st.block_bytes},
        {"cqed_store_blocks_written_total", "counter", "Blocks written from the head.",
         (double)st.blocks_written},
        {"cqed_store_compactions_total", "counter", "Blocks made of other blocks.",
         (double)st.compactions},
        {"cqed_store_blocks_expired_total", "counter", "Blocks deleted by retention.",
         (double)st.blocks_expired},
        {"cqed_store_blocks_corrupt_total", "counter", "Damaged blocks that were set aside.",
         (double)st.blocks_corrupt},
        {"cqed_store_block_failures_total", "counter",
         "Times that blocks could not be written; tried again each minute.",
         (double)st.block_failures},
        {"cqed_wal_bytes", "gauge", "Bytes of write-ahead log on disk.", (double)st.wal_bytes},
        {"cqed_wal_fsyncs_total", "counter", "Times the log was synced.", (double)st.wal_fsyncs},
        {"cqed_wal_corruptions_total", "counter", "Damaged records found at start.",
         (double)st.wal_corruptions},
        {"cqed_store_recovery_seconds", "gauge", "What the last start took to read head and log.",
         (double)st.replay_ms / 1000},
        {"cqed_head_snapshots_written_total", "counter", "Snapshots of the head written.",
         (double)snapshot.written},
        {"cqed_head_snapshot_failures_total", "counter", "Snapshots of the head that failed.",
         (double)snapshot.failures},
        {"cqed_head_snapshots_skipped_total", "counter",
         "Snapshots of the head that had to wait for memory or disk.", (double)snapshot.skipped},
        {"cqed_head_snapshots_set_aside_total", "counter",
         "Snapshots that the start could not use: damaged, or of another log.",
         (double)snapshot.set_aside},
        {"cqed_head_snapshot_bytes", "gauge", "Bytes of the newest snapshot; 0 = there is none.",
         (double)snapshot.size_bytes},
        {"cqed_head_snapshot_time_seconds", "gauge",
         "When the newest snapshot was written; 0 = not since the start.",
         (double)snapshot.made_ms / 1000},
        {"cqed_head_snapshot_write_seconds", "gauge", "How long it took to write.",
         (double)snapshot.write_ms / 1000},
        {"cqed_head_snapshot_pause_seconds", "gauge", "How long appends waited for it.",
         (double)snapshot.pause_ns / 1e9},
        {"cqed_head_snapshot_load_seconds", "gauge",
         "What reading one took at the start; 0 = none was read.", (double)snapshot.load_ms / 1000},
    };
    add_metrics(out, metrics, sizeof metrics / sizeof *metrics);
}

void handle_own_metrics(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct control_request asked = {.op = CONTROL_STATUS};
    struct control_answer answer = {NULL, false};
    struct err err = ERR_INIT;
    if (!ask_control(s, &asked, request->arena, &answer, &err)) {
        http_respond_error(response, &err);
        return;
    }
    const json_t *targets = json_object_get(answer.json, "targets");
    struct rules_stats rules;
    struct notifier_stats alerts;
    rules_stats(s->options.rules, &rules);
    notifier_stats(s->options.notifier, &alerts);
    const struct own_metric metrics[] = {
        {"cqed_ledger_entries", "gauge", "Entries in the ledger.",
         (double)ledger_size(s->options.ledger)},
        {"cqed_rollouts_live", "gauge", "Rollouts that have not ended.",
         json_get_double(answer.json, "live", 0)},
        {"cqed_targets", "gauge", "Scrape targets.", json_get_double(targets, "total", 0)},
        {"cqed_targets_up", "gauge", "Scrape targets whose last scrape succeeded.",
         json_get_double(targets, "up", 0)},
        {"cqed_rule_evaluations_total", "counter", "Rules evaluated.", (double)rules.evaluations},
        {"cqed_rule_failures_total", "counter", "Evaluations that failed.", (double)rules.failures},
        {"cqed_rule_group_iterations_missed_total", "counter",
         "Times of groups that went by unused.", (double)rules.missed},
        {"cqed_rule_last_round_seconds", "gauge",
         "What the last evaluation of every group took, added up.", rules.last_seconds},
        {"cqed_alerts_firing", "gauge", "Alerts that fire.", (double)rules.alerts_firing},
        {"cqed_alerts_sent_total", "counter", "Alerts that an Alertmanager took.",
         (double)alerts.sent},
        {"cqed_alerts_dropped_total", "counter",
         "Alerts that a full queue or an Alertmanager refused.", (double)alerts.dropped},
        {"cqed_alert_errors_total", "counter", "Requests to Alertmanagers that failed.",
         (double)alerts.errors},
        {"cqed_alerts_queued", "gauge", "Alerts that wait for an Alertmanager.",
         (double)alerts.queued},
        {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
         resident_bytes()},
        {"process_start_time_seconds", "gauge", "Start time since 1970 in seconds.",
         json_get_double(answer.json, "startedMs", 0) / 1000},
    };
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    buf_printf(&response->body,
               "# HELP cqed_build_info The running program.\n# TYPE cqed_build_info gauge\n"
               "cqed_build_info{version=\"%s\"} 1\n",
               CQED_VERSION);
    add_store_metrics(&response->body, s->options.store);
    add_metrics(&response->body, metrics, sizeof metrics / sizeof *metrics);
    add_intake_metrics(&response->body, s, request->arena, answer.json);
}
