/* fetch.h -- Fetch requests read in place, Fetch replies written around their records.
 *
 * Versions MG_FETCH_VERSION_MIN to MG_FETCH_VERSION_MAX. mg_fetch_parse checks
 * the whole body once; after it the walks can't fail. All spans borrow the
 * frame. Nothing is allocated.
 *
 * The records of a reply are not in the writer as a rule: they go from a file to
 * a socket. A reply is therefore pieces of header, all in one writer, with the
 * records of a partition between two of them:
 *
 *   begin  topic  partition_begin | records | partition_end  partition_begin | … topic_end  end
 *
 * The piece that precedes the records is what was written up to partition_begin, whose last field
 * is their size. In flexible versions the tags of a partition follow its records, so
 * partition_end begins the next piece, and there always is one.
 */
#ifndef MG_WIRE_FETCH_H
#define MG_WIRE_FETCH_H

#include "base/status.h"
#include "base/writer.h"
#include "wire/field.h"
#include "wire/request_header.h"

/* ---- Requests ---- */

typedef struct mg_fetch_request {
    mg_span cluster_id; /* data NULL: none; only from version 12 on */
    mg_span rack_id;    /* empty below version 11 */
    mg_span topics;     /* for the walks */
    mg_span forgotten;
    size_t topic_names_size; /* bytes of all names under `topics` */
    int64_t replica_epoch;   /* -1 below version 15 and from consumers */
    int32_t replica_id;      /* -1: a consumer. Anything else needs ClusterAction. */
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t max_bytes;
    int32_t session_id;      /* 0 below version 7 */
    int32_t session_epoch;   /* -1 below version 7 */
    int32_t topic_count;     /* topics with at least one partition */
    int32_t partition_count; /* of all topics together */
    int32_t forgotten_count; /* partitions to forget */
    int16_t version;
    int8_t isolation_level; /* 1: read_committed */
} mg_fetch_request;

typedef struct mg_fetch_part {
    mg_topic_ref topic;
    const uint8_t *replica_directory_id; /* MG_UUID_SIZE bytes, or NULL */
    int64_t fetch_offset;
    int64_t log_start_offset; /* a follower's; else -1 */
    int64_t high_watermark;   /* known to the follower; INT64_MAX: not said */
    int32_t index;
    int32_t current_leader_epoch; /* -1: not said */
    int32_t last_fetched_epoch;   /* -1: not said */
    int32_t max_bytes;
    int32_t topic_partition_count; /* of this topic */
    bool first_of_topic;
} mg_fetch_part;

typedef struct mg_fetch_walk {
    mg_cursor cursor;
    mg_topic_ref topic;
    int32_t topic_partition_count;
    int32_t partitions_left; /* of this topic */
    int32_t total_left;
    int16_t version;
} mg_fetch_walk;

/* MG_UNSUPPORTED: a version that is not served. MG_CORRUPT: truncated, a count beyond the bytes, a
 * null where none may be. MG_TOO_LARGE: over MG_REQUEST_PARTITIONS_MAX. */
MG_WARN_UNUSED mg_status mg_fetch_parse(mg_span body, int16_t version, mg_fetch_request *request);

mg_fetch_walk mg_fetch_walk_begin(const mg_fetch_request *request);
/* The next partition in the request's order; false after the last. */
bool mg_fetch_next(mg_fetch_walk *walk, mg_fetch_part *part);

mg_fetch_walk mg_fetch_forgotten_begin(const mg_fetch_request *request);
bool mg_fetch_forgotten_next(mg_fetch_walk *walk, mg_topic_ref *topic, int32_t *index);

/* ---- Replies ---- */

typedef struct mg_aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
} mg_aborted_transaction;

typedef struct mg_fetch_result {
    int64_t high_watermark;     /* -1 with most errors */
    int64_t last_stable_offset; /* -1: unknown */
    int64_t log_start_offset;   /* -1: unknown */
    int64_t records_size;       /* -1: null. Kafka never sends null: nothing is 0. */
    const mg_aborted_transaction *aborted;
    int32_t aborted_count; /* -1: null, as read_uncommitted asks */
    int32_t index;
    int32_t preferred_read_replica; /* -1: none */
    int32_t diverging_epoch;        /* the three pairs are tags, from version 12 on; absent where */
    int64_t diverging_end_offset;   /* both of a pair are -1 */
    int32_t leader_id;
    int32_t leader_epoch;
    int64_t snapshot_end_offset;
    int32_t snapshot_epoch;
    int16_t error;
} mg_fetch_result;

/* An answer without an error. */
static inline mg_fetch_result mg_fetch_found(int32_t index, int64_t high_watermark,
                                             int64_t last_stable_offset, int64_t log_start_offset,
                                             int64_t records_size)
{
    return (mg_fetch_result){
        .index = index,
        .high_watermark = high_watermark,
        .last_stable_offset = last_stable_offset,
        .log_start_offset = log_start_offset,
        .records_size = records_size,
        .aborted_count = -1,
        .preferred_read_replica = -1,
        .diverging_epoch = -1,
        .diverging_end_offset = -1,
        .leader_id = -1,
        .leader_epoch = -1,
        .snapshot_end_offset = -1,
        .snapshot_epoch = -1,
    };
}

/* An answer with only an error, and no records. */
static inline mg_fetch_result mg_fetch_refused(int32_t index, int16_t error)
{
    mg_fetch_result result = mg_fetch_found(index, -1, -1, -1, 0);
    result.error = error;
    return result;
}

typedef struct mg_fetch_reply {
    mg_writer *writer;    /* borrowed until end */
    size_t frame_start;   /* where in the writer the frame's size stands */
    size_t records_at;    /* where in the writer the last partition's records would stand */
    int64_t outside_size; /* bytes of the frame that are not in the writer: records by file */
    int16_t version;
} mg_fetch_reply;

/* `error` and `session_id` are left out below version 7. */
mg_fetch_reply mg_fetch_reply_begin(mg_writer *writer, int16_t version, int32_t correlation_id,
                                    int32_t throttle_time_ms, int16_t error, int32_t session_id,
                                    int32_t topic_count);
void mg_fetch_reply_topic(mg_fetch_reply *reply, mg_topic_ref topic, int32_t partition_count);
void mg_fetch_reply_partition_begin(mg_fetch_reply *reply, const mg_fetch_result *result);
/* The same result as begin's. Between the two the caller may have copied the records, all of them,
 * into the writer; otherwise they count as sent from elsewhere. */
void mg_fetch_reply_partition_end(mg_fetch_reply *reply, const mg_fetch_result *result);
void mg_fetch_reply_topic_end(mg_fetch_reply *reply);
/* Fills in the frame's size, records included. `endpoints` are written from version 16 on. False:
 * the writer was full, or the frame would pass INT32_MAX; nothing of it may be sent. */
MG_WARN_UNUSED bool mg_fetch_reply_end(mg_fetch_reply *reply, const mg_node_endpoint *endpoints,
                                       int32_t endpoint_count);

/* Room that surely holds all the header pieces of a reply, frame size included. `names_size`:
 * bytes of all topic names that it will hold, each as often as it is named (topic ids are counted
 * in); `aborted_count`: of all partitions; endpoints: mg_node_endpoints_size on top. */
size_t mg_fetch_reply_size_max(int32_t topic_count, int32_t partition_count, size_t names_size,
                               int32_t aborted_count);

#endif
