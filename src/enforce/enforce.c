#include "enforce/enforce.h"

#include "enforce/haproxy.h"
#include "enforce/webhook.h"

static const struct actuator_ops *const kinds[] = {&haproxy_ops, &webhook_ops, NULL};

const struct actuator_ops *const *actuator_kinds(void)
{
    return kinds;
}

const struct actuator_ops *actuator_find(const char *kind)
{
    for (size_t i = 0; kinds[i]; i++) {
        if (strcmp(kinds[i]->kind, kind) == 0)
            return kinds[i];
    }
    return NULL;
}
