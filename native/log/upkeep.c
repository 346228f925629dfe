/* upkeep.c -- retention, raising the start, truncation.
 *
 * A removed segment leaves the list first, then its names leave the directory,
 * then its memory goes when no slice pins it: the kernel keeps an open file's
 * bytes for as long. Oldest first, or newest first where the end is cut, so that
 * a crash in between leaves a log without a hole.
 */
#include "log/state.h"

#include "batch/batch_format.h"
#include "log/index_walk.h"
#include "log/inventory.h"
#include "log/names.h"
#include "log/roll.h"
#include "log/walk.h"

#include <stdlib.h>

/* ---- Retention ---- */

typedef struct retention {
    int64_t ms;
    int64_t surplus; /* bytes that may go; -1: without limit to the size */
    int64_t limit_offset;
    int64_t start_offset;
    int64_t now_ms;
} retention;

static mg_status is_too_old(mg_log *log, mg_segment *segment, const retention *rules, bool *answer,
                            mg_error *error)
{
    *answer = false;
    if (rules->ms < 0) return MG_OK;
    int64_t timestamp = MG_TIMESTAMP_NONE;
    mg_status status = mg_segment_max_timestamp(segment, log->directory, &timestamp, error);
    if (status != MG_OK) return status;
    if (timestamp < 0) { /* Kafka's rule: what has no timestamps is as old as its file */
        char path[MG_PATH_SIZE];
        mg_file_facts facts;
        status = mg_log_path(path, log->directory, segment->base_offset, MG_LOG_SUFFIX, error);
        if (status == MG_OK) status = mg_files_stat(log->files, path, &facts, error);
        if (status != MG_OK) return status;
        timestamp = facts.modified_ns / 1000000;
    }
    *answer = timestamp < rules->now_ms - rules->ms;
    return MG_OK;
}

static mg_status may_go(mg_log *log, mg_segment *segment, int64_t next_base, retention *rules,
                        bool *answer, mg_error *error)
{
    *answer = false;
    if (next_base > rules->limit_offset) return MG_OK;
    int64_t size = mg_segment_size(segment);
    bool is_surplus = rules->surplus >= 0 && rules->surplus >= size;
    bool is_unreadable = next_base <= rules->start_offset;
    if (is_surplus || is_unreadable) {
        *answer = true;
    } else {
        mg_status status = is_too_old(log, segment, rules, answer, error);
        if (status != MG_OK) return status;
    }
    if (*answer && rules->surplus >= 0) rules->surplus -= size;
    return MG_OK;
}

/* How many sealed segments from the oldest on may go. The caller is inside the readers. */
static mg_status count_old(mg_log *log, const mg_segment_list *list, retention *rules,
                           size_t *count, mg_error *error)
{
    *count = 0;
    for (size_t slot = 0; slot + 1 < list->count; slot++) {
        bool goes = false;
        mg_status status = may_go(log, list->segments[slot], list->segments[slot + 1]->base_offset,
                                  rules, &goes, error);
        if (status != MG_OK) return status;
        if (!goes) break;
        *count = slot + 1;
    }
    return MG_OK;
}

void mg_log_leave_list(mg_log *log, mg_segment *segment)
{
    atomic_store(&segment->removed, true);
    if (segment->is_unsynced) {
        segment->is_unsynced = false;
        mg_pooled_unpin(&segment->log_file);
    }
    log->directory_dirty = true;
    atomic_fetch_sub_explicit(&log->size, mg_segment_size(segment), memory_order_relaxed);
}

/* Takes the oldest `count` segments out; `*removed` is the old list, to be looked through before
 * it is retired. NULL: the list is no longer `seen`. */
static mg_status drop_oldest(mg_log *log, const mg_segment_list *seen, size_t count,
                             mg_segment_list **removed, mg_error *error)
{
    mg_segment_list *list = NULL;
    *removed = NULL;
    (void)pthread_mutex_lock(&log->lock);
    mg_segment_list *old = mg_log_list(log);
    /* Rolled meanwhile is fine, the oldest are the same; a truncation may have replaced one. */
    bool same = old->count > count;
    for (size_t i = 0; same && i < count; i++)
        same = old->segments[i] == seen->segments[i];
    mg_status status = MG_OK;
    if (same) status = mg_segment_list_open(&list, old->count - count, error);
    if (same && status == MG_OK) {
        for (size_t i = count; i < old->count; i++)
            list->segments[i - count] = old->segments[i];
        int64_t start_offset = list->segments[0]->base_offset;
        if (start_offset > atomic_load(&log->start_offset)) {
            atomic_store_explicit(&log->start_offset, start_offset, memory_order_release);
        }
        atomic_fetch_add(&log->swaps, 1); /* as with a compaction's: see mg_log_swaps */
        for (size_t i = 0; i < count; i++)
            mg_log_leave_list(log, old->segments[i]);
        atomic_store(&log->list, list);
        mg_txn_index_cut_start(&log->aborted, list->segments[0]->base_offset);
        atomic_fetch_add(&log->swaps, 1);
        *removed = old;
    }
    (void)pthread_mutex_unlock(&log->lock);
    return status;
}

static void retire_removed(mg_log *log, mg_segment_list *old, size_t from, size_t to)
{
    (void)pthread_mutex_lock(&log->lock);
    for (size_t i = from; i < to; i++)
        mg_log_retire(log, &old->segments[i]->retired);
    mg_log_retire(log, &old->retired);
    (void)pthread_mutex_unlock(&log->lock);
}

/* What the batches said of producers and their transactions is all in the snapshot once they are
 * gone, and the flusher will not come for a segment that is no more. */
static mg_status keep_producers(mg_log *log, const mg_segment_list *seen, size_t count,
                                mg_error *error)
{
    mg_error cause;
    mg_status status = mg_log_sync_snapshot(log, seen->segments[count]->base_offset, &cause);
    if (status == MG_OK) status = mg_files_sync_directory(log->files, log->directory, &cause);
    if (status == MG_OK) return MG_OK;
    if (error != NULL) *error = cause;
    return mg_log_poison(log, status, &cause);
}

static mg_status delete_oldest(mg_log *log, const mg_segment_list *seen, size_t count,
                               int32_t *deleted, mg_error *error)
{
    mg_segment_list *old = NULL;
    mg_status status = keep_producers(log, seen, count, error);
    if (status == MG_OK) status = drop_oldest(log, seen, count, &old, error);
    if (status != MG_OK || old == NULL) return status;
    mg_epochs_raise_start(&log->epochs, atomic_load(&log->start_offset));
    for (size_t i = 0; i < count && status == MG_OK; i++) {
        status = mg_segment_remove_files(old->segments[i], log->directory, error);
    }
    retire_removed(log, old, 0, count);
    *deleted = (int32_t)count;
    return status;
}

mg_status mg_log_delete_old(mg_log *log, int64_t retention_ms, int64_t retention_size,
                            int64_t limit_offset, int64_t now_ms, int32_t *deleted, mg_error *error)
{
    *deleted = 0;
    if (log->follow != NULL) return mg_log_healthy(log, error);
    retention rules = {.ms = retention_ms,
                       .surplus = -1,
                       .limit_offset = limit_offset,
                       .start_offset = atomic_load(&log->start_offset),
                       .now_ms = now_ms};
    int64_t size = mg_log_size(log);
    if (retention_size >= 0 && size > retention_size) rules.surplus = size - retention_size;

    mg_readers_enter(&log->readers);
    const mg_segment_list *list = mg_log_list(log);
    size_t count = 0;
    mg_status status = count_old(log, list, &rules, &count, error);
    if (status == MG_OK && count > 0) {
        (void)pthread_mutex_lock(&log->names_lock);
        status = delete_oldest(log, list, count, deleted, error);
        (void)pthread_mutex_unlock(&log->names_lock);
    }
    mg_readers_leave(&log->readers);
    mg_log_reap(log);
    if (status == MG_CLOSED) return MG_OK; /* truncated meanwhile: the next round sees */
    return status;
}

mg_status mg_log_raise_start(mg_log *log, int64_t offset, mg_error *error)
{
    if (log->follow != NULL) return mg_log_healthy(log, error);
    if (offset > mg_log_end_offset(log)) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "start offset %lld above the end",
                       (long long)offset);
    }
    (void)pthread_mutex_lock(&log->lock);
    bool raises = offset > atomic_load(&log->start_offset);
    if (raises) atomic_store_explicit(&log->start_offset, offset, memory_order_release);
    (void)pthread_mutex_unlock(&log->lock);
    if (raises) mg_epochs_raise_start(&log->epochs, offset);
    return MG_OK;
}

/* ---- Truncation ---- */

/* The first `size` bytes of the segment in a new, synced file `<base>.log.cleaned`, which a crash
 * would leave to be removed. */
static mg_status write_shorter(mg_log *log, mg_segment *old, int64_t size, mg_file **out,
                               mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_status status =
        mg_log_path(path, log->directory, old->base_offset, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_file_open(log->files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file,
                          error);
    if (status != MG_OK) return status;
    status = mg_file_copy(old->log_file.file, 0, size, file, 0, error);
    if (status == MG_OK) status = mg_file_sync(file, error);
    if (status != MG_OK) {
        mg_file_close(file);
        mg_status ignored = mg_files_remove(log->files, path, NULL);
        (void)ignored;
        return status;
    }
    *out = file;
    return MG_OK;
}

/* Indexes of what is left, by a walk: simple, and truncation is rare. */
static mg_status index_shorter(mg_log *log, mg_segment *segment, int64_t size, mg_error *error)
{
    int64_t interval = atomic_load_explicit(&log->index_interval_size, memory_order_relaxed);
    mg_time_index *times = atomic_load(&segment->time_index);
    mg_index_walk built;
    mg_status status = mg_log_index_walk(segment, interval, size, &built, error);
    if (status == MG_OK) status = mg_time_index_reserve(times, 2, error);
    if (status != MG_OK) return status;
    /* What the appender goes on from is taken from the last entry. */
    mg_time_index_append(times, (mg_time_entry){.timestamp = built.max_timestamp,
                                                .relative_offset = built.max_timestamp_offset});
    atomic_store(&segment->max_timestamp, built.max_timestamp);
    return MG_OK;
}

/* What recovery once took out of the part that stays. */
static mg_status copy_damaged(mg_segment *to, const mg_segment *from, int64_t size, mg_error *error)
{
    size_t count = 0;
    while (count < from->damaged_count && from->damaged[count] < size)
        count++;
    if (count == 0) return MG_OK;
    to->damaged = calloc(count, sizeof *to->damaged);
    if (to->damaged == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "segment");
    for (size_t i = 0; i < count; i++)
        to->damaged[i] = from->damaged[i];
    to->damaged_count = count;
    return MG_OK;
}

/* The segment that becomes the last: its first `size` bytes, published up to `offset`. */
static mg_status make_shorter(mg_log *log, mg_segment *old, int64_t size, int64_t offset,
                              mg_segment **out, mg_error *error)
{
    mg_segment *fresh = NULL;
    mg_file *file = NULL;
    mg_status status = mg_segment_open(&fresh, log->files, old->base_offset, error);
    if (status != MG_OK) return status;
    status = copy_damaged(fresh, old, size, error);
    if (status == MG_OK) status = mg_segment_open_indexes(fresh, error);
    if (status == MG_OK) status = write_shorter(log, old, size, &file, error);
    if (status == MG_OK) {
        mg_pooled_adopt(&fresh->log_file, file);
        status = index_shorter(log, fresh, size, error);
        if (status != MG_OK) mg_pooled_unpin(&fresh->log_file);
    }
    if (status != MG_OK) {
        mg_segment_close(fresh);
        return status;
    }
    atomic_store(&fresh->end, mg_segment_end_word(offset - fresh->base_offset, size));
    *out = fresh;
    return MG_OK;
}

/* `fresh` in place of the segment in `slot`, nothing after it. Answers the old list. */
static mg_status switch_list(mg_log *log, mg_segment *fresh, mg_segment_list **old, size_t *slot,
                             mg_error *error)
{
    mg_segment_list *list = NULL;
    (void)pthread_mutex_lock(&log->lock);
    *old = mg_log_list(log);
    /* Retention may have shortened the list since it was searched. */
    bool found = mg_segment_list_find(*old, fresh->base_offset, slot);
    found = found && (*old)->segments[*slot]->base_offset == fresh->base_offset;
    mg_status status = MG_OK;
    if (!found) status = mg_fail(error, MG_BUSY, 0, "the segment was just deleted");
    if (status == MG_OK) status = mg_segment_list_open(&list, *slot + 1, error);
    if (status == MG_OK) {
        for (size_t i = 0; i < *slot; i++)
            list->segments[i] = (*old)->segments[i];
        list->segments[*slot] = fresh;
        /* The active segment has the appender's pin, which nobody else will take off. */
        mg_pooled_unpin(&mg_segment_list_last(*old)->log_file);
        for (size_t i = *slot; i < (*old)->count; i++)
            mg_log_leave_list(log, (*old)->segments[i]);
        atomic_fetch_add_explicit(&log->size, mg_segment_size(fresh), memory_order_relaxed);
        int64_t end_offset = mg_segment_end_offset(fresh);
        atomic_store_explicit(&log->end_offset, end_offset, memory_order_release);
        if (atomic_load(&log->durable_end) > end_offset) {
            atomic_store_explicit(&log->durable_end, end_offset, memory_order_release);
        }
        log->truncations++;
        atomic_store(&log->list, list);
    }
    (void)pthread_mutex_unlock(&log->lock);
    return status;
}

/* The names: what is above goes, newest first, then the shorter file takes its place. The names of
 * damage come last: a crash before leaves a log that may be longer than it should be, and says
 * where it has a gap. */
static mg_status switch_files(mg_log *log, const mg_segment_list *old, size_t slot, int64_t offset,
                              mg_error *error)
{
    mg_status status = MG_OK;
    for (size_t i = old->count; i-- > slot + 1 && status == MG_OK;) {
        status = mg_segment_remove_files(old->segments[i], log->directory, error);
    }
    if (status == MG_OK) status = mg_files_sync_directory(log->files, log->directory, error);
    char from[MG_PATH_SIZE];
    char to[MG_PATH_SIZE];
    int64_t base = old->segments[slot]->base_offset;
    if (status == MG_OK) {
        status = mg_log_path(from, log->directory, base, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, error);
    }
    if (status == MG_OK) status = mg_log_path(to, log->directory, base, MG_LOG_SUFFIX, error);
    if (status == MG_OK) status = mg_files_rename(log->files, from, to, error);
    if (status == MG_OK) status = mg_files_sync_directory(log->files, log->directory, error);
    if (status == MG_OK)
        status = mg_inventory_truncate_damages(log->files, log->directory, offset, error);
    if (status == MG_OK) status = mg_files_sync_directory(log->files, log->directory, error);
    return status;
}

static mg_status apply_truncation(mg_log *log, mg_segment *fresh, int64_t offset, mg_error *error)
{
    mg_segment_list *old = NULL;
    size_t slot = 0;
    mg_status status = switch_list(log, fresh, &old, &slot, error);
    if (status != MG_OK) {
        mg_pooled_unpin(&fresh->log_file);
        mg_segment_close(fresh);
        return status;
    }
    mg_log_begin_active(log, fresh);
    log->is_changed = true;
    mg_epochs_cut_end(&log->epochs, offset);
    mg_txn_index_cut_end(&log->aborted, offset);

    mg_error cause;
    status = switch_files(log, old, slot, offset, &cause);
    if (status == MG_OK) status = mg_log_tidy_snapshots(log, offset + 1, -1, &cause);
    if (status == MG_OK) {
        /* Expiry is not asked again: whoever was known is known. */
        status = mg_log_load_producers(log, mg_log_list(log), offset, 0, &cause);
    }
    retire_removed(log, old, slot, old->count);
    if (status == MG_OK) return MG_OK;
    if (error != NULL) *error = cause;
    return mg_log_poison(log, status, &cause);
}

/* Where in the segment the first batch begins that must go. */
static mg_status find_cut(mg_log *log, mg_segment *segment, int64_t offset, int64_t *position,
                          mg_error *error)
{
    mg_walk walk;
    mg_batch_header header;
    mg_status status = mg_log_seek(log, segment, offset, 0, &walk, &header, error);
    if (status != MG_OK && status != MG_NOT_FOUND) return status;
    *position = walk.position;
    return MG_OK;
}

static mg_status truncate_to(mg_log *log, int64_t offset, mg_error *error)
{
    const mg_segment_list *list = mg_log_list(log);
    size_t slot = 0;
    if (offset < atomic_load(&log->start_offset) || !mg_segment_list_find(list, offset, &slot)) {
        return mg_fail(error, MG_OUT_OF_RANGE, 0, "offset %lld below the start", (long long)offset);
    }
    mg_segment *old = list->segments[slot];
    mg_status status = mg_segment_pin(old, &old->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    int64_t position = 0;
    mg_segment *fresh = NULL;
    status = find_cut(log, old, offset, &position, error);
    if (status == MG_OK) status = make_shorter(log, old, position, offset, &fresh, error);
    mg_pooled_unpin(&old->log_file);
    if (status != MG_OK) return status;
    return apply_truncation(log, fresh, offset, error);
}

mg_status mg_log_truncate(mg_log *log, int64_t offset, mg_error *error)
{
    mg_status status = mg_log_healthy(log, error);
    if (status != MG_OK || offset >= mg_log_end_offset(log)) return status;
    (void)pthread_mutex_lock(&log->room_lock);
    (void)pthread_mutex_lock(&log->names_lock);
    mg_readers_enter(&log->readers);
    status = truncate_to(log, offset, error);
    mg_readers_leave(&log->readers);
    (void)pthread_mutex_unlock(&log->names_lock);
    (void)pthread_mutex_unlock(&log->room_lock);
    mg_log_reap(log);
    return status;
}
