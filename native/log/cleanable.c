#include "log/cleanable.h"

#include "batch/batch_format.h"
#include "log/names.h"
#include "log/state.h"
#include "log/walk.h"

#include <stdlib.h>

/* ---- Sources ---- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What is not yet on disk is not touched: it may be gone after a power cut, and what it replaced
 * must then be there. */
static int64_t limit_of(const mg_log *log, int64_t limit_offset)
{
    return smaller(limit_offset, mg_log_durable_end(log));
}

/* All sealed segments whose end is at most `limit_offset`, as they are now. */
mg_status mg_clean_sources_load(mg_log *log, int64_t limit_offset, mg_clean_source **sources,
                                size_t *count, mg_error *error)
{
    limit_offset = limit_of(log, limit_offset);
    mg_readers_enter(&log->readers);
    const mg_segment_list *list = mg_log_list(log);
    mg_clean_source *found = calloc(list->count, sizeof *found);
    size_t n = 0;
    for (size_t i = 0; found != NULL && i + 1 < list->count; i++) {
        int64_t end = list->segments[i + 1]->base_offset;
        if (end > limit_offset) break;
        found[n++] = (mg_clean_source){.base = list->segments[i]->base_offset,
                                       .end = end,
                                       .size = mg_segment_size(list->segments[i])};
    }
    mg_readers_leave(&log->readers);
    if (found == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "compaction");
    *sources = found;
    *count = n;
    return MG_OK;
}

/* The segment with its file open; MG_NOT_FOUND where the log has another by now, or none. */
mg_status mg_clean_source_pin(mg_log *log, const mg_clean_source *wanted, mg_segment **segment,
                              mg_error *error)
{
    size_t slot = 0;
    mg_status status = MG_NOT_FOUND;
    mg_readers_enter(&log->readers);
    const mg_segment_list *list = mg_log_list(log);
    if (mg_segment_list_find(list, wanted->base, &slot) && slot + 1 < list->count) {
        mg_segment *found = list->segments[slot];
        if (found->base_offset == wanted->base && mg_segment_size(found) == wanted->size) {
            status =
                mg_segment_pin(found, &found->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
            if (status == MG_OK) *segment = found;
        }
    }
    mg_readers_leave(&log->readers);
    return status == MG_CLOSED ? MG_NOT_FOUND : status;
}

void mg_clean_source_unpin(mg_segment *segment)
{
    mg_pooled_unpin(&segment->log_file);
}

/* ---- What there is to do ---- */

/* Kafka's rule: what has no timestamps is as old as its file. */
static mg_status look_up_newest(mg_log *log, mg_segment *segment, int64_t *timestamp,
                                mg_error *error)
{
    mg_status status = mg_segment_max_timestamp(segment, log->directory, timestamp, error);
    if (status != MG_OK || *timestamp >= 0) return status;
    char path[MG_PATH_SIZE];
    mg_file_facts facts;
    status = mg_log_path(path, log->directory, segment->base_offset, MG_LOG_SUFFIX, error);
    if (status == MG_OK) status = mg_files_stat(log->files, path, &facts, error);
    if (status == MG_OK) *timestamp = facts.modified_ns / 1000000;
    return status;
}

static mg_status is_too_young(mg_log *log, const mg_clean_source *wanted, int64_t newest_max,
                              bool *answer, mg_error *error)
{
    mg_segment *segment = NULL;
    int64_t newest = MG_TIMESTAMP_NONE;
    *answer = false;
    mg_status status = mg_clean_source_pin(log, wanted, &segment, error);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) return status;
    status = look_up_newest(log, segment, &newest, error);
    mg_clean_source_unpin(segment);
    *answer = newest > newest_max;
    return status == MG_NOT_FOUND || status == MG_CLOSED ? MG_OK : status;
}

static mg_status note_first_timestamp(mg_log *log, const mg_clean_source *wanted,
                                      mg_cleanable *found, mg_error *error)
{
    mg_segment *segment = NULL;
    mg_status status = mg_clean_source_pin(log, wanted, &segment, error);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) return status;
    mg_walk walk;
    mg_batch_header header;
    mg_walk_init(&walk, segment->log_file.file, 0, mg_segment_size(segment), 0);
    status = mg_walk_peek(&walk, &header, NULL, error);
    mg_clean_source_unpin(segment);
    bool is_earlier =
        status == MG_OK && header.max_timestamp > 0 &&
        (found->earliest_timestamp < 0 || header.max_timestamp < found->earliest_timestamp);
    if (is_earlier) found->earliest_timestamp = header.max_timestamp;
    return status == MG_IO ? status : MG_OK; /* what is damaged shows when it is compacted */
}

/* Cuts `*count` where compaction must end. */
mg_status mg_clean_sources_cut(mg_log *log, const mg_clean_source *sources, size_t *count,
                               int64_t first_dirty_offset, int64_t min_lag_ms, int64_t now_ms,
                               mg_cleanable *found, mg_error *error)
{
    int64_t start_offset = mg_log_start_offset(log);
    *found = (mg_cleanable){.first_dirty_offset = first_dirty_offset, .earliest_timestamp = -1};
    bool fits = first_dirty_offset >= start_offset && first_dirty_offset <= mg_log_end_offset(log);
    if (!fits) found->first_dirty_offset = start_offset;
    mg_status status = MG_OK;
    for (size_t i = 0; i < *count && min_lag_ms > 0; i++) {
        bool answer = false;
        if (sources[i].end <= found->first_dirty_offset) continue;
        status = is_too_young(log, &sources[i], now_ms - min_lag_ms, &answer, error);
        if (status != MG_OK) return status;
        if (answer) *count = i;
    }
    found->first_uncleanable_offset = found->first_dirty_offset;
    for (size_t i = 0; i < *count; i++) {
        if (sources[i].base < found->first_dirty_offset) found->clean_size += sources[i].size;
        if (sources[i].end > found->first_dirty_offset) found->cleanable_size += sources[i].size;
        if (sources[i].end > found->first_uncleanable_offset) {
            found->first_uncleanable_offset = sources[i].end;
        }
    }
    return MG_OK;
}

static bool has_unsynced(mg_log *log, int64_t limit_offset)
{
    int64_t durable_end = mg_log_durable_end(log);
    mg_readers_enter(&log->readers);
    const mg_segment_list *list = mg_log_list(log);
    bool found = false;
    for (size_t i = list->count - 1; i > 0 && !found; i--) {
        int64_t end = list->segments[i]->base_offset;
        if (end <= durable_end) break;
        found = end <= limit_offset;
    }
    mg_readers_leave(&log->readers);
    return found;
}

mg_status mg_log_cleanable(mg_log *log, int64_t first_dirty_offset, int64_t limit_offset,
                           int64_t min_lag_ms, int64_t now_ms, bool asks_time, mg_cleanable *found,
                           mg_error *error)
{
    mg_clean_source *sources = NULL;
    size_t count = 0;
    mg_status status = mg_clean_sources_load(log, limit_offset, &sources, &count, error);
    if (status != MG_OK) return status;
    size_t sealed = count;
    status = mg_clean_sources_cut(log, sources, &count, first_dirty_offset, min_lag_ms, now_ms,
                                  found, error);
    for (size_t i = 0; asks_time && i < sealed && status == MG_OK; i++) {
        if (sources[i].end <= found->first_dirty_offset) continue;
        status = note_first_timestamp(log, &sources[i], found, error);
    }
    free(sources);
    found->waits_for_flush = has_unsynced(log, limit_offset);
    return status;
}
