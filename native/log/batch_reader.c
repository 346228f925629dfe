#include "log/batch_reader.h"

void mg_batch_reader_init(mg_batch_reader *reader)
{
    *reader = (mg_batch_reader){.file = NULL};
}

void mg_batch_reader_deinit(mg_batch_reader *reader)
{
    mg_scratch_deinit(&reader->window);
}

void mg_batch_reader_begin(mg_batch_reader *reader, mg_file *file, int64_t position, int64_t end)
{
    MG_ASSERT(position >= 0);
    MG_ASSERT(position <= end);
    reader->file = file;
    reader->position = position;
    reader->end = end;
    reader->window_size = 0;
}

static mg_span at_position(const mg_batch_reader *reader)
{
    size_t skipped = (size_t)(reader->position - reader->window_at);
    if (reader->window_size == 0 || skipped >= reader->window_size) {
        return (mg_span){.data = NULL, .size = 0};
    }
    return (mg_span){.data = reader->window.data + skipped, .size = reader->window_size - skipped};
}

/* At least `size` bytes from the position on, and as many more as a piece holds. */
static mg_status fill(mg_batch_reader *reader, size_t size, mg_error *error)
{
    size_t wanted = size < MG_BATCH_READER_PIECE ? MG_BATCH_READER_PIECE : size;
    if ((int64_t)wanted > reader->end - reader->position) {
        wanted = (size_t)(reader->end - reader->position);
    }
    reader->window_size = 0;
    size_t room = wanted < MG_BATCH_READER_PIECE ? MG_BATCH_READER_PIECE : wanted;
    mg_status status = mg_scratch_reserve(&reader->window, room, error);
    if (status != MG_OK) return status;
    size_t got = 0;
    status =
        mg_file_read(reader->file, reader->position, reader->window.data, wanted, 0, &got, error);
    if (status != MG_OK) return status;
    if (got < wanted) {
        return mg_fail(error, MG_CORRUPT, 0, "the segment's file ends at position %lld of %lld",
                       (long long)(reader->position + (int64_t)got), (long long)reader->end);
    }
    reader->window_at = reader->position;
    reader->window_size = got;
    reader->read_size += (int64_t)got;
    return MG_OK;
}

static mg_status refuse(const mg_batch_reader *reader, const mg_batch_header *header,
                        mg_error *error)
{
    if (header->magic == 0 || header->magic == 1) {
        return mg_fail(error, MG_UNSUPPORTED, 0, "message format %d at position %lld",
                       header->magic, (long long)reader->position);
    }
    return mg_fail(error, MG_CORRUPT, 0, "no intact batch at position %lld",
                   (long long)reader->position);
}

mg_status mg_batch_reader_next(mg_batch_reader *reader, mg_span *batch, mg_batch_header *header,
                               mg_error *error)
{
    if (reader->position >= reader->end) return MG_NOT_FOUND;
    mg_span seen = at_position(reader);
    mg_status status = MG_OK;
    if (seen.size < MG_BATCH_HEADER_SIZE) {
        status = fill(reader, MG_BATCH_HEADER_SIZE, error);
        if (status != MG_OK) return status;
        seen = at_position(reader);
    }
    header->magic = MG_BATCH_MAGIC; /* of less than a header nothing is known */
    status = mg_batch_header_decode(seen, header);
    if (status != MG_OK || header->size > reader->end - reader->position) {
        return refuse(reader, header, error);
    }
    if (seen.size < (size_t)header->size) {
        status = fill(reader, (size_t)header->size, error);
        if (status != MG_OK) return status;
        seen = at_position(reader);
    }
    status = mg_batch_check(seen, header);
    if (status != MG_OK) return refuse(reader, header, error);
    *batch = (mg_span){.data = seen.data, .size = (size_t)header->size};
    reader->position += header->size;
    return MG_OK;
}
