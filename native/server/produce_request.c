/* produce_request.c -- a Produce request on the express lane.
 *
 *   frame ─▶ parse ─▶ for each partition: look up, validate ─▶ submit to it
 *                                                │ refused           │
 *                                                │                   ▼ letter: appended
 *                                                │        acks=all: wait in the watch's list
 *                                                ▼                   ▼ durable, timed out, failed
 *                                              ready when no partition is left ─▶ reply
 *
 * The batch's bytes stay in the chunk that they were received in until they are
 * appended; nothing of the frame is needed after that but the topics' names,
 * which are copied behind the request.
 */
#include "base/copy.h"
#include "log/producer_state.h"
#include "server/kafka_error.h"
#include "server/session.h"
#include "wire/produce.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAMES_COMMON = 256,  /* room for names in a request of the common size: one topic's */
    SPARE_MAX = 1024,    /* requests of the common size kept for reuse, per reactor */
    ACKS_NONE = 0,
    ACKS_LEADER = 1,
    ACKS_ALL = -1,
    ZSTD_VERSION_MIN = 7,
    TIMEOUT_FLOOR_MS = 1,
};

struct mg_produce_pending {
    mg_append append; /* first: the letter comes back as this; its opening is owned */
    struct mg_produce_request_state *request;
    mg_partition *partition; /* NULL: refused before it came to one */
    mg_chunk *chunk;         /* retained while the batch is on its way */
    mg_topic_ref topic;      /* over the names behind the parts */
    mg_lane_watch *watch;    /* in whose durable list it waits; NULL: in none */
    struct mg_produce_pending *durable_previous;
    struct mg_produce_pending *durable_next;
    int64_t durable_from; /* durable once the log's durable end is at least this */
    const char *message;
    mg_produce_record_error *record_errors; /* owned: of the records that were refused */
    int32_t record_error_count;
    int64_t max_timestamp; /* the records' own, which the batch may misstate */
    int32_t index;
    int32_t topic_partition_count;
    mg_kafka_error error;
    bool first_of_topic;
    bool last_of_topic;
};

struct mg_produce_request_state {
    mg_request base; /* first */
    struct mg_produce_request_state *spare_next;
    int16_t acks;
    int32_t timeout_ms;
    int32_t topic_count;
    int32_t part_count;
    int32_t appending; /* parts whose append is not answered */
    int32_t waiting;   /* parts that wait to become durable */
    size_t names_size;
    size_t names_room; /* behind the parts */
    bool has_owners;   /* some part owns memory */
    bool is_common;    /* of the size that is kept for reuse */
    struct mg_produce_pending parts[];
};

typedef struct mg_produce_pending part_state;
typedef struct mg_produce_request_state request_state;

static request_state *state_of(mg_request *request)
{
    return (request_state *)(void *)request;
}

/* ---- Memory ---- */

static size_t state_size(int32_t part_count, size_t names_size)
{
    return sizeof(request_state) + (size_t)part_count * sizeof(part_state) + names_size;
}

static request_state *create_state(mg_lane *lane, int32_t part_count, size_t names_size)
{
    bool is_common = part_count <= 1 && names_size <= NAMES_COMMON;
    request_state *state = NULL;
    if (is_common && lane->spare != NULL) {
        state = lane->spare; /* S6 */
        lane->spare = state->spare_next;
        lane->spare_count--;
    } else {
        size_t size = is_common ? state_size(1, NAMES_COMMON) : state_size(part_count, names_size);
        state = malloc(size);
        if (state == NULL) return NULL;
    }
    *state = (request_state){
        .is_common = is_common,
        .part_count = part_count,
        /* A common one with no part keeps its names where the part would be. */
        .names_room = is_common ? NAMES_COMMON : names_size,
    };
    return state;
}

void mg_produce_free(mg_request *request)
{
    request_state *state = state_of(request);
    MG_ASSERT(state->appending == 0);
    MG_ASSERT(state->waiting == 0);
    for (int32_t i = 0; state->has_owners && i < state->part_count; i++) {
        free(state->parts[i].record_errors);
        free(state->parts[i].append.opening);
    }
    mg_lane *lane = request->session->lane;
    if (!state->is_common || lane->spare_count >= SPARE_MAX) {
        free(state);
        return;
    }
    state->spare_next = lane->spare;
    lane->spare = state;
    lane->spare_count++;
}

void mg_produce_deinit(mg_lane *lane)
{
    while (lane->spare != NULL) {
        request_state *state = lane->spare;
        lane->spare = state->spare_next;
        free(state);
    }
}

/* ---- Taking a request in ---- */

enum { NO_LOG_START = -1 }; /* refused before the log was looked at */

static void refuse_part(part_state *part, mg_kafka_error error, const char *message)
{
    part->error = error;
    part->message = message;
    part->append.log_start_offset = NO_LOG_START;
}

/* As Kafka does: what is wrong with the bytes says nothing of the log, what breaks a rule does. */
static bool tells_log_start(const mg_batch_finding *finding)
{
    return !finding->is_of_request && finding->fault != MG_BATCH_CORRUPT &&
           finding->fault != MG_BATCH_TOO_LARGE;
}

static mg_kafka_error error_of_fault(mg_batch_fault fault)
{
    switch (fault) {
    case MG_BATCH_FINE:
        return MG_KAFKA_NONE;
    case MG_BATCH_CORRUPT:
        return MG_KAFKA_CORRUPT_MESSAGE;
    case MG_BATCH_TOO_LARGE:
        return MG_KAFKA_MESSAGE_TOO_LARGE;
    case MG_BATCH_INVALID_TIMESTAMP:
        return MG_KAFKA_INVALID_TIMESTAMP;
    case MG_BATCH_UNSUPPORTED_CODEC:
        return MG_KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    case MG_BATCH_OLD_FORMAT:
    case MG_BATCH_INVALID_RECORD:
        return MG_KAFKA_INVALID_RECORD;
    }
    return MG_KAFKA_CORRUPT_MESSAGE;
}

static mg_span text_of(const char *text)
{
    return (mg_span){.data = (const uint8_t *)text, .size = strlen(text)};
}

/* For the first of the refused records. Their texts are short: a hostile batch of tiny records is
 * answered with as many. */
static mg_produce_record_error *create_record_errors(const mg_batch_refusal *refusals,
                                                     int32_t count)
{
    mg_produce_record_error *errors = calloc((size_t)count, sizeof *errors);
    for (int32_t i = 0; errors != NULL && i < count; i++) {
        bool is_untimely = refusals[i].fault == MG_BATCH_INVALID_TIMESTAMP;
        errors[i] = (mg_produce_record_error){
            .message = text_of(is_untimely ? "timestamp out of range" : "no key"),
            .record_index = refusals[i].record_index,
        };
    }
    return errors;
}

/* Takes the refusals. Without memory for them, or for what is made of them, the partition's own
 * error is said all the same. */
static void take_refusals(part_state *part, mg_batch_refusal *refusals, int32_t count)
{
    if (refusals != NULL) part->record_errors = create_record_errors(refusals, count);
    free(refusals);
    if (part->record_errors == NULL) return;
    part->record_error_count = count;
    part->request->has_owners = true;
}

static void refuse_batch(part_state *part, const mg_partition *partition,
                         const mg_batch_finding *finding)
{
    refuse_part(part, error_of_fault(finding->fault), finding->message);
    if (tells_log_start(finding))
        part->append.log_start_offset = mg_log_start_offset(mg_partition_log(partition));
}

/* Where something is wanted of every record, a batch that keeps them closed is opened by a thread
 * that has the time: what was found comes with the letter. False: no memory. */
static bool ask_opener(part_state *part, const mg_batch_rules *rules)
{
    if (!rules->requires_keys) return true;
    if (mg_batch_codec(&part->append.item.header) == MG_CODEC_NONE) return true;
    mg_opening *opening = calloc(1, sizeof *opening);
    if (opening == NULL) return false;
    opening->rules = *rules;
    part->append.opening = opening;
    part->request->has_owners = true;
    return true;
}

/* Looks up and validates; leaves the part either refused or ready to be submitted. */
static void prepare_part(mg_lane *lane, request_state *state, part_state *part,
                         const mg_produce_part *asked)
{
    const mg_topic *topic = mg_image_topic(lane->image, asked->topic);
    if (topic == NULL) {
        refuse_part(part,
                    asked->topic.id != NULL ? MG_KAFKA_UNKNOWN_TOPIC_ID
                                            : MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                    NULL);
        return;
    }
    if (asked->index < 0 || asked->index >= topic->partition_count) {
        refuse_part(part, MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION, NULL);
        return;
    }
    if (state->acks < ACKS_ALL || state->acks > ACKS_LEADER) {
        refuse_part(part, MG_KAFKA_INVALID_REQUIRED_ACKS, NULL);
        return;
    }
    if (topic->rules.internal) {
        refuse_part(part, MG_KAFKA_INVALID_TOPIC, NULL);
        return;
    }
    mg_partition *partition = mg_topic_partition(topic, asked->index);
    if (partition == NULL) {
        refuse_part(part, MG_KAFKA_STORAGE_ERROR, NULL);
        return;
    }
    if (state->acks == ACKS_ALL && topic->rules.insync_min > 1) {
        refuse_part(part, MG_KAFKA_NOT_ENOUGH_REPLICAS, NULL);
        part->append.log_start_offset = mg_log_start_offset(mg_partition_log(partition));
        return;
    }
    mg_batch_rules rules = {
        .size_max = topic->rules.batch_size_max,
        .timestamp_before_max_ms = topic->rules.timestamp_before_max_ms,
        .timestamp_after_max_ms = topic->rules.timestamp_after_max_ms,
        .now_ms = mg_reactor_now(lane->reactor).wall_ms,
        .requires_keys = topic->rules.requires_keys,
        .append_time = topic->rules.append_time,
        .zstd_allowed = state->base.api_version >= ZSTD_VERSION_MIN,
    };
    mg_batch_finding finding =
        mg_batch_validate_produced(asked->records, &rules, &part->append.item.header);
    const mg_batch_header *header = &part->append.item.header;
    if (finding.fault != MG_BATCH_FINE) {
        refuse_batch(part, partition, &finding);
        int32_t count = mg_batch_named_count(&finding);
        if (count == 0) return;
        mg_span records = mg_batch_payload(asked->records, header);
        take_refusals(part, mg_batch_create_refusals(records, &rules, header, count), count);
        return;
    }
    if ((header->attributes & MG_BATCH_TRANSACTIONAL) != 0) {
        refuse_part(part, MG_KAFKA_INVALID_TXN_STATE, NULL);
        return;
    }
    /* Their state never expires: only who holds the directory may make more of it. */
    if (mg_producer_is_named(header->producer_id)) {
        refuse_part(part, MG_KAFKA_INVALID_PRODUCER_ID_MAPPING, NULL);
        return;
    }
    if (!ask_opener(part, &rules)) {
        refuse_part(part, MG_KAFKA_STORAGE_ERROR, NULL);
        return;
    }
    part->partition = partition;
    part->max_timestamp = finding.max_timestamp;
}

static void submit_part(mg_lane *lane, request_state *state, part_state *part,
                        const mg_produce_part *asked, mg_chunk *chunk)
{
    mg_batch_header *header = &part->append.item.header;
    /* The chunk is ours while it is retained; stamping changes only the batch's own bytes. */
    size_t position = (size_t)(asked->records.data - chunk->data);
    MG_ASSERT(position + asked->records.size <= chunk->capacity);
    mg_chunk_retain(chunk);
    part->chunk = chunk;
    part->append.letter.kind = MG_LETTER_APPEND;
    part->append.home = lane->mailbox;
    part->append.item.batch = chunk->data + position;
    if (part->append.opening == NULL)
        mg_batch_correct_time(part->append.item.batch, part->max_timestamp, header);
    else
        mg_session_opening(state->base.session);
    state->appending++;
    mg_partition_submit(part->partition, &part->append);
    mg_lane_touch_partition(lane, part->partition);
}

static mg_topic_ref keep_topic(request_state *state, mg_topic_ref topic)
{
    uint8_t *names = (uint8_t *)&state->parts[state->part_count];
    uint8_t *copy = names + state->names_size;
    if (topic.id != NULL) {
        mg_copy(copy, state->names_room - state->names_size, topic.id, MG_UUID_SIZE);
        state->names_size += MG_UUID_SIZE;
        return (mg_topic_ref){.id = copy};
    }
    mg_copy(copy, state->names_room - state->names_size, topic.name.data, topic.name.size);
    state->names_size += topic.name.size;
    return (mg_topic_ref){.name = {.data = copy, .size = topic.name.size}};
}

static void finish_if_done(request_state *state)
{
    if (state->appending > 0 || state->waiting > 0) return;
    if (state->base.is_ready) return;
    bool failed = false;
    for (int32_t i = 0; i < state->part_count; i++) {
        if (state->parts[i].error == MG_KAFKA_NONE) continue;
        failed = true;
        mg_count(&state->base.session->lane->counters.produce_errors, 1);
    }
    mg_session *session = state->base.session;
    /* With acks=0 a closed connection is the only way to say that something was refused. */
    if (failed && state->acks == ACKS_NONE) mg_session_refuse(session);
    mg_session_ready(&state->base);
}

/* What refuses the whole request, before any topic is looked up; in Kafka's order. */
static mg_kafka_error fault_of_request(const mg_produce_request *request)
{
    mg_produce_walk walk = mg_produce_walk_begin(request);
    mg_produce_part asked;
    while (mg_produce_next(&walk, &asked)) {
        mg_batch_glance glance = mg_batch_glance_at(asked.records);
        if (glance == MG_BATCH_GLANCE_MALFORMED) return MG_KAFKA_CORRUPT_MESSAGE;
        if (glance != MG_BATCH_GLANCE_TRANSACTIONAL) continue;
        return request->transactional_id.data == NULL
                   ? MG_KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                   : MG_KAFKA_NONE;
    }
    return MG_KAFKA_NONE;
}

bool mg_produce_take(mg_session *session, const mg_frame *frame)
{
    mg_lane *lane = session->lane;
    mg_produce_request request;
    if (mg_produce_parse(frame->header.body, frame->header.api_version, &request) != MG_OK)
        return false;
    mg_count(&lane->counters.produce_requests, 1);

    size_t names_size = request.topic_names_size + (size_t)request.topic_count * MG_UUID_SIZE;
    request_state *state = create_state(lane, request.partition_count, names_size);
    if (state == NULL) return false;
    state->base.kind = MG_REQUEST_PRODUCE;
    state->base.api_version = frame->header.api_version;
    state->base.correlation_id = frame->header.correlation_id;
    state->base.is_silent = request.acks == ACKS_NONE;
    state->acks = request.acks;
    state->timeout_ms = request.timeout_ms;
    state->topic_count = request.topic_count;
    mg_session_push(session, &state->base);

    mg_kafka_error error = fault_of_request(&request);
    mg_produce_walk walk = mg_produce_walk_begin(&request);
    mg_produce_part asked;
    mg_topic_ref topic = {0};
    part_state *part = state->parts;
    while (mg_produce_next(&walk, &asked)) {
        if (asked.first_of_topic) topic = keep_topic(state, asked.topic);
        *part = (part_state){
            .request = state,
            .topic = topic,
            .index = asked.index,
            .topic_partition_count = asked.topic_partition_count,
            .first_of_topic = asked.first_of_topic,
            .last_of_topic = asked.last_of_topic,
        };
        if (error == MG_KAFKA_NONE)
            prepare_part(lane, state, part, &asked);
        else
            refuse_part(part, error,
                        error == MG_KAFKA_CORRUPT_MESSAGE
                            ? "a batch of the request has a size or a format that none can have"
                            : "transactional batches need a transactional id");
        if (part->partition != NULL) submit_part(lane, state, part, &asked, frame->chunk);
        part++;
    }
    MG_ASSERT(part == state->parts + state->part_count);
    finish_if_done(state);
    return true;
}

/* ---- Waiting to become durable ---- */

static void unlink_durable(part_state *part)
{
    mg_lane_watch *watch = part->watch;
    if (part->durable_previous != NULL)
        part->durable_previous->durable_next = part->durable_next;
    else
        watch->durable_first = part->durable_next;
    if (part->durable_next != NULL)
        part->durable_next->durable_previous = part->durable_previous;
    else
        watch->durable_last = part->durable_previous;
    part->watch = NULL;
    part->request->waiting--;
}

static void wait_until_durable(mg_lane *lane, part_state *part)
{
    request_state *state = part->request;
    mg_lane_watch *watch = mg_lane_watch_at(lane, part->partition);
    bool has_deadline = state->base.deadline.slot != 0;
    int64_t due_ms = mg_reactor_now(lane->reactor).monotonic_ms +
                     (state->timeout_ms > TIMEOUT_FLOOR_MS ? state->timeout_ms : TIMEOUT_FLOOR_MS);
    if (watch == NULL ||
        (!has_deadline &&
         !mg_reactor_add_deadline(lane->reactor, &state->base.deadline, due_ms))) {
        part->error = MG_KAFKA_STORAGE_ERROR; /* out of memory: kept, but nobody can promise it */
        return;
    }
    part->watch = watch;
    part->durable_next = NULL;
    part->durable_previous = watch->durable_last;
    if (watch->durable_last != NULL)
        watch->durable_last->durable_next = part;
    else
        watch->durable_first = part;
    watch->durable_last = part;
    state->waiting++;
    mg_lane_touch_watch(lane, watch);
}

void mg_produce_look(mg_lane *lane, mg_lane_watch *watch)
{
    (void)lane;
    mg_partition *partition = watch->watch->partition;
    mg_log *log = mg_partition_log(partition);
    mg_kafka_error failure = mg_kafka_error_of(mg_log_health(log, NULL));
    if (failure == MG_KAFKA_NONE && mg_partition_is_shut(partition))
        failure = MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    int64_t durable_end = mg_log_durable_end(log);

    part_state *part = watch->durable_first;
    while (part != NULL) {
        part_state *next = part->durable_next;
        bool is_durable = part->durable_from <= durable_end; /* S5 */
        /* A duplicate may wait for less than what was queued before it: look at all. */
        if (is_durable || failure != MG_KAFKA_NONE) {
            if (!is_durable) part->error = failure;
            unlink_durable(part);
            finish_if_done(part->request);
        }
        part = next;
    }
}

void mg_produce_due(mg_request *request)
{
    request_state *state = state_of(request);
    for (int32_t i = 0; i < state->part_count; i++) {
        part_state *part = &state->parts[i];
        if (part->watch == NULL) continue;
        part->error = MG_KAFKA_REQUEST_TIMED_OUT;
        unlink_durable(part);
    }
    finish_if_done(state);
}

static void count_produced(mg_lane *lane, const mg_batch_header *header)
{
    mg_count(&lane->counters.produced_batches, 1);
    mg_count(&lane->counters.produced_records, (uint64_t)header->record_count);
    mg_count(&lane->counters.produced_size, (uint64_t)header->size);
}

void mg_produce_appended(mg_lane *lane, mg_letter *letter)
{
    part_state *part = (part_state *)(void *)letter;
    request_state *state = part->request;
    mg_chunk_release(part->chunk);
    part->chunk = NULL;
    state->appending--;

    const mg_opening *opening = part->append.opening;
    if (opening != NULL) mg_session_opened(state->base.session);
    if (opening != NULL && opening->finding.fault != MG_BATCH_FINE) {
        refuse_batch(part, part->partition, &opening->finding);
        int32_t count = mg_batch_named_count(&opening->finding);
        if (count > 0) take_refusals(part, opening->refusals, count);
    } else if (part->append.status != MG_OK) {
        part->error = mg_kafka_error_of(part->append.status);
        part->append.log_start_offset = NO_LOG_START;
    } else {
        switch (part->append.item.verdict) {
        case MG_APPEND_OUT_OF_ORDER_SEQUENCE:
            part->error = MG_KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
            break;
        case MG_APPEND_INVALID_PRODUCER_EPOCH:
            part->error = MG_KAFKA_INVALID_PRODUCER_EPOCH;
            break;
        case MG_APPEND_INVALID_TXN_STATE:
        case MG_APPEND_COORDINATOR_FENCED: /* of markers, which nobody produces */
            part->error = MG_KAFKA_INVALID_TXN_STATE;
            break;
        case MG_APPEND_DONE:
            count_produced(lane, &part->append.item.header);
            __attribute__((fallthrough));
        case MG_APPEND_DUPLICATE:
            part->durable_from =
                part->append.item.base_offset + part->append.item.header.last_offset_delta + 1;
            if (state->acks == ACKS_ALL &&
                mg_log_durable_end(mg_partition_log(part->partition)) < part->durable_from)
                wait_until_durable(lane, part);
            break;
        }
    }
    finish_if_done(state);
}

/* ---- The reply ---- */

static mg_produce_result result_of(const part_state *part)
{
    if (part->error == MG_KAFKA_NONE)
        return mg_produce_done(part->index, part->append.item.base_offset,
                               part->append.item.append_time_ms, part->append.log_start_offset);
    mg_produce_result result = mg_produce_refused(part->index, (int16_t)part->error);
    result.log_start_offset = part->append.log_start_offset;
    if (part->message != NULL) result.error_message = text_of(part->message);
    result.record_errors = part->record_errors;
    result.record_error_count = part->record_error_count;
    return result;
}

static size_t messages_size(const request_state *state)
{
    size_t size = 0;
    for (int32_t i = 0; i < state->part_count; i++) {
        const part_state *part = &state->parts[i];
        if (part->message != NULL) size += strlen(part->message);
        for (int32_t k = 0; k < part->record_error_count; k++) {
            size += MG_PRODUCE_RECORD_ERROR_SIZE_MAX + part->record_errors[k].message.size;
        }
    }
    return size;
}

void mg_produce_encode(mg_request *request, mg_outbox *outbox)
{
    request_state *state = state_of(request);
    mg_produce_request shape = {
        .topic_names_size = state->names_size,
        .topic_count = state->topic_count,
        .partition_count = state->part_count,
        .version = request->api_version,
    };
    mg_writer writer =
        mg_outbox_writer(outbox, mg_produce_reply_size_max(&shape, messages_size(state)));
    mg_produce_reply reply = mg_produce_reply_begin(&writer, request->api_version,
                                                    request->correlation_id, state->topic_count);
    for (int32_t i = 0; i < state->part_count; i++) {
        const part_state *part = &state->parts[i];
        if (part->first_of_topic)
            mg_produce_reply_topic(&reply, part->topic, part->topic_partition_count);
        mg_produce_result result = result_of(part);
        mg_produce_reply_partition(&reply, &result);
        if (part->last_of_topic) mg_produce_reply_topic_end(&reply);
    }
    mg_produce_reply_end(&reply, 0, NULL, 0);
    if (mg_writer_ok(&writer))
        mg_outbox_commit(outbox, &writer);
    else
        request->session->connection->doomed = true; /* no memory for the answer */
}
