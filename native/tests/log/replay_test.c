#include "written.h"

static void bare_segments_are_enough(void)
{
    rig r = written();
    for (int n = 0; has_file(&r, name_of(n, ".log")); n++) {
        remove_file_named(&r, name_of(n, ".index"));
        remove_file_named(&r, name_of(n, ".timeindex"));
        if (n > 0) remove_file_named(&r, name_of(n, ".snapshot"));
    }
    remove_file_named(&r, "leader-epoch-checkpoint");
    remove_file_named(&r, "00000000000000000120.snapshot");
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 120);
    CHECK(mg_log_latest_epoch(r.log) == 2);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1 && view.last_sequence == 119);
    CHECK(read_all(&r, 0, 1000, false) == 120);
    CHECK(r.report.cut_size == 0 && r.report.segments_scanned > 3);
    rig_end(&r);
}

static void a_damaged_snapshot_is_passed_over(void)
{
    rig r = written();
    size_t size = load_file(&r, "00000000000000000120.snapshot", bytes, sizeof bytes);
    bytes[size - 1] ^= 1;
    store_file(&r, "00000000000000000120.snapshot", bytes, size);
    r.start.clean = true;
    rig_open(&r);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1 && view.last_sequence == 119);
    rig_end(&r);
}

int main(void)
{
    bare_segments_are_enough();
    a_damaged_snapshot_is_passed_over();
    puts("replay_test: ok");
}
