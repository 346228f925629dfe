/* A log that is read beside its writer: what is whole is seen, once and in order, and nothing on
 * disk is touched. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- A file system that refuses to change ---- */

static const mg_files_table *real_table;

static mg_status open_unchanged(mg_files *files, const char *path, unsigned flags, mg_file **out,
                                mg_error *error)
{
    CHECK((flags & (MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY)) == 0);
    return real_table->open(files, path, flags, out, error);
}

static mg_status refuse_path(mg_files *files, const char *path, mg_error *error)
{
    (void)files;
    (void)path;
    (void)error;
    CHECK(false);
    return MG_IO;
}

static mg_status refuse_rename(mg_files *files, const char *from, const char *to, mg_error *error)
{
    (void)to;
    return refuse_path(files, from, error);
}

/* From here to `allow_changes`, whoever asks the file system to change something ends the test. */
static void forbid_changes(rig *r)
{
    static mg_files_table guarded;
    real_table = r->files->table;
    guarded = *real_table;
    guarded.open = open_unchanged;
    guarded.sync_directory = refuse_path;
    guarded.make_directory = refuse_path;
    guarded.remove = refuse_path;
    guarded.rename = refuse_rename;
    r->files->table = &guarded;
}

static void allow_changes(rig *r)
{
    r->files->table = real_table;
}

/* ---- The reader: a rig of its own over the same files ---- */

static mg_status try_look(rig *reader)
{
    forbid_changes(reader);
    mg_status status = mg_log_open_read_only(&reader->log, reader->files, DIRECTORY,
                                             &reader->config, &reader->start, &reader->error);
    allow_changes(reader);
    return status;
}

static rig look(const rig *writer)
{
    rig reader = *writer;
    reader.start.clean = false;
    reader.log = NULL;
    mg_status status = try_look(&reader);
    if (status != MG_OK) fprintf(stderr, "open: %s\n", reader.error.detail);
    CHECK(status == MG_OK);
    return reader;
}

static int64_t refresh(rig *reader)
{
    forbid_changes(reader);
    mg_status status = mg_log_refresh(reader->log, 0, &reader->error);
    allow_changes(reader);
    if (status != MG_OK) fprintf(stderr, "refresh: %s\n", reader->error.detail);
    CHECK(status == MG_OK);
    return mg_log_end_offset(reader->log);
}

static void stop_looking(rig *reader)
{
    forbid_changes(reader);
    CHECK(mg_log_close(reader->log, &reader->error) == MG_OK);
    allow_changes(reader);
    reader->log = NULL;
}

/* Everything from `from` to the end, each record once. */
static void check_all(rig *reader, int64_t from)
{
    int64_t records = mg_log_end_offset(reader->log) - from;
    CHECK(read_all(reader, from, 1 << 20, false) == records);
    CHECK(read_all(reader, from, 1, false) == records);
}

/* ---- Following ---- */

static void appends_and_rolls_are_followed(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 9000;
    r.config.index_interval_size = 500;
    rig_open(&r);
    rig reader = look(&r);
    CHECK(mg_log_end_offset(reader.log) == 0 && mg_log_segment_count(reader.log) == 1);
    int64_t seen = 0;
    for (int i = 0; i < 200; i++) {
        (void)append(&r, (recipe){.records = 2, .value_size = i, .timestamp = NOW_MS + i});
        int64_t end_offset = mg_log_end_offset(r.log);
        if (i % 3 == 0) continue;
        CHECK(refresh(&reader) == end_offset);
        CHECK(refresh(&reader) == end_offset);
        CHECK(read_all(&reader, seen, 1 << 20, false) == end_offset - seen);
        seen = end_offset;
    }
    CHECK(mg_log_segment_count(r.log) > 5);
    CHECK(mg_log_segment_count(reader.log) == mg_log_segment_count(r.log));
    CHECK(mg_log_size(reader.log) == mg_log_size(r.log));
    check_all(&reader, 0);
    /* An empty segment at the end is not one yet: its writer may take it back. */
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    CHECK(refresh(&reader) == seen);
    CHECK(mg_log_segment_count(reader.log) == mg_log_segment_count(r.log) - 1);
    (void)append(&r, (recipe){.records = 1});
    CHECK(refresh(&reader) == seen + 1);
    CHECK(mg_log_segment_count(reader.log) == mg_log_segment_count(r.log));
    rig late = look(&r);
    CHECK(mg_log_end_offset(late.log) == seen + 1);
    CHECK(mg_log_size(late.log) == mg_log_size(r.log));
    check_all(&late, 0);
    stop_looking(&late);
    stop_looking(&reader);
    rig_end(&r);
}

static void several_rolls_at_once_are_followed(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 2000;
    rig_open(&r);
    (void)append(&r, (recipe){.records = 1});
    rig reader = look(&r);
    for (int i = 0; i < 50; i++)
        (void)append(&r, (recipe){.records = 3, .value_size = 200});
    CHECK(refresh(&reader) == 151);
    CHECK(mg_log_segment_count(reader.log) > 10);
    check_all(&reader, 0);
    stop_looking(&reader);
    rig_end(&r);
}

static void times_and_epochs_are_found_as_the_writer_finds_them(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 20000;
    r.config.index_interval_size = 300;
    rig_open(&r);
    rig reader = look(&r);
    for (int i = 0; i < 150; i++) {
        recipe of = {.records = 2, .value_size = 100, .timestamp = NOW_MS + i % 40 * 10 + i};
        (void)append_at_epoch(&r, of, i / 60);
        if (i % 10 == 0) (void)refresh(&reader);
    }
    CHECK(refresh(&reader) == 300);
    CHECK(mg_log_segment_count(reader.log) > 1);
    for (int64_t t = NOW_MS - 1; t < NOW_MS + 600; t += 7) {
        mg_log_slice a;
        mg_log_slice b;
        mg_status status = mg_log_find_timestamp(r.log, t, &a, &r.error);
        CHECK(mg_log_find_timestamp(reader.log, t, &b, &r.error) == status);
        if (status != MG_OK) continue;
        CHECK(a.next_offset == b.next_offset && a.position == b.position);
        mg_log_slice_release(&a);
        mg_log_slice_release(&b);
    }
    mg_log_slice latest;
    CHECK(mg_log_find_max_timestamp(reader.log, &latest, &r.error) == MG_OK);
    CHECK(latest.next_offset == 240);
    mg_log_slice_release(&latest);
    for (int32_t epoch = 0; epoch < 3; epoch++) {
        int32_t found = 0;
        int64_t end_offset = 0;
        mg_log_epoch_end(reader.log, epoch, &found, &end_offset);
        CHECK(found == epoch && end_offset == (epoch == 2 ? 300 : (epoch + 1) * 120));
    }
    stop_looking(&reader);
    rig_end(&r);
}

static void retention_behind_the_reader_raises_its_start(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 3000;
    rig_open(&r);
    for (int i = 0; i < 40; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 200});
    rig reader = look(&r);
    rig other = look(&r);
    mg_log_slice pinned;
    CHECK(mg_log_read(reader.log, 0, INT64_MAX, 1000, MG_READ_AT_LEAST_ONE, &pinned,
                      &reader.error) == MG_OK);
    CHECK(pinned.size > 0);
    CHECK(mg_log_flush(r.log, &r.error) == MG_OK);
    int32_t deleted = 0;
    CHECK(mg_log_delete_old(r.log, -1, 10000, INT64_MAX, NOW_MS, &deleted, &r.error) == MG_OK);
    CHECK(deleted > 2);
    int64_t start_offset = mg_log_start_offset(r.log);

    /* One reader looks, the other finds out by reading what is not there. */
    CHECK(refresh(&reader) == 80);
    CHECK(mg_log_start_offset(reader.log) == start_offset);
    mg_log_slice slice;
    CHECK(mg_log_read(reader.log, 0, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_start_offset(other.log) == 0);
    CHECK(mg_log_read(other.log, 0, INT64_MAX, 1000, 0, &slice, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_start_offset(other.log) == start_offset);
    CHECK(mg_log_size(other.log) == mg_log_size(r.log));
    check_all(&other, start_offset);
    check_all(&reader, start_offset);

    static uint8_t out[2000];
    CHECK(mg_log_slice_copy(&pinned, 0, pinned.size, out, &r.error) == MG_OK);
    mg_batch_header header;
    CHECK(mg_batch_check((mg_span){.data = out, .size = pinned.size}, &header) == MG_OK);
    CHECK(header.base_offset == 0);
    mg_log_slice_release(&pinned);

    CHECK(mg_log_refresh(reader.log, start_offset + 3, &r.error) == MG_OK);
    CHECK(mg_log_start_offset(reader.log) == start_offset + 3);
    CHECK(mg_log_refresh(reader.log, 0, &r.error) == MG_OK);
    CHECK(mg_log_start_offset(reader.log) == start_offset + 3);
    stop_looking(&other);
    stop_looking(&reader);
    rig_end(&r);
}

static void a_reader_that_slept_while_all_it_knew_was_deleted(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 2000;
    rig_open(&r);
    for (int i = 0; i < 10; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 200});
    rig reader = look(&r);
    rig other = look(&r);
    for (int i = 0; i < 30; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 200});
    int32_t deleted = 0;
    CHECK(mg_log_delete_old(r.log, -1, 0, INT64_MAX, NOW_MS, &deleted, &r.error) == MG_OK);
    CHECK(mg_log_segment_count(r.log) == 1);
    int64_t start_offset = mg_log_start_offset(r.log);
    CHECK(start_offset > 20);
    CHECK(refresh(&reader) == 80);
    CHECK(mg_log_start_offset(reader.log) == start_offset);
    check_all(&reader, start_offset);
    /* What stays is an empty segment. */
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    CHECK(refresh(&reader) == 80);
    CHECK(mg_log_delete_old(r.log, -1, 0, INT64_MAX, NOW_MS, &deleted, &r.error) == MG_OK);
    for (int i = 0; i < 2; i++) {
        rig *each = i == 0 ? &reader : &other;
        CHECK(refresh(each) == 80);
        CHECK(mg_log_start_offset(each->log) == 80 && mg_log_size(each->log) == 0);
    }
    (void)append(&r, (recipe){.records = 2});
    CHECK(refresh(&reader) == 82);
    CHECK(refresh(&other) == 82);
    check_all(&reader, 80);
    check_all(&other, 80);
    stop_looking(&other);
    stop_looking(&reader);
    rig_end(&r);
}

/* ---- Tails ---- */

enum { TORN_ROOM = 4000 };

/* Batches of different sizes, one after another; where each ends. */
static size_t make_batches(rig *r, uint8_t *out, size_t *ends, size_t count)
{
    rig_open(r);
    for (size_t i = 0; i < count; i++) {
        (void)append(r, (recipe){.records = 1 + (int32_t)i % 3, .value_size = 7 * (int32_t)i});
        ends[i] = (size_t)mg_log_size(r->log);
    }
    rig_close_log(r);
    size_t size = load_file(r, FIRST_LOG, out, TORN_ROOM);
    CHECK(size == ends[count - 1]);
    return size;
}

static int64_t offset_at(size_t size, const size_t *ends, size_t count)
{
    int64_t offset = 0;
    for (size_t i = 0; i < count && ends[i] <= size; i++)
        offset += 1 + (int64_t)i % 3;
    return offset;
}

static void write_at(rig *r, size_t at, const uint8_t *data, size_t size)
{
    mg_file *file = NULL;
    CHECK(mg_file_open(r->files, DIRECTORY "/" FIRST_LOG, MG_FILE_WRITE, &file, NULL) == MG_OK);
    CHECK(mg_file_write_bytes(file, (int64_t)at, data, size, NULL) == MG_OK);
    mg_file_close(file);
}

static void a_write_is_seen_batch_by_batch_however_far_it_got(void)
{
    enum { BATCHES = 9 };
    static uint8_t whole[TORN_ROOM];
    static const uint8_t zeros[TORN_ROOM];
    size_t ends[BATCHES];
    rig r = rig_make();
    size_t size = make_batches(&r, whole, ends, BATCHES);
    for (size_t cut = 0; cut <= size; cut++) {
        store_file(&r, FIRST_LOG, whole, cut);
        rig reader = look(&r);
        CHECK(mg_log_end_offset(reader.log) == offset_at(cut, ends, BATCHES));
        CHECK(refresh(&reader) == offset_at(cut, ends, BATCHES));
        check_all(&reader, 0);
        /* The size first, the bytes afterwards. */
        if (cut < size) write_at(&r, cut, zeros, size - cut);
        size_t right = cut; /* bytes may have been meant to be zeros */
        while (right < size && whole[right] == 0)
            right++;
        CHECK(refresh(&reader) == offset_at(right, ends, BATCHES));
        write_at(&r, cut, whole + cut, (size - cut) / 2);
        (void)refresh(&reader);
        write_at(&r, cut, whole + cut, size - cut);
        CHECK(refresh(&reader) == offset_at(size, ends, BATCHES));
        check_all(&reader, 0);
        stop_looking(&reader);
    }
    rig_end(&r);
}

static void a_flipped_byte_ends_the_log_for_now(void)
{
    enum { BATCHES = 6 };
    static uint8_t whole[TORN_ROOM];
    size_t ends[BATCHES];
    rig r = rig_make();
    size_t size = make_batches(&r, whole, ends, BATCHES);
    for (size_t at = 0; at < size; at++) {
        uint8_t flipped = whole[at] ^ 0x80;
        store_file(&r, FIRST_LOG, whole, size);
        write_at(&r, at, &flipped, 1);
        rig reader = look(&r);
        int64_t end_offset = mg_log_end_offset(reader.log);
        /* The leader epoch is outside the checksum, and so is a base offset that jumps. */
        CHECK(end_offset >= offset_at(at, ends, BATCHES));
        if (end_offset == offset_at(at, ends, BATCHES)) check_all(&reader, 0);
        stop_looking(&reader);
    }
    rig_end(&r);
}

/* ---- Writers that die, and others ---- */

static void a_restart_after_a_torn_write_is_followed(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 20; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 50});
    rig reader = look(&r);
    static uint8_t torn[300];
    mg_batch_header header;
    static uint8_t batch[BATCH_SIZE_MAX];
    header = build(batch, (recipe){.records = 4, .value_size = 40});
    memcpy(torn, batch, sizeof torn < (size_t)header.size ? sizeof torn : (size_t)header.size / 2);
    size_t size = (size_t)mg_log_size(r.log);
    rig_abandon(&r);
    write_at(&r, size, torn, sizeof torn / 2);
    CHECK(refresh(&reader) == 40);
    rig_open(&r);
    CHECK(r.report.cut_size == sizeof torn / 2);
    CHECK(refresh(&reader) == 40);
    (void)append(&r, (recipe){.records = 5});
    CHECK(refresh(&reader) == 45);
    check_all(&reader, 0);
    stop_looking(&reader);
    rig_end(&r);
}

static void a_file_that_recovery_wrote_anew_is_taken_up_anew(void)
{
    rig r = rig_make();
    rig_open(&r);
    for (int i = 0; i < 20; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 50});
    rig reader = look(&r);
    mg_log_slice pinned;
    CHECK(mg_log_read(reader.log, 10, INT64_MAX, 1 << 20, 0, &pinned, &r.error) == MG_OK);
    int64_t size = mg_log_size(r.log);
    rig_abandon(&r);
    uint8_t flipped = 0xff;
    write_at(&r, (size_t)size / 2, &flipped, 1);
    r.start.clean = false;
    rig_open(&r);
    CHECK(r.report.set_aside_size > 0);
    (void)append(&r, (recipe){.records = 2});
    CHECK(refresh(&reader) == 42);
    CHECK(mg_log_size(reader.log) == mg_log_size(r.log));
    CHECK(read_all(&reader, 0, 1 << 20, true) == 40);
    CHECK(read_all(&reader, 0, 1, true) == 40);
    static uint8_t out[8000];
    CHECK(mg_log_slice_copy(&pinned, 0, pinned.size, out, &r.error) == MG_OK);
    mg_log_slice_release(&pinned);
    stop_looking(&reader);
    rig_end(&r);
}

static void a_truncation_is_followed(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 3000;
    rig_open(&r);
    for (int i = 0; i < 60; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 100, .timestamp = NOW_MS + i});
    rig reader = look(&r);
    rig other = look(&r);
    CHECK(mg_log_truncate(r.log, 50, &r.error) == MG_OK);
    CHECK(refresh(&reader) == 50);
    check_all(&reader, 0);
    for (int i = 0; i < 60; i++)
        (void)append(&r, (recipe){.records = 3, .value_size = 70, .timestamp = NOW_MS + 100 + i});
    CHECK(refresh(&reader) == 230);
    check_all(&reader, 0);
    /* Who has not looked finds other files under the names, and looks. */
    CHECK(mg_log_end_offset(other.log) == 120);
    CHECK(read_all(&other, 0, 1 << 20, false) == 230);
    CHECK(refresh(&other) == 230);
    check_all(&other, 0);
    CHECK(mg_log_size(other.log) == mg_log_size(r.log));
    stop_looking(&other);
    stop_looking(&reader);
    rig_end(&r);
}

static void a_shorter_file_is_taken_up_anew(void)
{
    enum { BATCHES = 6 };
    static uint8_t whole[TORN_ROOM];
    size_t ends[BATCHES];
    rig r = rig_make();
    size_t size = make_batches(&r, whole, ends, BATCHES);
    rig reader = look(&r);
    CHECK(mg_log_end_offset(reader.log) == offset_at(size, ends, BATCHES));
    store_file(&r, FIRST_LOG, whole, ends[2]);
    CHECK(refresh(&reader) == offset_at(ends[2], ends, BATCHES));
    check_all(&reader, 0);
    stop_looking(&reader);
    rig_end(&r);
}

/* ---- Opening ---- */

static void directories_that_are_not_there_or_empty(void)
{
    rig r = rig_make();
    rig reader = r;
    CHECK(try_look(&reader) == MG_NOT_FOUND);
    CHECK(mg_files_make_directory(r.files, DIRECTORY, NULL) == MG_OK);
    r.start.start_offset = 0;
    reader = look(&r);
    CHECK(mg_log_end_offset(reader.log) == 0 && mg_log_size(reader.log) == 0);
    CHECK(refresh(&reader) == 0);
    mg_log_slice slice;
    CHECK(mg_log_read(reader.log, 0, INT64_MAX, 100, 0, &slice, &r.error) == MG_OK);
    CHECK(slice.size == 0);
    CHECK(mg_log_find_timestamp(reader.log, 0, &slice, &r.error) == MG_NOT_FOUND);
    CHECK(mg_log_find_max_timestamp(reader.log, &slice, &r.error) == MG_NOT_FOUND);
    rig_open(&r);
    CHECK(refresh(&reader) == 0);
    (void)append(&r, (recipe){.records = 2});
    CHECK(refresh(&reader) == 2);
    check_all(&reader, 0);

    /* Deleted, and another topic of that name. */
    (void)append(&r, (recipe){.records = 2});
    rig_close_log(&r);
    CHECK(mg_files_rename(r.files, DIRECTORY, "data/gone", NULL) == MG_OK);
    CHECK(mg_log_refresh(reader.log, 0, &r.error) == MG_NOT_FOUND);
    CHECK(mg_files_make_directory(r.files, DIRECTORY, NULL) == MG_OK);
    CHECK(mg_log_refresh(reader.log, 0, &r.error) == MG_NOT_FOUND);
    CHECK(mg_log_end_offset(reader.log) == 2);
    stop_looking(&reader);
    rig_end(&r);
}

static void writing_is_refused_and_reading_is_not_ill(void)
{
    rig r = rig_make();
    rig_open(&r);
    (void)append(&r, (recipe){.records = 2});
    rig reader = look(&r);
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_log_item item = {.batch = memory, .header = build(memory, (recipe){.records = 1})};
    mg_log_item *items = &item;
    mg_error error;
    size_t done = 0;
    int32_t deleted = 0;
    forbid_changes(&r);
    mg_log *log = reader.log;
    CHECK(mg_log_append(log, &items, 1, 0, NOW_MS, &done, &error) == MG_UNSUPPORTED);
    CHECK(strcmp(error.detail, DIRECTORY " was opened read-only") == 0);
    CHECK(mg_log_make_room(log, &item.header, NOW_MS, &error) == MG_UNSUPPORTED);
    CHECK(mg_log_roll(log, &error) == MG_UNSUPPORTED);
    CHECK(mg_log_truncate(log, 0, &error) == MG_UNSUPPORTED);
    CHECK(mg_log_flush(log, &error) == MG_UNSUPPORTED);
    CHECK(mg_log_reserve_ahead(log, &error) == MG_UNSUPPORTED);
    CHECK(mg_log_delete_old(log, 0, 0, 9, NOW_MS, &deleted, &error) == MG_UNSUPPORTED);
    CHECK(mg_log_raise_start(log, 1, &error) == MG_UNSUPPORTED);
    CHECK(!mg_log_wants_room(log));
    mg_log_configure(log, &r.config);
    CHECK(mg_log_health(log, &error) == MG_OK);
    CHECK(mg_log_producers(log, NULL, 0) == 0);
    allow_changes(&r);
    check_all(&reader, 0);
    forbid_changes(&r);
    mg_log_abandon(log);
    allow_changes(&r);
    rig_end(&r);
}

static int64_t operations_of_opening(rig *r, bool clean, int64_t end_offset)
{
    rig reader = *r;
    reader.start.clean = clean;
    int64_t before = mg_memory_operations(r->files);
    CHECK(try_look(&reader) == MG_OK);
    int64_t operations = mg_memory_operations(r->files) - before;
    CHECK(mg_log_end_offset(reader.log) == end_offset);
    check_all(&reader, 0);
    mg_log_slice latest;
    CHECK(mg_log_find_max_timestamp(reader.log, &latest, &r->error) == MG_OK);
    CHECK(latest.next_offset == end_offset);
    mg_log_slice_release(&latest);
    stop_looking(&reader);
    return operations;
}

/* The walk reads 256 KiB at a time, so a segment of some megabytes shows whether it took place. */
static void after_an_orderly_end_the_index_is_believed_as_far_as_it_proves_true(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 1 << 24;
    rig_open(&r);
    for (int i = 0; i < 100; i++)
        (void)append(&r, (recipe){.records = 1, .value_size = 60000, .timestamp = NOW_MS + i});
    rig_close_log(&r);
    int64_t walked = operations_of_opening(&r, false, 100);
    int64_t jumped = operations_of_opening(&r, true, 100);
    CHECK(jumped < walked && walked > 30);

    static uint8_t index[4000];
    static const char *const NAMES[] = {"00000000000000000000.index",
                                        "00000000000000000000.timeindex"};
    for (size_t n = 0; n < 2; n++) {
        size_t size = load_file(&r, NAMES[n], index, sizeof index);
        for (size_t at = size - 24; at < size; at++) {
            index[at] ^= 0x41;
            store_file(&r, NAMES[n], index, size);
            (void)operations_of_opening(&r, true, 100);
            index[at] ^= 0x41;
        }
        store_file(&r, NAMES[n], index, size / 12 / 2 * 24);
        (void)operations_of_opening(&r, true, 100);
        remove_file_named(&r, NAMES[n]);
        CHECK(operations_of_opening(&r, true, 100) >= walked);
        store_file(&r, NAMES[n], index, size);
    }
    CHECK(operations_of_opening(&r, true, 100) == jumped);
    rig_end(&r);
}

static void sealed_segments_without_index_files_are_indexed_in_memory(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 20000;
    r.config.index_interval_size = 500;
    rig_open(&r);
    for (int i = 0; i < 200; i++)
        (void)append(&r, (recipe){.records = 1, .value_size = 200, .timestamp = NOW_MS + i});
    remove_file_named(&r, "00000000000000000000.index");
    remove_file_named(&r, "00000000000000000000.timeindex");
    rig reader = look(&r);
    check_all(&reader, 0);
    mg_log_slice batch;
    CHECK(mg_log_find_timestamp(reader.log, NOW_MS + 20, &batch, &r.error) == MG_OK);
    CHECK(batch.next_offset == 21);
    mg_log_slice_release(&batch);
    stop_looking(&reader);
    rig_end(&r);
}

/* The writer, who may change what the reader may not. */
typedef struct swapper {
    mg_files *files;
    const mg_files_table *table;
} swapper;

static void *complete_swap(void *context)
{
    const swapper *s = context;
    usleep(20000);
    CHECK(s->table->rename(s->files, DIRECTORY "/00000000000000000000.log.swap",
                           DIRECTORY "/00000000000000000000.log", NULL) == MG_OK);
    return NULL;
}

/* What is there in the middle of a swap has a hole: who looks then sees the log before or after. */
static void a_swap_is_waited_for(void)
{
    rig r = rig_make();
    swapper s = {.files = r.files, .table = r.files->table};
    r.config.segment_size_max = 2000;
    rig_open(&r);
    for (int i = 0; i < 12; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 100});
    CHECK(mg_files_rename(r.files, DIRECTORY "/00000000000000000000.log",
                          DIRECTORY "/00000000000000000000.log.swap", NULL) == MG_OK);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, complete_swap, &s) == 0);
    rig reader = look(&r);
    pthread_join(thread, NULL);
    check_all(&reader, 0);

    CHECK(mg_files_rename(r.files, DIRECTORY "/00000000000000000000.log",
                          DIRECTORY "/00000000000000000000.log.swap", NULL) == MG_OK);
    CHECK(mg_log_refresh(reader.log, 0, &r.error) == MG_BUSY); /* nobody completes this one */
    CHECK(strstr(r.error.detail, "compaction") != NULL);
    CHECK(mg_files_rename(r.files, DIRECTORY "/00000000000000000000.log.swap",
                          DIRECTORY "/00000000000000000000.log", NULL) == MG_OK);
    CHECK(refresh(&reader) == mg_log_end_offset(r.log));
    check_all(&reader, 0);
    stop_looking(&reader);
    rig_end(&r);
}

static void every_failing_operation_is_reported_and_can_be_tried_again(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 2000;
    rig_open(&r);
    for (int i = 0; i < 12; i++)
        (void)append(&r, (recipe){.records = 2, .value_size = 100});
    rig reader = r;
    int64_t at = 0;
    for (;; at++) {
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, at, EIO);
        mg_status status = try_look(&reader);
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_NONE, 0, 0);
        if (status == MG_OK) break;
        CHECK(status == MG_IO);
    }
    CHECK(at > 10);
    int64_t end_offset = mg_log_end_offset(r.log);
    for (at = 0; at < 40; at++) {
        for (int i = 0; i < 1 + at % 3; i++)
            (void)append(&r, (recipe){.records = 2, .value_size = 300 + (int32_t)at * 20});
        end_offset = mg_log_end_offset(r.log);
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_ONCE, at / 2, EIO);
        mg_status status = mg_log_refresh(reader.log, 0, &r.error);
        mg_memory_fail_at(r.files, MG_MEMORY_FAULT_NONE, 0, 0);
        CHECK(status == MG_OK || status == MG_IO);
        check_all(&reader, 0);
        CHECK(refresh(&reader) == end_offset);
        check_all(&reader, 0);
    }
    stop_looking(&reader);
    rig_end(&r);
}

/* ---- Threads ---- */

enum { APPENDS = 2500, READERS = 2 };

typedef struct stage {
    rig writer;
    rig reader;
    atomic_bool done;
    atomic_long slices;
} stage;

static void *write_on(void *context)
{
    stage *s = context;
    for (int i = 0; i < APPENDS; i++) {
        recipe of = {.records = 2, .value_size = i % 300, .timestamp = NOW_MS + i};
        (void)append_at_epoch(&s->writer, of, i / 500);
        if (i % 100 != 99) continue;
        mg_error error;
        int32_t deleted = 0;
        int64_t end_offset = mg_log_end_offset(s->writer.log);
        CHECK(mg_log_delete_old(s->writer.log, -1, 150000, end_offset, NOW_MS, &deleted, &error) ==
              MG_OK);
    }
    s->done = true;
    return NULL;
}

static void *look_on(void *context)
{
    stage *s = context;
    int64_t seen = 0;
    while (!s->done) {
        mg_error error;
        CHECK(mg_log_refresh(s->reader.log, 0, &error) == MG_OK);
        int64_t end_offset = mg_log_end_offset(s->reader.log);
        CHECK(end_offset >= seen);
        seen = end_offset;
    }
    return NULL;
}

static void check_slice(const mg_log_slice *slice, int64_t offset)
{
    static _Thread_local uint8_t out[1 << 16];
    mg_error error;
    CHECK(slice->size <= sizeof out);
    CHECK(mg_log_slice_copy(slice, 0, slice->size, out, &error) == MG_OK);
    for (size_t at = 0; at < slice->size;) {
        mg_batch_header header;
        CHECK(mg_batch_check((mg_span){.data = out + at, .size = slice->size - at}, &header) ==
              MG_OK);
        CHECK(header.base_offset == offset);
        offset = mg_batch_last_offset(&header) + 1;
        at += (size_t)header.size;
    }
    CHECK(slice->next_offset == offset);
}

static void *read_on(void *context)
{
    stage *s = context;
    int64_t offset = 0;
    while (!s->done || offset < mg_log_end_offset(s->reader.log)) {
        mg_error error;
        mg_log_slice slice;
        mg_status status = mg_log_read(s->reader.log, offset, INT64_MAX, 20000,
                                       MG_READ_AT_LEAST_ONE, &slice, &error);
        if (status == MG_OUT_OF_RANGE) {
            int64_t start_offset = mg_log_start_offset(s->reader.log);
            CHECK(start_offset >= offset || offset <= mg_log_end_offset(s->reader.log));
            if (start_offset > offset) offset = start_offset;
            continue;
        }
        CHECK(status == MG_OK);
        if (slice.size > 0) check_slice(&slice, offset);
        offset = slice.next_offset;
        mg_log_slice_release(&slice);
        if (++s->slices % 64 != 0) continue;
        status = mg_log_find_timestamp(s->reader.log, NOW_MS + 100, &slice, &error);
        CHECK(status == MG_OK || status == MG_NOT_FOUND);
        if (status == MG_OK) mg_log_slice_release(&slice);
        CHECK(mg_log_segment_count(s->reader.log) > 0);
    }
    return NULL;
}

static void readers_go_on_while_others_refresh(void)
{
    static stage s;
    s.writer = rig_make();
    s.writer.config.segment_size_max = 30000;
    s.writer.config.index_interval_size = 1000;
    rig_open(&s.writer);
    s.reader = look(&s.writer);
    pthread_t threads[READERS + 3];
    CHECK(pthread_create(&threads[0], NULL, write_on, &s) == 0);
    CHECK(pthread_create(&threads[1], NULL, look_on, &s) == 0);
    CHECK(pthread_create(&threads[2], NULL, look_on, &s) == 0);
    for (int i = 0; i < READERS; i++)
        CHECK(pthread_create(&threads[3 + i], NULL, read_on, &s) == 0);
    for (int i = 0; i < READERS + 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(refresh(&s.reader) == 2 * APPENDS);
    check_all(&s.reader, mg_log_start_offset(s.reader.log));
    stop_looking(&s.reader);
    rig_end(&s.writer);
}

int main(void)
{
    appends_and_rolls_are_followed();
    several_rolls_at_once_are_followed();
    times_and_epochs_are_found_as_the_writer_finds_them();
    retention_behind_the_reader_raises_its_start();
    a_reader_that_slept_while_all_it_knew_was_deleted();
    a_write_is_seen_batch_by_batch_however_far_it_got();
    a_flipped_byte_ends_the_log_for_now();
    a_restart_after_a_torn_write_is_followed();
    a_file_that_recovery_wrote_anew_is_taken_up_anew();
    a_truncation_is_followed();
    a_shorter_file_is_taken_up_anew();
    directories_that_are_not_there_or_empty();
    writing_is_refused_and_reading_is_not_ill();
    after_an_orderly_end_the_index_is_believed_as_far_as_it_proves_true();
    sealed_segments_without_index_files_are_indexed_in_memory();
    a_swap_is_waited_for();
    every_failing_operation_is_reported_and_can_be_tried_again();
    readers_go_on_while_others_refresh();
    printf("follow_test: ok\n");
}
