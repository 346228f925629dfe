/* Property: every path of the checksum agrees, at any alignment and cut in two anywhere. */
#include "base/crc32c.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    size_t cut = data[0] * size / 256;
    data++, size--;
    if (cut > size) cut = size;
    uint32_t expected = mg_crc32c(0, data, size);
    for (size_t i = 0; mg_crc32c_path_at(i).name != NULL; i++) {
        mg_crc32c_function crc32c = mg_crc32c_path_at(i).function;
        if (crc32c == NULL) continue;
        if (crc32c(0, data, size) != expected) abort();
        if (crc32c(crc32c(0, data, cut), data + cut, size - cut) != expected) abort();
    }
    return 0;
}
