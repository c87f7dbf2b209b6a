#include "model/slo.h"

const char *budgeting_method_name(enum budgeting_method method)
{
    switch (method) {
#define X(code, name)                                                                              \
    case code:                                                                                     \
        return name;
        BUDGETING_METHODS(X)
#undef X
    }
    return "?";
}

const char *threshold_op_name(enum threshold_op op)
{
    switch (op) {
    case THRESHOLD_LTE:
        return "lte";
    case THRESHOLD_GTE:
        return "gte";
    case THRESHOLD_LT:
        return "lt";
    case THRESHOLD_GT:
        return "gt";
    }
    return "?";
}
