#include "log/producer_state.h"

#include "batch/batch_format.h"
#include "check.h"
#include "file/memory.h"

#include <string.h>

enum { NOW_MS = 1000000, EXPIRY_MS = 1000 };

static mg_batch_header batch_of(int64_t producer_id, int16_t epoch, int32_t sequence,
                                int64_t offset, int32_t records)
{
    return (mg_batch_header){.producer_id = producer_id,
                             .producer_epoch = epoch,
                             .base_sequence = sequence,
                             .base_offset = offset,
                             .last_offset_delta = records - 1,
                             .record_count = records,
                             .max_timestamp = NOW_MS,
                             .size = 100,
                             .magic = 2};
}

static void reserve(mg_producers *producers, size_t more, int64_t now_ms)
{
    mg_retired *replaced = NULL;
    CHECK(mg_producers_reserve(producers, more, now_ms, EXPIRY_MS, &replaced, NULL) == MG_OK);
    if (replaced != NULL) CHECK(replaced->release(replaced));
}

static mg_append_verdict decide(const mg_producers *producers, mg_batch_header header)
{
    int64_t base_offset = -7;
    return mg_producers_decide(producers, &header, &base_offset);
}

static void record(mg_producers *producers, mg_batch_header header)
{
    mg_producers_record(producers, &header, NULL);
}

static void sequences_wrap_to_zero(void)
{
    mg_producers producers;
    mg_producers_init(&producers);
    reserve(&producers, 1, NOW_MS);
    record(&producers, batch_of(1, 0, INT32_MAX - 1, 0, 2)); /* ends with 2^31 - 1 */
    CHECK(decide(&producers, batch_of(1, 0, 0, 2, 3)) == MG_APPEND_DONE);
    CHECK(decide(&producers, batch_of(1, 0, 1, 2, 3)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    record(&producers, batch_of(1, 0, 0, 2, 3));
    /* A batch across the end of the circle. */
    record(&producers, batch_of(1, 1, INT32_MAX - 1, 10, 5));
    CHECK(decide(&producers, batch_of(1, 1, 3, 15, 1)) == MG_APPEND_DONE);
    int64_t original = 0;
    mg_batch_header again = batch_of(1, 1, INT32_MAX - 1, 99, 5);
    CHECK(mg_producers_decide(&producers, &again, &original) == MG_APPEND_DUPLICATE);
    CHECK(original == 10);
    mg_producers_deinit(&producers);
}

static void a_full_table_asks_for_room(void)
{
    mg_producers producers;
    mg_producers_init(&producers);
    CHECK(!mg_producers_has_room(&producers, 1));
    for (int64_t id = 0; id < 5000; id++) {
        if (!mg_producers_has_room(&producers, id)) reserve(&producers, 1, NOW_MS);
        record(&producers, batch_of(id, 0, 0, id, 1));
    }
    for (int64_t id = 0; id < 5000; id++) {
        CHECK(mg_producers_has_room(&producers, id));
        CHECK(decide(&producers, batch_of(id, 0, 0, 9999, 1)) == MG_APPEND_DUPLICATE);
    }
    static mg_producer_view views[5000];
    CHECK(mg_producers_view(&producers, views, 10) == 5000);
    CHECK(mg_producers_view(&producers, views, 5000) == 5000);
    mg_producers_deinit(&producers);
}

static void the_expired_go_when_room_is_made(void)
{
    mg_producers producers;
    mg_producers_init(&producers);
    reserve(&producers, 4, NOW_MS);
    mg_batch_header open = batch_of(3, 0, 0, 3, 1);
    open.attributes = MG_BATCH_TRANSACTIONAL;
    record(&producers, batch_of(1, 0, 0, 1, 1));
    record(&producers, open);
    mg_batch_header late = batch_of(2, 0, 0, 2, 1);
    late.max_timestamp = NOW_MS + 500;
    record(&producers, late);
    reserve(&producers, 1000, NOW_MS + EXPIRY_MS);
    CHECK(producers.count == 2); /* an open transaction does not expire */
    CHECK(decide(&producers, batch_of(1, 0, 77, 9, 1)) == MG_APPEND_DONE);
    CHECK(decide(&producers, batch_of(2, 0, 77, 9, 1)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    mg_producers_deinit(&producers);
}

static void transactions_are_noted(void)
{
    mg_producers producers;
    mg_producer_view view;
    mg_producers_init(&producers);
    reserve(&producers, 1, NOW_MS);
    mg_batch_header header = batch_of(9, 4, 0, 50, 2);
    header.attributes = MG_BATCH_TRANSACTIONAL;
    record(&producers, header);
    header = batch_of(9, 4, 2, 52, 2);
    header.attributes = MG_BATCH_TRANSACTIONAL;
    record(&producers, header);
    CHECK(mg_producers_view(&producers, &view, 1) == 1);
    CHECK(view.transaction_first_offset == 50 && view.coordinator_epoch == -1);
    mg_batch_header marker = batch_of(9, 5, -1, 54, 1);
    marker.attributes = MG_BATCH_TRANSACTIONAL | MG_BATCH_CONTROL;
    mg_control control = {.known = true, .commit = true, .coordinator_epoch = 12};
    mg_producers_record(&producers, &marker, &control);
    CHECK(mg_producers_view(&producers, &view, 1) == 1);
    CHECK(view.transaction_first_offset == -1 && view.coordinator_epoch == 12);
    CHECK(view.epoch == 5 && view.last_sequence == -1 && view.last_offset == -1);
    CHECK(decide(&producers, batch_of(9, 5, 1, 55, 1)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    CHECK(decide(&producers, batch_of(9, 5, 0, 55, 1)) == MG_APPEND_DONE);
    mg_producers_deinit(&producers);
}

/* The bytes that Kafka would write, drawn out once. */
static void a_snapshot_is_kafkas(void)
{
    mg_files *files = NULL;
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    mg_producers producers;
    mg_producers_init(&producers);
    reserve(&producers, 1, NOW_MS);
    record(&producers, batch_of(0x1234, 7, 100, 1000, 10));
    CHECK(mg_producers_save(&producers, files, "s", true, NULL) == MG_OK);
    uint8_t *data = NULL;
    size_t size = 0;
    CHECK(mg_files_load(files, "s", 1000, &data, &size, NULL) == MG_OK);
    const uint8_t expected[] = {
        0,    0,    0,    0,    0,    0,    0x12, 0x34, 0, 7,                /* id, epoch */
        0,    0,    0,    109,  0,    0,    0,    0,    0, 0,    0x03, 0xf1, /* last */
        0,    0,    0,    9,    0,    0,    0,    0,    0, 0x0f, 0x42, 0x40, /* delta, time */
        0xff, 0xff, 0xff, 0xff,                                              /* coordinator */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    CHECK(size == 10 + sizeof expected && sizeof expected == 46);
    CHECK(data[0] == 0 && data[1] == 1 && data[9] == 1);
    CHECK(memcmp(data + 10, expected, sizeof expected) == 0);

    mg_producers loaded;
    mg_producers_init(&loaded);
    CHECK(mg_producers_load(&loaded, files, "s", NOW_MS, EXPIRY_MS, NULL) == MG_OK);
    CHECK(decide(&loaded, batch_of(0x1234, 7, 100, 0, 10)) == MG_APPEND_DUPLICATE);
    CHECK(decide(&loaded, batch_of(0x1234, 7, 110, 0, 10)) == MG_APPEND_DONE);
    mg_producers_deinit(&loaded);
    mg_producers_init(&loaded); /* expired by now */
    CHECK(mg_producers_load(&loaded, files, "s", NOW_MS + EXPIRY_MS, EXPIRY_MS, NULL) == MG_OK);
    CHECK(loaded.count == 0);
    mg_producers_deinit(&loaded);

    /* Every flipped byte and every truncation is noticed. */
    mg_file *file = NULL;
    CHECK(mg_file_open(files, "s", MG_FILE_WRITE, &file, NULL) == MG_OK);
    for (size_t at = 0; at < size; at++) {
        uint8_t flipped = data[at] ^ 0x20;
        CHECK(mg_file_write_bytes(file, (int64_t)at, &flipped, 1, NULL) == MG_OK);
        mg_producers_init(&loaded);
        CHECK(mg_producers_load(&loaded, files, "s", NOW_MS, EXPIRY_MS, NULL) == MG_CORRUPT);
        CHECK(loaded.count == 0);
        mg_producers_deinit(&loaded);
        CHECK(mg_file_write_bytes(file, (int64_t)at, &data[at], 1, NULL) == MG_OK);
    }
    for (size_t cut = size; cut-- > 0;) {
        CHECK(mg_file_truncate(file, (int64_t)cut, NULL) == MG_OK);
        mg_producers_init(&loaded);
        CHECK(mg_producers_load(&loaded, files, "s", NOW_MS, EXPIRY_MS, NULL) == MG_CORRUPT);
        mg_producers_deinit(&loaded);
    }
    mg_file_close(file);
    free(data);
    mg_producers_deinit(&producers);
    mg_files_close(files);
}

static mg_batch_header named(int64_t first, int32_t records, int64_t offset)
{
    return batch_of(MG_PRODUCER_NAMED | 5, (int16_t)(first >> 31), (int32_t)(first & INT32_MAX),
                    offset, records);
}

static void a_named_producer_has_positions_with_gaps(void)
{
    const int64_t turn = INT64_C(1) << 31;
    mg_producers producers;
    mg_producers_init(&producers);
    CHECK(mg_producers_position(&producers, MG_PRODUCER_NAMED | 5) == -1);
    reserve(&producers, 1, NOW_MS);
    CHECK(decide(&producers, named(1000, 10, 0)) == MG_APPEND_DONE); /* any beginning */
    record(&producers, named(1000, 10, 0));
    CHECK(mg_producers_position(&producers, MG_PRODUCER_NAMED | 5) == 1009);
    CHECK(decide(&producers, named(1010, 1, 10)) == MG_APPEND_DONE);
    CHECK(decide(&producers, named(5000, 1, 10)) == MG_APPEND_DONE);
    CHECK(decide(&producers, named(1009, 2, 10)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    CHECK(decide(&producers, named(1000, 11, 10)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    int64_t original = -7;
    mg_batch_header again = named(1000, 10, 99);
    CHECK(mg_producers_decide(&producers, &again, &original) == MG_APPEND_DUPLICATE);
    CHECK(original == 0);
    again = named(1003, 4, 99); /* cut otherwise than the first time */
    CHECK(mg_producers_decide(&producers, &again, &original) == MG_APPEND_DUPLICATE);
    CHECK(original == -1);

    /* Over the end of a turn, where an ordinary producer's sequences would begin again. */
    record(&producers, named(turn - 3, 3, 10));
    CHECK(mg_producers_position(&producers, MG_PRODUCER_NAMED | 5) == turn - 1);
    CHECK(decide(&producers, named(0, 3, 13)) == MG_APPEND_DUPLICATE);
    CHECK(decide(&producers, named(turn, 3, 13)) == MG_APPEND_DONE);
    CHECK(decide(&producers, named(turn + 77, 3, 13)) == MG_APPEND_DONE);
    record(&producers, named(turn + 77, 3, 13));
    CHECK(mg_producers_position(&producers, MG_PRODUCER_NAMED | 5) == turn + 79);
    CHECK(decide(&producers, named(turn - 3, 3, 16)) == MG_APPEND_DUPLICATE); /* a lower epoch */
    CHECK(decide(&producers, named(turn + 79, 1, 16)) == MG_APPEND_DUPLICATE);
    CHECK(decide(&producers, named(turn + 79, 2, 16)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    CHECK(decide(&producers, named(MG_PRODUCER_POSITION_END - 1, 1, 16)) == MG_APPEND_DONE);
    record(&producers, named(MG_PRODUCER_POSITION_END - 1, 1, 16));
    CHECK(mg_producers_position(&producers, MG_PRODUCER_NAMED | 5) == MG_PRODUCER_POSITION_END - 1);
    mg_producers_deinit(&producers);
}

static void the_rules_of_ordinary_producers_stay_kafkas(void)
{
    const int64_t largest = MG_PRODUCER_NAMED - 1;
    mg_producers producers;
    mg_producers_init(&producers);
    reserve(&producers, 1, NOW_MS);
    record(&producers, batch_of(largest, 1, 10, 0, 5));
    CHECK(decide(&producers, batch_of(largest, 1, 16, 5, 1)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    CHECK(decide(&producers, batch_of(largest, 1, 11, 5, 1)) == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    CHECK(decide(&producers, batch_of(largest, 0, 15, 5, 1)) == MG_APPEND_INVALID_PRODUCER_EPOCH);
    CHECK(decide(&producers, batch_of(largest, 1, 15, 5, 1)) == MG_APPEND_DONE);
    reserve(&producers, 1000, NOW_MS + EXPIRY_MS);
    CHECK(producers.count == 0);
    mg_producers_deinit(&producers);
}

static void a_named_producer_never_expires(void)
{
    mg_files *files = NULL;
    CHECK(mg_files_open_memory(&files, NULL) == MG_OK);
    mg_producers producers;
    mg_producers_init(&producers);
    reserve(&producers, 4, NOW_MS);
    record(&producers, batch_of(1, 0, 0, 0, 1));
    record(&producers, named((INT64_C(7) << 31) + 40, 3, 1));
    reserve(&producers, 1000, INT64_MAX / 2);
    CHECK(producers.count == 1);
    CHECK(mg_producers_save(&producers, files, "s", true, NULL) == MG_OK);
    mg_producers_deinit(&producers);

    mg_producers_init(&producers);
    CHECK(mg_producers_load(&producers, files, "s", INT64_MAX / 2, EXPIRY_MS, NULL) == MG_OK);
    CHECK(producers.count == 1);
    CHECK(mg_producers_position(&producers, MG_PRODUCER_NAMED | 5) == (INT64_C(7) << 31) + 42);
    int64_t original = -7;
    mg_batch_header again = named((INT64_C(7) << 31) + 40, 3, 99);
    CHECK(mg_producers_decide(&producers, &again, &original) == MG_APPEND_DUPLICATE);
    CHECK(original == 1);
    mg_producers_deinit(&producers);
    mg_files_close(files);
}

int main(void)
{
    a_named_producer_has_positions_with_gaps();
    the_rules_of_ordinary_producers_stay_kafkas();
    a_named_producer_never_expires();
    sequences_wrap_to_zero();
    a_full_table_asks_for_room();
    the_expired_go_when_room_is_made();
    transactions_are_noted();
    a_snapshot_is_kafkas();
    puts("producer_state_test: ok");
}
