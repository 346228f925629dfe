#include "log/walk.h"

#include "batch/batch_format.h"

/* Enough for a header and a control record behind it. */
enum { SHORT_READ_SIZE = 192 };

static mg_status fill(mg_walk *walk, mg_error *error)
{
    size_t wanted = walk->last_size > MG_WALK_PAGE_SIZE ? SHORT_READ_SIZE : MG_WALK_PAGE_SIZE;
    if ((int64_t)wanted > walk->end - walk->position) wanted = (size_t)(walk->end - walk->position);
    size_t got = 0;
    walk->page_size = 0;
    mg_status status =
        mg_file_read(walk->file, walk->position, walk->page, wanted, walk->flags, &got, error);
    if (status != MG_OK) return status;
    walk->page_at = walk->position;
    walk->page_size = got;
    return MG_OK;
}

static mg_span bytes_at_position(const mg_walk *walk)
{
    int64_t skipped = walk->position - walk->page_at;
    if (skipped < 0 || skipped >= (int64_t)walk->page_size) {
        return (mg_span){.data = NULL, .size = 0};
    }
    return (mg_span){.data = walk->page + skipped, .size = walk->page_size - (size_t)skipped};
}

mg_status mg_walk_peek(mg_walk *walk, mg_batch_header *header, mg_span *bytes, mg_error *error)
{
    if (walk->position >= walk->end) return MG_NOT_FOUND;
    mg_span seen = bytes_at_position(walk);
    if (seen.size < MG_BATCH_HEADER_SIZE) {
        mg_status status = fill(walk, error);
        if (status != MG_OK) return status;
        seen = bytes_at_position(walk);
    }
    mg_status status = mg_batch_header_decode(seen, header);
    if (status == MG_CORRUPT && (header->magic == 0 || header->magic == 1)) {
        return mg_fail(error, MG_UNSUPPORTED, 0, "message format %d at position %lld",
                       header->magic, (long long)walk->position);
    }
    if (status != MG_OK || header->size > walk->end - walk->position ||
        header->last_offset_delta < 0 || header->base_offset < 0 ||
        header->base_offset > INT64_MAX - INT32_MAX - 1) {
        return mg_fail(error, MG_CORRUPT, 0, "no batch at position %lld",
                       (long long)walk->position);
    }
    if (bytes != NULL) *bytes = seen;
    return MG_OK;
}
