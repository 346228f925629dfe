#include "wire/fetch.h"

enum {
    VERSION_LOG_START = 5,
    VERSION_SESSION = 7,
    VERSION_LEADER_EPOCH = 9,
    VERSION_RACK = 11,
    VERSION_FETCHED_EPOCH = 12,
    VERSION_TOPIC_ID = 13,
    VERSION_REPLICA_STATE = 15,
    VERSION_REDIRECTION = 16,
    VERSION_DIRECTORY = 17,
    VERSION_HIGH_WATERMARK = 18,

    /* Tags of a request, of its partitions, and of a partition in a reply. */
    TAG_CLUSTER_ID = 0,
    TAG_REPLICA_STATE = 1,
    TAG_DIRECTORY = 0,
    TAG_HIGH_WATERMARK = 1,
    TAG_DIVERGING_EPOCH = 0,
    TAG_CURRENT_LEADER = 1,
    TAG_SNAPSHOT_ID = 2,

    /* Each of these structs ends in an empty tag section. */
    DIVERGING_EPOCH_SIZE = 4 + 8 + 1,
    CURRENT_LEADER_SIZE = 4 + 4 + 1,
    SNAPSHOT_ID_SIZE = 8 + 4 + 1,

    TOPIC_SIZE_MIN = 2 + 4, /* an empty name, no partitions */
    TOPIC_SIZE_MIN_FLEXIBLE = 1 + 1 + 1,
    TOPIC_SIZE_MIN_ID = MG_UUID_SIZE + 1 + 1,
    FORGOTTEN_INDEX_SIZE = 4,

    /* The most that the parts of a reply take: compact counts have up to five bytes, sizes of
     * names three. */
    REPLY_SIZE_MAX = 4 + 4 + 1 + 4 + 2 + 4 + 5 + 1,
    REPLY_TOPIC_SIZE_MAX = MG_UUID_SIZE + 5 + 1,
    REPLY_ABORTED_SIZE_MAX = 8 + 8 + 1,
    REPLY_PART_SIZE_MAX = 4 + 2 + 8 + 8 + 8 + 5 + 4 + 5 + 1 + 2 + DIVERGING_EPOCH_SIZE + 2 +
                          CURRENT_LEADER_SIZE + 2 + SNAPSHOT_ID_SIZE,
};

static_assert(REPLY_TOPIC_SIZE_MAX >= 3 + 5 + 1, "a topic's name adds only its own bytes");

static inline bool is_flexible(int16_t version)
{
    return version >= MG_FETCH_VERSION_FLEXIBLE;
}

/* ---- Requests ---- */

static inline mg_topic_ref read_topic(mg_cursor *cursor, int16_t version)
{
    if (version >= VERSION_TOPIC_ID) {
        return (mg_topic_ref){.id = mg_cursor_take(cursor, MG_UUID_SIZE)};
    }
    return (mg_topic_ref){.name = mg_read_string(cursor, is_flexible(version))};
}

static size_t topic_size_min(int16_t version)
{
    if (version >= VERSION_TOPIC_ID) return TOPIC_SIZE_MIN_ID;
    return is_flexible(version) ? TOPIC_SIZE_MIN_FLEXIBLE : TOPIC_SIZE_MIN;
}

static inline size_t part_size_min(int16_t version)
{
    size_t size = 4 + 8 + 4; /* index, fetch offset, bytes at most */
    if (version >= VERSION_LOG_START) size += 8;
    if (version >= VERSION_LEADER_EPOCH) size += 4;
    if (version >= VERSION_FETCHED_EPOCH) size += 4 + 1; /* with the tag section */
    return size;
}

static inline int32_t read_part_count(mg_cursor *cursor, int16_t version)
{
    return mg_read_count(cursor, is_flexible(version), part_size_min(version));
}

/* A tag whose value has bytes left over, or too few, spoils the request. */
static void close_tag(mg_cursor *cursor, const mg_cursor *value)
{
    if (!mg_cursor_ok(value) || mg_cursor_left(value) != 0) mg_cursor_spoil(cursor);
}

static void read_part_tags(mg_cursor *cursor, int16_t version, mg_fetch_part *part)
{
    mg_tags tags = mg_tags_begin(cursor);
    mg_tag field;
    while (mg_tags_next(cursor, &tags, &field)) {
        if (version >= VERSION_DIRECTORY && field.tag == TAG_DIRECTORY) {
            part->replica_directory_id = mg_cursor_take(&field.value, MG_UUID_SIZE);
            close_tag(cursor, &field.value);
        } else if (version >= VERSION_HIGH_WATERMARK && field.tag == TAG_HIGH_WATERMARK) {
            part->high_watermark = mg_read_i64(&field.value);
            close_tag(cursor, &field.value);
        }
    }
}

static inline void read_part(mg_cursor *cursor, int16_t version, mg_fetch_part *part)
{
    part->replica_directory_id = NULL;
    part->high_watermark = INT64_MAX;
    part->index = mg_read_i32(cursor);
    part->current_leader_epoch = version >= VERSION_LEADER_EPOCH ? mg_read_i32(cursor) : -1;
    part->fetch_offset = mg_read_i64(cursor);
    part->last_fetched_epoch = version >= VERSION_FETCHED_EPOCH ? mg_read_i32(cursor) : -1;
    part->log_start_offset = version >= VERSION_LOG_START ? mg_read_i64(cursor) : -1;
    part->max_bytes = mg_read_i32(cursor);
    if (version < VERSION_DIRECTORY) {
        mg_skip_tags(cursor, is_flexible(version));
    } else {
        read_part_tags(cursor, version, part);
    }
}

/* Passes over one topic and counts it in. */
static void check_topic(mg_cursor *cursor, mg_fetch_request *request)
{
    mg_topic_ref topic = read_topic(cursor, request->version);
    int32_t part_count = read_part_count(cursor, request->version);
    for (int32_t i = 0; i < part_count && mg_cursor_ok(cursor); i++) {
        mg_fetch_part part;
        read_part(cursor, request->version, &part);
    }
    mg_skip_tags(cursor, is_flexible(request->version));
    if (part_count == 0) return;
    request->topic_count++;
    request->topic_names_size += topic.name.size;
    request->partition_count += part_count;
}

static void check_forgotten_topic(mg_cursor *cursor, mg_fetch_request *request)
{
    bool flexible = is_flexible(request->version);
    (void)read_topic(cursor, request->version);
    int32_t count = mg_read_count(cursor, flexible, FORGOTTEN_INDEX_SIZE);
    (void)mg_cursor_take(cursor, (size_t)count * FORGOTTEN_INDEX_SIZE);
    mg_skip_tags(cursor, flexible);
    request->forgotten_count += count;
}

static mg_span span_between(const uint8_t *start, const uint8_t *end)
{
    return (mg_span){.data = start, .size = (size_t)(end - start)};
}

static void read_topics(mg_cursor *cursor, mg_fetch_request *request)
{
    bool flexible = is_flexible(request->version);
    int32_t count = mg_read_count(cursor, flexible, topic_size_min(request->version));
    const uint8_t *start = cursor->next;
    for (int32_t i = 0; i < count && mg_cursor_ok(cursor); i++)
        check_topic(cursor, request);
    request->topics = span_between(start, cursor->next);

    if (request->version < VERSION_SESSION) return;
    count = mg_read_count(cursor, flexible, topic_size_min(request->version));
    start = cursor->next;
    for (int32_t i = 0; i < count && mg_cursor_ok(cursor); i++) {
        check_forgotten_topic(cursor, request);
    }
    request->forgotten = span_between(start, cursor->next);
}

static void read_replica_state(mg_cursor *value, mg_fetch_request *request)
{
    request->replica_id = mg_read_i32(value);
    request->replica_epoch = mg_read_i64(value);
    mg_skip_tags(value, true);
}

static void read_request_tags(mg_cursor *cursor, mg_fetch_request *request)
{
    mg_tags tags = mg_tags_begin(cursor);
    mg_tag field;
    while (mg_tags_next(cursor, &tags, &field)) {
        if (field.tag == TAG_CLUSTER_ID) {
            request->cluster_id = mg_read_nullable_string(&field.value, true);
            close_tag(cursor, &field.value);
        } else if (field.tag == TAG_REPLICA_STATE && request->version >= VERSION_REPLICA_STATE) {
            read_replica_state(&field.value, request);
            close_tag(cursor, &field.value);
        }
    }
}

mg_status mg_fetch_parse(mg_span body, int16_t version, mg_fetch_request *request)
{
    MG_ASSERT(body.size <= INT32_MAX); /* so no count of elements overflows */
    if (version < MG_FETCH_VERSION_MIN || version > MG_FETCH_VERSION_MAX) return MG_UNSUPPORTED;
    mg_cursor cursor = mg_cursor_over(body.data, body.size);
    mg_fetch_request parsed = {
        .version = version, .replica_id = -1, .replica_epoch = -1, .session_epoch = -1};
    if (version < VERSION_REPLICA_STATE) parsed.replica_id = mg_read_i32(&cursor);
    parsed.max_wait_ms = mg_read_i32(&cursor);
    parsed.min_bytes = mg_read_i32(&cursor);
    parsed.max_bytes = mg_read_i32(&cursor);
    parsed.isolation_level = mg_read_i8(&cursor);
    if (version >= VERSION_SESSION) {
        parsed.session_id = mg_read_i32(&cursor);
        parsed.session_epoch = mg_read_i32(&cursor);
    }
    read_topics(&cursor, &parsed);
    if (version >= VERSION_RACK) parsed.rack_id = mg_read_string(&cursor, is_flexible(version));
    if (is_flexible(version)) read_request_tags(&cursor, &parsed);
    if (!mg_cursor_ok(&cursor)) return MG_CORRUPT; /* what follows is ignored, as by Kafka */
    if (parsed.partition_count > MG_REQUEST_PARTITIONS_MAX) return MG_TOO_LARGE;
    *request = parsed;
    return MG_OK;
}

mg_fetch_walk mg_fetch_walk_begin(const mg_fetch_request *request)
{
    return (mg_fetch_walk){
        .cursor = mg_cursor_over(request->topics.data, request->topics.size),
        .total_left = request->partition_count,
        .version = request->version,
    };
}

bool mg_fetch_next(mg_fetch_walk *walk, mg_fetch_part *part)
{
    if (walk->total_left == 0) return false;
    bool flexible = is_flexible(walk->version);
    bool first_of_topic = walk->partitions_left == 0;
    while (walk->partitions_left == 0) {
        walk->topic = read_topic(&walk->cursor, walk->version);
        walk->topic_partition_count = read_part_count(&walk->cursor, walk->version);
        walk->partitions_left = walk->topic_partition_count;
        if (walk->partitions_left == 0) mg_skip_tags(&walk->cursor, flexible);
        MG_ASSERT(mg_cursor_ok(&walk->cursor)); /* parse saw these bytes */
    }
    read_part(&walk->cursor, walk->version, part);
    walk->partitions_left--;
    walk->total_left--;
    if (walk->partitions_left == 0) mg_skip_tags(&walk->cursor, flexible);
    MG_ASSERT(mg_cursor_ok(&walk->cursor));
    part->topic = walk->topic;
    part->topic_partition_count = walk->topic_partition_count;
    part->first_of_topic = first_of_topic;
    return true;
}

mg_fetch_walk mg_fetch_forgotten_begin(const mg_fetch_request *request)
{
    return (mg_fetch_walk){
        .cursor = mg_cursor_over(request->forgotten.data, request->forgotten.size),
        .total_left = request->forgotten_count,
        .version = request->version,
    };
}

bool mg_fetch_forgotten_next(mg_fetch_walk *walk, mg_topic_ref *topic, int32_t *index)
{
    if (walk->total_left == 0) return false;
    bool flexible = is_flexible(walk->version);
    while (walk->partitions_left == 0) {
        walk->topic = read_topic(&walk->cursor, walk->version);
        walk->partitions_left = mg_read_count(&walk->cursor, flexible, FORGOTTEN_INDEX_SIZE);
        if (walk->partitions_left == 0) mg_skip_tags(&walk->cursor, flexible);
        MG_ASSERT(mg_cursor_ok(&walk->cursor));
    }
    *index = mg_read_i32(&walk->cursor);
    walk->partitions_left--;
    walk->total_left--;
    if (walk->partitions_left == 0) mg_skip_tags(&walk->cursor, flexible);
    MG_ASSERT(mg_cursor_ok(&walk->cursor));
    *topic = walk->topic;
    return true;
}

/* ---- Replies ---- */

mg_fetch_reply mg_fetch_reply_begin(mg_writer *writer, int16_t version, int32_t correlation_id,
                                    int32_t throttle_time_ms, int16_t error, int32_t session_id,
                                    int32_t topic_count)
{
    MG_ASSERT(version >= MG_FETCH_VERSION_MIN);
    MG_ASSERT(version <= MG_FETCH_VERSION_MAX);
    bool flexible = is_flexible(version);
    mg_fetch_reply reply = {
        .writer = writer, .frame_start = mg_writer_size(writer), .version = version};
    mg_write_i32(writer, 0); /* the frame's size, known at the end */
    mg_write_i32(writer, correlation_id);
    mg_write_no_tags(writer, flexible);
    mg_write_i32(writer, throttle_time_ms);
    if (version >= VERSION_SESSION) {
        mg_write_i16(writer, error);
        mg_write_i32(writer, session_id);
    }
    mg_write_count(writer, flexible, topic_count);
    return reply;
}

void mg_fetch_reply_topic(mg_fetch_reply *reply, mg_topic_ref topic, int32_t partition_count)
{
    MG_ASSERT((reply->version >= VERSION_TOPIC_ID) == (topic.id != NULL));
    bool flexible = is_flexible(reply->version);
    mg_write_topic(reply->writer, flexible, topic);
    mg_write_count(reply->writer, flexible, partition_count);
}

void mg_fetch_reply_partition_begin(mg_fetch_reply *reply, const mg_fetch_result *result)
{
    MG_ASSERT(result->records_size >= -1);
    MG_ASSERT(result->records_size <= INT32_MAX);
    mg_writer *writer = reply->writer;
    bool flexible = is_flexible(reply->version);
    mg_write_i32(writer, result->index);
    mg_write_i16(writer, result->error);
    mg_write_i64(writer, result->high_watermark);
    mg_write_i64(writer, result->last_stable_offset);
    if (reply->version >= VERSION_LOG_START) mg_write_i64(writer, result->log_start_offset);
    mg_write_count(writer, flexible, result->aborted_count);
    for (int32_t i = 0; i < result->aborted_count; i++) {
        mg_write_i64(writer, result->aborted[i].producer_id);
        mg_write_i64(writer, result->aborted[i].first_offset);
        mg_write_no_tags(writer, flexible);
    }
    if (reply->version >= VERSION_RACK) mg_write_i32(writer, result->preferred_read_replica);
    if (flexible) {
        mg_write_uvarint(writer, (uint32_t)(result->records_size + 1));
    } else {
        mg_write_i32(writer, (int32_t)result->records_size);
    }
    reply->records_at = mg_writer_size(writer);
}

/* What was written since begin is the partition's records, or nothing. */
static void count_outside(mg_fetch_reply *reply, int64_t records_size)
{
    if (!mg_writer_ok(reply->writer) || records_size <= 0) return;
    int64_t inside_size = (int64_t)(mg_writer_size(reply->writer) - reply->records_at);
    MG_ASSERT(inside_size == 0 || inside_size == records_size);
    reply->outside_size += records_size - inside_size;
}

static bool is_said(int64_t a, int64_t b)
{
    return a != -1 || b != -1;
}

static void write_tag_start(mg_writer *writer, uint32_t tag, uint32_t size)
{
    mg_write_uvarint(writer, tag);
    mg_write_uvarint(writer, size);
}

void mg_fetch_reply_partition_end(mg_fetch_reply *reply, const mg_fetch_result *result)
{
    mg_writer *writer = reply->writer;
    count_outside(reply, result->records_size);
    if (!is_flexible(reply->version)) return;
    bool diverges = is_said(result->diverging_epoch, result->diverging_end_offset);
    bool redirects = is_said(result->leader_id, result->leader_epoch);
    bool has_snapshot = is_said(result->snapshot_end_offset, result->snapshot_epoch);
    mg_write_uvarint(writer, (uint32_t)diverges + (uint32_t)redirects + (uint32_t)has_snapshot);
    if (diverges) {
        write_tag_start(writer, TAG_DIVERGING_EPOCH, DIVERGING_EPOCH_SIZE);
        mg_write_i32(writer, result->diverging_epoch);
        mg_write_i64(writer, result->diverging_end_offset);
        mg_write_no_tags(writer, true);
    }
    if (redirects) {
        write_tag_start(writer, TAG_CURRENT_LEADER, CURRENT_LEADER_SIZE);
        mg_write_i32(writer, result->leader_id);
        mg_write_i32(writer, result->leader_epoch);
        mg_write_no_tags(writer, true);
    }
    if (has_snapshot) {
        write_tag_start(writer, TAG_SNAPSHOT_ID, SNAPSHOT_ID_SIZE);
        mg_write_i64(writer, result->snapshot_end_offset);
        mg_write_i32(writer, result->snapshot_epoch);
        mg_write_no_tags(writer, true);
    }
}

void mg_fetch_reply_topic_end(mg_fetch_reply *reply)
{
    mg_write_no_tags(reply->writer, is_flexible(reply->version));
}

bool mg_fetch_reply_end(mg_fetch_reply *reply, const mg_node_endpoint *endpoints,
                        int32_t endpoint_count)
{
    mg_writer *writer = reply->writer;
    if (reply->version >= VERSION_REDIRECTION) {
        mg_write_node_endpoints(writer, endpoints, endpoint_count);
    } else {
        mg_write_no_tags(writer, is_flexible(reply->version));
    }
    if (!mg_writer_ok(writer)) return false;
    size_t size = mg_writer_size(writer) - reply->frame_start - 4 + (size_t)reply->outside_size;
    if (size > INT32_MAX) return false;
    mg_store_u32(writer->begin + reply->frame_start, (uint32_t)size);
    return true;
}

size_t mg_fetch_reply_size_max(int32_t topic_count, int32_t partition_count, size_t names_size,
                               int32_t aborted_count)
{
    return REPLY_SIZE_MAX + names_size + (size_t)topic_count * REPLY_TOPIC_SIZE_MAX +
           (size_t)partition_count * REPLY_PART_SIZE_MAX +
           (size_t)aborted_count * REPLY_ABORTED_SIZE_MAX;
}
