/* The x86-64 paths. Each is compiled for its own instructions and entered only
 * where the processor and the kernel (which must save the wide registers) have
 * them. */
#include "base/crc32c_paths.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define TARGET_SSE42 __attribute__((target("sse4.2,crc32")))
#define TARGET_PCLMUL __attribute__((target("sse4.2,crc32,pclmul")))
#define TARGET_VPCLMUL __attribute__((target("sse4.2,crc32,pclmul,avx512f,avx512vl,vpclmulqdq")))

/* Bytes below which setting up a fold costs more than the CRC instruction takes. */
enum { FOLD_SIZE_MIN = 128 };

TARGET_SSE42 static inline uint32_t extend(uint32_t state, const uint8_t *p, size_t size)
{
    uint64_t wide = state;
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    state = (uint32_t)wide;
    for (; size > 0; p++, size--)
        state = _mm_crc32_u8(state, *p);
    return state;
}

TARGET_SSE42 static uint32_t by_instruction(uint32_t crc, const void *data, size_t size)
{
    return ~extend(~crc, data, size);
}

mg_crc32c_function mg_crc32c_sse42(void)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction : NULL;
}

TARGET_PCLMUL static inline __m128i load_16(const uint8_t *p)
{
    __m128i v;
    memcpy(&v, p, sizeof v);
    return v;
}

TARGET_PCLMUL static inline __m128i constants(uint32_t lo, uint32_t hi)
{
    return _mm_set_epi64x(hi, lo);
}

/* `earlier`, moved by the distance of `k`, onto `later`. */
TARGET_PCLMUL static inline __m128i fold(__m128i earlier, __m128i k, __m128i later)
{
    __m128i lo = _mm_clmulepi64_si128(earlier, k, 0x00);
    __m128i hi = _mm_clmulepi64_si128(earlier, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(lo, hi), later);
}

TARGET_PCLMUL static inline uint32_t remainder_of(__m128i v)
{
    uint64_t wide = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(v));
    return (uint32_t)_mm_crc32_u64(wide, (uint64_t)_mm_extract_epi64(v, 1));
}

TARGET_PCLMUL static uint32_t by_folding_128(uint32_t crc, const void *data, size_t size)
{
    if (size < FOLD_SIZE_MIN) return by_instruction(crc, data, size);

    const __m128i by_512 = constants(MG_CRC32C_FOLD_512_LO, MG_CRC32C_FOLD_512_HI);
    const __m128i by_128 = constants(MG_CRC32C_FOLD_128_LO, MG_CRC32C_FOLD_128_HI);
    const uint8_t *p = data;

    __m128i a = _mm_xor_si128(load_16(p), _mm_cvtsi32_si128((int)~crc));
    __m128i b = load_16(p + 16), c = load_16(p + 32), d = load_16(p + 48);
    for (p += 64, size -= 64; size >= 64; p += 64, size -= 64) {
        a = fold(a, by_512, load_16(p));
        b = fold(b, by_512, load_16(p + 16));
        c = fold(c, by_512, load_16(p + 32));
        d = fold(d, by_512, load_16(p + 48));
    }
    d = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
    for (; size >= 16; p += 16, size -= 16)
        d = fold(d, by_128, load_16(p));
    return ~extend(remainder_of(d), p, size);
}

mg_crc32c_function mg_crc32c_pclmul(void)
{
    bool has = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
    return has ? by_folding_128 : NULL;
}

TARGET_VPCLMUL static inline __m512i load_64(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}

TARGET_VPCLMUL static inline __m512i constants_wide(uint32_t lo, uint32_t hi)
{
    return _mm512_broadcast_i32x4(_mm_set_epi64x(hi, lo));
}

TARGET_VPCLMUL static inline __m512i fold_wide(__m512i earlier, __m512i k, __m512i later)
{
    enum { XOR_OF_THREE = 0x96 };
    __m512i lo = _mm512_clmulepi64_epi128(earlier, k, 0x00);
    __m512i hi = _mm512_clmulepi64_epi128(earlier, k, 0x11);
    return _mm512_ternarylogic_epi64(lo, hi, later, XOR_OF_THREE);
}

/* Four lanes of 128 bits into the last of them. */
TARGET_VPCLMUL static inline __m128i narrow(__m512i v)
{
    const __m512i k =
        _mm512_set_epi64(0, 0, MG_CRC32C_FOLD_128_HI, MG_CRC32C_FOLD_128_LO, MG_CRC32C_FOLD_256_HI,
                         MG_CRC32C_FOLD_256_LO, MG_CRC32C_FOLD_384_HI, MG_CRC32C_FOLD_384_LO);
    __m512i lanes = fold_wide(v, k, _mm512_setzero_si512());
    __m128i last = _mm512_extracti32x4_epi32(v, 3);
    last = _mm_xor_si128(last, _mm512_extracti32x4_epi32(lanes, 0));
    last = _mm_xor_si128(last, _mm512_extracti32x4_epi32(lanes, 1));
    return _mm_xor_si128(last, _mm512_extracti32x4_epi32(lanes, 2));
}

TARGET_VPCLMUL static uint32_t by_folding_512(uint32_t crc, const void *data, size_t size)
{
    if (size < FOLD_SIZE_MIN) return by_instruction(crc, data, size);

    const __m512i by_512 = constants_wide(MG_CRC32C_FOLD_512_LO, MG_CRC32C_FOLD_512_HI);
    const uint8_t *p = data;
    const __m512i seed = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc));
    __m512i d = _mm512_xor_si512(load_64(p), seed);
    p += 64, size -= 64;
    if (size >= 192 + 256) { /* four accumulators hide the latency of the product */
        const __m512i by_2048 = constants_wide(MG_CRC32C_FOLD_2048_LO, MG_CRC32C_FOLD_2048_HI);
        __m512i a = d, b = load_64(p), c = load_64(p + 64);
        d = load_64(p + 128);
        for (p += 192, size -= 192; size >= 256; p += 256, size -= 256) {
            a = fold_wide(a, by_2048, load_64(p));
            b = fold_wide(b, by_2048, load_64(p + 64));
            c = fold_wide(c, by_2048, load_64(p + 128));
            d = fold_wide(d, by_2048, load_64(p + 192));
        }
        d = fold_wide(fold_wide(fold_wide(a, by_512, b), by_512, c), by_512, d);
    }
    for (; size >= 64; p += 64, size -= 64)
        d = fold_wide(d, by_512, load_64(p));

    const __m128i by_128 = constants(MG_CRC32C_FOLD_128_LO, MG_CRC32C_FOLD_128_HI);
    __m128i v = narrow(d);
    for (; size >= 16; p += 16, size -= 16)
        v = fold(v, by_128, load_16(p));
    return ~extend(remainder_of(v), p, size);
}

mg_crc32c_function mg_crc32c_vpclmul(void)
{
    bool has = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") &&
               __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("vpclmulqdq");
    return has ? by_folding_512 : NULL;
}

#endif
