/* fetch_request.c -- a Fetch request on the express lane.
 *
 *   frame ─▶ parse ─▶ session ─▶ round: look up and read each partition ─▶ enough? ─▶ reply
 *                                  ▲                                        │ no
 *                                  │ data, a failure, the deadline          ▼
 *                                  └──────────────── parked: a waiter at each partition's watch
 *
 * Where the disk would have to be waited for, a worker brings the bytes into memory first and the
 * round is done again.
 */
#include "server/fetch_request.h"

#include "base/copy.h"

#include <stdlib.h>
#include <string.h>

enum {
    WARM_STEP_SIZE = 64 * 1024, /* on a worker's stack */
    SPARE_MAX = 256,
};

/* ---- Parking ---- */

static void unpark(mg_fetch_state *state)
{
    for (size_t i = 0; i < state->waiter_count; i++) {
        mg_fetch_waiter *w = &state->waiters[i];
        if (w->previous != NULL)
            w->previous->next = w->next;
        else
            w->watch->fetches = w->next;
        if (w->next != NULL) w->next->previous = w->previous;
    }
    if (state->waiters != state->waiters_inline) free(state->waiters);
    state->waiters = NULL;
    state->waiter_count = 0;
}

static mg_fetch_waiter *create_waiters(mg_fetch_state *state)
{
    if (state->found_count <= MG_FETCH_WAITERS_INLINE) return state->waiters_inline;
    return calloc(state->found_count, sizeof(mg_fetch_waiter));
}

static bool park(mg_fetch_state *state)
{
    MG_ASSERT(state->waiters == NULL);
    mg_lane *lane = state->lane;
    state->waiters = create_waiters(state);
    if (state->waiters == NULL) return false;
    for (size_t i = 0; i < state->found_count; i++) {
        MG_ASSERT(state->found[i].partition != NULL); /* S7 */
        mg_lane_watch *watch = mg_lane_watch_at(lane, state->found[i].partition);
        if (watch == NULL) {
            unpark(state);
            return false;
        }
        mg_fetch_waiter *w = &state->waiters[state->waiter_count++];
        *w = (mg_fetch_waiter){.next = watch->fetches,
                               .watch = watch,
                               .fetch = state,
                               .end_offset = state->found[i].end_offset};
        if (watch->fetches != NULL) watch->fetches->previous = w;
        watch->fetches = w;
        mg_lane_touch_watch(lane, watch);
    }
    return true;
}

static void wake(mg_fetch_state *state)
{
    if (state->is_woken || state->is_warming || state->base.is_ready) return;
    state->is_woken = true;
    state->woken_next = state->lane->woken;
    state->lane->woken = state;
}

void mg_fetch_look(mg_lane *lane, mg_lane_watch *watch)
{
    (void)lane;
    bool is_shut = mg_partition_is_shut(watch->watch->partition);
    int64_t end_offset = mg_log_end_offset(mg_partition_log(watch->watch->partition));
    for (mg_fetch_waiter *w = watch->fetches; w != NULL; w = w->next)
        if (is_shut || end_offset > w->end_offset) wake(w->fetch);
}

/* ---- Cold reads ---- */

static void warm(mg_job *job)
{
    mg_fetch_state *state =
        (mg_fetch_state *)(void *)((char *)job - offsetof(mg_fetch_state, warm_job));
    mg_log_slice slice = {.fd = -1};
    mg_status status = mg_log_read(mg_partition_log(state->warm_partition), state->warm_offset,
                                   INT64_MAX, state->warm_size, MG_READ_AT_LEAST_ONE, &slice, NULL);
    uint8_t away[WARM_STEP_SIZE];
    size_t at = 0;
    while (status == MG_OK && at < slice.size) {
        size_t left = slice.size - at;
        size_t size = left < WARM_STEP_SIZE ? left : WARM_STEP_SIZE;
        status = mg_log_slice_copy(&slice, at, size, away, NULL);
        if (status == MG_OK) at += size;
    }
    /* Once a reply has begun to be sent, a failure could only end the connection, and with it what
     * other partitions have for this reader: it is told of them as one that cannot be read. */
    state->warm_status = status;
    state->warm_good = at;
    if (slice.segment != NULL) mg_log_slice_release(&slice);
    mg_partition_release(state->warm_partition);
    mg_mailbox_post(state->lane->mailbox, &state->warm_letter);
}

static void start_warming(mg_fetch_state *state)
{
    state->is_warming = true;
    state->warm_letter.kind = MG_LETTER_WARM;
    state->warm_job.run = warm;
    mg_partition_retain(state->warm_partition); /* or it could be removed under the worker */
    mg_workers_submit(state->lane->storage, &state->warm_job);
}

static void advance(mg_fetch_state *state);

void mg_fetch_warmed(mg_letter *letter)
{
    mg_fetch_state *state =
        (mg_fetch_state *)(void *)((char *)letter - offsetof(mg_fetch_state, warm_letter));
    state->is_warming = false;
    state->warmed = state->warm_partition;
    state->warm_count++;
    advance(state);
}

/* ---- Advancing ---- */

static bool is_enough(const mg_fetch_state *state, const mg_fetch_sum *sum)
{
    const mg_fetch_request *request = &state->context.request;
    return state->has_waited || request->max_wait_ms <= 0 || state->found_count == 0 ||
           sum->is_urgent || sum->size >= (request->min_bytes < 0 ? 0 : (size_t)request->min_bytes);
}

/* Does a round; then the request is ready, parked, or warming. */
static void advance(mg_fetch_state *state)
{
    mg_lane *lane = state->lane;
    unpark(state);
    if (mg_reactor_is_finishing(lane->reactor)) state->has_waited = true;
    if (state->is_abandoned) {
        mg_session_ready(&state->base);
        return;
    }
    mg_fetch_sum sum;
    if (!mg_fetch_do_round(state, &sum)) {
        state->base.session->connection->doomed = true;
        mg_session_ready(&state->base);
        return;
    }
    if (state->warm_partition != NULL && !sum.is_urgent) {
        mg_fetch_release_round(state);
        start_warming(state);
        return;
    }
    if (is_enough(state, &sum)) {
        /* The request is a fence, so it is encoded, from the lane's room, in this very call
         * unless older requests are unanswered: then the round is done again. */
        if (state->base.session->first != &state->base) mg_fetch_release_round(state);
        mg_session_ready(&state->base);
        return;
    }
    bool has_deadline = state->base.deadline.slot != 0;
    int64_t due_ms =
        mg_reactor_now(lane->reactor).monotonic_ms + state->context.request.max_wait_ms;
    bool is_parked =
        (has_deadline || mg_reactor_add_deadline(lane->reactor, &state->base.deadline, due_ms)) &&
        park(state);
    mg_fetch_release_round(state);
    if (is_parked) return;
    state->base.session->connection->doomed = true; /* no memory */
    mg_session_ready(&state->base);
}

void mg_fetch_work(mg_lane *lane)
{
    while (lane->woken != NULL) {
        mg_fetch_state *state = lane->woken;
        lane->woken = state->woken_next;
        state->is_woken = false;
        advance(state);
    }
}

static void unwake(mg_fetch_state *state)
{
    if (!state->is_woken) return;
    mg_fetch_state **link = &state->lane->woken;
    while (*link != state)
        link = &(*link)->woken_next;
    *link = state->woken_next;
    state->is_woken = false;
}

void mg_fetch_due(mg_request *request)
{
    mg_fetch_state *state = mg_fetch_state_of(request);
    state->has_waited = true;
    if (state->is_warming) return;
    unwake(state);
    advance(state);
}

void mg_fetch_abandon(mg_request *request)
{
    mg_fetch_state *state = mg_fetch_state_of(request);
    state->is_abandoned = true;
    if (state->is_warming) return; /* the worker has it; the letter ends it */
    unwake(state);
    unpark(state);
    mg_session_ready(request);
}

void mg_fetch_answer_all(mg_lane *lane)
{
    for (mg_lane_watch *watch = lane->watches; watch != NULL; watch = watch->next)
        for (mg_fetch_waiter *w = watch->fetches; w != NULL; w = w->next) {
            w->fetch->has_waited = true;
            wake(w->fetch);
        }
    mg_fetch_work(lane);
}

/* ---- Taking a request in ---- */

static mg_fetch_state *create_state(mg_lane *lane, mg_span body)
{
    mg_fetch_state *state = lane->spare_fetch;
    if (state != NULL) {
        lane->spare_fetch = state->spare_next;
        lane->spare_fetch_count--;
    } else {
        state = malloc(sizeof *state);
        if (state == NULL) return NULL;
    }
    memset(state, 0, offsetof(mg_fetch_state, waiters_inline));
    state->body = body.size <= MG_FETCH_BODY_INLINE ? state->body_inline : malloc(body.size);
    if (state->body == NULL) {
        free(state);
        return NULL;
    }
    mg_copy(state->body, body.size, body.data, body.size);
    state->lane = lane;
    return state;
}

static void give_back(mg_lane *lane, mg_fetch_state *state)
{
    if (state->body != state->body_inline) free(state->body);
    if (lane->spare_fetch_count >= SPARE_MAX) {
        free(state);
        return;
    }
    state->spare_next = lane->spare_fetch;
    lane->spare_fetch = state;
    lane->spare_fetch_count++;
}

void mg_fetch_free(mg_request *request)
{
    mg_fetch_state *state = mg_fetch_state_of(request);
    MG_ASSERT(!state->is_warming);
    MG_ASSERT(!state->is_woken);
    MG_ASSERT(state->waiter_count == 0);
    mg_fetch_release_round(state);
    if (state->has_context) mg_fetch_context_end(&state->context);
    give_back(request->session->lane, state);
}

void mg_fetch_deinit(mg_lane *lane)
{
    while (lane->spare_fetch != NULL) {
        mg_fetch_state *state = lane->spare_fetch;
        lane->spare_fetch = state->spare_next;
        free(state);
    }
    free(lane->found);
    lane->found = NULL;
    lane->found_capacity = 0;
}

bool mg_fetch_take(mg_session *session, const mg_frame *frame)
{
    mg_lane *lane = session->lane;
    mg_span body = frame->header.body;
    mg_fetch_state *state = create_state(lane, body);
    if (state == NULL) return false;
    body.data = state->body;

    mg_fetch_request request;
    if (mg_fetch_parse(body, frame->header.api_version, &request) != MG_OK) {
        give_back(lane, state);
        return false;
    }
    mg_count(&lane->counters.fetch_requests, 1);
    state->base.kind = MG_REQUEST_FETCH;
    state->base.api_version = frame->header.api_version;
    state->base.correlation_id = frame->header.correlation_id;
    state->base.is_fence = true;
    mg_session_push(session, &state->base);

    state->error = mg_fetch_context_begin(&state->context, lane->fetch_sessions, &request,
                                          mg_reactor_now(lane->reactor).monotonic_ms);
    state->has_context = state->error == 0;
    if (!state->has_context) {
        mg_session_ready(&state->base);
        return true;
    }
    advance(state);
    return true;
}
