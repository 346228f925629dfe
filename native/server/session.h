/* session.h -- one client's conversation: frames in, replies out in the order of the requests.
 *
 * A session is fed bytes and fills an outbox; it knows no sockets. Produce and
 * Fetch are carried out here, on the reactor's thread; every other request goes
 * to the control plane. Requests are answered in their order, whichever lane
 * answers first:
 *
 *   first ──▶ [produce, ready] ─▶ [produce, waits for a flush] ─▶ [control] ◀── last
 *                 │ encoded at once, since it is the first
 *                 ▼
 *              outbox
 *
 * Behind a control request, or a fetch that waits for data, nothing is taken in
 * until it is answered: its effects are visible to the requests that follow.
 * Produce requests follow one another without waiting.
 *
 * A session outlives its connection while requests of it are elsewhere.
 */
#ifndef MG_SERVER_SESSION_H
#define MG_SERVER_SESSION_H

#include "server/lane.h"
#include "wire/request_header.h"

enum {
    MG_PIPELINE_MAX = 4096, /* requests of one connection taken in and not yet answered */
    MG_OPENING_MAX = 5,     /* batches of one connection that are being opened, as many as clients
                             * have requests in flight */
};

typedef enum mg_request_kind {
    MG_REQUEST_PRODUCE,
    MG_REQUEST_FETCH,
    MG_REQUEST_CONTROL,
} mg_request_kind;

/* What the three kinds of request begin with. */
struct mg_request {
    mg_request *next; /* in the session's pipeline */
    mg_session *session;
    mg_deadline deadline;
    mg_request_kind kind;
    int32_t correlation_id;
    int16_t api_version;
    bool is_ready; /* may be encoded as soon as it is the first */
    bool is_silent; /* acks=0: no reply */
    bool is_fence; /* nothing behind it is taken in */
};

struct mg_session {
    mg_lane *lane;
    mg_connection *connection; /* NULL: gone */
    mg_request *first;
    mg_request **last;
    uint32_t request_count;
    uint32_t opening_count; /* batches of it that are being opened */
    bool fenced;
    bool refused; /* it spoke nonsense: closes when what was asked before is answered */
    int listener;
    char peer[MG_PEER_NAME_SIZE];
};

MG_WARN_UNUSED mg_session *mg_session_open(mg_lane *lane, mg_connection *connection);
void mg_session_connection_closed(mg_session *session);

mg_intake mg_session_receive(mg_session *session, uint8_t *bytes, size_t size, mg_chunk *chunk);

/* The request is the newest of its session. */
void mg_session_push(mg_session *session, mg_request *request);
/* The request has all it needs: encode it, and what waited behind it, if it is the first. */
void mg_session_ready(mg_request *request);
/* A batch goes to be opened, and was. Only so many of a session do at a time: their bytes are held
 * meanwhile, of the room that all connections share. */
void mg_session_opening(mg_session *session);
void mg_session_opened(mg_session *session);
/* What was sent makes no sense: close. */
void mg_session_refuse(mg_session *session);

/* ---- The three kinds; each takes one frame and pushes its request ---- */

typedef struct mg_frame {
    mg_request_header header;
    mg_span whole; /* without the size */
    mg_chunk *chunk;
} mg_frame;

/* False: refused. */
bool mg_produce_take(mg_session *session, const mg_frame *frame);
void mg_produce_appended(mg_lane *lane, mg_letter *letter);
void mg_produce_look(mg_lane *lane, mg_lane_watch *watch); /* the durable end may have moved */
void mg_produce_due(mg_request *request);
void mg_produce_encode(mg_request *request, mg_outbox *outbox);
void mg_produce_free(mg_request *request);
void mg_produce_deinit(mg_lane *lane);

bool mg_fetch_take(mg_session *session, const mg_frame *frame);
void mg_fetch_look(mg_lane *lane, mg_lane_watch *watch); /* the published end may have moved */
void mg_fetch_warmed(mg_letter *letter);
void mg_fetch_work(mg_lane *lane); /* carries out what was woken */
void mg_fetch_due(mg_request *request);
void mg_fetch_abandon(mg_request *request); /* its connection is gone */
void mg_fetch_answer_all(mg_lane *lane);    /* the reactor finishes */
void mg_fetch_encode(mg_request *request, mg_outbox *outbox);
void mg_fetch_free(mg_request *request);
void mg_fetch_deinit(mg_lane *lane);

bool mg_control_take(mg_session *session, const mg_frame *frame);
void mg_control_replied(mg_letter *letter);
void mg_control_encode(mg_request *request, mg_outbox *outbox);
void mg_control_free(mg_request *request);

#endif
