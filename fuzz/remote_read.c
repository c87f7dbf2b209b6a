/* The answer of a source that serves remote read. */
#include "remote_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    check_remote_answer(remote_read_parse, bytes, n);
    return 0;
}
