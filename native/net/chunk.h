/* chunk.h -- the memory that received bytes lie in.
 *
 * Bytes are received into a chunk that all connections of a reactor share in
 * turn, and requests are carried out on them in place. Whoever needs the bytes
 * beyond the call that shows them (an append that waits for its turn) retains
 * the chunk. So an idle connection holds no memory, and a busy one copies
 * nothing but the beginning of a frame whose end is still to come.
 *
 * A pool and its chunks belong to one thread. `in_use` counts every byte of
 * chunks that are retained, for the reactor's limit.
 */
#ifndef MG_NET_CHUNK_H
#define MG_NET_CHUNK_H

#include "base/status.h"

#include <stdint.h>

enum {
    MG_CHUNK_SIZE = 1 << 20,      /* about what one turn of a busy connection brings */
    MG_CHUNKS_SPARE_MAX = 4,      /* kept for reuse, so that a steady load allocates nothing */
};

typedef struct mg_chunk_pool mg_chunk_pool;

typedef struct mg_chunk {
    struct mg_chunk *next; /* the pool's, while spare */
    mg_chunk_pool *pool;
    size_t capacity;
    size_t used;   /* received so far */
    uint32_t refs; /* back to the pool at 0 */
    uint8_t data[];
} mg_chunk;

struct mg_chunk_pool {
    mg_chunk *spare;
    uint32_t spare_count;
    size_t in_use;
};

void mg_chunk_pool_init(mg_chunk_pool *pool);
void mg_chunk_pool_deinit(mg_chunk_pool *pool); /* every chunk is back */

/* With one reference; NULL when memory is short. Capacity at least `size`. */
mg_chunk *mg_chunk_take(mg_chunk_pool *pool, size_t size);
void mg_chunk_retain(mg_chunk *chunk);
void mg_chunk_release(mg_chunk *chunk);

#endif
