#include "ledger/ledger.h"

#include "base/fault.h"
#include "ledger/merkle.h"
#include "ledger/note.h"
#include "ledger/testing.h"

#include <pthread.h>
#include <sqlite3.h>

#define LARGE ((16u << 20) + 1)

static void is_sound(struct ledger *l)
{
    char *report = verify(l);
    assert_string_equal(report, "");
    free(report);
}

/* --- Entries --- */

struct collected {
    uint64_t n, first, last, stop_after;
    struct merkle tree;
    struct buf text;
};

static bool collect(void *arg, const struct ledger_entry *e)
{
    struct collected *c = arg;
    if (c->n == 0)
        c->first = e->seq;
    c->last = e->seq;
    c->n++;
    struct sha256 leaf = merkle_leaf(e->bytes);
    assert_memory_equal(leaf.b, e->leaf.b, sizeof leaf.b);
    merkle_append(&c->tree, &leaf);
    buf_printf(&c->text, "%llu %lld %s %s ", (unsigned long long)e->seq, (long long)e->at_ms,
               e->kind, e->subject);
    buf_add_str(&c->text, e->bytes);
    buf_add_char(&c->text, '\n');
    return c->n != c->stop_after;
}

static struct collected read_all(struct ledger *l, uint64_t from, uint64_t max, const char *subject,
                                 uint64_t stop_after)
{
    struct collected c = {.text = BUF_INIT, .stop_after = stop_after};
    struct err err = ERR_INIT;
    merkle_init(&c.tree);
    bool done = ledger_read(l, from, max, subject, collect, &c, &err);
    if (!done)
        print_error("%s\n", err.message);
    assert_true(done);
    return c;
}

static void collected_release(struct collected *c)
{
    merkle_release(&c->tree);
    buf_release(&c->text);
}

static void entries_are_kept_as_canonical_bytes(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    uint64_t seq = 99;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    assert_int_equal(ledger_size(l), 0);
    json_t *body = json_pack("{s:f, s:i, s:[]}", "z", 0.5, "a", 1, "list");
    assert_true(ledger_append(l, LEDGER_GATE, "g", 17, body, &seq, &err));
    assert_int_equal(seq, 0);
    assert_true(ledger_append(l, LEDGER_START, "", 18, body, NULL, &err));
    json_decref(body);
    struct collected c = read_all(l, 0, 10, NULL, 0);
    assert_string_equal(c.text.p,
                        "0 17 gate g {\"at\":17,\"body\":{\"a\":1,\"list\":[],\"z\":0.5},\"kind\":"
                        "\"gate\",\"seq\":0,\"subject\":\"g\",\"v\":1}\n"
                        "1 18 start  {\"at\":18,\"body\":{\"a\":1,\"list\":[],\"z\":0.5},\"kind\":"
                        "\"start\",\"seq\":1,\"subject\":\"\",\"v\":1}\n");
    collected_release(&c);
    is_sound(l);
    ledger_close(l);
    remove_folder(folder);
}

/* The page computes the same bytes with JSON.stringify (RFC 8785). */
static void numbers_are_written_as_a_browser_does(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    json_t *body = json_pack("[f,f,f,f,f,f,f]", 1e-7, -1.5e-9, 1e20, -0.0, 0.1, 1e21, 1e300);
    assert_true(ledger_append(l, LEDGER_START, "", 0, body, NULL, &err));
    json_decref(body);
    struct collected c = read_all(l, 0, 1, NULL, 0);
    assert_non_null(
        strstr(c.text.p, "\"body\":[1e-7,-1.5e-9,100000000000000000000,0,0.1,1e+21,1e+300],"));
    collected_release(&c);
    is_sound(l);
    ledger_close(l);
    remove_folder(folder);
}

static void reading_is_by_place_and_subject(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 20);
    static const struct {
        uint64_t from, max, stop_after;
        const char *subject;
        uint64_t n, first, last;
    } cases[] = {
        {0, UINT64_MAX, 0, NULL, 20, 0, 19}, {5, 3, 0, NULL, 3, 5, 7},
        {19, 100, 0, NULL, 1, 19, 19},       {20, 100, 0, NULL, 0, 0, 0},
        {UINT64_MAX, 1, 0, NULL, 0, 0, 0},   {0, 0, 0, NULL, 0, 0, 0},
        {0, 100, 4, NULL, 4, 0, 3},          {0, 100, 0, "rollout-1", 7, 1, 19},
        {2, 2, 0, "rollout-1", 2, 4, 7},     {0, 100, 0, "nobody", 0, 0, 0},
        {0, 100, 2, "rollout-2", 2, 2, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct collected c =
            read_all(l, cases[i].from, cases[i].max, cases[i].subject, cases[i].stop_after);
        assert_int_equal(c.n, cases[i].n);
        assert_int_equal(c.first, cases[i].first);
        assert_int_equal(c.last, cases[i].last);
        collected_release(&c);
    }
    ledger_close(l);
    remove_folder(folder);
}

/* --- Trees, checkpoints and proofs --- */

static void head_is(struct ledger *l, uint64_t size)
{
    struct buf note = BUF_INIT, key_text = BUF_INIT;
    struct err err = ERR_INIT;
    struct note_key key;
    struct checkpoint c;
    struct str text;
    struct sha256 root = ledger_root(l);
    assert_int_equal(ledger_size(l), size);
    assert_true(ledger_checkpoint(l, &note, &err));
    ledger_verifier_key(l, &key_text);
    assert_true(note_key_parse(buf_str(&key_text), &key, &err));
    assert_true(note_verify(buf_str(&note), &key, &text, &err));
    assert_true(checkpoint_parse(text, &c, &err));
    assert_int_equal(c.size, size);
    assert_memory_equal(c.root.b, root.b, sizeof root.b);
    struct collected all = read_all(l, 0, UINT64_MAX, NULL, 0);
    struct sha256 again = merkle_root(&all.tree, all.tree.size);
    assert_memory_equal(again.b, root.b, sizeof root.b);
    collected_release(&all);
    buf_release(&note);
    buf_release(&key_text);
}

static void every_append_moves_the_signed_head(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    head_is(l, 0);
    for (int64_t n = 0; n < 9; n++) {
        append(l, n, n + 1);
        head_is(l, (uint64_t)n + 1);
    }
    ledger_close(l);
    l = open_ledger(folder);
    head_is(l, 9);
    append(l, 9, 12);
    head_is(l, 12);
    is_sound(l);
    ledger_close(l);
    remove_folder(folder);
}

static void proofs_hold(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct sha256 *path;
    size_t n;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 11);
    struct collected all = read_all(l, 0, UINT64_MAX, NULL, 0);
    struct sha256 root = ledger_root(l), old = merkle_root(&all.tree, 6);
    for (uint64_t i = 0; i < 11; i++) {
        assert_true(ledger_inclusion_proof(l, i, 11, &arena, &path, &n, &err));
        assert_true(merkle_verify_inclusion(&all.tree.levels[0].items[i], i, 11, path, n, &root));
    }
    struct sha256 old_again;
    assert_true(ledger_root_at(l, 6, &old_again, &err));
    assert_memory_equal(old_again.b, old.b, sizeof old.b);
    assert_false(ledger_root_at(l, 12, &old_again, &err));
    assert_true(ledger_consistency_proof(l, 6, 11, &arena, &path, &n, &err));
    assert_true(merkle_verify_consistency(6, &old, 11, &root, path, n));
    assert_false(ledger_inclusion_proof(l, 11, 11, &arena, &path, &n, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(ledger_inclusion_proof(l, 0, 12, &arena, &path, &n, &err));
    assert_false(ledger_consistency_proof(l, 7, 6, &arena, &path, &n, &err));
    assert_false(ledger_consistency_proof(l, 0, UINT64_MAX, &arena, &path, &n, &err));
    collected_release(&all);
    arena_release(&arena);
    ledger_close(l);
    remove_folder(folder);
}

/* --- Blobs --- */

static void blobs_come_back_with_their_entry(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct sha256 id, other = {{1}};
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    json_t *curve = json_pack("{s:[i,i,i]}", "curve", 1, 2, 3);
    assert_true(ledger_put_blob(l, curve, &id, &err));
    assert_true(ledger_put_blob(l, curve, &id, &err));
    assert_non_null(ledger_get_blob(l, &arena, &id, &err)); /* before it is durable */
    append(l, 0, 1);
    assert_true(ledger_put_blob(l, curve, &id, &err)); /* the same once more is no conflict */
    append(l, 1, 2);
    ledger_close(l);
    l = open_ledger(folder);
    assert_true(json_equal(ledger_get_blob(l, &arena, &id, &err), curve));
    assert_null(ledger_get_blob(l, &arena, &other, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    json_decref(curve);
    is_sound(l);
    arena_release(&arena);
    ledger_close(l);
    remove_folder(folder);
}

/* --- What cannot be recorded --- */

static void what_could_not_be_read_back_is_refused(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    json_t *deep = json_array();
    for (int i = 0; i < 70; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, deep);
        deep = outer;
    }
    assert_false(ledger_append(l, LEDGER_START, "", 0, deep, NULL, &err));
    json_decref(deep);
    json_t *body = json_object();
    assert_false(ledger_append(l, LEDGER_START, "\xff", 0, body, NULL, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    char *large = malloc(LARGE);
    assert_non_null(large);
    memset(large, 'x', LARGE);
    json_object_set_new(body, "large", json_stringn(large, LARGE));
    free(large);
    assert_false(ledger_append(l, LEDGER_START, "", 0, body, NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    json_decref(body);
    assert_int_equal(ledger_size(l), 0);
    append(l, 0, 2);
    head_is(l, 2);
    ledger_close(l);
    remove_folder(folder);
}

/* --- Faults --- */

static void a_failed_append_leaves_nothing(void **state)
{
    (void)state;
    static const char *const points[] = {"ledger.append", "ledger.insert", "ledger.sync"};
    char folder[FOLDER_BYTES], spec[64];
    struct err err = ERR_INIT;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 2);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(spec, sizeof spec, "%s:once:errno=ENOSPC", points[i]);
        assert_true(fault_arm(spec, &err));
        assert_false(try_append(l, 7, &err));
        assert_int_equal(err.code, ERR_IO);
        assert_non_null(strstr(err.message, "ledger.db"));
        assert_non_null(strstr(err.message, "No space"));
        fault_disarm_all();
        assert_int_equal(ledger_size(l), 2 + i);
        append(l, 2 + (int64_t)i, 3 + (int64_t)i);
        head_is(l, 3 + i);
    }
    is_sound(l);
    ledger_close(l);
    l = open_ledger(folder);
    head_is(l, 5);
    ledger_close(l);
    remove_folder(folder);
}

/* --- Files --- */

static void the_key_is_private_and_made_once(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct stat st;
    struct err err = ERR_INIT;
    make_folder(folder);
    ledger_close(open_ledger(folder));
    assert_int_equal(stat(file_in(folder, "ledger.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(chmod(file_in(folder, "ledger.key"), 0644), 0);
    assert_null(ledger_open(folder, &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(chmod(file_in(folder, "ledger.key"), 0400), 0);
    ledger_close(open_ledger(folder));

    assert_int_equal(unlink(file_in(folder, "ledger.key")), 0);
    assert_null(ledger_open(folder, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "ledger.key"));
    assert_false(file_exists(file_in(folder, "ledger.key")));
    remove_folder(folder);
}

static void another_key_is_refused(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES], other[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    make_folder(other);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 3);
    ledger_close(l);
    ledger_close(open_ledger(other));
    copy_file(file_in(other, "ledger.key"), file_in(folder, "ledger.key"));
    assert_null(ledger_open(folder, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(unlink(file_in(folder, "ledger.pub")), 0);
    assert_null(ledger_open(folder, &err)); /* the checkpoints are of the first key */
    assert_int_equal(err.code, ERR_CORRUPT);
    remove_folder(folder);
    remove_folder(other);
}

static void a_removed_ledger_is_not_begun_anew(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 3);
    ledger_close(l);
    assert_int_equal(unlink(file_in(folder, "ledger.db")), 0);
    for (int i = 0; i < 2; i++) {
        assert_null(ledger_open(folder, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_non_null(strstr(err.message, "removed"));
    }
    remove_folder(folder);
}

static void a_start_that_died_is_completed(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    assert_true(fault_arm("ledger.sync:once", &err)); /* the key is there, the tables are not */
    assert_null(ledger_open(folder, &err));
    assert_false(file_exists(file_in(folder, "ledger.pub")));
    fault_disarm_all();
    struct ledger *l = open_ledger(folder);
    append(l, 0, 1);
    ledger_close(l);
    assert_int_equal(unlink(file_in(folder, "ledger.pub")), 0); /* and before ledger.pub */
    l = open_ledger(folder);
    assert_true(file_exists(file_in(folder, "ledger.pub")));
    head_is(l, 1);
    ledger_close(l);
    remove_folder(folder);
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    assert_null(ledger_open(folder, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    ledger_close(l);
    ledger_close(open_ledger(folder));
    remove_folder(folder);
}

/* --- Readers beside the writer --- */

static void a_reader_follows_the_writer(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    struct err err = ERR_INIT;
    make_folder(folder);
    assert_null(ledger_open_readonly(folder, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 3);
    struct ledger *reader = ledger_open_readonly(folder, &err);
    assert_non_null(reader);
    head_is(reader, 3);
    append(l, 3, 5);
    head_is(reader, 5);
    is_sound(reader);
    ledger_close(l);
    head_is(reader, 5);
    ledger_close(reader);
    reader = ledger_open_readonly(folder, &err); /* and when nothing runs */
    assert_non_null(reader);
    head_is(reader, 5);
    is_sound(reader);
    ledger_close(reader);
    remove_folder(folder);
}

static void *read_for_a_while(void *arg)
{
    struct ledger *l = arg;
    for (int i = 0; i < 20; i++) {
        struct buf note = BUF_INIT;
        struct err err = ERR_INIT;
        struct collected c = {.text = BUF_INIT};
        merkle_init(&c.tree);
        if (!ledger_read(l, 0, UINT64_MAX, NULL, collect, &c, &err) ||
            !ledger_checkpoint(l, &note, &err) || ledger_size(l) < c.n)
            return NULL;
        char *report = verify(l);
        bool sound = report[0] == '\0';
        free(report);
        collected_release(&c);
        buf_release(&note);
        if (!sound)
            return NULL;
    }
    return l;
}

static void threads_read_while_one_appends(void **state)
{
    (void)state;
    char folder[FOLDER_BYTES];
    pthread_t threads[6];
    void *good;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_for_a_while, l), 0);
    append(l, 0, 60);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_ptr_equal(good, l);
    }
    ledger_close(l);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_kept_as_canonical_bytes),
        cmocka_unit_test(numbers_are_written_as_a_browser_does),
        cmocka_unit_test(reading_is_by_place_and_subject),
        cmocka_unit_test(every_append_moves_the_signed_head),
        cmocka_unit_test(proofs_hold),
        cmocka_unit_test(blobs_come_back_with_their_entry),
        cmocka_unit_test(what_could_not_be_read_back_is_refused),
        cmocka_unit_test(a_failed_append_leaves_nothing),
        cmocka_unit_test(the_key_is_private_and_made_once),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(a_removed_ledger_is_not_begun_anew),
        cmocka_unit_test(a_start_that_died_is_completed),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(a_reader_follows_the_writer),
        cmocka_unit_test(threads_read_while_one_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
