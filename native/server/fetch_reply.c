/* fetch_reply.c -- a round as bytes in the outbox. The reply takes the pins over, so the records go
 * from the file to the socket; small ones are copied: one system call for all of them beats one
 * for each. */
#include "server/fetch_request.h"

enum {
    COPY_SIZE_MAX = 16 * 1024, /* slices up to this are copied into the reply */
    VERSION_TOPIC_ID = 13,     /* from here on an error of the whole reply is without partitions */
};

typedef struct reply_shape {
    int32_t topic_count;
    int32_t part_count;
    int32_t aborted_count;
    size_t names_size;
    size_t copied_size;
} reply_shape;

static bool is_copied(const mg_log_slice *slice)
{
    return slice->fd < 0 || slice->size <= COPY_SIZE_MAX;
}

static reply_shape choose_parts(mg_fetch_state *state)
{
    int64_t now_ms = mg_reactor_now(state->lane->reactor).monotonic_ms;
    reply_shape shape = {0};
    const mg_fetch_portion *previous = NULL;
    for (size_t i = 0; i < state->found_count; i++) {
        mg_fetch_portion *found = &state->found[i];
        if (found->result.error != MG_KAFKA_NONE) mg_count(&state->lane->counters.fetch_errors, 1);
        if (state->error != MG_KAFKA_NONE) /* of the whole request: the session hears nothing */
            found->is_included = state->base.api_version < VERSION_TOPIC_ID;
        else
            found->is_included =
                mg_fetch_context_answer(&state->context, &found->item, &found->result, now_ms);
        if (!found->is_included) continue;
        shape.part_count++;
        if (found->result.aborted_count > 0) shape.aborted_count += found->result.aborted_count;
        if (is_copied(&found->slice)) shape.copied_size += found->slice.size;
        mg_topic_ref topic = found->item.part.topic;
        if (previous == NULL || !mg_topic_ref_equal(previous->item.part.topic, topic)) {
            shape.topic_count++;
            shape.names_size += topic.name.size;
        }
        previous = found;
    }
    return shape;
}

static int32_t count_of_topic(const mg_fetch_state *state, size_t from)
{
    mg_topic_ref topic = state->found[from].item.part.topic;
    int32_t count = 0;
    for (size_t i = from; i < state->found_count; i++) {
        if (!state->found[i].is_included) continue;
        if (!mg_topic_ref_equal(topic, state->found[i].item.part.topic)) break;
        count++;
    }
    return count;
}

static bool put_records(mg_outbox *outbox, mg_writer *writer, mg_log_slice *slice)
{
    if (slice->size == 0) return true;
    if (!is_copied(slice)) return mg_outbox_take_slice(outbox, writer, slice);
    uint8_t *room = mg_writer_take(writer, slice->size);
    return room != NULL && mg_log_slice_copy(slice, 0, slice->size, room, NULL) == MG_OK;
}

static bool write_topics(mg_fetch_state *state, mg_outbox *outbox, mg_writer *writer,
                         mg_fetch_reply *reply)
{
    bool in_topic = false;
    mg_topic_ref topic = {0};
    for (size_t i = 0; i < state->found_count; i++) {
        mg_fetch_portion *found = &state->found[i];
        if (!found->is_included) continue;
        if (!in_topic || !mg_topic_ref_equal(topic, found->item.part.topic)) {
            if (in_topic) mg_fetch_reply_topic_end(reply);
            in_topic = true;
            topic = found->item.part.topic;
            mg_fetch_reply_topic(reply, topic, count_of_topic(state, i));
        }
        mg_count(&state->lane->counters.fetched_size, found->slice.size);
        mg_fetch_reply_partition_begin(reply, &found->result);
        if (!put_records(outbox, writer, &found->slice)) return false;
        mg_fetch_reply_partition_end(reply, &found->result);
    }
    if (in_topic) mg_fetch_reply_topic_end(reply);
    return true;
}

void mg_fetch_encode(mg_request *request, mg_outbox *outbox)
{
    mg_fetch_state *state = mg_fetch_state_of(request);
    int32_t session_id = 0;
    reply_shape shape = {0};
    if (state->has_context) {
        mg_fetch_sum sum;
        if (state->found_count == 0 && !mg_fetch_do_round(state, &sum)) {
            request->session->connection->doomed = true;
            return;
        }
        shape = choose_parts(state);
    }
    if (state->has_context && state->error != MG_KAFKA_NONE) {
        session_id = state->context.request.session_id;
    } else if (state->has_context) {
        int64_t now_ms = mg_reactor_now(state->lane->reactor).monotonic_ms;
        state->error = mg_fetch_context_finish(&state->context, now_ms, &session_id);
        if (state->error != MG_KAFKA_NONE) {
            mg_fetch_release_round(state);
            shape = (reply_shape){0};
        }
    }
    size_t size = mg_fetch_reply_size_max(shape.topic_count, shape.part_count, shape.names_size,
                                          shape.aborted_count);
    mg_writer writer = mg_outbox_writer(outbox, size + shape.copied_size);
    mg_fetch_reply reply =
        mg_fetch_reply_begin(&writer, request->api_version, request->correlation_id, 0,
                             state->error, session_id, shape.topic_count);
    bool fine = write_topics(state, outbox, &writer, &reply) &&
                mg_fetch_reply_end(&reply, NULL, 0) && mg_writer_ok(&writer);
    if (fine) {
        mg_outbox_commit(outbox, &writer);
        return;
    }
    mg_outbox_cancel(outbox);
    request->session->connection->doomed = true;
}
