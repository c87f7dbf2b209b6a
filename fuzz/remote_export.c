/* What a source answers that is asked by its export. */
#include "remote_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    check_remote_answer(remote_export_parse, bytes, n);
    return 0;
}
