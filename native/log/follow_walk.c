/* follow_walk.c -- how far the last segment is proven: its batches, one after the other. */
#include "log/follow.h"

#include "batch/batch_format.h"
#include "log/index_walk.h"
#include "log/names.h"
#include "log/walk.h"

/* ---- Indexes in memory ---- */

static mg_status add_entry(const mg_log *log, mg_proven *last, int32_t relative, mg_error *error)
{
    int64_t interval = atomic_load_explicit(&log->index_interval_size, memory_order_relaxed);
    if (last->size - last->last_index_position <= interval) return MG_OK;
    mg_offset_index *offsets = atomic_load(&last->segment->offset_index);
    mg_time_index *times = atomic_load(&last->segment->time_index);
    mg_status status = mg_offset_index_reserve(offsets, 1, error);
    if (status == MG_OK) status = mg_time_index_reserve(times, 1, error);
    if (status != MG_OK) return status;
    mg_offset_index_append(
        offsets, (mg_offset_entry){.relative_offset = relative, .position = (int32_t)last->size});
    mg_time_index_append(times, (mg_time_entry){.timestamp = last->max_timestamp,
                                                .relative_offset = last->max_timestamp_offset});
    last->last_index_position = last->size;
    return MG_OK;
}

/* ---- Proving ---- */

static mg_status take_batch(mg_log *log, mg_proven *last, const mg_batch_header *header,
                            mg_error *error)
{
    int32_t relative = (int32_t)(mg_batch_last_offset(header) - last->segment->base_offset);
    if (header->max_timestamp > last->max_timestamp) {
        last->max_timestamp = header->max_timestamp;
        last->max_timestamp_offset = relative;
    }
    mg_status status = add_entry(log, last, relative, error);
    if (status != MG_OK) return status;
    if (header->leader_epoch > mg_epochs_latest(&log->epochs)) {
        status = mg_epochs_reserve(&log->epochs, error);
        if (status != MG_OK) return status;
        mg_epochs_assign(&log->epochs, header->leader_epoch, header->base_offset);
    }
    last->size += header->size;
    last->end_offset = mg_batch_last_offset(header) + 1;
    return MG_OK;
}

static bool may_follow(const mg_proven *last, const mg_batch_header *header)
{
    int64_t relative = mg_batch_last_offset(header) - last->segment->base_offset;
    return header->base_offset >= last->end_offset && relative <= INT32_MAX;
}

mg_status mg_follow_look_at(mg_scan *scan, int64_t position, mg_batch_header *header, bool *whole,
                            mg_error *error)
{
    mg_scan_verdict verdict;
    mg_error trouble = {.os_error = 0};
    *whole = false;
    mg_status status = mg_scan_check(scan, position, &verdict, header, &trouble);
    if (status == MG_IO && trouble.os_error == 0) return MG_OK;
    if (status != MG_OK) {
        if (error != NULL) *error = trouble;
        return status;
    }
    if (verdict == MG_SCAN_OLD_FORMAT) {
        return mg_fail(error, MG_UNSUPPORTED, 0, "message of format 0 or 1 at position %lld",
                       (long long)position);
    }
    *whole = verdict == MG_SCAN_INTACT;
    return MG_OK;
}

/* What the time index on disk said of the batches that are walked: none up to `relative_offset`
 * is later than `timestamp`. */
typedef struct claim {
    int64_t timestamp;
    int32_t relative_offset; /* -1: it says nothing */
} claim;

/* From the last proven batch on. `*sound` false: what was read contradicts the claim. */
static mg_status walk_on(mg_log *log, mg_proven *last, const claim *claimed, bool *sound,
                         mg_error *error)
{
    mg_scan scan;
    mg_status status = mg_scan_open(&scan, error);
    if (status != MG_OK) return status;
    status = mg_scan_begin(&scan, last->segment->log_file.file, error);
    if (status == MG_OK && scan.size > MG_SEGMENT_SIZE_MAX) {
        status = mg_fail(error, MG_UNSUPPORTED, 0, "segment of %lld bytes", (long long)scan.size);
    }
    *sound = true;
    while (status == MG_OK) {
        bool whole = false;
        mg_batch_header header;
        status = mg_follow_look_at(&scan, last->size, &header, &whole, error);
        if (status != MG_OK || !whole || !may_follow(last, &header)) break;
        int64_t relative = mg_batch_last_offset(&header) - last->segment->base_offset;
        bool is_claimed = relative <= claimed->relative_offset;
        if (is_claimed && header.max_timestamp > claimed->timestamp) *sound = false;
        if (!*sound) break;
        status = take_batch(log, last, &header, error);
    }
    mg_scan_close(&scan);
    int64_t reach = last->end_offset - last->segment->base_offset;
    if (claimed->relative_offset >= reach) *sound = false;
    return status;
}

static const claim NO_CLAIM = {.timestamp = MG_TIMESTAMP_NONE, .relative_offset = -1};

void mg_follow_begin_walk(mg_proven *last, mg_segment *segment)
{
    *last = (mg_proven){.segment = segment,
                        .has_file = true,
                        .end_offset = segment->base_offset,
                        .max_timestamp = MG_TIMESTAMP_NONE};
}

/* ---- The index that an orderly end left. After any other, nobody knows how old it is. ---- */

static mg_status load_index_files(const mg_log *log, mg_segment *segment, int64_t size, bool *sound,
                                  mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_error trouble;
    *sound = false;
    mg_status status =
        mg_log_path(path, log->directory, segment->base_offset, MG_OFFSET_INDEX_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_offset_index_load(atomic_load(&segment->offset_index), log->files, path, size,
                                  sound, &trouble);
    if (status == MG_OK && *sound) {
        status =
            mg_log_path(path, log->directory, segment->base_offset, MG_TIME_INDEX_SUFFIX, error);
        if (status != MG_OK) return status;
        status = mg_time_index_load(atomic_load(&segment->time_index), log->files, path, sound,
                                    &trouble);
    }
    if (status == MG_OK) return MG_OK;
    *sound = false;
    if (status == MG_NOT_FOUND || status == MG_TOO_LARGE) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

/* Puts the walk at the last entry, if the batch there is the one that the entry speaks of. */
static mg_status jump_to_entry(mg_proven *last, claim *claimed, bool *sound, mg_error *error)
{
    mg_segment *segment = last->segment;
    const mg_offset_index *offsets = atomic_load(&segment->offset_index);
    const mg_time_index *times = atomic_load(&segment->time_index);
    size_t count = mg_chunks_count(&offsets->entries);
    size_t times_count = mg_chunks_count(&times->entries);
    *sound = false;
    if (count == 0 || times_count == 0) return MG_OK; /* nothing is gained */
    mg_offset_entry entry = mg_offset_index_at(offsets, count - 1);
    mg_time_entry latest = mg_time_index_at(times, times_count - 1);

    mg_scan scan;
    mg_batch_header header;
    mg_status status = mg_scan_open(&scan, error);
    if (status != MG_OK) return status;
    bool whole = false;
    status = mg_scan_begin(&scan, segment->log_file.file, error);
    if (status == MG_OK) status = mg_follow_look_at(&scan, entry.position, &header, &whole, error);
    mg_scan_close(&scan);
    if (status != MG_OK || !whole) return status;
    if (mg_batch_last_offset(&header) != segment->base_offset + entry.relative_offset ||
        header.base_offset < segment->base_offset) {
        return MG_OK;
    }
    last->size = entry.position;
    last->end_offset = header.base_offset;
    last->last_index_position = entry.position;
    last->max_timestamp = latest.timestamp;
    last->max_timestamp_offset = latest.relative_offset;
    *claimed = (claim){.timestamp = latest.timestamp, .relative_offset = latest.relative_offset};
    *sound = true;
    return MG_OK;
}

/* The claim again, of the batch that is said to have the greatest timestamp. */
static mg_status check_claim(const mg_log *log, const mg_proven *last, const claim *claimed,
                             bool *sound, mg_error *error)
{
    mg_walk walk;
    mg_batch_header header;
    mg_segment *segment = last->segment;
    int64_t offset = segment->base_offset + claimed->relative_offset;
    atomic_store(&segment->end,
                 mg_segment_end_word(last->end_offset - segment->base_offset, last->size));
    mg_status status = mg_log_seek(log, segment, offset, 0, &walk, &header, error);
    *sound = status == MG_OK && header.max_timestamp == claimed->timestamp;
    return status == MG_NOT_FOUND || status == MG_CORRUPT ? MG_OK : status;
}

mg_status mg_follow_walk_on(mg_log *log, mg_proven *last, mg_error *error)
{
    bool sound = true;
    return walk_on(log, last, &NO_CLAIM, &sound, error);
}

mg_status mg_follow_walk_segment(mg_log *log, mg_segment *segment, int64_t size, mg_proven *last,
                                 mg_error *error)
{
    bool sound = false;
    claim claimed = NO_CLAIM;
    mg_follow_begin_walk(last, segment);
    mg_status status = mg_segment_open_indexes(segment, error);
    if (status == MG_OK && log->follow->was_clean)
        status = load_index_files(log, segment, size, &sound, error);
    if (status == MG_OK && sound) status = jump_to_entry(last, &claimed, &sound, error);
    if (status == MG_OK && sound) status = walk_on(log, last, &claimed, &sound, error);
    if (status == MG_OK && sound) status = check_claim(log, last, &claimed, &sound, error);
    if (status == MG_OK && !sound) {
        mg_follow_begin_walk(last, segment);
        status = mg_segment_open_indexes(segment, error);
        if (status == MG_OK) status = walk_on(log, last, &NO_CLAIM, &sound, error);
    }
    return status;
}
