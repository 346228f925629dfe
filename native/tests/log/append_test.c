#include "rig.h"

static void append_time_is_stamped(void)
{
    rig r = rig_make();
    r.config.append_time = true;
    rig_open(&r);
    mg_log_item item = append(&r, (recipe){.timestamp = 5});
    CHECK(item.append_time_ms == NOW_MS);
    CHECK(item.header.max_timestamp == NOW_MS);
    CHECK(read_all(&r, 0, 1000, false) == 1);
    mg_log_slice slice;
    CHECK(mg_log_find_timestamp(r.log, NOW_MS, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    rig_end(&r);
}

static void producers_are_followed(void)
{
    rig r = rig_make();
    rig_open(&r);
    recipe of = {.records = 10, .producer_id = 4000, .producer_epoch = 1, .base_sequence = 70};
    CHECK(append(&r, of).verdict == MG_APPEND_DONE); /* not known: any sequence */
    mg_log_item again = append(&r, of);
    CHECK(again.verdict == MG_APPEND_DUPLICATE && again.base_offset == 0);
    of.base_sequence = 81;
    CHECK(append(&r, of).verdict == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    of.base_sequence = 80;
    for (int i = 0; i < 5; i++, of.base_sequence += 10) {
        CHECK(append(&r, of).verdict == MG_APPEND_DONE);
    }
    of.base_sequence = 80; /* five back: still known */
    again = append(&r, of);
    CHECK(again.verdict == MG_APPEND_DUPLICATE && again.base_offset == 10);
    of.base_sequence = 70; /* six back */
    CHECK(append(&r, of).verdict == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    of.producer_epoch = 0;
    of.base_sequence = 130;
    CHECK(append(&r, of).verdict == MG_APPEND_INVALID_PRODUCER_EPOCH);
    of.producer_epoch = 2;
    CHECK(append(&r, of).verdict == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    of.base_sequence = 0;
    CHECK(append(&r, of).verdict == MG_APPEND_DONE);
    CHECK(mg_log_end_offset(r.log) == 70);
    rig_reopen(&r);
    again = append(&r, of);
    CHECK(again.verdict == MG_APPEND_DUPLICATE && again.base_offset == 60);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1);
    CHECK(view.producer_id == 4000 && view.epoch == 2 && view.last_sequence == 9);
    CHECK(view.last_offset == 69 && view.transaction_first_offset == -1);
    rig_end(&r);
}

static void one_call_sees_its_own_batches(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.producer_id = 1, .base_sequence = 0}); /* makes room */
    static uint8_t memory[3][BATCH_SIZE_MAX];
    mg_log_item items[3];
    mg_log_item *pointers[3];
    const int32_t sequences[] = {1, 1, 3};
    for (int i = 0; i < 3; i++) {
        recipe of = {.producer_id = 1, .base_sequence = sequences[i]};
        items[i] = (mg_log_item){.batch = memory[i], .header = build(memory[i], of)};
        pointers[i] = &items[i];
    }
    size_t done = 0;
    CHECK(mg_log_append(r.log, pointers, 3, 0, NOW_MS, &done, &r.error) == MG_OK && done == 3);
    CHECK(items[0].verdict == MG_APPEND_DONE && items[0].base_offset == 1);
    CHECK(items[1].verdict == MG_APPEND_DUPLICATE && items[1].base_offset == 1);
    CHECK(items[2].verdict == MG_APPEND_OUT_OF_ORDER_SEQUENCE);
    CHECK(mg_log_end_offset(r.log) == 2);
    rig_end(&r);
}

static void many_batches_in_one_call(void)
{
    enum { COUNT = 700 };
    rig r = rig_make();
    r.config.segment_size_max = 30000;
    rig_open(&r);
    static uint8_t memory[COUNT][200];
    static mg_log_item items[COUNT];
    static mg_log_item *pointers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        static uint8_t large[BATCH_SIZE_MAX];
        items[i].header = build(large, (recipe){.value_size = 20});
        memcpy(memory[i], large, (size_t)items[i].header.size);
        items[i].batch = memory[i];
        pointers[i] = &items[i];
    }
    size_t sum = 0;
    while (sum < COUNT) {
        size_t done = 0;
        mg_status status =
            mg_log_append(r.log, pointers + sum, COUNT - sum, 0, NOW_MS, &done, &r.error);
        sum += done;
        CHECK(status == MG_OK || status == MG_BUSY);
        if (status == MG_OK) break;
        CHECK(mg_log_make_room(r.log, &pointers[sum]->header, NOW_MS, &r.error) == MG_OK);
    }
    CHECK(sum == COUNT && mg_log_end_offset(r.log) == COUNT);
    for (int i = 0; i < COUNT; i++)
        CHECK(items[i].base_offset == i);
    CHECK(mg_log_segment_count(r.log) == 3);
    CHECK(read_all(&r, 0, 1000, false) == COUNT);
    rig_end(&r);
}

static void a_failed_write_poisons(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.value_size = 100});
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_log_item item = {.batch = memory, .header = build(memory, (recipe){.value_size = 100})};
    mg_log_item *pointer = &item;
    size_t done = 9;
    mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, 0, 5);
    CHECK(mg_log_append(r.log, &pointer, 1, 0, NOW_MS, &done, &r.error) == MG_IO);
    CHECK(done == 0 && r.error.os_error == 5);
    CHECK(mg_log_health(r.log, NULL) == MG_IO);
    mg_error second;
    CHECK(mg_log_append(r.log, &pointer, 1, 0, NOW_MS, &done, &second) == MG_IO);
    CHECK(second.os_error == 5);
    CHECK(mg_log_make_room(r.log, &item.header, NOW_MS, &second) == MG_IO);
    CHECK(mg_log_flush(r.log, &second) == MG_IO);
    CHECK(mg_log_end_offset(r.log) == 1);
    CHECK(read_all(&r, 0, 1000, false) == 1); /* reading goes on */
    CHECK(mg_log_close(r.log, &second) == MG_IO);
    r.log = NULL;
    rig_open(&r); /* half of the batch is there: a torn tail */
    CHECK(r.report.cut_size > 0 && mg_log_end_offset(r.log) == 1);
    rig_end(&r);
}

int main(void)
{
    append_time_is_stamped();
    producers_are_followed();
    one_call_sees_its_own_batches();
    many_batches_in_one_call();
    a_failed_write_poisons();
    puts("append_test: ok");
}
