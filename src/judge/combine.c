#include "judge/judge.h"

#include "base/check.h"
#include "judge/logmath.h"

struct combined judge_combine(const double *log_e, const double *weights, size_t n, double alpha)
{
    struct combined c = {.log_e = LOG_ZERO};
    double most = LOG_ZERO;
    CHECK(n > 0);
    for (size_t i = 0; i < n; i++) {
        double weighted = log(weights[i]) + log_e[i];
        c.log_e = log_add(c.log_e, weighted);
        if (weighted > most) {
            most = weighted;
            c.worst = i;
        }
    }
    c.is_harm = c.log_e >= -log(alpha);
    c.alone = most >= -log(alpha);
    return c;
}
