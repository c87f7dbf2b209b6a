/* Signed notes, checkpoints and verifier keys: what is read is what was written, no byte more. */
#include "fuzz.h"

#include "ledger/note.h"

/* golang.org/x/mod/sumdb/note's reference key, which signed the note in the corpus. */
#define KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

static void try_key(struct str text)
{
    struct note_key key, again;
    struct buf out = BUF_INIT;
    if (!note_key_parse(text, &key, NULL))
        return;
    note_key_format(&key, &out);
    CHECK(out.n == text.n);
    CHECK(note_key_parse(buf_str(&out), &again, NULL));
    CHECK(memcmp(&key, &again, sizeof key) == 0);
    buf_release(&out);
}

static void try_checkpoint(struct str text)
{
    struct checkpoint c;
    struct buf out = BUF_INIT;
    if (!checkpoint_parse(text, &c, NULL))
        return;
    checkpoint_format(&c, &out);
    CHECK(str_starts(text, buf_str(&out))); /* extension lines may follow */
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct str input = fuzz_str(bytes, n), text;
    struct note_key key;
    CHECK(note_key_parse(STR(KEY), &key, NULL));
    try_key(input);
    try_checkpoint(input);
    if (note_verify(input, &key, &text, NULL)) {
        CHECK(text.p == input.p && text.n < input.n && text.p[text.n - 1] == '\n');
        CHECK(input.p[text.n] == '\n');
        try_checkpoint(text);
    }
    return 0;
}
