/* Chunks come back to the pool with their last reference, and large ones to the system. */
#include "net/chunk.h"

#include "check.h"

static void the_last_release_gives_it_back(void)
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *chunk = mg_chunk_take(&pool, MG_CHUNK_SIZE);
    CHECK(chunk != NULL);
    CHECK(chunk->used == 0);
    CHECK(pool.in_use == MG_CHUNK_SIZE);
    chunk->used = 77;
    mg_chunk_retain(chunk);
    mg_chunk_release(chunk);
    CHECK(pool.in_use == MG_CHUNK_SIZE);
    mg_chunk_release(chunk);
    CHECK(pool.in_use == 0);
    CHECK(pool.spare_count == 1);
    CHECK(mg_chunk_take(&pool, MG_CHUNK_SIZE) == chunk);
    CHECK(chunk->used == 0);
    mg_chunk_release(chunk);
    mg_chunk_pool_deinit(&pool);
}

static void few_are_kept_and_only_those_of_the_common_size(void)
{
    mg_chunk_pool pool;
    mg_chunk_pool_init(&pool);
    mg_chunk *chunks[MG_CHUNKS_SPARE_MAX + 3];
    for (size_t i = 0; i < MG_CHUNKS_SPARE_MAX + 3; i++)
        chunks[i] = mg_chunk_take(&pool, MG_CHUNK_SIZE);
    for (size_t i = 0; i < MG_CHUNKS_SPARE_MAX + 3; i++) mg_chunk_release(chunks[i]);
    CHECK(pool.spare_count == MG_CHUNKS_SPARE_MAX);

    const size_t sizes[] = {1, 256, MG_CHUNK_SIZE / 2, MG_CHUNK_SIZE + 1, 3 * MG_CHUNK_SIZE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mg_chunk *chunk = mg_chunk_take(&pool, sizes[i]);
        CHECK(chunk->capacity == sizes[i]); /* a small need takes no large spare */
        chunk->data[sizes[i] - 1] = 1;
        CHECK(pool.in_use == sizes[i]);
        mg_chunk_release(chunk);
        CHECK(pool.spare_count == MG_CHUNKS_SPARE_MAX);
    }
    mg_chunk *nearly = mg_chunk_take(&pool, MG_CHUNK_SIZE - 1);
    CHECK(nearly->capacity == MG_CHUNK_SIZE);
    CHECK(pool.spare_count == MG_CHUNKS_SPARE_MAX - 1);
    mg_chunk_release(nearly);
    mg_chunk_pool_deinit(&pool);
}

int main(void)
{
    the_last_release_gives_it_back();
    few_are_kept_and_only_those_of_the_common_size();
    puts("chunk_test: ok");
}
