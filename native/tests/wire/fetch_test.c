#include "wire/fetch.h"

#include "tests/wire/bytes.h"
#include "tests/wire/golden_frames.h"

static void check_topic(mg_topic_ref topic, int16_t version, const char *name, uint8_t first)
{
    if (version >= 13) {
        CHECK(topic.name.data == NULL && id_starts_with(topic.id, first));
    } else {
        CHECK(topic.id == NULL && span_is(topic.name, name));
    }
}

static void check_golden_head(const mg_fetch_request *request, int16_t version)
{
    CHECK(request->version == version && request->replica_id == 5);
    CHECK(request->replica_epoch == (version >= 15 ? 8 : -1));
    CHECK(request->max_wait_ms == 500 && request->min_bytes == 1);
    CHECK(request->max_bytes == 52428800 && request->isolation_level == 1);
    CHECK(request->session_id == (version >= 7 ? 12345 : 0));
    CHECK(request->session_epoch == (version >= 7 ? 6 : -1));
    CHECK(request->topic_count == 2 && request->partition_count == 3);
    CHECK(request->forgotten_count == (version >= 7 ? 3 : 0));
    CHECK(version >= 11 ? span_is(request->rack_id, "r1") : request->rack_id.size == 0);
    CHECK(version >= 12 ? span_is(request->cluster_id, "c1") : request->cluster_id.data == NULL);
    CHECK(request->topic_names_size == (version >= 13 ? 0 : strlen("alphabeta")));
}

static void check_golden_parts(const mg_fetch_request *request, int16_t version)
{
    mg_fetch_walk walk = mg_fetch_walk_begin(request);
    mg_fetch_part part;
    CHECK(mg_fetch_next(&walk, &part));
    check_topic(part.topic, version, "alpha", 0);
    CHECK(part.index == 0 && part.fetch_offset == 100 && part.max_bytes == 1048576);
    CHECK(part.current_leader_epoch == (version >= 9 ? 3 : -1));
    CHECK(part.last_fetched_epoch == (version >= 12 ? 2 : -1));
    CHECK(part.log_start_offset == (version >= 5 ? 10 : -1));
    CHECK(version >= 17 ? id_starts_with(part.replica_directory_id, 32)
                        : part.replica_directory_id == NULL);
    CHECK(part.high_watermark == (version >= 18 ? 90 : INT64_MAX));
    CHECK(part.first_of_topic && part.topic_partition_count == 2);
    CHECK(mg_fetch_next(&walk, &part));
    check_topic(part.topic, version, "alpha", 0);
    CHECK(part.index == 1 && part.fetch_offset == 200 && part.max_bytes == 64);
    CHECK(part.current_leader_epoch == -1 && part.last_fetched_epoch == -1);
    CHECK(part.replica_directory_id == NULL && part.high_watermark == INT64_MAX);
    CHECK(!part.first_of_topic && part.topic_partition_count == 2);
    CHECK(mg_fetch_next(&walk, &part));
    check_topic(part.topic, version, "beta", 16);
    CHECK(part.index == 5 && part.fetch_offset == 0 && part.max_bytes == 32);
    CHECK(part.first_of_topic && part.topic_partition_count == 1);
    CHECK(!mg_fetch_next(&walk, &part));
}

static void check_golden_forgotten(const mg_fetch_request *request, int16_t version)
{
    mg_fetch_walk walk = mg_fetch_forgotten_begin(request);
    mg_topic_ref topic;
    int32_t index;
    if (version >= 7) {
        CHECK(mg_fetch_forgotten_next(&walk, &topic, &index) && index == 8);
        check_topic(topic, version, "alpha", 0);
        CHECK(mg_fetch_forgotten_next(&walk, &topic, &index) && index == 9);
        check_topic(topic, version, "alpha", 0);
        CHECK(mg_fetch_forgotten_next(&walk, &topic, &index) && index == 1);
        check_topic(topic, version, "beta", 16);
    }
    CHECK(!mg_fetch_forgotten_next(&walk, &topic, &index));
}

static void golden_requests_are_read(void)
{
    for (size_t i = 0; i < COUNT_OF(fetch_requests); i++) {
        int16_t version = fetch_requests[i].version;
        bytes body = bytes_of_hex(fetch_requests[i].hex);
        mg_fetch_request request;
        CHECK(mg_fetch_parse(span_of(body), version, &request) == MG_OK);
        check_golden_head(&request, version);
        check_golden_parts(&request, version);
        check_golden_forgotten(&request, version);
        free(body.data);
    }
}

static void every_truncation_fails_and_extra_bytes_are_ignored(void)
{
    for (size_t i = 0; i < COUNT_OF(fetch_requests); i++) {
        bytes body = bytes_of_hex(fetch_requests[i].hex);
        mg_fetch_request request = {.min_bytes = 77};
        for (size_t size = 0; size < body.size; size++) {
            bytes cut = bytes_copy(body.data, size);
            CHECK(mg_fetch_parse(span_of(cut), fetch_requests[i].version, &request) == MG_CORRUPT);
            free(cut.data);
        }
        bytes longer = {.data = calloc(1, body.size + 1), .size = body.size + 1};
        CHECK(longer.data != NULL);
        memcpy(longer.data, body.data, body.size);
        CHECK(request.min_bytes == 77);
        CHECK(mg_fetch_parse(span_of(longer), fetch_requests[i].version, &request) == MG_OK);
        free(longer.data);
        free(body.data);
    }
}

static void walk_all(const mg_fetch_request *request)
{
    mg_fetch_walk walk = mg_fetch_walk_begin(request);
    mg_fetch_part part;
    int32_t count = 0;
    while (mg_fetch_next(&walk, &part))
        count++;
    CHECK(count == request->partition_count);
    walk = mg_fetch_forgotten_begin(request);
    mg_topic_ref topic;
    int32_t index;
    count = 0;
    while (mg_fetch_forgotten_next(&walk, &topic, &index))
        count++;
    CHECK(count == request->forgotten_count);
}

static void every_flipped_bit_is_refused_or_walked(void)
{
    for (size_t i = 0; i < COUNT_OF(fetch_requests); i++) {
        bytes body = bytes_of_hex(fetch_requests[i].hex);
        for (size_t at = 0; at < 8 * body.size; at++) {
            body.data[at / 8] ^= (uint8_t)(1 << at % 8);
            mg_fetch_request request;
            if (mg_fetch_parse(span_of(body), fetch_requests[i].version, &request) == MG_OK) {
                walk_all(&request);
            }
            body.data[at / 8] ^= (uint8_t)(1 << at % 8);
        }
        free(body.data);
    }
}

typedef struct row {
    int16_t version;
    const char *hex;
} row;

/* Replica, wait, bytes and isolation of a request; from 7 on with no session. */
#define HEAD_4                                                                                     \
    "ffffffff"                                                                                     \
    "00000000"                                                                                     \
    "00000001"                                                                                     \
    "00100000"                                                                                     \
    "00"
#define HEAD_7                                                                                     \
    HEAD_4 "00000000"                                                                              \
           "ffffffff"
#define HEAD_15                                                                                    \
    "00000000"                                                                                     \
    "00000001"                                                                                     \
    "00100000"                                                                                     \
    "00"                                                                                           \
    "00000000"                                                                                     \
    "ffffffff"

static void hostile_bodies_fail(void)
{
    static const row hostile[] = {
        {4, HEAD_4 "7fffffff"}, /* 2^31 - 1 topics */
        {4, HEAD_4 "ffffffff"}, /* null topics */
        {4, HEAD_4 "00000001"
                   "ffff"
                   "00000000"}, /* a null name */
        {4, HEAD_4 "00000001"
                   "000161"
                   "7fffffff"}, /* as many partitions */
        {7, HEAD_7 "00000000"
                   "7fffffff"}, /* as many forgotten topics */
        {7, HEAD_7 "00000000"
                   "ffffffff"}, /* null ones */
        {7, HEAD_7 "00000000"
                   "00000001"
                   "000161"
                   "7fffffff"},
        {11, HEAD_7 "00000000"
                    "00000000"
                    "ffff"}, /* a null rack */
        {12, HEAD_7 "ffffffff0f"
                    "01"
                    "01"
                    "00"},
        {12, HEAD_7 "01"
                    "ffffffff0f"
                    "01"
                    "00"},
        {12, HEAD_7 "01"
                    "01"
                    "00"
                    "00"}, /* a null rack */
        {12, HEAD_7 "01"
                    "01"
                    "01"
                    "ffffffff0f"},
        {12, HEAD_7 "01"
                    "01"
                    "01"
                    "01"
                    "00"
                    "02"
                    "0361"}, /* a cluster id past its tag */
        {12, HEAD_7 "01"
                    "01"
                    "01"
                    "01"
                    "00"
                    "03"
                    "026161"}, /* bytes left over in it */
        {15, HEAD_15 "01"
                     "01"
                     "01"
                     "01"
                     "01"
                     "0c"
                     "000000050000000000000008"}, /* no tags */
        {15, HEAD_15 "01"
                     "01"
                     "01"
                     "01"
                     "01"
                     "04"
                     "00000005"},
        {15, HEAD_15 "01"
                     "01"
                     "01"
                     "02"
                     "01"
                     "0d"
                     "00000005000000000000000800"
                     "00"
                     "00"},
    };
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        bytes body = bytes_of_hex(hostile[i].hex);
        mg_fetch_request request;
        CHECK(mg_fetch_parse(span_of(body), hostile[i].version, &request) == MG_CORRUPT);
        free(body.data);
    }
}

static void tags_of_later_versions_are_skipped(void)
{
    /* In version 12 tag 1, ReplicaState, is not known yet; its bytes may be anything. */
    bytes body = bytes_of_hex(HEAD_7 "01"
                                     "01"
                                     "01"
                                     "02"
                                     "00"
                                     "03"
                                     "026363"
                                     "01"
                                     "02"
                                     "ffff");
    mg_fetch_request request;
    CHECK(mg_fetch_parse(span_of(body), 12, &request) == MG_CORRUPT); /* cluster id left over */
    body.data[body.size - 7] = 3;
    CHECK(mg_fetch_parse(span_of(body), 12, &request) == MG_OK);
    CHECK(span_is(request.cluster_id, "cc") && request.replica_id == -1);
    free(body.data);
}

static void versions_that_are_not_served_are_refused(void)
{
    bytes body = bytes_of_hex(fetch_requests[0].hex);
    static const int16_t others[] = {INT16_MIN, -1, 0, 3, 19, INT16_MAX};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        mg_fetch_request request;
        CHECK(mg_fetch_parse(span_of(body), others[i], &request) == MG_UNSUPPORTED);
    }
    free(body.data);
}

/* The pieces of a reply, and where its records belong between them. */
typedef struct reply_pieces {
    size_t records_at[3];
    bool ended;
} reply_pieces;

static reply_pieces write_golden_reply(mg_writer *writer, int16_t version)
{
    reply_pieces pieces = {.ended = false};
    mg_topic_ref alpha = {.name = text("alpha")};
    mg_topic_ref beta = {.name = text("beta")};
    if (version >= 13) {
        alpha = (mg_topic_ref){.id = alpha_id};
        beta = (mg_topic_ref){.id = beta_id};
    }
    mg_aborted_transaction aborted[] = {{.producer_id = 1000, .first_offset = 50},
                                        {.producer_id = 1001, .first_offset = 60}};
    mg_fetch_result found = mg_fetch_found(0, 100, 90, 1, (int64_t)strlen("RECORDS"));
    found.aborted = aborted;
    found.aborted_count = 2;
    found.preferred_read_replica = 3;
    mg_fetch_result refused = mg_fetch_refused(1, 1);
    mg_fetch_result moved = mg_fetch_found(5, 7, 7, 0, -1);
    moved.aborted_count = 0;
    moved.diverging_epoch = 4;
    moved.diverging_end_offset = 44;
    moved.leader_id = 2;
    moved.leader_epoch = 9;
    moved.snapshot_end_offset = 33;
    moved.snapshot_epoch = 3;
    mg_node_endpoint endpoints[] = {
        {.node_id = 2, .host = text("host"), .port = 9092, .rack = text("rack")},
        {.node_id = 3, .host = text("h"), .port = 9093}};

    mg_fetch_reply reply = mg_fetch_reply_begin(writer, version, 78, 6, 0, 12345, 2);
    mg_fetch_reply_topic(&reply, alpha, 2);
    mg_fetch_reply_partition_begin(&reply, &found);
    pieces.records_at[0] = mg_writer_size(writer);
    mg_fetch_reply_partition_end(&reply, &found);
    mg_fetch_reply_partition_begin(&reply, &refused);
    pieces.records_at[1] = mg_writer_size(writer);
    mg_fetch_reply_partition_end(&reply, &refused);
    mg_fetch_reply_topic_end(&reply);
    mg_fetch_reply_topic(&reply, beta, 1);
    mg_fetch_reply_partition_begin(&reply, &moved);
    pieces.records_at[2] = mg_writer_size(writer);
    mg_fetch_reply_partition_end(&reply, &moved);
    mg_fetch_reply_topic_end(&reply);
    pieces.ended = mg_fetch_reply_end(&reply, endpoints, 2);
    return pieces;
}

static void golden_replies_are_written(void)
{
    size_t records_size = strlen("RECORDS");
    for (size_t i = 0; i < COUNT_OF(fetch_replies); i++) {
        int16_t version = fetch_replies[i].version;
        bytes golden = bytes_of_hex(fetch_replies[i].hex);
        size_t header_size = golden.size - records_size;
        bytes room = bytes_copy(golden.data, header_size);
        memset(room.data, 0xee, room.size);
        mg_writer writer = mg_writer_over(room.data, room.size);
        reply_pieces pieces = write_golden_reply(&writer, version);
        CHECK(pieces.ended && mg_writer_left(&writer) == 0);

        size_t at = pieces.records_at[0];
        CHECK(memcmp(room.data, golden.data, at) == 0);
        CHECK(memcmp(golden.data + at, "RECORDS", records_size) == 0);
        CHECK(memcmp(room.data + at, golden.data + at + records_size, header_size - at) == 0);

        for (size_t size = 0; size < header_size; size++) { /* full at every byte */
            bytes less = bytes_copy(golden.data, size);
            writer = mg_writer_over(less.data, size);
            CHECK(!write_golden_reply(&writer, version).ended);
            free(less.data);
        }
        CHECK(mg_fetch_reply_size_max(2, 3, version >= 13 ? 0 : strlen("alphabeta"), 2) + 64 >=
              header_size);
        free(room.data);
        free(golden.data);
    }
}

/* Small records may be copied where they belong; the frame is the same. */
static void records_may_stand_in_the_writer(void)
{
    static const int16_t versions[] = {4, 11, 12, 18};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        uint8_t raw[512];
        mg_topic_ref topic = {.name = text("t")};
        if (versions[i] >= 13) topic = (mg_topic_ref){.id = alpha_id};
        mg_writer writer = mg_writer_over(raw, sizeof raw);
        mg_fetch_reply reply = mg_fetch_reply_begin(&writer, versions[i], 1, 0, 0, 0, 1);
        mg_fetch_reply_topic(&reply, topic, 2);
        for (int32_t index = 0; index < 2; index++) {
            mg_fetch_result result = mg_fetch_found(index, 1, 1, 0, index == 0 ? 5 : 1000);
            mg_fetch_reply_partition_begin(&reply, &result);
            if (index == 0) mg_write_bytes(&writer, "abcde", 5);
            mg_fetch_reply_partition_end(&reply, &result);
        }
        mg_fetch_reply_topic_end(&reply);
        CHECK(mg_fetch_reply_end(&reply, NULL, 0));
        CHECK(mg_load_u32(raw) == mg_writer_size(&writer) - 4 + 1000);
    }
}

static void empty_records_are_not_null(void)
{
    uint8_t raw[256];
    static const struct {
        int16_t version;
        int64_t records_size;
        const char *field;
    } rows[] = {{11, 0, "00000000"}, {11, -1, "ffffffff"}, {11, 5, "00000005"},
                {12, 0, "01"},       {12, -1, "00"},       {12, 300, "ad02"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        mg_writer writer = mg_writer_over(raw, sizeof raw);
        mg_fetch_reply reply = mg_fetch_reply_begin(&writer, rows[i].version, 1, 0, 0, 0, 1);
        mg_fetch_reply_topic(&reply, (mg_topic_ref){.name = text("t")}, 1);
        mg_fetch_result result = mg_fetch_found(0, 1, 1, 0, rows[i].records_size);
        mg_fetch_reply_partition_begin(&reply, &result);
        bytes field = bytes_of_hex(rows[i].field);
        CHECK(memcmp(writer.next - field.size, field.data, field.size) == 0);
        free(field.data);
    }
}

static void a_frame_past_int32_is_refused(void)
{
    uint8_t raw[512];
    mg_writer writer = mg_writer_over(raw, sizeof raw);
    mg_fetch_reply reply = mg_fetch_reply_begin(&writer, 12, 1, 0, 0, 0, 1);
    mg_fetch_reply_topic(&reply, (mg_topic_ref){.name = text("t")}, 2);
    for (int32_t i = 0; i < 2; i++) {
        mg_fetch_result result = mg_fetch_found(i, 1, 1, 0, INT32_MAX / 2);
        mg_fetch_reply_partition_begin(&reply, &result);
        mg_fetch_reply_partition_end(&reply, &result);
    }
    mg_fetch_reply_topic_end(&reply);
    CHECK(!mg_fetch_reply_end(&reply, NULL, 0));
}

static void sizes_are_upper_bounds(void)
{
    for (int16_t version = 4; version <= 18; version++) {
        uint8_t raw[4096];
        mg_aborted_transaction aborted[3] = {{.producer_id = 1}};
        size_t bound = mg_fetch_reply_size_max(2, 4, version >= 13 ? 0 : 2 * strlen("topic"), 12);
        mg_writer writer = mg_writer_over(raw, sizeof raw);
        mg_fetch_reply reply = mg_fetch_reply_begin(&writer, version, 1, 0, 0, 0, 2);
        for (int topic = 0; topic < 2; topic++) {
            mg_topic_ref ref = {.name = text("topic")};
            if (version >= 13) ref = (mg_topic_ref){.id = alpha_id};
            mg_fetch_reply_topic(&reply, ref, 2);
            for (int32_t i = 0; i < 2; i++) {
                mg_fetch_result result = mg_fetch_found(i, 1, 1, 0, 100000000);
                result.aborted = aborted;
                result.aborted_count = 3;
                result.leader_id = 1;
                result.diverging_epoch = 1;
                result.snapshot_epoch = 1;
                mg_fetch_reply_partition_begin(&reply, &result);
                mg_fetch_reply_partition_end(&reply, &result);
            }
            mg_fetch_reply_topic_end(&reply);
        }
        CHECK(mg_fetch_reply_end(&reply, NULL, 0));
        CHECK(mg_writer_size(&writer) <= bound);
    }
}

int main(void)
{
    golden_requests_are_read();
    every_truncation_fails_and_extra_bytes_are_ignored();
    every_flipped_bit_is_refused_or_walked();
    hostile_bodies_fail();
    tags_of_later_versions_are_skipped();
    versions_that_are_not_served_are_refused();
    golden_replies_are_written();
    records_may_stand_in_the_writer();
    empty_records_are_not_null();
    a_frame_past_int32_is_refused();
    sizes_are_upper_bounds();
    puts("fetch_test: ok");
}
