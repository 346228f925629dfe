/* Stops a scripted life of a log at every single file operation, and looks at what is left.
 *
 * For each k: the k-th operation and all later ones fail, the process is gone, the disk is as a
 * crash leaves it. Reopened, everything below durable_end must be there, unchanged. */
#include "rig.h"

#include <errno.h>

enum { STEPS = 60, RECORDS = 2 };

typedef struct witness {
    int64_t durable_end; /* the last that was told */
    int64_t start_offset;
    int64_t truncated_to; /* INT64_MAX: never tried */
    int64_t end_offset;
} witness;

static mg_status try_append(rig *r, int i, int32_t leader_epoch)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    recipe of = {.records = RECORDS,
                 .value_size = 100 + (i * 37) % 400,
                 .timestamp = NOW_MS + i,
                 .producer_id = 1 + i % 3,
                 .base_sequence = i / 3 * RECORDS};
    mg_log_item item = {.batch = memory, .header = build(memory, of)};
    mg_status status = append_item(r, &item, leader_epoch);
    if (status == MG_OK) CHECK(item.verdict == MG_APPEND_DONE);
    return status;
}

static mg_status step(rig *r, int i, witness *w)
{
    int32_t deleted = 0;
    mg_status status = try_append(r, i, i / 15);
    if (status == MG_OK && i % 4 == 3) status = mg_log_flush(r->log, &r->error);
    if (status == MG_OK && mg_log_wants_room(r->log)) {
        status = mg_log_reserve_ahead(r->log, &r->error);
    }
    if (status == MG_OK && i == 40) {
        status = mg_log_delete_old(r->log, -1, 9000, mg_log_durable_end(r->log), NOW_MS, &deleted,
                                   &r->error);
        CHECK(status != MG_OK || deleted > 0);
    }
    if (status == MG_OK && i == 50) {
        w->truncated_to = mg_log_end_offset(r->log) - 10;
        status = mg_log_truncate(r->log, w->truncated_to, &r->error);
    }
    return status;
}

/* Lives until the first failure or the end. True where everything went well. */
static bool live(rig *r, witness *w, bool truncates)
{
    *w = (witness){.truncated_to = INT64_MAX};
    if (rig_try_open(r) != MG_OK) return false;
    mg_status status = MG_OK;
    for (int i = 0; i < (truncates ? STEPS : 50) && status == MG_OK; i++) {
        /* The sequences of a producer go on where the cut put them back: use fresh ids. */
        if (i > 50) {
            static uint8_t memory[BATCH_SIZE_MAX];
            mg_log_item item = {.batch = memory, .header = build(memory, (recipe){.records = 2})};
            status = append_item(r, &item, 9);
        } else {
            status = step(r, i, w);
        }
        w->durable_end = mg_log_durable_end(r->log);
        w->start_offset = mg_log_start_offset(r->log);
        w->end_offset = mg_log_end_offset(r->log);
    }
    if (status != MG_OK) {
        rig_abandon(r);
        return false;
    }
    status = mg_log_close(r->log, &r->error);
    r->log = NULL;
    if (status == MG_OK) w->durable_end = w->end_offset;
    return status == MG_OK;
}

static rig small_rig(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 4000;
    r.config.index_interval_size = 700;
    CHECK(mg_files_sync_directory(r.files, "data", NULL) == MG_OK);
    return r;
}

static void check_what_is_left(rig *r, const witness *w)
{
    r->start.clean = false;
    r->start.recovery_point = 0;
    r->start.start_offset = 0;
    rig_open(r);
    int64_t end_offset = mg_log_end_offset(r->log);
    int64_t start_offset = mg_log_start_offset(r->log);
    /* A truncation that was begun may have happened. */
    int64_t promised = w->durable_end < w->truncated_to ? w->durable_end : w->truncated_to;
    CHECK(end_offset >= promised);
    CHECK(start_offset <= w->start_offset || w->start_offset == 0);
    CHECK(r->report.set_aside_size == 0 || r->report.scanned_size > 0);
    if (end_offset > 0) (void)read_all(r, start_offset, 3000, true);
    /* Every durable batch, one by one: nothing is missing in the middle. */
    for (int64_t offset = start_offset < w->start_offset ? w->start_offset : start_offset;
         offset + 1 < promised;) {
        static uint8_t out[1 << 16];
        int64_t next_offset = 0;
        size_t size = read_bytes(r, offset, 1, out, &next_offset);
        CHECK(size > 0);
        CHECK((int64_t)mg_load_u64(out) <= offset);
        CHECK(next_offset > offset);
        offset = next_offset;
    }
    /* And it lives. */
    (void)append_at_epoch(r, (recipe){.records = 1}, 100);
    CHECK(mg_log_flush(r->log, &r->error) == MG_OK);
    CHECK(mg_log_durable_end(r->log) == end_offset + 1);
    rig_reopen(r);
    CHECK(mg_log_end_offset(r->log) == end_offset + 1);
    rig_end(r);
}

static int64_t count_operations(void)
{
    rig r = small_rig();
    witness w;
    int64_t before = mg_memory_operations(r.files);
    CHECK(live(&r, &w, true));
    int64_t count = mg_memory_operations(r.files) - before;
    rig_end(&r);
    return count;
}

static void nothing_durable_is_lost_wherever_it_stops(int64_t count, mg_memory_crash crash,
                                                      size_t sector_size, int64_t stride)
{
    for (int64_t k = 0; k < count; k += stride) {
        rig r = small_rig();
        witness w;
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_STOP, k, EIO);
        bool whole = live(&r, &w, true);
        CHECK(!whole);
        mg_memory_play_crash(r.files, crash, sector_size, (uint64_t)k * 7 + sector_size);
        check_what_is_left(&r, &w);
    }
}

/* One failing operation, the process goes on or gives up, no crash: what the log says it holds, it
 * holds, and a failure is never taken for damage. */
static void each_failing_operation_is_survived(int64_t count, int os_error, int64_t stride)
{
    for (int64_t k = 0; k < count; k += stride) {
        rig r = small_rig();
        witness w;
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, k, os_error);
        (void)live(&r, &w, true);
        mg_memory_play_crash(r.files, MG_MEMORY_CRASH_PROCESS, 512, 0);
        check_what_is_left(&r, &w);
    }
}

/* Opening after a crash, itself stopped at every operation and tried again. */
static void recovery_may_be_interrupted(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        for (int64_t k = 0;; k++) {
            rig r = small_rig();
            witness w;
            mg_memory_fail_at(r.files, MG_MEMORY_FAULT_STOP, 170, EIO);
            CHECK(!live(&r, &w, true));
            mg_memory_play_crash(r.files, MG_MEMORY_CRASH_TEAR, 512, seed);
            mg_memory_fail_at(r.files, MG_MEMORY_FAULT_STOP, k, k % 2 == 0 ? EIO : ENOSPC);
            mg_status status = rig_try_open(&r);
            if (status == MG_OK) rig_abandon(&r);
            bool done = status == MG_OK;
            mg_memory_play_crash(r.files, MG_MEMORY_CRASH_TEAR, 512, seed + (uint64_t)k);
            check_what_is_left(&r, &w);
            if (done) break;
        }
    }
}

int main(void)
{
    int64_t count = count_operations();
    CHECK(count > 200);
    nothing_durable_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_FORGET, 512, 1);
    nothing_durable_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_PROCESS, 512, 1);
    nothing_durable_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_TEAR, 512, 1);
    nothing_durable_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_TEAR, 4096, 1);
    each_failing_operation_is_survived(count, EIO, 1);
    each_failing_operation_is_survived(count, ENOSPC, 1);
    recovery_may_be_interrupted();
    printf("crash_test: ok, %lld operations\n", (long long)count);
}
