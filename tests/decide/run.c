/* run.c -- runs case files of decide(): decide_cases [--print] FILE... Language: README.md. Prints
 * file:line, what was expected and what came; --print shows every turn. */
#include "base/file.h"
#include "base/num.h"
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_ACTS 8

struct run {
    const char *path;
    int line;
    const char *case_name;
    struct arena arena; /* one case's */
    struct scene scene;
    bool print;
    int cases, turns, failures;
};

static void fail(struct run *r, const char *expected, const char *got)
{
    r->failures++;
    printf("%s:%d: (%s)\n  expected %s\n  got      %s\n", r->path, r->line,
           r->case_name ? r->case_name : "no case yet", expected, got);
}

static void fail_syntax(struct run *r, const char *why)
{
    r->failures++;
    printf("%s:%d: %s\n", r->path, r->line, why);
}

/* --- What came --- */

/* The weights (or severities) of all actions of a kind, or "none". */
static const char *actions_text(struct arena *arena, const struct decision *d,
                                enum action_kind kind)
{
    const char *text = "none";
    for (size_t i = 0; i < d->n_actions; i++) {
        const struct action *a = &d->actions[i];
        if (a->kind != kind)
            continue;
        const char *one =
            kind == ACTION_NOTIFY ? a->severity : arena_printf(arena, "%g", a->weight_pct);
        text = strcmp(text, "none") == 0 ? one : arena_printf(arena, "%s,%s", text, one);
    }
    return text;
}

static const char *const attributes[] = {
    "state", "step",  "weight", "allowed",   "automation", "pause",    "set",
    "ask",   "would", "notify", "approvals", "changed",    "decisions"};

/* NULL when there is no such attribute. */
static const char *attribute(struct arena *arena, const struct decision *d, const char *key)
{
    const struct rollout_state *s = &d->state;
    if (strcmp(key, "state") == 0)
        return rollout_state_text(s->state);
    if (strcmp(key, "step") == 0)
        return arena_printf(arena, "%d", s->step);
    if (strcmp(key, "weight") == 0)
        return arena_printf(arena, "%g", s->desired_pct);
    if (strcmp(key, "allowed") == 0)
        return arena_printf(arena, "%g", s->allowed_pct);
    if (strcmp(key, "automation") == 0)
        return automation_name(s->automation);
    if (strcmp(key, "pause") == 0)
        return s->pause_code[0] ? s->pause_code : "none";
    if (strcmp(key, "set") == 0)
        return actions_text(arena, d, ACTION_SET_WEIGHT);
    if (strcmp(key, "ask") == 0)
        return actions_text(arena, d, ACTION_ASK);
    if (strcmp(key, "would") == 0)
        return actions_text(arena, d, ACTION_WOULD);
    if (strcmp(key, "notify") == 0)
        return actions_text(arena, d, ACTION_NOTIFY);
    if (strcmp(key, "approvals") == 0)
        return arena_printf(arena, "%zu", s->n_approvals);
    if (strcmp(key, "changed") == 0)
        return d->changed ? "yes" : "no";
    if (strcmp(key, "decisions") == 0)
        return arena_printf(arena, "%u", s->decisions);
    return NULL;
}

static const char *describe(struct arena *arena, const struct decision *d)
{
    const char *text = d->verdict;
    for (size_t i = 0; i < d->n_reasons; i++)
        text = arena_printf(arena, "%s %s", text, d->reasons[i].code);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        text = arena_printf(arena, "%s %s=%s", text, attributes[i],
                            attribute(arena, d, attributes[i]));
    return text;
}

static bool has_reason(const struct decision *d, const char *code)
{
    for (size_t i = 0; i < d->n_reasons; i++) {
        if (strcmp(d->reasons[i].code, code) == 0)
            return true;
    }
    return false;
}

static void expect_one(struct run *r, const struct decision *d, const char *word)
{
    const char *key, *value;
    if (words_pair(&r->arena, word, &key, &value)) {
        const char *got = attribute(&r->arena, d, key);
        if (!got)
            fail_syntax(r, arena_printf(&r->arena, "unknown attribute '%s'", key));
        else if (strcmp(got, value) != 0)
            fail(r, word, describe(&r->arena, d));
        return;
    }
    bool unwanted = word[0] == '!';
    if (has_reason(d, word + unwanted) == unwanted)
        fail(r,
             arena_printf(&r->arena, "%s %s", unwanted ? "no reason" : "reason", word + unwanted),
             describe(&r->arena, d));
}

static void expect(struct run *r, const struct decision *d, struct words *w)
{
    const char *verdict = words_take(w);
    if (strcmp(verdict, d->verdict) != 0)
        fail(r, arena_printf(&r->arena, "verdict %s", verdict), describe(&r->arena, d));
    while (w->next < w->n)
        expect_one(r, d, words_take(w));
}

/* --- Lines --- */

static void turn(struct run *r, struct words *w)
{
    struct act acts[MAX_ACTS];
    size_t n = 0;
    int64_t at_ms;
    const char *wrong = NULL;
    if (!num_parse_duration_ms(str_from(words_take(w)), &at_ms)) {
        fail_syntax(r, "a turn begins with `at DURATION`");
        return;
    }
    r->scene.now_ms = SCENE_EPOCH_MS + at_ms;
    while (!wrong && w->next < w->n && !words_take_if(w, "->")) {
        if (words_take_if(w, "seen"))
            wrong = scene_seen(&r->scene, w);
        else if (words_take_if(w, "act") && n < MAX_ACTS)
            wrong = scene_act(&r->scene, w, &acts[n++]);
        else
            wrong = arena_printf(&r->arena, "'%s' is not understood", words_peek(w));
    }
    struct decision d;
    wrong = wrong ? wrong : scene_decide(&r->scene, acts, n, &d);
    if (wrong) {
        fail_syntax(r, wrong);
        return;
    }
    r->turns++;
    if (r->print)
        printf("%s:%d: at %gs -> %s\n", r->path, r->line, (double)at_ms / 1000,
               describe(&r->arena, &d));
    expect(r, &d, w);
}

static void begin_case(struct run *r, struct words *w)
{
    arena_release(&r->arena);
    arena_init(&r->arena);
    scene_init(&r->scene, &r->arena);
    r->cases++;
    const char *name = "";
    while (w->next < w->n)
        name = arena_printf(&r->arena, "%s%s%s", name, name[0] ? " " : "", words_take(w));
    r->case_name = name;
}

static void take_line(struct run *r, const char *line)
{
    struct arena scratch = ARENA_INIT;
    struct words w;
    if (!words_split(&w, &scratch, line))
        fail_syntax(r, "a quote is not closed, or there are over 64 words");
    else if (words_take_if(&w, "case")) {
        begin_case(r, &w);
    } else if (w.n > 0 && !r->case_name) {
        fail_syntax(r, "a file begins with `case NAME`");
    } else if (w.n > 0) {
        CHECK(words_split(&w, &r->arena, line));
        const char *first = words_take(&w), *wrong = NULL;
        if (strcmp(first, "at") == 0)
            turn(r, &w);
        else if (strcmp(first, "policy") == 0)
            wrong = scene_policy(&r->scene, &w);
        else if (strcmp(first, "rollout") == 0)
            wrong = scene_rollout(&r->scene, &w);
        else
            wrong = arena_printf(&r->arena, "'%s' is not understood", first);
        if (wrong)
            fail_syntax(r, wrong);
    }
    arena_release(&scratch);
}

static void run_file(struct run *r, const char *path)
{
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    r->path = path;
    r->line = 0;
    r->case_name = NULL;
    if (!file_read(path, 1 << 20, &text, &err)) {
        fail_syntax(r, err.message);
        return;
    }
    for (char *p = text.p, *end; p && *p; p = end) {
        end = strchr(p, '\n');
        if (end)
            *end++ = '\0';
        else
            end = p + strlen(p);
        r->line++;
        take_line(r, p);
    }
    buf_release(&text);
}

int main(int argc, char **argv)
{
    struct run r = {.path = ""};
    arena_init(&r.arena);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--print") == 0)
            r.print = true;
        else
            run_file(&r, argv[i]);
    }
    arena_release(&r.arena);
    printf("%d cases, %d turns, %d failures\n", r.cases, r.turns, r.failures);
    return r.failures > 0 || r.turns == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
