#include "rig.h"

#include "log/state.h"

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

static int64_t append_until_full(rig *r)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    for (int64_t count = 0; count < 10000; count++) {
        mg_log_item item = {.batch = memory, .header = build(memory, (recipe){.value_size = 1000})};
        mg_status status = append_item(r, &item, 0);
        if (status != MG_OK) {
            CHECK(status == MG_NO_SPACE);
            return count;
        }
    }
    CHECK(!"the disk is never full");
    return 0;
}

static void what_is_kept_free_is_enough_to_roll_and_to_close(void)
{
    enum { DISK = 4 << 20, KEPT = DISK / MG_KEEP_FREE_SHARE };
    rig r = rig_make();
    r.config.keep_free = 1 << 30; /* more than the disk has: a share of it */
    rig_open(&r);
    mg_memory_set_capacity(r.files, DISK);
    int64_t count = append_until_full(&r);
    CHECK(strncmp(r.error.detail, DIRECTORY ": ", sizeof DIRECTORY + 1) == 0);
    CHECK(strstr(r.error.detail, "kept free; nothing was appended") != NULL);
    mg_file_space space;
    mg_file *file = NULL;
    const char *path = DIRECTORY "/00000000000000000000.log";
    CHECK(mg_file_open(r.files, path, MG_FILE_READ, &file, NULL) == MG_OK);
    CHECK(mg_file_find_space(file, &space, NULL) == MG_OK);
    mg_file_close(file);
    CHECK(space.total == DISK && space.free >= KEPT && space.free < KEPT + 65536);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    CHECK(mg_log_close(r.log, &r.error) == MG_OK);
    r.log = NULL;
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == count);
    mg_memory_set_capacity(r.files, 0);
    (void)append(&r, (recipe){.value_size = 100});
    rig_end(&r);
}

int main(void)
{
    segments_roll_by_size_and_read_on();
    segments_roll_by_age_and_by_a_full_index();
    a_full_disk_changes_nothing();
    what_is_kept_free_is_enough_to_roll_and_to_close();
    puts("roll_test: ok");
}
