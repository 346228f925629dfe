#include "batch/batch.h"

#include "base/crc32c.h"

#include "batch/sample.h"

/* B1 */
static void header_decodes_what_seal_wrote(void)
{
    uint8_t bytes[MG_BATCH_HEADER_SIZE + 2] = {0};
    mg_batch_header wrote = {
        .base_offset = 0x0102030405060708,
        .base_timestamp = -5,
        .max_timestamp = INT64_MAX,
        .producer_id = 77,
        .size = sizeof bytes,
        .leader_epoch = 9,
        .last_offset_delta = 41,
        .base_sequence = INT32_MAX,
        .record_count = 42,
        .attributes = MG_BATCH_TRANSACTIONAL | MG_CODEC_ZSTD,
        .producer_epoch = 3,
        .magic = MG_BATCH_MAGIC,
    };
    mg_batch_seal(bytes, &wrote);
    mg_batch_header read;
    CHECK(mg_batch_header_decode((mg_span){.data = bytes, .size = sizeof bytes}, &read) == MG_OK);
    CHECK(read.base_offset == wrote.base_offset && read.base_timestamp == -5);
    CHECK(read.max_timestamp == INT64_MAX && read.producer_id == 77 && read.leader_epoch == 9);
    CHECK(read.size == sizeof bytes && read.crc == wrote.crc && read.last_offset_delta == 41);
    CHECK(read.base_sequence == INT32_MAX && read.record_count == 42 && read.producer_epoch == 3);
    CHECK(read.attributes == wrote.attributes && mg_batch_codec(&read) == MG_CODEC_ZSTD);
    CHECK(mg_batch_last_offset(&read) == wrote.base_offset + 41);
    CHECK(bytes[MG_BATCH_AT_MAGIC] == 2 && bytes[7] == 8);
    CHECK(read.crc == mg_crc32c(0, bytes + MG_BATCH_CRC_FROM, sizeof bytes - MG_BATCH_CRC_FROM));
}

/* An exact-size copy, so that ASan sees a read past the end. */
static mg_status check_copy(mg_span bytes, size_t size, mg_batch_header *header)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes.data, size);
    mg_status status = mg_batch_check((mg_span){.data = copy, .size = size}, header);
    free(copy);
    return status;
}

static void truncation_at_every_byte_is_detected(mg_span batch)
{
    mg_batch_header header;
    for (size_t size = 0; size < batch.size; size++) {
        CHECK(check_copy(batch, size, &header) == MG_OUT_OF_RANGE);
        CHECK(header.size == (size < MG_BATCH_HEADER_SIZE ? 0 : (int32_t)batch.size));
    }
    CHECK(check_copy(batch, batch.size, &header) == MG_OK);
}

/* But in the two fields that the checksum leaves out, where no value is impossible. */
static void every_flipped_bit_is_detected(uint8_t *memory, mg_span batch)
{
    mg_batch_header header;
    for (size_t at = 0; at < batch.size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            memory[at] ^= (uint8_t)(1 << bit);
            mg_status status = mg_batch_check(batch, &header);
            bool outside = at < MG_BATCH_AT_LENGTH ||
                           (at >= MG_BATCH_AT_LEADER_EPOCH && at < MG_BATCH_AT_MAGIC);
            if (outside) {
                CHECK((status == MG_OK) == (at != 0 || bit != 7)); /* a negative base offset */
            } else {
                CHECK(status != MG_OK);
            }
            memory[at] ^= (uint8_t)(1 << bit);
        }
    }
    CHECK(mg_batch_check(batch, &header) == MG_OK);
}

static void hostile_sizes_are_corrupt(uint8_t *memory, mg_span batch)
{
    const uint32_t lengths[] = {0, 48, 0x7fffffff, 0x7ffffff4, 0x80000000, 0xffffffff};
    mg_batch_header header;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        mg_store_u32(memory + MG_BATCH_AT_LENGTH, lengths[i]);
        CHECK(mg_batch_check(batch, &header) == MG_CORRUPT);
    }
    mg_store_u32(memory + MG_BATCH_AT_LENGTH, 0x7ffffff3); /* the largest that fits an int32 */
    CHECK(mg_batch_check(batch, &header) == MG_OUT_OF_RANGE && header.size == INT32_MAX);
    mg_store_u32(memory + MG_BATCH_AT_LENGTH, (uint32_t)batch.size - MG_BATCH_LENGTH_OVERHEAD);
    CHECK(mg_batch_check(batch, &header) == MG_OK);
}

static void impossible_numbers_under_a_good_checksum_are_corrupt(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span batch = sample_build(memory, &blank);
    mg_batch_header header;
    CHECK(mg_batch_check(batch, &header) == MG_OK);

    mg_batch_header bad = header;
    bad.last_offset_delta = -1;
    mg_batch_seal(memory, &bad);
    CHECK(mg_batch_check(batch, &bad) == MG_CORRUPT);
    bad = header;
    bad.record_count = -1;
    mg_batch_seal(memory, &bad);
    CHECK(mg_batch_check(batch, &bad) == MG_CORRUPT);
    bad = header;
    bad.base_offset = INT64_MAX - 1;
    mg_batch_seal(memory, &bad);
    CHECK(mg_batch_check(batch, &bad) == MG_CORRUPT);
    bad = header;
    bad.record_count = 0; /* what compaction leaves */
    mg_batch_seal(memory, &bad);
    CHECK(mg_batch_check(batch, &bad) == MG_OK);
}

static void stamp_costs_no_checksum(uint8_t *memory, mg_span batch)
{
    mg_batch_header before, after;
    CHECK(mg_batch_check(batch, &before) == MG_OK);
    mg_batch_stamp(memory, 123456789012, 7);
    CHECK(mg_batch_check(batch, &after) == MG_OK);
    CHECK(after.base_offset == 123456789012 && after.leader_epoch == 7);
    CHECK(after.crc == before.crc);
}

static void append_time_is_stamped_with_a_new_checksum(uint8_t *memory, mg_span batch)
{
    mg_batch_header header, read;
    CHECK(mg_batch_check(batch, &header) == MG_OK);
    mg_batch_correct_time(memory, 5, &header);
    CHECK(mg_batch_check(batch, &read) == MG_OK);
    CHECK(read.max_timestamp == 5 && (read.attributes & MG_BATCH_APPEND_TIME) == 0);
    CHECK(header.max_timestamp == 5 && header.crc == read.crc);

    mg_batch_stamp_append_time(memory, 424242, &header);
    CHECK(mg_batch_check(batch, &read) == MG_OK);
    CHECK(read.max_timestamp == 424242 && (read.attributes & MG_BATCH_APPEND_TIME) != 0);
    CHECK(header.max_timestamp == 424242 && header.crc == read.crc);
    CHECK(header.attributes == read.attributes);

    mg_batch_correct_time(memory, 6, &header);
    CHECK(mg_batch_check(batch, &read) == MG_OK);
    CHECK(read.max_timestamp == 6 && (read.attributes & MG_BATCH_APPEND_TIME) == 0);
}

int main(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span batch = sample_build(memory, &blank);
    header_decodes_what_seal_wrote();
    truncation_at_every_byte_is_detected(batch);
    every_flipped_bit_is_detected(memory, batch);
    hostile_sizes_are_corrupt(memory, batch);
    impossible_numbers_under_a_good_checksum_are_corrupt();
    stamp_costs_no_checksum(memory, batch);
    append_time_is_stamped_with_a_new_checksum(memory, batch);
    puts("batch_test: ok");
    return 0;
}
