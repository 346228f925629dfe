/* offset_map.h -- the last offset of each key, in 20 bytes a slot and at most 24 a key once the
 * table is as large as it may get.
 *
 *   slot   | hash of the key, 128 bits | offset - first + 1, 32 bits; 0: free |
 *
 * Open addressing with linear probing, filled to 85 %. A key is known by its
 * hash alone: two keys of one hash would lose a record, which happens once in
 * 2^128 / keys^2 tables; the hash is keyed with a seed of the caller's, so
 * nobody can make it happen. The table grows by an eighth at a time, in the
 * order of the hashes, so that both tables are gone through from end to end;
 * while it does, the old one is there as well.
 *
 * A look at a large table waits for memory. Who has several keys hashes them
 * all first (mg_offset_map_hash, which asks for the memory) and looks then.
 *
 * One thread at a time.
 */
#ifndef MG_LOG_OFFSET_MAP_H
#define MG_LOG_OFFSET_MAP_H

#include "base/cursor.h"
#include "base/siphash.h"
#include "base/status.h"

#include <stddef.h>

enum {
    MG_OFFSET_MAP_SLOT_SIZE = 20,
    MG_OFFSET_MAP_KEY_SIZE = 24, /* the bytes that a key takes, free slots counted in */
};

typedef struct mg_offset_slot {
    uint32_t hash[4];
    uint32_t offset; /* relative to the first, and 1 more */
} mg_offset_slot;

typedef struct mg_offset_map {
    mg_offset_slot *slots;
    size_t capacity; /* slots */
    size_t capacity_max;
    size_t count; /* keys */
    int64_t first_offset;
    mg_siphash_key seed;
} mg_offset_map;

/* An empty map of at most `size_max` bytes for offsets from `first_offset` on. */
MG_WARN_UNUSED mg_status mg_offset_map_open(mg_offset_map *map, int64_t size_max,
                                            int64_t first_offset, const mg_siphash_key *seed,
                                            mg_error *error);
void mg_offset_map_close(mg_offset_map *map);

/* A key's place in the map, of which the memory is asked for. */
typedef struct mg_offset_key {
    uint32_t hash[4];
} mg_offset_key;
mg_offset_key mg_offset_map_hash(const mg_offset_map *map, mg_span key);

/* Offsets ascend. MG_TOO_LARGE: the map is full, or the offset too far from the first; nothing
 * was changed. */
MG_WARN_UNUSED mg_status mg_offset_map_put(mg_offset_map *map, const mg_offset_key *key,
                                           int64_t offset, mg_error *error);
/* The last offset that was put; -1: none. */
int64_t mg_offset_map_find(const mg_offset_map *map, const mg_offset_key *key);

#endif
