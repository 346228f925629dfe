/* The portable path: eight bytes a step through eight tables.
 *
 * Entry b of table k is the checksum of byte b with k zero bytes after it. It
 * is linear in b, so a table follows from its entries for 1, 2, 4 .. 128: the
 * compiler makes the 2,048 entries from the 64 below. These are P, shifted one
 * more step each (table 0's last entry is P itself), as crc32c_test holds.
 */
#include "base/crc32c_paths.h"

#include "base/cursor.h"

#define BASIS_0                                                                                    \
    0xf26b8303U, 0xe13b70f7U, 0xc79a971fU, 0x8ad958cfU, 0x105ec76fU, 0x20bd8edeU, 0x417b1dbcU,     \
        0x82f63b78U
#define BASIS_1                                                                                    \
    0x13a29877U, 0x274530eeU, 0x4e8a61dcU, 0x9d14c3b8U, 0x3fc5f181U, 0x7f8be302U, 0xff17c604U,     \
        0xfbc3faf9U
#define BASIS_2                                                                                    \
    0xa541927eU, 0x4f6f520dU, 0x9edea41aU, 0x38513ec5U, 0x70a27d8aU, 0xe144fb14U, 0xc76580d9U,     \
        0x8b277743U
#define BASIS_3                                                                                    \
    0xdd45aab8U, 0xbf672381U, 0x7b2231f3U, 0xf64463e6U, 0xe964b13dU, 0xd725148bU, 0xaba65fe7U,     \
        0x52a0c93fU
#define BASIS_4                                                                                    \
    0x38116facU, 0x7022df58U, 0xe045beb0U, 0xc5670b91U, 0x8f2261d3U, 0x1ba8b557U, 0x37516aaeU,     \
        0x6ea2d55cU
#define BASIS_5                                                                                    \
    0xef306b19U, 0xdb8ca0c3U, 0xb2f53777U, 0x6006181fU, 0xc00c303eU, 0x85f4168dU, 0x0e045bebU,     \
        0x1c08b7d6U
#define BASIS_6                                                                                    \
    0x68032cc8U, 0xd0065990U, 0xa5e0c5d1U, 0x4e2dfd53U, 0x9c5bfaa6U, 0x3d5b83bdU, 0x7ab7077aU,     \
        0xf56e0ef4U
#define BASIS_7                                                                                    \
    0x493c7d27U, 0x9278fa4eU, 0x211d826dU, 0x423b04daU, 0x847609b4U, 0x0d006599U, 0x1a00cb32U,     \
        0x34019664U

#define ENTRY(b, a0, a1, a2, a3, a4, a5, a6, a7)                                                   \
    ((b)&1 ? a0 : 0) ^ ((b)&2 ? a1 : 0) ^ ((b)&4 ? a2 : 0) ^ ((b)&8 ? a3 : 0) ^                    \
        ((b)&16 ? a4 : 0) ^ ((b)&32 ? a5 : 0) ^ ((b)&64 ? a6 : 0) ^ ((b)&128 ? a7 : 0)
#define ENTRIES_1(b, ...) ENTRY(b, __VA_ARGS__)
#define ENTRIES_4(b, ...)                                                                          \
    ENTRIES_1(b, __VA_ARGS__), ENTRIES_1((b) + 1, __VA_ARGS__), ENTRIES_1((b) + 2, __VA_ARGS__),   \
        ENTRIES_1((b) + 3, __VA_ARGS__)
#define ENTRIES_16(b, ...)                                                                         \
    ENTRIES_4(b, __VA_ARGS__), ENTRIES_4((b) + 4, __VA_ARGS__), ENTRIES_4((b) + 8, __VA_ARGS__),   \
        ENTRIES_4((b) + 12, __VA_ARGS__)
#define ENTRIES_64(b, ...)                                                                         \
    ENTRIES_16(b, __VA_ARGS__), ENTRIES_16((b) + 16, __VA_ARGS__),                                 \
        ENTRIES_16((b) + 32, __VA_ARGS__), ENTRIES_16((b) + 48, __VA_ARGS__)
#define ENTRIES_256(...)                                                                           \
    ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__),         \
        ENTRIES_64(192, __VA_ARGS__)

static const uint32_t tables[8][256] = {
    {ENTRIES_256(BASIS_0)}, {ENTRIES_256(BASIS_1)}, {ENTRIES_256(BASIS_2)}, {ENTRIES_256(BASIS_3)},
    {ENTRIES_256(BASIS_4)}, {ENTRIES_256(BASIS_5)}, {ENTRIES_256(BASIS_6)}, {ENTRIES_256(BASIS_7)},
};

uint32_t mg_crc32c_table(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t state = ~crc;
    for (; size >= 8; p += 8, size -= 8) {
        uint32_t first, second;
        memcpy(&first, p, sizeof first);
        memcpy(&second, p + 4, sizeof second);
        first ^= state;
        state = tables[7][first & 0xff] ^ tables[6][first >> 8 & 0xff] ^
                tables[5][first >> 16 & 0xff] ^ tables[4][first >> 24] ^ tables[3][second & 0xff] ^
                tables[2][second >> 8 & 0xff] ^ tables[1][second >> 16 & 0xff] ^
                tables[0][second >> 24];
    }
    for (; size > 0; p++, size--)
        state = tables[0][(state ^ *p) & 0xff] ^ state >> 8;
    return ~state;
}
