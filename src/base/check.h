/* check.h -- assertions about ourselves. Outside data is never CHECKed: it gets an error. */
#ifndef CQED_BASE_CHECK_H
#define CQED_BASE_CHECK_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Our own bug if it does not hold. Always on; prints the place and stops the process. */
#define CHECK(c) ((c) ? (void)0 : check_failed(__FILE__, __LINE__, #c))

/* The same, for checks too costly for production. */
#ifndef NDEBUG
#define DCHECK(c) CHECK(c)
#else
#define DCHECK(c) ((void)sizeof(c))
#endif

__attribute__((noreturn)) void check_failed(const char *file, int line, const char *what);

/* Memory ran out. Allocation never returns NULL in cQED: the process says how much it asked for and
 * stops; the ledger and the write-ahead log make that safe. Whatever is sized by outside input has
 * its own limit and fails with ERR_LIMIT long before. */
__attribute__((noreturn)) void check_no_memory(unsigned long size_bytes);

#endif
