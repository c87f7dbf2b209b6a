#include "block/index.h"

#include "base/mem.h"
#include "block/cursor.h"

#include <stdlib.h>

#define INDEX_MAGIC UINT32_C(0xbaaad700)
#define INDEX_VERSION 2
#define HEADER_BYTES 5
#define CONTENTS_BYTES 52
#define SERIES_ALIGN 16
#define TABLE_STRIDE 16 /* rows of the postings table between two that are remembered */

struct block_index {
    struct str bytes;
    struct str symbols;       /* the strings, each behind its length */
    uint32_t *symbol_offsets; /* in `symbols` */
    size_t n_symbols;
    struct str table;  /* the rows of the postings table */
    uint32_t *strides; /* where row 0, 16, 32 ... begins in `table` */
    size_t n_strides;
    uint64_t series_at, series_end;
};

static bool corrupt(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "index: %s", what);
}

/* A section: length, content, checksum. */
static bool section_at(struct str bytes, uint64_t at, struct str *out)
{
    if (at >= bytes.n)
        return false;
    struct block_cursor c = cursor_of(str_make(bytes.p + at, bytes.n - at));
    uint32_t n = cursor_u32(&c);
    *out = cursor_checked(&c, n);
    return !c.bad;
}

static bool open_symbols(struct block_index *x, uint64_t at, struct err *err)
{
    struct str content;
    if (!section_at(x->bytes, at, &content))
        return corrupt(err, "the symbols are damaged");
    struct block_cursor c = cursor_of(content);
    uint32_t n = cursor_u32(&c);
    if (c.bad || n > c.n)
        return corrupt(err, "more symbols than bytes");
    x->symbols = str_make(c.p, c.n);
    x->symbol_offsets = mem_array((size_t)n + 1, sizeof *x->symbol_offsets);
    x->n_symbols = n;
    for (uint32_t i = 0; i < n; i++) {
        x->symbol_offsets[i] = (uint32_t)(c.p - x->symbols.p);
        (void)cursor_string(&c);
    }
    return !c.bad || corrupt(err, "a symbol reaches beyond its section");
}

struct row {
    struct str name, value;
    uint64_t offset;
};

static bool take_row(struct block_cursor *c, struct row *out)
{
    if (c->n == 0)
        return false;
    if (cursor_uvarint(c) != 2)
        c->bad = true;
    out->name = cursor_string(c);
    out->value = cursor_string(c);
    out->offset = cursor_uvarint(c);
    return !c->bad;
}

static int compare_keys(struct str name_a, struct str value_a, struct str name_b,
                        struct str value_b)
{
    int by_name = str_cmp(name_a, name_b);
    return by_name ? by_name : str_cmp(value_a, value_b);
}

static bool open_table(struct block_index *x, uint64_t at, struct err *err)
{
    struct str content;
    struct row row, before = {0};
    if (!section_at(x->bytes, at, &content))
        return corrupt(err, "the postings table is damaged");
    struct block_cursor c = cursor_of(content);
    uint32_t n = cursor_u32(&c);
    if (c.bad || n > c.n)
        return corrupt(err, "more postings than bytes");
    x->table = str_make(c.p, c.n);
    x->strides = mem_array((size_t)n / TABLE_STRIDE + 1, sizeof *x->strides);
    for (uint32_t i = 0; i < n; i++) {
        if (i % TABLE_STRIDE == 0)
            x->strides[x->n_strides++] = (uint32_t)(c.p - x->table.p);
        if (!take_row(&c, &row))
            return corrupt(err, "a row of the postings table makes no sense");
        if (i > 0 && compare_keys(before.name, before.value, row.name, row.value) >= 0)
            return corrupt(err, "the postings table is not sorted");
        before = row;
    }
    x->table.n = (size_t)(c.p - x->table.p);
    return true;
}

static bool open_index(struct block_index *x, struct err *err)
{
    struct block_cursor c = cursor_of(x->bytes);
    if (x->bytes.n < HEADER_BYTES + CONTENTS_BYTES || cursor_u32(&c) != INDEX_MAGIC)
        return corrupt(err, "it is none");
    int version = (uint8_t)*c.p;
    if (version != INDEX_VERSION)
        return err_set(err, ERR_CORRUPT, "index: version %d, known is %d", version, INDEX_VERSION);
    c = cursor_of(str_make(x->bytes.p + x->bytes.n - CONTENTS_BYTES, CONTENTS_BYTES));
    struct block_cursor contents = cursor_of(cursor_checked(&c, CONTENTS_BYTES - 4));
    if (c.bad)
        return corrupt(err, "the table of contents is damaged");
    uint64_t symbols_at = cursor_u64(&contents);
    x->series_at = cursor_u64(&contents);
    (void)cursor_u64(&contents); /* label indices */
    (void)cursor_u64(&contents);
    uint64_t postings_at = cursor_u64(&contents);
    x->series_end = x->bytes.n - CONTENTS_BYTES;
    if (postings_at > x->series_at && postings_at < x->series_end)
        x->series_end = postings_at;
    return open_symbols(x, symbols_at, err) && open_table(x, cursor_u64(&contents), err);
}

struct block_index *block_index_open(struct str bytes, struct err *err)
{
    struct block_index *x = mem_zalloc(sizeof *x);
    x->bytes = bytes;
    if (open_index(x, err))
        return x;
    block_index_free(x);
    return NULL;
}

void block_index_free(struct block_index *x)
{
    if (!x)
        return;
    free(x->symbol_offsets);
    free(x->strides);
    free(x);
}

size_t block_index_n_symbols(const struct block_index *x)
{
    return x->n_symbols;
}

struct str block_index_symbol(const struct block_index *x, size_t number)
{
    uint32_t at = x->symbol_offsets[number];
    struct block_cursor c = cursor_of(str_make(x->symbols.p + at, x->symbols.n - at));
    return cursor_string(&c);
}

/* --- Series --- */

static bool take_labels(const struct block_index *x, struct block_cursor *c, struct arena *arena,
                        struct labels *out)
{
    uint64_t n = cursor_uvarint(c);
    if (c->bad || n > c->n / 2)
        return false;
    struct label *v = ARENA_ARRAY(arena, struct label, n);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t name = cursor_uvarint(c), value = cursor_uvarint(c);
        if (c->bad || name >= x->n_symbols || value >= x->n_symbols)
            return false;
        v[i] = (struct label){block_index_symbol(x, name), block_index_symbol(x, value)};
        if (v[i].value.n == 0 || (i > 0 && str_cmp(v[i - 1].name, v[i].name) >= 0))
            return false;
    }
    *out = (struct labels){n, v};
    return true;
}

static bool take_chunks(struct block_cursor *c, struct arena *arena, struct block_series *out)
{
    uint64_t n = cursor_uvarint(c);
    if (c->bad || n > c->n / 3)
        return false;
    struct block_chunk_place *v = ARENA_ARRAY(arena, struct block_chunk_place, n);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t min =
            i == 0 ? (uint64_t)cursor_varint(c) : (uint64_t)v[i - 1].max_ms + cursor_uvarint(c);
        uint64_t max = min + cursor_uvarint(c);
        uint64_t ref = i == 0 ? cursor_uvarint(c) : v[i - 1].ref + (uint64_t)cursor_varint(c);
        v[i] = (struct block_chunk_place){(int64_t)min, (int64_t)max, ref};
        if (v[i].max_ms < v[i].min_ms || (i > 0 && v[i].min_ms < v[i - 1].max_ms))
            return false;
    }
    out->chunks = v;
    out->n_chunks = n;
    return !c->bad;
}

bool block_index_series(const struct block_index *x, struct arena *arena, uint32_t ref,
                        struct block_series *out, struct err *err)
{
    uint64_t at = (uint64_t)ref * SERIES_ALIGN;
    if (at < x->series_at || at >= x->series_end)
        return err_set(err, ERR_CORRUPT, "index: series %u is not in the series section", ref);
    struct block_cursor c = cursor_of(str_make(x->bytes.p + at, x->series_end - at));
    uint64_t n = cursor_uvarint(&c);
    struct str content = cursor_checked(&c, n);
    struct block_cursor entry = cursor_of(content);
    if (c.bad || !take_labels(x, &entry, arena, &out->labels) || !take_chunks(&entry, arena, out))
        return err_set(err, ERR_CORRUPT, "index: series %u makes no sense", ref);
    return true;
}

/* --- Postings --- */

/* Stand before the first row that is not less than the key. */
static struct block_cursor seek(const struct block_index *x, struct str name, struct str value)
{
    size_t low = 0, high = x->n_strides;
    struct row row;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        struct block_cursor c =
            cursor_of(str_make(x->table.p + x->strides[middle], x->table.n - x->strides[middle]));
        if (take_row(&c, &row) && compare_keys(row.name, row.value, name, value) <= 0)
            low = middle;
        else
            high = middle;
    }
    size_t at = x->n_strides ? x->strides[low] : x->table.n;
    struct block_cursor c = cursor_of(str_make(x->table.p + at, x->table.n - at)), next = c;
    while (take_row(&next, &row) && compare_keys(row.name, row.value, name, value) < 0)
        c = next;
    return c;
}

/* A list of refs as it lies in the file. */
struct refs {
    const char *p;
    uint32_t n;
};

static uint32_t ref_at(const struct refs *r, size_t i)
{
    uint32_t v;
    memcpy(&v, r->p + i * sizeof v, sizeof v);
    return be32toh(v);
}

static bool read_refs(const struct block_index *x, const struct row *row, struct refs *out,
                      struct err *err)
{
    struct str content;
    if (!section_at(x->bytes, row->offset, &content) || content.n < 4)
        return corrupt(err, "a list of postings is damaged");
    struct block_cursor c = cursor_of(content);
    *out = (struct refs){.n = cursor_u32(&c)};
    out->p = c.p;
    return out->n == c.n / 4 || corrupt(err, "a list of postings has another length than it says");
}

/* *found = false when there is no such row. */
static bool find_refs(const struct block_index *x, struct str name, struct str value,
                      struct refs *out, bool *found, struct err *err)
{
    struct block_cursor c = seek(x, name, value);
    struct row row;
    *found = take_row(&c, &row) && str_eq(row.name, name) && str_eq(row.value, value);
    *out = (struct refs){0};
    return !*found || read_refs(x, &row, out, err);
}

/* The series found so far, ascending; NULL = not asked yet, that is all. */
struct selection {
    uint32_t *v;
    size_t n;
};

/* One bit for each place where a series may begin. */
struct bitmap {
    uint64_t *words;
    uint64_t n; /* bits */
};

static void bitmap_init(struct bitmap *b, const struct block_index *x, struct arena *arena)
{
    b->n = x->series_end / SERIES_ALIGN + 1;
    b->words = ARENA_ARRAY(arena, uint64_t, b->n / 64 + 1);
}

static bool bitmap_has(const struct bitmap *b, uint32_t ref)
{
    return ref < b->n && (b->words[ref / 64] >> ref % 64 & 1) != 0;
}

static void bitmap_add(struct bitmap *b, const struct refs *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t ref = ref_at(r, i);
        if (ref < b->n)
            b->words[ref / 64] |= UINT64_C(1) << ref % 64;
    }
}

/* The series with a value that the matcher accepts, or refuses if `accepted` is false. */
static bool gather(const struct block_index *x, const struct matcher *m, bool accepted,
                   struct bitmap *out, struct err *err)
{
    struct block_cursor c = seek(x, m->name, STR(""));
    struct row row;
    struct refs refs;
    while (take_row(&c, &row) && str_eq(row.name, m->name)) {
        if (matcher_matches(m, row.value) != accepted)
            continue;
        if (!read_refs(x, &row, &refs, err))
            return false;
        bitmap_add(out, &refs);
    }
    return true;
}

static bool select_all(const struct block_index *x, struct arena *arena, struct selection *s,
                       struct err *err)
{
    struct refs refs;
    bool found;
    if (!find_refs(x, STR(""), STR(""), &refs, &found, err))
        return false;
    s->v = ARENA_ARRAY(arena, uint32_t, refs.n);
    s->n = refs.n;
    for (uint32_t i = 0; i < refs.n; i++) {
        s->v[i] = ref_at(&refs, i);
        if (i > 0 && s->v[i] <= s->v[i - 1])
            return corrupt(err, "the list of all series is not sorted");
    }
    return true;
}

static void keep_bits(struct selection *s, const struct bitmap *b, bool set)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (bitmap_has(b, s->v[i]) == set)
            s->v[kept++] = s->v[i];
    }
    s->n = kept;
}

static bool has_ref(const struct refs *r, uint32_t ref)
{
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ref_at(r, middle) < ref)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->n && ref_at(r, low) == ref;
}

/* The first list is taken as it is; later ones are looked up in. */
static bool select_equal(const struct block_index *x, struct arena *arena, const struct matcher *m,
                         struct selection *s, struct err *err)
{
    struct refs refs;
    bool found;
    size_t kept = 0;
    if (!find_refs(x, m->name, m->value, &refs, &found, err))
        return false;
    if (!s->v) {
        s->v = ARENA_ARRAY(arena, uint32_t, refs.n);
        s->n = refs.n;
        for (uint32_t i = 0; i < refs.n; i++) {
            s->v[i] = ref_at(&refs, i);
            if (i > 0 && s->v[i] <= s->v[i - 1])
                return corrupt(err, "a list of postings is not sorted");
        }
        return true;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (has_ref(&refs, s->v[i]))
            s->v[kept++] = s->v[i];
    }
    s->n = kept;
    return true;
}

/* A matcher that accepts the empty value is answered by whom it refuses. */
static bool select_other(const struct block_index *x, struct arena *arena, const struct matcher *m,
                         struct selection *s, struct err *err)
{
    struct bitmap bits;
    bool accepts_none = matcher_matches(m, STR(""));
    if (!s->v && !select_all(x, arena, s, err))
        return false;
    bitmap_init(&bits, x, arena);
    if (!gather(x, m, !accepts_none, &bits, err))
        return false;
    keep_bits(s, &bits, !accepts_none);
    return true;
}

static bool is_lookup(const struct matcher *m)
{
    return m->type == MATCH_EQUAL && m->value.n > 0;
}

bool block_index_select(const struct block_index *x, struct arena *arena, const struct matcher *m,
                        size_t n, uint32_t **refs, size_t *n_refs, struct err *err)
{
    struct selection s = {0};
    for (size_t i = 0; i < n; i++) {
        if (is_lookup(&m[i]) && !select_equal(x, arena, &m[i], &s, err))
            return false;
    }
    for (size_t i = 0; i < n && (!s.v || s.n > 0); i++) {
        if (!is_lookup(&m[i]) && !select_other(x, arena, &m[i], &s, err))
            return false;
    }
    if (!s.v && !select_all(x, arena, &s, err))
        return false;
    *refs = s.v;
    *n_refs = s.n;
    return true;
}

/* --- Names and values --- */

struct strings {
    struct str *v;
    size_t n, capacity;
};

static void push(struct strings *s, struct arena *arena, struct str text)
{
    s->v = arena_grow(arena, s->v, s->n, &s->capacity, sizeof *s->v);
    s->v[s->n++] = text;
}

bool block_index_values(const struct block_index *x, struct arena *arena, struct str name,
                        struct str **out, size_t *n, struct err *err)
{
    struct strings s = {0};
    struct block_cursor c = seek(x, name, STR(""));
    struct row row;
    while (take_row(&c, &row) && str_eq(row.name, name))
        push(&s, arena, row.value);
    *out = s.v;
    *n = s.n;
    return !c.bad || corrupt(err, "a row of the postings table makes no sense");
}

bool block_index_names(const struct block_index *x, struct arena *arena, struct str **out,
                       size_t *n, struct err *err)
{
    struct strings s = {0};
    struct block_cursor c = cursor_of(x->table);
    struct row row;
    while (take_row(&c, &row)) {
        if (row.name.n > 0 && (s.n == 0 || !str_eq(s.v[s.n - 1], row.name)))
            push(&s, arena, row.name);
    }
    *out = s.v;
    *n = s.n;
    return !c.bad || corrupt(err, "a row of the postings table makes no sense");
}
