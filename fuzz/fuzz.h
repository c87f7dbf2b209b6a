/* fuzz.h -- what fuzz targets share. Each fuzz/<name>.c is a target; its corpus is
 * fuzz/corpora/<name>/. Under the `fuzz` preset it becomes a libFuzzer program; in every other
 * build replay.c runs the corpus and small damages of it, as the test fuzz/<name>. A target says
 * what must hold with CHECK: outside bytes may be refused, never wrongly read. */
#ifndef CQED_FUZZ_FUZZ_H
#define CQED_FUZZ_FUZZ_H

#include "base/check.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* The bytes as text that nothing stands behind: an overrun is found. */
static inline struct str fuzz_str(const uint8_t *bytes, size_t n)
{
    return str_make(n ? (const char *)bytes : "", n);
}

/* libfyaml 0.7.12 leaks a list in single-quoted text with several escaped quotes in a row; the
 * sanitizer would stop there each time. */
static inline bool fuzz_leaks_in_libfyaml(struct str text)
{
    return memmem(text.p, text.n, "''''", 4) != NULL;
}

#endif
