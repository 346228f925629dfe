/* crc32c.h -- CRC-32C (Castagnoli), the checksum of a record batch.
 *
 * The fastest of the implementations that this processor has is chosen once,
 * at the first call: x86-64 SSE4.2 with PCLMULQDQ folding (VPCLMULQDQ where
 * there), ARMv8 CRC, or a table. The choice is the only mutable global of the
 * core; it is written with the same value by whoever comes first.
 */
#ifndef MG_BASE_CRC32C_H
#define MG_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Extends `crc` (0 to begin with) over `size` bytes. */
uint32_t mg_crc32c(uint32_t crc, const void *data, size_t size);

/* For tests: the implementations, by index until the name is NULL; NULL function = not on this CPU.
 */
typedef uint32_t (*mg_crc32c_function)(uint32_t crc, const void *data, size_t size);
typedef struct mg_crc32c_path {
    const char *name;
    mg_crc32c_function function;
} mg_crc32c_path;
mg_crc32c_path mg_crc32c_path_at(size_t index);

#endif
