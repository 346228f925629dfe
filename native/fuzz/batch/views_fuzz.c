/* Takes arbitrary bytes for the records of a batch, opened or not. Properties: no read passes the
 * end; the quick walk into columns and the careful one of record.h see the same rows, and refuse
 * the same bytes (but for offsets, of which only the columns ask that they ascend); what the
 * columns name lies within the bytes. */
#include "batch/columns.h"
#include "batch/views.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
    if (!claim) abort();
}

enum { ROOM = 37, PREFIX_SIZE = 4 };

static void same(const mg_view_column *column, size_t row, mg_span wanted, mg_span payload)
{
    const uint8_t *raw = (const uint8_t *)&column->views[row];
    uint32_t size = __builtin_bswap32(mg_load_u32(raw));
    uint32_t at = __builtin_bswap32(mg_load_u32(raw + 12));
    bool valid = (column->validity[row / 64] >> (row % 64) & 1) != 0;
    require(size == wanted.size && valid == (wanted.data != NULL));
    const uint8_t *named = raw + PREFIX_SIZE;
    if (size > MG_VIEW_INLINE_MAX) {
        require((size_t)at + size <= payload.size);
        named = payload.data + at;
        require(memcmp(raw + PREFIX_SIZE, named, PREFIX_SIZE) == 0);
    }
    require(size == 0 || memcmp(named, wanted.data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) return 0;
    const mg_batch_header header = {.base_offset = 100,
                                    .base_timestamp = 5000,
                                    .max_timestamp = 9000,
                                    .record_count = data[0],
                                    .last_offset_delta = data[1],
                                    .attributes = data[2] & MG_BATCH_APPEND_TIME};
    const mg_views_range range = {.start_offset = data[3] & 1 ? 103 : 0,
                                  .end_offset = data[3] & 2 ? 110 : INT64_MAX,
                                  .start_time = data[3] & 4 ? 5001 : INT64_MIN,
                                  .end_time = data[3] & 8 ? 5100 : INT64_MAX};
    mg_span payload = {.data = data + 4, .size = size - 4};
    mg_views *views = NULL;
    if (mg_views_open(&views, ROOM, MG_VIEWS_ALL, NULL) != MG_OK) return 0;
    mg_views_source source = mg_views_source_over(payload, &header, payload.data, 0);
    mg_record_walk walk = mg_record_walk_over(payload, header.record_count);
    mg_status status = MG_OK;
    bool is_cut = false;
    do {
        mg_views_clear(views);
        status = mg_views_add(views, &source, &range, NULL);
        for (size_t row = 0; row < views->count; row++) {
            mg_record record;
            int64_t offset = 0;
            int64_t timestamp = 0;
            do {
                require(mg_record_next(&walk, &record));
                offset = header.base_offset + record.offset_delta;
                timestamp = mg_batch_record_timestamp(&header, record.timestamp_delta);
            } while (offset < range.start_offset || timestamp < range.start_time ||
                     timestamp >= range.end_time);
            require(views->offsets[row] == offset && offset < range.end_offset);
            require(views->timestamps[row] == timestamp);
            same(&views->keys, row, record.key, payload);
            same(&views->values, row, record.value, payload);
            int32_t headers = views->header_offsets[row + 1] - views->header_offsets[row];
            require(headers == record.header_count);
        }
        is_cut = views->count < ROOM;
    } while (status == MG_OK && !mg_views_source_is_over(&source) && !is_cut);
    mg_views_close(views);

    mg_record_walk careful = mg_record_walk_over(payload, header.record_count);
    mg_record record;
    while (mg_record_next(&careful, &record)) continue;
    bool stopped = range.end_offset != INT64_MAX; /* before it saw what is behind */
    if (mg_record_walk_end(&careful) != MG_OK && header.record_count > 0 && !stopped) {
        require(status == MG_CORRUPT);
    }
    return 0;
}
