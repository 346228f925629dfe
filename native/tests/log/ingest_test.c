#include "log/ingest.h"

#include "rig.h"

enum { COUNT = 600 };

static uint8_t bytes[COUNT * 100];

static size_t fill(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) {
        mg_batch_header header = build(memory, (recipe){.value_size = i % 20});
        memcpy(bytes + size, memory, (size_t)header.size);
        size += (size_t)header.size;
    }
    return size;
}

static void many_batches_go_in_with_their_own_room(void)
{
    static mg_log_item items[COUNT];
    rig r = rig_make();
    r.config.segment_size_max = 5000;
    rig_open(&r);
    size_t size = fill();
    size_t count = 0;
    size_t done = 0;
    CHECK(mg_log_count_batches((mg_span){bytes, size}, &count, &r.error) == MG_OK);
    CHECK(count == COUNT);
    CHECK(mg_log_split(bytes, size, items, count, &r.error) == MG_OK);
    CHECK(mg_log_append_all(r.log, items, count, 0, NOW_MS, &done, &r.error) == MG_OK);
    CHECK(done == COUNT && mg_log_end_offset(r.log) == COUNT);
    CHECK(mg_log_segment_count(r.log) > 5);
    CHECK(read_all(&r, 0, 2000, false) == COUNT);
    rig_end(&r);
}

static void what_is_not_whole_batches_is_corrupt(void)
{
    static mg_log_item items[COUNT];
    size_t size = fill();
    size_t count = 0;
    for (size_t cut = 1; cut < 60; cut++) {
        mg_span cut_off = {bytes, size - cut};
        CHECK(mg_log_count_batches(cut_off, &count, NULL) == MG_CORRUPT);
    }
    bytes[size - 1] ^= 1;
    CHECK(mg_log_count_batches((mg_span){bytes, size}, &count, NULL) == MG_OK);
    CHECK(mg_log_split(bytes, size, items, count, NULL) == MG_CORRUPT);
}

int main(void)
{
    many_batches_go_in_with_their_own_room();
    what_is_not_whole_batches_is_corrupt();
    puts("ingest_test: ok");
}
