#include "log/compact_batch.h"

#include "batch/opened.h"

#include "keyed.h"
#include "kit/codecs.h"

static const mg_siphash_key SEED = {.words = {1, 2}};

typedef struct sieve {
    mg_compact_filter filter;
    mg_offset_map map;
    mg_markers markers;
    mg_codecs codecs;
} sieve;

static void begin(sieve *s, int64_t map_end)
{
    *s = (sieve){.filter = {.map_end = map_end, .now_ms = NOW_MS, .delete_retention_ms = 500}};
    CHECK(mg_offset_map_open(&s->map, 1 << 20, 0, &SEED, NULL) == MG_OK);
    mg_markers_init(&s->markers);
    s->codecs = turning_codecs();
    s->filter.map = &s->map;
    s->filter.markers = &s->markers;
    s->filter.codecs = &s->codecs;
}

static void end(sieve *s)
{
    mg_offset_map_close(&s->map);
    mg_markers_deinit(&s->markers);
    mg_compact_filter_deinit(&s->filter);
}

static void put(sieve *s, int32_t key, int64_t offset)
{
    mg_offset_key hashed = mg_offset_map_hash(&s->map, number_span(&key));
    CHECK(mg_offset_map_put(&s->map, &hashed, offset, NULL) == MG_OK);
}

/* Keys 1 to 4, the third value null, at offsets 10 to 13. */
static mg_batch_header build_four(uint8_t *memory)
{
    const int32_t keys[4] = {1, 2, 3, 4};
    const int32_t values[4] = {1, 2, TOMBSTONE, 4};
    keyed_batch of = {.keys = keys, .values = values, .count = 4, .timestamp = NOW_MS};
    mg_batch_header header = build_keyed(memory, &of);
    header.base_offset = 10;
    header.leader_epoch = 3;
    mg_batch_stamp(memory, 10, 3);
    return header;
}

static void what_has_a_later_record_goes_and_the_rest_stays_where_it_was(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    sieve s;
    mg_span left;
    mg_batch_header header = build_four(memory);
    mg_batch_header got;
    mg_span batch = {.data = memory, .size = (size_t)header.size};
    begin(&s, 100);
    put(&s, 1, 90);
    put(&s, 3, 12);
    put(&s, 4, 95);
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, NULL) == MG_OK);
    CHECK(mg_batch_check(left, &got) == MG_OK);
    CHECK(got.base_offset == 10 && got.last_offset_delta == 3 && got.leader_epoch == 3);
    CHECK(got.record_count == 2 && got.max_timestamp == NOW_MS + 2);
    CHECK(got.attributes == MG_BATCH_DELETE_HORIZON && got.base_timestamp == NOW_MS + 500);
    mg_record record;
    mg_record_walk walk = mg_record_walk_over(mg_batch_payload(left, &got), got.record_count);
    CHECK(mg_record_next(&walk, &record) && record.offset_delta == 1);
    CHECK(mg_batch_record_timestamp(&got, record.timestamp_delta) == NOW_MS + 1);
    CHECK(mg_record_next(&walk, &record) && record.offset_delta == 2 && record.value.data == NULL);
    CHECK(mg_record_walk_end(&walk) == MG_OK);

    /* Again: it stays as it is, until the horizon takes the null value. */
    static uint8_t second[BATCH_SIZE_MAX];
    memcpy(second, left.data, left.size);
    batch = (mg_span){.data = second, .size = left.size};
    mg_batch_header horizon = got;
    s.filter.now_ms = NOW_MS + 499;
    CHECK(mg_compact_batch(&s.filter, batch, &horizon, false, &left, &got, NULL) == MG_OK);
    CHECK(left.data == second && left.size == batch.size);
    s.filter.now_ms = NOW_MS + 500;
    s.filter.keeps_expired = true;
    CHECK(mg_compact_batch(&s.filter, batch, &horizon, false, &left, &got, NULL) == MG_OK);
    CHECK(left.data == second);
    s.filter.keeps_expired = false;
    CHECK(mg_compact_batch(&s.filter, batch, &horizon, false, &left, &got, NULL) == MG_OK);
    CHECK(mg_batch_check(left, &got) == MG_OK && got.record_count == 1);
    CHECK(got.base_timestamp == NOW_MS + 500 && got.max_timestamp == NOW_MS + 1);
    end(&s);
}

static void what_the_map_does_not_know_yet_stays(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    sieve s;
    mg_span left;
    mg_batch_header header = build_four(memory);
    mg_batch_header got;
    mg_span batch = {.data = memory, .size = (size_t)header.size};
    begin(&s, 12); /* in the middle of the batch */
    put(&s, 1, 11);
    put(&s, 4, 11);
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, NULL) == MG_OK);
    CHECK(mg_batch_check(left, &got) == MG_OK && got.record_count == 3);
    CHECK(s.filter.records_read == 4 && s.filter.records_kept == 3);
    end(&s);
}

static void an_emptied_batch_stays_as_a_header_where_it_must(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    sieve s;
    mg_span left;
    mg_batch_header header = build_four(memory);
    mg_batch_header got;
    header.producer_id = 40;
    header.producer_epoch = 2;
    header.base_sequence = 17;
    mg_batch_seal(memory, &header);
    mg_span batch = {.data = memory, .size = (size_t)header.size};
    begin(&s, 100);
    for (int32_t key = 1; key <= 4; key++)
        put(&s, key, 50 + key);
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, NULL) == MG_OK);
    CHECK(left.size == 0);
    CHECK(mg_compact_batch(&s.filter, batch, &header, true, &left, &got, NULL) == MG_OK);
    CHECK(left.size == MG_BATCH_HEADER_SIZE && mg_batch_check(left, &got) == MG_OK);
    CHECK(got.record_count == 0 && mg_batch_last_offset(&got) == 13 && got.base_sequence == 17);
    CHECK(got.base_timestamp == -1 && got.max_timestamp == header.max_timestamp);
    s.filter.end_timestamp_max = NOW_MS - 7;
    CHECK(mg_compact_batch(&s.filter, batch, &header, true, &left, &got, NULL) == MG_OK);
    CHECK(mg_batch_check(left, &got) == MG_OK && got.max_timestamp == NOW_MS - 7);
    mg_producer_view last[2] = {{.producer_id = 39, .last_offset = 13},
                                {.producer_id = 40, .last_offset = 13, .epoch = 2}};
    s.filter.producers = last;
    s.filter.producers_count = 2;
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, NULL) == MG_OK);
    CHECK(left.size == MG_BATCH_HEADER_SIZE && got.max_timestamp == header.max_timestamp);
    last[1].last_offset = 14;
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, NULL) == MG_OK);
    CHECK(left.size == 0);
    end(&s);
}

static void a_compressed_batch_is_opened_and_compressed_again(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    static uint8_t packed[BATCH_SIZE_MAX];
    sieve s;
    mg_span left;
    mg_batch_header header = build_four(memory);
    mg_batch_header got;
    mg_span plain = {.data = memory, .size = (size_t)header.size};
    mg_span batch = {.data = packed, .size = turn_batch(plain, packed, sizeof packed, &header)};
    begin(&s, 100);
    put(&s, 2, 60);
    put(&s, 3, 60);
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, NULL) == MG_OK);
    CHECK(mg_batch_check(left, &got) == MG_OK && got.record_count == 2);
    CHECK(mg_batch_codec(&got) == MG_CODEC_LZ4 && left.size < batch.size);
    mg_span records;
    CHECK(mg_batch_open(&s.codecs, &s.filter.plain, left, &got, &records, NULL) == MG_OK);
    mg_record record;
    mg_record_walk walk = mg_record_walk_over(records, 2);
    CHECK(mg_record_next(&walk, &record) && record.offset_delta == 0);
    CHECK(mg_record_next(&walk, &record) && record.offset_delta == 3);
    CHECK(mg_record_walk_end(&walk) == MG_OK);

    mg_error error;
    packed[MG_BATCH_HEADER_SIZE] = 8; /* not of this codec */
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, &error) == MG_CORRUPT);
    s.filter.codecs = NULL;
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, &error) ==
          MG_UNSUPPORTED);
    end(&s);
}

static void malformed_records_are_refused(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    sieve s;
    mg_span left;
    mg_error error;
    mg_batch_header got;
    begin(&s, 100);
    for (int32_t count = 0; count < 10; count++) {
        mg_batch_header header = build_four(memory);
        header.record_count = count;
        mg_span batch = {.data = memory, .size = (size_t)header.size};
        mg_status status = mg_compact_batch(&s.filter, batch, &header, false, &left, &got, &error);
        CHECK(status == (count == 4 || count == 0 ? MG_OK : MG_CORRUPT));
    }
    mg_batch_header header = build_four(memory);
    header.record_count = INT32_MAX;
    mg_span batch = {.data = memory, .size = (size_t)header.size};
    CHECK(mg_compact_batch(&s.filter, batch, &header, false, &left, &got, &error) == MG_CORRUPT);
    end(&s);
}

int main(void)
{
    what_has_a_later_record_goes_and_the_rest_stays_where_it_was();
    what_the_map_does_not_know_yet_stays();
    an_emptied_batch_stays_as_a_header_where_it_must();
    a_compressed_batch_is_opened_and_compressed_again();
    malformed_records_are_refused();
    puts("compact_batch_test: ok");
}
