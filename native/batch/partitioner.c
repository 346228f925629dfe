#include "batch/partitioner.h"

#include "base/copy.h"

static uint32_t load_word(const uint8_t *p)
{
    uint32_t v;
    mg_copy(&v, sizeof v, p, sizeof v);
    return v;
}

uint32_t mg_murmur2(mg_span key)
{
    enum { SEED_HIGH = 0x9747, SEED_LOW = 0xb28c, SHIFT = 24 };
    const uint32_t mix = 0x5bd1e995;
    uint32_t hash = ((uint32_t)SEED_HIGH << 16 | SEED_LOW) ^ (uint32_t)key.size;
    const uint8_t *p = key.data;
    size_t left = key.size;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t word = load_word(p) * mix;
        word ^= word >> SHIFT;
        hash = hash * mix ^ word * mix;
    }
    if (left == 3) hash ^= (uint32_t)p[2] << 16;
    if (left >= 2) hash ^= (uint32_t)p[1] << 8;
    if (left >= 1) hash = (hash ^ p[0]) * mix;
    hash = (hash ^ hash >> 13) * mix;
    return hash ^ hash >> 15;
}

mg_status mg_partitioner_assign(const mg_rows *rows, int32_t partition_count, int32_t sticky,
                                int32_t *partitions, size_t *counts, mg_error *error)
{
    MG_ASSERT(partition_count > 0);
    MG_ASSERT(sticky >= 0 && sticky < partition_count);
    for (int32_t i = 0; i < partition_count; i++)
        counts[i] = 0;
    for (size_t row = 0; row < rows->count; row++) {
        int32_t partition = sticky;
        if (rows->keys.kind != MG_ROW_COLUMN_NULL) {
            mg_span key;
            mg_status status = mg_row_column_item(&rows->keys, row, &key, error);
            if (status != MG_OK) return status;
            if (key.data != NULL) partition = mg_partition_of_key(key, partition_count);
        }
        partitions[row] = partition;
        counts[partition]++;
    }
    return MG_OK;
}

mg_status mg_partitioner_find_keyless(const mg_rows *rows, size_t *row, mg_error *error)
{
    for (size_t i = 0; i < rows->count; i++) {
        mg_span key = {.data = NULL, .size = 0};
        if (rows->keys.kind != MG_ROW_COLUMN_NULL) {
            mg_status status = mg_row_column_item(&rows->keys, i, &key, error);
            if (status != MG_OK) return status;
        }
        if (key.data != NULL) continue;
        *row = i;
        return MG_OK;
    }
    return MG_NOT_FOUND;
}

void mg_partitioner_gather(const int32_t *partitions, size_t row_count, size_t *begins,
                           int32_t *rows)
{
    MG_ASSERT(row_count <= INT32_MAX);
    for (size_t row = 0; row < row_count; row++)
        rows[begins[partitions[row]]++] = (int32_t)row;
}
