#include "base/siphash.h"

#include "check.h"

#include <string.h>

static mg_hash128 hash_of_first(size_t size)
{
    uint8_t key[16];
    uint8_t data[64];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    mg_siphash_key made = mg_siphash_key_from(key);
    return mg_siphash128(&made, data, size);
}

/* The first of the vectors that the authors publish: key and data are 0, 1, 2 .. */
static void the_authors_vectors_are_met(void)
{
    mg_hash128 hash = hash_of_first(0);
    CHECK(hash.words[0] == UINT64_C(0xe6a825ba047f81a3));
    CHECK(hash.words[1] == UINT64_C(0x930255c71472f66d));
    hash = hash_of_first(1);
    CHECK(hash.words[0] == UINT64_C(0x44af996bd8c187da));
    CHECK(hash.words[1] == UINT64_C(0x45fc229b11597634));
}

static void every_size_and_every_key_hashes_differently(void)
{
    mg_hash128 seen[64];
    for (size_t size = 0; size < 64; size++) {
        seen[size] = hash_of_first(size);
        for (size_t other = 0; other < size; other++)
            CHECK(memcmp(&seen[other], &seen[size], sizeof seen[size]) != 0);
    }
    mg_siphash_key a = {.words = {1, 2}};
    mg_siphash_key b = {.words = {1, 3}};
    mg_hash128 left = mg_siphash128(&a, NULL, 0);
    mg_hash128 right = mg_siphash128(&b, NULL, 0);
    CHECK(left.words[0] != right.words[0] && left.words[1] != right.words[1]);
}

static void the_quick_form_meets_its_published_vectors(void)
{
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    mg_siphash_key key = mg_siphash_key_from(bytes);
    CHECK(mg_siphash64(&key, bytes, 0) == UINT64_C(0xabac0158050fc4dc));
    CHECK(mg_siphash64(&key, bytes, 1) == UINT64_C(0xc9f49bf37d57ca93));
}

int main(void)
{
    the_authors_vectors_are_met();
    the_quick_form_meets_its_published_vectors();
    every_size_and_every_key_hashes_differently();
    puts("siphash_test: ok");
}
