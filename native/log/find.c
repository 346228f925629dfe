/* find.c -- reading by timestamp. Any thread that may wait for a disk. */
#include "log/state.h"

#include "batch/batch_format.h"
#include "log/names.h"
#include "log/walk.h"

/* The first batch of the segment with a timestamp that late, and records at or above
 * `start_offset`; MG_NOT_FOUND. The log file is pinned. */
static mg_status find_in_segment(const mg_log *log, mg_segment *segment, int64_t timestamp,
                                 int64_t start_offset, mg_log_slice *batch, mg_error *error)
{
    mg_time_entry near = {.timestamp = -1, .relative_offset = 0};
    mg_status status = mg_segment_find_time(segment, log->directory, timestamp, &near, error);
    if (status != MG_OK && status != MG_NOT_FOUND) return status;
    int64_t from = segment->base_offset + (status == MG_OK ? near.relative_offset : 0);
    if (from < start_offset) from = start_offset;

    mg_walk walk;
    mg_batch_header header;
    status = mg_log_seek(log, segment, from, 0, &walk, &header, error);
    while (status == MG_OK && header.max_timestamp < timestamp) {
        mg_walk_skip(&walk, &header);
        status = mg_walk_peek(&walk, &header, NULL, error);
    }
    if (status != MG_OK) return status;
    *batch = (mg_log_slice){.segment = segment,
                            .fd = mg_file_fd(segment->log_file.file),
                            .position = walk.position,
                            .size = (size_t)header.size,
                            .next_offset = mg_batch_last_offset(&header) + 1};
    return MG_OK;
}

static mg_status find_pinned(const mg_log *log, mg_segment *segment, int64_t timestamp,
                             int64_t start_offset, mg_log_slice *batch, mg_error *error)
{
    mg_status status =
        mg_segment_pin(segment, &segment->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    status = find_in_segment(log, segment, timestamp, start_offset, batch, error);
    if (status != MG_OK) mg_pooled_unpin(&segment->log_file);
    return status;
}

/* What is being looked for: the first as late as `timestamp`, or the latest of all. */
typedef struct search {
    int64_t timestamp;
    int64_t offset; /* nothing below it */
    bool latest;
} search;

/* The greatest timestamp of the batches from `offset` on; -1 where there is none. */
static mg_status walk_greatest(const mg_log *log, mg_segment *segment, int64_t offset,
                               int64_t *greatest, mg_error *error)
{
    mg_status status =
        mg_segment_pin(segment, &segment->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    mg_walk walk;
    mg_batch_header header;
    *greatest = MG_TIMESTAMP_NONE;
    status = mg_log_seek(log, segment, offset, 0, &walk, &header, error);
    while (status == MG_OK) {
        if (header.max_timestamp > *greatest) *greatest = header.max_timestamp;
        mg_walk_skip(&walk, &header);
        status = mg_walk_peek(&walk, &header, NULL, error);
    }
    mg_pooled_unpin(&segment->log_file);
    return status == MG_NOT_FOUND ? MG_OK : status;
}

/* The greatest timestamp that is readable; MG_NOT_FOUND where there is none. */
static mg_status find_greatest(const mg_log *log, const mg_segment_list *list, size_t from,
                               int64_t start_offset, int64_t *greatest, mg_error *error)
{
    *greatest = MG_TIMESTAMP_NONE;
    for (size_t slot = from; slot < list->count; slot++) {
        mg_segment *segment = list->segments[slot];
        int64_t timestamp = MG_TIMESTAMP_NONE;
        /* What the index knows may lie below the start of the log. */
        mg_status status =
            segment->base_offset < start_offset
                ? walk_greatest(log, segment, start_offset, &timestamp, error)
                : mg_segment_max_timestamp(segment, log->directory, &timestamp, error);
        if (status != MG_OK) return status;
        if (timestamp > *greatest) *greatest = timestamp;
    }
    return *greatest < 0 ? MG_NOT_FOUND : MG_OK;
}

static mg_status find_first(const mg_log *log, const mg_segment_list *list, size_t from,
                            int64_t timestamp, int64_t start_offset, mg_log_slice *batch,
                            mg_error *error)
{
    for (size_t slot = from; slot < list->count; slot++) {
        mg_segment *segment = list->segments[slot];
        int64_t greatest = MG_TIMESTAMP_NONE;
        mg_status status = mg_segment_max_timestamp(segment, log->directory, &greatest, error);
        if (status != MG_OK) return status;
        if (greatest < timestamp) continue;
        status = find_pinned(log, segment, timestamp, start_offset, batch, error);
        if (status != MG_NOT_FOUND) return status;
    }
    return MG_NOT_FOUND;
}

static mg_status find_once(const mg_log *log, search wanted, mg_log_slice *batch, mg_error *error)
{
    const mg_segment_list *list = mg_log_list(log);
    int64_t start_offset = atomic_load_explicit(&log->start_offset, memory_order_acquire);
    if (start_offset < wanted.offset) start_offset = wanted.offset;
    size_t from = 0;
    if (!mg_segment_list_find(list, start_offset, &from)) from = 0;
    if (wanted.latest) {
        mg_status status = find_greatest(log, list, from, start_offset, &wanted.timestamp, error);
        if (status != MG_OK) return status;
    }
    return find_first(log, list, from, wanted.timestamp, start_offset, batch, error);
}

static mg_status find(mg_log *log, search wanted, mg_log_slice *batch, mg_error *error)
{
    mg_status status = MG_CLOSED;
    mg_readers_enter(&log->readers);
    for (int look = 0; look < MG_LOOKS_MAX && status == MG_CLOSED; look++) {
        if (look > 0) status = mg_log_refresh(log, 0, error);
        if (look > 0 && status != MG_OK) break;
        status = find_once(log, wanted, batch, error);
    }
    mg_readers_leave(&log->readers);
    if (status == MG_CLOSED) return mg_fail(error, MG_BUSY, 0, "segments change all the time");
    return status;
}

mg_status mg_log_find_timestamp(mg_log *log, int64_t timestamp, mg_log_slice *batch,
                                mg_error *error)
{
    return find(log, (search){.timestamp = timestamp, .latest = false}, batch, error);
}

mg_status mg_log_find_timestamp_from(mg_log *log, int64_t offset, int64_t timestamp,
                                     mg_log_slice *batch, mg_error *error)
{
    search wanted = {.timestamp = timestamp, .offset = offset, .latest = false};
    return find(log, wanted, batch, error);
}

mg_status mg_log_find_max_timestamp(mg_log *log, mg_log_slice *batch, mg_error *error)
{
    return find(log, (search){.timestamp = MG_TIMESTAMP_NONE, .latest = true}, batch, error);
}
