/* The hot path allocates nothing: malloc and its kin are counted through the linker's --wrap. */
#include "rig.h"

#include <stdatomic.h>

static atomic_long allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return __real_realloc(memory, size);
}

static void ten_thousand_appends_allocate_nothing(void)
{
    enum { COUNT = 10000 };
    rig r = rig_make();
    mg_files_close(r.files);
    CHECK(mg_files_open_posix(&r.files, NULL) == MG_OK);
    char path[] = "allocation-XXXXXX";
    CHECK(mkdtemp(path) != NULL); /* in the build's own folder */
    char directory[64];
    (void)snprintf(directory, sizeof directory, "%s/t-0", path);
    r.config.segment_size_max = 1 << 20;
    CHECK(mg_log_open(&r.log, r.files, directory, &r.config, &r.start, &r.report, &r.error) ==
          MG_OK);

    static uint8_t memory[BATCH_SIZE_MAX];
    static uint8_t fresh[BATCH_SIZE_MAX];
    recipe of = {.records = 3, .value_size = 100, .producer_id = 8};
    long counted = 0;
    int rooms = 0;
    for (int i = 0; i < COUNT; i++) {
        of.base_sequence = i * 3;
        of.timestamp = NOW_MS + i;
        mg_log_item item = {.batch = memory, .header = build(fresh, of)};
        memcpy(memory, fresh, (size_t)item.header.size);
        mg_log_item *pointer = &item;
        size_t done = 0;
        while (done == 0) {
            long before = allocations;
            mg_status status = mg_log_append(r.log, &pointer, 1, i / 1000, NOW_MS, &done, &r.error);
            counted += allocations - before;
            if (status == MG_OK) break;
            CHECK(status == MG_BUSY);
            rooms++;
            CHECK(mg_log_make_room(r.log, &item.header, NOW_MS, &r.error) == MG_OK);
        }
        CHECK(item.verdict == MG_APPEND_DONE);

        mg_log_slice slice;
        long before = allocations;
        CHECK(mg_log_read(r.log, i * 3, INT64_MAX, 1000, MG_READ_NO_WAIT, &slice, &r.error) ==
              MG_OK);
        counted += allocations - before;
        CHECK(slice.size == (size_t)item.header.size && slice.fd >= 0);
        mg_log_slice_release(&slice);
    }
    CHECK(counted == 0);
    CHECK(mg_log_segment_count(r.log) >= 4 && rooms < 100);
    CHECK(allocations > 0); /* the counter counts */
    CHECK(mg_log_close(r.log, &r.error) == MG_OK);

    char command[100];
    (void)snprintf(command, sizeof command, "rm -r %s", path);
    CHECK(system(command) == 0);
    mg_files_close(r.files);
}

int main(void)
{
    ten_thousand_appends_allocate_nothing();
    puts("allocation_test: ok");
}
