#include "wire/produce.h"

enum {
    VERSION_LOG_START = 5,
    VERSION_RECORD_ERRORS = 8,
    VERSION_REDIRECTION = 10,
    VERSION_TOPIC_ID = 13,

    TAG_CURRENT_LEADER = 0,
    CURRENT_LEADER_SIZE = 4 + 4 + 1, /* id, epoch, an empty tag section */

    /* The least that a partition and a topic take on the wire: an empty name, null records. */
    PART_SIZE_MIN = 4 + 4,
    PART_SIZE_MIN_FLEXIBLE = 4 + 1 + 1,
    TOPIC_SIZE_MIN = 2 + 4,
    TOPIC_SIZE_MIN_FLEXIBLE = 1 + 1 + 1,
    TOPIC_SIZE_MIN_ID = MG_UUID_SIZE + 1 + 1,

    /* The most that the parts of a reply take: compact counts have up to five bytes, sizes of
     * strings three. */
    REPLY_SIZE_MAX = 4 + 4 + 1 + 5 + 4, /* frame size, correlation id, tags, topics, throttling */
    REPLY_TOPIC_SIZE_MAX = MG_UUID_SIZE + 5 + 1,
    REPLY_PART_SIZE_MAX = 4 + 2 + 8 + 8 + 8 + 5 + 3 + 1 + 2 + CURRENT_LEADER_SIZE,
};

static_assert(REPLY_TOPIC_SIZE_MAX >= 3 + 5 + 1, "a topic's name adds only its own bytes");

static inline bool is_flexible(int16_t version)
{
    return version >= MG_PRODUCE_VERSION_FLEXIBLE;
}

/* ---- Requests ---- */

static inline mg_topic_ref read_topic(mg_cursor *cursor, int16_t version)
{
    if (version >= VERSION_TOPIC_ID) {
        return (mg_topic_ref){.id = mg_cursor_take(cursor, MG_UUID_SIZE)};
    }
    return (mg_topic_ref){.name = mg_read_string(cursor, is_flexible(version))};
}

static inline int32_t read_part_count(mg_cursor *cursor, bool flexible)
{
    return mg_read_count(cursor, flexible, flexible ? PART_SIZE_MIN_FLEXIBLE : PART_SIZE_MIN);
}

static inline void read_part(mg_cursor *cursor, bool flexible, int32_t *index, mg_span *records)
{
    *index = mg_read_i32(cursor);
    *records = mg_read_nullable_span(cursor, mg_read_size32(cursor, flexible));
    mg_skip_tags(cursor, flexible);
}

/* Passes over one topic and counts it in. */
static void check_topic(mg_cursor *cursor, mg_produce_request *request)
{
    bool flexible = is_flexible(request->version);
    mg_topic_ref topic = read_topic(cursor, request->version);
    int32_t part_count = read_part_count(cursor, flexible);
    for (int32_t i = 0; i < part_count && mg_cursor_ok(cursor); i++) {
        int32_t index;
        mg_span records;
        read_part(cursor, flexible, &index, &records);
    }
    mg_skip_tags(cursor, flexible);
    if (part_count == 0) return;
    request->topic_count++;
    request->topic_names_size += topic.name.size;
    request->partition_count += part_count;
}

static size_t topic_size_min(int16_t version)
{
    if (version >= VERSION_TOPIC_ID) return TOPIC_SIZE_MIN_ID;
    return is_flexible(version) ? TOPIC_SIZE_MIN_FLEXIBLE : TOPIC_SIZE_MIN;
}

mg_status mg_produce_parse(mg_span body, int16_t version, mg_produce_request *request)
{
    MG_ASSERT(body.size <= INT32_MAX); /* so no count of elements overflows */
    if (version < MG_PRODUCE_VERSION_MIN || version > MG_PRODUCE_VERSION_MAX) {
        return MG_UNSUPPORTED;
    }
    bool flexible = is_flexible(version);
    mg_cursor cursor = mg_cursor_over(body.data, body.size);
    mg_produce_request parsed = {.version = version};
    parsed.transactional_id = mg_read_nullable_string(&cursor, flexible);
    parsed.acks = mg_read_i16(&cursor);
    parsed.timeout_ms = mg_read_i32(&cursor);
    int32_t topic_count = mg_read_count(&cursor, flexible, topic_size_min(version));
    const uint8_t *topics = cursor.next;
    for (int32_t i = 0; i < topic_count && mg_cursor_ok(&cursor); i++) {
        check_topic(&cursor, &parsed);
    }
    parsed.topics = (mg_span){.data = topics, .size = (size_t)(cursor.next - topics)};
    mg_skip_tags(&cursor, flexible);
    if (!mg_cursor_ok(&cursor)) return MG_CORRUPT; /* what follows is ignored, as by Kafka */
    if (parsed.partition_count > MG_REQUEST_PARTITIONS_MAX) return MG_TOO_LARGE;
    *request = parsed;
    return MG_OK;
}

mg_produce_walk mg_produce_walk_begin(const mg_produce_request *request)
{
    return (mg_produce_walk){
        .cursor = mg_cursor_over(request->topics.data, request->topics.size),
        .total_left = request->partition_count,
        .version = request->version,
    };
}

bool mg_produce_next(mg_produce_walk *walk, mg_produce_part *part)
{
    if (walk->total_left == 0) return false;
    bool flexible = is_flexible(walk->version);
    bool first_of_topic = walk->partitions_left == 0;
    while (walk->partitions_left == 0) {
        walk->topic = read_topic(&walk->cursor, walk->version);
        walk->topic_partition_count = read_part_count(&walk->cursor, flexible);
        walk->partitions_left = walk->topic_partition_count;
        if (walk->partitions_left == 0) mg_skip_tags(&walk->cursor, flexible);
        MG_ASSERT(mg_cursor_ok(&walk->cursor)); /* parse saw these bytes */
    }
    read_part(&walk->cursor, flexible, &part->index, &part->records);
    walk->partitions_left--;
    walk->total_left--;
    if (walk->partitions_left == 0) mg_skip_tags(&walk->cursor, flexible);
    MG_ASSERT(mg_cursor_ok(&walk->cursor));
    part->topic = walk->topic;
    part->topic_partition_count = walk->topic_partition_count;
    part->first_of_topic = first_of_topic;
    part->last_of_topic = walk->partitions_left == 0;
    return true;
}

/* ---- Replies ---- */

mg_produce_reply mg_produce_reply_begin(mg_writer *writer, int16_t version, int32_t correlation_id,
                                        int32_t topic_count)
{
    MG_ASSERT(version >= MG_PRODUCE_VERSION_MIN);
    MG_ASSERT(version <= MG_PRODUCE_VERSION_MAX);
    bool flexible = is_flexible(version);
    mg_produce_reply reply = {
        .writer = writer, .frame_start = mg_writer_size(writer), .version = version};
    mg_write_i32(writer, 0); /* the frame's size, known at the end */
    mg_write_i32(writer, correlation_id);
    mg_write_no_tags(writer, flexible);
    mg_write_count(writer, flexible, topic_count);
    return reply;
}

void mg_produce_reply_topic(mg_produce_reply *reply, mg_topic_ref topic, int32_t partition_count)
{
    MG_ASSERT((reply->version >= VERSION_TOPIC_ID) == (topic.id != NULL));
    bool flexible = is_flexible(reply->version);
    mg_write_topic(reply->writer, flexible, topic);
    mg_write_count(reply->writer, flexible, partition_count);
}

static void write_record_errors(mg_writer *writer, bool flexible, const mg_produce_result *result)
{
    mg_write_count(writer, flexible, result->record_error_count);
    for (int32_t i = 0; i < result->record_error_count; i++) {
        mg_write_i32(writer, result->record_errors[i].record_index);
        mg_write_nullable_string(writer, flexible, result->record_errors[i].message);
        mg_write_no_tags(writer, flexible);
    }
    mg_write_nullable_string(writer, flexible, result->error_message);
}

static void write_current_leader(mg_writer *writer, const mg_produce_result *result)
{
    mg_write_uvarint(writer, 1);
    mg_write_uvarint(writer, TAG_CURRENT_LEADER);
    mg_write_uvarint(writer, CURRENT_LEADER_SIZE);
    mg_write_i32(writer, result->leader_id);
    mg_write_i32(writer, result->leader_epoch);
    mg_write_no_tags(writer, true);
}

void mg_produce_reply_partition(mg_produce_reply *reply, const mg_produce_result *result)
{
    mg_writer *writer = reply->writer;
    bool flexible = is_flexible(reply->version);
    mg_write_i32(writer, result->index);
    mg_write_i16(writer, result->error);
    mg_write_i64(writer, result->base_offset);
    mg_write_i64(writer, result->append_time_ms);
    if (reply->version >= VERSION_LOG_START) mg_write_i64(writer, result->log_start_offset);
    if (reply->version >= VERSION_RECORD_ERRORS) write_record_errors(writer, flexible, result);
    bool redirects = result->leader_id != -1 || result->leader_epoch != -1;
    if (redirects && reply->version >= VERSION_REDIRECTION) {
        write_current_leader(writer, result);
    } else {
        mg_write_no_tags(writer, flexible);
    }
}

void mg_produce_reply_topic_end(mg_produce_reply *reply)
{
    mg_write_no_tags(reply->writer, is_flexible(reply->version));
}

void mg_produce_reply_end(mg_produce_reply *reply, int32_t throttle_time_ms,
                          const mg_node_endpoint *endpoints, int32_t endpoint_count)
{
    mg_writer *writer = reply->writer;
    mg_write_i32(writer, throttle_time_ms);
    if (reply->version >= VERSION_REDIRECTION) {
        mg_write_node_endpoints(writer, endpoints, endpoint_count);
    } else {
        mg_write_no_tags(writer, is_flexible(reply->version));
    }
    if (!mg_writer_ok(writer)) return;
    size_t size = mg_writer_size(writer) - reply->frame_start - 4;
    MG_ASSERT(size <= INT32_MAX);
    mg_store_u32(writer->begin + reply->frame_start, (uint32_t)size);
}

size_t mg_produce_reply_size_max(const mg_produce_request *request, size_t extra_size)
{
    return REPLY_SIZE_MAX + mg_node_endpoints_size(NULL, 0) + request->topic_names_size +
           (size_t)request->topic_count * REPLY_TOPIC_SIZE_MAX +
           (size_t)request->partition_count * REPLY_PART_SIZE_MAX + extra_size;
}

void mg_produce_reply_single(mg_writer *writer, int16_t version, int32_t correlation_id,
                             const mg_produce_part *part, int64_t base_offset,
                             int64_t append_time_ms, int64_t log_start_offset)
{
    mg_produce_reply reply = mg_produce_reply_begin(writer, version, correlation_id, 1);
    mg_produce_reply_topic(&reply, part->topic, 1);
    mg_produce_result result =
        mg_produce_done(part->index, base_offset, append_time_ms, log_start_offset);
    mg_produce_reply_partition(&reply, &result);
    mg_produce_reply_topic_end(&reply);
    mg_produce_reply_end(&reply, 0, NULL, 0);
}
