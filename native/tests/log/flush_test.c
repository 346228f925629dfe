#include "rig.h"

#include <errno.h>

/* Also with "no space", which a sync says of bytes that are gone: it is no full disk that can be
 * tried again. */
static void a_failed_sync_poisons(int os_error)
{
    rig r = rig_make();
    rig_open(&r);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    (void)append_at_epoch(&r, (recipe){.value_size = 100}, -1);
    mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, 0, os_error);
    CHECK(mg_log_flush(r.log, &r.error) == MG_IO && r.error.status == MG_IO);
    CHECK(r.error.os_error == os_error);
    CHECK(mg_log_flush(r.log, &r.error) == MG_IO); /* never tried again */
    CHECK(mg_log_durable_end(r.log) == 0);
    CHECK(mg_log_close(r.log, NULL) == MG_IO);
    r.log = NULL;
    rig_end(&r);
}

static void a_flush_covers_what_was_appended_before_it(void)
{
    rig r = rig_make();
    CHECK(mg_files_sync_directory(r.files, "data", NULL) == MG_OK);
    rig_open(&r);
    for (int i = 0; i < 5; i++) {
        (void)append(&r, (recipe){.value_size = 1000});
        CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    }
    (void)append(&r, (recipe){.value_size = 1000});
    CHECK(mg_log_durable_end(r.log) == 0);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    CHECK(mg_log_durable_end(r.log) == 6);
    (void)append(&r, (recipe){.value_size = 1000});
    rig_abandon(&r);
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 6 && mg_log_segment_count(r.log) == 6);
    CHECK(read_all(&r, 0, 5000, false) == 6);
    rig_end(&r);
}

static void a_flush_with_nothing_new_asks_nothing_of_the_disk(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.value_size = 1000});
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    int64_t operations = mg_memory_operations(r.files);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    CHECK(mg_memory_operations(r.files) == operations);
    rig_end(&r);
}

static void a_sealed_segment_wants_a_flush(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.value_size = 1000});
    CHECK(!mg_log_wants_flush(r.log) && mg_log_flushed_size(r.log) == 0);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    CHECK(mg_log_wants_flush(r.log));
    CHECK(mg_log_unsynced_size(r.log) == mg_log_size(r.log));
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    CHECK(!mg_log_wants_flush(r.log) && mg_log_flushed_size(r.log) == mg_log_size(r.log));
    CHECK(mg_log_unsynced_size(r.log) == 0);
    rig_end(&r);
}

int main(void)
{
    a_sealed_segment_wants_a_flush();
    a_failed_sync_poisons(EIO);
    a_failed_sync_poisons(ENOSPC);
    a_flush_covers_what_was_appended_before_it();
    a_flush_with_nothing_new_asks_nothing_of_the_disk();
    puts("flush_test: ok");
}
