/* A life with compactions, stopped at every single file operation, or with each failing once: of
 * every key the last record is there, and offsets are what they were. */
#include "keyed.h"

#include <errno.h>

enum { ROUNDS = 2, BATCHES_A_ROUND = 25 };

typedef struct witness {
    int64_t durable_end;
    int compactions; /* that went well */
} witness;

static mg_status compact_once(keyed *k, int round, int64_t *clean_end, witness *w)
{
    mg_compact_report report;
    mg_compact_request request = keyed_request(k, *clean_end, NOW_MS + round * 1000);
    mg_status status = mg_log_compact(k->r.log, &request, &report, &k->r.error);
    *clean_end = report.end_offset;
    if (status == MG_OK) w->compactions++;
    return status;
}

/* Until the first failure or, `goes_on`, past failures as long as the log is healthy. */
static bool live(keyed *k, witness *w, bool goes_on)
{
    *w = (witness){.durable_end = 0};
    if (rig_try_open(&k->r) != MG_OK) return false;
    int64_t clean_end = 0;
    bool whole = true;
    for (int round = 0; round < ROUNDS && (whole || goes_on); round++) {
        mg_status status = MG_OK;
        /* One batch at a time is not durable: what a crash takes is a tail, never a gap. */
        for (int i = 0; i < BATCHES_A_ROUND && status == MG_OK; i++) {
            status = try_append_random(k, NOW_MS + k->end);
            if (status == MG_OK) status = mg_log_flush(k->r.log, &k->r.error);
        }
        w->durable_end = mg_log_durable_end(k->r.log);
        if (status == MG_OK) {
            status = compact_once(k, round, &clean_end, w);
            /* Whatever went wrong, reads and appends go on where the log is not poisoned. */
            if (status != MG_OK && mg_log_health(k->r.log, NULL) == MG_OK) {
                CHECK(status == MG_IO || status == MG_NO_SPACE);
            }
        }
        if (status != MG_OK) whole = false;
    }
    if (!whole) {
        rig_abandon(&k->r);
        return false;
    }
    mg_status status = mg_log_close(k->r.log, &k->r.error);
    k->r.log = NULL;
    return status == MG_OK;
}

static keyed *small_life(void)
{
    keyed *k = keyed_make(77);
    k->r.config.segment_size_max = 1500;
    return k;
}

static void check_what_is_left(keyed *k, const witness *w)
{
    k->r.start.clean = false;
    rig_open(&k->r);
    int64_t end_offset = mg_log_end_offset(k->r.log);
    CHECK(end_offset >= w->durable_end && end_offset <= k->end);
    k->end = end_offset;
    keyed_read(k);
    for (int64_t i = w->durable_end; i < end_offset; i++) {
        if (!k->seen[i]) k->records[i].is_data = false; /* the crash took what nobody promised */
    }
    for (int32_t key = 0; key < KEYS; key++) {
        int64_t last = last_of_key(k, key, end_offset);
        if (last < 0 || k->records[last].value == TOMBSTONE) continue;
        CHECK(k->seen[last]);
    }
    /* And it lives: compaction goes on from anywhere. */
    CHECK(try_append_random(k, NOW_MS) == MG_OK);
    CHECK(mg_log_roll(k->r.log, &k->r.error) == MG_OK);
    CHECK(mg_log_flush(k->r.log, &k->r.error) == MG_OK);
    mg_compact_report report;
    mg_compact_request request = keyed_request(k, 0, NOW_MS);
    CHECK(mg_log_compact(k->r.log, &request, &report, &k->r.error) == MG_OK);
    keyed_check(k, report.end_offset, true);
    rig_reopen(&k->r);
    CHECK(mg_log_end_offset(k->r.log) == k->end);
    keyed_check(k, report.end_offset, true);
    keyed_end(k);
}

static int64_t count_operations(void)
{
    keyed *k = small_life();
    witness w;
    int64_t before = mg_memory_operations(k->r.files);
    CHECK(live(k, &w, false));
    CHECK(w.compactions == ROUNDS);
    int64_t count = mg_memory_operations(k->r.files) - before;
    keyed_end(k);
    return count;
}

static void nothing_is_lost_wherever_it_stops(int64_t count, mg_memory_crash crash,
                                              size_t sector_size, uint64_t seed)
{
    for (int64_t at = 0; at < count; at++) {
        keyed *k = small_life();
        witness w;
        mg_memory_fail_at(k->r.files, MG_MEMORY_FAULT_STOP, at, EIO);
        CHECK(!live(k, &w, false));
        mg_memory_play_crash(k->r.files, crash, sector_size, (uint64_t)at * 7 + seed);
        check_what_is_left(k, &w);
    }
}

static void each_failing_operation_is_survived(int64_t count, int os_error)
{
    for (int64_t at = 0; at < count; at++) {
        keyed *k = small_life();
        witness w;
        mg_memory_fail_at(k->r.files, MG_MEMORY_FAULT_ONCE, at, os_error);
        (void)live(k, &w, true);
        mg_memory_play_crash(k->r.files, MG_MEMORY_CRASH_PROCESS, 512, 0);
        check_what_is_left(k, &w);
    }
}

/* The start that completes or undoes a swap, itself stopped at every operation. */
static void a_start_may_be_interrupted(int64_t count)
{
    for (int64_t at = 0; at < count; at += 9) {
        for (int64_t then = 0;; then += 1 + then / 6) {
            keyed *k = small_life();
            witness w;
            uint64_t seed = (uint64_t)(at * 100 + then);
            mg_memory_fail_at(k->r.files, MG_MEMORY_FAULT_STOP, at, EIO);
            CHECK(!live(k, &w, false));
            mg_memory_play_crash(k->r.files, MG_MEMORY_CRASH_TEAR, 512, seed);
            mg_memory_fail_at(k->r.files, MG_MEMORY_FAULT_STOP, then, EIO);
            k->r.start.clean = false;
            bool done = rig_try_open(&k->r) == MG_OK;
            if (done) rig_abandon(&k->r);
            mg_memory_play_crash(k->r.files, MG_MEMORY_CRASH_TEAR, 512, seed + 1);
            check_what_is_left(k, &w);
            if (done) break;
        }
    }
}

/* `compact_swap_test 40` looks at as many torn disks after each operation. */
int main(int argc, char **argv)
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 3;
    int64_t count = count_operations();
    CHECK(count > 200);
    nothing_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_FORGET, 512, 0);
    nothing_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_PROCESS, 512, 0);
    for (uint64_t seed = 0; seed < seeds; seed++)
        nothing_is_lost_wherever_it_stops(count, MG_MEMORY_CRASH_TEAR, 512, seed * 1000003);
    each_failing_operation_is_survived(count, EIO);
    each_failing_operation_is_survived(count, ENOSPC);
    a_start_may_be_interrupted(count);
    printf("compact_swap_test: ok, %lld operations, %llu torn disks after each\n", (long long)count,
           (unsigned long long)seeds);
}
