/* Checks that ask another store: who waits, who is blind, and that nobody here waits for it. */
#include "daemon/testing.h"

/* A source of one sample, `v` at `t_ms`; it can fail, or hold whoever asks. */
struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool holds, fails;
    int64_t t_ms;
    double v;
    unsigned asked;
};

static bool fake_select(void *self, struct arena *arena, const struct matcher *m, size_t n_matchers,
                        int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                        struct err *err)
{
    struct fake *f = self;
    struct sample *s = ARENA_NEW(arena, struct sample);
    (void)m, (void)n_matchers;
    pthread_mutex_lock(&f->lock);
    f->asked++;
    pthread_cond_broadcast(&f->changed);
    while (f->holds)
        pthread_cond_wait(&f->changed, &f->lock);
    bool good = !f->fails || err_set(err, ERR_UNREACHABLE, "nobody is there");
    *s = (struct sample){f->t_ms, f->v};
    pthread_mutex_unlock(&f->lock);
    *out = ARENA_NEW(arena, struct promql_series);
    **out = (struct promql_series){.n = 1, .samples = s};
    *n = good && s->t_ms >= mint_ms && s->t_ms <= maxt_ms;
    return good;
}

static bool find(void *self, const char *name, struct promql_source *out, struct err *err)
{
    *out = (struct promql_source){.self = self, .select = fake_select};
    return strcmp(name, "far") == 0 || err_set(err, ERR_NOT_FOUND, "there is no source '%s'", name);
}

static void fake_set(struct fake *f, bool holds, bool fails)
{
    pthread_mutex_lock(&f->lock);
    f->holds = holds;
    f->fails = fails;
    f->asked = 0;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Until it has been asked so often; what was asked last may not be told yet. */
static void wait_asked(struct fake *f, unsigned times)
{
    pthread_mutex_lock(&f->lock);
    while (f->asked < times)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static void open_fake(struct world *w, struct fake *f)
{
    *f = (struct fake){.v = 5, .t_ms = clock_wall_ms()};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    w->d.asker = source_asker_new(
        &(struct source_asker_options){.find = find, .self = f, .timeout_ms = 5000});
}

static void close_fake(struct world *w, struct fake *f)
{
    fake_set(f, false, false);
    source_asker_free(w->d.asker);
    w->d.asker = NULL;
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->changed);
}

static struct evidence ask_of(struct world *w, const char *source, int64_t now_ms)
{
    struct check_spec spec = {.name = "q",
                              .query = "m",
                              .source = source,
                              .below = 10,
                              .above = (double)NAN,
                              .critical = true};
    return answer_query(&w->d, &w->arena, &spec, "m", 60000, now_ms);
}

/* As the tick does, until the code is that. */
static struct evidence ask_until(struct world *w, const char *source, const char *code)
{
    for (;;) {
        struct evidence e = ask_of(w, source, clock_wall_ms());
        if (strcmp(e.code, code) == 0)
            return e;
        usleep(1000);
    }
}

static void an_answer_is_waited_for_elsewhere(void **state)
{
    struct world *w = *state;
    struct fake f;
    open_fake(w, &f);
    fake_set(&f, true, false);
    struct evidence e = ask_of(w, "far", clock_wall_ms());
    assert_int_equal(e.state, EVIDENCE_INSUFFICIENT);
    assert_string_equal(e.code, "source_waits");
    wait_asked(&f, 1); /* and hangs there */
    e = ask_of(w, "far", clock_wall_ms());
    assert_string_equal(e.code, "source_waits");
    fake_set(&f, false, false);
    e = ask_until(w, "far", "within_limit");
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(e.effect == 5);
    close_fake(w, &f);
}

static void a_source_without_an_answer_is_blind_with_its_reason(void **state)
{
    struct world *w = *state;
    struct fake f;
    open_fake(w, &f);
    fake_set(&f, false, true);
    struct evidence e = ask_until(w, "far", "source_silent");
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.sentence, "no answer: source 'far': nobody is there");
    e = ask_until(w, "near", "source_silent");
    assert_string_equal(e.sentence, "no answer: source 'near': there is no source 'near'");
    close_fake(w, &f);
}

/* A good answer holds as long as the policy lets it, whatever comes of asking again. */
static void an_answer_grows_old(void **state)
{
    struct world *w = *state;
    struct fake f;
    open_fake(w, &f);
    int64_t now_ms = f.t_ms;
    (void)ask_until(w, "far", "within_limit");
    fake_set(&f, true, false);
    struct evidence e = ask_of(w, "far", now_ms + 50000);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_int_equal(e.fresh_ms, 50000);
    e = ask_of(w, "far", now_ms + 61000);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "stale");
    close_fake(w, &f);
}

static void a_failing_source_is_asked_again(void **state)
{
    struct world *w = *state;
    struct fake f;
    open_fake(w, &f);
    fake_set(&f, false, true);
    (void)ask_until(w, "far", "source_silent");
    fake_set(&f, false, false);
    clock_shift_wall_ms(16000);
    pthread_mutex_lock(&f.lock);
    f.t_ms = clock_wall_ms();
    pthread_mutex_unlock(&f.lock);
    struct evidence e = ask_until(w, "far", "within_limit");
    assert_int_equal(e.state, EVIDENCE_PASS);
    close_fake(w, &f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(an_answer_is_waited_for_elsewhere),
                                       TEST(a_source_without_an_answer_is_blind_with_its_reason),
                                       TEST(an_answer_grows_old),
                                       TEST(a_failing_source_is_asked_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
