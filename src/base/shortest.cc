// to_chars behind shortest.h. C++ stays in this file.
extern "C" {
#include "base/shortest.h"
}

#include <charconv>
#include <cstdlib>

extern "C" size_t shortest_digits(double v, char digits[SHORTEST_DIGITS], int *exponent)
{
    char text[40];
    const std::to_chars_result end =
        std::to_chars(text, text + sizeof text - 1, v, std::chars_format::scientific);
    *end.ptr = '\0';
    size_t n = 0;
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (*p != '.')
            digits[n++] = *p;
    }
    *exponent = std::atoi(p + 1);
    return n;
}
