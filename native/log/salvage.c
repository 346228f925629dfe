#include "log/salvage.h"

#include "batch/batch_format.h"
#include "log/inventory.h"
#include "log/names.h"
#include "log/replay.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t offset_max_of(int64_t base_offset)
{
    return base_offset > INT64_MAX - INT32_MAX ? INT64_MAX : base_offset + INT32_MAX;
}

enum { SECTOR_SIZE = 512 }; /* the least that a disk writes as a whole */

static bool is_zeros(mg_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != 0) return false;
    return true;
}

/* Right behind damage, from `damaged` on, a header may begin in a sector that was never written,
 * and reads as zeros: the checksum holds, as it covers neither the base offset nor the size. What
 * is left of an offset is believed if the next batch goes on from it, or if it is the lower half,
 * which no two offsets of a segment share. */
static mg_status is_torn(mg_scan *scan, int64_t damaged, int64_t position,
                         const mg_batch_header *header, bool *answer, mg_error *error)
{
    *answer = false;
    int64_t border = (position / SECTOR_SIZE + 1) * SECTOR_SIZE;
    bool halves = border > position + MG_BATCH_AT_LENGTH / 2;
    if (!halves || border >= position + MG_BATCH_AT_LEADER_EPOCH) return MG_OK;
    int64_t from = border - SECTOR_SIZE > damaged ? border - SECTOR_SIZE : damaged;
    mg_span lost;
    mg_status status = mg_scan_bytes(scan, from, (size_t)(border - from), &lost, error);
    if (status != MG_OK || !is_zeros(lost)) return status;
    mg_scan_verdict verdict;
    mg_batch_header follower;
    status = mg_scan_check(scan, position + header->size, &verdict, &follower, error);
    if (status != MG_OK) return status;
    *answer = verdict != MG_SCAN_INTACT || follower.base_offset != mg_batch_last_offset(header) + 1;
    return MG_OK;
}

mg_status mg_salvage_has_intact(mg_scan *scan, mg_file *file, int64_t base_offset, bool *answer,
                                mg_error *error)
{
    *answer = false;
    mg_status status = mg_scan_begin(scan, file, error);
    if (status != MG_OK) return status;
    mg_scan_verdict verdict;
    mg_batch_header header;
    mg_scan_bounds bounds = {.base_min = base_offset, .last_max = offset_max_of(base_offset)};
    status = mg_scan_check(scan, 0, &verdict, &header, error);
    if (status != MG_OK) return status;
    *answer = verdict == MG_SCAN_OLD_FORMAT ||
              (verdict == MG_SCAN_INTACT && mg_scan_is_within(&bounds, &header));
    if (*answer || scan->size == 0) return MG_OK;
    int64_t damaged = 0;
    int64_t found = 0;
    while ((status = mg_scan_find_next(scan, damaged, &bounds, &found, error)) == MG_OK) {
        bool torn = false;
        status = mg_scan_check(scan, found, &verdict, &header, error);
        if (status == MG_OK) status = is_torn(scan, damaged, found, &header, &torn, error);
        if (status != MG_OK) return status;
        *answer = !torn;
        if (*answer) return MG_OK;
        damaged = found;
    }
    return status == MG_NOT_FOUND ? MG_OK : status;
}

static mg_scan_bounds bounds_of(const mg_salvage *salvage)
{
    int64_t offset_max = offset_max_of(salvage->segment->base_offset);
    return (mg_scan_bounds){.base_min = salvage->next_offset,
                            .last_max =
                                salvage->last_max < offset_max ? salvage->last_max : offset_max};
}

/* The base offset is outside the checksum. A batch that jumps is believed (compaction leaves
 * gaps) unless the next one shows that there was none. */
static mg_status is_contradicted(mg_salvage *salvage, int64_t position,
                                 const mg_batch_header *header, bool *answer, mg_error *error)
{
    *answer = false;
    if (header->base_offset == salvage->next_offset) return MG_OK;
    mg_scan_verdict verdict;
    mg_batch_header follower;
    mg_status status =
        mg_scan_check(salvage->scan, position + header->size, &verdict, &follower, error);
    if (status != MG_OK) return status;
    mg_scan_bounds bounds = bounds_of(salvage);
    *answer = verdict == MG_SCAN_INTACT && mg_scan_is_within(&bounds, &follower) &&
              follower.base_offset <= mg_batch_last_offset(header);
    return MG_OK;
}

static mg_status is_good(mg_salvage *salvage, int64_t position, mg_batch_header *header,
                         bool *answer, mg_error *error)
{
    *answer = false;
    mg_scan_verdict verdict;
    mg_status status = mg_scan_check(salvage->scan, position, &verdict, header, error);
    if (status != MG_OK) return status;
    if (verdict == MG_SCAN_OLD_FORMAT) {
        return mg_fail(error, MG_UNSUPPORTED, 0,
                       "segment %lld holds messages of format 0 or 1 at position %lld",
                       (long long)salvage->segment->base_offset, (long long)position);
    }
    mg_scan_bounds bounds = bounds_of(salvage);
    if (verdict != MG_SCAN_INTACT || !mg_scan_is_within(&bounds, header)) return MG_OK;
    bool contradicted = false;
    bool torn = false;
    status = is_contradicted(salvage, position, header, &contradicted, error);
    const mg_gap *gap = NULL;
    if (salvage->gaps_count > 0) gap = &salvage->gaps[salvage->gaps_count - 1];
    if (status == MG_OK && gap != NULL && gap->to == position) {
        status = is_torn(salvage->scan, gap->from, position, header, &torn, error);
    }
    *answer = !contradicted && !torn;
    return status;
}

static mg_status index_batch(mg_salvage *salvage, const mg_batch_header *header, mg_error *error)
{
    mg_segment *segment = salvage->segment;
    int32_t relative = (int32_t)(mg_batch_last_offset(header) - segment->base_offset);
    if (header->max_timestamp > salvage->max_timestamp) {
        salvage->max_timestamp = header->max_timestamp;
        salvage->max_timestamp_offset = relative;
    }
    int64_t interval = atomic_load(&salvage->log->index_interval_size);
    if (salvage->kept_size - salvage->last_index_position <= interval) return MG_OK;
    mg_offset_index *offsets = atomic_load(&segment->offset_index);
    mg_time_index *times = atomic_load(&segment->time_index);
    mg_status status = mg_offset_index_reserve(offsets, 1, error);
    if (status == MG_OK) status = mg_time_index_reserve(times, 2, error);
    if (status != MG_OK) return status;
    mg_offset_index_append(offsets, (mg_offset_entry){.relative_offset = relative,
                                                      .position = (int32_t)salvage->kept_size});
    mg_time_index_append(times, (mg_time_entry){.timestamp = salvage->max_timestamp,
                                                .relative_offset = salvage->max_timestamp_offset});
    salvage->last_index_position = salvage->kept_size;
    return MG_OK;
}

/* So is the leader epoch. One that falls again right behind was never there; believed, it would
 * stay for good: epochs only rise. */
static mg_status is_false_epoch(mg_salvage *salvage, int64_t position,
                                const mg_batch_header *header, bool *answer, mg_error *error)
{
    mg_scan_verdict verdict;
    mg_batch_header follower;
    mg_scan_bounds bounds = bounds_of(salvage);
    mg_status status =
        mg_scan_check(salvage->scan, position + header->size, &verdict, &follower, error);
    if (status != MG_OK) return status;
    *answer = verdict == MG_SCAN_INTACT && mg_scan_is_within(&bounds, &follower) &&
              follower.leader_epoch < header->leader_epoch;
    return MG_OK;
}

static mg_status take_epoch(mg_salvage *salvage, int64_t position, const mg_batch_header *header,
                            mg_error *error)
{
    bool is_false = false;
    if (header->leader_epoch <= mg_epochs_latest(&salvage->log->epochs)) return MG_OK;
    mg_status status = is_false_epoch(salvage, position, header, &is_false, error);
    if (status != MG_OK || is_false) return status;
    status = mg_epochs_reserve(&salvage->log->epochs, error);
    if (status != MG_OK) return status;
    mg_epochs_assign(&salvage->log->epochs, header->leader_epoch, header->base_offset);
    return MG_OK;
}

enum { CONTROL_SIZE_MAX = 1024 }; /* of a batch with one end-of-transaction marker: 78 bytes */

static mg_status take_batch(mg_salvage *salvage, int64_t position, const mg_batch_header *header,
                            mg_error *error)
{
    mg_status status = index_batch(salvage, header, error);
    if (status != MG_OK) return status;
    mg_span bytes = {.data = NULL, .size = 0};
    if ((header->attributes & MG_BATCH_CONTROL) != 0) {
        size_t size = header->size < CONTROL_SIZE_MAX ? (size_t)header->size : CONTROL_SIZE_MAX;
        status = mg_scan_bytes(salvage->scan, position, size, &bytes, error);
        if (status != MG_OK) return status;
    }
    status = mg_log_replay(salvage->log, header, bytes, error);
    if (status != MG_OK) return status;
    status = take_epoch(salvage, position, header, error);
    if (status != MG_OK) return status;
    for (size_t i = salvage->gaps_count; i > 0; i--) {
        mg_gap *gap = &salvage->gaps[i - 1];
        if (gap->at != salvage->kept_size) break;
        gap->next_offset = header->base_offset;
    }
    salvage->kept_size += header->size;
    salvage->next_offset = mg_batch_last_offset(header) + 1;
    return MG_OK;
}

static mg_status note_gap(mg_salvage *salvage, int64_t from, int64_t to, mg_error *error)
{
    MG_ASSERT(from <= to);
    size_t size = (salvage->gaps_count + 1) * sizeof *salvage->gaps;
    mg_gap *gaps = realloc(salvage->gaps, size);
    if (gaps == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "recovery");
    salvage->gaps = gaps;
    bool is_last = salvage->last_max == INT64_MAX;
    int64_t end = is_last ? salvage->known_end : salvage->last_max + 1;
    gaps[salvage->gaps_count++] =
        (mg_gap){.from = from,
                 .to = to,
                 .at = salvage->kept_size,
                 .first_offset = salvage->next_offset,
                 .next_offset = end > salvage->next_offset ? end : salvage->next_offset};
    return MG_OK;
}

/* What lies in front of a torn header with nothing behind it is the tail as well. */
static int64_t begin_of_damage(mg_salvage *salvage, int64_t position)
{
    while (salvage->gaps_count > 0 && salvage->gaps[salvage->gaps_count - 1].to == position)
        position = salvage->gaps[--salvage->gaps_count].from;
    return position;
}

mg_status mg_salvage_look(mg_salvage *salvage, bool keep_tail, mg_error *error)
{
    mg_status status = mg_scan_begin(salvage->scan, salvage->file, error);
    if (status != MG_OK) return status;
    salvage->scan->proven_end = salvage->proven_end;
    salvage->file_size = salvage->scan->size;
    salvage->cut_from = salvage->file_size;
    int64_t position = 0;
    while (position < salvage->file_size) {
        mg_batch_header header;
        bool good = false;
        status = is_good(salvage, position, &header, &good, error);
        if (status != MG_OK) return status;
        if (good) {
            status = take_batch(salvage, position, &header, error);
            if (status != MG_OK) return status;
            position += header.size;
            continue;
        }
        int64_t next = salvage->file_size;
        mg_scan_bounds bounds = bounds_of(salvage);
        status = mg_scan_find_next(salvage->scan, position, &bounds, &next, error);
        if (status != MG_OK && status != MG_NOT_FOUND) return status;
        if (status == MG_NOT_FOUND && !keep_tail) {
            salvage->cut_from = begin_of_damage(salvage, position);
            return MG_OK;
        }
        status = note_gap(salvage, position, next, error);
        if (status != MG_OK) return status;
        position = next;
    }
    return MG_OK;
}

mg_status mg_salvage_keep_tail(mg_salvage *salvage, int64_t tail, mg_error *error)
{
    MG_ASSERT(salvage->cut_from == tail);
    salvage->cut_from = salvage->file_size;
    return note_gap(salvage, tail, salvage->file_size, error);
}

/* ---- Repair ---- */

/* Opens a name that is not taken: an older file of that name holds other bytes. */
static mg_status create_damaged(mg_salvage *salvage, const mg_gap *gap, mg_file **file,
                                mg_error *error)
{
    enum { NAMES_MAX = 1000 };
    mg_log *log = salvage->log;
    for (int attempt = 0; attempt < NAMES_MAX; attempt++) {
        char suffix[MG_NAME_SIZE];
        char path[MG_PATH_SIZE];
        mg_damage damage = {.base = salvage->segment->base_offset,
                            .from = gap->first_offset,
                            .to = gap->next_offset};
        mg_damage_suffix(suffix, &damage, attempt);
        mg_status status =
            mg_log_path(path, log->directory, salvage->segment->base_offset, suffix, error);
        if (status != MG_OK) return status;
        mg_error trouble;
        status = mg_file_open(log->files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EXCLUSIVE,
                              file, &trouble);
        if (status == MG_BUSY) continue;
        if (status != MG_OK && error != NULL) *error = trouble;
        return status;
    }
    return mg_fail(error, MG_IO, 0, "too many damaged files in %.100s", log->directory);
}

static mg_status set_aside(mg_salvage *salvage, const mg_gap *gap, mg_error *error)
{
    mg_file *file = NULL;
    mg_status status = create_damaged(salvage, gap, &file, error);
    if (status != MG_OK) return status;
    status = mg_file_copy(salvage->file, gap->from, gap->to, file, 0, error);
    if (status == MG_OK) status = mg_file_sync(file, error);
    mg_file_close(file);
    return status;
}

static mg_status copy_kept(mg_salvage *salvage, mg_file *to, mg_error *error)
{
    int64_t begin = 0;
    int64_t at = 0;
    mg_status status = MG_OK;
    for (size_t i = 0; i <= salvage->gaps_count && status == MG_OK; i++) {
        bool is_rest = i == salvage->gaps_count;
        int64_t end = is_rest ? salvage->cut_from : salvage->gaps[i].from;
        status = mg_file_copy(salvage->file, begin, end, to, at, error);
        at += end - begin;
        begin = is_rest ? end : salvage->gaps[i].to;
    }
    MG_ASSERT(status != MG_OK || at == salvage->kept_size);
    if (status == MG_OK) status = mg_file_sync(to, error);
    return status;
}

static mg_status write_anew(mg_salvage *salvage, mg_file **file, mg_error *error)
{
    mg_log *log = salvage->log;
    int64_t base = salvage->segment->base_offset;
    char from[MG_PATH_SIZE];
    char to[MG_PATH_SIZE];
    mg_file *fresh = NULL;
    mg_status status =
        mg_log_path(from, log->directory, base, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, error);
    if (status == MG_OK) status = mg_log_path(to, log->directory, base, MG_LOG_SUFFIX, error);
    if (status == MG_OK) {
        status = mg_file_open(log->files, from, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY,
                              &fresh, error);
    }
    if (status != MG_OK) return status;
    status = copy_kept(salvage, fresh, error);
    /* The bytes set aside must not vanish with the old file: their names first. */
    if (status == MG_OK) status = mg_files_sync_directory(log->files, log->directory, error);
    if (status == MG_OK) status = mg_files_rename(log->files, from, to, error);
    if (status != MG_OK) {
        mg_file_close(fresh);
        return status;
    }
    *file = fresh;
    return MG_OK;
}

/* As the next start will find it, old damage and new: positions have moved. */
static mg_status remember_damage(mg_salvage *salvage, mg_error *error)
{
    mg_log *log = salvage->log;
    mg_segment *segment = salvage->segment;
    mg_inventory inventory;
    int32_t *damaged = NULL;
    size_t count = 0;
    mg_status status = mg_inventory_look(&inventory, log->files, log->directory, error);
    if (status != MG_OK) return status;
    status = mg_inventory_load_damages(&inventory, log->files, log->directory, segment->base_offset,
                                       &damaged, &count, error);
    mg_inventory_close(&inventory);
    if (status != MG_OK) return status;
    free(segment->damaged);
    segment->damaged = damaged;
    segment->damaged_count = count;
    return MG_OK;
}

mg_status mg_salvage_repair(mg_salvage *salvage, mg_file **file, mg_error *error)
{
    *file = salvage->file;
    mg_status status = MG_OK;
    if (salvage->gaps_count == 0) {
        /* Also where nothing is torn: what was reserved behind the end is given back. */
        status = mg_file_truncate(salvage->file, salvage->cut_from, error);
        if (status == MG_OK) status = mg_file_sync(salvage->file, error);
        return status;
    }
    for (size_t i = 0; i < salvage->gaps_count && status == MG_OK; i++) {
        status = set_aside(salvage, &salvage->gaps[i], error);
    }
    if (status == MG_OK) status = write_anew(salvage, file, error);
    if (status != MG_OK) return status;
    status = remember_damage(salvage, error);
    if (status != MG_OK) {
        mg_file_close(*file);
        *file = salvage->file;
    }
    return status;
}

void mg_salvage_deinit(mg_salvage *salvage)
{
    free(salvage->gaps);
    salvage->gaps = NULL;
}
