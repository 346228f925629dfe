/* Logs on the kernel's files, each in a directory of its own under the current one, and one in
 * memory, where nothing can be mapped. Every record's value is made from its number. */
#include "log/reader.h"

#include "rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <unistd.h>

enum { VALUE_SIZE = 60, NUMBERS_MAX = 4000 };

typedef struct world {
    rig r;
    char root[32];
    bool on_disk;
    int32_t count; /* records appended */
} world;

static world open_world(bool on_disk)
{
    world w = {.on_disk = on_disk, .root = "reader-XXXXXX"};
    w.r = rig_make();
    w.r.config.segment_size_max = 20000;
    w.r.config.index_interval_size = 512;
    if (on_disk) {
        mg_files_close(w.r.files);
        CHECK(mkdtemp(w.root) != NULL);
        CHECK(chdir(w.root) == 0);
        CHECK(mg_files_open_posix(&w.r.files, NULL) == MG_OK);
        CHECK(mg_files_make_directory(w.r.files, "data", NULL) == MG_OK);
    }
    rig_open(&w.r);
    return w;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void close_world(world *w)
{
    if (w->r.log != NULL) rig_close_log(&w->r);
    mg_files_close(w->r.files);
    if (!w->on_disk) return;
    CHECK(chdir("..") == 0);
    CHECK(nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* ---- Records that tell their number ---- */

static void fill_value(uint8_t value[VALUE_SIZE], int64_t number)
{
    for (size_t i = 0; i < VALUE_SIZE; i++)
        value[i] = (uint8_t)((number >> (i % 3) * 8) + (int64_t)i);
}

/* Rising on the whole, with steps back, as producers' clocks have them. */
static int64_t time_of(int64_t number)
{
    return NOW_MS + number * 10 - (number % 7 == 0 ? 500 : 0);
}

static void put_batch(world *w, int32_t records, int attributes)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    mg_builder builder = mg_builder_over(memory, sizeof memory, time_of(w->count));
    for (int32_t i = 0; i < records; i++) {
        uint8_t value[VALUE_SIZE];
        fill_value(value, w->count + i);
        mg_record_parts parts = {.timestamp = time_of(w->count + i),
                                 .value = {.data = value, .size = sizeof value}};
        CHECK(mg_builder_add(&builder, &parts));
    }
    mg_batch_header header = mg_batch_header_blank();
    header.attributes = (int16_t)attributes;
    mg_builder_finish(&builder, &header);
    mg_log_item item = {.batch = memory, .header = header};
    CHECK(append_item(&w->r, &item, 0) == MG_OK);
    w->count += records;
}

static void put_many(world *w, int32_t until)
{
    for (int32_t i = 1; w->count < until; i++)
        put_batch(w, i % 9 + 1, 0);
}

static void same_row(const mg_views *views, size_t row, const uint8_t *base)
{
    uint8_t value[VALUE_SIZE];
    fill_value(value, views->offsets[row]);
    uint32_t at = (uint32_t)(views->values.views[row].high >> 32);
    CHECK((views->values.views[row].low & UINT32_MAX) == VALUE_SIZE);
    CHECK(memcmp(base + at, value, VALUE_SIZE) == 0);
    CHECK(views->timestamps[row] == time_of(views->offsets[row]));
}

static const mg_views_range EVERYTHING = {.start_offset = 0,
                                          .end_offset = INT64_MAX,
                                          .start_time = INT64_MIN,
                                          .end_time = INT64_MAX};

static mg_views *open_views(size_t room)
{
    mg_views *views = NULL;
    CHECK(mg_views_open(&views, room, MG_VIEWS_ALL, NULL) == MG_OK);
    return views;
}

static mg_reader *open_reader(world *w, const mg_views_range *range, unsigned flags)
{
    mg_reader *reader = NULL;
    CHECK(mg_reader_open(&reader, w->r.log, range, flags, NULL) == MG_OK);
    return reader;
}

/* Marks the offsets that a reader gives; how many. */
static int32_t read_rows(world *w, const mg_views_range *range, unsigned flags, size_t room,
                         bool seen[NUMBERS_MAX])
{
    mg_reader *reader = open_reader(w, range, flags);
    mg_views *views = open_views(room);
    mg_reader_step step = MG_READER_PASSED;
    int64_t last = -1;
    int32_t rows = 0;
    memset(seen, 0, NUMBERS_MAX * sizeof *seen);
    while (step != MG_READER_END) {
        mg_views_clear(views);
        mg_status status = mg_reader_next(reader, w->r.log, views, &step, &w->r.error);
        if (status != MG_OK) fprintf(stderr, "next: %s\n", w->r.error.detail);
        CHECK(status == MG_OK);
        CHECK((views->count > 0) == (step == MG_READER_ROWS));
        mg_span window = mg_reader_window(reader);
        for (size_t row = 0; row < views->count; row++, rows++) {
            CHECK(views->offsets[row] > last);
            last = views->offsets[row];
            seen[last] = true;
            same_row(views, row, window.data);
        }
        CHECK(mg_reader_offset(reader) > last);
    }
    mg_views_close(views);
    mg_reader_close(reader);
    return rows;
}

static bool is_in(const mg_views_range *range, int64_t number)
{
    return number >= range->start_offset && number < range->end_offset &&
           time_of(number) >= range->start_time && time_of(number) < range->end_time;
}

static void exactly(world *w, mg_views_range range, unsigned flags, size_t room)
{
    static bool seen[NUMBERS_MAX];
    int32_t rows = read_rows(w, &range, flags, room, seen);
    for (int32_t number = 0; number < w->count; number++) {
        CHECK(seen[number] == is_in(&range, number));
        rows -= seen[number];
    }
    CHECK(rows == 0);
}

/* ---- Tests ---- */

static void every_record_comes_once(bool on_disk)
{
    world w = open_world(on_disk);
    exactly(&w, EVERYTHING, 0, 10); /* nothing yet */
    put_many(&w, 2000);
    CHECK(mg_log_segment_count(w.r.log) > 5);
    const size_t rooms[] = {1, 7, 64, 100, 5000};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        exactly(&w, EVERYTHING, MG_READER_DEFAULT, rooms[i]);
        exactly(&w, EVERYTHING, MG_READER_COPY, rooms[i]);
    }
    rig_reopen(&w.r);
    exactly(&w, EVERYTHING, MG_READER_DEFAULT, 1000);
    close_world(&w);
}

static void ranges_are_exact(void)
{
    world w = open_world(true);
    put_many(&w, 1500);
    mg_views_range range = EVERYTHING;
    for (int32_t start = 0; start < 1500; start += 37) {
        for (int32_t end = start; end < 1700; end += 211) {
            range.start_offset = start;
            range.end_offset = end;
            exactly(&w, range, 0, 256);
        }
    }
    range = EVERYTHING;
    for (int32_t start = -100; start < 1600; start += 61) {
        for (int32_t end = start; end < 1700; end += 307) {
            range.start_time = NOW_MS + 10 * start;
            range.end_time = NOW_MS + 10 * end + 5;
            range.start_offset = start > 900 ? 1000 : 0;
            exactly(&w, range, 0, 256);
        }
    }
    close_world(&w);
}

/* What is early is passed over by the index: damage there is not even seen. */
static void early_segments_are_not_read(void)
{
    world w = open_world(true);
    put_many(&w, 1500);
    int fd = open("data/topic-0/00000000000000000000.log", O_RDWR);
    CHECK(fd >= 0 && pwrite(fd, "damage", 6, 100) == 6 && close(fd) == 0);
    mg_views_range range = EVERYTHING;
    range.start_time = NOW_MS + 10000;
    exactly(&w, range, 0, 256);
    close_world(&w);
}

static void one_mapping_a_segment_while_somebody_reads(void)
{
    world w = open_world(true);
    put_many(&w, 30);
    CHECK(mg_log_segment_count(w.r.log) == 1);
    mg_reader *readers[2];
    mg_views *views = open_views(5);
    mg_reader_step step;
    for (int i = 0; i < 2; i++) {
        mg_views_clear(views);
        readers[i] = open_reader(&w, &EVERYTHING, 0);
        CHECK(mg_reader_next(readers[i], w.r.log, views, &step, NULL) == MG_OK);
        put_many(&w, w.count + 10); /* grows under the first one's mapping */
    }
    mg_mapping *mapping = mg_reader_mapping(readers[0]);
    CHECK(mapping == mg_reader_mapping(readers[1]));
    mg_mapping_watch(mapping);
    mg_reader_close(readers[0]);
    CHECK(mg_mapping_try_keep(mapping));
    mg_mapping_release(mapping);
    mg_reader_close(readers[1]);
    CHECK(!mg_mapping_try_keep(mapping)); /* the segment holds none */
    mg_mapping_unwatch(mapping);
    mg_views_close(views);
    exactly(&w, EVERYTHING, 0, 100);
    close_world(&w);
}

typedef struct kept {
    mg_views *views;
    mg_mapping *mapping;
    mg_span window;
} kept;

/* Retention, truncation, closing, freeing: the views stay what they were. */
static void views_outlive_everything(bool on_disk)
{
    enum { KEPT_MAX = 200 };
    static kept all[KEPT_MAX];
    world w = open_world(on_disk);
    put_many(&w, 2000);
    mg_reader *reader = open_reader(&w, &EVERYTHING, 0);
    mg_reader_step step = MG_READER_PASSED;
    size_t count = 0;
    while (step != MG_READER_END) {
        CHECK(count < KEPT_MAX);
        kept *one = &all[count];
        one->views = open_views(50);
        CHECK(mg_reader_next(reader, w.r.log, one->views, &step, NULL) == MG_OK);
        if (step != MG_READER_ROWS) {
            mg_views_close(one->views);
            continue;
        }
        one->window = mg_reader_window(reader);
        one->mapping = mg_reader_mapping(reader);
        mg_mapping_keep(one->mapping);
        count++;
        if (count == 20) {
            int32_t deleted = 0;
            CHECK(mg_log_delete_old(w.r.log, -1, 110000, INT64_MAX, NOW_MS, &deleted, NULL) ==
                  MG_OK);
            CHECK(deleted > 0);
        }
    }
    mg_reader_close(reader);
    CHECK(mg_log_truncate(w.r.log, w.count - 300, NULL) == MG_OK);
    for (int32_t i = 0; i < 30; i++)
        (void)append(&w.r, (recipe){.records = 9, .value_size = 100});
    int32_t deleted = 0;
    CHECK(mg_log_roll(w.r.log, NULL) == MG_OK);
    CHECK(mg_log_delete_old(w.r.log, -1, 0, INT64_MAX, NOW_MS, &deleted, NULL) == MG_OK);
    CHECK(deleted > 0);
    rig_close_log(&w.r);
    close_world(&w);
    int64_t next = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < all[i].views->count; row++, next++) {
            CHECK(all[i].views->offsets[row] == next);
            same_row(all[i].views, row, all[i].window.data);
        }
        mg_views_close(all[i].views);
        mg_mapping_release(all[i].mapping);
    }
    CHECK(next == w.count);
}

static void rows_before_damage_come_first(unsigned flags)
{
    world w = open_world(true);
    put_many(&w, 150);
    CHECK(mg_log_segment_count(w.r.log) == 1);
    int64_t size = mg_log_size(w.r.log);
    int fd = open("data/topic-0/00000000000000000000.log", O_RDWR);
    for (int64_t at = 0; at < size; at += 97) {
        uint8_t byte;
        CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
        byte ^= 0x20;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
        mg_reader *reader = open_reader(&w, &EVERYTHING, flags);
        mg_views *views = open_views(1000);
        mg_reader_step step;
        mg_error error = {.status = MG_OK};
        mg_status status = mg_reader_next(reader, w.r.log, views, &step, &error);
        if (status == MG_OK) {
            for (size_t row = 0; row < views->count; row++) {
                CHECK(views->offsets[row] == (int64_t)row);
                same_row(views, row, mg_reader_window(reader).data);
            }
            int64_t next = (int64_t)views->count;
            mg_views_clear(views);
            status = mg_reader_next(reader, w.r.log, views, &step, &error);
            CHECK(mg_reader_offset(reader) == next);
            /* A leader epoch may be any; all else is found. */
            if (status == MG_OK) CHECK(step == MG_READER_END && next == w.count);
        }
        if (status != MG_OK) {
            CHECK(status == MG_CORRUPT || status == MG_UNSUPPORTED);
            CHECK(strstr(error.detail, "topic-0") != NULL);
            CHECK(strstr(error.detail, "offset") != NULL);
        }
        mg_views_close(views);
        mg_reader_close(reader);
        byte ^= 0x20;
        CHECK(pwrite(fd, &byte, 1, at) == 1);
    }
    CHECK(close(fd) == 0);
    exactly(&w, EVERYTHING, 0, 100);
    close_world(&w);
}

static void a_cut_file_is_an_error(unsigned flags)
{
    world w = open_world(true);
    put_many(&w, 200);
    CHECK(truncate("data/topic-0/00000000000000000000.log", 4096) == 0);
    mg_reader *reader = open_reader(&w, &EVERYTHING, flags);
    mg_views *views = open_views(1000);
    mg_reader_step step;
    mg_error error;
    CHECK(mg_reader_next(reader, w.r.log, views, &step, &error) == MG_IO);
    CHECK(mg_reader_next(reader, w.r.log, views, &step, &error) == MG_IO);
    mg_views_close(views);
    mg_reader_close(reader);
    rig_abandon(&w.r);
    close_world(&w);
}

static void retention_was_faster(void)
{
    world w = open_world(true);
    put_many(&w, 1000);
    CHECK(mg_log_raise_start(w.r.log, 500, NULL) == MG_OK);
    mg_reader *reader = open_reader(&w, &EVERYTHING, 0);
    mg_views *views = open_views(1000);
    mg_reader_step step;
    mg_error error;
    CHECK(mg_reader_next(reader, w.r.log, views, &step, &error) == MG_OUT_OF_RANGE);
    mg_views_close(views);
    mg_reader_close(reader);
    close_world(&w);
}

static void control_batches_are_left_out(void)
{
    world w = open_world(true);
    static bool seen[NUMBERS_MAX];
    put_batch(&w, 5, 0);
    put_batch(&w, 1, MG_BATCH_CONTROL | MG_BATCH_TRANSACTIONAL);
    put_batch(&w, 5, 0);
    put_batch(&w, 1, MG_BATCH_CONTROL | MG_BATCH_TRANSACTIONAL);
    CHECK(read_rows(&w, &EVERYTHING, 0, 100, seen) == 10);
    CHECK(seen[4] && !seen[5] && seen[6] && !seen[11]);
    close_world(&w);
}

/* "Compressed" by a codec that changes nothing. */
static void compressed_batches_are_opened_by_the_caller(size_t room)
{
    world w = open_world(true);
    for (int i = 0; i < 20; i++)
        put_batch(&w, 10, i % 3 == 0 ? 0 : MG_CODEC_LZ4);
    mg_reader *reader = open_reader(&w, &EVERYTHING, 0);
    mg_views *views = open_views(room);
    mg_reader_step step = MG_READER_PASSED;
    int64_t next = 0;
    static uint8_t plain[30][BATCH_SIZE_MAX];
    const uint8_t *buffers[30]; /* of these views */
    int32_t opened = 0;
    int32_t slot = 0;
    int32_t carried = 0;
    while (step != MG_READER_END) {
        CHECK(mg_reader_next(reader, w.r.log, views, &step, NULL) == MG_OK);
        if (step == MG_READER_PACKED) {
            mg_codec_id codec = MG_CODEC_NONE;
            mg_span packed = mg_reader_packed(reader, &codec);
            CHECK(codec == MG_CODEC_LZ4);
            memcpy(plain[slot], packed.data, packed.size);
            buffers[++opened] = plain[slot];
            mg_span bytes = {.data = plain[slot++], .size = packed.size};
            mg_reader_open_packed(reader, bytes, opened);
            continue;
        }
        buffers[0] = mg_reader_window(reader).data;
        for (size_t row = 0; row < views->count; row++, next++) {
            CHECK(views->offsets[row] == next);
            same_row(views, row, buffers[(uint32_t)views->values.views[row].high]);
        }
        mg_views_clear(views);
        bool goes_on = mg_reader_carry(reader, 1);
        if (goes_on) buffers[1] = buffers[opened];
        carried += goes_on;
        opened = goes_on;
    }
    CHECK(next == w.count);
    CHECK((carried > 0) == (room % 10 != 0));
    mg_views_close(views);
    mg_reader_close(reader);
    close_world(&w);
}

static void *read_again_and_again(void *context)
{
    world *w = context;
    static _Thread_local bool seen[NUMBERS_MAX];
    for (int i = 0; i < 20; i++)
        (void)read_rows(w, &EVERYTHING, 0, 100, seen);
    return NULL;
}

static void readers_beside_an_appender(void)
{
    world w = open_world(true);
    put_many(&w, 500);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, read_again_and_again, &w) == 0);
    put_many(&w, 2500);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    close_world(&w);
}

int main(void)
{
    every_record_comes_once(true);
    every_record_comes_once(false);
    ranges_are_exact();
    early_segments_are_not_read();
    one_mapping_a_segment_while_somebody_reads();
    views_outlive_everything(true);
    views_outlive_everything(false);
    rows_before_damage_come_first(MG_READER_DEFAULT);
    rows_before_damage_come_first(MG_READER_COPY);
    a_cut_file_is_an_error(MG_READER_DEFAULT);
    a_cut_file_is_an_error(MG_READER_COPY);
    retention_was_faster();
    control_batches_are_left_out();
    compressed_batches_are_opened_by_the_caller(1000);
    compressed_batches_are_opened_by_the_caller(15);
    readers_beside_an_appender();
    puts("reader_test: ok");
}
