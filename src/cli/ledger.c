/* cqed ledger show and verify. */
#include "ledger/ledger.h"

#include "base/clock.h"
#include "base/num.h"
#include "cli/source.h"

#include <inttypes.h>
#include <math.h>

/* --- Show --- */

static const char *first_sentence(struct arena *arena, const json_t *reasons)
{
    return clean_get(arena, json_array_get(reasons, 0), "sentence");
}

static const char *weight_of(struct arena *arena, const json_t *body, const char *key)
{
    return text_weight(arena, json_to_double(json_object_get(body, key), (double)NAN));
}

static const char *say_decision(struct arena *arena, const json_t *body)
{
    const json_t *decision = json_object_get(body, "decision");
    const json_t *state = json_object_get(decision, "state");
    return arena_printf(arena, "%s, %s at %s: %s", clean_get(arena, decision, "verdict"),
                        clean_get(arena, state, "state"), weight_of(arena, state, "desiredPct"),
                        first_sentence(arena, json_object_get(decision, "reasons")));
}

static const char *say_rollout(struct arena *arena, const json_t *body)
{
    const json_t *state = json_object_get(body, "state");
    return arena_printf(arena, "%s %s -> %s asked for by %s", clean_get(arena, state, "service"),
                        clean_get(arena, state, "stableVersion"),
                        clean_get(arena, state, "canaryVersion"),
                        clean_get(arena, state, "author"));
}

static const char *say_act(struct arena *arena, const json_t *body)
{
    const json_t *act = json_object_get(body, "act");
    return arena_printf(arena, "%s by %s (%s): %s", clean_get(arena, act, "kind"),
                        clean_get(arena, act, "actor"), clean_get(arena, act, "role"),
                        clean_get(arena, act, "reason"));
}

static const char *say_intent(struct arena *arena, const json_t *body)
{
    return arena_printf(arena, "set weight %s on %s", weight_of(arena, body, "weightPct"),
                        clean_get(arena, body, "actuator"));
}

static const char *say_observation(struct arena *arena, const json_t *body)
{
    if (json_get_bool(body, "known", false))
        return arena_printf(arena, "weight %s is in force", weight_of(arena, body, "observedPct"));
    return arena_printf(arena, "weight not observed: %s", clean_get(arena, body, "error"));
}

static const char *say_gate(struct arena *arena, const json_t *body)
{
    return arena_printf(arena, "%s: %s", clean_get(arena, body, "state"),
                        first_sentence(arena, json_object_get(body, "reasons")));
}

static const char *say_start(struct arena *arena, const json_t *body)
{
    return arena_printf(arena, "cqed %s with configuration %.12s",
                        clean_get(arena, body, "version"), clean_get(arena, body, "configDigest"));
}

static const char *say_config(struct arena *arena, const json_t *body)
{
    return arena_printf(arena, "configuration %.12s -> %.12s",
                        clean_get(arena, body, "configDigestBefore"),
                        clean_get(arena, body, "configDigest"));
}

static const char *say(struct arena *arena, const char *kind, const json_t *body)
{
    static const struct {
        enum ledger_kind kind;
        const char *(*say)(struct arena *, const json_t *);
    } sayings[] = {{LEDGER_START, say_start},       {LEDGER_CONFIG, say_config},
                   {LEDGER_ROLLOUT, say_rollout},   {LEDGER_HUMAN, say_act},
                   {LEDGER_DECISION, say_decision}, {LEDGER_INTENT, say_intent},
                   {LEDGER_GATE, say_gate},         {LEDGER_OBSERVATION, say_observation}};
    for (size_t i = 0; i < COUNT_OF(sayings); i++) {
        if (strcmp(kind, ledger_kind_name(sayings[i].kind)) == 0)
            return sayings[i].say(arena, body);
    }
    return "";
}

/* The last `limit` entries that were read; older ones give way. */
struct window {
    json_t *entries; /* array */
    size_t limit;
    bool from_start; /* keep the first ones instead */
};

static bool keep_entry(void *arg, const json_t *entry)
{
    struct window *w = arg;
    (void)json_array_append(w->entries, (json_t *)entry);
    if (w->from_start)
        return json_array_size(w->entries) < w->limit;
    if (json_array_size(w->entries) > w->limit)
        (void)json_array_remove(w->entries, 0);
    return true;
}

static void print_entries(struct cli *cli, const json_t *entries)
{
    static const char *const headers[] = {"SEQ", "AT", "KIND", "ABOUT", "WHAT", NULL};
    struct arena *arena = &cli->arena;
    struct table table;
    table_init(&table, arena, headers);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *e = json_array_get(entries, i);
        const char *kind = clean_get(arena, e, "kind");
        table_add(&table, PAINT_DIM,
                  arena_printf(arena, "%lld", (long long)json_get_i64(e, "seq", -1)));
        table_add(&table, PAINT_NONE, text_date(arena, json_get_i64(e, "atMs", 0)));
        table_add(&table, PAINT_BOLD, kind);
        table_add(&table, PAINT_NONE, clean_get(arena, e, "subject"));
        table_add(&table, PAINT_NONE, say(arena, kind, json_object_get(e, "body")));
    }
    table_print(&table, cli);
}

/* One entry whole, for reading. */
static void print_entry(struct cli *cli, const json_t *entry)
{
    char *text = json_dumps(entry, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    if (!text)
        check_no_memory(1);
    (void)fprintf(cli->out, "%s\n", text);
    free(text);
}

static bool keep_one(void *arg, const json_t *entry)
{
    json_t **one = arg;
    *one = json_deep_copy(entry);
    return false;
}

static int show_one(struct source *s, const char *word)
{
    struct cli *cli = s->cli;
    struct err err = ERR_INIT;
    json_t *entry = NULL;
    uint64_t seq;
    if (!num_parse_u64(str_from(word), &seq))
        return misuse(cli, "SEQ must be an entry's number, not '%s'", word);
    if (!source_read(s, seq, NULL, keep_one, &entry, &err))
        return fail_with(cli, &err);
    if (entry)
        (void)json_own(&cli->arena, entry);
    if (!entry || (uint64_t)json_get_i64(entry, "seq", -1) != seq) {
        err_set(&err, ERR_NOT_FOUND, "there is no entry %" PRIu64 " in a ledger of %" PRIu64, seq,
                s->size);
        return fail_with(cli, &err);
    }
    if (cli->json)
        print_json(cli, entry);
    else
        print_entry(cli, entry);
    return EXIT_DONE;
}

static int show_many(struct source *s)
{
    struct cli *cli = s->cli;
    struct err err = ERR_INIT;
    int64_t from, limit;
    const char *subject = args_value(&cli->args, "subject");
    bool has_from = args_value(&cli->args, "from") != NULL;
    if (!take_integer(cli, "from", 0, &from) || !take_integer(cli, "limit", 50, &limit))
        return EXIT_USAGE;
    if (limit < 1 || limit > 100000)
        return misuse(cli, "--limit must be from 1 to 100000, not %lld", (long long)limit);
    struct window w = {.entries = json_own(&cli->arena, json_array()),
                       .limit = (size_t)limit,
                       .from_start = has_from};
    if (!has_from && !subject)
        from = -limit;
    if (from < 0)
        from = from + (int64_t)s->size < 0 ? 0 : from + (int64_t)s->size;
    if (!source_read(s, (uint64_t)from, subject, keep_entry, &w, &err))
        return fail_with(cli, &err);
    if (cli->json)
        print_json(cli, json_own(&cli->arena, json_pack("{s:I, s:O}", "size", (json_int_t)s->size,
                                                        "entries", w.entries)));
    else
        print_entries(cli, w.entries);
    return EXIT_DONE;
}

int run_ledger_show(struct cli *cli)
{
    struct source source;
    struct err err = ERR_INIT;
    if (!source_open(&source, cli, &err))
        return fail_with(cli, &err);
    int code = cli->args.n_words ? show_one(&source, cli->args.words[0]) : show_many(&source);
    source_close(&source);
    return code;
}

/* --- Verify --- */

/* A verifier key of C2SP's signed-note: name+hash+base64(0x01 || key), where hash is the first four
 * bytes of SHA-256(name || 0x0A || 0x01 || key). */
static bool parse_key(const char *text, uint8_t out[ED25519_KEY_BYTES], struct err *err)
{
    struct str rest = str_trim(str_from(text)), name, hash;
    struct buf key = BUF_INIT, named = BUF_INIT;
    uint8_t told[4];
    bool good = str_cut(&rest, '+', &name) && rest.p && str_cut(&rest, '+', &hash) && rest.p &&
                hex_parse(hash, told, sizeof told) && base64_parse(rest, &key) &&
                key.n == 1 + ED25519_KEY_BYTES && key.p[0] == 1;
    if (good) {
        buf_add_str(&named, name);
        buf_add_char(&named, '\n');
        buf_add_str(&named, buf_str(&key));
        struct sha256 sha = sha256_of(named.p, named.n);
        good = memcmp(sha.b, told, sizeof told) == 0;
        memcpy(out, key.p + 1, ED25519_KEY_BYTES);
    }
    buf_release(&key);
    buf_release(&named);
    return good || err_set(err, ERR_BAD_INPUT,
                           "--key must be a verifier key, name+hash+base64, as "
                           "/cqed/v1/ledger/key gives it, not '%.150s'",
                           text);
}

struct verdict {
    bool ok;
    int64_t checked, size;
    const char *root, *key;
    json_t *findings; /* array of text */
};

static void add_findings(struct verdict *v, struct str report)
{
    struct str line;
    while (report.n > 0 && str_cut(&report, '\n', &line)) {
        if (line.n > 0 && str_is_utf8(line))
            (void)json_array_append_new(v->findings, json_stringn(line.p, line.n));
        else if (line.n > 0)
            (void)json_array_append_new(v->findings, json_string("(a finding that is not UTF-8)"));
    }
}

static const char *hex_of(struct arena *arena, const struct sha256 *sha)
{
    struct buf hex = BUF_INIT;
    hex_add(&hex, sha->b, sizeof sha->b);
    const char *text = arena_cstr(arena, buf_str(&hex));
    buf_release(&hex);
    return text;
}

static bool verify_open(struct cli *cli, struct ledger *ledger, const uint8_t *key,
                        struct verdict *v, struct err *err)
{
    struct buf report = BUF_INIT, text = BUF_INIT;
    struct err why = ERR_INIT;
    uint64_t checked = 0;
    struct progress *progress = progress_start(cli, "verifying");
    v->ok = ledger_verify(ledger, key, &report, &checked, &why);
    progress_stop(progress);
    bool could = v->ok || report.n > 0 || why.code == ERR_CORRUPT;
    if (!could)
        err_set(err, why.code, "%s", why.message);
    else if (!v->ok && report.n == 0)
        buf_add_cstr(&report, why.message);
    add_findings(v, buf_str(&report));
    struct sha256 root = ledger_root(ledger);
    if (v->ok)
        v->root = hex_of(&cli->arena, &root);
    v->checked = (int64_t)checked;
    v->size = (int64_t)ledger_size(ledger);
    ledger_verifier_key(ledger, &text);
    v->key = arena_cstr(&cli->arena, str_trim(buf_str(&text)));
    buf_release(&text);
    buf_release(&report);
    return could;
}

/* A ledger that is too damaged to open is a finding, not a failure to look. */
static bool verify_folder(struct cli *cli, struct verdict *v, struct err *err)
{
    const char *key_text = args_value(&cli->args, "key");
    uint8_t key[ED25519_KEY_BYTES];
    struct source s;
    struct err why = ERR_INIT;
    if (key_text && !parse_key(key_text, key, err))
        return false;
    if (source_open(&s, cli, &why)) {
        bool could = verify_open(cli, s.ledger, key_text ? key : NULL, v, err);
        source_close(&s);
        return could;
    }
    if (why.code != ERR_CORRUPT)
        return err_set(err, why.code, "%s", why.message);
    v->ok = false;
    add_findings(v, str_from(why.message));
    return true;
}

static bool verify_server(struct cli *cli, struct verdict *v, struct err *err)
{
    struct str key;
    const json_t *answer = api_get(cli, &cli->arena, "/cqed/v1/ledger/verify", err);
    if (!answer || !api_get_text(cli, &cli->arena, "/cqed/v1/ledger/key", &key, err))
        return false;
    json_t *findings = json_object_get(answer, "findings");
    v->ok = json_get_bool(answer, "ok", false);
    v->checked = json_get_i64(answer, "checked", 0);
    v->size = json_get_i64(answer, "size", 0);
    v->root = json_get_cstr(answer, "root", "");
    v->key = arena_cstr(&cli->arena, key);
    (void)json_array_extend(v->findings, findings);
    return true;
}

static void print_verdict(struct cli *cli, const struct verdict *v)
{
    struct arena *arena = &cli->arena;
    for (size_t i = 0; i < json_array_size(v->findings); i++)
        (void)fprintf(cli->out, "%s%s%s\n", paint_on(cli, PAINT_BAD),
                      clean(arena, json_string_value(json_array_get(v->findings, i))),
                      paint_off(cli));
    (void)fprintf(cli->out, "%s%s%s: %lld of %lld entries checked\n",
                  paint_on(cli, v->ok ? PAINT_GOOD : PAINT_BAD), v->ok ? "whole" : "not whole",
                  paint_off(cli), (long long)v->checked, (long long)v->size);
    if (v->root[0])
        (void)fprintf(cli->out, "root  %s\n", clean(arena, v->root));
    if (v->key[0])
        (void)fprintf(cli->out, "key   %s\n", clean(arena, v->key));
}

int run_ledger_verify(struct cli *cli)
{
    struct verdict v = {.root = "", .key = "", .findings = json_own(&cli->arena, json_array())};
    struct err err = ERR_INIT;
    const char *data = args_value(&cli->args, "data");
    if (!data && args_value(&cli->args, "key"))
        return misuse(cli, "--key needs --data: a server checks itself with its own key");
    if (!(data ? verify_folder(cli, &v, &err) : verify_server(cli, &v, &err)))
        return fail_with(cli, &err);
    if (cli->json)
        print_json(cli, json_own(&cli->arena,
                                 json_pack("{s:b, s:I, s:I, s:s, s:s, s:O}", "ok", v.ok, "checked",
                                           (json_int_t)v.checked, "size", (json_int_t)v.size,
                                           "root", v.root, "key", v.key, "findings", v.findings)));
    else
        print_verdict(cli, &v);
    return v.ok ? EXIT_DONE : EXIT_NEGATIVE;
}
