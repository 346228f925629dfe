#include "log/inspect.h"

#include "batch/columns.h"
#include "batch/record.h"
#include "log/entry_file.h"
#include "log/names.h"

#include <stdlib.h>

enum {
    FINDS_OF_BATCH = 64, /* at most; 32 of them are bad entries of indexes */
    CONTROL_SIZE_MAX = 1024,
    CONTROL_KEY_SIZE = 4,
};

typedef struct mg_inspect_open_transaction {
    int64_t producer_id;
    int64_t first_offset;
} open_transaction;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Open, close ---- */

static mg_status load_entries(mg_files *files, const char *directory, int64_t base,
                              const char *suffix, size_t entry_size, uint8_t **entries,
                              int64_t *count, mg_error *error)
{
    char path[MG_PATH_SIZE];
    size_t found = 0;
    mg_error trouble;
    mg_status status = mg_log_path(path, directory, base, suffix, error);
    if (status != MG_OK) return status;
    status = mg_entry_file_load(files, path, entry_size, entries, &found, &trouble);
    *count = (int64_t)found;
    if (status == MG_OK || status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

static mg_status open_files(mg_inspect *inspect, mg_files *files, const char *directory,
                            mg_error *error)
{
    char path[MG_PATH_SIZE];
    int64_t base = inspect->range.base_offset;
    mg_status status = mg_log_path(path, directory, base, MG_LOG_SUFFIX, error);
    if (status == MG_OK) status = mg_file_open(files, path, MG_FILE_READ, &inspect->file, error);
    if (status == MG_OK) status = mg_scan_open(&inspect->scan, error);
    if (status == MG_OK) status = mg_scan_begin(&inspect->scan, inspect->file, error);
    if (status != MG_OK || !inspect->range.checks_indexes) return status;
    status = load_entries(files, directory, base, MG_OFFSET_INDEX_SUFFIX, MG_OFFSET_ENTRY_SIZE,
                          &inspect->index, &inspect->totals.index_entries, error);
    if (status != MG_OK) return status;
    return load_entries(files, directory, base, MG_TIME_INDEX_SUFFIX, MG_TIME_ENTRY_SIZE,
                        &inspect->times, &inspect->totals.time_entries, error);
}

mg_status mg_inspect_open(mg_inspect *inspect, mg_files *files, const char *directory,
                          const mg_inspect_range *range, mg_error *error)
{
    *inspect = (mg_inspect){.range = *range,
                            .next_offset = range->base_offset,
                            .leader_epoch = INT32_MIN,
                            .times_max = INT64_MIN};
    inspect->totals.first_offset = -1;
    inspect->totals.end_offset = range->base_offset;
    inspect->totals.min_timestamp = INT64_MAX;
    inspect->totals.max_timestamp = -1;
    inspect->open = calloc(MG_INSPECT_OPEN_MAX, sizeof *inspect->open);
    if (inspect->open == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "inspection");
    mg_status status = open_files(inspect, files, directory, error);
    if (status != MG_OK) mg_inspect_close(inspect);
    return status;
}

void mg_inspect_close(mg_inspect *inspect)
{
    mg_scan_close(&inspect->scan);
    mg_file_close(inspect->file);
    free(inspect->large);
    free(inspect->index);
    free(inspect->times);
    free(inspect->open);
    inspect->file = NULL;
    inspect->large = NULL;
    inspect->index = NULL;
    inspect->times = NULL;
    inspect->open = NULL;
}

static void find(mg_inspect *inspect, mg_inspect_kind kind, int64_t position, int64_t offset,
                 int64_t a, int64_t b)
{
    MG_ASSERT(inspect->finds_count < MG_INSPECT_FINDS);
    inspect->finds[inspect->finds_count++] = (mg_inspect_find){
        .kind = kind, .position = position, .offset = offset, .a = a, .b = b};
}

static bool is_full(const mg_inspect *inspect)
{
    return inspect->finds_count > MG_INSPECT_FINDS - FINDS_OF_BATCH;
}

/* ---- Records ---- */

static size_t size_class(size_t size)
{
    if (size == 0) return 0;
    size_t order = 64 - (size_t)__builtin_clzll(size);
    return order < MG_INSPECT_SIZE_CLASSES ? order : MG_INSPECT_SIZE_CLASSES - 1;
}

static void count_record(mg_inspect_totals *totals, const mg_record *record)
{
    totals->null_keys += record->key.data == NULL;
    totals->key_bytes += (int64_t)record->key.size;
    totals->null_values += record->value.data == NULL;
    totals->value_bytes += (int64_t)record->value.size;
    totals->values[size_class(record->value.size)]++;
}

static void check_records(mg_inspect *inspect, int64_t position, const mg_batch_header *header,
                          mg_span payload)
{
    mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
    mg_record record;
    bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
    bool offsets_fit = true;
    int64_t last_delta = -1;
    int64_t max_timestamp = INT64_MIN;
    int64_t index = 0;
    for (; mg_record_next(&walk, &record); index++) {
        bool fits = record.offset_delta > last_delta &&
                    record.offset_delta <= header->last_offset_delta;
        if (!fits && offsets_fit) {
            find(inspect, MG_INSPECT_RECORD_OFFSET, position, header->base_offset, index, 0);
            offsets_fit = false;
        }
        last_delta = record.offset_delta;
        int64_t timestamp = mg_batch_record_timestamp(header, record.timestamp_delta);
        if (timestamp > max_timestamp) max_timestamp = timestamp;
        if (!is_control) count_record(&inspect->totals, &record);
    }
    if (mg_record_walk_end(&walk) != MG_OK) {
        find(inspect, MG_INSPECT_RECORDS, position, header->base_offset, 0, 0);
        return;
    }
    bool is_stamped = (header->attributes & MG_BATCH_APPEND_TIME) != 0;
    if (index > 0 && !is_stamped && max_timestamp != header->max_timestamp) {
        find(inspect, MG_INSPECT_TIMESTAMP, position, header->base_offset, header->max_timestamp,
             max_timestamp);
    }
}

mg_status mg_inspect_records(mg_inspect *inspect, int64_t position, mg_span batch, mg_span records,
                             mg_error *error)
{
    mg_batch_header header;
    mg_status status = mg_batch_header_decode(batch, &header);
    if (status != MG_OK) return mg_fail(error, status, 0, "not a batch");
    if (is_full(inspect)) inspect->finds_count = 0; /* they were taken */
    inspect->totals.opened_bytes[mg_batch_codec(&header)] += (int64_t)records.size;
    check_records(inspect, position, &header, records);
    return MG_OK;
}

static mg_status reserve_large(mg_inspect *inspect, size_t size, mg_error *error)
{
    if (size <= inspect->large_size) return MG_OK;
    free(inspect->large);
    inspect->large = malloc(size);
    inspect->large_size = inspect->large == NULL ? 0 : size;
    if (inspect->large == NULL)
        return mg_fail(error, MG_NO_MEMORY, 0, "a batch of %zu bytes", size);
    return MG_OK;
}

static mg_status bytes_of(mg_inspect *inspect, int64_t position, size_t size, mg_span *bytes,
                          mg_error *error)
{
    if (size <= MG_SCAN_WINDOW_SIZE) {
        return mg_scan_bytes(&inspect->scan, position, size, bytes, error);
    }
    size_t got = 0;
    mg_status status = reserve_large(inspect, size, error);
    if (status == MG_OK) {
        status = mg_file_read(inspect->file, position, inspect->large, size, 0, &got, error);
    }
    if (status != MG_OK) return status;
    if (got != size) return mg_fail(error, MG_IO, 0, "segment file shrank while it was read");
    *bytes = (mg_span){.data = inspect->large, .size = size};
    return MG_OK;
}

static mg_status inspect_payload(mg_inspect *inspect, const mg_batch_header *header,
                                 mg_error *error)
{
    mg_codec_id codec = mg_batch_codec(header);
    int64_t payload = header->size - MG_BATCH_HEADER_SIZE;
    inspect->totals.codec_batches[codec]++;
    inspect->totals.codec_bytes[codec] += payload;
    if (codec > MG_CODEC_ZSTD) {
        find(inspect, MG_INSPECT_CODEC, inspect->position, header->base_offset, codec, 0);
        return MG_OK;
    }
    if (codec != MG_CODEC_NONE && header->record_count > 0) {
        find(inspect, MG_INSPECT_COMPRESSED, inspect->position, header->base_offset, codec, 0);
        inspect->finds[inspect->finds_count - 1].size = header->size;
        return MG_OK;
    }
    mg_span bytes;
    mg_status status =
        bytes_of(inspect, inspect->position, (size_t)header->size, &bytes, error);
    if (status != MG_OK) return status;
    inspect->totals.opened_bytes[codec] += payload;
    check_records(inspect, inspect->position, header, mg_batch_payload(bytes, header));
    return MG_OK;
}

/* ---- Transactions ---- */

/* Where the data of the producer's transaction begin; -1: it has none here. */
static int64_t close_transaction(mg_inspect *inspect, int64_t producer_id)
{
    for (size_t i = 0; i < inspect->open_count; i++) {
        int64_t first_offset = inspect->open[i].first_offset;
        if (inspect->open[i].producer_id != producer_id) continue;
        inspect->open[i] = inspect->open[--inspect->open_count];
        return first_offset;
    }
    return -1;
}

static void note_transaction(mg_inspect *inspect, const mg_batch_header *header)
{
    for (size_t i = inspect->open_count; i-- > 0;) {
        if (inspect->open[i].producer_id == header->producer_id) return;
    }
    if (inspect->open_count < MG_INSPECT_OPEN_MAX) {
        inspect->open[inspect->open_count++] = (open_transaction){
            .producer_id = header->producer_id, .first_offset = header->base_offset};
    }
}

/* As far as this segment tells: one that began before it may hold the offset lower. */
static int64_t stable_offset(const mg_inspect *inspect, int64_t marker)
{
    int64_t stable = marker + 1;
    for (size_t i = 0; i < inspect->open_count; i++)
        stable = smaller(stable, inspect->open[i].first_offset);
    return stable;
}

static mg_status inspect_transaction(mg_inspect *inspect, const mg_batch_header *header,
                                     mg_error *error)
{
    if ((header->attributes & MG_BATCH_TRANSACTIONAL) == 0) return MG_OK;
    inspect->totals.transactional_batches++;
    if ((header->attributes & MG_BATCH_CONTROL) == 0) {
        note_transaction(inspect, header);
        return MG_OK;
    }
    inspect->totals.control_batches++;
    if (header->size > CONTROL_SIZE_MAX) return MG_OK;
    mg_span bytes;
    mg_status status = bytes_of(inspect, inspect->position, (size_t)header->size, &bytes, error);
    if (status != MG_OK) return status;
    mg_record_walk walk =
        mg_record_walk_over(mg_batch_payload(bytes, header), header->record_count);
    mg_record record;
    if (!mg_record_next(&walk, &record) || record.key.size < CONTROL_KEY_SIZE) return MG_OK;
    mg_cursor key = mg_cursor_over(record.key.data, record.key.size);
    (void)mg_read_i16(&key);
    int16_t type = mg_read_i16(&key);
    if (type != MG_CONTROL_ABORT && type != MG_CONTROL_COMMIT) return MG_OK;
    int64_t first_offset = close_transaction(inspect, header->producer_id);
    if (type == MG_CONTROL_ABORT) {
        find(inspect, MG_INSPECT_ABORT, inspect->position, header->base_offset,
             header->producer_id, first_offset);
        inspect->finds[inspect->finds_count - 1].size = stable_offset(inspect, header->base_offset);
    }
    return MG_OK;
}

/* ---- Indexes ---- */

static int64_t index_offset(const mg_inspect *inspect, size_t slot)
{
    const uint8_t *entry = inspect->index + slot * MG_OFFSET_ENTRY_SIZE;
    return inspect->range.base_offset + (int32_t)mg_load_u32(entry);
}

static int64_t index_position(const mg_inspect *inspect, size_t slot)
{
    return (int32_t)mg_load_u32(inspect->index + slot * MG_OFFSET_ENTRY_SIZE + 4);
}

static void fail_index(mg_inspect *inspect, mg_inspect_kind kind)
{
    size_t slot = inspect->index_slot;
    if (inspect->totals.bad_index_entries++ >= MG_INSPECT_ENTRIES_MAX) return;
    find(inspect, kind, (int64_t)slot * MG_OFFSET_ENTRY_SIZE, index_offset(inspect, slot),
         index_offset(inspect, slot), index_position(inspect, slot));
}

/* Entries up to where the batch begins: those before it missed a batch. */
static void check_index(mg_inspect *inspect, int64_t position, int64_t last_offset)
{
    while (inspect->index_slot < (size_t)inspect->totals.index_entries) {
        size_t slot = inspect->index_slot;
        int64_t at = index_position(inspect, slot);
        bool ascends = slot == 0 || (at > index_position(inspect, slot - 1) &&
                                     index_offset(inspect, slot) > index_offset(inspect, slot - 1));
        if (!ascends) {
            fail_index(inspect, MG_INSPECT_INDEX_ORDER);
        } else if (at > position) {
            return;
        } else if (at < position) {
            bool is_lost = at >= inspect->damaged_from && at < inspect->damaged_to;
            if (!is_lost) fail_index(inspect, MG_INSPECT_INDEX_ENTRY);
        } else if (index_offset(inspect, slot) != last_offset) {
            fail_index(inspect, MG_INSPECT_INDEX_ENTRY);
        }
        inspect->index_slot++;
    }
}

static int64_t times_timestamp(const mg_inspect *inspect, size_t slot)
{
    return (int64_t)mg_load_u64(inspect->times + slot * MG_TIME_ENTRY_SIZE);
}

static int64_t times_offset(const mg_inspect *inspect, size_t slot)
{
    const uint8_t *entry = inspect->times + slot * MG_TIME_ENTRY_SIZE + 8;
    return inspect->range.base_offset + (int32_t)mg_load_u32(entry);
}

static void fail_times(mg_inspect *inspect, mg_inspect_kind kind)
{
    size_t slot = inspect->times_slot;
    if (inspect->totals.bad_time_entries++ >= MG_INSPECT_ENTRIES_MAX) return;
    find(inspect, kind, (int64_t)slot * MG_TIME_ENTRY_SIZE, times_offset(inspect, slot),
         times_timestamp(inspect, slot), times_offset(inspect, slot));
}

/* Of a batch that is damaged, right before the one at hand. */
static bool is_lost_offset(const mg_inspect *inspect, int64_t offset, int64_t base_offset)
{
    return inspect->damaged_to == inspect->position && offset >= inspect->damaged_offset &&
           offset < base_offset;
}

/* Entries of offsets up to the batch's last: its time must be theirs, no earlier one's above. */
static void check_times(mg_inspect *inspect, const mg_batch_header *header)
{
    int64_t last_offset = mg_batch_last_offset(header);
    while (inspect->times_slot < (size_t)inspect->totals.time_entries) {
        size_t slot = inspect->times_slot;
        int64_t timestamp = times_timestamp(inspect, slot);
        int64_t offset = times_offset(inspect, slot);
        bool ascends = slot == 0 || (timestamp > times_timestamp(inspect, slot - 1) &&
                                     offset > times_offset(inspect, slot - 1));
        if (!ascends) {
            fail_times(inspect, MG_INSPECT_TIMES_ORDER);
        } else if (offset > last_offset) {
            break;
        } else if (is_lost_offset(inspect, offset, header->base_offset)) {
            inspect->times_slot++;
            continue;
        } else if (offset != last_offset || timestamp != header->max_timestamp ||
                   timestamp <= inspect->times_max) {
            fail_times(inspect, MG_INSPECT_TIMES_ENTRY);
        }
        inspect->times_slot++;
    }
    if (header->max_timestamp > inspect->times_max) inspect->times_max = header->max_timestamp;
}

/* What is left of both files points behind the last batch. */
static void finish_indexes(mg_inspect *inspect)
{
    check_index(inspect, INT64_MAX, INT64_MAX);
    while (inspect->times_slot < (size_t)inspect->totals.time_entries) {
        int64_t offset = times_offset(inspect, inspect->times_slot);
        if (is_lost_offset(inspect, offset, INT64_MAX)) break;
        fail_times(inspect, MG_INSPECT_TIMES_ENTRY);
        inspect->times_slot++;
    }
    bool is_sealed = inspect->range.next_base != INT64_MAX;
    if (inspect->times == NULL || !is_sealed) return;
    int64_t last = -1;
    size_t count = (size_t)inspect->totals.time_entries;
    if (count > 0) last = times_timestamp(inspect, count - 1);
    if (last < inspect->totals.max_timestamp) {
        find(inspect, MG_INSPECT_TIMES_SHORT, (int64_t)count * MG_TIME_ENTRY_SIZE,
             inspect->totals.end_offset - 1, last, inspect->totals.max_timestamp);
    }
}

/* ---- Batches ---- */

static mg_scan_bounds bounds_of(const mg_inspect *inspect)
{
    int64_t base = inspect->range.base_offset;
    int64_t furthest = base > INT64_MAX - INT32_MAX ? INT64_MAX : base + INT32_MAX;
    return (mg_scan_bounds){.base_min = inspect->next_offset,
                            .last_max = smaller(furthest, inspect->range.next_base - 1)};
}

/* Out of bounds, or contradicted by the batch behind it, which goes on where this one should have
 * begun: see salvage.c, whose rule this is. */
static mg_status has_false_offset(mg_inspect *inspect, const mg_batch_header *header, bool *answer,
                                  mg_error *error)
{
    mg_scan_bounds bounds = bounds_of(inspect);
    *answer = !mg_scan_is_within(&bounds, header);
    if (*answer || header->base_offset == inspect->next_offset) return MG_OK;
    mg_scan_verdict verdict;
    mg_batch_header follower;
    mg_status status = mg_scan_check(&inspect->scan, inspect->position + header->size, &verdict,
                                     &follower, error);
    if (status != MG_OK) return status;
    *answer = verdict == MG_SCAN_INTACT && mg_scan_is_within(&bounds, &follower) &&
              follower.base_offset <= mg_batch_last_offset(header);
    return MG_OK;
}

static void count_batch(mg_inspect *inspect, const mg_batch_header *header)
{
    mg_inspect_totals *totals = &inspect->totals;
    if (totals->batches++ == 0) totals->first_offset = header->base_offset;
    totals->batch_bytes += header->size;
    totals->end_offset = mg_batch_last_offset(header) + 1;
    bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
    if (!is_control) totals->records += header->record_count;
    bool is_horizon = (header->attributes & MG_BATCH_DELETE_HORIZON) != 0;
    bool has_time = header->record_count > 0 && header->base_timestamp >= 0 && !is_horizon;
    if (has_time && header->base_timestamp < totals->min_timestamp) {
        totals->min_timestamp = header->base_timestamp;
    }
    if (header->max_timestamp > totals->max_timestamp) {
        totals->max_timestamp = header->max_timestamp;
    }
}

/* An epoch that rises and falls again right behind is one batch's, not that of all that follow. */
static mg_status inspect_epoch(mg_inspect *inspect, const mg_batch_header *header, mg_error *error)
{
    int32_t epoch = header->leader_epoch;
    int64_t beside = inspect->leader_epoch;
    if (epoch > inspect->leader_epoch) {
        mg_scan_verdict verdict;
        mg_batch_header follower;
        mg_scan_bounds bounds = bounds_of(inspect);
        mg_status status = mg_scan_check(&inspect->scan, inspect->position + header->size,
                                         &verdict, &follower, error);
        if (status != MG_OK) return status;
        bool falls = verdict == MG_SCAN_INTACT && mg_scan_is_within(&bounds, &follower) &&
                     follower.leader_epoch < epoch;
        if (!falls) {
            find(inspect, MG_INSPECT_EPOCH_BEGINS, inspect->position, header->base_offset, epoch,
                 0);
            inspect->leader_epoch = epoch;
            return MG_OK;
        }
        beside = follower.leader_epoch;
    }
    if (epoch != inspect->leader_epoch) {
        find(inspect, MG_INSPECT_EPOCH, inspect->position, header->base_offset, epoch, beside);
    }
    return MG_OK;
}

static mg_status take_batch(mg_inspect *inspect, const mg_batch_header *header, mg_error *error)
{
    int64_t position = inspect->position;
    int64_t missing = header->base_offset - inspect->next_offset;
    if (missing > 0) {
        find(inspect, MG_INSPECT_GAP, position, inspect->next_offset, missing, 0);
    }
    mg_status status = inspect_epoch(inspect, header, error);
    if (status != MG_OK) return status;
    count_batch(inspect, header);
    inspect->next_offset = inspect->totals.end_offset;
    status = inspect_payload(inspect, header, error);
    if (status == MG_OK) status = inspect_transaction(inspect, header, error);
    return status;
}

/* Why no intact batch lies at the position. */
static mg_status diagnose(mg_inspect *inspect, mg_inspect_damage *damage, mg_error *error)
{
    mg_span bytes;
    mg_batch_header header = {.size = 0};
    mg_status status = mg_scan_bytes(&inspect->scan, inspect->position, MG_BATCH_HEADER_SIZE,
                                     &bytes, error);
    if (status != MG_OK) return status;
    bool is_zero = true;
    for (size_t i = 0; i < bytes.size; i++) {
        is_zero = is_zero && bytes.data[i] == 0;
    }
    *damage = MG_INSPECT_NO_HEADER;
    if (is_zero) *damage = MG_INSPECT_ZEROS;
    if (mg_batch_header_decode(bytes, &header) != MG_OK) return MG_OK;
    bool fits = header.size <= inspect->scan.size - inspect->position;
    *damage = fits ? MG_INSPECT_BAD_CHECKSUM : MG_INSPECT_TOO_LONG;
    return MG_OK;
}

/* What comes next up to `to` is no batch of this segment. */
static void note_damage(mg_inspect *inspect, int64_t to)
{
    bool goes_on = inspect->damaged_to == inspect->position && inspect->damaged_to > 0;
    if (!goes_on) {
        inspect->damaged_from = inspect->position;
        inspect->damaged_offset = inspect->next_offset;
    }
    inspect->damaged_to = to;
}

static mg_status pass_damage(mg_inspect *inspect, mg_error *error)
{
    mg_inspect_damage damage;
    int64_t next = inspect->scan.size;
    mg_scan_bounds bounds = bounds_of(inspect);
    mg_status status = diagnose(inspect, &damage, error);
    if (status != MG_OK) return status;
    status = mg_scan_find_next(&inspect->scan, inspect->position, &bounds, &next, error);
    if (status != MG_OK && status != MG_NOT_FOUND) return status;
    mg_inspect_kind kind = status == MG_OK ? MG_INSPECT_DAMAGED : MG_INSPECT_TORN;
    find(inspect, kind, inspect->position, inspect->next_offset, damage, 0);
    inspect->finds[inspect->finds_count - 1].size = next - inspect->position;
    note_damage(inspect, next);
    inspect->position = next;
    return MG_OK;
}

/* The header, and where it fits its whole batch, are brought into the window first, so that what
 * follows reads the file once. */
static mg_status fetch_batch(mg_inspect *inspect, mg_error *error)
{
    mg_span bytes;
    mg_batch_header header = {.size = 0};
    mg_status status = mg_scan_bytes(&inspect->scan, inspect->position, MG_BATCH_HEADER_SIZE,
                                     &bytes, error);
    if (status != MG_OK) return status;
    if (mg_batch_header_decode(bytes, &header) != MG_OK) return MG_OK;
    if (header.size > MG_SCAN_WINDOW_SIZE) return MG_OK;
    return mg_scan_bytes(&inspect->scan, inspect->position, (size_t)header.size, &bytes, error);
}

static mg_status inspect_batch(mg_inspect *inspect, mg_error *error)
{
    mg_scan_verdict verdict;
    mg_batch_header header;
    mg_status status = fetch_batch(inspect, error);
    if (status != MG_OK) return status;
    status = mg_scan_check(&inspect->scan, inspect->position, &verdict, &header, error);
    if (status != MG_OK) return status;
    if (verdict == MG_SCAN_BAD) return pass_damage(inspect, error);
    if (verdict == MG_SCAN_OLD_FORMAT) {
        find(inspect, MG_INSPECT_OLD_FORMAT, inspect->position, inspect->next_offset, 0, 0);
        inspect->position = inspect->scan.size;
        return MG_OK;
    }
    bool is_false = false;
    status = has_false_offset(inspect, &header, &is_false, error);
    if (status != MG_OK) return status;
    if (is_false) {
        find(inspect, MG_INSPECT_OFFSET, inspect->position, inspect->next_offset,
             header.base_offset, bounds_of(inspect).last_max);
        inspect->finds[inspect->finds_count - 1].size = header.size;
        note_damage(inspect, inspect->position + header.size);
    } else {
        status = take_batch(inspect, &header, error);
        if (status != MG_OK) return status;
        check_index(inspect, inspect->position, mg_batch_last_offset(&header));
        check_times(inspect, &header);
    }
    inspect->position += header.size;
    return MG_OK;
}

mg_status mg_inspect_step(mg_inspect *inspect, int64_t size_max, mg_error *error)
{
    int64_t until = inspect->position + size_max;
    inspect->finds_count = 0;
    while (inspect->position < inspect->scan.size) {
        if (inspect->position >= until || is_full(inspect)) return MG_OK;
        mg_status status = inspect_batch(inspect, error);
        if (status != MG_OK) return status;
    }
    if (is_full(inspect)) return MG_OK;
    finish_indexes(inspect);
    inspect->is_done = true;
    return MG_OK;
}
