/* Bytes that a failed fsync left in the cache alone are on the disk after the next start. */
#include "rig.h"

#include "log/log_format.h"

#include <errno.h>

enum { BEFORE = 3, BEHIND = 4 }; /* records below the recovery point, and those in doubt */

static bool has_mark(rig *r)
{
    mg_file_facts facts;
    return mg_files_stat(r->files, DIRECTORY "/" MG_DOUBT_NAME, &facts, NULL) == MG_OK;
}

/* A log whose last records were lost by the kernel, which tells nobody any more. */
static rig begin_in_doubt(void)
{
    rig r = rig_make();
    CHECK(mg_files_sync_directory(r.files, "data", NULL) == MG_OK);
    rig_open(&r);
    for (int i = 0; i < BEFORE; i++) (void)append(&r, (recipe){.value_size = 1000});
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    r.start.recovery_point = mg_log_durable_end(r.log);
    for (int i = 0; i < BEHIND; i++) (void)append(&r, (recipe){.value_size = 1000});
    CHECK(!has_mark(&r));
    mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, 0, EIO);
    CHECK(mg_log_flush(r.log, &r.error) == MG_IO);
    mg_memory_fail_at(r.files, MG_MEMORY_FAULT_NONE, 0, 0);
    CHECK(has_mark(&r));
    rig_abandon(&r);
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_PROCESS, 512, 0);
    return r;
}

static void what_is_called_durable_survives_a_power_cut(void)
{
    rig r = begin_in_doubt();
    rig_open(&r);
    CHECK(!has_mark(&r));
    CHECK(r.report.rewritten_size >= (BEFORE + BEHIND) * 1000);
    CHECK(mg_log_end_offset(r.log) == BEFORE + BEHIND);
    CHECK(mg_log_durable_end(r.log) == BEFORE + BEHIND);
    r.start.recovery_point = mg_log_durable_end(r.log);
    rig_abandon(&r);
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == BEFORE + BEHIND);
    CHECK(r.report.cut_size == 0 && r.report.set_aside_size == 0);
    CHECK(read_all(&r, 0, 5000, false) == BEFORE + BEHIND);
    rig_end(&r);
}

/* The mark stays until its work is done, whichever operation fails, and whatever the clean end of
 * the others says. */
static void a_rewrite_that_fails_is_tried_again(void)
{
    bool was_opened = false;
    int64_t failed = 0;
    for (int64_t k = 0; !was_opened; k++) {
        rig r = begin_in_doubt();
        r.start.clean = true;
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, k, EIO);
        int64_t before = mg_memory_operations(r.files);
        mg_status status = rig_try_open(&r);
        was_opened = mg_memory_operations(r.files) - before <= k; /* without reaching the fault */
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_NONE, 0, 0);
        if (status != MG_OK) {
            failed++;
            CHECK(status == MG_IO && has_mark(&r));
            rig_open(&r);
        }
        CHECK(r.report.rewritten_size > 0);
        r.start.recovery_point = mg_log_durable_end(r.log);
        rig_abandon(&r);
        mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
        r.start.clean = false;
        rig_open(&r);
        CHECK(mg_log_end_offset(r.log) == BEFORE + BEHIND);
        CHECK(r.report.set_aside_size == 0);
        rig_end(&r);
    }
    CHECK(failed > 5);
}

/* A disk that is only full, or cannot be read for a moment, loses nothing that it was given. */
static void only_a_failed_sync_is_doubted(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < BEFORE; i++) (void)append(&r, (recipe){.value_size = 1000});
    mg_memory_set_capacity(r.files, 1);
    CHECK(mg_log_close(r.log, &r.error) == MG_NO_SPACE);
    r.log = NULL;
    CHECK(!has_mark(&r));
    mg_memory_set_capacity(r.files, INT64_MAX);
    mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, 3, EIO); /* a listing, or a read */
    CHECK(rig_try_open(&r) == MG_IO && !r.error.is_of_sync);
    CHECK(!has_mark(&r));
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == BEFORE);
    rig_end(&r);
}

/* What the machine's restart took is found missing; the mark went with it. */
static void a_power_cut_needs_no_mark(void)
{
    rig r = begin_in_doubt();
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    CHECK(!has_mark(&r));
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == BEFORE && r.report.rewritten_size == 0);
    rig_end(&r);
}

int main(void)
{
    what_is_called_durable_survives_a_power_cut();
    a_rewrite_that_fails_is_tried_again();
    only_a_failed_sync_is_doubted();
    a_power_cut_needs_no_mark();
    puts("doubt_test: ok");
}
