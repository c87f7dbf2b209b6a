/* Custom bounds. Histograms whose bounds differ meet at the ones that both have: every bucket goes
 * whole into the one that ends at the next of these. */
#include "promql/native.h"
#include "promql/sums.h"

#include <string.h>

bool native_same_bounds(const struct native *a, const struct native *b)
{
    return a->n_custom == b->n_custom &&
           (a->n_custom == 0 || memcmp(a->custom, b->custom, a->n_custom * sizeof *a->custom) == 0);
}

const double *native_common_bounds(struct arena *arena, const struct native *a,
                                   const struct native *b, uint32_t *n)
{
    uint32_t i = 0, k = 0;
    double *out = ARENA_ARRAY(arena, double, a->n_custom < b->n_custom ? a->n_custom : b->n_custom);
    *n = 0;
    while (i < a->n_custom && k < b->n_custom) {
        double x = a->custom[i], y = b->custom[k];
        if (x == y)
            out[(*n)++] = x;
        i += x <= y;
        k += y <= x;
    }
    return out;
}

void native_set_bounds(struct native *h, const double *custom, uint32_t n)
{
    struct arena *arena = h->arena;
    struct cells *from = &h->positive;
    int32_t *index = ARENA_ARRAY(arena, int32_t, from->n);
    double *v = ARENA_ARRAY(arena, double, from->n);
    double *lost = from->lost ? ARENA_ARRAY(arena, double, from->n) : NULL;
    struct cells out = {0, index, v, lost};
    uint32_t target = 0;
    for (size_t i = 0; i < from->n; i++) {
        double none = 0, *rest = lost ? lost : &none;
        double end = native_bound(h, from->index[i]);
        while (target < n && custom[target] < end)
            target++;
        if (out.n == 0 || index[out.n - 1] != (int32_t)target)
            index[out.n++] = (int32_t)target;
        if (lost)
            rest += out.n - 1;
        sum_add(from->v[i], &v[out.n - 1], rest);
        if (lost)
            sum_add(from->lost[i], &v[out.n - 1], rest);
    }
    h->positive = out;
    h->custom = custom;
    h->n_custom = n;
}
