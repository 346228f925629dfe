#include "server/session.h"

#include "base/copy.h"

#include <stdlib.h>

enum {
    FRAME_SIZE_SIZE = 4, /* int32 before every frame */
};

mg_session *mg_session_open(mg_lane *lane, mg_connection *connection)
{
    mg_session *session = calloc(1, sizeof *session);
    if (session == NULL) return NULL;
    session->lane = lane;
    session->connection = connection;
    session->last = &session->first;
    session->listener = connection->listener;
    mg_copy(session->peer, sizeof session->peer, connection->peer, sizeof connection->peer);
    return session;
}

static void free_if_over(mg_session *session)
{
    if (session->connection == NULL && session->first == NULL) free(session);
}

static void free_request(mg_request *request)
{
    switch (request->kind) {
    case MG_REQUEST_PRODUCE:
        mg_produce_free(request);
        return;
    case MG_REQUEST_FETCH:
        mg_fetch_free(request);
        return;
    case MG_REQUEST_CONTROL:
        mg_control_free(request);
        return;
    }
}

static void encode(mg_request *request, mg_outbox *outbox)
{
    switch (request->kind) {
    case MG_REQUEST_PRODUCE:
        mg_produce_encode(request, outbox);
        return;
    case MG_REQUEST_FETCH:
        mg_fetch_encode(request, outbox);
        return;
    case MG_REQUEST_CONTROL:
        mg_control_encode(request, outbox);
        return;
    }
}

void mg_session_push(mg_session *session, mg_request *request)
{
    MG_ASSERT(!session->fenced); /* S2 */
    request->session = session;
    request->next = NULL;
    *session->last = request;
    session->last = &request->next;
    session->request_count++;
    if (request->is_fence) session->fenced = true;
}

static void remove_first(mg_session *session)
{
    mg_request *request = session->first;
    MG_ASSERT(request->is_ready); /* S1 */
    session->first = request->next;
    if (session->first == NULL) session->last = &session->first;
    session->request_count--;
    if (request->is_fence) session->fenced = false;
    free_request(request);
}

void mg_session_ready(mg_request *request)
{
    mg_session *session = request->session;
    MG_ASSERT(!request->is_ready);
    request->is_ready = true;
    mg_reactor_remove_deadline(session->lane->reactor, &request->deadline);
    if (session->first != request) return;

    bool was_blocked = session->fenced || session->request_count >= MG_PIPELINE_MAX;
    while (session->first != NULL && session->first->is_ready) {
        if (session->connection != NULL && !session->first->is_silent) {
            encode(session->first, &session->connection->outbox);
            mg_reactor_want_send(session->connection);
        }
        remove_first(session);
    }
    if (session->connection == NULL) {
        free_if_over(session);
        return;
    }
    if (session->refused && session->first == NULL) {
        session->connection->finishing = true;
        mg_reactor_want_send(session->connection);
    }
    if (was_blocked && !session->fenced) mg_reactor_resume(session->connection);
}

void mg_session_opening(mg_session *session)
{
    session->opening_count++;
}

void mg_session_opened(mg_session *session)
{
    MG_ASSERT(session->opening_count > 0);
    bool was_blocked = session->opening_count-- == MG_OPENING_MAX;
    if (was_blocked && !session->fenced && session->connection != NULL)
        mg_reactor_resume(session->connection);
}

void mg_session_refuse(mg_session *session)
{
    if (session->refused) return;
    session->refused = true;
    mg_count(&session->lane->counters.refused_frames, 1);
    if (session->connection == NULL) return;
    session->connection->finishing = session->first == NULL;
    mg_reactor_want_send(session->connection);
}

void mg_session_connection_closed(mg_session *session)
{
    MG_ASSERT(session->connection != NULL); /* S4 */
    session->connection = NULL;
    mg_request *last = session->first;
    while (last != NULL && last->next != NULL) last = last->next;
    /* A fetch that waits is a fence, so it can only be the last. */
    if (last != NULL && last->kind == MG_REQUEST_FETCH && !last->is_ready)
        mg_fetch_abandon(last); /* becomes ready, which may free the session */
    else
        free_if_over(session);
}

/* One frame, without its size. */
static bool take_frame(mg_session *session, mg_span whole, mg_chunk *chunk)
{
    if (whole.size < MG_REQUEST_START_SIZE) return false;
    mg_request_start start = mg_request_start_decode(whole.data);
    if (!mg_api_is_known(start.api_key)) return false;
    bool flexible = mg_request_is_flexible(start.api_key, start.api_version);
    mg_frame frame = {.whole = whole, .chunk = chunk};
    if (mg_request_header_decode(whole, flexible, &frame.header) != MG_OK) return false;
    switch (start.api_key) {
    case MG_API_PRODUCE:
        return mg_produce_take(session, &frame);
    case MG_API_FETCH:
        return mg_fetch_take(session, &frame);
    default:
        return mg_control_take(session, &frame);
    }
}

mg_intake mg_session_receive(mg_session *session, uint8_t *bytes, size_t size, mg_chunk *chunk)
{
    mg_intake intake = {0};
    size_t left = size;
    for (;;) {
        if (session->refused) {
            intake.consumed = size;
            intake.blocked = true;
            return intake;
        }
        bool is_full = session->request_count >= MG_PIPELINE_MAX ||
                       session->opening_count >= MG_OPENING_MAX ||
                       mg_reactor_is_congested(session->connection);
        if (session->fenced || is_full) {
            intake.blocked = true;
            return intake;
        }
        if (left < FRAME_SIZE_SIZE) return intake;
        int32_t frame_size = (int32_t)mg_load_u32(bytes + intake.consumed);
        if (frame_size < 0 || frame_size > session->lane->config.frame_size_max) {
            mg_session_refuse(session);
            continue;
        }
        /* S3 */ /* From here on the size is one that somebody allowed. */
        size_t whole_size = FRAME_SIZE_SIZE + (size_t)frame_size;
        if (left < whole_size) {
            intake.wanted = whole_size;
            return intake;
        }
        mg_span whole = {.data = bytes + intake.consumed + FRAME_SIZE_SIZE,
                         .size = (size_t)frame_size};
        if (!take_frame(session, whole, chunk)) {
            mg_session_refuse(session);
            continue;
        }
        session->connection->greeted = true;
        intake.consumed += whole_size;
        left -= whole_size;
    }
}
