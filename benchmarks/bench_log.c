/* bench_log.c -- what one thread gets through mg_log: appends and reads, without a server.
 *
 *   bench_log DIRECTORY      (DIRECTORY is made and removed; it should be on the disk in question)
 *
 * Built by bench_log.py. Times are of the calls alone; batches are made before.
 */
#include "batch/builder.h"
#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_ROOM = 200000, NOW_MS = 1000000, PENDING = 50 };

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void require(mg_status status, const mg_error *error)
{
    if (status == MG_OK) return;
    fprintf(stderr, "%s: %s\n", mg_status_name(status), error->detail);
    exit(1);
}

static mg_batch_header build(uint8_t *memory, int records)
{
    static const uint8_t value[90];
    mg_builder builder = mg_builder_over(memory, BATCH_ROOM, NOW_MS);
    mg_record_parts parts = {.timestamp = NOW_MS, .value = {.data = value, .size = sizeof value}};
    for (int i = 0; i < records; i++) {
        if (!mg_builder_add(&builder, &parts)) exit(1);
    }
    mg_batch_header header = mg_batch_header_blank();
    mg_builder_finish(&builder, &header);
    return header;
}

static mg_log *open_log(mg_files *files, const char *path)
{
    mg_log_config config = {.segment_size_max = 1 << 30,
                            .segment_age_max_ms = INT64_MAX,
                            .index_size_max = 10 << 20,
                            .index_interval_size = 4096,
                            .producer_expiry_ms = 86400000};
    mg_log_start start = {.now_ms = NOW_MS};
    mg_log *log = NULL;
    mg_error error;
    require(mg_log_open(&log, files, path, &config, &start, NULL, &error), &error);
    return log;
}

static void append_pending(mg_log *log, mg_log_item *items, size_t count)
{
    mg_log_item *pointers[PENDING];
    mg_error error;
    for (size_t i = 0; i < count; i++) pointers[i] = &items[i];
    for (size_t sum = 0; sum < count;) {
        size_t done = 0;
        mg_status status =
            mg_log_append(log, pointers + sum, count - sum, 0, NOW_MS, &done, &error);
        sum += done;
        if (status == MG_BUSY) {
            status = mg_log_make_room(log, &pointers[sum]->header, NOW_MS, &error);
        }
        require(status, &error);
    }
    if (mg_log_wants_room(log)) require(mg_log_reserve_ahead(log, &error), &error);
}

/* `records` a batch, `pending` batches a call, fdatasync after every `flush_size` bytes (0: never),
 * until `total` bytes. */
static void bench_append(mg_files *files, const char *path, const char *name, int records,
                         size_t pending, int64_t flush_size, int64_t total)
{
    static uint8_t memory[PENDING][BATCH_ROOM];
    mg_log_item items[PENDING];
    mg_error error;
    mg_log *log = open_log(files, path);
    for (size_t i = 0; i < pending; i++) {
        items[i] = (mg_log_item){.batch = memory[i], .header = build(memory[i], records)};
    }
    int64_t batches = 0;
    int64_t unflushed = 0;
    double begin = now_s();
    while (mg_log_size(log) < total) {
        int64_t before = mg_log_size(log);
        append_pending(log, items, pending);
        batches += (int64_t)pending;
        unflushed += mg_log_size(log) - before;
        if (flush_size > 0 && unflushed >= flush_size) {
            require(mg_log_flush(log, &error), &error);
            unflushed = 0;
        }
    }
    double took = now_s() - begin;
    printf("%-44s %8.2f M records/s %7.1f MB/s %8.0f ns a batch\n", name,
           (double)(batches * records) / took / 1e6, (double)mg_log_size(log) / took / 1e6,
           took / (double)batches * 1e9);
    mg_log_abandon(log);
    char command[4200];
    (void)snprintf(command, sizeof command, "rm -r '%s'", path);
    if (system(command) != 0) exit(1);
}

static void bench_read(mg_log *log, const char *name, size_t size_max, int64_t step, unsigned flags)
{
    enum { READS = 200000 };
    mg_error error;
    mg_log_slice slice;
    int64_t end_offset = mg_log_end_offset(log);
    int64_t offset = 0;
    double begin = now_s();
    for (int i = 0; i < READS; i++) {
        require(mg_log_read(log, offset, end_offset, size_max, flags, &slice, &error), &error);
        offset = step == 0 ? slice.next_offset : (offset + step) % end_offset;
        mg_log_slice_release(&slice);
        if (offset >= end_offset) offset = 0;
    }
    printf("%-44s %8.0f ns\n", name, (now_s() - begin) / READS * 1e9);
}

static void bench_reads(mg_files *files, const char *path, int records)
{
    static uint8_t memory[BATCH_ROOM];
    mg_log_item item = {.batch = memory, .header = build(memory, records)};
    mg_log *log = open_log(files, path);
    while (mg_log_size(log) < 256 << 20) append_pending(log, &item, 1);
    char name[80];
    unsigned one = MG_READ_AT_LEAST_ONE;
    unsigned hot = MG_READ_AT_LEAST_ONE | MG_READ_NO_WAIT;
    (void)snprintf(name, sizeof name, "read 1 MB on, %d records a batch", records);
    bench_read(log, name, 1 << 20, 0, one);
    (void)snprintf(name, sizeof name, "  the same, not waiting for a disk");
    bench_read(log, name, 1 << 20, 0, hot);
    (void)snprintf(name, sizeof name, "  1 MB from anywhere");
    bench_read(log, name, 1 << 20, 7919 * 101, one);
    (void)snprintf(name, sizeof name, "  at the tail: the last batch");
    int64_t tail = mg_log_end_offset(log) - records;
    enum { READS = 500000 };
    mg_error error;
    mg_log_slice slice;
    double begin = now_s();
    for (int i = 0; i < READS; i++) {
        require(mg_log_read(log, tail, INT64_MAX, 1 << 20, hot, &slice, &error), &error);
        mg_log_slice_release(&slice);
    }
    printf("%-44s %8.0f ns\n", name, (now_s() - begin) / READS * 1e9);
    mg_log_abandon(log);
    char command[4200];
    (void)snprintf(command, sizeof command, "rm -r '%s'", path);
    if (system(command) != 0) exit(1);
}

int main(int count, char **arguments)
{
    if (count != 2) return 2;
    mg_files *files = NULL;
    mg_error error;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/bench-0", arguments[1]);
    require(mg_files_open_posix(&files, &error), &error);
    bench_append(files, path, "1,000 x 100 B a batch", 1000, 1, 0, INT64_C(2) << 30);
    bench_append(files, path, "1 record a batch, 1 a call", 1, 1, 0, INT64_C(128) << 20);
    bench_append(files, path, "1 record a batch, 50 a call", 1, 50, 0, INT64_C(512) << 20);
    bench_append(files, path, "640 x 100 B a batch, fdatasync each", 640, 1, 1,
                 INT64_C(128) << 20);
    bench_append(files, path, "1 record a batch, 50 a call, sync per 64 KB", 1, 50, 65536,
                 INT64_C(64) << 20);
    bench_append(files, path, "1 record a batch, fdatasync each", 1, 1, 1, INT64_C(1) << 20);
    bench_reads(files, path, 1000);
    bench_reads(files, path, 10);
    mg_files_close(files);
}
