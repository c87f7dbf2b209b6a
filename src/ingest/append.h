/* append.h -- what makes samples of a body, shared by the text formats (append.c) and protobuf
 * (append_protobuf.c): known lines, new series, exemplars, and where counters began.
 *
 * Where a counter began. A series that is new on a target which was scraped before without it began
 * at 0 since then. An exposed creation time says it too: for a new series when it lies in our
 * watch, for a known one when it is newer than what we have, which is a restart. In text the
 * creation time of a sample stands behind it, so a body that tells of a restart is read once more,
 * with `restarted` set; protobuf has it at hand. */
#ifndef CQED_INGEST_APPEND_H
#define CQED_INGEST_APPEND_H

#include "base/map.h"
#include "ingest/target.h"

struct appender {
    struct target *target;
    struct store_batch *batch;
    struct metadata_store *metadata;
    struct exposition text;
    struct exposition_key *key;
    struct arena arena;   /* of this scrape */
    struct arena scratch; /* of one new line */
    struct str type_line; /* a TYPE comment that was passed without reading; p NULL = none */
    struct exposition_comment said; /* of the family whose comments are being read */
    struct str body;
    int64_t t_ms;
    bool restarted;
    bool over;           /* the sample_limit */
    struct map *created; /* of OpenMetrics: metric -> milliseconds; NULL = not looked for yet */
    struct buf bytes;    /* key of a series of protobuf */
    struct scrape_counts *counts;
};

/* The series of the key in a->key, whose bytes are not known: *out NULL and no error when the store
 * is full or the sample limit is passed; it is counted then. `counter`: its value counts from 0. */
MUST_CHECK bool append_learn(struct appender *, bool counter, struct cached_line **out,
                             struct err *);

/* A counter of this series stood at 0 then, if that is news. */
void append_start(struct appender *, uint64_t ref, int64_t created_ms);

/* Labels as they came. t_ms EXPOSITION_NO_TIME: that of the sample. */
void append_exemplar(struct appender *, const struct cached_line *, const struct exposition_key *,
                     double v, int64_t t_ms);

/* A sample that relabeling keeps. Once there are too many (`over`) the rest is counted only, so
 * that scrape_samples_scraped says how many there are, and the scrape fails in the end. */
void append_count_kept(struct appender *);

/* append_protobuf.c */
MUST_CHECK bool append_protobuf(struct appender *, struct err *);

#endif
