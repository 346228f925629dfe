/* replay.c -- the producers as they stood before an offset: the newest snapshot at or below it,
 * and what the batches from there on say. */
#include "log/replay.h"

#include "batch/batch_format.h"
#include "log/inventory.h"
#include "log/names.h"
#include "log/state.h"
#include "log/walk.h"

mg_status mg_producers_replay(mg_producers *producers, const mg_batch_header *header, mg_span bytes,
                              mg_error *error)
{
    if (header->producer_id < 0) return MG_OK;
    mg_retired *replaced = NULL;
    if (!mg_producers_has_room(producers, header->producer_id)) {
        /* Nobody expires here: what is found in the log is taken as it is. */
        mg_status status = mg_producers_reserve(producers, 1, 0, INT64_MAX, &replaced, error);
        if (status != MG_OK) return status;
        if (replaced != NULL) (void)replaced->release(replaced);
    }
    mg_control control = {.known = false};
    if ((header->attributes & MG_BATCH_CONTROL) != 0) control = mg_control_decode(bytes, header);
    mg_producers_record(producers, header, &control);
    return MG_OK;
}

mg_status mg_log_replay(mg_log *log, const mg_batch_header *header, mg_span bytes, mg_error *error)
{
    if (header->producer_id >= 0 && (header->attributes & MG_BATCH_CONTROL) != 0) {
        mg_control control = mg_control_decode(bytes, header);
        mg_aborted aborted;
        if (mg_producers_aborts(&log->producers, header, &control, &aborted)) {
            mg_status status = mg_txn_index_reserve(&log->aborted, error);
            if (status != MG_OK) return status;
            mg_txn_index_add(&log->aborted, &aborted);
        }
    }
    return mg_producers_replay(&log->producers, header, bytes, error);
}

static mg_status load_snapshot(mg_log *log, mg_producers *producers, int64_t offset, int64_t now_ms,
                               mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status = mg_log_path(path, log->directory, offset, MG_SNAPSHOT_SUFFIX, error);
    if (status != MG_OK) return status;
    int64_t expiry_ms = atomic_load(&log->producer_expiry_ms);
    return mg_producers_load(producers, log->files, path, now_ms, expiry_ms, error);
}

/* The newest snapshot at or below `offset` that is sound; `*from` is its offset, or 0. */
static mg_status load_newest(mg_log *log, mg_producers *producers, int64_t offset, int64_t now_ms,
                             int64_t *from, mg_error *error)
{
    mg_inventory inventory;
    mg_status status = mg_inventory_look(&inventory, log->files, log->directory, error);
    if (status != MG_OK) return status;
    *from = 0;
    for (size_t i = inventory.snapshots_count; i-- > 0;) {
        int64_t candidate = inventory.snapshots[i];
        if (candidate > offset) continue;
        status = load_snapshot(log, producers, candidate, now_ms, error);
        if (status == MG_OK) *from = candidate;
        if (status != MG_CORRUPT) break; /* a torn one: the next older serves */
        status = MG_OK;
    }
    mg_inventory_close(&inventory);
    return status;
}

static mg_status replay_segment(mg_log *log, mg_segment *segment, mg_producers *producers,
                                int64_t from, int64_t to, mg_error *error)
{
    mg_status status =
        mg_segment_pin(segment, &segment->log_file, log->directory, MG_LOG_SUFFIX, 0, error);
    if (status != MG_OK) return status;
    mg_walk walk;
    mg_batch_header header;
    status = mg_log_seek(log, segment, from, 0, &walk, &header, error);
    while (status == MG_OK && header.base_offset < to) {
        mg_span bytes;
        status = mg_walk_peek(&walk, &header, &bytes, error);
        if (status == MG_OK) status = mg_producers_replay(producers, &header, bytes, error);
        if (status != MG_OK) break;
        mg_walk_skip(&walk, &header);
        status = mg_walk_peek(&walk, &header, NULL, error);
    }
    mg_pooled_unpin(&segment->log_file);
    /* Damage below the recovery point is for reads to report. Of a producer whose last batches it
     * hides, less is known; that is no reason to give up the log. */
    return status == MG_NOT_FOUND || status == MG_CORRUPT ? MG_OK : status;
}

static mg_status load(mg_log *log, const mg_segment_list *list, mg_producers *producers,
                      int64_t offset, int64_t now_ms, mg_error *error)
{
    int64_t from = 0;
    mg_status status = load_newest(log, producers, offset, now_ms, &from, error);
    for (size_t i = 0; list != NULL && i < list->count && status == MG_OK; i++) {
        mg_segment *segment = list->segments[i];
        bool ends_below = i + 1 < list->count && list->segments[i + 1]->base_offset <= from;
        if (ends_below || mg_segment_size(segment) == 0 || segment->base_offset >= offset) continue;
        int64_t begin = from > segment->base_offset ? from : segment->base_offset;
        if (begin < offset) {
            status = replay_segment(log, segment, producers, begin, offset, error);
        }
    }
    return status;
}

mg_status mg_log_load_producers(mg_log *log, const mg_segment_list *list, int64_t offset,
                                int64_t now_ms, mg_error *error)
{
    mg_producers fresh;
    mg_producers_init(&fresh);
    mg_status status = load(log, list, &fresh, offset, now_ms, error);
    if (status != MG_OK) {
        mg_producers_deinit(&fresh);
        return status;
    }
    mg_retired *replaced = NULL;
    mg_producers_take_over(&log->producers, &fresh, &replaced);
    atomic_store(&log->first_open, mg_producers_first_open(&log->producers));
    (void)pthread_mutex_lock(&log->lock);
    mg_log_retire(log, replaced);
    (void)pthread_mutex_unlock(&log->lock);
    return MG_OK;
}

static bool is_base(const mg_inventory *inventory, int64_t offset)
{
    for (size_t i = 0; i < inventory->bases_count; i++) {
        if (inventory->bases[i] == offset) return true;
    }
    return false;
}

mg_status mg_log_tidy_snapshots(mg_log *log, int64_t from, int64_t keep, mg_error *error)
{
    mg_inventory inventory;
    mg_status status = mg_inventory_look(&inventory, log->files, log->directory, error);
    if (status != MG_OK) return status;
    for (size_t i = 0; i < inventory.snapshots_count && status == MG_OK; i++) {
        int64_t offset = inventory.snapshots[i];
        if (offset < from || offset == keep || is_base(&inventory, offset)) continue;
        char path[MG_PATH_SIZE];
        status = mg_log_path(path, log->directory, offset, MG_SNAPSHOT_SUFFIX, error);
        if (status == MG_OK) status = mg_files_remove(log->files, path, error);
    }
    mg_inventory_close(&inventory);
    return status;
}
