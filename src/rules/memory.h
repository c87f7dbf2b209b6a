/* memory.h -- series in memory as a source of PromQL, for tests of rules: what a test file gives
 * and what its rules write. Private to rules/. */
#ifndef CQED_RULES_MEMORY_H
#define CQED_RULES_MEMORY_H

#include "promql/promql.h"
#include "rules/rules.h"

struct memory_store;

struct memory_store *memory_store_new(void);
void memory_store_free(struct memory_store *);

/* At any time; a sample at a time that the series has already replaces it. */
void memory_store_add(struct memory_store *, const struct rule_sample *);

struct promql_source memory_store_source(struct memory_store *);

#endif
