#include "base/crc32c_paths.h"

#include "check.h"

#include <stdint.h>
#include <string.h>

static uint32_t bit_by_bit(uint32_t crc, const uint8_t *data, size_t size)
{
    uint32_t state = ~crc;
    for (size_t i = 0; i < size; i++) {
        state ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            state = state >> 1 ^ (state & 1 ? MG_CRC32C_POLYNOMIAL : 0);
        }
    }
    return ~state;
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Exact-size blocks, so that ASan sees a read past either end. */
static uint8_t *random_bytes(size_t size)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)random_u64();
    return bytes;
}

static void published_vectors(mg_crc32c_function crc32c)
{
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    CHECK(crc32c(0, bytes, sizeof bytes) == 0x8A9136AA);
    memset(bytes, 0xff, sizeof bytes);
    CHECK(crc32c(0, bytes, sizeof bytes) == 0x62A8AB43);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    CHECK(crc32c(0, bytes, sizeof bytes) == 0x46DD794E);
    CHECK(crc32c(0, "123456789", 9) == 0xE3069283);
    CHECK(crc32c(0, NULL, 0) == 0);
    CHECK(crc32c(0x12345678, NULL, 0) == 0x12345678);
}

static void every_size_and_alignment_agrees(mg_crc32c_function crc32c)
{
    enum { SIZE_MAX_TESTED = 1024 };
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        size_t alignment = size % 64;
        uint8_t *bytes = random_bytes(alignment + size);
        uint32_t seed = (uint32_t)random_u64();
        CHECK(crc32c(seed, bytes + alignment, size) == bit_by_bit(seed, bytes + alignment, size));
        free(bytes);
    }
    uint8_t *bytes = random_bytes(64 + SIZE_MAX_TESTED);
    for (size_t alignment = 0; alignment < 64; alignment++) {
        for (size_t size = SIZE_MAX_TESTED - 17; size <= SIZE_MAX_TESTED; size += 17) {
            CHECK(crc32c(7, bytes + alignment, size) ==
                  mg_crc32c_table(7, bytes + alignment, size));
        }
    }
    free(bytes);
}

static void large_random_bytes_agree(mg_crc32c_function crc32c)
{
    for (int round = 0; round < 40; round++) {
        size_t size = (size_t)(random_u64() % 200000);
        uint8_t *bytes = random_bytes(size);
        uint32_t seed = (uint32_t)random_u64();
        uint32_t expected = mg_crc32c_table(seed, bytes, size);
        CHECK(crc32c(seed, bytes, size) == expected);

        size_t cut = size > 0 ? (size_t)(random_u64() % size) : 0;
        CHECK(crc32c(crc32c(seed, bytes, cut), bytes + cut, size - cut) == expected);
        free(bytes);
    }
}

/* x^power mod P, bit-reflected. */
static uint32_t x_to(unsigned power)
{
    uint32_t v = 0x80000000;
    for (; power > 0; power--)
        v = v >> 1 ^ (v & 1 ? MG_CRC32C_POLYNOMIAL : 0);
    return v;
}

static void constants_follow_from_the_polynomial(void)
{
    const struct {
        unsigned distance;
        uint32_t lo, hi;
    } folds[] = {
        {128, MG_CRC32C_FOLD_128_LO, MG_CRC32C_FOLD_128_HI},
        {256, MG_CRC32C_FOLD_256_LO, MG_CRC32C_FOLD_256_HI},
        {384, MG_CRC32C_FOLD_384_LO, MG_CRC32C_FOLD_384_HI},
        {512, MG_CRC32C_FOLD_512_LO, MG_CRC32C_FOLD_512_HI},
        {2048, MG_CRC32C_FOLD_2048_LO, MG_CRC32C_FOLD_2048_HI},
    };
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++) {
        CHECK(folds[i].lo == x_to(folds[i].distance + 31));
        CHECK(folds[i].hi == x_to(folds[i].distance - 33));
    }
}

int main(void)
{
    constants_follow_from_the_polynomial();
    size_t count = 0;
    for (size_t i = 0; mg_crc32c_path_at(i).name != NULL; i++) {
        mg_crc32c_path path = mg_crc32c_path_at(i);
        printf("crc32c_test: %s%s\n", path.name, path.function == NULL ? " is not here" : "");
        if (path.function == NULL) continue;
        published_vectors(path.function);
        every_size_and_alignment_agrees(path.function);
        large_random_bytes_agree(path.function);
        count++;
    }
    CHECK(count >= 1);
    published_vectors(mg_crc32c);
    puts("crc32c_test: ok");
    return 0;
}
