/* The ARMv8 paths, as those of x86-64: the CRC instruction, and folding by
 * carry-less products before it. */
#include "base/crc32c_paths.h"

#if defined(__aarch64__)

#include <arm_acle.h>
#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

/* Clang 14 declares the intrinsics only where the whole file may use them. */
#if defined(__clang__)
#define CRC_OF_8 __builtin_arm_crc32cd
#define CRC_OF_1 __builtin_arm_crc32cb
#define TARGET_CRC __attribute__((target("crc")))
#define TARGET_PMULL __attribute__((target("crc,aes,crypto")))
#else
#define CRC_OF_8 __crc32cd
#define CRC_OF_1 __crc32cb
#define TARGET_CRC __attribute__((target("+crc")))
#define TARGET_PMULL __attribute__((target("+crc+crypto")))
#endif

/* Bytes below which setting up a fold costs more than the CRC instruction takes. */
enum { FOLD_SIZE_MIN = 128 };

/* <asm/hwcap.h> names these; a libc other than glibc may not bring it. */
enum { HAS_PMULL = 1 << 4, HAS_CRC32 = 1 << 7 };

static bool has(unsigned long features)
{
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & features) == features;
#else
    (void)features;
    return true; /* macOS: Apple never made a processor for it without both */
#endif
}

TARGET_CRC static inline uint32_t extend(uint32_t state, const uint8_t *p, size_t size)
{
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        state = CRC_OF_8(state, word);
    }
    for (; size > 0; p++, size--)
        state = CRC_OF_1(state, *p);
    return state;
}

TARGET_CRC static uint32_t by_instruction(uint32_t crc, const void *data, size_t size)
{
    return ~extend(~crc, data, size);
}

mg_crc32c_function mg_crc32c_armv8(void)
{
    return has(HAS_CRC32) ? by_instruction : NULL;
}

typedef struct fold_constants {
    poly64_t lo;
    poly64_t hi;
} fold_constants;

TARGET_PMULL static inline uint64x2_t load_16(const uint8_t *p)
{
    return vreinterpretq_u64_u8(vld1q_u8(p));
}

/* `earlier`, moved by the distance of `k`, onto `later`. */
TARGET_PMULL static inline uint64x2_t fold(uint64x2_t earlier, fold_constants k, uint64x2_t later)
{
    poly128_t lo = vmull_p64((poly64_t)vgetq_lane_u64(earlier, 0), k.lo);
    poly128_t hi = vmull_p64((poly64_t)vgetq_lane_u64(earlier, 1), k.hi);
    return veorq_u64(veorq_u64(vreinterpretq_u64_p128(lo), vreinterpretq_u64_p128(hi)), later);
}

TARGET_PMULL static uint32_t by_folding(uint32_t crc, const void *data, size_t size)
{
    if (size < FOLD_SIZE_MIN) return by_instruction(crc, data, size);

    const fold_constants by_512 = {.lo = MG_CRC32C_FOLD_512_LO, .hi = MG_CRC32C_FOLD_512_HI};
    const fold_constants by_128 = {.lo = MG_CRC32C_FOLD_128_LO, .hi = MG_CRC32C_FOLD_128_HI};
    const uint8_t *p = data;

    uint64x2_t a = veorq_u64(load_16(p), vsetq_lane_u64(~crc, vdupq_n_u64(0), 0));
    uint64x2_t b = load_16(p + 16), c = load_16(p + 32), d = load_16(p + 48);
    for (p += 64, size -= 64; size >= 64; p += 64, size -= 64) {
        a = fold(a, by_512, load_16(p));
        b = fold(b, by_512, load_16(p + 16));
        c = fold(c, by_512, load_16(p + 32));
        d = fold(d, by_512, load_16(p + 48));
    }
    d = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
    for (; size >= 16; p += 16, size -= 16)
        d = fold(d, by_128, load_16(p));

    uint32_t state = CRC_OF_8(0, vgetq_lane_u64(d, 0));
    return ~extend(CRC_OF_8(state, vgetq_lane_u64(d, 1)), p, size);
}

mg_crc32c_function mg_crc32c_pmull(void)
{
    return has(HAS_CRC32 | HAS_PMULL) ? by_folding : NULL;
}

#endif
