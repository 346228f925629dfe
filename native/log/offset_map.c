#include "log/offset_map.h"

#include <assert.h>
#include <stdlib.h>

enum {
    CAPACITY_FIRST = 1024,
    GENTLE_FROM = 64 * 1024, /* slots; below, doubling costs nothing that counts */
    LOAD_PERCENT = 85,       /* a key that is not there takes 23 looks then, in 8 cache lines */
};

static_assert(sizeof(mg_offset_slot) == MG_OFFSET_MAP_SLOT_SIZE, "slots have no gaps");
static_assert(MG_OFFSET_MAP_SLOT_SIZE * 100 <= MG_OFFSET_MAP_KEY_SIZE * LOAD_PERCENT,
              "a key takes no more than it is said to");

mg_status mg_offset_map_open(mg_offset_map *map, int64_t size_max, int64_t first_offset,
                             const mg_siphash_key *seed, mg_error *error)
{
    MG_ASSERT(first_offset >= 0);
    int64_t capacity_max = size_max / MG_OFFSET_MAP_SLOT_SIZE;
    if (capacity_max < CAPACITY_FIRST) capacity_max = CAPACITY_FIRST;
    if (capacity_max > INT32_MAX)
        capacity_max = INT32_MAX; /* hash words of 32 bits spread over it */
    mg_offset_slot *slots = calloc(CAPACITY_FIRST, sizeof *slots);
    if (slots == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "offset map");
    *map = (mg_offset_map){.slots = slots,
                           .capacity = CAPACITY_FIRST,
                           .capacity_max = (size_t)capacity_max,
                           .first_offset = first_offset,
                           .seed = *seed};
    return MG_OK;
}

void mg_offset_map_close(mg_offset_map *map)
{
    free(map->slots);
    map->slots = NULL;
}

static size_t home_of(size_t capacity, const uint32_t hash[4])
{
    return (size_t)(((uint64_t)hash[0] * capacity) >> 32);
}

mg_offset_key mg_offset_map_hash(const mg_offset_map *map, mg_span key)
{
    mg_hash128 made = mg_siphash128(&map->seed, key.data, key.size);
    mg_offset_key hashed = {.hash = {(uint32_t)(made.words[0] >> 32), (uint32_t)made.words[0],
                                     (uint32_t)(made.words[1] >> 32), (uint32_t)made.words[1]}};
    __builtin_prefetch(&map->slots[home_of(map->capacity, hashed.hash)]);
    return hashed;
}

static bool is_hash(const mg_offset_slot *slot, const uint32_t hash[4])
{
    return slot->hash[0] == hash[0] && slot->hash[1] == hash[1] && slot->hash[2] == hash[2] &&
           slot->hash[3] == hash[3];
}

/* The slot of the hash, or the free one where it belongs. There is always a free one. */
static mg_offset_slot *find_slot(mg_offset_slot *slots, size_t capacity, const uint32_t hash[4])
{
    size_t at = home_of(capacity, hash);
    while (slots[at].offset != 0 && !is_hash(&slots[at], hash)) {
        if (++at == capacity) at = 0;
    }
    return &slots[at];
}

static bool is_full(const mg_offset_map *map)
{
    return map->count >= map->capacity * LOAD_PERCENT / 100;
}

static mg_status grow(mg_offset_map *map, mg_error *error)
{
    size_t capacity = map->capacity + map->capacity / (map->capacity < GENTLE_FROM ? 1 : 8);
    if (capacity > map->capacity_max) capacity = map->capacity_max;
    if (capacity <= map->capacity) return MG_TOO_LARGE;
    mg_offset_slot *slots = calloc(capacity, sizeof *slots);
    if (slots == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "offset map");
    for (size_t i = 0; i < map->capacity; i++) {
        const mg_offset_slot *old = &map->slots[i];
        if (old->offset != 0) *find_slot(slots, capacity, old->hash) = *old;
    }
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return MG_OK;
}

mg_status mg_offset_map_put(mg_offset_map *map, const mg_offset_key *key, int64_t offset,
                            mg_error *error)
{
    MG_ASSERT(offset >= map->first_offset);
    int64_t relative = offset - map->first_offset + 1;
    if (relative > UINT32_MAX) return MG_TOO_LARGE;
    mg_offset_slot *slot = find_slot(map->slots, map->capacity, key->hash);
    if (slot->offset == 0 && is_full(map)) {
        mg_status status = grow(map, error);
        if (status != MG_OK) return status;
        slot = find_slot(map->slots, map->capacity, key->hash);
    }
    if (slot->offset == 0) {
        for (int i = 0; i < 4; i++)
            slot->hash[i] = key->hash[i];
        map->count++;
    }
    slot->offset = (uint32_t)relative;
    return MG_OK;
}

int64_t mg_offset_map_find(const mg_offset_map *map, const mg_offset_key *key)
{
    const mg_offset_slot *slot = find_slot(map->slots, map->capacity, key->hash);
    return slot->offset == 0 ? -1 : map->first_offset + slot->offset - 1;
}
