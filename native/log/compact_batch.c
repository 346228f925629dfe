#include "log/compact_batch.h"

#include "base/bounds.h"
#include "base/writer.h"
#include "batch/columns.h"
#include "batch/opened.h"
#include "batch/record.h"

enum {
    /* What one record may grow by: a time farther from the base, and a longer size for it. */
    RECORD_GROWTH_MAX = MG_VARLONG_SIZE_MAX + MG_VARINT_SIZE_MAX,
    TOGETHER =
        16, /* keys that are hashed before the first is looked up: memory answers meanwhile */
    PACKED_SURPLUS = 64 * 1024, /* what a codec may add to bytes that it cannot shrink, and 1/4 */
};

void mg_compact_filter_deinit(mg_compact_filter *filter)
{
    mg_scratch_deinit(&filter->plain);
    mg_scratch_deinit(&filter->fates);
    mg_scratch_deinit(&filter->kept);
    mg_scratch_deinit(&filter->packed);
}

static bool is_control(const mg_batch_header *header)
{
    return (header->attributes & MG_BATCH_CONTROL) != 0;
}

static bool has_horizon(const mg_batch_header *header)
{
    return (header->attributes & MG_BATCH_DELETE_HORIZON) != 0;
}

/* ---- Transactions ---- */

bool mg_compact_is_aborted(mg_markers *markers, const mg_batch_header *header)
{
    if (is_control(header) || (header->attributes & MG_BATCH_TRANSACTIONAL) == 0) return false;
    const mg_marker *marker = mg_markers_find(markers, header->producer_id, header->base_offset);
    return marker != NULL && marker->is_abort;
}

/* Nothing was met of the transaction that this control batch ends. */
static bool ends_nothing(mg_markers *markers, const mg_batch_header *header)
{
    if (header->record_count == 0) return true; /* emptied before */
    const mg_marker *marker = mg_markers_find(markers, header->producer_id, header->base_offset);
    bool is_known = marker != NULL && marker->offset == header->base_offset;
    return is_known && !marker->seen;
}

static void note_data(mg_markers *markers, const mg_batch_header *header)
{
    if ((header->attributes & MG_BATCH_TRANSACTIONAL) == 0) return;
    mg_marker *marker = mg_markers_find(markers, header->producer_id, header->base_offset);
    if (marker != NULL) marker->seen = true;
}

static bool is_last_of_producer(const mg_compact_filter *filter, const mg_batch_header *header)
{
    if (header->producer_id < 0) return false;
    size_t low = 0;
    size_t high = filter->producers_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (filter->producers[middle].producer_id < header->producer_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == filter->producers_count) return false;
    const mg_producer_view *view = &filter->producers[low];
    if (view->producer_id != header->producer_id) return false;
    if (view->last_offset >= 0) return view->last_offset == mg_batch_last_offset(header);
    return is_control(header) && view->epoch == header->producer_epoch;
}

/* ---- Records ---- */

/* The batch as it is being decided about. */
typedef struct sifting {
    const mg_batch_header *header;
    mg_span records;
    int32_t kept_count;
    bool has_tombstones; /* among what stays */
} sifting;

/* A record whose key was hashed. */
typedef struct pending {
    mg_offset_key key;
    int64_t offset;
    bool has_key;
    bool is_tombstone;
} pending;

static pending hash_record(const mg_compact_filter *filter, const mg_batch_header *header,
                           const mg_record *record)
{
    pending made = {.offset = header->base_offset + record->offset_delta,
                    .has_key = record->key.data != NULL,
                    .is_tombstone = record->value.data == NULL};
    if (made.has_key) made.key = mg_offset_map_hash(filter->map, record->key);
    return made;
}

static bool stays(const mg_compact_filter *filter, const mg_batch_header *header,
                  const pending *record)
{
    if (record->offset >= filter->map_end) return true;
    if (!record->has_key) return false;
    if (mg_offset_map_find(filter->map, &record->key) > record->offset) return false;
    if (!record->is_tombstone || filter->keeps_expired) return true;
    return !has_horizon(header) || filter->now_ms < header->base_timestamp;
}

static void settle(const mg_compact_filter *filter, sifting *batch, const pending *records,
                   size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        bool kept = is_control(batch->header) || stays(filter, batch->header, &records[i]);
        filter->fates.data[first + i] = kept;
        if (!kept) continue;
        batch->kept_count++;
        if (records[i].is_tombstone) batch->has_tombstones = true;
    }
}

static mg_status decide(mg_compact_filter *filter, sifting *batch, mg_error *error)
{
    const mg_batch_header *header = batch->header;
    size_t count = header->record_count > 0 ? (size_t)header->record_count : 1;
    if (count > batch->records.size / MG_RECORD_SIZE_MIN + 1) {
        return mg_fail(error, MG_CORRUPT, 0, "the batch at offset %lld states %d records",
                       (long long)header->base_offset, header->record_count);
    }
    mg_status status = mg_scratch_reserve(&filter->fates, count, error);
    if (status != MG_OK) return status;
    pending records[TOGETHER];
    size_t waiting = 0;
    size_t settled = 0;
    mg_record record;
    mg_record_walk walk = mg_record_walk_over(batch->records, header->record_count);
    while (mg_record_next(&walk, &record)) {
        records[waiting++] = hash_record(filter, header, &record);
        if (waiting < TOGETHER) continue;
        settle(filter, batch, records, waiting, settled);
        settled += waiting;
        waiting = 0;
    }
    settle(filter, batch, records, waiting, settled);
    status = mg_record_walk_end(&walk);
    if (status == MG_OK) return MG_OK;
    return mg_fail(error, status, 0, "the records of the batch at offset %lld are malformed",
                   (long long)header->base_offset);
}

/* A record again, its time counted from another base. */
static void write_record(mg_writer *writer, const mg_record *record, mg_span rest, int64_t delta)
{
    size_t size =
        sizeof(int8_t) + mg_varlong_size(delta) + mg_varint_size(record->offset_delta) + rest.size;
    mg_write_varint(writer, (int32_t)size);
    mg_write_i8(writer, 0);
    mg_write_varlong(writer, delta);
    mg_write_varint(writer, record->offset_delta);
    mg_write_bytes(writer, rest.data, rest.size);
}

/* What follows the offset delta in a record that was walked over. */
static mg_span rest_of(const uint8_t *begin, const uint8_t *end)
{
    mg_cursor cursor = mg_cursor_over(begin, (size_t)(end - begin));
    (void)mg_read_varint(&cursor);
    (void)mg_read_i8(&cursor);
    (void)mg_read_varlong(&cursor);
    (void)mg_read_varint(&cursor);
    MG_ASSERT(mg_cursor_ok(&cursor));
    return (mg_span){.data = cursor.next, .size = mg_cursor_left(&cursor)};
}

/* Writes what stays; `header` gets its base and its greatest timestamp. */
static void write_kept(const mg_compact_filter *filter, const sifting *batch, bool has_base,
                       mg_batch_header *header, mg_writer *writer)
{
    int64_t greatest = MG_TIMESTAMP_NONE;
    mg_record record;
    mg_record_walk walk = mg_record_walk_over(batch->records, batch->header->record_count);
    const uint8_t *begin = walk.cursor.next;
    for (size_t i = 0; mg_record_next(&walk, &record); i++, begin = walk.cursor.next) {
        if (!filter->fates.data[i]) continue;
        int64_t timestamp = mg_batch_record_timestamp(batch->header, record.timestamp_delta);
        if (!has_base) header->base_timestamp = timestamp;
        has_base = true;
        if (timestamp > greatest) greatest = timestamp;
        int64_t delta = (int64_t)((uint64_t)timestamp - (uint64_t)header->base_timestamp);
        write_record(writer, &record, rest_of(begin, walk.cursor.next), delta);
    }
    if ((header->attributes & MG_BATCH_APPEND_TIME) == 0) header->max_timestamp = greatest;
}

/* Compresses what lies behind the header's room in `kept`. */
static mg_status pack(mg_compact_filter *filter, mg_codec_id codec, mg_span plain, mg_span *packed,
                      mg_error *error)
{
    size_t room = MG_BATCH_HEADER_SIZE + plain.size + plain.size / 4 + PACKED_SURPLUS;
    mg_status status = mg_scratch_reserve(&filter->packed, room, error);
    if (status != MG_OK) return status;
    mg_writer writer =
        mg_writer_over(filter->packed.data + MG_BATCH_HEADER_SIZE, room - MG_BATCH_HEADER_SIZE);
    status = mg_codec_compress(filter->codecs, codec, plain, &writer);
    if (status != MG_OK) {
        return mg_fail(error, status, 0, "a batch cannot be compressed again, codec %d",
                       (int)codec);
    }
    *packed = (mg_span){.data = filter->packed.data,
                        .size = MG_BATCH_HEADER_SIZE + mg_writer_size(&writer)};
    return MG_OK;
}

static mg_status rewrite(mg_compact_filter *filter, const sifting *batch, bool sets_horizon,
                         mg_span *left, mg_batch_header *header, mg_error *error)
{
    *header = *batch->header;
    size_t room =
        MG_BATCH_HEADER_SIZE + batch->records.size + (size_t)batch->kept_count * RECORD_GROWTH_MAX;
    mg_status status = mg_scratch_reserve(&filter->kept, room, error);
    if (status != MG_OK) return status;
    if (sets_horizon) {
        if (__builtin_add_overflow(filter->now_ms, filter->delete_retention_ms,
                                   &header->base_timestamp)) {
            header->base_timestamp = INT64_MAX;
        }
        header->attributes = (int16_t)(header->attributes | MG_BATCH_DELETE_HORIZON);
    }
    mg_writer writer =
        mg_writer_over(filter->kept.data + MG_BATCH_HEADER_SIZE, room - MG_BATCH_HEADER_SIZE);
    write_kept(filter, batch, has_horizon(header), header, &writer);
    MG_ASSERT(mg_writer_ok(&writer));
    header->record_count = batch->kept_count;
    *left = (mg_span){.data = filter->kept.data,
                      .size = MG_BATCH_HEADER_SIZE + mg_writer_size(&writer)};
    uint8_t *sealed = filter->kept.data;
    mg_codec_id codec = mg_batch_codec(header);
    if (codec != MG_CODEC_NONE) {
        mg_span plain = {.data = left->data + MG_BATCH_HEADER_SIZE,
                         .size = left->size - MG_BATCH_HEADER_SIZE};
        status = pack(filter, codec, plain, left, error);
        if (status != MG_OK) return status;
        sealed = filter->packed.data;
    }
    if (left->size > MG_BATCH_SIZE_MAX) {
        return mg_fail(error, MG_TOO_LARGE, 0, "the batch at offset %lld grows to %zu bytes",
                       (long long)header->base_offset, left->size);
    }
    header->size = (int32_t)left->size;
    mg_batch_seal(sealed, header);
    return MG_OK;
}

static mg_status write_empty(mg_compact_filter *filter, const mg_batch_header *came,
                             int64_t timestamp_max, mg_span *left, mg_batch_header *header,
                             mg_error *error)
{
    mg_status status = mg_scratch_reserve(&filter->kept, MG_BATCH_HEADER_SIZE, error);
    if (status != MG_OK) return status;
    *header = *came;
    header->attributes = (int16_t)(came->attributes & (MG_BATCH_APPEND_TIME |
                                                       MG_BATCH_TRANSACTIONAL | MG_BATCH_CONTROL));
    header->base_timestamp = MG_TIMESTAMP_NONE;
    if (header->max_timestamp > timestamp_max) header->max_timestamp = timestamp_max;
    header->record_count = 0;
    header->size = MG_BATCH_HEADER_SIZE;
    mg_batch_seal(filter->kept.data, header);
    *left = (mg_span){.data = filter->kept.data, .size = MG_BATCH_HEADER_SIZE};
    return MG_OK;
}

mg_status mg_compact_batch(mg_compact_filter *filter, mg_span batch, const mg_batch_header *header,
                           bool is_last, mg_span *left, mg_batch_header *left_header,
                           mg_error *error)
{
    bool goes = mg_compact_is_aborted(filter->markers, header);
    bool is_spent = is_control(header) && ends_nothing(filter->markers, header);
    if (is_control(header)) {
        goes = is_spent && has_horizon(header) && header->base_timestamp <= filter->now_ms &&
               !filter->keeps_expired;
    } else {
        note_data(filter->markers, header);
    }
    *left = (mg_span){.data = NULL, .size = 0};
    filter->records_read += header->record_count;

    sifting sifted = {.header = header};
    if (!goes && header->record_count > 0) {
        mg_status status = mg_batch_open(filter->codecs, &filter->plain, batch, header,
                                         &sifted.records, error);
        if (status == MG_OK) status = decide(filter, &sifted, error);
        if (status != MG_OK) return status;
    }
    filter->records_kept += sifted.kept_count;
    if (sifted.kept_count == 0) {
        bool ends_producer = is_last_of_producer(filter, header);
        if (!is_last && !ends_producer) return MG_OK;
        bool is_limited = !ends_producer && filter->end_timestamp_max > 0;
        int64_t timestamp_max = is_limited ? filter->end_timestamp_max : INT64_MAX;
        return write_empty(filter, header, timestamp_max, left, left_header, error);
    }
    bool sets_horizon = (sifted.has_tombstones || is_spent) && !has_horizon(header);
    if (sifted.kept_count == header->record_count && !sets_horizon) {
        *left = batch;
        *left_header = *header;
        return MG_OK;
    }
    return rewrite(filter, &sifted, sets_horizon, left, left_header, error);
}
