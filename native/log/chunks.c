#include "log/chunks.h"

#include <stdlib.h>

void mg_chunks_init(mg_chunks *chunks, size_t entry_size)
{
    MG_ASSERT(entry_size > 0);
    for (size_t i = 0; i < MG_CHUNKS_MAX; i++)
        chunks->chunk[i] = NULL;
    chunks->entry_size = entry_size;
    atomic_init(&chunks->capacity, 0);
    atomic_init(&chunks->count, 0);
}

void mg_chunks_deinit(mg_chunks *chunks)
{
    for (size_t i = 0; i < MG_CHUNKS_MAX; i++)
        free(chunks->chunk[i]);
    mg_chunks_init(chunks, chunks->entry_size);
}

mg_status mg_chunks_reserve(mg_chunks *chunks, size_t more, mg_error *error)
{
    size_t wanted = atomic_load_explicit(&chunks->count, memory_order_relaxed) + more;
    size_t k = 0;
    while (k < MG_CHUNKS_MAX && chunks->chunk[k] != NULL)
        k++;
    size_t capacity = atomic_load_explicit(&chunks->capacity, memory_order_relaxed);
    while (capacity < wanted) {
        if (k == MG_CHUNKS_MAX) return mg_fail(error, MG_TOO_LARGE, 0, "index too large");
        size_t entries = (size_t)MG_CHUNK_FIRST << k;
        chunks->chunk[k] = malloc(entries * chunks->entry_size);
        if (chunks->chunk[k] == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "index memory");
        capacity += entries;
        atomic_store_explicit(&chunks->capacity, capacity, memory_order_release);
        k++;
    }
    return MG_OK;
}
