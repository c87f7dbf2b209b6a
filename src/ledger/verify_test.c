/* Every kind of tampering, done with SQL on a copy of one ledger of 40 entries. */
#include "ledger/ledger.h"

#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/testing.h"

#include <sqlite3.h>

#define N_ENTRIES 40

static char original[FOLDER_BYTES], copy[FOLDER_BYTES];

static int make_original(void **state)
{
    struct err err = ERR_INIT;
    struct sha256 id;
    char text[80] = "sha256:";
    struct buf hex = BUF_INIT;
    (void)state;
    make_folder(original);
    make_folder(copy);
    struct ledger *l = open_ledger(original);
    append(l, 0, N_ENTRIES - 1);
    json_t *curve = json_pack("[i,i]", 1, 2);
    assert_true(ledger_put_blob(l, curve, &id, &err));
    json_decref(curve);
    hex_add(&hex, id.b, sizeof id.b);
    (void)snprintf(text, sizeof text, "sha256:%s", hex.p);
    buf_release(&hex);
    json_t *body = json_pack("{s:[{s:s}]}", "curves", "blob", text);
    assert_true(ledger_append(l, LEDGER_DECISION, "r", 5, body, NULL, &err));
    json_decref(body);
    ledger_close(l);
    return 0;
}

static int remove_original(void **state)
{
    (void)state;
    remove_folder(original);
    remove_folder(copy);
    return 0;
}

/* --- Tampering --- */

/* rehash(bytes): the leaf hash, for those who know how to cover an edit. */
static void rehash(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n;
    const char *p = (const char *)sqlite3_value_text(values[0]);
    struct sha256 leaf = merkle_leaf(str_make(p ? p : "", (size_t)sqlite3_value_bytes(values[0])));
    sqlite3_result_blob(context, leaf.b, sizeof leaf.b, SQLITE_TRANSIENT);
}

static void run_sql(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static sqlite3 *open_copy(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file_in(copy, "ledger.db"), &db), SQLITE_OK);
    sqlite3_create_function(db, "rehash", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, rehash, NULL,
                            NULL);
    run_sql(db, "PRAGMA synchronous=OFF");
    return db;
}

static void tamper(const char *sql)
{
    copy_folder(original, copy);
    sqlite3 *db = open_copy();
    run_sql(db, sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The report of `cqed ledger verify` on the copy. */
static char *report_of_copy(void)
{
    struct err err = ERR_INIT;
    struct ledger *l = ledger_open_readonly(copy, &err);
    if (!l) {
        struct buf message = BUF_INIT;
        buf_printf(&message, "open: %s\n", err.message);
        return buf_detach(&message);
    }
    char *report = verify(l);
    ledger_close(l);
    return report;
}

struct tampering {
    const char *sql;
    const char *findings; /* the whole report; '*' stands for anything in a line */
    const char *refusal;  /* what ledger_open says; NULL when the entries and the head are whole */
};

#define RESEQ "UPDATE entry SET bytes = json_set(bytes, '$.seq', seq), leaf = x'00'; "
#define COVER "UPDATE entry SET leaf = rehash(bytes)"

static const struct tampering tamperings[] = {
    {"SELECT 1", "", NULL},

    /* Edited. */
    {"UPDATE entry SET bytes = replace(bytes, '\"n\":17', '\"n\":71') WHERE seq = 17",
     "entry 17: edited: its bytes are not those that were signed\n", "entry 17: edited"},
    {"UPDATE entry SET bytes = replace(bytes, '\"n\":17', '\"n\":71') WHERE seq = 17; " COVER,
     "entry 17: edited: together with its leaf; its checkpoint signs another\n"
     "entries 18 to 39: unproven*\n",
     "entry 17: edited"},
    {"UPDATE entry SET bytes = replace(bytes, 'rollout-0', 'rollout-1') WHERE seq = 39 - 6",
     "entry 33: edited*\n", "entry 33: edited"},
    {"UPDATE entry SET bytes = bytes || ' ' WHERE seq = 0",
     "entry 0: edited: its bytes are not in canonical form\n", "entry 0: edited"},
    {"UPDATE entry SET leaf = rehash('x') WHERE seq = 3",
     "entry 3: edited: its leaf is not the hash of its bytes, which are as signed\n",
     "entry 3: edited"},
    {"UPDATE entry SET leaf = x'00' WHERE seq = 3", "entry 3: edited: its leaf is not a hash\n",
     "entry 3: edited"},
    {"UPDATE entry SET bytes = json_set(bytes, '$.at', 0) WHERE seq IN (5, 6, 30)",
     "entry 5: edited*\nentry 6: edited*\nentry 30: edited*\n", "entry 5: edited"},
    {"UPDATE entry SET bytes = json_remove(bytes, '$.body') WHERE seq = 5",
     "entry 5: edited: its bytes are not those of an entry\n", "entry 5: edited"},
    {"UPDATE entry SET bytes = json_set(bytes, '$.kind', 'gossip') WHERE seq = 5",
     "entry 5: edited: its bytes are not those of an entry\n", "entry 5: edited"},

    /* Removed. */
    {"DELETE FROM entry WHERE seq = 17", "entry 17: removed\nentries 18 to 39: unproven*\n",
     "entry 17: removed"},
    {"DELETE FROM entry WHERE seq = 0", "entry 0: removed\nentries 1 to 39: unproven*\n",
     "entry 0: removed"},
    {"DELETE FROM entry WHERE seq BETWEEN 10 AND 12",
     "entries 10 to 12: removed\nentries 13 to 39: unproven*\n", "entries 10 to 12: removed"},
    {"DELETE FROM entry WHERE seq >= 38",
     "entries 38 to 39: removed: checkpoints sign more than there is\n",
     "entries 38 to 39: removed"},
    {"DELETE FROM entry", "entries 0 to 39: removed*\n*", "entries 0 to 39: removed"},
    {"DELETE FROM entry WHERE seq = 17; UPDATE entry SET seq = -seq WHERE seq > 17; "
     "UPDATE entry SET seq = -seq - 1 WHERE seq < 0; " RESEQ COVER,
     "entry 17: edited: together with its leaf*\nentries 18 to 38: unproven*\n"
     "entry 39: removed: checkpoints sign more than there is\n",
     "entry 17: edited"},

    /* Inserted. */
    {"INSERT INTO entry(seq, leaf, bytes) SELECT 40, leaf, json_set(bytes, '$.seq', 40) FROM entry "
     "WHERE seq = 39; " COVER,
     "entry 40: inserted: no checkpoint signs it\n", "entry 40: inserted"},
    {"INSERT INTO entry(seq, leaf, bytes) SELECT -1, leaf, bytes FROM entry WHERE seq = 39",
     "entry -1: inserted: no checkpoint signs it\n", "entry -1: inserted"},
    {"INSERT INTO entry(seq, leaf, bytes) SELECT 1 << 60, leaf, bytes FROM entry WHERE seq = 39",
     "entry 1152921504606846976: inserted: no checkpoint signs it\n",
     "entry 1152921504606846976: inserted"},
    {"INSERT INTO entry(seq, leaf, bytes) SELECT 9223372036854775807, leaf, bytes FROM entry "
     "WHERE seq = 39",
     "entry 9223372036854775807: inserted: no checkpoint signs it\n",
     "entry 9223372036854775807: inserted"},
    {"UPDATE entry SET seq = -seq WHERE seq > 17; UPDATE entry SET seq = -seq + 1 WHERE seq < 0; "
     "INSERT INTO entry(seq, leaf, bytes) SELECT 18, leaf, bytes FROM entry WHERE seq = 3; " RESEQ
         COVER,
     "entry 18: edited: together with its leaf*\nentries 19 to 39: unproven*\n"
     "entry 40: inserted: no checkpoint signs it\n",
     "entry 18: edited"},

    /* Reordered. */
    {"UPDATE entry SET seq = 100 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6; "
     "UPDATE entry SET seq = 6 WHERE seq = 100",
     "entry 5: reordered: its bytes are those of entry 6\n"
     "entry 6: reordered: its bytes are those of entry 5\n"
     "entries 6 to 39: unproven*\n",
     "entry 5: reordered"},
    {"UPDATE entry SET seq = 100 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6; "
     "UPDATE entry SET seq = 6 WHERE seq = 100; " RESEQ COVER,
     "entry 5: edited: together with its leaf*\nentries 6 to 39: unproven*\n", "entry 5: edited"},

    /* Checkpoints. */
    {"DELETE FROM checkpoint WHERE size = 5", "checkpoint 5: removed\n", NULL},
    {"DELETE FROM checkpoint WHERE size < 5", "checkpoints 0 to 4: removed\n", NULL},
    {"DELETE FROM checkpoint WHERE size > 38", "entry 38: inserted*\nentry 39: inserted*\n",
     "entry 38: inserted"},
    {"DELETE FROM checkpoint", "entry 0: inserted*\n*", "entry 0: inserted"},
    {"UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 7) WHERE size = 5",
     "checkpoint 5: replaced: what is signed is checkpoint 7\n", NULL},
    {"UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 7) WHERE size = 40",
     "entry 39: unproven: its checkpoint does not stand\ncheckpoint 40: replaced: what is signed "
     "is checkpoint 7\n",
     "entry 39: unproven"},
    {"UPDATE checkpoint SET note = replace(note, char(10) || '5' || char(10), "
     "char(10) || '6' || char(10)) WHERE size = 5",
     "checkpoint 5: forged: the signature of cqed.ledger/* does not fit the text\n", NULL},
    {"UPDATE checkpoint SET note = 'no note' WHERE size = 5", "checkpoint 5: forged*\n", NULL},
    {"INSERT INTO checkpoint SELECT 41, note FROM checkpoint WHERE size = 40",
     "checkpoint 41: replaced: what is signed is checkpoint 40\n", "checkpoint 41"},
    {"INSERT INTO checkpoint SELECT 9223372036854775807, note FROM checkpoint WHERE size = 40",
     "checkpoints 41 to 9223372036854775806: removed\n"
     "checkpoint 9223372036854775807: replaced: what is signed is checkpoint 40\n",
     "checkpoint"},

    /* An edit behind a removed checkpoint. */
    {"UPDATE entry SET bytes = json_set(bytes, '$.at', 0) WHERE seq = 9; " COVER
     "; DELETE FROM checkpoint WHERE size IN (10, 11)",
     "entries 9 to 11: edited: one or more of them, together with the leaf\n"
     "entries 12 to 39: unproven*\ncheckpoints 10 to 11: removed\n",
     "entries 9 to 11: edited"},

    /* Blobs. */
    {"UPDATE blob SET bytes = '[1,3]'", "blob *: edited: its bytes have another hash\n", NULL},
    {"DELETE FROM blob", "blob *: removed: entry 39 rests on it\n", NULL},
    {"INSERT INTO blob VALUES(x'00', '1')", "blob 00: edited*\n", NULL},

    /* The frame. */
    {"UPDATE log SET origin = 'cqed.ledger/0123456789abcdef'", "database: its origin is *\n*",
     "ledger.pub is not"},
    {"UPDATE log SET origin = 'x'", "failed: *: its origin was edited\n", "origin was edited"},
    {"DROP INDEX entry_subject", "open: *: a table or index is missing\n", "is missing"},
    {"CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE seq = 0; END",
     "open: *: the trigger 't' is not one that cQED makes\n", "trigger 't'"},
    {"PRAGMA user_version = 2", "open: *format 2, this cQED knows format 1\n", "format 2"},
    {"PRAGMA application_id = 2", "open: *not a cQED ledger\n", "not a cQED ledger"},
};

/* '*' matches within and across lines; enough for reports. */
static bool fits(const char *pattern, const char *text)
{
    if (*pattern == '*') {
        for (;; text++) {
            if (fits(pattern + 1, text))
                return true;
            if (!*text)
                return false;
        }
    }
    return *pattern == *text && (!*pattern || fits(pattern + 1, text + 1));
}

static void every_tampering_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tamperings / sizeof *tamperings; i++) {
        const struct tampering *t = &tamperings[i];
        struct err err = ERR_INIT;
        tamper(t->sql);
        char *report = report_of_copy();
        if (!fits(t->findings, report))
            fail_msg("%s\nis reported as\n%sinstead of\n%s", t->sql, report, t->findings);
        free(report);
        struct ledger *l = ledger_open(copy, &err);
        if (t->refusal ? l || !strstr(err.message, t->refusal) : !l)
            fail_msg("%s\nopens with '%s'", t->sql, err.message);
        if (t->refusal)
            assert_int_equal(err.code, ERR_CORRUPT);
        ledger_close(l);
    }
}

/* With the key everything can be signed anew; a key kept elsewhere still tells. */
static void another_public_key_finds_every_checkpoint(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf report = BUF_INIT;
    uint8_t other[ED25519_KEY_BYTES] = {1};
    uint64_t checked;
    struct ledger *l = ledger_open_readonly(original, &err);
    assert_non_null(l);
    assert_false(ledger_verify(l, other, &report, &checked, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(report.p, "checkpoint 40: forged: it bears no signature of"));
    buf_release(&report);
    ledger_close(l);
}

static void without_a_public_key_it_asks_for_one(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf report = BUF_INIT;
    uint64_t checked;
    copy_folder(original, copy);
    assert_int_equal(unlink(file_in(copy, "ledger.pub")), 0);
    struct ledger *l = ledger_open_readonly(copy, &err);
    assert_non_null(l);
    assert_false(ledger_verify(l, NULL, &report, &checked, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "ledger.pub"));
    assert_int_equal(report.n, 0);
    ledger_close(l);
}

/* --- By seed --- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* One changed byte of one value of one row, whatever SQLite lets through. */
static bool change_a_byte(sqlite3 *db, uint64_t *random, char *what, size_t what_bytes)
{
    static const struct {
        const char *table, *key, *column;
        unsigned rows;
    } places[] = {{"entry", "seq", "bytes", N_ENTRIES},
                  {"entry", "seq", "leaf", N_ENTRIES},
                  {"checkpoint", "size", "note", N_ENTRIES + 1}};
    char sql[400];
    unsigned place = (unsigned)(next_random(random) % 3);
    unsigned row = (unsigned)(next_random(random) % places[place].rows);
    const char *type = place == 1 ? "blob" : "text", *column = places[place].column;
    uint64_t at = next_random(random);
    unsigned byte = 32 + (unsigned)(next_random(random) % 95);
    (void)snprintf(sql, sizeof sql,
                   "UPDATE %s SET %s = CAST(substr(CAST(%s AS blob), 1, %llu %% length(CAST(%s AS "
                   "blob))) || x'%02x' || substr(CAST(%s AS blob), 2 + %llu %% length(CAST(%s AS "
                   "blob))) AS %s) WHERE %s = %u",
                   places[place].table, column, column, (unsigned long long)(at >> 2), column, byte,
                   column, (unsigned long long)(at >> 2), column, type, places[place].key, row);
    (void)snprintf(what, what_bytes, "%s %u", places[place].table, row);
    run_sql(db, "CREATE TEMP TABLE before AS SELECT seq, bytes, leaf FROM entry; "
                "CREATE TEMP TABLE notes AS SELECT * FROM checkpoint");
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Whether a line of the report is about it. */
static bool names(const char *report, const char *what)
{
    size_t n = strlen(what);
    for (const char *line = report; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, what, n) == 0 && line[n] == ':')
            return true;
    }
    return false;
}

static bool is_changed(sqlite3 *db)
{
    sqlite3_stmt *s;
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT (SELECT count(*) FROM (SELECT seq, bytes, leaf FROM before "
                           "EXCEPT SELECT seq, bytes, leaf FROM entry)) + (SELECT count(*) FROM "
                           "(SELECT * FROM notes EXCEPT SELECT * FROM checkpoint))",
                           -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    bool changed = sqlite3_column_int(s, 0) > 0;
    sqlite3_finalize(s);
    return changed;
}

static void random_edits_are_all_found(void **state)
{
    (void)state;
    uint64_t random = 20261124;
    int changed = 0;
    char what[32];
    for (int i = 0; changed < 500; i++) {
        assert_true(i < 5000);
        copy_folder(original, copy);
        sqlite3 *db = open_copy();
        bool counts = change_a_byte(db, &random, what, sizeof what) && is_changed(db);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        if (!counts)
            continue;
        changed++;
        char *report = report_of_copy();
        if (!names(report, what))
            fail_msg("edit %d, of %s, is reported as '%s'", i, what, report);
        free(report);
    }
}

/* One changed byte anywhere in the file: never a crash, and never an entry that reads otherwise. */
static void random_damage_is_found_or_harmless(void **state)
{
    (void)state;
    uint64_t random = 7;
    struct buf whole = BUF_INIT;
    struct err err = ERR_INIT;
    int found = 0;
    assert_true(file_read(file_in(original, "ledger.db"), 1u << 30, &whole, &err));
    for (int i = 0; i < 120; i++) {
        copy_folder(original, copy);
        size_t at = next_random(&random) % whole.n;
        char byte = whole.p[at];
        whole.p[at] = (char)(byte ^ (1 << next_random(&random) % 8));
        write_file(file_in(copy, "ledger.db"), buf_str(&whole), 0644);
        whole.p[at] = byte;
        char *report = report_of_copy();
        struct ledger *l = ledger_open(copy, &err);
        if (report[0] != '\0')
            found++;
        else if (!l)
            fail_msg("byte %zu: verifies, but does not open: %s", at, err.message);
        ledger_close(l);
        free(report);
    }
    assert_true(found > 30); /* the rest is unused space */
    buf_release(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tampering_is_named),
        cmocka_unit_test(another_public_key_finds_every_checkpoint),
        cmocka_unit_test(without_a_public_key_it_asks_for_one),
        cmocka_unit_test(random_edits_are_all_found),
        cmocka_unit_test(random_damage_is_found_or_harmless),
    };
    return cmocka_run_group_tests(tests, make_original, remove_original);
}
