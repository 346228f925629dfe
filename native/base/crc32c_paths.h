/* crc32c_paths.h -- private to crc32c*.c: one function an implementation, and
 * the arithmetic that the folding ones share.
 *
 * Folding. A checksum is the remainder of the message, read as a polynomial
 * over GF(2), modulo P. So any 128 bits V of the message, D bits before its
 * end, may be replaced by anything congruent to V * x^D: two carry-less
 * products that are XORed into the 128 bits that stand D bits later.
 *
 *     ... [ V = H:L ] ...... D bits ...... [ W ] ...      W ^= H*hi ^ L*lo
 *
 * All numbers are bit-reflected (bit 0 is the highest power), which makes a
 * product of two registers one power of x short and a 32-bit constant in a
 * 64-bit register x^32 too high. Hence, for the half that comes first in memory
 * (low, 64 bits further from the end) and the other (high):
 *
 *     lo(D) = x^(D + 31) mod P        hi(D) = x^(D - 33) mod P
 *
 * What is left at the end is 16 bytes whose own checksum is the answer, and
 * these the processor's CRC instruction takes. crc32c_test derives every
 * constant again from P.
 */
#ifndef MG_BASE_CRC32C_PATHS_H
#define MG_BASE_CRC32C_PATHS_H

#include "base/crc32c.h"

#define MG_CRC32C_POLYNOMIAL 0x82f63b78U /* 0x1edc6f41, bit-reflected */

/* Lo and hi for each distance in bits that is used. */
#define MG_CRC32C_FOLD_128_LO 0xf20c0dfeU
#define MG_CRC32C_FOLD_128_HI 0x493c7d27U
#define MG_CRC32C_FOLD_256_LO 0x3da6d0cbU
#define MG_CRC32C_FOLD_256_HI 0xba4fc28eU
#define MG_CRC32C_FOLD_384_LO 0x1c291d04U
#define MG_CRC32C_FOLD_384_HI 0xddc0152bU
#define MG_CRC32C_FOLD_512_LO 0x740eef02U
#define MG_CRC32C_FOLD_512_HI 0x9e4addf8U
#define MG_CRC32C_FOLD_2048_LO 0xdcb17aa4U
#define MG_CRC32C_FOLD_2048_HI 0xb9e02b86U

uint32_t mg_crc32c_table(uint32_t crc, const void *data, size_t size);

/* Each is NULL where the processor, or the kernel, lacks what it needs. */
#if defined(__x86_64__)
mg_crc32c_function mg_crc32c_sse42(void);
mg_crc32c_function mg_crc32c_pclmul(void);
mg_crc32c_function mg_crc32c_vpclmul(void);
#elif defined(__aarch64__)
mg_crc32c_function mg_crc32c_armv8(void);
mg_crc32c_function mg_crc32c_pmull(void);
#endif

#endif
