#include "log/offset_map.h"

#include "check.h"

static const mg_siphash_key SEED = {.words = {11, 22}};

static mg_span key_of(uint64_t *number)
{
    return (mg_span){.data = (const uint8_t *)number, .size = sizeof *number};
}

static mg_status put(mg_offset_map *map, mg_span key, int64_t offset)
{
    mg_offset_key hashed = mg_offset_map_hash(map, key);
    return mg_offset_map_put(map, &hashed, offset, NULL);
}

static int64_t find(const mg_offset_map *map, mg_span key)
{
    mg_offset_key hashed = mg_offset_map_hash(map, key);
    return mg_offset_map_find(map, &hashed);
}

static void the_last_offset_of_a_key_is_found(void)
{
    mg_offset_map map;
    CHECK(mg_offset_map_open(&map, 1 << 20, 500, &SEED, NULL) == MG_OK);
    uint64_t keys = 7000;
    for (uint64_t i = 0; i < 3 * keys; i++) {
        uint64_t key = i % keys;
        CHECK(put(&map, key_of(&key), 500 + (int64_t)i) == MG_OK);
    }
    CHECK(map.count == keys);
    for (uint64_t key = 0; key < keys; key++)
        CHECK(find(&map, key_of(&key)) == 500 + (int64_t)(2 * keys + key));
    CHECK(find(&map, key_of(&keys)) == -1);
    mg_span empty = {.data = (const uint8_t *)"", .size = 0};
    CHECK(find(&map, empty) == -1);
    CHECK(put(&map, empty, 90000) == MG_OK);
    CHECK(find(&map, empty) == 90000);
    mg_offset_map_close(&map);
}

/* 24 bytes a key at most, and a full map still takes keys that it has. */
static void a_full_map_says_so_and_keeps_what_it_has(void)
{
    enum { SIZE_MAX_OF_MAP = 600000 };
    mg_offset_map map;
    CHECK(mg_offset_map_open(&map, SIZE_MAX_OF_MAP, 0, &SEED, NULL) == MG_OK);
    uint64_t key = 0;
    while (put(&map, key_of(&key), (int64_t)key) == MG_OK)
        key++;
    CHECK(map.capacity * sizeof(mg_offset_slot) <= SIZE_MAX_OF_MAP);
    CHECK(key * MG_OFFSET_MAP_KEY_SIZE >= SIZE_MAX_OF_MAP - 100);
    CHECK(put(&map, key_of(&key), (int64_t)key) == MG_TOO_LARGE);
    uint64_t known = 5;
    CHECK(put(&map, key_of(&known), (int64_t)key) == MG_OK);
    CHECK(find(&map, key_of(&known)) == (int64_t)key);
    for (uint64_t other = 6; other < key; other++)
        CHECK(find(&map, key_of(&other)) == (int64_t)other);
    mg_offset_map_close(&map);
}

static void an_offset_too_far_away_is_for_another_map(void)
{
    mg_offset_map map;
    CHECK(mg_offset_map_open(&map, 1 << 20, 10, &SEED, NULL) == MG_OK);
    uint64_t key = 1;
    CHECK(put(&map, key_of(&key), 10 + (int64_t)UINT32_MAX) == MG_TOO_LARGE);
    CHECK(put(&map, key_of(&key), 9 + (int64_t)UINT32_MAX) == MG_OK);
    CHECK(find(&map, key_of(&key)) == 9 + (int64_t)UINT32_MAX);
    mg_offset_map_close(&map);
}

int main(void)
{
    the_last_offset_of_a_key_is_found();
    a_full_map_says_so_and_keeps_what_it_has();
    an_offset_too_far_away_is_for_another_map();
    puts("offset_map_test: ok");
}
