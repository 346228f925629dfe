#include "load/fetch_reply.h"

#include "batch/batch.h"
#include "load/connection.h"
#include "load/frames.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH_ROOM = 4 * 1024 * 1024 };

static int64_t read_count(mg_cursor *cursor, bool flexible)
{
    return flexible ? (int64_t)mg_read_uvarint(cursor) - 1 : mg_read_i32(cursor);
}

bool fetch_reply_decode(const load_options *options, int version, const uint8_t *data, size_t size,
                        fetch_reply *out)
{
    bool flexible = version >= FETCH_VERSION_FLEXIBLE;
    mg_cursor cursor = mg_cursor_over(data, size);
    size_t frame_size = (size_t)mg_read_i32(&cursor) + 4;
    uint32_t correlation_id = mg_read_u32(&cursor);
    if (flexible) (void)mg_read_i8(&cursor);
    (void)mg_read_i32(&cursor); /* throttling */
    int16_t error = mg_read_i16(&cursor);
    (void)mg_read_i32(&cursor); /* session */
    int64_t topic_count = read_count(&cursor, flexible);
    if (mg_cursor_ok(&cursor) && error != 0) {
        *out = (fetch_reply){.frame_size = frame_size,
                             .error = error,
                             .correlation_id = correlation_id,
                             .head_size = frame_size};
        return true;
    }
    int64_t name_size = flexible ? (int64_t)mg_read_uvarint(&cursor) - 1 : mg_read_i16(&cursor);
    (void)mg_read_span(&cursor, name_size);
    int64_t partition_count = read_count(&cursor, flexible);
    (void)mg_read_i32(&cursor); /* index */
    error = mg_read_i16(&cursor);
    int64_t high_watermark = mg_read_i64(&cursor);
    (void)mg_read_i64(&cursor); /* last stable offset */
    (void)mg_read_i64(&cursor); /* log start */
    int64_t aborted = read_count(&cursor, flexible);
    (void)mg_read_i32(&cursor); /* preferred replica */
    int64_t records_size = read_count(&cursor, flexible);
    if (!mg_cursor_ok(&cursor)) return false;
    if (topic_count != 1 || partition_count != 1 || aborted > 0) {
        die("%s: an answer of another shape", options->topic);
    }
    *out = (fetch_reply){
        .high_watermark = high_watermark,
        .records_size = records_size < 0 ? 0 : records_size,
        .head_size = (size_t)(cursor.next - data),
        .frame_size = frame_size,
        .correlation_id = correlation_id,
        .error = error,
    };
    return true;
}

size_t fetch_room(const load_options *options)
{
    return (size_t)options->max_bytes + BATCH_ROOM;
}

mg_span fetch_exchange(const load_options *options, int version, int fd, int partition,
                       int64_t offset, uint8_t *room, size_t room_size, fetch_reply *reply)
{
    uint8_t request[FRAME_OVERHEAD_MAX];
    mg_writer writer = mg_writer_over(request, sizeof request);
    frame_fetch(&writer, options, version, 1, partition, offset);
    if (room_size < 8) die("no room");
    mg_cursor answer = connection_exchange(fd, &writer, room + 8, room_size - 8);
    if (!mg_cursor_ok(&answer)) die("the broker closed a connection");
    size_t size = 8 + mg_cursor_left(&answer);
    mg_store_u32(room, (uint32_t)(size - 4)); /* as if it had been read from its size on */
    mg_store_u32(room + 4, 1);
    if (!fetch_reply_decode(options, version, room, size, reply)) die("an answer cut short");
    if (reply->head_size + (size_t)reply->records_size > size) die("records past their frame");
    return (mg_span){.data = room + reply->head_size, .size = (size_t)reply->records_size};
}

void batch_count_add(batch_count *count, mg_span records, bool check)
{
    size_t at = 0;
    for (;;) {
        mg_span rest = {.data = records.data + at, .size = records.size - at};
        mg_batch_header header;
        mg_status status = mg_batch_header_decode(rest, &header);
        if (status == MG_OUT_OF_RANGE) return;
        if (status == MG_OK && (size_t)header.size > rest.size) return; /* cut by max_bytes */
        if (status == MG_OK && check) status = mg_batch_check(rest, &header);
        if (status != MG_OK) {
            fprintf(stderr, "meghna-load: A DAMAGED BATCH NEAR OFFSET %lld\n",
                    (long long)count->next_offset);
            count->damaged++;
            return;
        }
        /* The first batch may begin before the offset asked for. */
        if (header.base_offset > count->next_offset ||
            (at > 0 && header.base_offset != count->next_offset)) {
            count->gaps++;
        }
        count->batches++;
        count->records += (uint64_t)header.record_count;
        count->next_offset = mg_batch_last_offset(&header) + 1;
        at += (size_t)header.size;
    }
}
