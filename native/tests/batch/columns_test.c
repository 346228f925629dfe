#include "batch/columns.h"

#include "batch/record.h"

#include "batch/sample.h"

typedef struct room {
    int64_t offsets[SAMPLE_COUNT], timestamps[SAMPLE_COUNT];
    int32_t key_positions[SAMPLE_COUNT], key_sizes[SAMPLE_COUNT];
    int32_t value_positions[SAMPLE_COUNT], value_sizes[SAMPLE_COUNT];
    int32_t headers_positions[SAMPLE_COUNT], header_counts[SAMPLE_COUNT];
} room;

static mg_columns all_of(room *r)
{
    return (mg_columns){.offsets = r->offsets,
                        .timestamps = r->timestamps,
                        .key_positions = r->key_positions,
                        .key_sizes = r->key_sizes,
                        .value_positions = r->value_positions,
                        .value_sizes = r->value_sizes,
                        .headers_positions = r->headers_positions,
                        .header_counts = r->header_counts};
}

static void columns_are_what_the_walk_sees(mg_span payload, const mg_batch_header *header)
{
    room r;
    const mg_columns columns = all_of(&r);
    CHECK(mg_columns_decode(payload, header, &columns) == MG_OK);

    mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
    mg_record record;
    for (size_t i = 0; mg_record_next(&walk, &record); i++) {
        CHECK(r.offsets[i] == header->base_offset + record.offset_delta);
        CHECK(r.timestamps[i] == header->base_timestamp + record.timestamp_delta);
        CHECK(r.key_sizes[i] == (record.key.data == NULL ? -1 : (int32_t)record.key.size));
        CHECK(r.value_sizes[i] == (record.value.data == NULL ? -1 : (int32_t)record.value.size));
        if (record.key.data) CHECK(payload.data + r.key_positions[i] == record.key.data);
        if (record.value.data) CHECK(payload.data + r.value_positions[i] == record.value.data);
        CHECK(payload.data + r.headers_positions[i] == record.headers.data);
        CHECK(r.header_counts[i] == record.header_count);
    }
    CHECK(r.offsets[0] == 1000 && r.key_sizes[2] == -1 && r.value_sizes[2] == 0);
}

static void unwanted_columns_may_be_null(mg_span payload, const mg_batch_header *header)
{
    const mg_columns none = {.offsets = NULL};
    CHECK(mg_columns_decode(payload, header, &none) == MG_OK);
    int64_t offsets[SAMPLE_COUNT];
    const mg_columns one = {.offsets = offsets};
    CHECK(mg_columns_decode(payload, header, &one) == MG_OK && offsets[2] == 1002);
}

static void append_time_is_every_records_time(mg_span payload, const mg_batch_header *header)
{
    mg_batch_header stamped = *header;
    stamped.attributes = (int16_t)(stamped.attributes | MG_BATCH_APPEND_TIME);
    stamped.max_timestamp = 5;
    int64_t timestamps[SAMPLE_COUNT];
    const mg_columns columns = {.timestamps = timestamps};
    CHECK(mg_columns_decode(payload, &stamped, &columns) == MG_OK);
    CHECK(timestamps[0] == 5 && timestamps[1] == 5 && timestamps[2] == 5);
}

static void a_cut_payload_is_corrupt(mg_span payload, const mg_batch_header *header)
{
    room r;
    const mg_columns columns = all_of(&r);
    payload.size--;
    CHECK(mg_columns_decode(payload, header, &columns) == MG_CORRUPT);
}

int main(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    mg_batch_header fields = mg_batch_header_blank();
    fields.base_offset = 1000;
    mg_span batch = sample_build(memory, &fields);
    mg_batch_header header;
    CHECK(mg_batch_check(batch, &header) == MG_OK);
    mg_span payload = mg_batch_payload(batch, &header);
    columns_are_what_the_walk_sees(payload, &header);
    unwanted_columns_may_be_null(payload, &header);
    append_time_is_every_records_time(payload, &header);
    a_cut_payload_is_corrupt(payload, &header);
    puts("columns_test: ok");
    return 0;
}
