#include "load/frames.h"

#include "batch/batch_format.h"
#include "batch/builder.h"
#include "load/meter.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD_OVERHEAD_MAX = 32, TIMEOUT_MS = 30000, METADATA_VERSION = 4 };

static const char client_id[] = "meghna-load";

void frame_begin(mg_writer *writer, int api_key, int version, int32_t correlation_id, bool flexible)
{
    mg_write_i32(writer, 0); /* filled in by frame_end */
    mg_write_i16(writer, (int16_t)api_key);
    mg_write_i16(writer, (int16_t)version);
    mg_write_i32(writer, correlation_id);
    frame_string(writer, false, client_id);
    if (flexible) mg_write_i8(writer, 0);
}

void frame_end(mg_writer *writer, size_t start)
{
    if (!mg_writer_ok(writer)) die("a request does not fit its buffer");
    mg_store_u32(writer->begin + start, (uint32_t)(mg_writer_size(writer) - start - 4));
}

static void write_count(mg_writer *writer, bool flexible, int32_t count)
{
    if (flexible) {
        mg_write_uvarint(writer, (uint32_t)count + 1);
    } else {
        mg_write_i32(writer, count);
    }
}

static void write_tags(mg_writer *writer, bool flexible, int sections)
{
    for (int i = 0; flexible && i < sections; i++)
        mg_write_i8(writer, 0);
}

void frame_string(mg_writer *writer, bool flexible, const char *string)
{
    size_t size = strlen(string);
    if (flexible) {
        mg_write_uvarint(writer, (uint32_t)size + 1);
    } else {
        mg_write_i16(writer, (int16_t)size);
    }
    mg_write_bytes(writer, string, size);
}

void frame_produce(mg_writer *writer, const load_options *options, int version,
                   int32_t correlation_id, int32_t partition, mg_span batch)
{
    bool flexible = version >= PRODUCE_VERSION_FLEXIBLE;
    size_t start = mg_writer_size(writer);
    frame_begin(writer, API_PRODUCE, version, correlation_id, flexible);
    if (flexible) { /* no transactional id */
        mg_write_i8(writer, 0);
    } else {
        mg_write_i16(writer, -1);
    }
    mg_write_i16(writer, (int16_t)options->acks);
    mg_write_i32(writer, TIMEOUT_MS);
    write_count(writer, flexible, 1);
    frame_string(writer, flexible, options->topic);
    write_count(writer, flexible, 1);
    mg_write_i32(writer, partition);
    write_count(writer, flexible, (int32_t)batch.size);
    mg_write_bytes(writer, batch.data, batch.size);
    write_tags(writer, flexible, 3); /* partition, topic, request */
    frame_end(writer, start);
}

void frame_fetch(mg_writer *writer, const load_options *options, int version,
                 int32_t correlation_id, int32_t partition, int64_t offset)
{
    bool flexible = version >= FETCH_VERSION_FLEXIBLE;
    size_t start = mg_writer_size(writer);
    frame_begin(writer, API_FETCH, version, correlation_id, flexible);
    mg_write_i32(writer, -1);  /* a consumer */
    mg_write_i32(writer, 500); /* wait at most */
    mg_write_i32(writer, 1);
    mg_write_i32(writer, options->max_bytes);
    mg_write_i8(writer, 0);
    mg_write_i32(writer, 0); /* no session */
    mg_write_i32(writer, -1);
    write_count(writer, flexible, 1);
    frame_string(writer, flexible, options->topic);
    write_count(writer, flexible, 1);
    mg_write_i32(writer, partition);
    mg_write_i32(writer, -1); /* leader epoch */
    mg_write_i64(writer, offset);
    if (flexible) mg_write_i32(writer, -1); /* last fetched epoch */
    mg_write_i64(writer, -1);
    mg_write_i32(writer, options->max_bytes);
    write_tags(writer, flexible, 2);    /* partition, topic */
    write_count(writer, flexible, 0);   /* nothing to forget */
    frame_string(writer, flexible, ""); /* no rack */
    write_tags(writer, flexible, 1);
    frame_end(writer, start);
}

void frame_metadata(mg_writer *writer, const load_options *options)
{
    size_t start = mg_writer_size(writer);
    frame_begin(writer, API_METADATA, METADATA_VERSION, 1, false);
    write_count(writer, false, 1);
    frame_string(writer, false, options->topic);
    mg_write_i8(writer, 1); /* create it if it isn't there */
    frame_end(writer, start);
}

size_t batch_size_max(const load_options *options)
{
    return MG_BATCH_HEADER_SIZE + (size_t)options->records_per_batch *
                                      ((size_t)options->record_size + RECORD_OVERHEAD_MAX);
}

/* Printable bytes that do not repeat soon: neither zeros nor incompressible. */
static void fill_value(uint8_t *value, size_t size, uint32_t *state)
{
    for (size_t i = 0; i < size; i++) {
        *state = *state * 1664525 + 1013904223;
        value[i] = (uint8_t)('0' + (*state >> 26));
    }
}

mg_span batch_build(const load_options *options, uint8_t *room, size_t room_size)
{
    size_t value_size = (size_t)options->record_size;
    uint8_t *value = malloc(value_size + 1);
    if (value == NULL) die("no memory");
    int64_t now_ms = wall_clock_ms();
    uint32_t state = 1;
    mg_builder builder = mg_builder_over(room, room_size, now_ms);
    for (int i = 0; i < options->records_per_batch; i++) {
        fill_value(value, value_size, &state);
        mg_record_parts parts = {.timestamp = now_ms, .value = {.data = value, .size = value_size}};
        if (!mg_builder_add(&builder, &parts)) die("the batch is too large");
    }
    mg_batch_header header = mg_batch_header_blank();
    mg_builder_finish(&builder, &header);
    free(value);
    return (mg_span){.data = room, .size = (size_t)header.size};
}
