#include "rig.h"

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

int main(void)
{
    timestamps_are_found();
    puts("find_test: ok");
}
