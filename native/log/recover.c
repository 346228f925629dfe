/* recover.c -- takes up a directory: what a clean shutdown left is believed after a look at its
 * end; what a crash left, or a look found wanting, goes through salvage.
 *
 *   below the recovery point's segment   sizes only; a missing index is built again
 *   from there on, after a crash         every checksum (salvage.h)
 *   the last segment, after a clean end  the last index entry and the headers behind it
 *
 *   the same, where a fsync had failed   written once more before (doubt.h)
 *
 * Every step that changes the disk leaves a state from which the next attempt finds the same. An
 * I/O error ends the attempt; it is never taken for damage.
 */
#include "log/state.h"

#include "batch/batch_format.h"
#include "log/doubt.h"
#include "log/index_walk.h"
#include "log/inventory.h"
#include "log/names.h"
#include "log/provers.h"
#include "log/roll.h"
#include "log/salvage.h"
#include "log/walk.h"

#include <stdlib.h>

typedef struct recovery {
    mg_log *log;
    const mg_log_start *start;
    mg_log_report *report;
    mg_inventory inventory;
    mg_scan scan;
    mg_provers *provers; /* of the segments from `first_proven` on; NULL: none */
    size_t first_proven;
    mg_segment **segments; /* one a base, NULL until taken up */
    size_t segments_count; /* of those that stay: the last of them becomes the active one */
    int64_t end_offset;
    int64_t max_timestamp; /* of the active segment, where its time index does not tell */
    int32_t max_timestamp_offset;
    bool names_changed;
} recovery;

/* ---- Single segments ---- */

static mg_status open_segment(recovery *work, size_t slot, mg_error *error)
{
    int64_t base = work->inventory.bases[slot];
    mg_segment *segment = NULL;
    mg_status status = mg_segment_open(&segment, work->log->files, base, error);
    if (status != MG_OK) return status;
    work->segments[slot] = segment;
    return mg_inventory_load_damages(&work->inventory, work->log->files, work->log->directory, base,
                                     &segment->damaged, &segment->damaged_count, error);
}

static mg_status open_file(recovery *work, size_t slot, mg_file **file, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status =
        mg_log_path(path, work->log->directory, work->inventory.bases[slot], MG_LOG_SUFFIX, error);
    if (status != MG_OK) return status;
    return mg_file_open(work->log->files, path, MG_FILE_WRITE, file, error);
}

static void drop_indexes(mg_segment *segment)
{
    mg_offset_index_close(atomic_exchange(&segment->offset_index, NULL));
    mg_time_index_close(atomic_exchange(&segment->time_index, NULL));
}

/* A sealed segment ends, for whoever looks, where the next begins. */
static void set_sealed_end(recovery *work, size_t slot, int64_t size)
{
    int64_t relative = work->inventory.bases[slot + 1] - work->inventory.bases[slot];
    if (relative > UINT32_MAX) relative = UINT32_MAX;
    atomic_store(&work->segments[slot]->end, mg_segment_end_word(relative, size));
}

static mg_status has_file(recovery *work, int64_t base, const char *suffix, bool *answer,
                          mg_file_facts *facts, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_error trouble;
    mg_status status = mg_log_path(path, work->log->directory, base, suffix, error);
    if (status != MG_OK) return status;
    status = mg_files_stat(work->log->files, path, facts, &trouble);
    *answer = status == MG_OK;
    if (status == MG_OK || status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

/* Indexes of a segment that is believed, from its headers. A header that cannot be is damage
 * below the recovery point: reads will say so, the index ends there. */
static mg_status build_indexes(recovery *work, size_t slot, mg_error *error)
{
    mg_segment *segment = work->segments[slot];
    int64_t interval = atomic_load(&work->log->index_interval_size);
    mg_status status = mg_segment_open_indexes(segment, error);
    if (status == MG_OK) {
        status = mg_segment_pin(segment, &segment->log_file, work->log->directory, MG_LOG_SUFFIX, 0,
                                error);
    }
    if (status != MG_OK) return status;
    mg_index_walk built;
    status = mg_log_index_walk(segment, interval, mg_segment_size(segment), &built, error);
    mg_pooled_unpin(&segment->log_file);
    if (status == MG_CORRUPT) status = MG_OK;
    if (status == MG_OK) {
        status = mg_time_index_reserve(atomic_load(&segment->time_index), 1, error);
    }
    if (status != MG_OK) return status;
    mg_time_index_append(atomic_load(&segment->time_index),
                         (mg_time_entry){.timestamp = built.max_timestamp,
                                         .relative_offset = built.max_timestamp_offset});
    status = mg_segment_write_indexes(segment, work->log->directory, error);
    if (status == MG_OK) status = mg_segment_sync_indexes(segment, work->log->directory, error);
    drop_indexes(segment);
    work->names_changed = true;
    work->report->indexes_rebuilt++;
    return status;
}

/* A segment below the recovery point, or any but the last after a clean end. */
static mg_status take_sealed(recovery *work, size_t slot, mg_error *error)
{
    int64_t base = work->inventory.bases[slot];
    mg_file_facts facts = {.size = 0};
    bool exists = false;
    mg_status status = open_segment(work, slot, error);
    if (status == MG_OK) status = has_file(work, base, MG_LOG_SUFFIX, &exists, &facts, error);
    if (status != MG_OK) return status;
    if (facts.size > MG_SEGMENT_SIZE_MAX) {
        return mg_fail(error, MG_UNSUPPORTED, 0, "segment %lld has %lld bytes", (long long)base,
                       (long long)facts.size);
    }
    set_sealed_end(work, slot, facts.size);
    status = has_file(work, base, MG_OFFSET_INDEX_SUFFIX, &exists, &facts, error);
    if (status != MG_OK || exists) return status;
    return build_indexes(work, slot, error);
}

/* ---- The last segment after a clean end ---- */

static mg_status load_indexes(recovery *work, mg_segment *segment, int64_t size, bool *sound,
                              mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_error trouble;
    bool times_sound = true;
    *sound = true;
    mg_status status = mg_log_path(path, work->log->directory, segment->base_offset,
                                   MG_OFFSET_INDEX_SUFFIX, error);
    if (status != MG_OK) return status;
    status = mg_offset_index_load(atomic_load(&segment->offset_index), segment->files, path, size,
                                  sound, &trouble);
    if (status == MG_OK) {
        status = mg_log_path(path, work->log->directory, segment->base_offset, MG_TIME_INDEX_SUFFIX,
                             error);
        if (status != MG_OK) return status;
        status = mg_time_index_load(atomic_load(&segment->time_index), segment->files, path,
                                    &times_sound, &trouble);
    }
    *sound = *sound && times_sound;
    if (status == MG_OK) return MG_OK;
    *sound = size == 0; /* Kafka makes no index files before it must */
    if (status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

/* The recovery point, where the segment can reach it; else 0. */
static int64_t known_end(const recovery *work, int64_t base_offset)
{
    int64_t reach = work->start->recovery_point - base_offset;
    return reach <= INT32_MAX ? work->start->recovery_point : 0;
}

/* Of the last segment, whose batches end at `end`: what was set aside behind them counts. */
static int64_t end_with_damage(const recovery *work, int64_t base_offset, int64_t end)
{
    return mg_damage_end(work->inventory.damages, work->inventory.damages_count, base_offset, end);
}

/* From the last index entry to the end of the file: unsound unless the headers lead there. */
static mg_status walk_to_end(recovery *work, mg_segment *segment, int64_t size, bool *sound,
                             mg_error *error)
{
    const mg_offset_index *offsets = atomic_load(&segment->offset_index);
    const mg_time_index *times = atomic_load(&segment->time_index);
    size_t count = mg_chunks_count(&offsets->entries);
    mg_offset_entry last = {.relative_offset = -1, .position = 0};
    if (count > 0) last = mg_offset_index_at(offsets, count - 1);
    count = mg_chunks_count(&times->entries);
    if (count > 0) {
        work->max_timestamp = mg_time_index_at(times, count - 1).timestamp;
        work->max_timestamp_offset = mg_time_index_at(times, count - 1).relative_offset;
    }
    int64_t next_offset = segment->base_offset;
    int64_t known_until = count > 0 ? work->max_timestamp_offset : -1; /* by the time index */
    bool is_first = true;
    mg_batch_header header;
    mg_walk walk;
    mg_walk_init(&walk, segment->log_file.file, last.position, size, 0);
    mg_status status = MG_OK;
    while ((status = mg_walk_peek(&walk, &header, NULL, error)) == MG_OK) {
        int64_t relative = mg_batch_last_offset(&header) - segment->base_offset;
        bool fits = header.base_offset >= next_offset && relative <= INT32_MAX;
        if (is_first && last.relative_offset >= 0) fits = fits && relative == last.relative_offset;
        if (relative <= known_until) fits = fits && header.max_timestamp <= work->max_timestamp;
        if (!fits) {
            *sound = false;
            return MG_OK;
        }
        if (header.max_timestamp > work->max_timestamp) {
            work->max_timestamp = header.max_timestamp;
            work->max_timestamp_offset = (int32_t)relative;
        }
        is_first = false;
        next_offset = mg_batch_last_offset(&header) + 1;
        mg_walk_skip(&walk, &header);
    }
    if (status == MG_CORRUPT || status == MG_UNSUPPORTED) *sound = false;
    if (status != MG_NOT_FOUND && *sound) return status;
    if (segment->base_offset + known_until >= next_offset) *sound = false;
    next_offset = end_with_damage(work, segment->base_offset, next_offset);
    if (next_offset < known_end(work, segment->base_offset)) *sound = false;
    work->end_offset = next_offset;
    return MG_OK;
}

/* `*sound` false: the segment must be salvaged, nothing was changed. */
static mg_status take_last(recovery *work, size_t slot, bool *sound, mg_error *error)
{
    mg_file *file = NULL;
    int64_t size = 0;
    mg_status status = open_segment(work, slot, error);
    if (status != MG_OK) return status;
    mg_segment *segment = work->segments[slot];
    status = mg_segment_open_indexes(segment, error);
    if (status == MG_OK) status = open_file(work, slot, &file, error);
    if (status != MG_OK) return status;
    mg_pooled_adopt(&segment->log_file, file);
    status = mg_file_size(file, &size, error);
    if (status == MG_OK && size > MG_SEGMENT_SIZE_MAX) {
        status = mg_fail(error, MG_UNSUPPORTED, 0, "segment of %lld bytes", (long long)size);
    }
    work->max_timestamp = MG_TIMESTAMP_NONE;
    work->max_timestamp_offset = 0;
    if (status == MG_OK) status = load_indexes(work, segment, size, sound, error);
    if (status == MG_OK && *sound) status = walk_to_end(work, segment, size, sound, error);
    if (mg_txn_index_end(&work->log->aborted) > work->end_offset) *sound = false;
    if (status != MG_OK) return status;
    if (*sound) {
        atomic_store(&segment->end,
                     mg_segment_end_word(work->end_offset - segment->base_offset, size));
        return MG_OK;
    }
    mg_pooled_unpin(&segment->log_file);
    mg_segment_close(segment);
    work->segments[slot] = NULL;
    return MG_OK;
}

/* ---- After a crash ---- */

static mg_status has_intact(recovery *work, size_t slot, bool *answer, mg_error *error)
{
    mg_file *file = NULL;
    int64_t base = work->inventory.bases[slot];
    mg_status status = open_file(work, slot, &file, error);
    if (status != MG_OK) return status;
    status = mg_salvage_has_intact(&work->scan, file, base, answer, error);
    /* What was known to be on disk is not waste, whatever it looks like now. */
    bool is_kept = base < work->start->recovery_point || work->start->keep_tail;
    if (work->scan.size > 0 && is_kept) *answer = true;
    if (end_with_damage(work, base, base) > base) *answer = true;
    mg_file_close(file);
    return status;
}

/* Segments at the end without anything intact were begun by the crash; they do not count. */
static mg_status find_last(recovery *work, size_t first, mg_error *error)
{
    size_t last = work->inventory.bases_count - 1;
    for (; last > first; last--) {
        bool answer = false;
        mg_status status = has_intact(work, last, &answer, error);
        if (status != MG_OK) return status;
        if (answer) break;
    }
    work->segments_count = last + 1;
    return MG_OK;
}

static mg_status remove_rest(recovery *work, mg_error *error)
{
    for (size_t slot = work->inventory.bases_count; slot-- > work->segments_count;) {
        mg_file_facts facts = {.size = 0};
        bool exists = false;
        int64_t base = work->inventory.bases[slot];
        mg_status status = has_file(work, base, MG_LOG_SUFFIX, &exists, &facts, error);
        if (status != MG_OK) return status;
        mg_segment *segment = NULL;
        status = mg_segment_open(&segment, work->log->files, base, error);
        if (status != MG_OK) return status;
        status = mg_segment_remove_files(segment, work->log->directory, error);
        mg_segment_close(segment);
        if (status != MG_OK) return status;
        work->report->cut_size += facts.size;
        work->names_changed = true;
    }
    return MG_OK;
}

static void report(recovery *work, const mg_salvage *salvage)
{
    work->report->segments_scanned++;
    work->report->indexes_rebuilt++;
    work->report->scanned_size += salvage->file_size;
    work->report->cut_size += salvage->file_size - salvage->cut_from;
    for (size_t i = 0; i < salvage->gaps_count; i++) {
        work->report->set_aside_size += salvage->gaps[i].to - salvage->gaps[i].from;
    }
    if (salvage->gaps_count > 0) work->names_changed = true;
}

/* The files that go with a segment that will not grow any more. */
static mg_status finish_sealed(recovery *work, size_t slot, mg_error *error)
{
    mg_log *log = work->log;
    mg_segment *segment = work->segments[slot];
    mg_time_index *times = atomic_load(&segment->time_index);
    mg_status status = mg_time_index_reserve(times, 1, error);
    if (status != MG_OK) return status;
    mg_time_index_append(times, (mg_time_entry){.timestamp = work->max_timestamp,
                                                .relative_offset = work->max_timestamp_offset});
    status = mg_log_write_indexes(log, segment, work->inventory.bases[slot + 1], error);
    if (status == MG_OK) status = mg_segment_sync_indexes(segment, log->directory, error);
    if (status != MG_OK) return status;
    drop_indexes(segment);
    char path[MG_PATH_SIZE];
    status = mg_log_path(path, log->directory, work->inventory.bases[slot + 1], MG_SNAPSHOT_SUFFIX,
                         error);
    if (status != MG_OK) return status;
    work->names_changed = true;
    return mg_producers_save(&log->producers, log->files, path, true, error);
}

/* What was on disk below the recovery point is damage where it is bad, not a torn tail; its
 * offsets are not given out again. */
static void pass_recovery_point(recovery *work, const mg_salvage *salvage)
{
    bool is_damaged_tail =
        salvage->gaps_count > 0 && salvage->gaps[salvage->gaps_count - 1].at == salvage->kept_size;
    if (is_damaged_tail && salvage->known_end > work->end_offset) {
        work->end_offset = salvage->known_end;
    }
}

static mg_status look_and_repair(recovery *work, mg_salvage *salvage, bool is_last, mg_error *error)
{
    /* Whether a tail may be cut shows when the scan has got there: the last intact batch may lie
     * on either side of the recovery point. */
    mg_status status = mg_salvage_look(salvage, !is_last, error);
    bool was_cut = status == MG_OK && salvage->cut_from < salvage->file_size;
    if (is_last) {
        salvage->next_offset =
            end_with_damage(work, salvage->segment->base_offset, salvage->next_offset);
    }
    bool is_short = is_last && salvage->next_offset < salvage->known_end; /* cut by somebody */
    bool is_kept =
        work->start->keep_tail || salvage->next_offset < work->start->recovery_point;
    if (status == MG_OK && (is_short || (was_cut && is_kept))) {
        status = mg_salvage_keep_tail(salvage, salvage->cut_from, error);
    }
    mg_file *file = NULL;
    if (status == MG_OK) status = mg_salvage_repair(salvage, &file, error);
    if (status != MG_OK) return status;
    if (file != salvage->file) {
        mg_file_close(salvage->file);
        salvage->file = file;
    }
    report(work, salvage);
    work->end_offset = salvage->next_offset;
    work->max_timestamp = salvage->max_timestamp;
    work->max_timestamp_offset = salvage->max_timestamp_offset;
    if (is_last) pass_recovery_point(work, salvage);
    return MG_OK;
}

static mg_status salvage_segment(recovery *work, size_t slot, mg_error *error)
{
    bool is_last = slot + 1 == work->segments_count;
    mg_status status = open_segment(work, slot, error);
    if (status != MG_OK) return status;
    mg_segment *segment = work->segments[slot];
    int64_t proven_end = mg_provers_wait(work->provers, slot - work->first_proven);
    int64_t least = segment->base_offset;
    if (work->end_offset > least) least = work->end_offset;
    mg_salvage salvage = {.log = work->log,
                          .scan = &work->scan,
                          .segment = segment,
                          .proven_end = proven_end,
                          .next_offset = least,
                          .last_max = INT64_MAX,
                          .known_end = known_end(work, segment->base_offset),
                          .max_timestamp = MG_TIMESTAMP_NONE};
    if (!is_last) salvage.last_max = work->inventory.bases[slot + 1] - 1;
    status = mg_segment_open_indexes(segment, error);
    if (status == MG_OK) status = open_file(work, slot, &salvage.file, error);
    if (status != MG_OK) return status;
    int64_t size = 0;
    status = mg_file_size(salvage.file, &size, error);
    if (status == MG_OK && size > MG_SEGMENT_SIZE_MAX) {
        status = mg_fail(error, MG_UNSUPPORTED, 0, "segment of %lld bytes", (long long)size);
    }
    if (status == MG_OK) status = look_and_repair(work, &salvage, is_last, error);
    mg_salvage_deinit(&salvage);
    if (status != MG_OK) {
        mg_file_close(salvage.file);
        return status;
    }
    if (is_last) {
        mg_pooled_adopt(&segment->log_file, salvage.file);
        atomic_store(&segment->end, mg_segment_end_word(work->end_offset - segment->base_offset,
                                                        salvage.kept_size));
        return MG_OK;
    }
    mg_file_close(salvage.file);
    set_sealed_end(work, slot, salvage.kept_size);
    return finish_sealed(work, slot, error);
}

/* The segments before `slot`, as a list for the replay of producers. */
static mg_status list_before(recovery *work, size_t slot, mg_segment_list **list, mg_error *error)
{
    *list = NULL;
    if (slot == 0) return MG_OK;
    mg_status status = mg_segment_list_open(list, slot, error);
    if (status != MG_OK) return status;
    for (size_t i = 0; i < slot; i++)
        (*list)->segments[i] = work->segments[i];
    return MG_OK;
}

static mg_status load_producers(recovery *work, size_t slot, int64_t offset, mg_error *error)
{
    mg_segment_list *list = NULL;
    mg_status status = list_before(work, slot, &list, error);
    if (status != MG_OK) return status;
    status = mg_log_load_producers(work->log, list, offset, work->start->now_ms, error);
    mg_segment_list_close(list);
    return status;
}

/* Worth it from two segments on: one is checked by one thread either way, but read twice. */
static mg_status start_provers(recovery *work, size_t first, mg_error *error)
{
    size_t count = work->segments_count - first;
    work->first_proven = first;
    if (work->start->threads < 2 || count < 2) return MG_OK;
    return mg_provers_open(&work->provers, work->log->files, work->log->directory,
                           work->inventory.bases + first, count, work->start->threads,
                           work->start->progress, error);
}

static size_t slot_of_recovery_point(const recovery *work)
{
    size_t slot = 0;
    for (size_t i = 0; i < work->inventory.bases_count; i++) {
        /* One that ends there may have been sealed later: its indexes need not be on disk. */
        if (work->inventory.bases[i] < work->start->recovery_point) slot = i;
    }
    return slot;
}

static mg_status rewrite_from(recovery *work, size_t first, mg_error *error)
{
    /* What was renamed is so for good before there is a .cleaned (inventory.c). */
    mg_status status = mg_files_sync_directory(work->log->files, work->log->directory, error);
    for (size_t slot = first; slot < work->segments_count && status == MG_OK; slot++) {
        status = mg_doubt_rewrite(work->log->files, work->log->directory,
                                  work->inventory.bases[slot], &work->report->rewritten_size,
                                  error);
    }
    work->names_changed = true; /* nor is the directory believed */
    return status;
}

/* States above `base` are of batches that need not be there, or of offsets that are to be given out
 * again; a truncation would take them for theirs. Those of segments were just made anew. */
static mg_status tidy_snapshots(recovery *work, int64_t base, mg_error *error)
{
    return mg_log_tidy_snapshots(work->log, base + 1, -1, error);
}

static mg_status salvage_from(recovery *work, size_t first, mg_error *error)
{
    mg_log *log = work->log;
    mg_status status = MG_OK;
    if (work->inventory.is_doubted) {
        size_t doubted = slot_of_recovery_point(work);
        status = rewrite_from(work, doubted > first ? doubted : first, error);
    }
    if (status == MG_OK) status = mg_scan_open(&work->scan, error);
    if (status != MG_OK) return status;
    work->scan.progress = work->start->progress;
    status = find_last(work, first, error);
    if (status == MG_OK) status = start_provers(work, first, error);
    if (status == MG_OK) {
        mg_epochs_cut_end(&log->epochs, work->inventory.bases[first]);
        mg_txn_index_cut_end(&log->aborted, work->inventory.bases[first]);
        status = load_producers(work, first, work->inventory.bases[first], error);
    }
    work->end_offset = 0;
    for (size_t slot = first; slot < work->segments_count && status == MG_OK; slot++) {
        status = salvage_segment(work, slot, error);
    }
    mg_provers_close(work->provers);
    if (status == MG_OK) status = remove_rest(work, error);
    if (status == MG_OK) status = tidy_snapshots(work, work->inventory.bases[first], error);
    mg_scan_close(&work->scan);
    log->is_changed = true;
    return status;
}

/* ---- The whole ---- */

/* Transaction indexes are small and believed below the first that is not sound, `*doubted`: its
 * batches must tell. */
static mg_status load_aborted(recovery *work, size_t *doubted, mg_error *error)
{
    mg_log *log = work->log;
    size_t count = work->inventory.bases_count;
    *doubted = count;
    for (size_t slot = 0; slot < count; slot++) {
        char path[MG_PATH_SIZE];
        bool sound = true;
        int64_t base = work->inventory.bases[slot];
        int64_t end = slot + 1 < count ? work->inventory.bases[slot + 1] : INT64_MAX;
        mg_status status = mg_log_path(path, log->directory, base, MG_TXN_INDEX_SUFFIX, error);
        if (status != MG_OK) return status;
        status = mg_txn_index_load(&log->aborted, log->files, path, base, end, &sound, error);
        if (status != MG_OK) return status;
        if (!sound) {
            *doubted = slot;
            return MG_OK;
        }
    }
    return MG_OK;
}

static mg_status take_up_segments(recovery *work, bool scan_all, mg_error *error)
{
    size_t count = work->inventory.bases_count;
    size_t first = count - 1;
    bool salvage = scan_all || work->inventory.is_doubted || !work->start->clean;
    if (salvage) first = scan_all ? 0 : slot_of_recovery_point(work);
    work->segments_count = count;
    size_t doubted = count;
    mg_status status = load_aborted(work, &doubted, error);
    if (status != MG_OK) return status;
    if (doubted <= first) {
        first = doubted;
        salvage = true;
    }
    for (size_t slot = 0; slot < first; slot++) {
        status = take_sealed(work, slot, error);
        if (status != MG_OK) return status;
    }
    if (!salvage) {
        bool sound = true;
        status = take_last(work, first, &sound, error);
        if (status != MG_OK) return status;
        if (sound) return load_producers(work, count, work->end_offset, error);
    }
    return salvage_from(work, first, error);
}

static mg_status begin_empty(recovery *work, mg_error *error)
{
    mg_segment *segment = NULL;
    int64_t base = work->start->start_offset;
    mg_status status = mg_log_create_segment(work->log, base, &segment, error);
    if (status != MG_OK) return status;
    work->segments[0] = segment;
    work->segments_count = 1;
    work->end_offset = base;
    work->max_timestamp = MG_TIMESTAMP_NONE;
    work->names_changed = true;
    work->log->is_changed = true;
    status = load_producers(work, 0, base, error);
    return status == MG_OK ? tidy_snapshots(work, base, error) : status;
}

static mg_status publish(recovery *work, mg_error *error)
{
    mg_log *log = work->log;
    mg_segment_list *list = NULL;
    mg_status status = list_before(work, work->segments_count, &list, error);
    if (status != MG_OK) return status;
    int64_t size = 0;
    for (size_t i = 0; i < list->count; i++)
        size += mg_segment_size(list->segments[i]);
    mg_segment *last = mg_segment_list_last(list);
    atomic_store(&last->max_timestamp, work->max_timestamp);
    atomic_store(&log->size, size);
    atomic_store(&log->end_offset, work->end_offset);
    atomic_store(&log->durable_end, work->end_offset);
    atomic_store(&log->first_open, mg_producers_first_open(&log->producers));
    int64_t start_offset = list->segments[0]->base_offset;
    if (work->start->start_offset > start_offset) start_offset = work->start->start_offset;
    atomic_store(&log->start_offset, start_offset);
    atomic_store(&log->list, list);
    mg_log_begin_active(log, last);
    log->active.max_timestamp = work->max_timestamp;
    log->active.max_timestamp_offset = work->max_timestamp_offset;
    return MG_OK;
}

/* The checkpoint knows of a start above what is left: the log goes on from there. Kafka would
 * delete what lies below; it is only not readable any more, and retention takes it. */
static mg_status jump_to_start(mg_log *log, mg_error *error)
{
    int64_t start_offset = atomic_load(&log->start_offset);
    if (start_offset <= log->active.end_offset) return MG_OK;
    mg_status status = mg_log_roll_to(log, start_offset, error);
    if (status != MG_OK) return status;
    atomic_store(&log->end_offset, start_offset);
    return mg_log_flush(log, error);
}

static void give_up(recovery *work)
{
    size_t count = work->inventory.bases_count > 0 ? work->inventory.bases_count : 1;
    for (size_t i = 0; work->segments != NULL && i < count; i++) {
        mg_segment *segment = work->segments[i];
        if (segment == NULL) continue;
        if (atomic_load(&segment->log_file.pins) > 0) mg_pooled_unpin(&segment->log_file);
        mg_segment_close(segment);
    }
}

static mg_status load_epochs(mg_log *log, bool *scan_all, mg_error *error)
{
    char path[MG_PATH_SIZE];
    mg_status status = mg_path_join(path, log->directory, MG_EPOCHS_NAME, error);
    if (status != MG_OK) return status;
    status = mg_epochs_load(&log->epochs, log->files, path, error);
    /* Kafka gives the directory up here; the batches know their epochs. */
    *scan_all = status == MG_CORRUPT;
    return status == MG_CORRUPT ? MG_OK : status;
}

static mg_status reserve_slots(recovery *work, mg_error *error)
{
    size_t room = work->inventory.bases_count > 0 ? work->inventory.bases_count : 1;
    work->segments = calloc(room, sizeof(mg_segment *));
    if (work->segments == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "recovery");
    return MG_OK;
}

static mg_status recover(recovery *work, mg_error *error)
{
    bool scan_all = false;
    mg_log *log = work->log;
    mg_status status = reserve_slots(work, error);
    if (status == MG_OK) status = load_epochs(log, &scan_all, error);
    if (status != MG_OK) return status;
    bool is_empty = work->inventory.bases_count == 0;
    scan_all = scan_all || work->start->check_all;
    status = is_empty ? begin_empty(work, error) : take_up_segments(work, scan_all, error);
    if (status != MG_OK) return status;
    mg_epochs_cut_end(&log->epochs, work->end_offset);
    mg_epochs_raise_start(&log->epochs, work->start->start_offset);
    /* A new log's names wait for its first flush; what was salvaged is called durable now. */
    if (is_empty || work->inventory.changed) log->directory_dirty = true;
    if (!is_empty && work->names_changed) {
        status = mg_files_sync_directory(log->files, log->directory, error);
    }
    if (status == MG_OK) status = publish(work, error);
    return status;
}

mg_status mg_log_recover(mg_log *log, const mg_log_start *start, mg_log_report *report,
                         mg_error *error)
{
    recovery work = {.log = log, .start = start, .report = report};
    mg_status status = mg_inventory_open(&work.inventory, log->files, log->directory, error);
    if (status != MG_OK) return status;
    status = recover(&work, error);
    if (status != MG_OK) give_up(&work);
    if (status == MG_OK && work.inventory.is_doubted) mg_doubt_dispel(log->files, log->directory);
    free(work.segments);
    mg_inventory_close(&work.inventory);
    if (status != MG_OK) return status;
    return jump_to_start(log, error);
}
