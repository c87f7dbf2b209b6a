/* The series that an expression names. */
#include "promql/ast.h"

struct found_selectors {
    struct arena *arena;
    struct promql_selector *v;
    size_t n, capacity;
};

static void find_in(struct found_selectors *f, const struct promql_expr *e)
{
    if (e->kind == NODE_SELECTOR) {
        f->v = arena_grow(f->arena, f->v, f->n, &f->capacity, sizeof *f->v);
        f->v[f->n++] = (struct promql_selector){e->matchers, e->n_matchers};
    }
    for (size_t i = 0; i < e->n_args; i++)
        find_in(f, e->args[i]);
}

void promql_selectors(const struct promql_expr *e, struct arena *arena,
                      const struct promql_selector **out, size_t *n)
{
    struct found_selectors f = {.arena = arena};
    find_in(&f, e);
    *out = f.v;
    *n = f.n;
}
