#include "rig.h"

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

/* Deleted between the roll and the next flush: the snapshot is all that knows of the producer. */
static void producers_of_deleted_batches_survive_a_power_cut(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.records = 2, .producer_id = 7, .value_size = 100});
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    int32_t deleted = 0;
    CHECK(mg_log_delete_old(r.log, -1, 0, 2, NOW_MS, &deleted, &r.error) == MG_OK && deleted == 1);
    (void)append(&r, (recipe){.records = 1});
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    r.start.recovery_point = mg_log_durable_end(r.log);
    rig_abandon(&r);
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    rig_open(&r);
    mg_producer_view view;
    CHECK(mg_log_start_offset(r.log) == 2 && mg_log_end_offset(r.log) == 3);
    CHECK(mg_log_producers(r.log, &view, 1) == 1);
    CHECK(view.producer_id == 7 && view.last_sequence == 1);
    rig_end(&r);
}

/* A truncation takes offsets away on purpose: what was set aside at the end does not bring them
 * back, neither before nor after other batches have got them. */
static void truncation_ends_what_damage_had_kept(void)
{
    for (int64_t cut = 6; cut < 12; cut++) {
        rig r = rig_make();
        rig_open(&r);
        for (int i = 0; i < 5; i++)
            append(&r, (recipe){.records = 2});
        rig_close_log(&r);
        r.start = (mg_log_start){.clean = true, .recovery_point = 12, .now_ms = NOW_MS};
        rig_open(&r);
        CHECK(mg_log_end_offset(r.log) == 12);
        CHECK(has_file(&r, "00000000000000000000.10-12.damaged"));
        CHECK(mg_log_truncate(r.log, cut, &r.error) == MG_OK);
        CHECK(!has_file(&r, "00000000000000000000.10-12.damaged"));
        bool is_gone = cut <= 10;
        CHECK(has_file(&r, "00000000000000000000.truncated.10-12.damaged") == is_gone);
        CHECK(has_file(&r, "00000000000000000000.10-11.damaged") == !is_gone);
        r.start.recovery_point = 0;
        rig_reopen(&r);
        CHECK(mg_log_end_offset(r.log) == (cut >= 10 ? cut : cut / 2 * 2));
        for (int64_t end = mg_log_end_offset(r.log); end < 10; end++)
            append(&r, (recipe){.records = 1});
        rig_reopen(&r);
        CHECK(mg_log_end_offset(r.log) == (cut > 10 ? cut : 10));
        rig_end(&r);
    }
}

int main(void)
{
    truncation_ends_what_damage_had_kept();
    producers_of_deleted_batches_survive_a_power_cut();
    retention_takes_whole_sealed_segments();
    a_slice_outlives_its_segment();
    truncation_cuts_anywhere();
    truncating_below_the_start_is_refused();
    puts("upkeep_test: ok");
}
