/* shortest.h -- the fewest significant digits that read back as the same double, the nearest of
 * them when there are several: the C++ library's to_chars (Ryu; Adams 2018). Private to base/. */
#ifndef CQED_BASE_SHORTEST_H
#define CQED_BASE_SHORTEST_H

#include <stddef.h>

#define SHORTEST_DIGITS 17 /* at most */

/* Of a finite v >= 0, as digits and the exponent of the first: 0.0125 -> "125", -2. Returns how
 * many digits; there is no NUL behind them. */
size_t shortest_digits(double v, char digits[SHORTEST_DIGITS], int *exponent);

#endif
