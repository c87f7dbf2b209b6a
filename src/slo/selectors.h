/* selectors.h -- an SLI's queries as the series selectors that feed its counters. Private to slo/.
 */
#ifndef CQED_SLO_SELECTORS_H
#define CQED_SLO_SELECTORS_H

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"
#include "model/slo.h"

/* What a sample of a matching series adds to. */
enum sli_role { SLI_GOOD, SLI_BAD, SLI_TOTAL, SLI_VALUE, SLI_BUCKET, SLI_N_ROLES };

struct sli_selector {
    const struct matcher *matchers; /* NULL: the SLI has no such part */
    size_t n;
};

struct sli_selectors {
    struct sli_selector by_role[SLI_N_ROLES];
    double edge;       /* SLI_BUCKET: the `le` that good events stay within, in seconds; else NaN */
    struct str native; /* SLI_BUCKET: the histogram's name, which native ones have alone */
};

/* ERR_BAD_INPUT naming the SLO, the part and the query when a part is not a counter selector under
 * at most sum(), rate() and increase(). Memory goes to the arena. */
MUST_CHECK bool sli_selectors_parse(struct arena *, const struct slo_spec *, struct sli_selectors *,
                                    struct err *);

#endif
