/* Arbitrary bytes as a request after its size: header, then Produce or Fetch in any version.
 * Properties: no read past the end; what parse accepts can be walked, counts agree, and every
 * reply to it fits in the size that was reckoned. */
#include "wire/fetch.h"
#include "wire/produce.h"

#include <stdlib.h>

enum { ROOM = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t room[ROOM];

static void must(bool claim)
{
    if (!claim) abort();
}

static void must_be_within(mg_span frame, mg_span part)
{
    if (part.data == NULL) {
        must(part.size == 0);
        return;
    }
    must(part.data >= frame.data && part.data + part.size <= frame.data + frame.size);
}

static void produce(mg_span body, int16_t version)
{
    mg_produce_request request;
    if (mg_produce_parse(body, version, &request) != MG_OK) return;
    must_be_within(body, request.transactional_id);
    size_t errors_size = (size_t)request.partition_count * MG_PRODUCE_RECORD_ERROR_SIZE_MAX;
    size_t bound = mg_produce_reply_size_max(&request, errors_size);
    mg_writer writer = mg_writer_over(room, sizeof room);
    mg_produce_reply reply = mg_produce_reply_begin(&writer, version, 1, request.topic_count);
    mg_produce_walk walk = mg_produce_walk_begin(&request);
    mg_produce_part part;
    int32_t part_count = 0;
    int32_t topic_count = 0;
    while (mg_produce_next(&walk, &part)) {
        must_be_within(body, part.topic.name);
        must_be_within(body, part.records);
        if (part.first_of_topic) {
            mg_produce_reply_topic(&reply, part.topic, part.topic_partition_count);
            topic_count++;
        }
        mg_produce_record_error error = {.record_index = 1};
        mg_produce_result result = mg_produce_refused(part.index, 87);
        result.record_errors = &error;
        result.record_error_count = 1;
        result.leader_id = 1;
        mg_produce_reply_partition(&reply, &result);
        if (part.last_of_topic) mg_produce_reply_topic_end(&reply);
        part_count++;
    }
    mg_produce_reply_end(&reply, 0, NULL, 0);
    must(part_count == request.partition_count);
    must(topic_count == request.topic_count);
    must(!mg_writer_ok(&writer) || mg_writer_size(&writer) <= bound);
    must(mg_writer_ok(&writer) || bound > ROOM);
}

static void fetch(mg_span body, int16_t version)
{
    mg_fetch_request request;
    if (mg_fetch_parse(body, version, &request) != MG_OK) return;
    must_be_within(body, request.cluster_id);
    must_be_within(body, request.rack_id);
    size_t bound = mg_fetch_reply_size_max(request.topic_count, request.partition_count,
                                           request.topic_names_size, 0);
    mg_writer writer = mg_writer_over(room, sizeof room);
    mg_fetch_reply reply = mg_fetch_reply_begin(&writer, version, 1, 0, 0, 0, request.topic_count);
    mg_fetch_walk walk = mg_fetch_walk_begin(&request);
    mg_fetch_part part;
    int32_t part_count = 0;
    while (mg_fetch_next(&walk, &part)) {
        must_be_within(body, part.topic.name);
        if (part.first_of_topic) {
            if (part_count > 0) mg_fetch_reply_topic_end(&reply);
            mg_fetch_reply_topic(&reply, part.topic, part.topic_partition_count);
        }
        mg_fetch_result result = mg_fetch_refused(part.index, 1);
        result.leader_id = 1;
        mg_fetch_reply_partition_begin(&reply, &result);
        mg_fetch_reply_partition_end(&reply, &result);
        part_count++;
    }
    if (part_count > 0) mg_fetch_reply_topic_end(&reply);
    bool ended = mg_fetch_reply_end(&reply, NULL, 0);
    must(part_count == request.partition_count);
    must(ended ? mg_writer_size(&writer) <= bound : bound > ROOM);

    walk = mg_fetch_forgotten_begin(&request);
    mg_topic_ref topic;
    int32_t index;
    int32_t forgotten_count = 0;
    while (mg_fetch_forgotten_next(&walk, &topic, &index)) {
        must_be_within(body, topic.name);
        forgotten_count++;
    }
    must(forgotten_count == request.forgotten_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < MG_REQUEST_START_SIZE) return 0;
    mg_span frame = {.data = data, .size = size};
    mg_request_start start = mg_request_start_decode(data);
    bool flexible = mg_request_is_flexible(start.api_key, start.api_version);
    (void)mg_reply_header_has_tags(start.api_key, start.api_version);
    mg_request_header header;
    if (mg_request_header_decode(frame, flexible, &header) != MG_OK) return 0;
    must_be_within(frame, header.client_id);
    must_be_within(frame, header.body);
    if (start.api_key == MG_API_PRODUCE) produce(header.body, start.api_version);
    if (start.api_key == MG_API_FETCH) fetch(header.body, start.api_version);
    return 0;
}
