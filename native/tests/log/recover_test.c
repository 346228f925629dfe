/* Directories as crashes and Kafka leave them. The rows of Kafka's own behaviour in which it loses
 * acknowledged records are tests here and in salvage_test.c: ours keeps them. */
#include "written.h"

static void a_torn_tail_is_cut(void)
{
    for (int clean = 0; clean < 2; clean++) {
        for (size_t torn = 1; torn <= 240; torn += 13) {
            rig r = written();
            int last = 0;
            while (has_file(&r, name_of(last + 1, ".log")))
                last++;
            size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
            size_t batch = batch_size_at(bytes);
            CHECK(torn < batch);
            store_file(&r, name_of(last, ".log"), bytes, size - torn);
            r.start.clean = clean == 1; /* Kafka keeps the garbage here and appends behind it */
            rig_open(&r);
            CHECK(mg_log_end_offset(r.log) == 118);
            CHECK(r.report.cut_size == (int64_t)(batch - torn));
            CHECK(append(&r, (recipe){.records = 1}).base_offset == 118);
            CHECK(read_all(&r, 0, 1000, false) == 119);
            rig_end(&r);
        }
    }
}

static void a_zero_tail_is_cut(void)
{
    for (int clean = 0; clean < 2; clean++) { /* Kafka dies of it when clean */
        rig r = written();
        int last = 0;
        while (has_file(&r, name_of(last + 1, ".log")))
            last++;
        size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
        memset(bytes + size, 0, 3000);
        store_file(&r, name_of(last, ".log"), bytes, size + 3000);
        r.start.clean = clean == 1;
        rig_open(&r);
        CHECK(mg_log_end_offset(r.log) == 120 && r.report.cut_size == 3000);
        CHECK(read_all(&r, 0, 1000, false) == 120);
        rig_end(&r);
    }
}

static void a_segment_begun_by_the_crash_goes(void)
{
    rig r = written();
    int last = 0;
    while (has_file(&r, name_of(last + 1, ".log")))
        last++;
    size_t size = load_file(&r, name_of(last, ".log"), bytes, sizeof bytes);
    store_file(&r, name_of(last, ".log"), bytes, size - 5);
    store_file(&r, "00000000000000000120.log", bytes, 0);
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 118 && !has_file(&r, "00000000000000000120.log"));
    rig_end(&r);
}

static void malformed_epochs_are_derived_again(void)
{
    const char *const texts[] = {"",
                                 "0\n",
                                 "1\n0\n",
                                 "0\n2\n0 0\n",
                                 "0\n1\n0 x\n",
                                 "x",
                                 "0\n2\n1 0\n0 40\n",
                                 "0\n1\n99999999999 0\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        rig r = written();
        store_file(&r, "leader-epoch-checkpoint", (const uint8_t *)texts[i], strlen(texts[i]));
        r.start.clean = true;
        rig_open(&r);
        bool is_empty = i == 0; /* no epochs, says Kafka; nothing is malformed */
        CHECK(mg_log_latest_epoch(r.log) == (is_empty ? -1 : 2));
        rig_end(&r);
    }
    rig r = written(); /* ahead of the log: cut to it */
    const char *ahead = "0\n2\n0 0\n7 500\n";
    store_file(&r, "leader-epoch-checkpoint", (const uint8_t *)ahead, strlen(ahead));
    r.start.clean = true;
    rig_open(&r);
    CHECK(mg_log_latest_epoch(r.log) == 0);
    rig_end(&r);
}

static void a_start_above_the_end_goes_on_from_there(void)
{
    for (int clean = 0; clean < 2; clean++) {
        rig r = written();
        r.start.start_offset = 500;
        r.start.clean = clean == 1;
        rig_open(&r);
        CHECK(mg_log_start_offset(r.log) == 500 && mg_log_end_offset(r.log) == 500);
        CHECK(append(&r, (recipe){.records = 1}).base_offset == 500);
        CHECK(has_file(&r, FIRST_LOG)); /* nothing was deleted for it */
        int32_t deleted = 0;
        CHECK(mg_log_delete_old(r.log, -1, -1, 501, NOW_MS, &deleted, &r.error) == MG_OK);
        CHECK(deleted > 3 && !has_file(&r, FIRST_LOG));
        rig_end(&r);
    }
}

static void recovery_starts_at_its_point(void)
{
    rig r = written();
    r.start.recovery_point = base_of(2) + 3;
    open_unclean(&r);
    int64_t below = 0;
    for (int n = 0; n < 2; n++) {
        below += (int64_t)load_file(&r, name_of(n, ".log"), bytes, sizeof bytes);
    }
    CHECK(r.report.scanned_size == mg_log_size(r.log) - below);
    CHECK(mg_log_latest_epoch(r.log) == 2);
    mg_producer_view view;
    CHECK(mg_log_producers(r.log, &view, 1) == 1 && view.last_sequence == 119);
    rig_end(&r);
}

/* The ENOSPC hazard: Kafka empties a segment and deletes what follows. */
static void a_full_disk_during_recovery_loses_nothing(void)
{
    rig r = written();
    mg_memory_set_capacity(r.files, 1);
    r.start.clean = false;
    CHECK(rig_try_open(&r) == MG_NO_SPACE);
    mg_memory_set_capacity(r.files, 0);
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 120 && read_all(&r, 0, 700, false) == 120);
    rig_end(&r);
}

/* A process that dies before its first flush leaves names that only memory has. Whoever goes on
 * from there must not call durable what a power cut takes with them. */
static void names_that_a_killed_process_left_become_durable(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.records = 2, .value_size = 10});
    rig_abandon(&r);
    open_unclean(&r);
    CHECK(mg_log_durable_end(r.log) == 2);
    (void)append(&r, (recipe){.records = 2, .value_size = 10});
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    rig_abandon(&r);
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    open_unclean(&r);
    CHECK(mg_log_end_offset(r.log) == 4 && read_all(&r, 0, 700, false) == 4);
    rig_end(&r);
}

/* A recovery that calls an epoch's batches durable has its beginning on disk as well: the next one
 * does not read so far back. */
static void epochs_that_a_killed_process_left_become_durable(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append_at_epoch(&r, (recipe){.records = 2}, 0);
    (void)append_at_epoch(&r, (recipe){.records = 2}, 3);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    (void)append_at_epoch(&r, (recipe){.records = 2}, 3);
    rig_abandon(&r);
    open_unclean(&r);
    r.start.recovery_point = mg_log_durable_end(r.log);
    rig_abandon(&r);
    mg_memory_play_crash(r.files, MG_MEMORY_CRASH_FORGET, 512, 0);
    open_unclean(&r);
    int32_t found = -1;
    int64_t end_offset = -1;
    mg_log_epoch_end(r.log, 0, &found, &end_offset);
    CHECK(found == 0 && end_offset == 2 && mg_log_end_offset(r.log) == 6);
    rig_end(&r);
}

/* Sealed after the flush at which the recovery point stands: its batches are durable, its indexes
 * are whatever a power cut has left of them. */
static void indexes_of_what_ends_at_the_recovery_point_are_not_believed(void)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        rig r = rig_make();
        r.config.index_interval_size = 0;
        rig_open(&r);
        for (int i = 0; i < 20; i++)
            (void)append(&r, (recipe){.value_size = 100, .timestamp = NOW_MS + i});
        CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
        r.start.recovery_point = mg_log_durable_end(r.log);
        CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
        rig_abandon(&r);
        mg_memory_play_crash(r.files, MG_MEMORY_CRASH_TEAR, 512, seed);
        open_unclean(&r);
        mg_log_slice slice;
        CHECK(mg_log_find_timestamp(r.log, NOW_MS + 19, &slice, &r.error) == MG_OK);
        CHECK(slice.next_offset == 20);
        mg_log_slice_release(&slice);
        CHECK(read_all(&r, 0, 700, false) == 20);
        rig_end(&r);
    }
}

/* A snapshot at the end, or above, was made of batches that need not be there any more: a
 * truncation, which begins at the newest one, must not find it. */
static void snapshots_of_what_was_looked_at_anew_are_not_believed(void)
{
    for (int begins_anew = 0; begins_anew < 2; begins_anew++) {
        rig r = rig_make();
        rig_open(&r);
        (void)append(&r, (recipe){.producer_id = 7, .value_size = 100});
        (void)append(&r, (recipe){.producer_id = 8, .value_size = 100});
        CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
        rig_abandon(&r);
        size_t size = load_file(&r, FIRST_LOG, bytes, sizeof bytes);
        bytes[100] ^= 1;
        store_file(&r, FIRST_LOG, bytes, size);
        remove_file_named(&r, "00000000000000000002.log");
        if (begins_anew > 0) remove_file_named(&r, FIRST_LOG);
        open_unclean(&r);
        CHECK(mg_log_end_offset(r.log) == (begins_anew > 0 ? 0 : 2));
        CHECK(!has_file(&r, "00000000000000000002.snapshot"));
        while (mg_log_end_offset(r.log) < 4)
            (void)append(&r, (recipe){.records = 1});
        CHECK(mg_log_truncate(r.log, 3, &r.error) == MG_OK);
        CHECK(mg_log_producers(r.log, NULL, 0) == (begins_anew > 0 ? 0 : 1));
        mg_log_item item = append(&r, (recipe){.producer_id = 7});
        CHECK(item.verdict == MG_APPEND_DONE && item.base_offset == 3);
        rig_end(&r);
    }
}

/* Six batches of two records; `cut` bytes are missing at the end, below the recovery point. */
static rig kept_end(size_t cut)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 6; i++)
        append(&r, (recipe){.records = 2});
    rig_close_log(&r);
    size_t size = load_file(&r, FIRST_LOG, bytes, sizeof bytes);
    store_file(&r, FIRST_LOG, bytes, size - cut);
    r.start = (mg_log_start){.clean = true, .recovery_point = 12, .now_ms = NOW_MS};
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 12);
    CHECK(has_file(&r, "00000000000000000000.10-12.damaged"));
    return r;
}

/* The name of what was set aside at the end is enough: no checkpoint is needed, and no second name
 * is made. */
static void an_end_that_was_kept_stays_kept(void)
{
    for (int variant = 0; variant < 8; variant++) {
        bool is_clean = (variant & 1) != 0;
        bool checks_all = (variant & 4) != 0;
        rig r = kept_end(20);
        for (int round = 0; round < 2; round++) {
            rig_close_log(&r);
            r.start = (mg_log_start){.clean = is_clean, .now_ms = NOW_MS, .check_all = checks_all};
            if ((variant & 2) != 0) r.start.recovery_point = 12;
            rig_open(&r);
            CHECK(mg_log_end_offset(r.log) == 12 && r.report.set_aside_size == 0);
            CHECK(is_in_gap(&r, 10) && is_in_gap(&r, 11));
            CHECK(!has_file(&r, "00000000000000000000.10-12.1.damaged"));
        }
        CHECK(append(&r, (recipe){.records = 1}).base_offset == 12);
        rig_reopen(&r);
        CHECK(mg_log_end_offset(r.log) == 13 && is_in_gap(&r, 11));
        rig_end(&r);
    }
}

/* Neither is the last segment begun by the crash, nor its torn tail damage, because the batches
 * before are. */
static void a_tail_behind_a_kept_end_is_torn_as_any(void)
{
    rig r = kept_end(20);
    append(&r, (recipe){.records = 1});
    rig_close_log(&r);
    size_t size = load_file(&r, FIRST_LOG, bytes, sizeof bytes);
    store_file(&r, FIRST_LOG, bytes, size - 20);
    r.start.clean = false;
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 12 && r.report.set_aside_size == 0);
    CHECK(r.report.cut_size > 0);
    rig_end(&r);

    r = kept_end(20);
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    append(&r, (recipe){.records = 2});
    rig_close_log(&r);
    store_file(&r, "00000000000000000012.log", bytes, 40);
    r.start.recovery_point = 14;
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 14);
    rig_close_log(&r);
    r.start = (mg_log_start){.now_ms = NOW_MS};
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 14 && is_in_gap(&r, 12) && is_in_gap(&r, 11));
    rig_end(&r);
}

/* Names of ranges that no segment can hold, or that do not go on from the end, say nothing. */
static void a_name_that_cannot_be_does_not_move_the_end(void)
{
    static const char *const NAMES[] = {"00000000000000000000.10-9223372036854775807.damaged",
                                        "00000000000000000000.13-14.damaged",
                                        "00000000000000000003.12-15.damaged",
                                        "00000000000000000000.9-15.damaged"};
    rig r = kept_end(20);
    rig_close_log(&r);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        store_file(&r, NAMES[i], bytes, 0);
    r.start = (mg_log_start){.clean = true, .now_ms = NOW_MS};
    rig_open(&r);
    CHECK(mg_log_end_offset(r.log) == 12);
    rig_end(&r);
}

int main(void)
{
    an_end_that_was_kept_stays_kept();
    a_tail_behind_a_kept_end_is_torn_as_any();
    a_name_that_cannot_be_does_not_move_the_end();
    for (rig_threads = 0; rig_threads <= 3; rig_threads += 3) {
        a_torn_tail_is_cut();
        a_zero_tail_is_cut();
        a_segment_begun_by_the_crash_goes();
        malformed_epochs_are_derived_again();
        a_start_above_the_end_goes_on_from_there();
        recovery_starts_at_its_point();
        a_full_disk_during_recovery_loses_nothing();
        names_that_a_killed_process_left_become_durable();
        epochs_that_a_killed_process_left_become_durable();
        indexes_of_what_ends_at_the_recovery_point_are_not_believed();
        snapshots_of_what_was_looked_at_anew_are_not_believed();
    }
    puts("recover_test: ok");
}
