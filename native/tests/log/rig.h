/* rig.h -- a log on the memory file system, and batches for it. One file that every test of
 * native/log includes; what a test does not use costs nothing. */
#ifndef MG_TESTS_LOG_RIG_H
#define MG_TESTS_LOG_RIG_H

#include "batch/batch_format.h"
#include "batch/builder.h"
#include "file/memory.h"
#include "log/log.h"

#include "check.h"

#include <string.h>

#define DIRECTORY "data/topic-0"
enum { NOW_MS = 1000000, BATCH_SIZE_MAX = 70000 };

typedef struct rig {
    mg_files *files;
    mg_log *log;
    mg_log_config config;
    mg_log_start start;
    mg_log_report report;
    mg_error error;
} rig;

static unsigned rig_threads; /* of the recovery in rigs made from now on */

static inline rig rig_make(void)
{
    rig r;
    memset(&r, 0, sizeof r);
    CHECK(mg_files_open_memory(&r.files, NULL) == MG_OK);
    CHECK(mg_files_make_directory(r.files, "data", NULL) == MG_OK);
    r.config = (mg_log_config){.segment_size_max = 1 << 20,
                               .segment_age_max_ms = INT64_MAX,
                               .index_size_max = 1 << 20,
                               .index_interval_size = 4096,
                               .producer_expiry_ms = 86400000};
    r.start = (mg_log_start){.clean = false, .now_ms = NOW_MS, .threads = rig_threads};
    return r;
}

static inline mg_status rig_try_open(rig *r)
{
    return mg_log_open(&r->log, r->files, DIRECTORY, &r->config, &r->start, &r->report, &r->error);
}

static inline void rig_open(rig *r)
{
    mg_status status = rig_try_open(r);
    if (status != MG_OK) fprintf(stderr, "open: %s\n", r->error.detail);
    CHECK(status == MG_OK);
}

static inline void rig_close_log(rig *r)
{
    mg_status status = mg_log_close(r->log, &r->error);
    if (status != MG_OK) fprintf(stderr, "close: %s\n", r->error.detail);
    CHECK(status == MG_OK);
    r->log = NULL;
}

static inline void rig_abandon(rig *r)
{
    mg_log_abandon(r->log);
    r->log = NULL;
}

/* Closes, and opens as after a clean shutdown. */
static inline void rig_reopen(rig *r)
{
    rig_close_log(r);
    r->start.clean = true;
    rig_open(r);
}

static inline void rig_end(rig *r)
{
    if (r->log != NULL) rig_close_log(r);
    CHECK(mg_memory_open_files(r->files) >= 0);
    mg_files_close(r->files);
}

/* What a batch shall be; zero is a plain one of one empty record. */
typedef struct recipe {
    int32_t records; /* 0: 1 */
    int32_t value_size;
    int64_t timestamp;   /* 0: NOW_MS */
    int64_t producer_id; /* 0: none */
    int16_t producer_epoch;
    int32_t base_sequence;
} recipe;

static inline mg_batch_header build(uint8_t *memory, recipe of)
{
    static const uint8_t zeros[BATCH_SIZE_MAX];
    int64_t timestamp = of.timestamp == 0 ? NOW_MS : of.timestamp;
    mg_builder builder = mg_builder_over(memory, BATCH_SIZE_MAX, timestamp);
    mg_record_parts parts = {.timestamp = timestamp,
                             .value = {.data = zeros, .size = (size_t)of.value_size}};
    int32_t records = of.records == 0 ? 1 : of.records;
    for (int32_t i = 0; i < records; i++)
        CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    if (of.producer_id != 0) {
        header.producer_id = of.producer_id;
        header.producer_epoch = of.producer_epoch;
        header.base_sequence = of.base_sequence;
    }
    mg_builder_finish(&builder, &header);
    CHECK(mg_batch_check((mg_span){.data = memory, .size = (size_t)header.size}, &header) == MG_OK);
    return header;
}

/* Appends one item, making room as a server would. */
static inline mg_status append_item(rig *r, mg_log_item *item, int32_t leader_epoch)
{
    for (;;) {
        size_t done = 0;
        mg_status status =
            mg_log_append(r->log, &item, 1, leader_epoch, r->start.now_ms, &done, &r->error);
        if (status != MG_BUSY) {
            CHECK((status == MG_OK) == (done == 1));
            return status;
        }
        status = mg_log_make_room(r->log, &item->header, r->start.now_ms, &r->error);
        if (status != MG_OK) return status;
    }
}

static inline mg_log_item append_at_epoch(rig *r, recipe of, int32_t leader_epoch)
{
    static _Thread_local uint8_t memory[BATCH_SIZE_MAX];
    mg_log_item item = {.batch = memory, .header = build(memory, of)};
    mg_status status = append_item(r, &item, leader_epoch);
    if (status != MG_OK) fprintf(stderr, "append: %s\n", r->error.detail);
    CHECK(status == MG_OK);
    return item;
}

static inline mg_log_item append(rig *r, recipe of)
{
    return append_at_epoch(r, of, 0);
}

/* Copies the slice that a read gives; its size. */
static inline size_t read_bytes(rig *r, int64_t offset, size_t size_max, uint8_t *out,
                                int64_t *next_offset)
{
    mg_log_slice slice;
    mg_status status =
        mg_log_read(r->log, offset, INT64_MAX, size_max, MG_READ_AT_LEAST_ONE, &slice, &r->error);
    if (status != MG_OK) fprintf(stderr, "read %lld: %s\n", (long long)offset, r->error.detail);
    CHECK(status == MG_OK);
    CHECK(mg_log_slice_copy(&slice, 0, slice.size, out, &r->error) == MG_OK);
    size_t size = slice.size;
    *next_offset = slice.next_offset;
    mg_log_slice_release(&slice);
    return size;
}

/* True where a read says that damage was here. */
static inline bool is_in_gap(rig *r, int64_t offset)
{
    mg_log_slice slice;
    mg_status status =
        mg_log_read(r->log, offset, INT64_MAX, 1, MG_READ_AT_LEAST_ONE, &slice, &r->error);
    if (status == MG_OK && slice.size == 0) return true; /* cut within a batch: nothing more */
    if (status == MG_OK) mg_log_slice_release(&slice);
    return status == MG_CORRUPT;
}

/* Reads everything in slices of `size_max` and checks that offsets run on; the records seen.
 * `gaps`: they may jump. */
static inline int64_t read_all(rig *r, int64_t from, size_t size_max, bool gaps)
{
    static _Thread_local uint8_t out[1 << 21];
    int64_t records = 0;
    int64_t offset = from;
    int64_t expected = from;
    while (offset < mg_log_end_offset(r->log)) {
        int64_t next_offset = 0;
        if (gaps && is_in_gap(r, offset)) {
            offset++;
            continue;
        }
        size_t size = read_bytes(r, offset, size_max, out, &next_offset);
        CHECK(size > 0);
        for (size_t at = 0; at < size;) {
            mg_batch_header header;
            CHECK(mg_batch_check((mg_span){.data = out + at, .size = size - at}, &header) == MG_OK);
            CHECK(gaps ? mg_batch_last_offset(&header) >= offset : header.base_offset <= expected);
            expected = mg_batch_last_offset(&header) + 1;
            records += header.record_count;
            at += (size_t)header.size;
        }
        CHECK(next_offset >= expected);
        CHECK(next_offset > offset);
        offset = next_offset;
    }
    return records;
}

/* ---- Files ---- */

static inline size_t load_file(rig *r, const char *name, uint8_t *out, size_t room)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    size_t size = 0;
    CHECK(mg_path_join(path, DIRECTORY, name, NULL) == MG_OK);
    if (mg_file_open(r->files, path, MG_FILE_READ, &file, NULL) != MG_OK) return SIZE_MAX;
    CHECK(mg_file_read(file, 0, out, room, 0, &size, NULL) == MG_OK);
    mg_file_close(file);
    return size;
}

static inline bool has_file(rig *r, const char *name)
{
    uint8_t byte;
    return load_file(r, name, &byte, 1) != SIZE_MAX;
}

static inline void store_file(rig *r, const char *name, const uint8_t *data, size_t size)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    CHECK(mg_path_join(path, DIRECTORY, name, NULL) == MG_OK);
    CHECK(mg_file_open(r->files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file,
                       NULL) == MG_OK);
    CHECK(mg_file_write_bytes(file, 0, data, size, NULL) == MG_OK);
    CHECK(mg_file_sync(file, NULL) == MG_OK);
    mg_file_close(file);
}

static inline void remove_file_named(rig *r, const char *name)
{
    char path[MG_PATH_SIZE];
    CHECK(mg_path_join(path, DIRECTORY, name, NULL) == MG_OK);
    CHECK(mg_files_remove(r->files, path, NULL) == MG_OK);
}

#define FIRST_LOG "00000000000000000000.log"

#endif
