#include "base/crc32c.h"

#include "base/crc32c_paths.h"

#include "base/status.h"

#include <stdatomic.h>

/* Fastest first; the table, which every processor has, is the last before the end. */
mg_crc32c_path mg_crc32c_path_at(size_t index)
{
    const mg_crc32c_path paths[] = {
#if defined(__x86_64__)
        {.name = "vpclmul", .function = mg_crc32c_vpclmul()},
        {.name = "pclmul", .function = mg_crc32c_pclmul()},
        {.name = "sse42", .function = mg_crc32c_sse42()},
#elif defined(__aarch64__)
        {.name = "pmull", .function = mg_crc32c_pmull()},
        {.name = "armv8", .function = mg_crc32c_armv8()},
#endif
        {.name = "table", .function = mg_crc32c_table},
    };
    if (index >= sizeof paths / sizeof *paths) return (mg_crc32c_path){.name = NULL};
    return paths[index];
}

static mg_crc32c_function fastest(void)
{
    size_t index = 0;
    while (mg_crc32c_path_at(index).function == NULL)
        index++;
    return mg_crc32c_path_at(index).function;
}

uint32_t mg_crc32c(uint32_t crc, const void *data, size_t size)
{
    static _Atomic(mg_crc32c_function) chosen;

    mg_crc32c_function function = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (__builtin_expect(function == NULL, 0)) {
        function = fastest();
        atomic_store_explicit(&chosen, function, memory_order_relaxed);
    }
    MG_ASSERT(data != NULL || size == 0);
    return function(crc, data, size);
}
