/* roll.c -- space, memory and segments for the appender, by threads that may wait for a disk. */
#include "log/roll.h"

#include "batch/batch_format.h"
#include "log/names.h"
#include "log/walk.h"

#include <errno.h>

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- Space ---- */

/* Index entries that the claimed space can ask for: at most one a batch and one an interval. */
static mg_status reserve_indexes(mg_log *log, mg_segment *segment, int64_t space, mg_error *error)
{
    int64_t interval = atomic_load_explicit(&log->index_interval_size, memory_order_relaxed);
    int64_t step = larger(interval + 1, MG_BATCH_HEADER_SIZE);
    size_t more = (size_t)(larger(space, 0) / step) + 2;
    mg_status status = mg_offset_index_reserve(atomic_load(&segment->offset_index), more, error);
    if (status != MG_OK) return status;
    return mg_time_index_reserve(atomic_load(&segment->time_index), more, error);
}

static int64_t grain_up(int64_t size)
{
    return (size + MG_RESERVE_GRAIN - 1) / MG_RESERVE_GRAIN * MG_RESERVE_GRAIN;
}

/* Reserves, but for what is kept free: who fills a disk leaves room for what empties it. */
static mg_status claim(mg_log *log, mg_file *file, int64_t from, int64_t size, mg_error *error)
{
    int64_t keep = atomic_load_explicit(&log->keep_free, memory_order_relaxed);
    if (keep > 0) {
        mg_file_space space;
        mg_status status = mg_file_find_space(file, &space, error);
        if (status != MG_OK) return status;
        keep = smaller(keep, space.total / MG_KEEP_FREE_SHARE);
        if (space.free < keep || space.free - keep < size) {
            return mg_fail(error, MG_NO_SPACE, ENOSPC,
                           "%.90s: %lld bytes are left, %lld are kept free; nothing was appended",
                           log->directory, (long long)space.free, (long long)keep);
        }
    }
    return mg_file_reserve(file, from, size, error);
}

/* Claims space up to `needed`, and further in doubling steps while the disk has it. */
static mg_status extend(mg_log *log, mg_segment *segment, int64_t needed, mg_error *error)
{
    mg_active *active = &log->active;
    int64_t from = atomic_load(&active->reserved_end);
    int64_t step = atomic_load(&active->reserve_step);
    step = step == 0 ? MG_RESERVE_FIRST : smaller(step * 2, MG_RESERVE_MAX);
    int64_t size_max = atomic_load_explicit(&log->segment_size_max, memory_order_relaxed);
    int64_t wanted = larger(grain_up(needed), smaller(from + step, grain_up(size_max)));
    if (wanted <= from) return MG_OK;

    int64_t used = mg_segment_size(segment);
    mg_status status = reserve_indexes(log, segment, wanted - used, error);
    if (status != MG_OK) return status;
    status = claim(log, segment->log_file.file, from, wanted - from, error);
    if (status == MG_NO_SPACE && needed > from && grain_up(needed) < wanted) {
        wanted = grain_up(needed);
        status = claim(log, segment->log_file.file, from, wanted - from, error);
    }
    if (status != MG_OK) return status;
    atomic_store_explicit(&active->reserve_step, step, memory_order_relaxed);
    atomic_store_explicit(&active->reserved_end, wanted, memory_order_release);
    return MG_OK;
}

bool mg_log_wants_room(const mg_log *log)
{
    int64_t step = atomic_load_explicit(&log->active.reserve_step, memory_order_relaxed);
    if (step == 0) return false; /* nothing was ever appended: nothing is reserved */
    int64_t reserved_end = atomic_load_explicit(&log->active.reserved_end, memory_order_relaxed);
    int64_t size_max = atomic_load_explicit(&log->segment_size_max, memory_order_relaxed);
    if (reserved_end >= grain_up(size_max)) return false;
    /* Both belong to the appender's turn; seen from elsewhere the answer may be a step old. */
    int64_t used = atomic_load_explicit(&log->active.published_size, memory_order_relaxed);
    return reserved_end - used < step / 2;
}

mg_status mg_log_reserve_ahead(mg_log *log, mg_error *error)
{
    mg_status status = mg_log_healthy(log, error);
    if (status != MG_OK) return status;
    (void)pthread_mutex_lock(&log->room_lock);
    if (mg_log_wants_room(log)) {
        mg_segment *segment = mg_segment_list_last(mg_log_list(log));
        status = extend(log, segment, 0, error);
    }
    (void)pthread_mutex_unlock(&log->room_lock);
    mg_log_reap(log);
    return status;
}

/* ---- Segments ---- */

static mg_status create_file(mg_log *log, mg_segment *segment, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_status status =
        mg_log_path(path, log->directory, segment->base_offset, MG_LOG_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_file_open(log->files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file,
                          error);
    if (status != MG_OK) return status;
    mg_pooled_adopt(&segment->log_file, file);
    return MG_OK;
}

mg_status mg_log_create_segment(mg_log *log, int64_t base_offset, mg_segment **out, mg_error *error)
{
    mg_segment *segment = NULL;
    mg_status status = mg_segment_open(&segment, log->files, base_offset, error);
    if (status != MG_OK) return status;
    atomic_store(&segment->max_timestamp, MG_TIMESTAMP_NONE);
    status = mg_segment_open_indexes(segment, error);
    if (status == MG_OK) status = create_file(log, segment, error);
    if (status != MG_OK) {
        mg_segment_close(segment);
        return status;
    }
    *out = segment;
    return MG_OK;
}

void mg_log_discard_segment(mg_log *log, mg_segment *segment)
{
    mg_pooled_unpin(&segment->log_file);
    mg_status ignored = mg_segment_remove_files(segment, log->directory, NULL);
    (void)ignored; /* an empty file at the end of the log is harmless */
    mg_segment_close(segment);
}

/* Kafka's last time entry: a sealed segment's index ends with its greatest timestamp. */
static mg_status finish_time_index(mg_log *log, mg_error *error)
{
    const mg_active *active = &log->active;
    mg_time_index *index = atomic_load(&active->segment->time_index);
    mg_status status = mg_time_index_reserve(index, 1, error);
    if (status != MG_OK) return status;
    mg_time_index_append(index, (mg_time_entry){.timestamp = active->max_timestamp,
                                                .relative_offset = active->max_timestamp_offset});
    return MG_OK;
}

mg_status mg_log_write_indexes(mg_log *log, mg_segment *segment, int64_t end_offset,
                               mg_error *error)
{
    char path[MG_PATH_SIZE];
    int64_t base = segment->base_offset;
    mg_status status = mg_segment_write_indexes(segment, log->directory, error);
    if (status == MG_OK) {
        status = mg_log_path(path, log->directory, base, MG_TXN_INDEX_SUFFIX, error);
    }
    if (status != MG_OK) return status;
    return mg_txn_index_save(&log->aborted, log->files, path, base, end_offset, error);
}

mg_status mg_log_write_active_indexes(mg_log *log, mg_error *error)
{
    mg_status status = finish_time_index(log, error);
    if (status != MG_OK) return status;
    return mg_log_write_indexes(log, log->active.segment, log->active.end_offset, error);
}

static mg_status write_sealed_files(mg_log *log, int64_t base_offset, mg_error *error)
{
    const mg_active *active = &log->active;
    mg_status status = mg_log_write_active_indexes(log, error);
    if (status != MG_OK) return status;
    char path[MG_PATH_SIZE];
    status = mg_log_path(path, log->directory, base_offset, MG_SNAPSHOT_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_producers_save(&log->producers, log->files, path, false, error);
    if (status != MG_OK) return status;
    return mg_file_truncate(active->segment->log_file.file, active->size, error);
}

/* The list with one segment more. */
static mg_status longer_list(const mg_segment_list *old, mg_segment *segment, mg_segment_list **out,
                             mg_error *error)
{
    mg_status status = mg_segment_list_open(out, old->count + 1, error);
    if (status != MG_OK) return status;
    for (size_t i = 0; i < old->count; i++)
        (*out)->segments[i] = old->segments[i];
    (*out)->segments[old->count] = segment;
    return MG_OK;
}

/* `lock` held. The memory of the indexes goes when no reader searches it any more. */
static void seal(mg_log *log, mg_segment *segment)
{
    mg_offset_index *offset_index = atomic_exchange(&segment->offset_index, NULL);
    mg_time_index *time_index = atomic_exchange(&segment->time_index, NULL);
    mg_log_retire(log, &offset_index->retired);
    mg_log_retire(log, &time_index->retired);
    /* The appender's pin becomes the flusher's. */
    segment->is_unsynced = true;
    atomic_store(&log->has_unsynced, true);
    log->directory_dirty = true;
}

static mg_status switch_to(mg_log *log, mg_segment *fresh, mg_error *error)
{
    mg_segment *old = log->active.segment;
    mg_segment_list *list = NULL;
    (void)pthread_mutex_lock(&log->lock);
    mg_status status = longer_list(mg_log_list(log), fresh, &list, error);
    if (status == MG_OK) {
        mg_log_publish_list(log, list);
        seal(log, old);
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (status != MG_OK) return status;
    mg_pooled_enroll(&old->log_file, log->files);
    mg_log_begin_active(log, fresh);
    log->is_changed = true;
    return MG_OK;
}

mg_status mg_log_roll_to(mg_log *log, int64_t base_offset, mg_error *error)
{
    MG_ASSERT(base_offset >= log->active.end_offset);
    MG_ASSERT(base_offset > log->active.segment->base_offset);
    mg_segment *fresh = NULL;
    mg_error cause;
    mg_status status = mg_log_create_segment(log, base_offset, &fresh, error);
    if (status != MG_OK) return status;

    status = write_sealed_files(log, base_offset, &cause);
    if (status == MG_OK) status = switch_to(log, fresh, &cause);
    if (status == MG_OK) return MG_OK;
    mg_log_discard_segment(log, fresh);
    if (error != NULL) *error = cause;
    /* What was half written is written anew by the next attempt, but not after a failing disk. */
    if (status == MG_IO) return mg_log_poison(log, status, &cause);
    return status;
}

/* The first batch's timestamp decides when a segment is old; after an open it is not known. */
static mg_status look_up_first_timestamp(mg_log *log, mg_error *error)
{
    mg_active *active = &log->active;
    if (active->first_timestamp != MG_TIMESTAMP_UNKNOWN || active->size == 0) return MG_OK;
    mg_batch_header header;
    mg_walk walk;
    mg_walk_init(&walk, active->segment->log_file.file, 0, active->size, 0);
    mg_status status = mg_walk_peek(&walk, &header, NULL, error);
    if (status == MG_IO) return status;
    active->first_timestamp = status == MG_OK ? header.max_timestamp : MG_TIMESTAMP_NONE;
    return MG_OK;
}

static mg_status make_room(mg_log *log, const mg_batch_header *next, int64_t now_ms,
                           mg_error *error)
{
    mg_status status = look_up_first_timestamp(log, error);
    if (status != MG_OK) return status;
    if (mg_log_must_roll(log, next, now_ms)) {
        status = mg_log_roll_to(log, log->active.end_offset, error);
        if (status != MG_OK) return status;
    }
    mg_active *active = &log->active;
    int64_t needed = active->size + next->size;
    if (needed > MG_SEGMENT_SIZE_MAX) {
        return mg_fail(error, MG_TOO_LARGE, 0, "a batch of %d bytes", next->size);
    }
    if (needed > atomic_load(&active->reserved_end)) {
        status = extend(log, active->segment, needed, error);
        if (status != MG_OK) return status;
    }
    return reserve_indexes(log, active->segment, atomic_load(&active->reserved_end) - active->size,
                           error);
}

static mg_status make_producer_room(mg_log *log, const mg_batch_header *next, int64_t now_ms,
                                    mg_error *error)
{
    if (next->producer_id < 0 || mg_producers_has_room(&log->producers, next->producer_id)) {
        return MG_OK;
    }
    mg_retired *replaced = NULL;
    int64_t expiry_ms = atomic_load_explicit(&log->producer_expiry_ms, memory_order_relaxed);
    mg_status status =
        mg_producers_reserve(&log->producers, 1, now_ms, expiry_ms, &replaced, error);
    (void)pthread_mutex_lock(&log->lock);
    mg_log_retire(log, replaced);
    (void)pthread_mutex_unlock(&log->lock);
    return status;
}

mg_status mg_log_make_room(mg_log *log, const mg_batch_header *next, int64_t now_ms,
                           mg_error *error)
{
    MG_ASSERT(next->size > 0);
    mg_status status = mg_log_healthy(log, error);
    if (status != MG_OK) return status;
    (void)pthread_mutex_lock(&log->room_lock);
    status = make_room(log, next, now_ms, error);
    (void)pthread_mutex_unlock(&log->room_lock);
    if (status == MG_OK) status = make_producer_room(log, next, now_ms, error);
    if (status == MG_OK) status = mg_epochs_reserve(&log->epochs, error);
    if (status == MG_OK && (next->attributes & MG_BATCH_CONTROL) != 0) {
        status = mg_txn_index_reserve(&log->aborted, error);
    }
    mg_log_reap(log);
    return status;
}

mg_status mg_log_roll(mg_log *log, mg_error *error)
{
    mg_status status = mg_log_healthy(log, error);
    if (status != MG_OK || log->active.size == 0) return status;
    (void)pthread_mutex_lock(&log->room_lock);
    status = mg_log_roll_to(log, log->active.end_offset, error);
    (void)pthread_mutex_unlock(&log->room_lock);
    mg_log_reap(log);
    return status;
}
