/* fetch_request.c -- a Fetch request on the express lane.
 *
 *   frame ─▶ parse ─▶ session ─▶ round: look up and read each partition ─▶ enough? ─▶ reply
 *                                  ▲                                        │ no
 *                                  │ data, a failure, the deadline          ▼
 *                                  └──────────────── parked: a waiter at each partition's watch
 *
 * A round pins slices of segments; the reply takes the pins over, so the records go from the file
 * to the socket. Small ones are copied: one system call for all of them beats one for each.
 * Where the disk would have to be waited for, a worker brings the bytes into memory first and the
 * round is done again.
 */
#include "base/copy.h"
#include "server/kafka_error.h"
#include "server/session.h"
#include "wire/fetch.h"

#include <stdlib.h>
#include <string.h>

enum {
    BODY_INLINE = 512,          /* most fetches without a session fit */
    WAITERS_INLINE = 4,
    COPY_SIZE_MAX = 16 * 1024,  /* slices up to this are copied into the reply */
    WARM_STEP_SIZE = 64 * 1024, /* on a worker's stack */
    FOUND_FIRST = 64,
    SPARE_MAX = 256,
    READ_UNCOMMITTED = 0,
    READ_COMMITTED = 1,
    VERSION_TOPIC_ID = 13, /* from here on an error of the whole reply comes without partitions */
    LOOKS_MAX = 64,     /* at a partition whose compactions take their places all the time */
    WARM_COUNT_MAX = 8, /* partitions warmed for one fetch; what is still cold then is waited for */
};

/* What a round found for one partition. */
struct mg_fetch_found {
    mg_fetch_item item;
    mg_fetch_result result;
    mg_log_slice slice;
    mg_aborted_transaction *aborted; /* what result.aborted points to; freed with the round */
    mg_partition *partition;         /* NULL where it was not found */
    int64_t end_offset;      /* of the log, before it was read */
    bool is_included;
};

/* A parked fetch at one partition's watch. */
struct mg_fetch_waiter {
    struct mg_fetch_waiter *previous;
    struct mg_fetch_waiter *next;
    mg_lane_watch *watch;
    struct mg_fetch_request_state *fetch;
    int64_t end_offset; /* what the round saw: only more than that is news */
};

struct mg_fetch_request_state {
    mg_request base; /* first */
    mg_fetch_context context;
    bool has_context;
    bool has_waited; /* answered with whatever there is: the time is up, or all is ending */
    bool is_warming;
    bool is_woken;
    bool is_abandoned;
    int16_t error; /* of the whole reply */

    mg_letter warm_letter;
    mg_job warm_job;
    mg_lane *lane;
    mg_partition *warm_partition; /* to be warmed */
    int64_t warm_offset;
    size_t warm_size;
    mg_status warm_status; /* why the bytes beyond warm_good cannot be read */
    size_t warm_good;
    mg_partition *warmed; /* a second miss at once is rare enough to wait for the disk */
    int warm_count;

    struct mg_fetch_request_state *woken_next;
    struct mg_fetch_waiter *waiters; /* inline or allocated */
    size_t waiter_count;

    struct mg_fetch_found *found; /* the lane's room; filled while the request is encoded */
    size_t found_count;
    struct mg_fetch_request_state *spare_next;
    uint8_t *body; /* a copy, which the context's spans borrow; inline or allocated */
    struct mg_fetch_waiter waiters_inline[WAITERS_INLINE]; /* from here on not cleared */
    uint8_t body_inline[BODY_INLINE];
};

typedef struct mg_fetch_request_state request_state;
typedef struct mg_fetch_found found_part;
typedef struct mg_fetch_waiter waiter;

static request_state *state_of(mg_request *request)
{
    return (request_state *)(void *)request;
}

/* ---- One round ---- */

static void release_found(found_part *found)
{
    if (found->slice.segment != NULL) mg_log_slice_release(&found->slice);
    found->slice = (mg_log_slice){.fd = -1};
    free(found->aborted);
    found->aborted = NULL;
}

static void release_round(request_state *state)
{
    for (size_t i = 0; i < state->found_count; i++) release_found(&state->found[i]);
    state->found_count = 0;
}

static bool grow_found(mg_lane *lane, size_t count)
{
    if (count <= lane->found_capacity) return true;
    size_t capacity = lane->found_capacity == 0 ? FOUND_FIRST : lane->found_capacity;
    while (capacity < count) capacity *= 2;
    found_part *found = realloc(lane->found, capacity * sizeof *found);
    if (found == NULL) return false;
    lane->found = found;
    lane->found_capacity = capacity;
    return true;
}

static mg_partition *find_partition(mg_lane *lane, const mg_fetch_item *item,
                                    mg_kafka_error *error)
{
    mg_fetch_slot_note *note = item->slot == NULL ? NULL : mg_fetch_slot_note_of(item->slot);
    if (note != NULL && note->partition != NULL && note->version == lane->image->version)
        return note->partition;
    const mg_topic *topic = mg_image_topic(lane->image, item->part.topic);
    if (topic == NULL) {
        *error = item->part.topic.id != NULL ? MG_KAFKA_UNKNOWN_TOPIC_ID
                                             : MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    mg_partition *partition = mg_topic_partition(topic, item->part.index);
    if (partition == NULL) {
        bool is_offline = item->part.index >= 0 && item->part.index < topic->partition_count;
        *error = is_offline ? MG_KAFKA_STORAGE_ERROR : MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    if (note != NULL) *note = (mg_fetch_slot_note){partition, lane->image->version};
    return partition;
}

static mg_kafka_error check_epoch(const mg_partition *partition, int32_t known_epoch)
{
    int32_t leader_epoch = mg_partition_leader_epoch(partition);
    if (known_epoch < 0 || known_epoch == leader_epoch) return MG_KAFKA_NONE;
    return known_epoch < leader_epoch ? MG_KAFKA_FENCED_LEADER_EPOCH
                                      : MG_KAFKA_UNKNOWN_LEADER_EPOCH;
}

/* We have no followers: whoever says that it is one is told what Kafka tells a replica that it
 * does not know (yet). */
static mg_kafka_error check_replica(int32_t replica_id, int32_t known_epoch)
{
    if (replica_id < 0) return MG_KAFKA_NONE;
    return known_epoch >= 0 ? MG_KAFKA_UNKNOWN_LEADER_EPOCH : MG_KAFKA_NOT_LEADER_OR_FOLLOWER;
}

/* KIP-320: where the fetcher's history parts from ours. True: it does, or can't be told. */
static bool diverges(mg_log *log, const mg_fetch_part *part, mg_fetch_result *result)
{
    if (part->last_fetched_epoch < 0) return false;
    int32_t epoch = -1;
    int64_t end_offset = -1;
    mg_log_epoch_end(log, part->last_fetched_epoch, &epoch, &end_offset);
    if (epoch < 0 || end_offset < 0) {
        result->error = MG_KAFKA_OFFSET_OUT_OF_RANGE;
        return true;
    }
    if (epoch >= part->last_fetched_epoch && end_offset >= part->fetch_offset) return false;
    result->diverging_epoch = epoch;
    result->diverging_end_offset = end_offset;
    return true;
}

static void ask_to_warm(request_state *state, mg_partition *partition, const mg_fetch_part *part,
                        size_t size)
{
    if (state->warm_partition != NULL) return;
    state->warm_partition = partition;
    state->warm_offset = part->fetch_offset;
    state->warm_size = size;
}

/* KIP-98: which of the transactions within the records were aborted, so that a reader of committed
 * ones passes over them. */
static mg_status load_aborted(found_part *found, const mg_log *log)
{
    enum { ABORTED_INLINE = 64 };
    mg_aborted inlined[ABORTED_INLINE];
    mg_aborted *entries = inlined;
    size_t room = ABORTED_INLINE;
    int64_t from = found->item.part.fetch_offset;
    int64_t to = found->slice.next_offset;
    found->result.aborted_count = 0;
    if (found->slice.size == 0) return MG_OK;
    size_t count = mg_log_aborted(log, from, to, inlined, room);
    if (count == 0) return MG_OK;
    found->aborted = calloc(count, sizeof *found->aborted);
    if (found->aborted == NULL) return MG_NO_MEMORY;
    if (count > room) {
        room = count;
        entries = calloc(room, sizeof *entries);
        if (entries == NULL) return MG_NO_MEMORY;
        /* No fewer may be named; those that came since lie beyond the records. */
        count = mg_log_aborted(log, from, to, entries, room);
        if (count > room) count = room;
    }
    for (size_t i = 0; i < count; i++)
        found->aborted[i] = (mg_aborted_transaction){entries[i].producer_id,
                                                     entries[i].first_offset};
    if (entries != inlined) free(entries);
    found->result.aborted = found->aborted;
    found->result.aborted_count = (int32_t)count;
    return MG_OK;
}

/* False where a compaction or a deletion changed what is read between the records and the naming of
 * what was aborted among them: they may not belong together. */
static bool try_read_part(request_state *state, found_part *found, size_t size_left, bool is_first)
{
    mg_lane *lane = state->lane;
    const mg_fetch_part *part = &found->item.part;
    mg_kafka_error error = MG_KAFKA_NONE;
    mg_partition *partition = find_partition(lane, &found->item, &error);
    if (partition != NULL) error = check_epoch(partition, part->current_leader_epoch);
    if (error == MG_KAFKA_NONE && mg_partition_is_shut(partition))
        error = MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    bool is_known =
        error != MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION && error != MG_KAFKA_UNKNOWN_TOPIC_ID;
    if (error == MG_KAFKA_NONE)
        error = check_replica(state->context.request.replica_id, part->current_leader_epoch);
    if (error != MG_KAFKA_NONE) {
        found->result = mg_fetch_refused(part->index, (int16_t)error);
        if (!is_known) found->result.aborted_count = 0; /* none, where Kafka looks no further */
        return true;
    }
    found->partition = partition;
    mg_log *log = mg_partition_log(partition);
    uint64_t swaps = mg_log_swaps(log);
    found->end_offset = mg_log_end_offset(log);
    bool is_committed = state->context.request.isolation_level == READ_COMMITTED;
    int64_t visible_end = is_committed ? mg_partition_last_stable_offset(partition) : INT64_MAX;
    found->result = mg_fetch_found(part->index, -1, -1, mg_log_start_offset(log), 0);
    bool does_not_fit = false;
    if (!diverges(log, part, &found->result)) {
        size_t size = part->max_bytes < 0 ? 0 : (size_t)part->max_bytes;
        if (size > size_left) size = size_left;
        bool may_wait = partition == state->warmed || state->warm_count == WARM_COUNT_MAX;
        unsigned flags = may_wait ? MG_READ_DEFAULT : MG_READ_NO_WAIT;
        bool is_cut_short = partition == state->warmed && state->warm_status != MG_OK;
        if (is_cut_short && size > state->warm_good) size = state->warm_good;
        if (is_first && !is_cut_short) flags |= MG_READ_AT_LEAST_ONE;
        mg_status status = MG_OK;
        if (size > 0 || (is_first && !is_cut_short))
            status = mg_log_read(log, part->fetch_offset, visible_end, size, flags, &found->slice,
                                 NULL);
        else if (part->fetch_offset < mg_log_start_offset(log) ||
                 part->fetch_offset > found->end_offset)
            status = MG_OUT_OF_RANGE; /* is told even where no room is left for records */
        if (is_cut_short && status == MG_OK && found->slice.size == 0) status = state->warm_status;
        does_not_fit = size > 0 && status == MG_OK && found->slice.size == 0 &&
                       part->fetch_offset < found->end_offset && part->fetch_offset < visible_end;
        if (status == MG_WOULD_BLOCK) {
            found->slice = (mg_log_slice){.fd = -1};
            /* Only for whoever is first in turn: the others follow when they are. */
            if (is_first) ask_to_warm(state, partition, part, size);
        } else if (status != MG_OK) {
            found->slice = (mg_log_slice){.fd = -1};
            found->result = mg_fetch_refused(part->index, (int16_t)mg_kafka_error_of(status));
            return true;
        }
    }
    if (found->result.error != MG_KAFKA_NONE) {
        found->result = mg_fetch_refused(part->index, found->result.error);
        return true;
    }
    found->result.records_size = (int64_t)found->slice.size;
    /* No record comes with a high watermark below it, although the log publishes its bytes a moment
     * before its end offset. */
    int64_t read_end = found->slice.size > 0 ? found->slice.next_offset : 0;
    int64_t high_watermark = mg_partition_high_watermark(partition);
    int64_t stable_offset = mg_partition_last_stable_offset(partition);
    found->result.high_watermark = high_watermark > read_end ? high_watermark : read_end;
    found->result.last_stable_offset =
        stable_offset < high_watermark ? stable_offset : found->result.high_watermark;
    /* Without records Kafka says nothing of their transactions, not even that there are none. */
    if (!is_committed || does_not_fit || found->result.diverging_epoch >= 0) return true;
    if (load_aborted(found, log) != MG_OK) {
        release_found(found);
        found->result = mg_fetch_refused(part->index, MG_KAFKA_STORAGE_ERROR);
    }
    return swaps % 2 == 0 && mg_log_swaps(log) == swaps;
}

/* Reads at most `size_left` bytes of one partition; the first records of a reply come whole. */
static void read_part(request_state *state, found_part *found, size_t size_left, bool is_first)
{
    for (int look = 0; look < LOOKS_MAX; look++) {
        if (try_read_part(state, found, size_left, is_first)) return;
        release_found(found);
    }
    found->result = mg_fetch_refused(found->item.part.index, MG_KAFKA_STORAGE_ERROR);
}


/* Kafka refuses the whole request for an isolation level that it does not know, once there is a
 * partition to read. */
static bool refuses_isolation(const request_state *state)
{
    int8_t level = state->context.request.isolation_level;
    if (level == READ_UNCOMMITTED || level == READ_COMMITTED) return false;
    for (size_t i = 0; i < state->found_count; i++) {
        int16_t error = state->found[i].result.error;
        if (error != MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION && error != MG_KAFKA_UNKNOWN_TOPIC_ID)
            return true;
    }
    return false;
}

static void refuse_round(request_state *state, mg_kafka_error error)
{
    state->error = (int16_t)error;
    for (size_t i = 0; i < state->found_count; i++) {
        found_part *found = &state->found[i];
        release_found(found);
        found->result = mg_fetch_refused(found->item.part.index, (int16_t)error);
        found->result.aborted_count = 0;
    }
}

typedef struct round_sum {
    size_t size;
    bool is_urgent; /* an error or a divergence: the fetcher must know at once */
} round_sum;

static bool do_round(request_state *state, round_sum *sum)
{
    mg_lane *lane = state->lane;
    mg_fetch_context *context = &state->context;
    if (!grow_found(lane, (size_t)mg_fetch_context_count(context))) return false;
    state->found = lane->found;
    state->found_count = 0;
    state->warm_partition = NULL;
    state->error = MG_KAFKA_NONE;
    *sum = (round_sum){0};

    int32_t asked = context->request.max_bytes;
    size_t size_max = asked < 0 ? 0 : (size_t)asked;
    if (size_max > (size_t)lane->config.fetch_size_max)
        size_max = (size_t)lane->config.fetch_size_max;
    mg_fetch_context_rewind(context);
    mg_fetch_item item;
    while (mg_fetch_context_next(context, &item)) {
        MG_ASSERT(state->found_count < lane->found_capacity);
        found_part *found = &state->found[state->found_count++];
        *found = (found_part){.item = item, .slice = {.fd = -1}};
        size_t size_left = sum->size < size_max ? size_max - sum->size : 0;
        read_part(state, found, size_left, sum->size == 0);
        sum->size += found->slice.size;
        if (found->result.error != MG_KAFKA_NONE || found->result.diverging_epoch >= 0)
            sum->is_urgent = true;
    }
    if (refuses_isolation(state)) {
        refuse_round(state, MG_KAFKA_UNKNOWN_SERVER_ERROR);
        *sum = (round_sum){.is_urgent = true};
    }
    return true;
}

/* ---- Parking ---- */

static void unpark(request_state *state)
{
    for (size_t i = 0; i < state->waiter_count; i++) {
        waiter *w = &state->waiters[i];
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

static waiter *create_waiters(request_state *state)
{
    if (state->found_count <= WAITERS_INLINE) return state->waiters_inline;
    return calloc(state->found_count, sizeof(waiter));
}

static bool park(request_state *state)
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
        waiter *w = &state->waiters[state->waiter_count++];
        *w = (waiter){.next = watch->fetches,
                      .watch = watch,
                      .fetch = state,
                      .end_offset = state->found[i].end_offset};
        if (watch->fetches != NULL) watch->fetches->previous = w;
        watch->fetches = w;
        mg_lane_touch_watch(lane, watch);
    }
    return true;
}

static void wake(request_state *state)
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
    for (waiter *w = watch->fetches; w != NULL; w = w->next)
        if (is_shut || end_offset > w->end_offset) wake(w->fetch);
}

/* ---- Cold reads ---- */

static void warm(mg_job *job)
{
    request_state *state =
        (request_state *)(void *)((char *)job - offsetof(request_state, warm_job));
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

static void start_warming(request_state *state)
{
    state->is_warming = true;
    state->warm_letter.kind = MG_LETTER_WARM;
    state->warm_job.run = warm;
    mg_partition_retain(state->warm_partition); /* or it could be removed under the worker */
    mg_workers_submit(state->lane->storage, &state->warm_job);
}

static void advance(request_state *state);

void mg_fetch_warmed(mg_letter *letter)
{
    request_state *state =
        (request_state *)(void *)((char *)letter - offsetof(request_state, warm_letter));
    state->is_warming = false;
    state->warmed = state->warm_partition;
    state->warm_count++;
    advance(state);
}

/* ---- Advancing ---- */

static bool is_enough(const request_state *state, const round_sum *sum)
{
    const mg_fetch_request *request = &state->context.request;
    return state->has_waited || request->max_wait_ms <= 0 || state->found_count == 0 ||
           sum->is_urgent || sum->size >= (request->min_bytes < 0 ? 0 : (size_t)request->min_bytes);
}

/* Does a round; then the request is ready, parked, or warming. */
static void advance(request_state *state)
{
    mg_lane *lane = state->lane;
    unpark(state);
    if (mg_reactor_is_finishing(lane->reactor)) state->has_waited = true;
    if (state->is_abandoned) {
        mg_session_ready(&state->base);
        return;
    }
    round_sum sum;
    if (!do_round(state, &sum)) {
        state->base.session->connection->doomed = true;
        mg_session_ready(&state->base);
        return;
    }
    if (state->warm_partition != NULL && !sum.is_urgent) {
        release_round(state);
        start_warming(state);
        return;
    }
    if (is_enough(state, &sum)) {
        /* The request is a fence, so it is encoded, from the lane's room, in this very call
         * unless older requests are unanswered: then the round is done again. */
        if (state->base.session->first != &state->base) release_round(state);
        mg_session_ready(&state->base);
        return;
    }
    bool has_deadline = state->base.deadline.slot != 0;
    int64_t due_ms =
        mg_reactor_now(lane->reactor).monotonic_ms + state->context.request.max_wait_ms;
    bool is_parked =
        (has_deadline || mg_reactor_add_deadline(lane->reactor, &state->base.deadline, due_ms)) &&
        park(state);
    release_round(state);
    if (is_parked) return;
    state->base.session->connection->doomed = true; /* no memory */
    mg_session_ready(&state->base);
}

void mg_fetch_work(mg_lane *lane)
{
    while (lane->woken != NULL) {
        request_state *state = lane->woken;
        lane->woken = state->woken_next;
        state->is_woken = false;
        advance(state);
    }
}

static void unwake(request_state *state)
{
    if (!state->is_woken) return;
    request_state **link = &state->lane->woken;
    while (*link != state) link = &(*link)->woken_next;
    *link = state->woken_next;
    state->is_woken = false;
}

void mg_fetch_due(mg_request *request)
{
    request_state *state = state_of(request);
    state->has_waited = true;
    if (state->is_warming) return;
    unwake(state);
    advance(state);
}

void mg_fetch_abandon(mg_request *request)
{
    request_state *state = state_of(request);
    state->is_abandoned = true;
    if (state->is_warming) return; /* the worker has it; the letter ends it */
    unwake(state);
    unpark(state);
    mg_session_ready(request);
}

void mg_fetch_answer_all(mg_lane *lane)
{
    for (mg_lane_watch *watch = lane->watches; watch != NULL; watch = watch->next)
        for (waiter *w = watch->fetches; w != NULL; w = w->next) {
            w->fetch->has_waited = true;
            wake(w->fetch);
        }
    mg_fetch_work(lane);
}

/* ---- Taking a request in ---- */

static request_state *create_state(mg_lane *lane, mg_span body)
{
    request_state *state = lane->spare_fetch;
    if (state != NULL) {
        lane->spare_fetch = state->spare_next;
        lane->spare_fetch_count--;
    } else {
        state = malloc(sizeof *state);
        if (state == NULL) return NULL;
    }
    memset(state, 0, offsetof(request_state, waiters_inline));
    state->body = body.size <= BODY_INLINE ? state->body_inline : malloc(body.size);
    if (state->body == NULL) {
        free(state);
        return NULL;
    }
    mg_copy(state->body, body.size, body.data, body.size);
    state->lane = lane;
    return state;
}

static void give_back(mg_lane *lane, request_state *state)
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
    request_state *state = state_of(request);
    MG_ASSERT(!state->is_warming);
    MG_ASSERT(!state->is_woken);
    MG_ASSERT(state->waiter_count == 0);
    release_round(state);
    if (state->has_context) mg_fetch_context_end(&state->context);
    give_back(request->session->lane, state);
}

void mg_fetch_deinit(mg_lane *lane)
{
    while (lane->spare_fetch != NULL) {
        request_state *state = lane->spare_fetch;
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
    request_state *state = create_state(lane, body);
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

/* ---- The reply ---- */

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

static reply_shape choose_parts(request_state *state)
{
    int64_t now_ms = mg_reactor_now(state->lane->reactor).monotonic_ms;
    reply_shape shape = {0};
    const found_part *previous = NULL;
    for (size_t i = 0; i < state->found_count; i++) {
        found_part *found = &state->found[i];
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

static int32_t count_of_topic(const request_state *state, size_t from)
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

static bool write_topics(request_state *state, mg_outbox *outbox, mg_writer *writer,
                         mg_fetch_reply *reply)
{
    bool in_topic = false;
    mg_topic_ref topic = {0};
    for (size_t i = 0; i < state->found_count; i++) {
        found_part *found = &state->found[i];
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
    request_state *state = state_of(request);
    int32_t session_id = 0;
    reply_shape shape = {0};
    if (state->has_context) {
        round_sum sum;
        if (state->found_count == 0 && !do_round(state, &sum)) {
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
            release_round(state);
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
