#include "server/control.h"

#include "base/copy.h"

#include <stdlib.h>

enum { FRAME_HEAD_SIZE = 8 }; /* size and correlation id */

static mg_control_request *create_request(mg_span client_id, mg_span body)
{
    size_t size = client_id.size + body.size;
    mg_control_request *request = calloc(1, sizeof *request + size);
    if (request == NULL) return NULL;
    uint8_t *body_copy = request->bytes + client_id.size;
    mg_copy(request->bytes, size, client_id.data, client_id.size);
    mg_copy(body_copy, size - client_id.size, body.data, body.size);
    if (client_id.data != NULL)
        request->client_id = (mg_span){.data = request->bytes, .size = client_id.size};
    request->body = (mg_span){.data = body_copy, .size = body.size};
    return request;
}

bool mg_control_take(mg_session *session, const mg_frame *frame)
{
    mg_lane *lane = session->lane;
    mg_control_request *request = create_request(frame->header.client_id, frame->header.body);
    if (request == NULL) return false;
    mg_count(&lane->counters.control_requests, 1);
    request->base.kind = MG_REQUEST_CONTROL;
    request->base.correlation_id = frame->header.correlation_id;
    request->base.api_version = frame->header.api_version;
    request->base.is_fence = true;
    request->letter.kind = MG_LETTER_CONTROL_REQUEST;
    request->home = lane->mailbox;
    request->api_key = frame->header.api_key;
    request->listener = session->listener;
    mg_copy(request->peer, sizeof request->peer, session->peer, sizeof session->peer);
    mg_session_push(session, &request->base);
    mg_mailbox_post(lane->control, &request->letter);
    return true;
}

static bool adopt_payload(mg_control_request *request, const uint8_t *payload, size_t size)
{
    request->payload = malloc(size == 0 ? 1 : size);
    if (request->payload == NULL) return false;
    mg_copy(request->payload, size, payload, size);
    request->payload_size = size;
    return true;
}

void mg_control_reply(mg_control_request *request, const uint8_t *payload, size_t size)
{
    request->closes = payload == NULL || !adopt_payload(request, payload, size);
    request->letter.kind = MG_LETTER_REPLY;
    mg_mailbox_post(request->home, &request->letter);
}

void mg_control_replied(mg_letter *letter)
{
    mg_control_request *request = mg_control_request_of(letter);
    if (request->closes) {
        request->base.is_silent = true;
        mg_session_refuse(request->base.session);
    }
    mg_session_ready(&request->base);
}

void mg_control_encode(mg_request *base, mg_outbox *outbox)
{
    mg_control_request *request = (mg_control_request *)(void *)base;
    mg_writer writer = mg_outbox_writer(outbox, FRAME_HEAD_SIZE + request->payload_size);
    mg_write_i32(&writer, (int32_t)(request->payload_size + FRAME_HEAD_SIZE / 2));
    mg_write_i32(&writer, base->correlation_id);
    mg_write_bytes(&writer, request->payload, request->payload_size);
    if (mg_writer_ok(&writer))
        mg_outbox_commit(outbox, &writer);
    else
        base->session->connection->doomed = true;
}

void mg_control_free(mg_request *base)
{
    mg_control_request *request = (mg_control_request *)(void *)base;
    free(request->payload);
    free(request);
}
