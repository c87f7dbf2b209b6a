/* Series leave the head when all they have is in blocks, and come again: what is read and what the
 * tap is told are as if they had stayed. */
#include "store/internal.h"
#include "store/testing.h"

#include <math.h>
#include <pthread.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

static const int64_t begin_ms = INT64_C(1700000000000) / DAY_MS * DAY_MS;

static void maintain(struct store *s)
{
    struct err err = ERR_INIT;
    if (!store_maintain(s, &err))
        fail_msg("%s", err.message);
}

static void put(struct store *s, const char *name, const char *job, int64_t t_ms, double v)
{
    struct err err = ERR_INIT;
    assert_true(test_put(s, name, job, t_ms, v, STORE_ORIGIN_UNKNOWN, &err));
}

static uint64_t ref_of(struct store *s, const char *name, const char *job)
{
    struct store_batch *b = store_batch_begin(s, begin_ms);
    uint64_t ref = test_series(b, name, job);
    store_batch_cancel(b);
    return ref;
}

static bool is_known(struct store *s, uint64_t ref, uint64_t since)
{
    struct store_batch *b = store_batch_begin(s, begin_ms);
    bool known = store_batch_knows(b, ref, since);
    store_batch_cancel(b);
    return known;
}

static uint64_t epoch_of(struct store *s)
{
    return atomic_load(&s->head.epoch);
}

static struct store_stats stats_of(struct store *s)
{
    struct store_stats stats;
    store_stats(s, &stats);
    return stats;
}

/* Ten series that end, one that goes on for long enough. */
static void fill(struct store *s, int64_t at_ms)
{
    char job[16];
    for (int i = 0; i < 10; i++) {
        snprintf(job, sizeof job, "job-%d", i);
        put(s, "ends", job, at_ms, i);
    }
    put(s, "lives", NULL, at_ms, 0);
    put(s, "lives", NULL, at_ms + 6 * HOUR_MS, 1);
}

static void dead_series_leave_and_can_be_read(void **state)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct store_cardinality counts;
    struct str *values;
    size_t n;
    (void)state;
    struct store *s = test_open(NULL);
    fill(s, begin_ms);
    uint64_t first = ref_of(s, "ends", "job-0"), lives = ref_of(s, "lives", NULL);
    uint64_t epoch = epoch_of(s);
    assert_int_equal(stats_of(s).series, 11);
    maintain(s);
    assert_int_equal(stats_of(s).series, 1);
    assert_int_equal(stats_of(s).series_removed, 10);
    assert_false(is_known(s, first, epoch));
    assert_true(is_known(s, lives, epoch));
    store_cardinality(s, &arena, 10, &counts);
    assert_int_equal(counts.label_pairs, 1);
    assert_int_equal(counts.chunks, 1);
    assert_int_equal(test_read(s, &arena, "ends", &data), 10);
    assert_true(data[7].samples[0].v == 7);
    assert_true(store_label_values(s, &arena, STR("job"), NULL, 0, INT64_MIN, INT64_MAX, &values,
                                   &n, &err));
    assert_int_equal(n, 10);
    arena_release(&arena);
    store_close(s);
}

/* The table does not grow, and what meant the series of before means nothing now. */
static void slots_are_used_again(void **state)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    (void)state;
    struct store *s = test_open(NULL);
    uint64_t refs[40], since = epoch_of(s);
    for (int round = 0; round < 40; round++) {
        char name[16];
        snprintf(name, sizeof name, "ends%d", round);
        put(s, name, "a", begin_ms + round * 6 * HOUR_MS, round);
        refs[round] = ref_of(s, name, "a");
        put(s, "lives", NULL, begin_ms + round * 6 * HOUR_MS + 5 * HOUR_MS, round);
        maintain(s);
    }
    assert_int_equal(atomic_load(&s->head.n_used), 2);
    assert_true(s->head.index.n_pairs <= 4);
    for (int round = 0; round < 40; round++) {
        char name[16];
        snprintf(name, sizeof name, "ends%d", round);
        assert_false(is_known(s, refs[round], since + (uint64_t)round));
        assert_int_equal(test_read(s, &arena, name, &data), 1);
        assert_int_equal(data[0].n, 1);
    }
    arena_release(&arena);
    store_close(s);
}

/* What a batch has asked for it may append to, whatever the keeper does meanwhile. */
static void an_open_batch_keeps_its_series(void **state)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    (void)state;
    struct store *s = test_open(NULL);
    fill(s, begin_ms);
    struct store_batch *open = store_batch_begin(s, begin_ms + 6 * HOUR_MS);
    uint64_t mine = test_series(open, "ends", "job-3");
    maintain(s); /* which waits for a moment, and goes on next time */
    assert_int_equal(stats_of(s).series, 11);
    assert_int_equal(s->head.removal.state, REMOVAL_MARKED);
    uint64_t asked = ref_of(s, "ends", "job-4");
    assert_true(is_known(s, asked, epoch_of(s)));
    assert_int_equal(store_batch_add(open, mine, begin_ms + 6 * HOUR_MS, 33, STORE_ORIGIN_UNKNOWN),
                     STORE_OK);
    assert_true(store_batch_commit(open, &err));
    maintain(s);
    assert_int_equal(stats_of(s).series, 3);
    assert_true(is_known(s, mine, epoch_of(s)));
    assert_true(is_known(s, asked, epoch_of(s)));
    assert_int_equal(test_read(s, &arena, "ends", &data), 10);
    assert_int_equal(data[3].n, 2);
    assert_true(data[3].samples[1].v == 33);
    arena_release(&arena);
    store_close(s);
}

/* The sanitizers watch. */
static void a_query_keeps_its_strings(void **state)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct matcher m;
    struct err err = ERR_INIT;
    struct labels *found;
    size_t n, n_labels;
    (void)state;
    struct store *s = test_open(NULL);
    fill(s, begin_ms);
    n = test_read(s, &arena, "ends", &data);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR("job"), STR("job-5"), &err));
    assert_true(store_series_list(s, &arena, &m, 1, INT64_MIN, INT64_MAX, &found, &n_labels, &err));
    maintain(s);
    assert_int_equal(stats_of(s).series, 1);
    assert_int_equal(s->head.removal.state, REMOVAL_UNLINKED);
    put(s, "ends", "job-5", begin_ms + 6 * HOUR_MS, 5);
    assert_int_equal(n, 10);
    assert_true(str_is(labels_get(data[9].labels, "job"), "job-9"));
    assert_int_equal(n_labels, 1);
    assert_true(str_is(labels_get(found[0], "job"), "job-5"));
    arena_clear(&arena);
    maintain(s);
    assert_int_equal(s->head.removal.state, REMOVAL_IDLE);
    n = test_read(s, &arena, "ends", &data);
    assert_int_equal(n, 10);
    store_close(s);
    assert_true(str_is(labels_get(data[9].labels, "job"), "job-9"));
    arena_release(&arena); /* after the store */
}

/* A series that was asked for and never got a sample, and one of which only exemplars are left. */
static void what_never_had_a_sample_leaves(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    struct store *s = test_open(NULL);
    (void)ref_of(s, "never", NULL);
    struct store_batch *b = store_batch_begin(s, begin_ms);
    uint64_t ref = test_series(b, "example", NULL);
    const struct store_exemplar e = {{0}, 1, begin_ms};
    assert_int_equal(store_batch_add_exemplar(b, ref, &e), STORE_OK);
    assert_true(store_batch_commit(b, &err));
    assert_int_equal(stats_of(s).exemplars, 1);
    fill(s, begin_ms);
    maintain(s);
    assert_int_equal(stats_of(s).series, 1);
    assert_int_equal(stats_of(s).exemplars, 0);
    b = store_batch_begin(s, begin_ms + 6 * HOUR_MS);
    for (int i = 0; i < 300; i++) { /* the ring goes round over what was forgotten */
        const struct store_exemplar more = {{0}, i, begin_ms + i};
        assert_int_equal(store_batch_add_exemplar(b, test_series(b, "example", NULL), &more),
                         STORE_OK);
    }
    assert_true(store_batch_commit(b, &err));
    assert_int_equal(stats_of(s).exemplars, 100);
    store_close(s);
}

/* The log names what has left: it comes again at the start, and leaves again. */
static void the_log_brings_them_back_for_a_while(void **state)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    (void)state;
    struct store *s = test_open(NULL);
    fill(s, begin_ms);
    maintain(s);
    assert_int_equal(stats_of(s).series, 1);
    store_close(s);
    s = test_open(NULL);
    assert_true(stats_of(s).series == 11 || stats_of(s).series == 1); /* the keeper's first round */
    maintain(s);
    assert_int_equal(stats_of(s).series, 1);
    assert_int_equal(test_read(s, &arena, "ends", &data), 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(data[i].n, 1);
    arena_release(&arena);
    store_close(s);
}

/* --- What is remembered --- */

static void the_newest_that_left_are_remembered(void **state)
{
    struct gone g;
    struct gone_series out;
    (void)state;
    gone_init(&g, 64);
    assert_false(gone_take(&g, 1, &out));
    for (uint64_t i = 0; i < 200; i++) /* all of three homes, so that they stand in rows */
        gone_put(&g, &(struct gone_series){.hash = i << 10 | i % 3, .base = (double)i});
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(gone_take(&g, i << 10 | i % 3, &out), i >= 136);
        assert_true(i < 136 || out.base == (double)i);
        assert_false(gone_take(&g, i << 10 | i % 3, &out));
    }
    gone_put(&g, &(struct gone_series){.hash = 7, .base = 1, .rest = rest_new()});
    gone_put(&g, &(struct gone_series){.hash = 7, .base = 2, .rest = rest_new()});
    assert_int_equal(g.n, 1);
    gone_release(&g);
}

/* --- Against a model --- */

#define STEP_MS (20 * INT64_C(60000))
#define STEPS 150
#define IDENTITIES 120
#define MOST (2 * STEPS)

struct identity {
    char name[16], job[16];
    bool bound, alive;
    uint64_t ref, since; /* as a sender keeps them */
    double v, base;
    int64_t newest_ms;
    int64_t t_ms[MOST];
    double values[MOST];
    size_t n;
    double told, expected; /* sums of increases */
    uint32_t token;        /* the tap's; 0 = not bound */
};

struct model {
    struct identity v[IDENTITIES];
    uint64_t seed;
    struct identity *by_token[IDENTITIES + 1];
    uint64_t bound, unbound;
    size_t most_alive;
};

static uint32_t draw(struct model *m, uint32_t below)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(m->seed >> 33) % below;
}

static uint32_t model_bind(void *self, struct labels labels)
{
    struct model *m = self;
    for (size_t i = 0; i < IDENTITIES; i++) {
        struct identity *x = &m->v[i];
        if (!x->bound || !str_is(labels_get(labels, LABEL_NAME), x->name) ||
            !str_is(labels_get(labels, "job"), x->job))
            continue;
        assert_int_equal(x->token, 0);
        m->bound++;
        for (x->token = 1; m->by_token[x->token];)
            x->token++;
        m->by_token[x->token] = x;
        return x->token;
    }
    return 0;
}

static void model_unbind(void *self, uint32_t token)
{
    struct model *m = self;
    assert_non_null(m->by_token[token]);
    m->by_token[token]->token = 0;
    m->by_token[token] = NULL;
    m->unbound++;
}

static void model_feed(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                       bool recovering)
{
    const struct model *m = self;
    (void)t_ms;
    (void)v;
    (void)recovering;
    assert_non_null(m->by_token[token]);
    if (!isnan(increase))
        m->by_token[token]->told += increase;
}

/* Later than all before, or late: the tap is told of the former. */
static void note(struct identity *x, int64_t t_ms, double v, bool zero)
{
    size_t at = x->n++;
    assert_true(x->n <= MOST);
    for (; at > 0 && x->t_ms[at - 1] > t_ms; at--) {
        x->t_ms[at] = x->t_ms[at - 1];
        x->values[at] = x->values[at - 1];
    }
    x->t_ms[at] = t_ms;
    x->values[at] = v;
    if (t_ms < x->newest_ms)
        return;
    x->newest_ms = t_ms;
    if (isnan(x->base))
        x->expected += zero ? v : 0;
    else
        x->expected += v < x->base ? v : v - x->base;
    x->base = v;
}

static void append(struct model *m, struct store_batch *b, struct identity *x, int64_t t_ms,
                   double v)
{
    bool zero = draw(m, 2) == 0;
    if (x->ref == 0 ||
        (x->since != store_batch_epoch(b) && !store_batch_knows(b, x->ref, x->since)))
        x->ref = test_series(b, x->name, x->job);
    x->since = store_batch_epoch(b);
    assert_int_equal(
        store_batch_add(b, x->ref, t_ms, v, zero ? STORE_ORIGIN_ZERO : STORE_ORIGIN_UNKNOWN),
        STORE_OK);
    note(x, t_ms, v, zero);
}

static void step(struct model *m, struct store *s, int64_t t_ms)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s, t_ms);
    size_t alive = 0;
    for (size_t i = 0; i < IDENTITIES; i++) {
        struct identity *x = &m->v[i];
        if (draw(m, x->alive ? 12 : 60) == 0)
            x->alive = !x->alive;
        alive += x->alive;
        if (!x->alive)
            continue;
        x->v = draw(m, 15) == 0 ? draw(m, 10) : x->v + draw(m, 100);
        append(m, b, x, t_ms, x->v);
    }
    struct identity *late = &m->v[draw(m, IDENTITIES)]; /* an hour to a day late, dead or alive */
    if (late->n > 0)
        append(m, b, late, t_ms - (1 + draw(m, 70)) * STEP_MS - 1 - t_ms / STEP_MS % 1000, 0.5);
    assert_true(store_batch_commit(b, &err));
    m->most_alive = alive > m->most_alive ? alive : m->most_alive;
}

static void check_identity(const struct identity *x, struct store *s)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct matcher m[2];
    size_t n;
    assert_true(matcher_init(&m[0], &arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(x->name), &err));
    assert_true(matcher_init(&m[1], &arena, MATCH_EQUAL, STR("job"), str_from(x->job), &err));
    assert_true(store_select(s, &arena, m, 2, INT64_MIN, INT64_MAX, 0, &data, &n, &err));
    assert_int_equal(n, x->n > 0);
    assert_int_equal(n ? data[0].n : 0, x->n);
    for (size_t i = 0; i < x->n; i++) {
        assert_int_equal(data[0].samples[i].t_ms, x->t_ms[i]);
        assert_true(data[0].samples[i].v == x->values[i]);
    }
    if (x->bound && x->told != x->expected)
        fail_msg("%s %s: told %g, not %g, of %zu samples", x->name, x->job, x->told, x->expected,
                 x->n);
    arena_release(&arena);
}

static void fill_model(struct model *m, uint64_t seed)
{
    m->seed = seed;
    for (size_t i = 0; i < IDENTITIES; i++) {
        struct identity *x = &m->v[i];
        snprintf(x->name, sizeof x->name, "m%zu", i % 7);
        snprintf(x->job, sizeof x->job, "pod-%zu", i);
        x->bound = i % 2;
        x->base = NAN;
        x->newest_ms = INT64_MIN;
    }
}

static void run_model(uint64_t seed)
{
    struct err err = ERR_INIT;
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    fill_model(m, seed);
    struct store_tap tap = {
        .self = m, .bind = model_bind, .unbind = model_unbind, .feed = model_feed};
    struct store *s = store_open(
        &(struct store_options){
            .path = test_folder, .flush_ms = 1000, .tap = &tap, .out_of_order_ms = 2 * DAY_MS},
        &err);
    assert_non_null(s);
    for (int64_t i = 0; i < STEPS; i++) {
        step(m, s, begin_ms + i * STEP_MS);
        if (draw(m, 12) == 0)
            maintain(s);
        check_identity(&m->v[draw(m, IDENTITIES)], s);
    }
    maintain(s);
    for (size_t i = 0; i < IDENTITIES; i++)
        check_identity(&m->v[i], s);
    struct store_stats stats = stats_of(s);
    print_message("seed %llu: %llu left, %llu there, %u slots, at most %zu at once; bound %llu\n",
                  (unsigned long long)seed, (unsigned long long)stats.series_removed,
                  (unsigned long long)stats.series, atomic_load(&s->head.n_used), m->most_alive,
                  (unsigned long long)m->bound);
    assert_true(stats.series_removed > IDENTITIES);
    assert_true(m->unbound > IDENTITIES / 4);
    assert_true(atomic_load(&s->head.n_used) < IDENTITIES);
    store_close(s);
    free(m);
}

static void churn_changes_nothing_that_is_read_or_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        run_model(seed);
        assert_int_equal(test_remove_folder(NULL), 0);
        assert_int_equal(test_make_folder(NULL), 0);
    }
}

/* --- All at once --- */

#define SENDERS 2
#define BATCHES 150
#define OWN 20        /* series of a sender at a time */
#define GENERATION 15 /* batches in which it has the same ones */

struct race {
    struct store *store;
    _Atomic int64_t now_ms;
    _Atomic int senders;
    _Atomic uint64_t appended;
    bool bound[1 << 16]; /* the tap's, which is told one thing at a time */
    uint32_t next;
};

struct sender {
    struct race *race;
    int number;
    uint64_t refs[OWN], since;
};

static uint32_t race_bind(void *self, struct labels labels)
{
    struct race *r = self;
    (void)labels;
    do
        r->next = (r->next + 1) % (1 << 16);
    while (r->next == 0 || r->bound[r->next]);
    r->bound[r->next] = true;
    return r->next;
}

static void race_unbind(void *self, uint32_t token)
{
    struct race *r = self;
    CHECK(r->bound[token]);
    r->bound[token] = false;
}

static void race_feed(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                      bool recovering)
{
    const struct race *r = self;
    (void)t_ms;
    (void)v;
    (void)increase;
    (void)recovering;
    CHECK(r->bound[token]);
}

/* A series' name is a number, and so is every value that it gets. */
static void send_batch(struct sender *sender, int batch)
{
    struct race *r = sender->race;
    struct err err = ERR_INIT;
    int64_t t_ms = atomic_fetch_add(&r->now_ms, 10 * 60000);
    struct store_batch *b = store_batch_begin(r->store, t_ms);
    for (int i = 0; i < OWN; i++) {
        int number = 1000 * (1 + batch / GENERATION % 7) + 100 * sender->number + i;
        char name[16];
        snprintf(name, sizeof name, "n%d", number);
        if (batch % GENERATION == 0 || !store_batch_knows(b, sender->refs[i], sender->since))
            sender->refs[i] = test_series(b, name, "race");
        CHECK(store_batch_add(b, sender->refs[i], t_ms, number, STORE_ORIGIN_UNKNOWN) == STORE_OK);
    }
    sender->since = store_batch_epoch(b);
    CHECK(store_batch_commit(b, &err));
    atomic_fetch_add(&r->appended, OWN);
}

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int batch = 0; batch < BATCHES; batch++)
        send_batch(s, batch);
    atomic_fetch_sub(&s->race->senders, 1);
    return NULL;
}

/* Gives how many samples there are, all of them where they belong. */
static uint64_t look(struct store *s)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n;
    uint64_t samples = 0;
    CHECK(matcher_init(&m, &arena, MATCH_EQUAL, STR("job"), STR("race"), &err));
    CHECK(store_select(s, &arena, &m, 1, INT64_MIN, INT64_MAX, 0, &data, &n, &err));
    for (size_t i = 0; i < n; i++) {
        double number = atof(labels_get(data[i].labels, LABEL_NAME).p + 1);
        for (size_t k = 0; k < data[i].n; k++)
            CHECK(data[i].samples[k].v == number);
        samples += data[i].n;
    }
    arena_release(&arena);
    return samples;
}

static void *look_on(void *arg)
{
    struct race *r = arg;
    uint64_t least = 0;
    while (atomic_load(&r->senders) > 0) {
        uint64_t found = look(r->store);
        CHECK(found >= least);
        least = found;
    }
    return NULL;
}

/* The tokens of before mean nothing to the new tap. */
static void forget_tokens(void *arg)
{
    struct race *r = arg;
    memset(r->bound, 0, sizeof r->bound);
}

static void all_at_once_nothing_is_lost_or_mixed_up(void **state)
{
    struct err err = ERR_INIT;
    struct race *r = calloc(1, sizeof *r);
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS + 1];
    (void)state;
    struct store_tap tap = {.self = r, .bind = race_bind, .unbind = race_unbind, .feed = race_feed};
    r->store = test_open(&tap);
    atomic_store(&r->now_ms, begin_ms);
    atomic_store(&r->senders, SENDERS);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.race = r, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[SENDERS], NULL, look_on, r), 0);
    for (int round = 0; atomic_load(&r->senders) > 0; round++) {
        assert_true(store_maintain(r->store, &err));
        if (round % 3 == 0)
            store_set_tap(r->store, &tap, forget_tokens, r);
    }
    for (int i = 0; i <= SENDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    maintain(r->store);
    assert_int_equal(look(r->store), SENDERS * BATCHES * OWN);
    assert_true(stats_of(r->store).series_removed > 0);
    store_close(r->store);
    free(r);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dead_series_leave_and_can_be_read),
        TEST(slots_are_used_again),
        TEST(an_open_batch_keeps_its_series),
        TEST(a_query_keeps_its_strings),
        TEST(what_never_had_a_sample_leaves),
        TEST(the_log_brings_them_back_for_a_while),
        cmocka_unit_test(the_newest_that_left_are_remembered),
        TEST(churn_changes_nothing_that_is_read_or_told),
        TEST(all_at_once_nothing_is_lost_or_mixed_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
