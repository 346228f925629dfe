#include "log/ingest.h"

#include "base/bounds.h"
#include "file/memory.h"
#include "log/producer_state.h"
#include "rig.h"

enum { COUNT = 600 };

static uint8_t bytes[COUNT * 100];

static size_t fill(void)
{
    static uint8_t memory[BATCH_SIZE_MAX];
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) {
        mg_batch_header header = build(memory, (recipe){.value_size = i % 20});
        memcpy(bytes + size, memory, (size_t)header.size);
        size += (size_t)header.size;
    }
    return size;
}

static void many_batches_go_in_with_their_own_room(void)
{
    static mg_log_item items[COUNT];
    rig r = rig_make();
    r.config.segment_size_max = 5000;
    rig_open(&r);
    size_t size = fill();
    size_t count = 0;
    size_t done = 0;
    CHECK(mg_log_count_batches((mg_span){bytes, size}, &count, &r.error) == MG_OK);
    CHECK(count == COUNT);
    CHECK(mg_log_split(bytes, size, items, count, &r.error) == MG_OK);
    CHECK(mg_log_append_all(r.log, items, count, 0, NOW_MS, &done, &r.error) == MG_OK);
    CHECK(done == COUNT && mg_log_end_offset(r.log) == COUNT);
    CHECK(mg_log_segment_count(r.log) > 5);
    CHECK(read_all(&r, 0, 2000, false) == COUNT);
    rig_end(&r);
}

static void what_is_not_whole_batches_is_corrupt(void)
{
    static mg_log_item items[COUNT];
    size_t size = fill();
    size_t count = 0;
    for (size_t cut = 1; cut < 60; cut++) {
        mg_span cut_off = {bytes, size - cut};
        CHECK(mg_log_count_batches(cut_off, &count, NULL) == MG_CORRUPT);
    }
    bytes[size - 1] ^= 1;
    CHECK(mg_log_count_batches((mg_span){bytes, size}, &count, NULL) == MG_OK);
    CHECK(mg_log_split(bytes, size, items, count, NULL) == MG_CORRUPT);
}

/* ---- Rows ---- */

enum { ROWS = 3000 };
#define READER (MG_PRODUCER_NAMED | 77)

static mg_span values[ROWS];
static mg_rows rows_of_values(size_t count)
{
    static const uint8_t zeros[5000];
    for (size_t i = 0; i < count; i++)
        values[i] = (mg_span){.data = zeros, .size = i % 97};
    mg_rows rows = {.count = count, .timestamp = NOW_MS};
    rows.values = (mg_row_column){.kind = MG_ROW_COLUMN_SPANS, .count = count, .spans = values};
    CHECK(mg_row_column_check(&rows.values, NULL) == MG_OK);
    return rows;
}

static mg_ingest_request request_of(const mg_rows *rows)
{
    return (mg_ingest_request){.rows = rows,
                               .selection = {.count = rows->count},
                               .limits = {.size_max = 4000,
                                          .lone_size_max = 4000,
                                          .count_max = INT32_MAX,
                                          .producer_id = -1},
                               .now_ms = NOW_MS};
}

static mg_ingest_answer append_rows(rig *r, const mg_ingest_request *request)
{
    mg_ingest_memory memory = {.batches = NULL};
    mg_ingest_answer answer;
    mg_status status = mg_log_append_rows(r->log, request, &memory, &answer, &r->error);
    if (status != MG_OK) fprintf(stderr, "append: %s\n", r->error.detail);
    CHECK(status == MG_OK);
    mg_ingest_memory_deinit(&memory);
    return answer;
}

static void rows_go_in_as_batches_with_their_own_room(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 20000;
    rig_open(&r);
    mg_rows rows = rows_of_values(ROWS);
    mg_ingest_request request = request_of(&rows);
    for (int64_t round = 0; round < 3; round++) {
        mg_ingest_answer answer = append_rows(&r, &request);
        CHECK(answer.base_offset == round * ROWS && answer.count == ROWS);
        CHECK(answer.last_offset == (round + 1) * ROWS - 1 && answer.skipped == 0);
    }
    CHECK(mg_log_segment_count(r.log) > 5);
    CHECK(read_all(&r, 0, 20000, false) == 3 * ROWS);
    request.selection.count = 0;
    mg_ingest_answer answer = append_rows(&r, &request);
    CHECK(answer.base_offset == -1 && answer.last_offset == -1 && answer.count == 0);
    rig_end(&r);
}

static void what_is_refused_appends_nothing(void)
{
    rig r = rig_make();
    rig_open(&r);
    mg_rows rows = rows_of_values(ROWS);
    values[ROWS - 1].size = 4500;
    CHECK(mg_row_column_check(&rows.values, NULL) == MG_OK);
    const mg_ingest_request sound = request_of(&rows);
    mg_ingest_memory memory = {.batches = NULL};
    mg_ingest_answer answer;

    mg_ingest_request request = sound;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_TOO_LARGE);
    CHECK(strstr(r.error.detail, "row 2999 ") != NULL);
    request.limits.lone_size_max = 5000;
    request.limits.count_max = 0;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_OUT_OF_RANGE);
    request.limits.count_max = 1;
    request.limits.size_max = MG_BATCH_HEADER_SIZE - 1;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_OUT_OF_RANGE);
    request = sound;
    request.limits.lone_size_max = 5000;
    request.codec = MG_CODEC_COUNT;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_UNSUPPORTED);
    request.codec = MG_CODEC_NONE;
    request.limits.producer_id = MG_PRODUCER_NAMED - 1;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_OUT_OF_RANGE);
    request.limits.producer_id = READER;
    request.limits.position_first = -1;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_OUT_OF_RANGE);
    request.limits.position_first = MG_PRODUCER_POSITION_END - ROWS + 1;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_OUT_OF_RANGE);
    CHECK(mg_log_end_offset(r.log) == 0 && answer.count == 0);
    request.limits.position_first--;
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_OK);
    CHECK(answer.count == ROWS);
    mg_ingest_memory_deinit(&memory);
    rig_end(&r);
}

static void a_disk_that_fills_up_tells_what_was_appended(void)
{
    rig r = rig_make();
    r.config.segment_size_max = 20000;
    rig_open(&r);
    mg_rows rows = rows_of_values(ROWS);
    mg_ingest_request request = request_of(&rows);
    mg_ingest_memory memory = {.batches = NULL};
    mg_ingest_answer answer;
    mg_memory_set_capacity(r.files, 90000);
    CHECK(mg_log_append_rows(r.log, &request, &memory, &answer, &r.error) == MG_NO_SPACE);
    CHECK(answer.count > 0 && answer.count < ROWS && answer.base_offset == 0);
    CHECK(answer.last_offset + 1 == (int64_t)answer.count);
    CHECK(mg_log_end_offset(r.log) == (int64_t)answer.count);
    CHECK(strstr(r.error.detail, "rows, up to offset") != NULL);
    CHECK(read_all(&r, 0, 20000, false) == (int64_t)answer.count);
    mg_ingest_memory_deinit(&memory);
    mg_log_abandon(r.log);
    r.log = NULL;
    rig_end(&r);
}

/* ---- Named producers ---- */

static int64_t last_position(rig *r)
{
    mg_producer_view views[4];
    CHECK(mg_log_producers(r->log, views, 4) == 1);
    CHECK(views[0].producer_id == READER);
    return mg_producer_position(views[0].epoch, views[0].last_sequence);
}

static void a_named_producer_appends_each_row_once(void)
{
    const int64_t turn = INT64_C(1) << 31;
    rig r = rig_make();
    r.config.segment_size_max = 30000;
    rig_open(&r);
    mg_rows rows = rows_of_values(ROWS);
    mg_ingest_request request = request_of(&rows);
    request.limits.producer_id = READER;
    request.limits.position_first = turn - 1000; /* over the end of the sequences */
    CHECK(append_rows(&r, &request).count == ROWS);
    CHECK(last_position(&r) == turn - 1000 + ROWS - 1);

    mg_ingest_answer answer = append_rows(&r, &request);
    CHECK(answer.count == 0 && answer.skipped == ROWS && answer.base_offset == -1);
    request.limits.position_first += 500; /* half known, half new; other batches */
    request.limits.size_max = 3000;
    answer = append_rows(&r, &request);
    CHECK(answer.count == 500 && answer.skipped == ROWS - 500 && answer.base_offset == ROWS);

    /* Some rows only, behind a gap; all the time in the world between. */
    static int32_t chosen[ROWS];
    request.limits.position_first += 1000000;
    request.selection = (mg_row_selection){.rows = chosen, .count = ROWS / 3};
    for (int32_t i = 0; i < ROWS / 3; i++)
        chosen[i] = 3 * i;
    r.start.now_ms = request.now_ms = INT64_MAX / 4;
    CHECK(append_rows(&r, &request).count == ROWS / 3);
    CHECK(last_position(&r) == request.limits.position_first + 3 * (ROWS / 3 - 1));
    CHECK(append_rows(&r, &request).skipped == ROWS / 3);

    int64_t end = mg_log_end_offset(r.log);
    for (int clean = 0; clean < 2; clean++) { /* after a crash, and after a close */
        if (clean) {
            rig_reopen(&r);
        } else {
            rig_abandon(&r);
            rig_open(&r);
        }
        CHECK(mg_log_end_offset(r.log) == end);
        CHECK(append_rows(&r, &request).skipped == ROWS / 3);
    }

    /* Retention takes every batch of its; what it knows stays. */
    CHECK(mg_log_roll(r.log, &r.error) == MG_OK);
    int32_t deleted = 0;
    CHECK(mg_log_delete_old(r.log, -1, 0, INT64_MAX, r.start.now_ms, &deleted, &r.error) == MG_OK);
    CHECK(deleted > 3 && mg_log_start_offset(r.log) == end);
    rig_reopen(&r);
    CHECK(append_rows(&r, &request).skipped == ROWS / 3);
    rig_abandon(&r);
    r.start.clean = false;
    rig_open(&r);
    CHECK(append_rows(&r, &request).skipped == ROWS / 3);
    CHECK(mg_log_end_offset(r.log) == end);
    rig_end(&r);
}

int main(void)
{
    rows_go_in_as_batches_with_their_own_room();
    what_is_refused_appends_nothing();
    a_disk_that_fills_up_tells_what_was_appended();
    a_named_producer_appends_each_row_once();
    many_batches_go_in_with_their_own_room();
    what_is_not_whole_batches_is_corrupt();
    puts("ingest_test: ok");
}
