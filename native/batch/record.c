#include "batch/record.h"

static mg_record_header read_header(mg_cursor *cursor)
{
    mg_record_header header;
    header.key = mg_read_span(cursor, mg_read_varint(cursor)); /* a null key spoils, as in Kafka */
    header.value = mg_read_nullable(cursor);
    return header;
}

void mg_record_headers_skip(mg_cursor *cursor, int32_t count)
{
    bool fits = count >= 0 && (size_t)count <= mg_cursor_left(cursor) / MG_RECORD_HEADER_SIZE_MIN;
    if (!fits) mg_cursor_spoil(cursor);
    for (int32_t i = 0; i < count && mg_cursor_ok(cursor); i++)
        (void)read_header(cursor);
}

mg_status mg_record_walk_end(const mg_record_walk *walk)
{
    bool whole = mg_cursor_ok(&walk->cursor) && walk->left == 0;
    return whole && mg_cursor_left(&walk->cursor) == 0 ? MG_OK : MG_CORRUPT;
}

mg_record_header_walk mg_record_header_walk_over(const mg_record *record)
{
    return (mg_record_header_walk){
        .cursor = mg_cursor_over(record->headers.data, record->headers.size),
        .left = record->header_count,
    };
}

bool mg_record_header_next(mg_record_header_walk *walk, mg_record_header *header)
{
    if (walk->left <= 0) return false;
    *header = read_header(&walk->cursor);
    MG_ASSERT(mg_cursor_ok(&walk->cursor)); /* mg_record_next went over the same bytes */
    walk->left--;
    return true;
}
