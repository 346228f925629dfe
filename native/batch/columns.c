#include "batch/columns.h"

#include "batch/record.h"

static int32_t position_in(mg_span payload, mg_span part)
{
    return part.data == NULL ? 0 : (int32_t)(part.data - payload.data);
}

static int32_t size_of(mg_span part)
{
    return part.data == NULL ? -1 : (int32_t)part.size;
}

mg_status mg_columns_decode(mg_span payload, const mg_batch_header *header,
                            const mg_columns *columns)
{
    if (payload.size > INT32_MAX) return MG_TOO_LARGE; /* positions would not fit */

    mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
    mg_record record;
    for (size_t i = 0; mg_record_next(&walk, &record); i++) {
        if (columns->offsets) {
            uint64_t base = (uint64_t)header->base_offset; /* unsigned: a sum that may wrap */
            columns->offsets[i] = (int64_t)(base + (uint64_t)(int64_t)record.offset_delta);
        }
        if (columns->timestamps) {
            columns->timestamps[i] = mg_batch_record_timestamp(header, record.timestamp_delta);
        }
        if (columns->key_positions) columns->key_positions[i] = position_in(payload, record.key);
        if (columns->key_sizes) columns->key_sizes[i] = size_of(record.key);
        if (columns->value_positions) {
            columns->value_positions[i] = position_in(payload, record.value);
        }
        if (columns->value_sizes) columns->value_sizes[i] = size_of(record.value);
        if (columns->headers_positions) {
            columns->headers_positions[i] = position_in(payload, record.headers);
        }
        if (columns->header_counts) columns->header_counts[i] = record.header_count;
    }
    return mg_record_walk_end(&walk);
}
