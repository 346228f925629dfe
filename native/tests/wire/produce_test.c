#include "wire/produce.h"

#include "tests/wire/bytes.h"
#include "tests/wire/golden_frames.h"

#include <time.h>

static void check_topic(mg_topic_ref topic, int16_t version, const char *name, uint8_t first)
{
    if (version >= 13) {
        CHECK(topic.name.data == NULL && id_starts_with(topic.id, first));
    } else {
        CHECK(topic.id == NULL && span_is(topic.name, name));
    }
}

static void golden_requests_are_read(void)
{
    for (size_t i = 0; i < COUNT_OF(produce_requests); i++) {
        int16_t version = produce_requests[i].version;
        bytes body = bytes_of_hex(produce_requests[i].hex);
        mg_produce_request request;
        CHECK(mg_produce_parse(span_of(body), version, &request) == MG_OK);
        CHECK(span_is(request.transactional_id, "tx-1"));
        CHECK(request.acks == -1 && request.timeout_ms == 30000 && request.version == version);
        CHECK(request.topic_count == 2 && request.partition_count == 3);
        CHECK(request.topic_names_size == (version >= 13 ? 0 : strlen("alphabeta")));

        mg_produce_walk walk = mg_produce_walk_begin(&request);
        mg_produce_part part;
        CHECK(mg_produce_next(&walk, &part));
        check_topic(part.topic, version, "alpha", 0);
        CHECK(part.index == 0 && span_is(part.records, "records zero"));
        CHECK(part.first_of_topic && !part.last_of_topic && part.topic_partition_count == 2);
        CHECK(mg_produce_next(&walk, &part));
        check_topic(part.topic, version, "alpha", 0);
        CHECK(part.index == 7 && part.records.data == NULL);
        CHECK(!part.first_of_topic && part.last_of_topic && part.topic_partition_count == 2);
        CHECK(mg_produce_next(&walk, &part));
        check_topic(part.topic, version, "beta", 16);
        CHECK(part.index == 3 && part.records.data != NULL && part.records.size == 0);
        CHECK(part.first_of_topic && part.last_of_topic && part.topic_partition_count == 1);
        CHECK(!mg_produce_next(&walk, &part));
        free(body.data);
    }
}

static void every_truncation_fails_and_extra_bytes_are_ignored(void)
{
    for (size_t i = 0; i < COUNT_OF(produce_requests); i++) {
        bytes body = bytes_of_hex(produce_requests[i].hex);
        mg_produce_request request = {.acks = 77};
        for (size_t size = 0; size < body.size; size++) {
            bytes cut = bytes_copy(body.data, size);
            CHECK(mg_produce_parse(span_of(cut), produce_requests[i].version, &request) ==
                  MG_CORRUPT);
            free(cut.data);
        }
        bytes longer = {.data = calloc(1, body.size + 1), .size = body.size + 1};
        CHECK(longer.data != NULL);
        memcpy(longer.data, body.data, body.size);
        CHECK(request.acks == 77);
        CHECK(mg_produce_parse(span_of(longer), produce_requests[i].version, &request) == MG_OK);
        free(longer.data);
        free(body.data);
    }
}

/* One flipped byte may leave a frame valid; then a walk must still end where parse counted. */
static void every_flipped_byte_is_refused_or_walked(void)
{
    for (size_t i = 0; i < COUNT_OF(produce_requests); i++) {
        bytes body = bytes_of_hex(produce_requests[i].hex);
        for (size_t at = 0; at < 8 * body.size; at++) {
            body.data[at / 8] ^= (uint8_t)(1 << at % 8);
            mg_produce_request request;
            if (mg_produce_parse(span_of(body), produce_requests[i].version, &request) == MG_OK) {
                mg_produce_walk walk = mg_produce_walk_begin(&request);
                mg_produce_part part;
                int32_t count = 0;
                while (mg_produce_next(&walk, &part))
                    count++;
                CHECK(count == request.partition_count);
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

static void hostile_bodies_fail(void)
{
    static const row hostile[] = {
        {7, "ffff"
            "0001"
            "00000000"
            "7fffffff"}, /* 2^31 - 1 topics */
        {7, "ffff"
            "0001"
            "00000000"
            "ffffffff"}, /* null topics */
        {7, "ffff"
            "0001"
            "00000000"
            "00000001"
            "ffff"
            "00000000"}, /* a null name */
        {7, "ffff"
            "0001"
            "00000000"
            "00000001"
            "000161"
            "7fffffff"}, /* as many partitions */
        {7, "ffff"
            "0001"
            "00000000"
            "00000001"
            "000161"
            "ffffffff"}, /* null partitions */
        {7, "ffff"
            "0001"
            "00000000"
            "00000001"
            "000161"
            "00000001"
            "00000000"
            "fffffffe"},
        {7, "ffff"
            "0001"
            "00000000"
            "00000001"
            "000161"
            "00000001"
            "00000000"
            "7fffffff"},
        {9, "00"
            "0001"
            "00000000"
            "ffffffff0f"
            "00"}, /* 2^32 - 2 topics */
        {9, "00"
            "0001"
            "00000000"
            "00"
            "00"}, /* null topics */
        {9, "00"
            "0001"
            "00000000"
            "02"
            "0261"
            "ffffffff0f"
            "0000"}, /* as many partitions */
        {9, "00"
            "0001"
            "00000000"
            "02"
            "00"
            "01"
            "00"
            "00"}, /* a null name */
        {9, "00"
            "0001"
            "00000000"
            "02"
            "0261"
            "02"
            "00000000"
            "ffffffff0f"
            "000000"},
        {9, "ffffffff0f"
            "0001"
            "00000000"
            "01"
            "00"}, /* a transactional id of 4 GB */
        {9, "00"
            "0001"
            "00000000"
            "01"
            "ffffffff0f"}, /* as many tags */
        {13, "00"
             "0001"
             "00000000"
             "03"
             "000102030405060708090a0b0c0d0e0f"
             "01"
             "00"
             "00"},
    };
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        bytes body = bytes_of_hex(hostile[i].hex);
        mg_produce_request request;
        CHECK(mg_produce_parse(span_of(body), hostile[i].version, &request) == MG_CORRUPT);
        free(body.data);
    }
}

/* A name that no int16 can count could not be echoed. */
static void a_name_past_int16_fails(void)
{
    size_t name_size = INT16_MAX + 1;
    bytes body = {.data = calloc(1, name_size + 64), .size = name_size + 64};
    CHECK(body.data != NULL);
    mg_writer writer = mg_writer_over(body.data, body.size);
    mg_write_uvarint(&writer, 0);
    mg_write_i16(&writer, 1);
    mg_write_i32(&writer, 0);
    mg_write_uvarint(&writer, 2);
    mg_write_uvarint(&writer, (uint32_t)name_size + 1);
    CHECK(mg_writer_take(&writer, name_size) != NULL);
    mg_write_uvarint(&writer, 1);
    mg_write_i16(&writer, 0); /* tags of the topic and of the request */
    body.size = mg_writer_size(&writer);
    mg_produce_request request;
    CHECK(mg_produce_parse(span_of(body), 9, &request) == MG_CORRUPT);
    free(body.data);
}

static void unknown_tags_are_skipped_everywhere(void)
{
    /* One topic, one partition; a tag after partition, topic and request. */
    bytes body = bytes_of_hex("00"
                              "0001"
                              "00000000"
                              "02"
                              "0261"
                              "02"
                              "00000005"
                              "0361"
                              "62"
                              "016302aabb"
                              "016400"
                              "026500660107");
    mg_produce_request request;
    CHECK(mg_produce_parse(span_of(body), 9, &request) == MG_OK);
    mg_produce_walk walk = mg_produce_walk_begin(&request);
    mg_produce_part part;
    CHECK(mg_produce_next(&walk, &part));
    CHECK(part.index == 5 && span_is(part.records, "ab"));
    CHECK(!mg_produce_next(&walk, &part));
    free(body.data);
}

static void topics_without_partitions_are_passed_over(void)
{
    bytes classic = bytes_of_hex("ffff"
                                 "0000"
                                 "00000001"
                                 "00000003"
                                 "000161"
                                 "00000000"
                                 "000162"
                                 "00000001"
                                 "00000004"
                                 "ffffffff"
                                 "000163"
                                 "00000000");
    mg_produce_request request;
    CHECK(mg_produce_parse(span_of(classic), 3, &request) == MG_OK);
    CHECK(request.topic_count == 1 && request.partition_count == 1);
    CHECK(request.transactional_id.data == NULL && request.acks == 0);
    mg_produce_walk walk = mg_produce_walk_begin(&request);
    mg_produce_part part;
    CHECK(mg_produce_next(&walk, &part));
    CHECK(span_is(part.topic.name, "b") && part.index == 4 && part.records.data == NULL);
    CHECK(!mg_produce_next(&walk, &part));
    free(classic.data);

    bytes none = bytes_of_hex("ffff"
                              "0000"
                              "00000001"
                              "00000000");
    CHECK(mg_produce_parse(span_of(none), 3, &request) == MG_OK);
    walk = mg_produce_walk_begin(&request);
    CHECK(request.topic_count == 0 && !mg_produce_next(&walk, &part));
    free(none.data);
}

static void versions_that_are_not_served_are_refused(void)
{
    bytes body = bytes_of_hex(produce_requests[0].hex);
    static const int16_t others[] = {INT16_MIN, -1, 0, 2, 14, INT16_MAX};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        mg_produce_request request;
        CHECK(mg_produce_parse(span_of(body), others[i], &request) == MG_UNSUPPORTED);
    }
    free(body.data);
}

static void too_many_partitions_are_too_large(void)
{
    int32_t count = MG_REQUEST_PARTITIONS_MAX + 1;
    size_t size = (size_t)count * 8 + 64;
    bytes body = {.data = calloc(1, size), .size = size};
    CHECK(body.data != NULL);
    mg_writer writer = mg_writer_over(body.data, body.size);
    mg_write_i16(&writer, -1);
    mg_write_i16(&writer, 1);
    mg_write_i32(&writer, 0);
    mg_write_i32(&writer, 1);
    mg_write_i16(&writer, 1);
    mg_write_i8(&writer, 'a');
    mg_write_i32(&writer, count);
    CHECK(mg_writer_take(&writer, (size_t)count * 8) != NULL);
    body.size = mg_writer_size(&writer);
    mg_produce_request request;
    CHECK(mg_produce_parse(span_of(body), 3, &request) == MG_TOO_LARGE);
    free(body.data);
}

static void write_golden_reply(mg_writer *writer, int16_t version)
{
    mg_topic_ref alpha = {.name = text("alpha")};
    mg_topic_ref beta = {.name = text("beta")};
    if (version >= 13) {
        alpha = (mg_topic_ref){.id = alpha_id};
        beta = (mg_topic_ref){.id = beta_id};
    }
    mg_produce_record_error errors[] = {{.record_index = 3, .message = text("bad")},
                                        {.record_index = 4}};
    mg_produce_result done = mg_produce_done(0, 41, 1700000000000, 2);
    mg_produce_result invalid = mg_produce_refused(7, 87);
    invalid.record_errors = errors;
    invalid.record_error_count = 2;
    invalid.error_message = text("worse");
    mg_produce_result moved = mg_produce_refused(3, 6);
    moved.leader_id = 2;
    moved.leader_epoch = 9;
    mg_node_endpoint endpoints[] = {
        {.node_id = 2, .host = text("host"), .port = 9092, .rack = text("rack")},
        {.node_id = 3, .host = text("h"), .port = 9093}};

    mg_produce_reply reply = mg_produce_reply_begin(writer, version, 77, 2);
    mg_produce_reply_topic(&reply, alpha, 2);
    mg_produce_reply_partition(&reply, &done);
    mg_produce_reply_partition(&reply, &invalid);
    mg_produce_reply_topic_end(&reply);
    mg_produce_reply_topic(&reply, beta, 1);
    mg_produce_reply_partition(&reply, &moved);
    mg_produce_reply_topic_end(&reply);
    mg_produce_reply_end(&reply, 5, endpoints, 2);
}

static void golden_replies_are_written(void)
{
    for (size_t i = 0; i < COUNT_OF(produce_replies); i++) {
        int16_t version = produce_replies[i].version;
        bytes golden = bytes_of_hex(produce_replies[i].hex);
        bytes room = bytes_copy(golden.data, golden.size);
        memset(room.data, 0xee, room.size);
        mg_writer writer = mg_writer_over(room.data, room.size);
        write_golden_reply(&writer, version);
        CHECK(mg_writer_ok(&writer) && mg_writer_left(&writer) == 0);
        CHECK(memcmp(room.data, golden.data, golden.size) == 0);

        /* A second frame behind a first knows its own size. */
        bytes both = {.data = malloc(2 * golden.size), .size = 2 * golden.size};
        CHECK(both.data != NULL);
        writer = mg_writer_over(both.data, both.size);
        write_golden_reply(&writer, version);
        write_golden_reply(&writer, version);
        CHECK(memcmp(both.data + golden.size, golden.data, golden.size) == 0);

        for (size_t size = 0; size < golden.size; size++) { /* full at every byte */
            bytes less = bytes_copy(golden.data, size);
            writer = mg_writer_over(less.data, size);
            write_golden_reply(&writer, version);
            CHECK(!mg_writer_ok(&writer));
            free(less.data);
        }

        bytes body = bytes_of_hex(produce_requests[i].hex);
        mg_produce_request request;
        CHECK(mg_produce_parse(span_of(body), version, &request) == MG_OK);
        size_t errors_size = 2 * MG_PRODUCE_RECORD_ERROR_SIZE_MAX + strlen("badworse");
        CHECK(mg_produce_reply_size_max(&request, errors_size + 64) >= golden.size);
        free(body.data);
        free(both.data);
        free(room.data);
        free(golden.data);
    }
}

static void single_is_the_same_as_its_parts(void)
{
    for (int16_t version = 3; version <= 13; version++) {
        mg_produce_part part = {.index = 9, .topic = {.name = text("some-topic")}};
        if (version >= 13) part.topic = (mg_topic_ref){.id = beta_id};
        uint8_t single[256];
        uint8_t parts[256];
        mg_writer one = mg_writer_over(single, sizeof single);
        mg_produce_reply_single(&one, version, -5, &part, 123456789012, -1, 17);
        mg_writer two = mg_writer_over(parts, sizeof parts);
        mg_produce_reply reply = mg_produce_reply_begin(&two, version, -5, 1);
        mg_produce_reply_topic(&reply, part.topic, 1);
        mg_produce_result result = mg_produce_done(9, 123456789012, -1, 17);
        mg_produce_reply_partition(&reply, &result);
        mg_produce_reply_topic_end(&reply);
        mg_produce_reply_end(&reply, 0, NULL, 0);
        CHECK(mg_writer_size(&one) == mg_writer_size(&two));
        CHECK(memcmp(single, parts, mg_writer_size(&one)) == 0);
    }
}

/* Not a test: what a request of one partition costs, for whoever changes the code. */
static void show_cost(void)
{
    uint8_t raw[4096];
    static const int16_t versions[] = {7, 9, 13};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        bool flexible = versions[i] >= 9;
        mg_writer writer = mg_writer_over(raw, sizeof raw);
        mg_write_nullable_string(&writer, flexible, (mg_span){.data = NULL});
        mg_write_i16(&writer, -1);
        mg_write_i32(&writer, 30000);
        mg_write_count(&writer, flexible, 1);
        mg_topic_ref topic = {.name = text("some-topic")};
        if (versions[i] >= 13) topic = (mg_topic_ref){.id = alpha_id};
        mg_write_topic(&writer, flexible, topic);
        mg_write_count(&writer, flexible, 1);
        mg_write_i32(&writer, 0);
        mg_write_count(&writer, flexible, 1000);
        CHECK(mg_writer_take(&writer, 1000) != NULL);
        for (int section = 0; section < 3; section++)
            mg_write_no_tags(&writer, flexible);

        enum { ROUNDS = 200000 };
        mg_span body = {.data = raw, .size = mg_writer_size(&writer)};
        struct timespec start;
        struct timespec end;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
        for (int round = 0; round < ROUNDS; round++) {
            mg_produce_request request;
            CHECK(mg_produce_parse(body, versions[i], &request) == MG_OK);
            mg_produce_walk walk = mg_produce_walk_begin(&request);
            mg_produce_part part;
            CHECK(mg_produce_next(&walk, &part));
            uint8_t reply[256];
            mg_writer out = mg_writer_over(reply, sizeof reply);
            mg_produce_reply_single(&out, versions[i], round, &part, round, -1, 0);
            CHECK(mg_writer_ok(&out));
            __asm__ volatile("" : : "r"(reply) : "memory");
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
        double ns =
            (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
        printf("produce v%d: %.0f ns for parse and reply\n", versions[i], ns / ROUNDS);
    }
}

int main(void)
{
    golden_requests_are_read();
    every_truncation_fails_and_extra_bytes_are_ignored();
    every_flipped_byte_is_refused_or_walked();
    hostile_bodies_fail();
    a_name_past_int16_fails();
    unknown_tags_are_skipped_everywhere();
    topics_without_partitions_are_passed_over();
    versions_that_are_not_served_are_refused();
    too_many_partitions_are_too_large();
    golden_replies_are_written();
    single_is_the_same_as_its_parts();
    show_cost();
    puts("produce_test: ok");
}
