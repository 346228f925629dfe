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

int main(void)
{
    a_new_log_is_empty();
    leader_epochs_are_kept();
    puts("log_test: ok");
}
