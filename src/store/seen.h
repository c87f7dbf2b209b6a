/* seen.h -- which of a batch's samples stands at a time of a series. Made only when a sample comes
 * out of order: until then a batch need know its newest ones only. */
#ifndef CQED_STORE_SEEN_H
#define CQED_STORE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen_slot;

struct seen {                /* zero-initialised */
    struct seen_slot *slots; /* open addressing, a power of two, at most half full */
    size_t n_slots;
    size_t n;
};

void seen_release(struct seen *);
void seen_add(struct seen *, uint32_t ref, int64_t t_ms, uint32_t index);
bool seen_find(const struct seen *, uint32_t ref, int64_t t_ms, uint32_t *index);

#endif
