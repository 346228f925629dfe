/* produce.h -- Produce requests read in place, Produce replies written.
 *
 * Versions MG_PRODUCE_VERSION_MIN to MG_PRODUCE_VERSION_MAX. mg_produce_parse
 * checks the whole body once, so that a request is taken or refused as a whole
 * before any record is stored; after it the walk can't fail. All spans borrow
 * the frame. Nothing is allocated; the records are not looked into.
 *
 *   request: [transactional_id] acks timeout_ms { topic { index records }* }*
 *   reply:   { topic { index error base_offset append_time_ms [log_start_offset]
 *                      [record_errors error_message] }* }* throttle_time_ms
 */
#ifndef MG_WIRE_PRODUCE_H
#define MG_WIRE_PRODUCE_H

#include "base/status.h"
#include "base/writer.h"
#include "wire/field.h"
#include "wire/request_header.h"

/* ---- Requests ---- */

typedef struct mg_produce_request {
    mg_span transactional_id; /* data NULL: none */
    mg_span topics;           /* for the walk */
    size_t topic_names_size;  /* bytes of the names of those topics, for the size of the reply */
    int32_t timeout_ms;
    int32_t topic_count;     /* topics with at least one partition: those that a reply names */
    int32_t partition_count; /* of all topics together */
    int16_t acks;            /* as sent: anything but -1, 0 and 1 is the server's to refuse */
    int16_t version;
} mg_produce_request;

typedef struct mg_produce_part {
    mg_topic_ref topic;
    mg_span records; /* data NULL: null */
    int32_t index;
    int32_t topic_partition_count; /* of this topic */
    bool first_of_topic;
    bool last_of_topic;
} mg_produce_part;

typedef struct mg_produce_walk {
    mg_cursor cursor;
    mg_topic_ref topic;
    int32_t topic_partition_count;
    int32_t partitions_left; /* of this topic */
    int32_t total_left;
    int16_t version;
} mg_produce_walk;

/* MG_UNSUPPORTED: a version that is not served. MG_CORRUPT: truncated, a count beyond the bytes, a
 * null where none may be. MG_TOO_LARGE: over MG_REQUEST_PARTITIONS_MAX. */
MG_WARN_UNUSED mg_status mg_produce_parse(mg_span body, int16_t version,
                                          mg_produce_request *request);

mg_produce_walk mg_produce_walk_begin(const mg_produce_request *request);
/* The next partition in the request's order; false after the last. Topics without partitions are
 * passed over. */
bool mg_produce_next(mg_produce_walk *walk, mg_produce_part *part);

/* ---- Replies ---- */

typedef struct mg_produce_record_error {
    mg_span message; /* data NULL: null */
    int32_t record_index;
} mg_produce_record_error;

enum { MG_PRODUCE_RECORD_ERROR_SIZE_MAX = 4 + 3 + 1 }; /* on the wire, without the message */

typedef struct mg_produce_result {
    int64_t base_offset;      /* -1 with an error */
    int64_t append_time_ms;   /* -1 unless LogAppendTime */
    int64_t log_start_offset; /* -1 with most errors */
    const mg_produce_record_error *record_errors;
    int32_t record_error_count;
    int32_t index;
    mg_span error_message; /* data NULL: null */
    int32_t leader_id; /* a redirection from version 10 on; leader_id and leader_epoch -1: none */
    int32_t leader_epoch;
    int16_t error;
} mg_produce_result;

/* An answer without an error. */
static inline mg_produce_result mg_produce_done(int32_t index, int64_t base_offset,
                                                int64_t append_time_ms, int64_t log_start_offset)
{
    return (mg_produce_result){
        .index = index,
        .base_offset = base_offset,
        .append_time_ms = append_time_ms,
        .log_start_offset = log_start_offset,
        .leader_id = -1,
        .leader_epoch = -1,
    };
}

/* An answer with only an error; fields may be filled in further. */
static inline mg_produce_result mg_produce_refused(int32_t index, int16_t error)
{
    mg_produce_result result = mg_produce_done(index, -1, -1, -1);
    result.error = error;
    return result;
}

/* A whole frame, its size first. Call begin, { topic, partition*, topic_end }*, end; then ask
 * mg_writer_ok() and send what lies between the writer's old and new `next`. */
typedef struct mg_produce_reply {
    mg_writer *writer;  /* borrowed until end */
    size_t frame_start; /* where in the writer the frame's size stands */
    int16_t version;
} mg_produce_reply;

mg_produce_reply mg_produce_reply_begin(mg_writer *writer, int16_t version, int32_t correlation_id,
                                        int32_t topic_count);
void mg_produce_reply_topic(mg_produce_reply *reply, mg_topic_ref topic, int32_t partition_count);
void mg_produce_reply_partition(mg_produce_reply *reply, const mg_produce_result *result);
void mg_produce_reply_topic_end(mg_produce_reply *reply);
/* `endpoints` are written from version 10 on; none: NULL, 0. */
void mg_produce_reply_end(mg_produce_reply *reply, int32_t throttle_time_ms,
                          const mg_node_endpoint *endpoints, int32_t endpoint_count);

/* Room that surely holds the reply to `request`, frame size included. `extra_size`: bytes of all
 * messages, MG_PRODUCE_RECORD_ERROR_SIZE_MAX a record error, and mg_node_endpoints_size. */
size_t mg_produce_reply_size_max(const mg_produce_request *request, size_t extra_size);

/* The whole frame of the commonest reply: one topic, one partition, no error, no throttling. */
void mg_produce_reply_single(mg_writer *writer, int16_t version, int32_t correlation_id,
                             const mg_produce_part *part, int64_t base_offset,
                             int64_t append_time_ms, int64_t log_start_offset);

#endif
