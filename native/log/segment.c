#include "log/segment.h"

#include "batch/batch_format.h"
#include "log/names.h"
#include "log/walk.h"

#include <stdlib.h>

static bool release(mg_retired *retired)
{
    mg_segment *segment = (mg_segment *)(void *)retired;
    if (!mg_pooled_retire(&segment->log_file, segment->files)) return false;
    mg_segment_close(segment);
    return true;
}

mg_status mg_segment_open(mg_segment **out, mg_files *files, int64_t base_offset, mg_error *error)
{
    MG_ASSERT(base_offset >= 0);
    mg_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "segment");
    segment->retired.release = release;
    segment->files = files;
    segment->base_offset = base_offset;
    atomic_init(&segment->max_timestamp, MG_TIMESTAMP_UNKNOWN);
    atomic_init(&segment->offset_count, -1);
    atomic_init(&segment->time_count, -1);
    mg_pooled_init(&segment->log_file);
    mg_pooled_init(&segment->offset_file);
    mg_pooled_init(&segment->time_file);
    *out = segment;
    return MG_OK;
}

void mg_segment_close(mg_segment *segment)
{
    if (segment == NULL) return;
    bool closed = mg_pooled_retire(&segment->log_file, segment->files);
    MG_ASSERT(closed);
    closed = mg_pooled_retire(&segment->offset_file, segment->files);
    MG_ASSERT(closed);
    closed = mg_pooled_retire(&segment->time_file, segment->files);
    MG_ASSERT(closed);
    mg_offset_index_close(atomic_load(&segment->offset_index));
    mg_time_index_close(atomic_load(&segment->time_index));
    mg_mapping_unwatch(segment->mapping);
    free(segment->damaged);
    free(segment);
}

mg_status mg_segment_pin(mg_segment *segment, mg_pooled_file *file, const char *directory,
                         const char *suffix, unsigned flags, mg_error *error)
{
    if (mg_pooled_try_pin(file)) return MG_OK;
    if ((flags & MG_FILE_NO_WAIT) != 0) return MG_WOULD_BLOCK;

    char path[MG_PATH_SIZE];
    mg_status status = mg_log_path(path, directory, segment->base_offset, suffix, error);
    if (status != MG_OK) return status;
    status = mg_pooled_pin(file, segment->files, path, error);
    if (atomic_load(&segment->removed)) {
        if (status == MG_OK) mg_pooled_unpin(file);
        return MG_CLOSED;
    }
    return status;
}

/* ---- Offsets ---- */

static mg_status find_in_file(mg_segment *segment, int64_t relative_offset, int64_t position,
                              unsigned flags, mg_offset_entry *found, mg_error *error)
{
    mg_file *file = segment->offset_file.file;
    int64_t known = atomic_load_explicit(&segment->offset_count, memory_order_relaxed);
    if (known < 0) {
        size_t count = 0;
        mg_status status = mg_offset_file_count(file, flags, &count, error);
        if (status != MG_OK) return status;
        known = (int64_t)count;
        atomic_store_explicit(&segment->offset_count, known, memory_order_relaxed);
    }
    return mg_offset_file_find(file, (size_t)known, relative_offset, position, flags, found, error);
}

mg_status mg_segment_find(mg_segment *segment, const char *directory, int64_t relative_offset,
                          int64_t position, unsigned flags, mg_offset_entry *found, mg_error *error)
{
    *found = (mg_offset_entry){.relative_offset = 0, .position = 0};
    const mg_offset_index *index = atomic_load(&segment->offset_index);
    if (index != NULL) {
        (void)mg_offset_index_find(index, relative_offset, position, found);
        return MG_OK;
    }
    mg_status status = mg_segment_pin(segment, &segment->offset_file, directory,
                                      MG_OFFSET_INDEX_SUFFIX, flags, error);
    if (status == MG_NOT_FOUND) return MG_OK; /* a search from the beginning finds it too */
    if (status != MG_OK) return status;
    status = find_in_file(segment, relative_offset, position, flags, found, error);
    mg_pooled_unpin(&segment->offset_file);
    /* An index that ends early is no worse than none. */
    return status == MG_NOT_FOUND || status == MG_CORRUPT ? MG_OK : status;
}

/* ---- Times ---- */

static mg_status count_times(mg_segment *segment, int64_t *known, mg_error *error)
{
    *known = atomic_load_explicit(&segment->time_count, memory_order_relaxed);
    if (*known >= 0) return MG_OK;
    size_t count = 0;
    mg_status status = mg_time_file_count(segment->time_file.file, 0, &count, error);
    if (status != MG_OK) return status;
    *known = (int64_t)count;
    atomic_store_explicit(&segment->time_count, *known, memory_order_relaxed);
    return MG_OK;
}

mg_status mg_segment_find_time(mg_segment *segment, const char *directory, int64_t timestamp,
                               mg_time_entry *found, mg_error *error)
{
    const mg_time_index *index = atomic_load(&segment->time_index);
    if (index != NULL) return mg_time_index_find(index, timestamp, found) ? MG_OK : MG_NOT_FOUND;

    mg_status status =
        mg_segment_pin(segment, &segment->time_file, directory, MG_TIME_INDEX_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    int64_t count = 0;
    status = count_times(segment, &count, error);
    if (status == MG_OK) {
        status = mg_time_file_find(segment->time_file.file, (size_t)count, timestamp, found, error);
    }
    mg_pooled_unpin(&segment->time_file);
    return status == MG_CORRUPT ? MG_NOT_FOUND : status;
}

static mg_status last_time(mg_segment *segment, const char *directory, int64_t *timestamp,
                           mg_error *error)
{
    mg_status status =
        mg_segment_pin(segment, &segment->time_file, directory, MG_TIME_INDEX_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    int64_t count = 0;
    mg_time_entry last = {.timestamp = -1};
    status = count_times(segment, &count, error);
    if (status == MG_OK && count == 0) status = MG_NOT_FOUND;
    if (status == MG_OK) {
        status = mg_time_file_at(segment->time_file.file, (size_t)count - 1, &last, error);
    }
    mg_pooled_unpin(&segment->time_file);
    if (status == MG_OK) *timestamp = last.timestamp;
    return status;
}

static mg_status walk_times(mg_segment *segment, const char *directory, int64_t *timestamp,
                            mg_error *error)
{
    mg_status status =
        mg_segment_pin(segment, &segment->log_file, directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    int64_t greatest = MG_TIMESTAMP_NONE;
    mg_batch_header header;
    mg_walk walk;
    mg_walk_init(&walk, segment->log_file.file, 0, mg_segment_size(segment), 0);
    while ((status = mg_walk_peek(&walk, &header, NULL, error)) == MG_OK) {
        if (header.max_timestamp > greatest) greatest = header.max_timestamp;
        mg_walk_skip(&walk, &header);
    }
    mg_pooled_unpin(&segment->log_file);
    if (status != MG_NOT_FOUND) return status;
    *timestamp = greatest;
    return MG_OK;
}

mg_status mg_segment_max_timestamp(mg_segment *segment, const char *directory, int64_t *timestamp,
                                   mg_error *error)
{
    int64_t known = atomic_load_explicit(&segment->max_timestamp, memory_order_acquire);
    if (known != MG_TIMESTAMP_UNKNOWN) {
        *timestamp = known;
        return MG_OK;
    }
    /* Kafka leaves an empty time index where it found none: then the batches must tell. */
    mg_status status = last_time(segment, directory, &known, error);
    if (status == MG_NOT_FOUND || status == MG_CORRUPT) {
        status = walk_times(segment, directory, &known, error);
    }
    if (status != MG_OK) return status;
    atomic_store_explicit(&segment->max_timestamp, known, memory_order_release);
    *timestamp = known;
    return MG_OK;
}

/* ---- Hints ---- */

static size_t hint_slot(uint64_t relative_offset)
{
    return (size_t)((relative_offset * UINT64_C(0x9e3779b97f4a7c15)) >> 61);
}

void mg_segment_remember(mg_segment *segment, int64_t next_offset, int64_t position)
{
    int64_t relative = next_offset - segment->base_offset;
    if (relative < 0 || relative > UINT32_MAX) return;
    uint64_t word = ((uint64_t)relative << 32 | (uint64_t)position) + 1;
    _Atomic uint64_t *hint = &segment->hints[hint_slot((uint64_t)relative)];
    if (atomic_load_explicit(hint, memory_order_relaxed) == word) return;
    atomic_store_explicit(hint, word, memory_order_relaxed);
}

bool mg_segment_recall(const mg_segment *segment, int64_t offset, int64_t *position)
{
    int64_t relative = offset - segment->base_offset;
    if (relative < 0 || relative > UINT32_MAX) return false;
    const _Atomic uint64_t *hint = &segment->hints[hint_slot((uint64_t)relative)];
    uint64_t word = atomic_load_explicit(hint, memory_order_relaxed);
    if (word == 0 || (word - 1) >> 32 != (uint64_t)relative) return false;
    *position = (int64_t)((word - 1) & UINT32_MAX);
    return true;
}

bool mg_segment_is_damaged_at(const mg_segment *segment, int64_t position)
{
    for (size_t i = 0; i < segment->damaged_count; i++) {
        if (segment->damaged[i] == position) return true;
    }
    return false;
}

/* ---- Files ---- */

mg_status mg_segment_open_indexes(mg_segment *segment, mg_error *error)
{
    mg_offset_index *offset_index = NULL;
    mg_time_index *time_index = NULL;
    mg_status status = mg_offset_index_open(&offset_index, error);
    if (status != MG_OK) return status;
    mg_offset_index_close(atomic_exchange(&segment->offset_index, offset_index));
    status = mg_time_index_open(&time_index, error);
    if (status != MG_OK) return status;
    mg_time_index_close(atomic_exchange(&segment->time_index, time_index));
    return MG_OK;
}

mg_status mg_segment_write_indexes(mg_segment *segment, const char *directory, mg_error *error)
{
    const mg_offset_index *offset_index = atomic_load(&segment->offset_index);
    const mg_time_index *time_index = atomic_load(&segment->time_index);
    MG_ASSERT(offset_index != NULL);
    MG_ASSERT(time_index != NULL);
    char path[MG_PATH_SIZE];
    mg_status status =
        mg_log_path(path, directory, segment->base_offset, MG_OFFSET_INDEX_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_offset_index_write(offset_index, segment->files, path, error);
    if (status != MG_OK) return status;
    status = mg_log_path(path, directory, segment->base_offset, MG_TIME_INDEX_SUFFIX, error);
    if (status != MG_OK) return status;
    return mg_time_index_write(time_index, segment->files, path, error);
}

static mg_status sync_file(mg_files *files, const char *path, mg_error *error)
{
    mg_file *file = NULL;
    mg_status status = mg_file_open(files, path, MG_FILE_READ, &file, error);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) return status;
    status = mg_file_sync(file, error);
    mg_file_close(file);
    return status;
}

mg_status mg_segment_sync_indexes(mg_segment *segment, const char *directory, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status =
        mg_log_path(path, directory, segment->base_offset, MG_OFFSET_INDEX_SUFFIX, error);
    if (status == MG_OK) status = sync_file(segment->files, path, error);
    if (status != MG_OK) return status;
    status = mg_log_path(path, directory, segment->base_offset, MG_TIME_INDEX_SUFFIX, error);
    if (status == MG_OK) status = sync_file(segment->files, path, error);
    if (status != MG_OK) return status;
    status = mg_log_path(path, directory, segment->base_offset, MG_TXN_INDEX_SUFFIX, error);
    if (status == MG_OK) status = sync_file(segment->files, path, error);
    return status;
}

mg_status mg_segment_remove_files(const mg_segment *segment, const char *directory, mg_error *error)
{
    static const char *const SUFFIXES[] = {MG_LOG_SUFFIX, MG_OFFSET_INDEX_SUFFIX,
                                           MG_TIME_INDEX_SUFFIX, MG_TXN_INDEX_SUFFIX,
                                           MG_SNAPSHOT_SUFFIX};
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof *SUFFIXES; i++) {
        char path[MG_PATH_SIZE];
        mg_error trouble;
        mg_status status = mg_log_path(path, directory, segment->base_offset, SUFFIXES[i], error);
        if (status != MG_OK) return status;
        status = mg_files_remove(segment->files, path, &trouble);
        if (status == MG_OK || status == MG_NOT_FOUND) continue;
        if (error != NULL) *error = trouble;
        return status;
    }
    return MG_OK;
}
