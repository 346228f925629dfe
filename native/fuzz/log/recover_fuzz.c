/* Damages the files of a log that was closed properly, and opens it.
 *
 * Input: edits of { file u8, kind u8, position u16, argument u16 }, applied to three segments,
 * their indexes, the snapshot and the epochs. Properties: no crash, no read past anything; every
 * batch that no edit touched is still read, unless offsets were forged; what is read checks; and
 * opening again finds the same. Who only reads opens before that, and then sees what was made of
 * it. */
#include "batch/batch_format.h"
#include "batch/builder.h"
#include "file/memory.h"
#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIRECTORY "data/t-0"
#define REQUIRE(claim)                                                                             \
    do {                                                                                           \
        if (!(claim)) abort();                                                                     \
    } while (0)

enum { BATCHES = 12, SEGMENTS = 3, NOW_MS = 1000000, ROOM = 1 << 16, MEMORY_SIZE = 4096 };

static const char *const NAMES[] = {
    "00000000000000000000.log",       "00000000000000000008.log",
    "00000000000000000016.log",       "00000000000000000000.index",
    "00000000000000000008.index",     "00000000000000000016.index",
    "00000000000000000000.timeindex", "00000000000000000016.timeindex",
    "00000000000000000016.snapshot",  "00000000000000000024.snapshot",
    "leader-epoch-checkpoint",
};
enum { NAMES_COUNT = sizeof NAMES / sizeof *NAMES };

static const mg_log_config CONFIG = {.segment_size_max = 1 << 20,
                                     .segment_age_max_ms = INT64_MAX,
                                     .index_size_max = 1 << 20,
                                     .index_interval_size = 100,
                                     .producer_expiry_ms = INT64_MAX / 2};

typedef struct stage {
    mg_files *files;
    bool touched[BATCHES];
    bool forged; /* offsets may have moved: no promise about single batches */
} stage;

static void append(mg_log *log, int i)
{
    static const uint8_t value[200] = {7, 7, 7};
    uint8_t memory[MEMORY_SIZE];
    mg_error error;
    mg_builder builder = mg_builder_over(memory, sizeof memory, NOW_MS + i);
    mg_record_parts parts = {.timestamp = NOW_MS + i,
                             .value = {.data = value, .size = (size_t)(i * 16)}};
    REQUIRE(mg_builder_add(&builder, &parts) && mg_builder_add(&builder, &parts));
    mg_log_item item = {.batch = memory, .header = mg_batch_header_blank()};
    item.header.producer_id = 1 + i % 2;
    item.header.producer_epoch = 0;
    item.header.base_sequence = i / 2 * 2;
    mg_builder_finish(&builder, &item.header);
    mg_log_item *pointer = &item;
    size_t done = 0;
    while (mg_log_append(log, &pointer, 1, i / 5, NOW_MS, &done, &error) == MG_BUSY) {
        REQUIRE(mg_log_make_room(log, &item.header, NOW_MS, &error) == MG_OK);
    }
    REQUIRE(done == 1 && item.base_offset == i * 2);
}

static void write_log(stage *s)
{
    mg_error error;
    mg_log *log = NULL;
    mg_log_start start = {.clean = true, .now_ms = NOW_MS};
    REQUIRE(mg_files_open_memory(&s->files, &error) == MG_OK);
    REQUIRE(mg_files_make_directory(s->files, "data", &error) == MG_OK);
    REQUIRE(mg_log_open(&log, s->files, DIRECTORY, &CONFIG, &start, NULL, &error) == MG_OK);
    for (int i = 0; i < BATCHES; i++) {
        append(log, i);
        bool ends = i % 4 == 3 && i + 1 < BATCHES;
        if (ends) REQUIRE(mg_log_roll(log, &error) == MG_OK);
    }
    REQUIRE(mg_log_close(log, &error) == MG_OK);
}

static mg_file *open_named(stage *s, size_t name, unsigned flags)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    REQUIRE(mg_path_join(path, DIRECTORY, NAMES[name], NULL) == MG_OK);
    mg_status status = mg_file_open(s->files, path, flags, &file, NULL);
    return status == MG_OK ? file : NULL;
}

/* Marks the batches of a segment that lie in [from, to). */
static void touch(stage *s, size_t segment, int64_t from, int64_t to, bool all_behind)
{
    int64_t at = 0;
    for (size_t i = segment * 4; i < segment * 4 + 4; i++) {
        uint8_t memory[MEMORY_SIZE];
        (void)memory;
        static int64_t sizes[BATCHES];
        if (sizes[i] == 0) { /* as append makes them: sizes depend on the number alone */
            mg_record_parts parts = {.timestamp = 0, .value = {.data = memory, .size = i * 16}};
            size_t one = 0;
            size_t two = 0;
            REQUIRE(mg_record_size_of(&parts, 0, 0, &one) == MG_OK);
            REQUIRE(mg_record_size_of(&parts, 0, 1, &two) == MG_OK);
            sizes[i] = MG_BATCH_HEADER_SIZE + (int64_t)(one + two);
        }
        int64_t end = at + sizes[i];
        if ((from < end && to > at) || (all_behind && end > from)) s->touched[i] = true;
        /* The base offset is outside the checksum. */
        if (from < at + 8 && to > at) s->forged = true;
        at = end;
    }
}

static void edit(stage *s, const uint8_t *bytes)
{
    size_t name = bytes[0] % NAMES_COUNT;
    int64_t position = bytes[2] << 8 | bytes[3];
    int64_t argument = bytes[4] << 8 | bytes[5];
    mg_file *file = open_named(s, name, MG_FILE_WRITE);
    if (file == NULL) return;
    int64_t file_size = 0;
    REQUIRE(mg_file_size(file, &file_size, NULL) == MG_OK);
    position = file_size > 0 ? position % file_size : 0;
    int64_t end = position;
    bool cuts = false;
    uint8_t block[256];
    size_t got = 0;
    switch (bytes[1] % 5) {
    case 0: /* flip bits of a byte */
        REQUIRE(mg_file_read(file, position, block, 1, 0, &got, NULL) == MG_OK);
        block[0] ^= (uint8_t)(argument | 1);
        if (got == 1) REQUIRE(mg_file_write_bytes(file, position, block, 1, NULL) == MG_OK);
        end = position + 1;
        break;
    case 1: /* zeros */
        memset(block, 0, sizeof block);
        end = position + argument % 256;
        if (end > file_size) end = file_size;
        REQUIRE(mg_file_write_bytes(file, position, block, (size_t)(end - position), NULL) ==
                MG_OK);
        break;
    case 2: /* shorter */
        REQUIRE(mg_file_truncate(file, position, NULL) == MG_OK);
        cuts = true;
        break;
    case 3: /* longer, by zeros or garbage */
        memset(block, argument & 1 ? 0x02 : 0, sizeof block);
        REQUIRE(mg_file_write_bytes(file, file_size, block, (size_t)(argument % 256), NULL) ==
                MG_OK);
        position = end = file_size;
        break;
    default: /* one piece over another */
        argument %= file_size > 0 ? file_size : 1;
        REQUIRE(mg_file_read(file, argument, block, 128, 0, &got, NULL) == MG_OK);
        end = position + (int64_t)got;
        if (end > file_size) end = file_size;
        REQUIRE(mg_file_write_bytes(file, position, block, (size_t)(end - position), NULL) ==
                MG_OK);
        s->forged = true; /* whole batches with valid checksums may stand elsewhere */
        break;
    }
    if (name < SEGMENTS) touch(s, name, position, end, cuts);
    mg_file_close(file);
}

static mg_status read_at(mg_log *log, int64_t offset, int64_t *base, int64_t *next)
{
    static uint8_t out[ROOM];
    mg_error error;
    mg_log_slice slice;
    mg_status status = mg_log_read(log, offset, INT64_MAX, 1, MG_READ_AT_LEAST_ONE, &slice, &error);
    if (status != MG_OK) return status;
    *base = -1;
    *next = slice.next_offset;
    REQUIRE(slice.size <= sizeof out);
    status = mg_log_slice_copy(&slice, 0, slice.size, out, &error);
    size_t size = slice.size;
    mg_log_slice_release(&slice);
    REQUIRE(status == MG_OK);
    if (size == 0) return MG_NOT_FOUND;
    mg_batch_header header;
    status = mg_batch_check((mg_span){.data = out, .size = size}, &header);
    *base = header.base_offset;
    return status;
}

static void look(stage *s, mg_log *log, bool scanned)
{
    for (int i = 0; i < BATCHES; i++) {
        int64_t base = -1;
        int64_t next = 0;
        mg_status status = read_at(log, i * 2, &base, &next);
        if (!scanned || s->forged || s->touched[i]) continue;
        REQUIRE(status == MG_OK && base == i * 2);
    }
    int64_t offset = mg_log_start_offset(log);
    for (int step = 0; step < 200 && offset < mg_log_end_offset(log); step++) {
        int64_t base = -1;
        int64_t next = offset;
        mg_status status = read_at(log, offset, &base, &next);
        if (status == MG_OK) REQUIRE(next > offset);
        offset = status == MG_OK ? next : offset + 1;
    }
    mg_log_slice slice;
    for (int64_t t = NOW_MS - 1; t < NOW_MS + BATCHES + 2; t += 3) {
        if (mg_log_find_timestamp(log, t, &slice, NULL) == MG_OK) mg_log_slice_release(&slice);
    }
    if (mg_log_find_max_timestamp(log, &slice, NULL) == MG_OK) mg_log_slice_release(&slice);
    mg_producer_view views[8];
    (void)mg_log_producers(log, views, 8);
}

static void append_plain(mg_log *log)
{
    uint8_t memory[MEMORY_SIZE];
    mg_error error;
    mg_builder builder = mg_builder_over(memory, sizeof memory, NOW_MS);
    REQUIRE(mg_builder_add(&builder, &(mg_record_parts){.timestamp = NOW_MS}));
    mg_log_item item = {.batch = memory, .header = mg_batch_header_blank()};
    mg_builder_finish(&builder, &item.header);
    mg_log_item *pointer = &item;
    size_t done = 0;
    while (mg_log_append(log, &pointer, 1, 50, NOW_MS, &done, &error) == MG_BUSY) {
        REQUIRE(mg_log_make_room(log, &item.header, NOW_MS, &error) == MG_OK);
    }
    REQUIRE(done == 1 && item.verdict == MG_APPEND_DONE);
}

/* Undamaged bytes and an edit's own promise hold only where everything was scanned. Answers the
 * end offset, or -1. */
static int64_t open_and_look(stage *s, bool clean)
{
    mg_error error;
    mg_log *log = NULL;
    mg_log_report report;
    mg_log_start start = {.clean = clean, .now_ms = NOW_MS};
    mg_status status = mg_log_open(&log, s->files, DIRECTORY, &CONFIG, &start, &report, &error);
    if (status != MG_OK) {
        if (status != MG_UNSUPPORTED) fprintf(stderr, "open: %s\n", error.detail);
        REQUIRE(status == MG_UNSUPPORTED);
        return -1;
    }
    int64_t end_offset = mg_log_end_offset(log);
    look(s, log, !clean);
    if (!clean && !s->forged) {
        for (int i = 0; i < BATCHES; i++) {
            if (!s->touched[i]) REQUIRE(end_offset >= i * 2 + 2);
        }
    }
    append_plain(log);
    REQUIRE(mg_log_close(log, &error) == MG_OK);

    start.clean = false;
    REQUIRE(mg_log_open(&log, s->files, DIRECTORY, &CONFIG, &start, &report, &error) == MG_OK);
    if (!clean) REQUIRE(report.cut_size == 0 && report.set_aside_size == 0);
    look(s, log, true);
    end_offset = mg_log_end_offset(log);
    mg_log_abandon(log);
    return end_offset;
}

static mg_log *open_beside(stage *s, bool clean)
{
    mg_error error;
    mg_log *log = NULL;
    mg_log_start start = {.clean = clean, .now_ms = NOW_MS};
    mg_status status = mg_log_open_read_only(&log, s->files, DIRECTORY, &CONFIG, &start, &error);
    if (status != MG_OK) {
        REQUIRE(status == MG_UNSUPPORTED);
        return NULL;
    }
    look(s, log, false);
    return log;
}

static void refresh_and_look(stage *s, mg_log *log, int64_t end_offset)
{
    mg_error error;
    if (log == NULL) return;
    mg_status status = mg_log_refresh(log, 0, &error);
    REQUIRE(status == MG_OK || status == MG_UNSUPPORTED);
    look(s, log, false);
    if (status == MG_OK && end_offset >= 0 && !s->forged) {
        REQUIRE(mg_log_end_offset(log) == end_offset);
    }
    mg_log_abandon(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 1 + 6 * 20) return 0;
    stage s;
    memset(&s, 0, sizeof s);
    write_log(&s);
    for (size_t at = 1; at + 6 <= size; at += 6)
        edit(&s, data + at);
    mg_log *reader = open_beside(&s, data[0] % 4 / 2 == 1);
    int64_t end_offset = open_and_look(&s, data[0] % 2 == 1);
    refresh_and_look(&s, reader, end_offset);
    mg_files_close(s.files);
    return 0;
}
