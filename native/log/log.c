#include "log/log.h"

#include "batch/batch_format.h"
#include "log/doubt.h"
#include "log/follow.h"
#include "log/names.h"
#include "log/roll.h"
#include "log/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- Health ---- */

mg_status mg_log_poison(mg_log *log, mg_status status, mg_error *cause)
{
    MG_ASSERT(status != MG_OK);
    if (cause->is_of_sync) mg_doubt_leave(log->files, log->directory);
    (void)pthread_mutex_lock(&log->lock);
    /* A full disk after a promise is a failing one: nobody may take it for what can be retried. */
    if (status == MG_NO_SPACE) cause->status = status = MG_IO;
    if (!atomic_load(&log->is_poisoned)) {
        log->first_error = *cause;
        log->first_error.status = status;
        atomic_store(&log->is_poisoned, true);
    }
    (void)pthread_mutex_unlock(&log->lock);
    return status;
}

mg_status mg_log_healthy(const mg_log *log, mg_error *error)
{
    if (!atomic_load_explicit(&log->is_poisoned, memory_order_acquire)) return MG_OK;
    if (error != NULL) *error = log->first_error; /* written once, before the flag */
    return log->first_error.status;
}

mg_status mg_log_health(const mg_log *log, mg_error *error)
{
    if (log->follow != NULL) return MG_OK; /* refuses to write, but nothing is wrong with it */
    return mg_log_healthy(log, error);
}

/* ---- The list, and what it leaves behind ---- */

void mg_log_retire(mg_log *log, mg_retired *retired)
{
    if (retired == NULL) return;
    retired->next = log->retired;
    log->retired = retired;
}

void mg_log_publish_list(mg_log *log, mg_segment_list *list)
{
    mg_segment_list *old = atomic_exchange(&log->list, list);
    if (old != NULL) mg_log_retire(log, &old->retired);
}

void mg_log_reap(mg_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    mg_retired *chain = NULL;
    /* Whoever enters from here on follows pointers that were replaced before the lock. */
    if (atomic_load(&log->readers.inside) == 0) {
        chain = log->retired;
        log->retired = NULL;
    }
    (void)pthread_mutex_unlock(&log->lock);
    while (chain != NULL) {
        mg_retired *next = chain->next;
        if (!chain->release(chain)) { /* a slice still pins it */
            (void)pthread_mutex_lock(&log->lock);
            mg_log_retire(log, chain);
            (void)pthread_mutex_unlock(&log->lock);
        }
        chain = next;
    }
}

void mg_log_begin_active(mg_log *log, mg_segment *segment)
{
    mg_active *active = &log->active;
    const mg_offset_index *offsets = atomic_load(&segment->offset_index);
    const mg_time_index *times = atomic_load(&segment->time_index);
    active->segment = segment;
    active->size = mg_segment_size(segment);
    active->end_offset = mg_segment_end_offset(segment);
    active->first_timestamp = MG_TIMESTAMP_UNKNOWN;
    active->last_index_position = 0;
    active->max_timestamp = MG_TIMESTAMP_NONE;
    active->max_timestamp_offset = 0;
    size_t count = mg_chunks_count(&offsets->entries);
    if (count > 0) {
        active->last_index_position = mg_offset_index_at(offsets, count - 1).position;
    }
    count = mg_chunks_count(&times->entries);
    if (count > 0) {
        mg_time_entry last = mg_time_index_at(times, count - 1);
        active->max_timestamp = last.timestamp;
        active->max_timestamp_offset = last.relative_offset;
    }
    atomic_store(&active->reserved_end, active->size);
    atomic_store(&active->reserve_step, 0);
    atomic_store(&active->published_size, active->size);
}

/* ---- Opening ---- */

void mg_log_configure(mg_log *log, const mg_log_config *config)
{
    int64_t segment_size_max = config->segment_size_max;
    if (segment_size_max > MG_SEGMENT_SIZE_MAX) segment_size_max = MG_SEGMENT_SIZE_MAX;
    if (segment_size_max < 1) segment_size_max = 1;
    int64_t interval = config->index_interval_size;
    if (interval < 0) interval = 0;
    if (interval > MG_SEGMENT_SIZE_MAX) interval = MG_SEGMENT_SIZE_MAX;
    int64_t index_size_max = config->index_size_max;
    /* Below this not even one entry and its spare would fit, and every batch would roll. */
    if (index_size_max < 4 * MG_TIME_ENTRY_SIZE) index_size_max = 4 * MG_TIME_ENTRY_SIZE;
    atomic_store(&log->segment_size_max, segment_size_max);
    atomic_store(&log->segment_age_max_ms, config->segment_age_max_ms);
    atomic_store(&log->index_size_max, index_size_max);
    atomic_store(&log->index_interval_size, interval);
    atomic_store(&log->producer_expiry_ms, config->producer_expiry_ms);
    atomic_store(&log->keep_free, config->keep_free);
    atomic_store(&log->append_time, config->append_time);
}

static mg_status init(mg_log *log, mg_files *files, const char *path, mg_error *error)
{
    log->files = files;
    atomic_init(&log->list, NULL);
    mg_producers_init(&log->producers);
    log->directory = strdup(path);
    if (log->directory == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "log %.120s", path);
    bool has_locks = pthread_mutex_init(&log->lock, NULL) == 0 &&
                     pthread_mutex_init(&log->room_lock, NULL) == 0 &&
                     pthread_mutex_init(&log->names_lock, NULL) == 0;
    if (!has_locks) {
        free(log->directory);
        return mg_fail(error, MG_NO_MEMORY, 0, "log %.120s", path);
    }
    atomic_init(&log->first_open, -1);
    mg_status status = mg_epochs_init(&log->epochs, error);
    if (status == MG_OK) status = mg_txn_index_init(&log->aborted, error);
    if (status != MG_OK) free(log->directory);
    return status;
}

static mg_status make_directory(mg_log *log, bool *existed, mg_error *error)
{
    mg_file_facts facts;
    mg_error trouble;
    mg_status status = mg_files_stat(log->files, log->directory, &facts, &trouble);
    *existed = status == MG_OK;
    if (status == MG_OK) return MG_OK;
    if (status != MG_NOT_FOUND) {
        if (error != NULL) *error = trouble;
        return status;
    }
    status = mg_files_make_directory(log->files, log->directory, error);
    if (status == MG_OK) log->parent_dirty = true;
    return status;
}

/* Everything is closed, nobody is inside, no slice is left. */
static void deinit(mg_log *log)
{
    bool has_appender = log->follow == NULL;
    mg_follow_close(log);
    mg_segment_list *list = mg_log_list(log);
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        mg_segment *segment = list->segments[i];
        if (segment->is_unsynced) mg_pooled_unpin(&segment->log_file);
        /* The appender's pin. */
        if (has_appender && i + 1 == list->count) mg_pooled_unpin(&segment->log_file);
        mg_segment_close(segment);
    }
    mg_segment_list_close(list);
    mg_log_reap(log);
    MG_ASSERT(log->retired == NULL); /* a slice outlives its log */
    mg_producers_deinit(&log->producers);
    mg_epochs_deinit(&log->epochs);
    mg_txn_index_deinit(&log->aborted);
    (void)pthread_mutex_destroy(&log->lock);
    (void)pthread_mutex_destroy(&log->room_lock);
    (void)pthread_mutex_destroy(&log->names_lock);
    free(log->directory);
    free(log);
}

/* A log that knows nothing of its directory yet. */
static mg_status create(mg_log **out, mg_files *files, const char *path,
                        const mg_log_config *config, mg_error *error)
{
    mg_log *log = calloc(1, sizeof *log);
    if (log == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "log %.120s", path);
    mg_status status = init(log, files, path, error);
    if (status != MG_OK) {
        free(log);
        return status;
    }
    mg_log_configure(log, config);
    *out = log;
    return MG_OK;
}

mg_status mg_log_open(mg_log **out, mg_files *files, const char *path, const mg_log_config *config,
                      const mg_log_start *start, mg_log_report *report, mg_error *error)
{
    mg_log *log = NULL;
    mg_status status = create(&log, files, path, config, error);
    if (status != MG_OK) return status;
    mg_log_report made = {.cut_size = 0};
    bool existed = false;
    mg_error cause = {.status = MG_OK};
    status = make_directory(log, &existed, &cause);
    if (status == MG_OK) status = mg_log_recover(log, start, &made, &cause);
    if (status == MG_OK && existed && !start->clean) status = mg_log_settle(log, &cause);
    if (status != MG_OK) {
        if (cause.is_of_sync) mg_doubt_leave(files, path);
        if (error != NULL) *error = cause;
        deinit(log);
        return status;
    }
    if (report != NULL) *report = made;
    *out = log;
    return MG_OK;
}

mg_status mg_log_open_read_only(mg_log **out, mg_files *files, const char *path,
                                const mg_log_config *config, const mg_log_start *start,
                                mg_error *error)
{
    mg_log *log = NULL;
    mg_status status = create(&log, files, path, config, error);
    if (status != MG_OK) return status;
    status = mg_follow_open(log, start, error);
    if (status != MG_OK) {
        deinit(log);
        return status;
    }
    *out = log;
    return MG_OK;
}

/* ---- Closing ---- */

static mg_status save_snapshot(mg_log *log, mg_error *error)
{
    char path[MG_PATH_SIZE];
    int64_t end_offset = log->active.end_offset;
    mg_status status = mg_log_path(path, log->directory, end_offset, MG_SNAPSHOT_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_producers_save(&log->producers, log->files, path, true, error);
    if (status != MG_OK) return status;
    return mg_log_tidy_snapshots(log, log->active.segment->base_offset, end_offset, error);
}

static mg_status write_rest(mg_log *log, mg_error *error)
{
    mg_status status = mg_log_write_active_indexes(log, error);
    if (status != MG_OK) return status;
    status = mg_segment_sync_indexes(log->active.segment, log->directory, error);
    if (status != MG_OK) return status;
    mg_file *file = log->active.segment->log_file.file;
    status = mg_file_truncate(file, log->active.size, error); /* gives the reservation back */
    if (status == MG_OK) status = mg_file_sync(file, error);
    if (status == MG_OK) status = save_snapshot(log, error);
    if (status != MG_OK) return status;
    return mg_files_sync_directory(log->files, log->directory, error);
}

mg_status mg_log_close(mg_log *log, mg_error *error)
{
    if (log->follow != NULL) {
        deinit(log);
        return MG_OK;
    }
    mg_status status = mg_log_flush(log, error);
    bool has_reserved = atomic_load(&log->active.reserve_step) > 0;
    if (status == MG_OK && (log->is_changed || has_reserved)) {
        mg_error cause = {.status = MG_OK};
        status = write_rest(log, &cause);
        if (cause.is_of_sync) mg_doubt_leave(log->files, log->directory);
        if (status != MG_OK && error != NULL) *error = cause;
    }
    deinit(log);
    return status;
}

void mg_log_abandon(mg_log *log)
{
    deinit(log);
}

/* ---- Small questions ---- */

int64_t mg_log_start_offset(const mg_log *log)
{
    return atomic_load_explicit(&log->start_offset, memory_order_acquire);
}

int64_t mg_log_end_offset(const mg_log *log)
{
    return atomic_load_explicit(&log->end_offset, memory_order_acquire);
}

int64_t mg_log_durable_end(const mg_log *log)
{
    return atomic_load_explicit(&log->durable_end, memory_order_acquire);
}

int64_t mg_log_last_stable_offset(const mg_log *log)
{
    /* The end first: what is open below it was published before. */
    int64_t end_offset = mg_log_end_offset(log);
    int64_t first_open = atomic_load_explicit(&log->first_open, memory_order_acquire);
    if (first_open < 0 || first_open >= end_offset) return end_offset;
    int64_t start_offset = mg_log_start_offset(log);
    return first_open > start_offset ? first_open : start_offset;
}

int64_t mg_log_size(const mg_log *log)
{
    return atomic_load_explicit(&log->size, memory_order_relaxed);
}

/* A question does not change the log; being counted as a reader is not part of its value. */
static mg_log *as_reader(const mg_log *log)
{
    return (mg_log *)(uintptr_t)log;
}

int32_t mg_log_segment_count(const mg_log *log)
{
    mg_readers_enter(&as_reader(log)->readers);
    int32_t count = (int32_t)mg_log_list(log)->count;
    mg_readers_leave(&as_reader(log)->readers);
    return count;
}

void mg_log_epoch_end(const mg_log *log, int32_t epoch, int32_t *found, int64_t *end_offset)
{
    mg_epochs_end_of(&as_reader(log)->epochs, epoch, mg_log_end_offset(log), found, end_offset);
}

int32_t mg_log_latest_epoch(const mg_log *log)
{
    return mg_epochs_latest(&log->epochs);
}

size_t mg_log_aborted(const mg_log *log, int64_t from, int64_t to, mg_aborted *out, size_t room)
{
    return mg_txn_index_find(&as_reader(log)->aborted, from, to, out, room);
}

uint64_t mg_log_swaps(const mg_log *log)
{
    return atomic_load(&log->swaps);
}

size_t mg_log_producers(const mg_log *log, mg_producer_view *out, size_t room)
{
    mg_readers_enter(&as_reader(log)->readers);
    size_t count = mg_producers_view(&log->producers, out, room);
    mg_readers_leave(&as_reader(log)->readers);
    return count;
}
