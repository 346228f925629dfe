/* Readers without locks beside the appender, the flusher and the maintainer. Meant for TSan. */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { APPENDS = 3000, READERS = 2 };

typedef struct stage {
    rig r;
    atomic_bool done;
    atomic_long slices;
} stage;

static void *append_all(void *context)
{
    stage *s = context;
    static uint8_t memory[BATCH_SIZE_MAX];
    for (int i = 0; i < APPENDS; i++) {
        recipe of = {.records = 2,
                     .value_size = i % 300,
                     .timestamp = NOW_MS + i,
                     .producer_id = 1 + i % 40,
                     .base_sequence = i / 40 * 2};
        mg_log_item item = {.batch = memory, .header = build(memory, of)};
        CHECK(append_item(&s->r, &item, i / 500) == MG_OK);
        CHECK(item.verdict == MG_APPEND_DONE);
    }
    /* What is cut was not deleted meanwhile: the maintainer keeps more than that. */
    int64_t to = mg_log_end_offset(s->r.log) - 20;
    CHECK(mg_log_truncate(s->r.log, to, &s->r.error) == MG_OK);
    for (int i = 0; i < APPENDS; i++) {
        mg_log_item item = {.batch = memory, .header = build(memory, (recipe){.records = 2})};
        CHECK(append_item(&s->r, &item, 7) == MG_OK);
    }
    s->done = true;
    return NULL;
}

static void *flush_all(void *context)
{
    stage *s = context;
    int64_t before = 0;
    while (!s->done) {
        mg_error error;
        CHECK(mg_log_flush(s->r.log, &error) == MG_OK);
        int64_t durable_end = mg_log_durable_end(s->r.log);
        CHECK(durable_end >= before - 20); /* but for the truncation */
        before = durable_end;
        usleep(200);
    }
    return NULL;
}

static void *maintain(void *context)
{
    stage *s = context;
    while (!s->done) {
        mg_error error;
        int32_t deleted = 0;
        if (mg_log_wants_room(s->r.log)) CHECK(mg_log_reserve_ahead(s->r.log, &error) == MG_OK);
        int64_t limit = mg_log_durable_end(s->r.log);
        CHECK(mg_log_delete_old(s->r.log, -1, 200000, limit, NOW_MS, &deleted, &error) == MG_OK);
        usleep(300);
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
        CHECK(mg_batch_last_offset(&header) >= offset);
        offset = mg_batch_last_offset(&header) + 1;
        at += (size_t)header.size;
    }
    CHECK(slice->next_offset == offset);
}

static void *read_on(void *context)
{
    stage *s = context;
    int64_t offset = 0;
    while (!s->done) {
        mg_error error;
        mg_log_slice slice;
        int64_t end_offset = mg_log_end_offset(s->r.log);
        mg_status status =
            mg_log_read(s->r.log, offset, INT64_MAX, 20000, MG_READ_AT_LEAST_ONE, &slice, &error);
        if (status == MG_OUT_OF_RANGE) {
            offset = mg_log_start_offset(s->r.log);
            continue;
        }
        CHECK(status == MG_OK);
        if (slice.size == 0) {
            mg_log_slice_release(&slice);
            offset = end_offset > 40 ? end_offset - 40 : 0;
            continue;
        }
        check_slice(&slice, offset);
        offset = slice.next_offset;
        mg_log_slice_release(&slice);
        s->slices++;
        if (s->slices % 64 == 0) {
            mg_producer_view views[50];
            size_t count = mg_log_producers(s->r.log, views, 50);
            CHECK(count <= 40);
            for (size_t i = 0; i < count; i++) {
                CHECK(views[i].producer_id >= 1 && views[i].producer_id <= 40);
                CHECK(views[i].last_sequence % 2 == 1);
            }
            status = mg_log_find_timestamp(s->r.log, NOW_MS + 100, &slice, &error);
            CHECK(status == MG_OK || status == MG_NOT_FOUND);
            if (status == MG_OK) mg_log_slice_release(&slice);
            int32_t epoch = 0;
            mg_log_epoch_end(s->r.log, 3, &epoch, &end_offset);
            CHECK(mg_log_segment_count(s->r.log) > 0);
        }
    }
    return NULL;
}

int main(void)
{
    static stage s;
    s.r = rig_make();
    s.r.config.segment_size_max = 30000;
    s.r.config.index_interval_size = 1000;
    rig_open(&s.r);
    pthread_t threads[READERS + 3];
    CHECK(pthread_create(&threads[0], NULL, append_all, &s) == 0);
    CHECK(pthread_create(&threads[1], NULL, flush_all, &s) == 0);
    CHECK(pthread_create(&threads[2], NULL, maintain, &s) == 0);
    for (int i = 0; i < READERS; i++) {
        CHECK(pthread_create(&threads[3 + i], NULL, read_on, &s) == 0);
    }
    for (int i = 0; i < READERS + 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(s.slices > 0);
    rig_end(&s.r);
    printf("readers_test: ok, %ld slices\n", s.slices);
}
