/* walk.h -- steps from batch header to batch header through a segment, with few reads.
 *
 * For what was checked before: no checksums, the bytes between headers are not
 * touched. A page is read at a time while batches are small, a header once they
 * are not. The page lives in the walk, on the caller's stack.
 */
#ifndef MG_LOG_WALK_H
#define MG_LOG_WALK_H

#include "batch/batch.h"
#include "file/file.h"

enum { MG_WALK_PAGE_SIZE = 4096 };

typedef struct mg_walk {
    mg_file *file;
    int64_t position; /* of the next header */
    int64_t end;      /* of what may be read */
    unsigned flags;   /* MG_FILE_NO_WAIT */
    int32_t last_size;
    int64_t page_at;
    size_t page_size;
    uint8_t page[MG_WALK_PAGE_SIZE];
} mg_walk;

static inline void mg_walk_init(mg_walk *walk, mg_file *file, int64_t position, int64_t end,
                                unsigned flags)
{
    walk->file = file;
    walk->position = position;
    walk->end = end;
    walk->flags = flags;
    walk->last_size = 0;
    walk->page_at = 0;
    walk->page_size = 0;
}

/* The header at walk->position, and as much of its batch as the page holds (`bytes` may be NULL).
 * MG_NOT_FOUND at the end; MG_UNSUPPORTED for the formats 0 and 1; MG_CORRUPT for what is no
 * header or reaches beyond the end. */
MG_WARN_UNUSED mg_status mg_walk_peek(mg_walk *walk, mg_batch_header *header, mg_span *bytes,
                                      mg_error *error);
static inline void mg_walk_skip(mg_walk *walk, const mg_batch_header *header)
{
    walk->position += header->size;
    walk->last_size = header->size;
}

#endif
