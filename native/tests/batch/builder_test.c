#include "batch/builder.h"

#include "base/bounds.h"

#include "batch/sample.h"

/* B2, in a block of exactly the foretold size: too small would be full, too large would be left. */
static void the_foretold_size_is_exact(void)
{
    for (size_t value_size = 0; value_size < 300; value_size++) {
        uint8_t *value = calloc(1, value_size + 1);
        CHECK(value != NULL);
        const mg_record_header tag = {.key = SPAN("k"),
                                      .value = {.data = value, .size = value_size}};
        const mg_record_parts parts = {
            .timestamp = (int64_t)value_size * 1000,
            .key = value_size % 3 == 0 ? NULL_SPAN : SPAN("key"),
            .value = {.data = value, .size = value_size},
            .headers = &tag,
            .header_count = value_size % 2,
        };
        size_t size;
        CHECK(mg_record_size_of(&parts, 7, 0, &size) == MG_OK);
        uint8_t *memory = malloc(MG_BATCH_HEADER_SIZE + size);
        CHECK(memory != NULL);
        mg_builder builder = mg_builder_over(memory, MG_BATCH_HEADER_SIZE + size - 1, 7);
        CHECK(!mg_builder_add(&builder, &parts));
        CHECK(builder.record_count == 0 && mg_writer_size(&builder.writer) == 0);

        builder = mg_builder_over(memory, MG_BATCH_HEADER_SIZE + size, 7);
        CHECK(mg_builder_add(&builder, &parts));
        CHECK(mg_writer_left(&builder.writer) == 0);
        CHECK(!mg_builder_add(&builder, &parts));

        mg_batch_header header = mg_batch_header_blank(), read;
        mg_builder_finish(&builder, &header);
        mg_span batch = {.data = memory, .size = (size_t)header.size};
        CHECK(batch.size == MG_BATCH_HEADER_SIZE + size);
        CHECK(mg_batch_check(batch, &read) == MG_OK);
        CHECK(read.record_count == 1 && read.last_offset_delta == 0 && read.base_timestamp == 7);
        CHECK(read.max_timestamp == parts.timestamp && read.producer_id == -1);
        free(memory);
        free(value);
    }
}

static void the_largest_timestamp_is_kept(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    const mg_batch_header blank = mg_batch_header_blank();
    mg_batch_header header;
    CHECK(mg_batch_check(sample_build(memory, &blank), &header) == MG_OK);
    CHECK(header.record_count == SAMPLE_COUNT && header.last_offset_delta == SAMPLE_COUNT - 1);
    CHECK(header.base_timestamp == SAMPLE_NOW_MS && header.max_timestamp == SAMPLE_NOW_MS + 500);
}

static void what_the_format_cannot_hold_is_too_large(void)
{
    const uint8_t byte = 0;
    uint8_t memory[SAMPLE_SIZE_MAX];
    size_t size = 42;
    mg_builder builder = mg_builder_over(memory, sizeof memory, -5);

    mg_record_parts parts = {.timestamp = INT64_MAX}; /* its delta overflows */
    CHECK(mg_record_size_of(&parts, -5, 0, &size) == MG_TOO_LARGE);
    CHECK(!mg_builder_add(&builder, &parts));

    parts = (mg_record_parts){.key = {.data = &byte, .size = (size_t)MG_BATCH_SIZE_MAX + 1}};
    CHECK(mg_record_size_of(&parts, 0, 0, &size) == MG_TOO_LARGE);
    CHECK(!mg_builder_add(&builder, &parts));
    parts = (mg_record_parts){.value = {.data = &byte, .size = SIZE_MAX}};
    CHECK(mg_record_size_of(&parts, 0, 0, &size) == MG_TOO_LARGE);
    /* Together, though neither alone. */
    parts = (mg_record_parts){.key = {.data = &byte, .size = MG_BATCH_SIZE_MAX / 2},
                              .value = {.data = &byte, .size = MG_BATCH_SIZE_MAX / 2}};
    CHECK(mg_record_size_of(&parts, 0, 0, &size) == MG_TOO_LARGE);

    const mg_record_header hostile = {.key = SPAN("k"), .value = {.data = &byte, .size = SIZE_MAX}};
    parts = (mg_record_parts){.headers = &hostile, .header_count = 1};
    CHECK(mg_record_size_of(&parts, 0, 0, &size) == MG_TOO_LARGE);
    CHECK(size == 42);
    CHECK(mg_writer_size(&builder.writer) == 0);
}

static void records_before_1970_have_no_greatest_time(void)
{
    uint8_t memory[256];
    const mg_record_parts parts = {.timestamp = -5};
    mg_builder builder = mg_builder_over(memory, sizeof memory, -5);
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    mg_builder_finish(&builder, &header);
    CHECK(header.base_timestamp == -5);
    CHECK(header.max_timestamp == MG_TIMESTAMP_NONE); /* as Kafka's own builder has it */
}

int main(void)
{
    records_before_1970_have_no_greatest_time();
    the_foretold_size_is_exact();
    the_largest_timestamp_is_kept();
    what_the_format_cannot_hold_is_too_large();
    puts("builder_test: ok");
    return 0;
}
