#include "log/compact_output.h"

#include "base/copy.h"
#include "base/writer.h"
#include "batch/batch_format.h"
#include "log/log_format.h"
#include "log/names.h"

#include <stdlib.h>

enum {
    GATHERED_SIZE = 1024 * 1024,
    TXN_ENTRY_AT_PRODUCER = 2, /* log_format.h draws it */
    TXN_ENTRY_AT_LAST = 18,
    TXN_INDEX_SIZE_MAX = 1 << 28,
};

static mg_status path_of(const mg_compact_output *output, const char *suffix, char *path,
                         mg_error *error)
{
    return mg_log_path(path, output->log->directory, output->segment->base_offset, suffix, error);
}

static mg_status create(const mg_compact_output *output, const char *suffix, mg_file **file,
                        mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status = path_of(output, suffix, path, error);
    if (status != MG_OK) return status;
    return mg_file_open(output->log->files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY,
                        file, error);
}

mg_status mg_compact_output_open(mg_compact_output *output, mg_log *log, int64_t base_offset,
                                 mg_error *error)
{
    *output = (mg_compact_output){.log = log, .max_timestamp = MG_TIMESTAMP_NONE};
    mg_status status = mg_segment_open(&output->segment, log->files, base_offset, error);
    if (status != MG_OK) return status;
    status = mg_segment_open_indexes(output->segment, error);
    if (status == MG_OK) status = mg_scratch_reserve(&output->gathered, GATHERED_SIZE, error);
    if (status == MG_OK) {
        status = create(output, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, &output->file, error);
    }
    if (status != MG_OK) mg_compact_output_discard(output);
    return status;
}

static mg_status write_gathered(mg_compact_output *output, mg_error *error)
{
    if (output->gathered_size == 0) return MG_OK;
    int64_t position = output->size - (int64_t)output->gathered_size;
    mg_status status = mg_file_write_bytes(output->file, position, output->gathered.data,
                                           output->gathered_size, error);
    output->gathered_size = 0;
    return status;
}

static mg_status add_entries(mg_compact_output *output, int32_t relative, mg_error *error)
{
    mg_offset_index *offsets = atomic_load(&output->segment->offset_index);
    mg_time_index *times = atomic_load(&output->segment->time_index);
    mg_status status = mg_offset_index_reserve(offsets, 1, error);
    if (status == MG_OK) status = mg_time_index_reserve(times, 2, error);
    if (status != MG_OK) return status;
    mg_offset_index_append(
        offsets, (mg_offset_entry){.relative_offset = relative, .position = (int32_t)output->size});
    mg_time_index_append(times, (mg_time_entry){.timestamp = output->max_timestamp,
                                                .relative_offset = output->max_timestamp_offset});
    output->last_index_position = output->size;
    return MG_OK;
}

static mg_status index_batch(mg_compact_output *output, const mg_batch_header *header,
                             mg_error *error)
{
    int32_t relative = (int32_t)(mg_batch_last_offset(header) - output->segment->base_offset);
    if (header->max_timestamp > output->max_timestamp) {
        output->max_timestamp = header->max_timestamp;
        output->max_timestamp_offset = relative;
    }
    int64_t interval =
        atomic_load_explicit(&output->log->index_interval_size, memory_order_relaxed);
    if (output->size - output->last_index_position <= interval) return MG_OK;
    return add_entries(output, relative, error);
}

mg_status mg_compact_output_add(mg_compact_output *output, mg_span batch,
                                const mg_batch_header *header, mg_error *error)
{
    MG_ASSERT(batch.size == (size_t)header->size);
    int64_t relative = mg_batch_last_offset(header) - output->segment->base_offset;
    if (relative < 0 || relative > INT32_MAX ||
        output->size > MG_SEGMENT_SIZE_MAX - (int64_t)batch.size) {
        return mg_fail(error, MG_TOO_LARGE, 0, "compacted segment %lld at offset %lld",
                       (long long)output->segment->base_offset, (long long)header->base_offset);
    }
    mg_status status = index_batch(output, header, error);
    if (status == MG_OK && batch.size > GATHERED_SIZE - output->gathered_size) {
        status = write_gathered(output, error);
    }
    if (status != MG_OK) return status;
    if (batch.size > GATHERED_SIZE) {
        status = mg_file_write_bytes(output->file, output->size, batch.data, batch.size, error);
    } else {
        mg_copy(output->gathered.data + output->gathered_size,
                GATHERED_SIZE - output->gathered_size, batch.data, batch.size);
        output->gathered_size += batch.size;
    }
    output->size += (int64_t)batch.size;
    return status;
}

/* ---- Transactions ---- */

/* Moves what is to be kept to the front; its size. */
static size_t sift(uint8_t *data, size_t size, mg_markers *markers)
{
    size_t kept = 0;
    for (size_t at = 0; at + MG_TXN_ENTRY_SIZE <= size; at += MG_TXN_ENTRY_SIZE) {
        int64_t producer_id = (int64_t)mg_load_u64(data + at + TXN_ENTRY_AT_PRODUCER);
        int64_t last = (int64_t)mg_load_u64(data + at + TXN_ENTRY_AT_LAST);
        const mg_marker *marker = mg_markers_find(markers, producer_id, last);
        bool is_known = marker != NULL && marker->offset == last;
        if (is_known && !marker->seen) continue;
        if (kept < at) mg_copy(data + kept, size - kept, data + at, MG_TXN_ENTRY_SIZE);
        kept += MG_TXN_ENTRY_SIZE;
    }
    return kept;
}

static mg_status append_transactions(mg_compact_output *output, const uint8_t *data, size_t size,
                                     mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    int64_t position = 0;
    mg_status status = path_of(output, MG_TXN_INDEX_SUFFIX MG_CLEANED_SUFFIX, path, error);
    if (status != MG_OK) return status;
    unsigned flags = MG_FILE_WRITE | MG_FILE_CREATE;
    if (!output->has_transactions) flags |= MG_FILE_EMPTY;
    status = mg_file_open(output->log->files, path, flags, &file, error);
    if (status != MG_OK) return status;
    output->has_transactions = true;
    status = mg_file_size(file, &position, error);
    if (status == MG_OK) status = mg_file_write_bytes(file, position, data, size, error);
    if (status == MG_OK) status = mg_file_sync(file, error);
    mg_file_close(file);
    return status;
}

mg_status mg_compact_output_add_transactions(mg_compact_output *output, int64_t base_offset,
                                             mg_markers *markers, mg_error *error)
{
    char path[MG_PATH_SIZE];
    uint8_t *data = NULL;
    size_t size = 0;
    mg_error trouble;
    mg_status status =
        mg_log_path(path, output->log->directory, base_offset, MG_TXN_INDEX_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_files_load(output->log->files, path, TXN_INDEX_SIZE_MAX, &data, &size, &trouble);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) {
        if (error != NULL) *error = trouble;
        return status;
    }
    /* Also where nothing is kept: the file replaces the source's, whose entries would hide what a
     * producer of an aborted transaction commits later, once the marker is gone. */
    size_t kept = sift(data, size, markers);
    status = append_transactions(output, data, kept, error);
    free(data);
    return status;
}

/* ---- Finishing ---- */

static mg_status reopen_synced(mg_compact_output *output, const char *suffix,
                               mg_pooled_file *pooled, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    mg_status status = path_of(output, suffix, path, error);
    if (status == MG_OK) {
        status = mg_file_open(output->log->files, path, MG_FILE_READ, &file, error);
    }
    if (status != MG_OK) return status;
    status = mg_file_sync(file, error);
    if (status != MG_OK) {
        mg_file_close(file);
        return status;
    }
    mg_pooled_adopt(pooled, file);
    return MG_OK;
}

static mg_status write_indexes(mg_compact_output *output, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_segment *segment = output->segment;
    mg_offset_index *offsets = atomic_load(&segment->offset_index);
    mg_time_index *times = atomic_load(&segment->time_index);
    mg_status status = mg_time_index_reserve(times, 1, error);
    if (status != MG_OK) return status;
    mg_time_index_append(times, (mg_time_entry){.timestamp = output->max_timestamp,
                                                .relative_offset = output->max_timestamp_offset});
    status = path_of(output, MG_OFFSET_INDEX_SUFFIX MG_CLEANED_SUFFIX, path, error);
    if (status == MG_OK) {
        status = mg_offset_index_write(offsets, output->log->files, path, error);
    }
    if (status == MG_OK) {
        status = path_of(output, MG_TIME_INDEX_SUFFIX MG_CLEANED_SUFFIX, path, error);
    }
    if (status == MG_OK) status = mg_time_index_write(times, output->log->files, path, error);
    if (status != MG_OK) return status;
    mg_offset_index_close(atomic_exchange(&segment->offset_index, NULL));
    mg_time_index_close(atomic_exchange(&segment->time_index, NULL));
    status = reopen_synced(output, MG_OFFSET_INDEX_SUFFIX MG_CLEANED_SUFFIX, &segment->offset_file,
                           error);
    if (status != MG_OK) return status;
    return reopen_synced(output, MG_TIME_INDEX_SUFFIX MG_CLEANED_SUFFIX, &segment->time_file,
                         error);
}

mg_status mg_compact_output_finish(mg_compact_output *output, int64_t end_offset, mg_error *error)
{
    mg_segment *segment = output->segment;
    mg_status status = write_gathered(output, error);
    if (status == MG_OK) status = mg_file_sync(output->file, error);
    if (status != MG_OK) return status;
    mg_pooled_adopt(&segment->log_file, output->file);
    output->file = NULL;
    int64_t relative = end_offset - segment->base_offset;
    if (relative > UINT32_MAX) relative = UINT32_MAX;
    atomic_store(&segment->end, mg_segment_end_word(relative, output->size));
    atomic_store(&segment->max_timestamp, output->max_timestamp);
    return write_indexes(output, error);
}

static void unpin(mg_pooled_file *pooled)
{
    if (atomic_load(&pooled->pins) > 0) mg_pooled_unpin(pooled);
}

/* The files of a segment, the one that makes it last. */
static const char *const CLEANED[] = {
    MG_OFFSET_INDEX_SUFFIX MG_CLEANED_SUFFIX,
    MG_TIME_INDEX_SUFFIX MG_CLEANED_SUFFIX,
    MG_TXN_INDEX_SUFFIX MG_CLEANED_SUFFIX,
    MG_LOG_SUFFIX MG_CLEANED_SUFFIX,
};

void mg_compact_output_discard(mg_compact_output *output)
{
    mg_segment *segment = output->segment;
    mg_file_close(output->file);
    output->file = NULL;
    bool removes = segment != NULL && !output->keeps_names;
    for (size_t i = 0; removes && i < sizeof CLEANED / sizeof *CLEANED; i++) {
        char path[MG_PATH_SIZE];
        if (path_of(output, CLEANED[i], path, NULL) != MG_OK) continue;
        mg_status ignored = mg_files_remove(output->log->files, path, NULL);
        (void)ignored; /* what is left does not count, and the next start removes it */
    }
    if (segment != NULL) {
        unpin(&segment->log_file);
        unpin(&segment->offset_file);
        unpin(&segment->time_file);
        mg_segment_close(segment);
    }
    output->segment = NULL;
    mg_compact_output_deinit(output);
}

void mg_compact_output_deinit(mg_compact_output *output)
{
    mg_scratch_deinit(&output->gathered);
}
