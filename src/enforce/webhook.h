/* webhook.h -- anything that can answer HTTP as an actuator. Each tick cQED asks
 *
 *     GET url                     -> {"weight": 5, "capacityOk": true}
 *     PUT url {"weight": 25, "intent": "shop-.../3/0"}   when the weight differs; the answer is as
 * for GET
 *
 * An intent that was seen before must have the same effect again.
 *
 *     traffic:
 *       webhook: { url: "http://127.0.0.1:7000/weight", timeout: 5s, bearerTokenFile: token } */
#ifndef CQED_ENFORCE_WEBHOOK_H
#define CQED_ENFORCE_WEBHOOK_H

#include "enforce/enforce.h"

extern const struct actuator_ops webhook_ops;

#endif
