#include "net/chunk.h"

#include <stdlib.h>

void mg_chunk_pool_init(mg_chunk_pool *pool)
{
    *pool = (mg_chunk_pool){0};
}

void mg_chunk_pool_deinit(mg_chunk_pool *pool)
{
    MG_ASSERT(pool->in_use == 0);
    while (pool->spare != NULL) {
        mg_chunk *chunk = pool->spare;
        pool->spare = chunk->next;
        free(chunk);
    }
    pool->spare_count = 0;
}

static mg_chunk *create_chunk(mg_chunk_pool *pool, size_t size)
{
    mg_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL) return NULL;
    chunk->capacity = size;
    chunk->pool = pool;
    return chunk;
}

mg_chunk *mg_chunk_take(mg_chunk_pool *pool, size_t size)
{
    mg_chunk *chunk = NULL;
    if (size <= MG_CHUNK_SIZE && size > MG_CHUNK_SIZE / 2 && pool->spare != NULL) {
        chunk = pool->spare;
        pool->spare = chunk->next;
        pool->spare_count--;
    } else {
        chunk = create_chunk(pool, size);
        if (chunk == NULL) return NULL;
    }
    chunk->used = 0;
    chunk->refs = 1;
    pool->in_use += chunk->capacity;
    return chunk;
}

void mg_chunk_retain(mg_chunk *chunk)
{
    MG_ASSERT(chunk->refs > 0);
    chunk->refs++;
}

void mg_chunk_release(mg_chunk *chunk)
{
    MG_ASSERT(chunk->refs > 0);
    if (--chunk->refs > 0) return;
    mg_chunk_pool *pool = chunk->pool;
    MG_ASSERT(pool->in_use >= chunk->capacity);
    pool->in_use -= chunk->capacity;
    if (chunk->capacity == MG_CHUNK_SIZE && pool->spare_count < MG_CHUNKS_SPARE_MAX) {
        chunk->next = pool->spare;
        pool->spare = chunk;
        pool->spare_count++;
        return;
    }
    free(chunk);
}
