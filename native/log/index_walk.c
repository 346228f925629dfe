#include "log/index_walk.h"

#include "batch/batch_format.h"
#include "log/walk.h"

static mg_status add_entries(mg_segment *segment, mg_offset_entry entry, const mg_index_walk *built,
                             mg_error *error)
{
    mg_offset_index *offsets = atomic_load(&segment->offset_index);
    mg_time_index *times = atomic_load(&segment->time_index);
    mg_status status = mg_offset_index_reserve(offsets, 1, error);
    if (status == MG_OK) status = mg_time_index_reserve(times, 2, error);
    if (status != MG_OK) return status;
    mg_offset_index_append(offsets, entry);
    mg_time_index_append(times, (mg_time_entry){.timestamp = built->max_timestamp,
                                                .relative_offset = built->max_timestamp_offset});
    return MG_OK;
}

mg_status mg_log_index_walk(mg_segment *segment, int64_t interval, int64_t size,
                            mg_index_walk *built, mg_error *error)
{
    *built = (mg_index_walk){.max_timestamp = MG_TIMESTAMP_NONE, .max_timestamp_offset = 0};
    int64_t last_position = 0;
    int64_t next_offset = segment->base_offset;
    mg_batch_header header;
    mg_walk walk;
    mg_walk_init(&walk, segment->log_file.file, 0, size, 0);
    mg_status status = MG_OK;
    while ((status = mg_walk_peek(&walk, &header, NULL, error)) == MG_OK) {
        int64_t relative = mg_batch_last_offset(&header) - segment->base_offset;
        if (header.base_offset < next_offset || relative > INT32_MAX) {
            return mg_fail(error, MG_CORRUPT, 0, "offsets do not ascend at position %lld",
                           (long long)walk.position);
        }
        next_offset = mg_batch_last_offset(&header) + 1;
        if (header.max_timestamp > built->max_timestamp) {
            built->max_timestamp = header.max_timestamp;
            built->max_timestamp_offset = (int32_t)relative;
        }
        if (walk.position - last_position > interval) {
            mg_offset_entry entry = {.relative_offset = (int32_t)relative,
                                     .position = (int32_t)walk.position};
            status = add_entries(segment, entry, built, error);
            if (status != MG_OK) return status;
            last_position = walk.position;
        }
        mg_walk_skip(&walk, &header);
    }
    return status == MG_NOT_FOUND ? MG_OK : status;
}
