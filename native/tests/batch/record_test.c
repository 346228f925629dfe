#include "batch/record.h"

#include "batch/sample.h"

static mg_span payload_of(uint8_t *memory)
{
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span batch = sample_build(memory, &blank);
    mg_batch_header header;
    CHECK(mg_batch_check(batch, &header) == MG_OK);
    return mg_batch_payload(batch, &header);
}

static bool same(mg_span span, const char *text)
{
    return span.data != NULL && span.size == strlen(text) &&
           memcmp(span.data, text, span.size) == 0;
}

static void a_walk_tells_null_from_empty(mg_span payload)
{
    mg_record_walk walk = mg_record_walk_over(payload, SAMPLE_COUNT);
    mg_record record;
    CHECK(mg_record_next(&walk, &record));
    CHECK(record.offset_delta == 0 && record.timestamp_delta == 0 && record.header_count == 0);
    CHECK(same(record.key, "k1") && same(record.value, "the first"));
    CHECK(mg_record_walk_end(&walk) == MG_CORRUPT); /* not yet at the end */
    CHECK(mg_record_next(&walk, &record));
    CHECK(record.offset_delta == 1 && record.timestamp_delta == 500 && record.header_count == 2);
    CHECK(same(record.key, "") && record.value.data == NULL);
    CHECK(mg_record_next(&walk, &record));
    CHECK(record.offset_delta == 2 && record.timestamp_delta == -70);
    CHECK(record.key.data == NULL && same(record.value, ""));
    CHECK(!mg_record_next(&walk, &record));
    CHECK(mg_record_walk_end(&walk) == MG_OK);
}

static void headers_are_walked(mg_span payload)
{
    mg_record_walk walk = mg_record_walk_over(payload, SAMPLE_COUNT);
    mg_record record;
    mg_record_header header;
    CHECK(mg_record_next(&walk, &record));
    mg_record_header_walk headers = mg_record_header_walk_over(&record);
    CHECK(!mg_record_header_next(&headers, &header));
    CHECK(mg_record_next(&walk, &record));
    headers = mg_record_header_walk_over(&record);
    CHECK(mg_record_header_next(&headers, &header));
    CHECK(same(header.key, "name") && header.value.size == 3 && header.value.data[2] == 2);
    CHECK(mg_record_header_next(&headers, &header));
    CHECK(same(header.key, "") && header.value.data == NULL);
    CHECK(!mg_record_header_next(&headers, &header));
}

static mg_status walk_all(const uint8_t *bytes, size_t size, int32_t count)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    if (size > 0) memcpy(copy, bytes, size);
    mg_record_walk walk = mg_record_walk_over((mg_span){.data = copy, .size = size}, count);
    mg_record record;
    int32_t seen = 0;
    while (mg_record_next(&walk, &record)) {
        mg_record_header_walk headers = mg_record_header_walk_over(&record);
        mg_record_header header;
        while (mg_record_header_next(&headers, &header))
            continue;
        seen++;
    }
    CHECK(seen <= (count > 0 ? count : 0));
    mg_status status = mg_record_walk_end(&walk);
    free(copy);
    return status;
}

static void truncation_at_every_byte_is_detected(mg_span payload)
{
    for (size_t size = 0; size < payload.size; size++) {
        CHECK(walk_all(payload.data, size, SAMPLE_COUNT) == MG_CORRUPT);
    }
    CHECK(walk_all(payload.data, payload.size, SAMPLE_COUNT) == MG_OK);
    CHECK(walk_all(payload.data, payload.size, SAMPLE_COUNT + 1) == MG_CORRUPT);
    CHECK(walk_all(payload.data, payload.size, SAMPLE_COUNT - 1) == MG_CORRUPT);
    CHECK(walk_all(payload.data, payload.size, INT32_MAX) == MG_CORRUPT);
    CHECK(walk_all(payload.data, payload.size, -1) == MG_CORRUPT);
    CHECK(walk_all(NULL, 0, 0) == MG_OK);
}

static void flipped_bytes_never_lead_out_of_bounds(uint8_t *memory, mg_span payload)
{
    for (size_t at = 0; at < payload.size; at++) {
        uint8_t *byte = memory + MG_BATCH_HEADER_SIZE + at;
        uint8_t kept = *byte;
        for (unsigned value = 0; value < 256; value++) {
            *byte = (uint8_t)value;
            (void)walk_all(payload.data, payload.size, SAMPLE_COUNT);
        }
        *byte = kept;
    }
}

static void malformed_records_are_refused(void)
{
    const struct {
        const char *why;
        uint8_t bytes[16];
        size_t size;
    } bad[] = {
        {"negative size", {0x01}, 1},
        {"size 0", {0x00}, 1},
        {"null key size below -1", {12, 0, 0, 0, 0x03, 1, 0}, 7},
        {"value size below -1", {12, 0, 0, 0, 1, 0x03, 0}, 7},
        {"negative header count", {12, 0, 0, 0, 1, 1, 0x01}, 7},
        {"more headers than bytes", {16, 0, 0, 0, 1, 1, 0x04, 0, 0}, 9},
        {"a null header key", {16, 0, 0, 0, 1, 1, 0x02, 0x01, 0}, 9},
        {"a byte left in the record", {14, 0, 0, 0, 1, 1, 0, 0}, 8},
        {"a byte left after the record", {12, 0, 0, 0, 1, 1, 0, 0}, 8},
        {"key past the record", {12, 0, 0, 0, 0x20, 1, 0}, 7},
        {"overlong offset delta", {22, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0}, 12},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (walk_all(bad[i].bytes, bad[i].size, 1) == MG_CORRUPT) continue;
        fprintf(stderr, "accepted: %s\n", bad[i].why);
        abort();
    }
    const uint8_t least[] = {12, 0, 0, 0, 1, 1, 0};
    static_assert(sizeof least == MG_RECORD_SIZE_MIN, "the smallest record there is");
    CHECK(walk_all(least, sizeof least, 1) == MG_OK);
}

int main(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    mg_span payload = payload_of(memory);
    a_walk_tells_null_from_empty(payload);
    headers_are_walked(payload);
    truncation_at_every_byte_is_detected(payload);
    flipped_bytes_never_lead_out_of_bounds(memory, payload);
    malformed_records_are_refused();
    puts("record_test: ok");
    return 0;
}
