#include "batch/builder.h"

#include "base/bounds.h"

static size_t nullable_size(mg_span bytes)
{
    if (bytes.data == NULL) return mg_varint_size(-1);
    return mg_varint_size((int32_t)bytes.size) + bytes.size;
}

static bool fits_varint(size_t size)
{
    return size <= MG_BATCH_SIZE_MAX;
}

/* The size that the record's own size field holds; 0 where the format or the bound is passed. */
static size_t body_size(const mg_record_parts *parts, int64_t base_timestamp, int32_t offset_delta)
{
    int64_t delta;
    if (__builtin_sub_overflow(parts->timestamp, base_timestamp, &delta)) return 0;
    if (!fits_varint(parts->key.size) || !fits_varint(parts->value.size)) return 0;
    if (!fits_varint(parts->header_count)) return 0;

    size_t size = sizeof(int8_t) + mg_varlong_size(delta) + mg_varint_size(offset_delta) +
                  nullable_size(parts->key) + nullable_size(parts->value) +
                  mg_varint_size((int32_t)parts->header_count);
    for (size_t i = 0; i < parts->header_count && fits_varint(size); i++) {
        const mg_record_header *header = &parts->headers[i];
        MG_ASSERT(header->key.data != NULL);
        if (!fits_varint(header->key.size) || !fits_varint(header->value.size)) return 0;
        size += nullable_size(header->key) + nullable_size(header->value);
    }
    return fits_varint(size) ? size : 0;
}

mg_status mg_record_size_of(const mg_record_parts *parts, int64_t base_timestamp,
                            int32_t offset_delta, size_t *size)
{
    size_t body = body_size(parts, base_timestamp, offset_delta);
    if (body == 0) return MG_TOO_LARGE;
    *size = mg_varint_size((int32_t)body) + body;
    return MG_OK;
}

mg_builder mg_builder_over(uint8_t *memory, size_t size, int64_t base_timestamp)
{
    MG_ASSERT(size >= MG_BATCH_HEADER_SIZE);
    if (size > MG_BATCH_SIZE_MAX) size = MG_BATCH_SIZE_MAX;
    return (mg_builder){
        .writer = mg_writer_over(memory + MG_BATCH_HEADER_SIZE, size - MG_BATCH_HEADER_SIZE),
        .base_timestamp = base_timestamp,
        .max_timestamp = MG_TIMESTAMP_NONE, /* of records before 1970, too, as in Kafka */
        .record_count = 0,
    };
}

static void write_nullable(mg_writer *writer, mg_span bytes)
{
    mg_write_varint(writer, bytes.data == NULL ? -1 : (int32_t)bytes.size);
    mg_write_bytes(writer, bytes.data, bytes.size);
}

bool mg_builder_add(mg_builder *builder, const mg_record_parts *parts)
{
    if (builder->record_count == INT32_MAX) return false;
    size_t body = body_size(parts, builder->base_timestamp, builder->record_count);
    if (body == 0) return false;
    size_t size = mg_varint_size((int32_t)body) + body;
    if (size > mg_writer_left(&builder->writer)) return false;

    mg_writer *writer = &builder->writer;
    const uint8_t *end = writer->next + size;
    mg_write_varint(writer, (int32_t)body);
    mg_write_i8(writer, 0);
    mg_write_varlong(writer, parts->timestamp - builder->base_timestamp);
    mg_write_varint(writer, builder->record_count);
    write_nullable(writer, parts->key);
    write_nullable(writer, parts->value);
    mg_write_varint(writer, (int32_t)parts->header_count);
    for (size_t i = 0; i < parts->header_count; i++) {
        write_nullable(writer, parts->headers[i].key);
        write_nullable(writer, parts->headers[i].value);
    }
    MG_ASSERT(mg_writer_ok(writer));
    MG_ASSERT(writer->next == end); /* B2 */

    builder->record_count++;
    if (parts->timestamp > builder->max_timestamp) builder->max_timestamp = parts->timestamp;
    return true;
}

mg_batch_header mg_batch_header_blank(void)
{
    return (mg_batch_header){
        .base_timestamp = MG_TIMESTAMP_NONE,
        .max_timestamp = MG_TIMESTAMP_NONE,
        .producer_id = -1,
        .leader_epoch = -1,
        .base_sequence = -1,
        .producer_epoch = -1,
        .magic = MG_BATCH_MAGIC,
    };
}

void mg_builder_finish(mg_builder *builder, mg_batch_header *header)
{
    MG_ASSERT(builder->record_count > 0);
    header->size = (int32_t)(MG_BATCH_HEADER_SIZE + mg_writer_size(&builder->writer));
    header->record_count = builder->record_count;
    header->last_offset_delta = builder->record_count - 1;
    header->base_timestamp = builder->base_timestamp;
    header->max_timestamp = builder->max_timestamp;
    mg_batch_seal(builder->writer.begin - MG_BATCH_HEADER_SIZE, header);
}
