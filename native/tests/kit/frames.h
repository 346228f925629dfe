/* frames.h -- requests as a client writes them, replies as a client reads them.
 *
 * Produce 7, Fetch 11 and any control request: the newest versions without compact fields, which
 * need the least code. Every frame lies in memory of its own, with its size before it.
 */
#ifndef MG_TESTS_KIT_FRAMES_H
#define MG_TESTS_KIT_FRAMES_H

#include "base/writer.h"
#include "batch/builder.h"

#include "check.h"

#include <stdlib.h>

enum {
    FRAME_ROOM = 64 * 1024,
    PRODUCE_VERSION = 7,
    FETCH_VERSION = 11,
    METADATA_KEY = 3,
    METADATA_VERSION = 1,
};

typedef struct frame {
    uint8_t *data;
    size_t size;
} frame;

static inline void frame_free(frame *f)
{
    free(f->data);
    *f = (frame){0};
}

/* `count` records of `value_size` bytes each, for a producer or for none (-1). Bit i of `keyless`:
 * record i has no key; nor has any from the 32nd on. */
static inline frame make_batch_with_keys(int32_t count, uint32_t keyless, size_t value_size,
                                         int64_t producer_id, int32_t base_sequence)
{
    frame f = {.data = malloc(FRAME_ROOM)};
    CHECK(f.data != NULL);
    uint8_t *value = calloc(1, value_size + 1);
    CHECK(value != NULL);
    mg_builder builder = mg_builder_over(f.data, FRAME_ROOM, 1000);
    for (int32_t i = 0; i < count; i++) {
        for (size_t k = 0; k < value_size; k++) value[k] = (uint8_t)(i + (int32_t)k);
        mg_record_parts parts = {.timestamp = 1000 + i,
                                 .value = {.data = value, .size = value_size}};
        bool has_key = i < 32 && (keyless >> i & 1) == 0;
        if (has_key) parts.key = (mg_span){.data = (const uint8_t *)"key", .size = 3};
        CHECK(mg_builder_add(&builder, &parts));
    }
    free(value);
    mg_batch_header header = mg_batch_header_blank();
    if (producer_id >= 0) {
        header.producer_id = producer_id;
        header.producer_epoch = 0;
        header.base_sequence = base_sequence;
    }
    mg_builder_finish(&builder, &header);
    f.size = (size_t)header.size;
    return f;
}

/* The same without keys. */
static inline frame make_batch(int32_t count, size_t value_size, int64_t producer_id,
                               int32_t base_sequence)
{
    return make_batch_with_keys(count, UINT32_MAX, value_size, producer_id, base_sequence);
}

static inline void put_string(mg_writer *w, const char *s)
{
    mg_write_i16(w, (int16_t)strlen(s));
    mg_write_bytes(w, s, strlen(s));
}

static inline mg_writer begin_frame(frame *f, size_t room, int16_t key, int16_t version,
                                    int32_t correlation)
{
    f->data = malloc(room);
    CHECK(f->data != NULL);
    mg_writer w = mg_writer_over(f->data, room);
    mg_write_i32(&w, 0);
    mg_write_i16(&w, key);
    mg_write_i16(&w, version);
    mg_write_i32(&w, correlation);
    put_string(&w, "test");
    return w;
}

static inline void end_frame(frame *f, const mg_writer *w)
{
    CHECK(mg_writer_ok(w));
    f->size = mg_writer_size(w);
    mg_store_u32(f->data, (uint32_t)(f->size - 4));
}

/* The batch once in each of `partition_count` partitions from `first` on. */
static inline frame make_produce_to(const char *topic, int32_t first, int32_t partition_count,
                                    int32_t correlation, int16_t acks, int32_t timeout_ms,
                                    const frame *batch)
{
    frame f;
    size_t room = 256 + strlen(topic) + (size_t)partition_count * (batch->size + 16);
    mg_writer w = begin_frame(&f, room, 0, PRODUCE_VERSION, correlation);
    mg_write_i16(&w, -1); /* no transactional id */
    mg_write_i16(&w, acks);
    mg_write_i32(&w, timeout_ms);
    mg_write_i32(&w, 1);
    put_string(&w, topic);
    mg_write_i32(&w, partition_count);
    for (int32_t i = 0; i < partition_count; i++) {
        mg_write_i32(&w, first + i);
        mg_write_i32(&w, (int32_t)batch->size);
        mg_write_bytes(&w, batch->data, batch->size);
    }
    end_frame(&f, &w);
    return f;
}

static inline frame make_produce(const char *topic, int32_t partition, int32_t correlation,
                                 int16_t acks, const frame *batch)
{
    return make_produce_to(topic, partition, 1, correlation, acks, 30000, batch);
}

typedef struct fetch_wish {
    int32_t partition_count; /* from 0 on */
    int64_t offset;
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes;
    int32_t session_id;
    int32_t session_epoch;
    int32_t replica_id;
    int32_t leader_epoch;
    int8_t isolation_level;
} fetch_wish;

static inline fetch_wish fetch_from(int64_t offset)
{
    return (fetch_wish){.partition_count = 1,
                        .offset = offset,
                        .min_bytes = 1,
                        .max_bytes = 1 << 20,
                        .session_epoch = -1,
                        .replica_id = -1,
                        .leader_epoch = -1};
}

static inline frame make_fetch(const char *topic, int32_t correlation, fetch_wish wish)
{
    frame f;
    size_t room = 256 + strlen(topic) + (size_t)wish.partition_count * 32;
    mg_writer w = begin_frame(&f, room, 1, FETCH_VERSION, correlation);
    mg_write_i32(&w, wish.replica_id);
    mg_write_i32(&w, wish.max_wait_ms);
    mg_write_i32(&w, wish.min_bytes);
    mg_write_i32(&w, wish.max_bytes);
    mg_write_i8(&w, wish.isolation_level);
    mg_write_i32(&w, wish.session_id);
    mg_write_i32(&w, wish.session_epoch);
    mg_write_i32(&w, wish.partition_count == 0 ? 0 : 1);
    if (wish.partition_count > 0) {
        put_string(&w, topic);
        mg_write_i32(&w, wish.partition_count);
    }
    for (int32_t i = 0; i < wish.partition_count; i++) {
        mg_write_i32(&w, i);
        mg_write_i32(&w, wish.leader_epoch);
        mg_write_i64(&w, wish.offset);
        mg_write_i64(&w, -1);
        mg_write_i32(&w, wish.max_bytes);
    }
    mg_write_i32(&w, 0); /* nothing forgotten */
    put_string(&w, "");
    end_frame(&f, &w);
    return f;
}

static inline frame make_control(int32_t correlation, const char *body)
{
    frame f;
    mg_writer w = begin_frame(&f, 256 + strlen(body), METADATA_KEY, METADATA_VERSION, correlation);
    mg_write_bytes(&w, body, strlen(body));
    end_frame(&f, &w);
    return f;
}

/* ---- Replies; `reply` begins with its size ---- */

static inline int32_t correlation_of(frame reply)
{
    CHECK(reply.size >= 8);
    return (int32_t)mg_load_u32(reply.data + 4);
}

typedef struct produce_answer {
    int64_t base_offset;
    int64_t log_start_offset;
    int32_t partition_count;
    int16_t error; /* of the partition asked for */
} produce_answer;

/* The answer of the `nth` partition; there is one topic. */
static inline produce_answer read_produce(frame reply, int32_t nth)
{
    mg_cursor c = mg_cursor_over(reply.data, reply.size);
    CHECK((size_t)mg_read_i32(&c) == reply.size - 4);
    (void)mg_read_i32(&c);
    CHECK(mg_read_i32(&c) == 1);
    (void)mg_read_span(&c, mg_read_i16(&c));
    produce_answer answer = {.partition_count = mg_read_i32(&c)};
    for (int32_t i = 0; i < answer.partition_count; i++) {
        (void)mg_read_i32(&c);
        int16_t error = mg_read_i16(&c);
        int64_t base_offset = mg_read_i64(&c);
        (void)mg_read_i64(&c);
        int64_t start_offset = mg_read_i64(&c);
        if (i != nth) continue;
        answer.error = error;
        answer.base_offset = base_offset;
        answer.log_start_offset = start_offset;
    }
    CHECK(mg_read_i32(&c) == 0); /* no throttling */
    CHECK(mg_cursor_ok(&c));
    CHECK(mg_cursor_left(&c) == 0);
    return answer;
}

typedef struct fetch_answer {
    int64_t high_watermark;
    mg_span records; /* of the last partition that has some */
    size_t records_size;
    int32_t session_id;
    int32_t partition_count;
    int16_t error;           /* of the reply */
    int16_t partition_error; /* the last */
    int64_t last_stable_offset;
    int32_t aborted_count; /* of the last partition, and the last of them: */
    int64_t aborted_producer_id;
    int64_t aborted_first_offset;
} fetch_answer;

static inline fetch_answer read_fetch(frame reply)
{
    mg_cursor c = mg_cursor_over(reply.data, reply.size);
    CHECK((size_t)mg_read_i32(&c) == reply.size - 4);
    (void)mg_read_i32(&c);
    CHECK(mg_read_i32(&c) == 0);
    fetch_answer answer = {.error = mg_read_i16(&c)};
    answer.session_id = mg_read_i32(&c);
    int32_t topic_count = mg_read_i32(&c);
    for (int32_t t = 0; t < topic_count; t++) {
        (void)mg_read_span(&c, mg_read_i16(&c));
        int32_t count = mg_read_i32(&c);
        for (int32_t i = 0; i < count; i++) {
            answer.partition_count++;
            (void)mg_read_i32(&c);
            int16_t error = mg_read_i16(&c);
            if (error != 0) answer.partition_error = error;
            answer.high_watermark = mg_read_i64(&c);
            answer.last_stable_offset = mg_read_i64(&c);
            (void)mg_read_i64(&c);
            answer.aborted_count = mg_read_i32(&c);
            for (int32_t a = 0; a < answer.aborted_count; a++) {
                answer.aborted_producer_id = mg_read_i64(&c);
                answer.aborted_first_offset = mg_read_i64(&c);
            }
            (void)mg_read_i32(&c);
            mg_span records = mg_read_span(&c, mg_read_i32(&c));
            answer.records_size += records.size;
            if (records.size > 0) answer.records = records;
        }
    }
    CHECK(mg_cursor_ok(&c));
    CHECK(mg_cursor_left(&c) == 0);
    return answer;
}

/* Walks whole batches; their offsets must be dense from `offset` on. Returns the next one. */
static inline int64_t check_dense(mg_span records, int64_t offset)
{
    while (records.size > 0) {
        mg_batch_header header;
        CHECK(mg_batch_check(records, &header) == MG_OK);
        CHECK(header.base_offset == offset);
        offset = mg_batch_last_offset(&header) + 1;
        records.data += header.size;
        records.size -= (size_t)header.size;
    }
    return offset;
}

#endif
