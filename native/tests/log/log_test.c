#include "rig.h"

static void a_new_log_is_empty(void)
{
    rig r = rig_make();
    r.start.start_offset = 7;
    rig_open(&r);
    CHECK(mg_log_start_offset(r.log) == 7);
    CHECK(mg_log_end_offset(r.log) == 7);
    CHECK(mg_log_durable_end(r.log) == 7);
    CHECK(mg_log_size(r.log) == 0);
    CHECK(mg_log_segment_count(r.log) == 1);
    CHECK(mg_log_latest_epoch(r.log) == -1);
    CHECK(!mg_log_wants_room(r.log));
    rig_reopen(&r);
    CHECK(mg_log_end_offset(r.log) == 7);
    CHECK(r.report.segments_scanned == 0);
    rig_end(&r);
}

static void what_was_appended_is_read(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 100; i++) {
        mg_log_item item = append(&r, (recipe){.records = 3, .value_size = 100});
        CHECK(item.base_offset == i * 3);
    }
    CHECK(mg_log_end_offset(r.log) == 300);
    const size_t sizes[] = {1, 500, 4096, 10000, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK(read_all(&r, 0, sizes[i], false) == 300);
        CHECK(read_all(&r, 0, sizes[i], false) == 300); /* now with hints */
    }
    /* From within a batch: the whole batch comes. */
    static uint8_t out[1 << 20];
    int64_t next_offset = 0;
    for (int64_t offset = 0; offset < 300; offset++) {
        (void)read_bytes(&r, offset, 1, out, &next_offset);
        CHECK((int64_t)mg_load_u64(out) == offset / 3 * 3);
        CHECK(next_offset == offset / 3 * 3 + 3);
    }
    rig_end(&r);
}

static void limits_of_a_read_are_kept(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 200; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 300});
    mg_log_slice slice;
    for (int64_t end = 0; end <= 400; end++) {
        CHECK(mg_log_read(r.log, 0, end, 1 << 20, 0, &slice, &r.error) == MG_OK);
        CHECK(slice.next_offset == end / 2 * 2);
        CHECK((slice.size == 0) == (end < 2));
        mg_log_slice_release(&slice);
    }
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 10, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.size == 0 && slice.next_offset == 0);
    CHECK(mg_log_read(r.log, 401, INT64_MAX, 10, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_read(r.log, -1, INT64_MAX, 10, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_read(r.log, 400, INT64_MAX, 10, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.size == 0 && slice.segment == NULL);
    rig_end(&r);
}

static void segments_roll_by_size_and_read_on(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 10000;
    rig_open(&r);
    for (int i = 0; i < 300; i++) {
        (void)append(&r, (recipe){.records = 2, .value_size = 300, .timestamp = NOW_MS + i});
    }
    CHECK(mg_log_segment_count(r.log) > 15);
    CHECK(read_all(&r, 0, 1 << 20, false) == 600);
    CHECK(read_all(&r, 0, 1, false) == 600);
    CHECK(mg_log_durable_end(r.log) == 0);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    CHECK(mg_log_durable_end(r.log) == 600);
    int64_t size = mg_log_size(r.log);
    rig_reopen(&r);
    CHECK(r.report.segments_scanned == 0 && r.report.indexes_rebuilt == 0);
    CHECK(mg_log_end_offset(r.log) == 600 && mg_log_size(r.log) == size);
    CHECK(read_all(&r, 0, 5000, false) == 600);
    (void)append(&r, (recipe){.records = 1});
    CHECK(mg_log_end_offset(r.log) == 601);
    rig_end(&r);
}

static void segments_roll_by_age_and_by_a_full_index(void)
{
    rig r = rig_make();
    r.config.segment_age_max_ms = 1000;
    rig_open(&r);
    (void)append(&r, (recipe){.timestamp = NOW_MS});
    (void)append(&r, (recipe){.timestamp = NOW_MS + 1000});
    CHECK(mg_log_segment_count(r.log) == 1);
    (void)append(&r, (recipe){.timestamp = NOW_MS + 1001});
    CHECK(mg_log_segment_count(r.log) == 2);
    rig_reopen(&r); /* the first timestamp is looked up in the file */
    (void)append(&r, (recipe){.timestamp = NOW_MS + 2001});
    CHECK(mg_log_segment_count(r.log) == 2);
    (void)append(&r, (recipe){.timestamp = NOW_MS + 2002});
    CHECK(mg_log_segment_count(r.log) == 3);
    rig_end(&r);

    r = rig_make();
    r.config.index_size_max = 48; /* 4 times, of which 3 may be used */
    r.config.index_interval_size = 0;
    rig_open(&r);
    for (int i = 0; i < 10; i++)
        (void)append(&r, (recipe){.timestamp = NOW_MS + i});
    CHECK(mg_log_segment_count(r.log) == 3); /* 4 batches each: the first is never indexed */
    rig_end(&r);
}

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

static void timestamps_are_found(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 20000;
    r.config.index_interval_size = 500;
    rig_open(&r);
    mg_log_slice slice;
    CHECK(mg_log_find_timestamp(r.log, 0, &slice, &r.error) == MG_NOT_FOUND);
    CHECK(mg_log_find_max_timestamp(r.log, &slice, &r.error) == MG_NOT_FOUND);
    /* Times that wander: the greatest so far is what the index knows. */
    int64_t times[400];
    int64_t greatest = 0;
    for (int i = 0; i < 400; i++) {
        times[i] = 1 + (i * 37) % 101 + i / 3;
        if (times[i] > greatest) greatest = times[i];
        (void)append(&r, (recipe){.value_size = 150, .timestamp = times[i]});
    }
    for (int round = 0; round < 2; round++) {
        for (int64_t t = 0; t <= greatest + 1; t++) {
            int64_t wanted = 0;
            while (wanted < 400 && times[wanted] < t)
                wanted++;
            mg_status status = mg_log_find_timestamp(r.log, t, &slice, &r.error);
            CHECK(status == (wanted < 400 ? MG_OK : MG_NOT_FOUND));
            if (status != MG_OK) continue;
            CHECK(slice.next_offset == wanted + 1);
            mg_log_slice_release(&slice);
        }
        CHECK(mg_log_find_max_timestamp(r.log, &slice, &r.error) == MG_OK);
        CHECK(times[slice.next_offset - 1] == greatest);
        for (int64_t i = 0; i < slice.next_offset - 1; i++)
            CHECK(times[i] < greatest);
        mg_log_slice_release(&slice);
        rig_reopen(&r);
    }
    /* Below the start of the log nothing is found. */
    CHECK(mg_log_raise_start(r.log, 395, &r.error) == MG_OK);
    CHECK(mg_log_find_timestamp(r.log, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.next_offset == 396);
    mg_log_slice_release(&slice);
    CHECK(mg_log_find_max_timestamp(r.log, &slice, &r.error) == MG_OK);
    CHECK(slice.next_offset > 395);
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

static void leader_epochs_are_kept(void)
{
    rig r = rig_make();
    rig_open(&r);
    int32_t found = 0;
    int64_t end_offset = 0;
    mg_log_epoch_end(r.log, 0, &found, &end_offset);
    CHECK(found == -1 && end_offset == -1);
    for (int i = 0; i < 10; i++)
        (void)append_at_epoch(&r, (recipe){.records = 1}, 3 + i / 3 * 2);
    for (int round = 0; round < 2; round++) {
        CHECK(mg_log_latest_epoch(r.log) == 9);
        mg_log_epoch_end(r.log, 5, &found, &end_offset);
        CHECK(found == 5 && end_offset == 6);
        mg_log_epoch_end(r.log, 6, &found, &end_offset);
        CHECK(found == 5 && end_offset == 6);
        mg_log_epoch_end(r.log, 9, &found, &end_offset);
        CHECK(found == 9 && end_offset == 10);
        mg_log_epoch_end(r.log, 10, &found, &end_offset);
        CHECK(found == -1 && end_offset == -1);
        rig_reopen(&r);
    }
    uint8_t text[100] = {0};
    CHECK(load_file(&r, "leader-epoch-checkpoint", text, sizeof text) != SIZE_MAX);
    CHECK(strcmp((const char *)text, "0\n4\n3 0\n5 3\n7 6\n9 9\n") == 0);
    rig_end(&r);
}

static void retention_takes_whole_sealed_segments(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 10; i++) {
        (void)append(&r, (recipe){.value_size = 1000, .timestamp = 1000 + i});
        CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    }
    CHECK(mg_log_segment_count(r.log) == 11);
    int32_t deleted = 0;
    CHECK(mg_log_delete_old(r.log, 100, -1, 2, 1105, &deleted, &r.error) == MG_OK);
    CHECK(deleted == 2); /* older than 1005, below the limit */
    CHECK(mg_log_start_offset(r.log) == 2);
    CHECK(!has_file(&r, FIRST_LOG));
    CHECK(mg_log_delete_old(r.log, 100, -1, 100, 1105, &deleted, &r.error) == MG_OK);
    CHECK(deleted == 3);
    int64_t size = mg_log_size(r.log);
    CHECK(mg_log_delete_old(r.log, -1, size - 1, 100, 1105, &deleted, &r.error) == MG_OK);
    CHECK(deleted == 0);
    CHECK(mg_log_delete_old(r.log, -1, size / 5 * 4, 100, 1105, &deleted, &r.error) == MG_OK);
    CHECK(deleted == 1);
    mg_log_slice slice;
    CHECK(mg_log_read(r.log, 5, INT64_MAX, 1, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(read_all(&r, 6, 1 << 20, false) == 4);
    rig_reopen(&r);
    CHECK(mg_log_start_offset(r.log) == 6 && mg_log_end_offset(r.log) == 10);
    CHECK(mg_log_raise_start(r.log, 8, &r.error) == MG_OK);
    CHECK(mg_log_raise_start(r.log, 7, &r.error) == MG_OK);
    CHECK(mg_log_start_offset(r.log) == 8);
    CHECK(mg_log_raise_start(r.log, 11, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_delete_old(r.log, -1, -1, 100, 0, &deleted, &r.error) == MG_OK);
    CHECK(deleted == 2);
    rig_end(&r);
}

static void a_slice_outlives_its_segment(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.value_size = 100});
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    (void)append(&r, (recipe){.value_size = 100});
    mg_log_slice slices[2];
    for (int i = 0; i < 2; i++) {
        CHECK(mg_log_read(r.log, i, INT64_MAX, 1000, 0, &slices[i], &r.error) == MG_OK);
    }
    int32_t deleted = 0;
    CHECK(mg_log_delete_old(r.log, -1, 0, 100, 0, &deleted, &r.error) == MG_OK && deleted == 1);
    CHECK(mg_log_truncate(r.log, 1, &r.error) == MG_OK);
    (void)append(&r, (recipe){.value_size = 7});
    for (int64_t i = 0; i < 2; i++) {
        uint8_t out[300];
        CHECK(mg_log_slice_copy(&slices[i], 0, slices[i].size, out, &r.error) == MG_OK);
        mg_batch_header header;
        CHECK(mg_batch_check((mg_span){.data = out, .size = slices[i].size}, &header) == MG_OK);
        CHECK(header.base_offset == i && header.size > 160);
        mg_log_slice_release(&slices[i]);
    }
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK); /* gives the files back */
    rig_end(&r);
}

static void truncation_cuts_anywhere(void)
{
    for (int64_t cut = 0; cut <= 60; cut += 1) {
        rig r = rig_make();
        r.config.segment_size_max = 1500;
        r.config.index_interval_size = 300;
        rig_open(&r);
        for (int i = 0; i < 30; i++) {
            (void)append_at_epoch(&r,
                                  (recipe){.records = 2,
                                           .value_size = 50,
                                           .producer_id = 9,
                                           .base_sequence = i * 2,
                                           .timestamp = NOW_MS + i},
                                  i / 10);
        }
        if (cut % 2 == 0) CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
        CHECK(mg_log_truncate(r.log, cut, &r.error) == MG_OK);
        CHECK(mg_log_end_offset(r.log) == cut);
        CHECK(mg_log_durable_end(r.log) <= cut);
        CHECK(mg_log_latest_epoch(r.log) == (cut == 0 ? -1 : (int32_t)((cut - 1) / 20)));
        int64_t whole = cut / 2 * 2;
        if (whole == cut) CHECK(read_all(&r, 0, 1 << 20, false) == whole);
        mg_producer_view view;
        CHECK(mg_log_producers(r.log, &view, 1) == (whole > 0 ? 1 : 0));
        if (whole > 0) CHECK(view.last_sequence == whole - 1);
        mg_log_item item = append_at_epoch(&r, (recipe){.records = 1, .value_size = 10}, 7);
        CHECK(item.base_offset == cut);
        CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
        CHECK(mg_log_durable_end(r.log) == cut + 1);
        rig_reopen(&r);
        CHECK(mg_log_end_offset(r.log) == cut + 1);
        CHECK(read_all(&r, 0, 1 << 20, true) == whole + 1);
        rig_end(&r);
    }
}

static void truncating_below_the_start_is_refused(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.records = 10});
    CHECK(mg_log_raise_start(r.log, 5, &r.error) == MG_OK);
    CHECK(mg_log_truncate(r.log, 4, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_truncate(r.log, 11, &r.error) == MG_OK);
    CHECK(mg_log_end_offset(r.log) == 10);
    rig_end(&r);
}

static void a_cold_read_does_not_wait(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.value_size = 100});
    mg_log_slice slice;
    mg_memory_set_cold(r.files, true);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) ==
          MG_WOULD_BLOCK);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    mg_memory_set_cold(r.files, false);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    (void)append(&r, (recipe){.value_size = 100});
    rig_reopen(&r); /* the sealed segment is closed now */
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) ==
          MG_WOULD_BLOCK);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
    CHECK(mg_log_read(r.log, 0, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) == MG_OK);
    mg_log_slice_release(&slice);
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

static void a_failed_sync_poisons(void)
{
    rig r = rig_make();
    rig_open(&r);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    (void)append_at_epoch(&r, (recipe){.value_size = 100}, -1);
    mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, 0, 5);
    CHECK(mg_log_flush(r.log, &r.error) == MG_IO);
    CHECK(mg_log_flush(r.log, &r.error) == MG_IO); /* never tried again */
    CHECK(mg_log_durable_end(r.log) == 0);
    CHECK(mg_log_close(r.log, NULL) == MG_IO);
    r.log = NULL;
    rig_end(&r);
}

static void a_full_disk_changes_nothing(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 20000;
    rig_open(&r);
    mg_memory_set_capacity(r.files, 60000);
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_status status = MG_OK;
    int64_t count = 0;
    for (; count < 1000; count++) {
        mg_log_item item = {.batch = memory, .header = build(memory, (recipe){.value_size = 100})};
        status = append_item(&r, &item, 0);
        if (status != MG_OK) break;
    }
    CHECK(status == MG_NO_SPACE);
    CHECK(mg_log_health(r.log, NULL) == MG_OK);
    CHECK(mg_log_end_offset(r.log) == count && count > 150);
    mg_memory_set_capacity(r.files, 0);
    (void)append(&r, (recipe){.value_size = 100});
    CHECK(read_all(&r, 0, 1 << 20, false) == count + 1);
    rig_end(&r);
}

int main(void)
{
    a_new_log_is_empty();
    what_was_appended_is_read();
    limits_of_a_read_are_kept();
    segments_roll_by_size_and_read_on();
    segments_roll_by_age_and_by_a_full_index();
    append_time_is_stamped();
    timestamps_are_found();
    producers_are_followed();
    one_call_sees_its_own_batches();
    many_batches_in_one_call();
    leader_epochs_are_kept();
    retention_takes_whole_sealed_segments();
    a_slice_outlives_its_segment();
    truncation_cuts_anywhere();
    truncating_below_the_start_is_refused();
    a_cold_read_does_not_wait();
    a_failed_write_poisons();
    a_failed_sync_poisons();
    a_full_disk_changes_nothing();
    puts("log_test: ok");
}
