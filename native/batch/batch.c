#include "batch/batch.h"

#include "base/crc32c.h"
#include "base/writer.h"

mg_status mg_batch_header_decode(mg_span bytes, mg_batch_header *header)
{
    if (bytes.size < MG_BATCH_HEADER_SIZE) return MG_OUT_OF_RANGE;

    mg_cursor cursor = mg_cursor_over(bytes.data, MG_BATCH_HEADER_SIZE);
    header->base_offset = mg_read_i64(&cursor);
    int32_t length = mg_read_i32(&cursor);
    header->leader_epoch = mg_read_i32(&cursor);
    header->magic = mg_read_i8(&cursor);
    header->crc = mg_read_u32(&cursor);
    header->attributes = mg_read_i16(&cursor);
    header->last_offset_delta = mg_read_i32(&cursor);
    header->base_timestamp = mg_read_i64(&cursor);
    header->max_timestamp = mg_read_i64(&cursor);
    header->producer_id = mg_read_i64(&cursor);
    header->producer_epoch = mg_read_i16(&cursor);
    header->base_sequence = mg_read_i32(&cursor);
    header->record_count = mg_read_i32(&cursor);
    MG_ASSERT(mg_cursor_ok(&cursor));
    MG_ASSERT(mg_cursor_left(&cursor) == 0);

    bool has_size = length >= 0 && length <= INT32_MAX - MG_BATCH_LENGTH_OVERHEAD;
    header->size = has_size ? length + MG_BATCH_LENGTH_OVERHEAD : 0;
    bool sound = header->size >= MG_BATCH_HEADER_SIZE && header->magic == MG_BATCH_MAGIC;
    return sound ? MG_OK : MG_CORRUPT;
}

static uint32_t checksum(const uint8_t *batch, int32_t size)
{
    MG_ASSERT(size >= MG_BATCH_HEADER_SIZE);
    return mg_crc32c(0, batch + MG_BATCH_CRC_FROM, (size_t)size - MG_BATCH_CRC_FROM);
}

mg_status mg_batch_check(mg_span bytes, mg_batch_header *header)
{
    header->size = 0;
    mg_status status = mg_batch_header_decode(bytes, header);
    if (status != MG_OK) return status;
    if ((size_t)header->size > bytes.size) return MG_OUT_OF_RANGE;
    if (checksum(bytes.data, header->size) != header->crc) return MG_CORRUPT;

    /* The base offset is outside the checksum, so what can be said about it is said here. */
    bool sound = header->base_offset >= 0 && header->last_offset_delta >= 0 &&
                 header->record_count >= 0 &&
                 header->base_offset <= INT64_MAX - header->last_offset_delta;
    return sound ? MG_OK : MG_CORRUPT;
}

mg_span mg_batch_payload(mg_span bytes, const mg_batch_header *header)
{
    MG_ASSERT(header->size >= MG_BATCH_HEADER_SIZE);
    MG_ASSERT((size_t)header->size <= bytes.size);
    return (mg_span){.data = bytes.data + MG_BATCH_HEADER_SIZE,
                     .size = (size_t)header->size - MG_BATCH_HEADER_SIZE};
}

static void store_crc(uint8_t *batch, mg_batch_header *header)
{
    header->crc = checksum(batch, header->size);
    mg_store_u32(batch + MG_BATCH_AT_CRC, header->crc);
}

void mg_batch_seal(uint8_t *batch, mg_batch_header *header)
{
    MG_ASSERT(header->size >= MG_BATCH_HEADER_SIZE);
    MG_ASSERT(header->magic == MG_BATCH_MAGIC);

    mg_writer writer = mg_writer_over(batch, MG_BATCH_HEADER_SIZE);
    mg_write_i64(&writer, header->base_offset);
    mg_write_i32(&writer, header->size - MG_BATCH_LENGTH_OVERHEAD);
    mg_write_i32(&writer, header->leader_epoch);
    mg_write_i8(&writer, header->magic);
    mg_write_u32(&writer, 0);
    mg_write_i16(&writer, header->attributes);
    mg_write_i32(&writer, header->last_offset_delta);
    mg_write_i64(&writer, header->base_timestamp);
    mg_write_i64(&writer, header->max_timestamp);
    mg_write_i64(&writer, header->producer_id);
    mg_write_i16(&writer, header->producer_epoch);
    mg_write_i32(&writer, header->base_sequence);
    mg_write_i32(&writer, header->record_count);
    MG_ASSERT(mg_writer_ok(&writer));
    MG_ASSERT(mg_writer_left(&writer) == 0); /* B1 */
    store_crc(batch, header);
}

void mg_batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    MG_ASSERT(base_offset >= 0);
    mg_store_u64(batch + MG_BATCH_AT_BASE_OFFSET, (uint64_t)base_offset);
    mg_store_u32(batch + MG_BATCH_AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

static void stamp_time(uint8_t *batch, int attributes, int64_t max_timestamp,
                       mg_batch_header *header)
{
    header->attributes = (int16_t)attributes;
    header->max_timestamp = max_timestamp;
    mg_store_u16(batch + MG_BATCH_AT_ATTRIBUTES, (uint16_t)header->attributes);
    mg_store_u64(batch + MG_BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    store_crc(batch, header);
}

void mg_batch_stamp_append_time(uint8_t *batch, int64_t now_ms, mg_batch_header *header)
{
    stamp_time(batch, header->attributes | MG_BATCH_APPEND_TIME, now_ms, header);
}

void mg_batch_stamp_create_time(uint8_t *batch, int64_t max_timestamp, mg_batch_header *header)
{
    stamp_time(batch, header->attributes & ~MG_BATCH_APPEND_TIME, max_timestamp, header);
}
