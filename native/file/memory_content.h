/* memory_content.h -- the bytes of one file of memory.h: what reads see, what is on the disk, and
 * each change that is on its way from the one to the other.
 *
 *     durable + changes, in their order = now
 *
 * A power cut keeps of the changes what it likes: each sector as it was at some moment, of a growth
 * any part, bytes that were not written read as zeros; a cut of the file happened or did not. A
 * sync that failed leaves its changes visible and never writes them, as Linux does; the next sync
 * that succeeds says nothing about them.
 */
#ifndef MG_FILE_MEMORY_CONTENT_H
#define MG_FILE_MEMORY_CONTENT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mg_memory_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
} mg_memory_bytes;

typedef struct mg_memory_change {
    struct mg_memory_change *next;
    uint64_t order; /* among all changes of the file system */
    size_t position;
    size_t size; /* of the bytes; a cut has none */
    bool is_cut; /* the file ends at `position` from now on */
    bool is_lost;
    uint8_t bytes[];
} mg_memory_change;

typedef struct mg_memory_content {
    mg_memory_bytes now;
    mg_memory_bytes durable;
    mg_memory_change *first;
    mg_memory_change *last;
} mg_memory_content;

/* How a power cut chooses. */
typedef struct mg_memory_cut {
    size_t sector_size;
    /* Names and cuts up to this one are on disk and none beyond, as with a journal; UINT64_MAX:
     * each for itself. */
    uint64_t order_max;
    unsigned kept_in_16; /* so many of 16 sectors, or names, are on disk */
    uint64_t state;      /* of the generator */
} mg_memory_cut;

/* SplitMix64: a seed repeats a crash exactly. */
uint64_t mg_memory_draw(uint64_t *state);
bool mg_memory_keeps(mg_memory_cut *cut, uint64_t order);

/* False where there is no memory. */
MG_WARN_UNUSED bool mg_memory_content_write(mg_memory_content *content, size_t position,
                                            const uint8_t *bytes, size_t size, uint64_t order);
MG_WARN_UNUSED bool mg_memory_content_cut(mg_memory_content *content, size_t size, uint64_t order);
MG_WARN_UNUSED bool mg_memory_content_sync(mg_memory_content *content);
void mg_memory_content_fail_sync(mg_memory_content *content);
MG_WARN_UNUSED bool mg_memory_content_copy(mg_memory_content *to, const mg_memory_content *from);
/* What is there after a power cut; NULL: nothing that was not synced. */
MG_WARN_UNUSED bool mg_memory_content_crash(mg_memory_content *content, mg_memory_cut *cut);
void mg_memory_content_deinit(mg_memory_content *content);

#endif
