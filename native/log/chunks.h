/* chunks.h -- an array that grows at its end and never moves, for one writer and many readers.
 *
 * The directory's chunks double: chunk k holds FIRST * 2^k entries. An entry
 * below the count is immutable, so a reader needs one acquire of the count and
 * no lock. Room is claimed ahead (mg_chunks_reserve), appending cannot fail.
 */
#ifndef MG_LOG_CHUNKS_H
#define MG_LOG_CHUNKS_H

#include "base/status.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MG_CHUNK_FIRST = 32, /* entries: at 4 KiB a step they index 128 KiB, in 256 bytes */
    MG_CHUNKS_MAX = 20,  /* 33 million entries: any index that fits a segment */
};

typedef struct mg_chunks {
    uint8_t *chunk[MG_CHUNKS_MAX]; /* written before the count that makes them visible */
    size_t entry_size;
    _Atomic size_t capacity; /* grows by whoever claims room, one thread at a time */
    _Atomic size_t count;    /* grows by the appender */
} mg_chunks;

void mg_chunks_init(mg_chunks *chunks, size_t entry_size);
void mg_chunks_deinit(mg_chunks *chunks);

/* Room for `more` entries beyond the count. One thread at a time, which need not be the appender.
 * MG_TOO_LARGE: more than can be. */
MG_WARN_UNUSED mg_status mg_chunks_reserve(mg_chunks *chunks, size_t more, mg_error *error);

static inline size_t mg_chunks_count(const mg_chunks *chunks)
{
    return atomic_load_explicit(&chunks->count, memory_order_acquire);
}

static inline size_t mg_chunks_room(const mg_chunks *chunks)
{
    return atomic_load_explicit(&chunks->capacity, memory_order_acquire) -
           atomic_load_explicit(&chunks->count, memory_order_relaxed);
}

static inline uint8_t *mg_chunks_at(const mg_chunks *chunks, size_t index)
{
    size_t block = index / MG_CHUNK_FIRST + 1;
    size_t k = (size_t)(63 - __builtin_clzll(block));
    size_t first = (((size_t)1 << k) - 1) * MG_CHUNK_FIRST;
    return chunks->chunk[k] + (index - first) * chunks->entry_size;
}

/* The slot after the last; visible to readers once mg_chunks_publish was called. */
static inline uint8_t *mg_chunks_next(const mg_chunks *chunks)
{
    size_t count = atomic_load_explicit(&chunks->count, memory_order_relaxed);
    MG_ASSERT(mg_chunks_room(chunks) > 0);
    return mg_chunks_at(chunks, count);
}

static inline void mg_chunks_publish(mg_chunks *chunks)
{
    size_t count = atomic_load_explicit(&chunks->count, memory_order_relaxed);
    MG_ASSERT(mg_chunks_room(chunks) > 0);
    atomic_store_explicit(&chunks->count, count + 1, memory_order_release);
}

#endif
