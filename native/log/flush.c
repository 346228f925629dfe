/* flush.c -- what is durable. The flusher alone moves durable_end.
 *
 * Order: names, epochs and sealed segments first, then the active one. A segment
 * whose name could be lost in a power cut is not durable however well its bytes
 * are; so the directory's fsync comes before durable_end passes its base.
 */
#include "log/state.h"

#include "log/names.h"

#include <string.h>

static mg_status sync_directories(mg_log *log, mg_error *error)
{
    (void)pthread_mutex_lock(&log->lock);
    bool directory_dirty = log->directory_dirty;
    bool parent_dirty = log->parent_dirty;
    log->directory_dirty = false;
    log->parent_dirty = false;
    (void)pthread_mutex_unlock(&log->lock);

    mg_status status = MG_OK;
    if (directory_dirty) status = mg_files_sync_directory(log->files, log->directory, error);
    if (!parent_dirty || status != MG_OK) return status;

    char parent[MG_PATH_SIZE];
    size_t size = strlen(log->directory);
    while (size > 0 && log->directory[size - 1] != '/')
        size--;
    if (size == 0) return mg_files_sync_directory(log->files, ".", error);
    while (size > 1 && log->directory[size - 1] == '/')
        size--;
    for (size_t i = 0; i < size; i++)
        parent[i] = log->directory[i];
    parent[size] = '\0';
    return mg_files_sync_directory(log->files, parent, error);
}

static mg_status save_epochs(mg_log *log, mg_error *error)
{
    char path[MG_PATH_SIZE];
    bool wrote = false;
    mg_status status = mg_path_join(path, log->directory, MG_EPOCHS_NAME, error);
    if (status != MG_OK) return status;
    status = mg_epochs_save(&log->epochs, log->files, path, &wrote, error);
    if (wrote) {
        (void)pthread_mutex_lock(&log->lock);
        log->directory_dirty = true;
        (void)pthread_mutex_unlock(&log->lock);
    }
    return status;
}

mg_status mg_log_settle(mg_log *log, mg_error *error)
{
    mg_error trouble;
    mg_status status = save_epochs(log, &trouble);
    if (status != MG_OK && status != MG_NO_SPACE) { /* a full disk: the next flush will try */
        if (error != NULL) *error = trouble;
        return status;
    }
    (void)pthread_mutex_lock(&log->lock);
    log->directory_dirty = true;
    log->parent_dirty = true;
    (void)pthread_mutex_unlock(&log->lock);
    return sync_directories(log, error);
}

/* The oldest sealed segment that was not synced, pinned once more; or NULL. */
static mg_segment *pin_unsynced(mg_log *log)
{
    mg_segment *found = NULL;
    (void)pthread_mutex_lock(&log->lock);
    const mg_segment_list *list = mg_log_list(log);
    for (size_t i = 0; i < list->count && found == NULL; i++) {
        if (list->segments[i]->is_unsynced) found = list->segments[i];
    }
    if (found != NULL) {
        bool pinned = mg_pooled_try_pin(&found->log_file);
        MG_ASSERT(pinned); /* its flag stands for a pin */
    }
    (void)pthread_mutex_unlock(&log->lock);
    return found;
}

static void unpin_synced(mg_log *log, mg_segment *segment)
{
    (void)pthread_mutex_lock(&log->lock);
    bool was_unsynced = segment->is_unsynced; /* unless retention took it meanwhile */
    segment->is_unsynced = false;
    (void)pthread_mutex_unlock(&log->lock);
    if (was_unsynced) mg_pooled_unpin(&segment->log_file);
    mg_pooled_unpin(&segment->log_file);
}

mg_status mg_log_sync_snapshot(mg_log *log, int64_t offset, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_status status = mg_log_path(path, log->directory, offset, MG_SNAPSHOT_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_file_open(log->files, path, MG_FILE_READ, &file, error);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) return status;
    status = mg_file_sync(file, error);
    mg_file_close(file);
    return status;
}

static mg_status sync_sealed(mg_log *log, mg_segment *segment, mg_error *error)
{
    mg_status status = mg_file_sync(segment->log_file.file, error);
    if (status != MG_OK || atomic_load(&segment->removed)) return status;
    status = mg_segment_sync_indexes(segment, log->directory, error);
    if (status != MG_OK) return status;
    return mg_log_sync_snapshot(log, mg_segment_end_offset(segment), error);
}

static mg_status sync_all_sealed(mg_log *log, mg_error *error)
{
    mg_status status = MG_OK;
    mg_segment *segment = NULL;
    while (status == MG_OK && (segment = pin_unsynced(log)) != NULL) {
        status = sync_sealed(log, segment, error);
        unpin_synced(log, segment);
    }
    return status;
}

/* What a flush that begins now promises: the active segment, pinned, and its end. */
typedef struct promise {
    mg_segment *segment;
    int64_t end_offset;
    int64_t appended_size;
    uint64_t truncations;
} promise;

static promise make_promise(mg_log *log)
{
    promise made;
    (void)pthread_mutex_lock(&log->lock);
    atomic_store(&log->has_unsynced, false);
    made.appended_size = atomic_load_explicit(&log->appended_size, memory_order_relaxed);
    atomic_store_explicit(&log->flush_size, made.appended_size, memory_order_relaxed);
    made.segment = mg_segment_list_last(mg_log_list(log));
    made.end_offset = mg_segment_end_offset(made.segment);
    made.truncations = log->truncations;
    bool pinned = mg_pooled_try_pin(&made.segment->log_file);
    MG_ASSERT(pinned); /* the active segment is always open */
    (void)pthread_mutex_unlock(&log->lock);
    return made;
}

static void keep_promise(mg_log *log, const promise *made)
{
    (void)pthread_mutex_lock(&log->lock);
    bool is_valid = made->truncations == log->truncations;
    if (is_valid && made->end_offset > atomic_load(&log->durable_end)) {
        atomic_store_explicit(&log->durable_end, made->end_offset, memory_order_release);
    }
    (void)pthread_mutex_unlock(&log->lock);
    atomic_store_explicit(&log->flushed_size, made->appended_size, memory_order_relaxed);
}

bool mg_log_wants_flush(const mg_log *log)
{
    int64_t appended = atomic_load_explicit(&log->appended_size, memory_order_relaxed);
    int64_t begun = atomic_load_explicit(&log->flush_size, memory_order_relaxed);
    return appended - begun >= MG_UNSYNCED_MAX ||
           atomic_load_explicit(&log->has_unsynced, memory_order_relaxed);
}

int64_t mg_log_flushed_size(const mg_log *log)
{
    return atomic_load_explicit(&log->flushed_size, memory_order_relaxed);
}

int64_t mg_log_unsynced_size(const mg_log *log)
{
    int64_t flushed = mg_log_flushed_size(log);
    return atomic_load_explicit(&log->appended_size, memory_order_relaxed) - flushed;
}

static mg_status flush(mg_log *log, const promise *made, mg_error *error)
{
    mg_status status = sync_directories(log, error);
    if (status == MG_OK) status = sync_all_sealed(log, error);
    bool is_behind = made->end_offset > atomic_load(&log->durable_end);
    if (status == MG_OK && is_behind) status = mg_file_sync(made->segment->log_file.file, error);
    return status;
}

mg_status mg_log_flush(mg_log *log, mg_error *error)
{
    mg_status status = mg_log_healthy(log, error);
    if (status != MG_OK) return status;
    mg_error cause;
    promise made = make_promise(log);
    /* A full disk shows here first, where nothing has been promised yet. */
    status = save_epochs(log, &cause);
    bool may_try_again = status == MG_NO_SPACE || status == MG_NO_MEMORY;
    if (status == MG_OK) status = flush(log, &made, &cause);
    if (status == MG_OK) keep_promise(log, &made);
    mg_pooled_unpin(&made.segment->log_file);
    mg_log_reap(log);
    if (status == MG_OK) return MG_OK;
    if (!may_try_again) status = mg_log_poison(log, status, &cause);
    if (error != NULL) *error = cause;
    return status;
}
