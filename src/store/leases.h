/* leases.h -- who may still be looking. What is taken out of the head can be freed, and its place
 * used again, only when all who could have found it before have ended.
 *
 *     take out -> leases_turn -> ... -> leases_are_over -> free
 *                      leases taken from here on do not count
 *
 * Any thread. A holder may outlive the owner: the memory of the leases stays until both are gone.
 */
#ifndef CQED_STORE_LEASES_H
#define CQED_STORE_LEASES_H

#include "base/arena.h"

#include <stdbool.h>

struct leases;

struct leases *leases_new(void);
void leases_unref(struct leases *); /* the owner's; or NULL */

/* Gives what leases_end wants. */
unsigned leases_take(struct leases *);
void leases_end(struct leases *, unsigned lease);
/* A lease that ends with the arena. */
void leases_take_for(struct leases *, struct arena *);

/* Those that are held now are waited for; those of the turn before must be over (CHECKed). */
void leases_turn(struct leases *);
bool leases_are_over(struct leases *);

#endif
