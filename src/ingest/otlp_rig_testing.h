/* otlp_rig_testing.h -- a store and an OTLP receiver for tests, and short ways to send to them and
 * to look at what they hold. Included by tests only, after cmocka.h. */
#ifndef CQED_INGEST_OTLP_RIG_TESTING_H
#define CQED_INGEST_OTLP_RIG_TESTING_H

#include "ingest/ingest.h"
#include "ingest/otlp_testing.h"
#include "store/testing.h"

enum encoding { AS_JSON, AS_PROTOBUF, AS_PROTOBUF_REVERSED, N_ENCODINGS };

/* The watch begins at 100 s. */
struct rig {
    enum encoding encoding;
    struct store *store;
    struct metadata_store *metadata;
    struct otlp *otlp;
    struct otlp_result result;
    struct err err;
};

static inline void rig_open(struct rig *r, const struct store_tap *tap)
{
    r->store = test_open(tap);
    r->metadata = metadata_store_new();
    r->otlp = otlp_new(r->store, r->metadata, 100000);
}

static inline void rig_close(struct rig *r)
{
    otlp_free(r->otlp);
    metadata_store_free(r->metadata);
    store_close(r->store);
}

/* Run a scene once in every encoding, each against a store of its own. */
static inline void in_each_encoding(void (*scene)(struct rig *))
{
    for (enum encoding e = AS_JSON; e < N_ENCODINGS; e++) {
        struct rig r = {.encoding = e, .err = ERR_INIT};
        void *state = NULL;
        assert_int_equal(test_make_folder(&state), 0);
        rig_open(&r, NULL);
        scene(&r);
        rig_close(&r);
        assert_int_equal(test_remove_folder(&state), 0);
    }
}

static inline bool send_at(struct rig *r, int64_t now_ms, const char *request)
{
    char *json = otlp_unquote(request);
    struct buf body = BUF_INIT;
    bool done;
    if (r->encoding == AS_JSON) {
        done = otlp_metrics_json(r->otlp, str_from(json), now_ms, &r->result, &r->err);
    } else {
        otlp_encode(&body, json, r->encoding == AS_PROTOBUF_REVERSED);
        done = otlp_metrics_protobuf(r->otlp, buf_str(&body), now_ms, &r->result, &r->err);
    }
    if (!done)
        print_message("%s\n", r->err.message);
    buf_release(&body);
    free(json);
    return done;
}

#define BARE(metrics) "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[" metrics "]}]}]}"
#define AT(ms) "'timeUnixNano':'" #ms "000000'"
#define FROM(ms) "'startTimeUnixNano':'" #ms "000000',"
#define SUM(name, temporality, points)                                                             \
    "{'name':'" name "','sum':{'isMonotonic':true,'aggregationTemporality':" temporality           \
    ",'dataPoints':[" points "]}}"
#define CUMULATIVE "2"
#define DELTA "1"

/* Send, and all points must be taken. */
static inline void take(struct rig *r, const char *request)
{
    assert_true(send_at(r, 1000000, request));
    assert_string_equal(r->result.message, "");
    assert_int_equal(r->result.rejected, 0);
}

/* Send, and this many must be refused with this message. */
static inline void refuse(struct rig *r, uint64_t rejected, const char *message,
                          const char *request)
{
    assert_true(send_at(r, 1000000, request));
    assert_string_equal(r->result.message, message);
    assert_int_equal(r->result.rejected, rejected);
}

static inline void assert_holds(struct rig *r, const char *expected)
{
    struct buf out = BUF_INIT;
    otlp_dump(r->store, &out);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

#endif
