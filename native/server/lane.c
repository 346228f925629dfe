#include "server/lane.h"

#include "server/baton.h"
#include "server/session.h"

#include <stdlib.h>

enum { DIRTY_FIRST = 64 };

/* ---- Partitions ---- */

static bool grow_dirty(mg_lane *lane)
{
    size_t capacity = lane->dirty_capacity == 0 ? DIRTY_FIRST : lane->dirty_capacity * 2;
    mg_partition **dirty = realloc(lane->dirty, capacity * sizeof *dirty);
    if (dirty == NULL) return false;
    lane->dirty = dirty;
    lane->dirty_capacity = capacity;
    return true;
}

void mg_lane_touch_partition(mg_lane *lane, mg_partition *partition)
{
    /* A turn touches few partitions many times, mostly the last one again. */
    if (lane->dirty_count > 0 && lane->dirty[lane->dirty_count - 1] == partition) return;
    if (lane->dirty_count == lane->dirty_capacity && !grow_dirty(lane)) {
        /* What can't be remembered is done at once. */
        mg_partition_drain(partition, mg_reactor_now(lane->reactor).wall_ms);
        return;
    }
    lane->dirty[lane->dirty_count++] = partition;
}

static mg_lane_watch *create_watch(mg_lane *lane, mg_watch *watch)
{
    mg_lane_watch *ours = calloc(1, sizeof *ours);
    if (ours == NULL) return NULL;
    ours->watch = watch;
    ours->next = lane->watches;
    lane->watches = ours;
    watch->waiters = ours;
    return ours;
}

mg_lane_watch *mg_lane_watch_at(mg_lane *lane, mg_partition *partition)
{
    mg_watch *watch =
        mg_partition_watch(partition, lane->watcher, lane->mailbox, MG_LETTER_WATCH);
    if (watch == NULL) return NULL;
    return watch->waiters != NULL ? watch->waiters : create_watch(lane, watch);
}

void mg_lane_touch_watch(mg_lane *lane, mg_lane_watch *watch)
{
    if (watch->is_touched) return;
    watch->is_touched = true;
    watch->touched_next = lane->touched;
    lane->touched = watch;
}

static void look(mg_lane *lane, mg_lane_watch *watch)
{
    if (watch->durable_first != NULL) mg_produce_look(lane, watch);
    if (watch->fetches != NULL) mg_fetch_look(lane, watch);
}

static void arm_touched(mg_lane *lane)
{
    while (lane->touched != NULL) {
        mg_lane_watch *watch = lane->touched;
        lane->touched = watch->touched_next;
        watch->is_touched = false;
        mg_partition *partition = watch->watch->partition;
        if (watch->fetches != NULL) mg_partition_arm(partition, lane->watcher, MG_WATCH_DATA);
        if (watch->durable_first != NULL) {
            mg_partition_arm(partition, lane->watcher, MG_WATCH_DURABLE);
            mg_partition_want_flush(partition);
        }
        look(lane, watch);
    }
}

/* The partition is going: nobody of ours waits for it any longer. */
static void let_go(mg_lane *lane, mg_partition *partition)
{
    mg_lane_watch **link = &lane->watches;
    while (*link != NULL && (*link)->watch->partition != partition) link = &(*link)->next;
    mg_lane_watch *watch = *link;
    if (watch == NULL) return;
    look(lane, watch); /* they see that it is shut */
    mg_fetch_work(lane);
    if (watch->is_touched) arm_touched(lane);
    MG_ASSERT(watch->durable_first == NULL); /* S8 */
    MG_ASSERT(watch->fetches == NULL);
    watch->watch->waiters = NULL;
    *link = watch->next;
    free(watch);
}

/* ---- The reactor's events ---- */

static bool opened(void *owner, mg_connection *connection)
{
    connection->session = mg_session_open(owner, connection);
    return connection->session != NULL;
}

static mg_intake received(mg_connection *connection, uint8_t *bytes, size_t size, mg_chunk *chunk)
{
    return mg_session_receive(connection->session, bytes, size, chunk);
}

static bool busy(const mg_connection *connection)
{
    const mg_session *session = connection->session;
    return session->first != NULL;
}

static void closed(mg_connection *connection)
{
    mg_session_connection_closed(connection->session);
}

static void turn_began(void *owner)
{
    mg_lane *lane = owner;
    lane->image = atomic_load_explicit(lane->published, memory_order_acquire);
}

static void mail(void *owner, mg_letter *letter)
{
    mg_lane *lane = owner;
    switch ((mg_letter_kind)letter->kind) {
    case MG_LETTER_APPEND:
        mg_produce_appended(lane, letter);
        return;
    case MG_LETTER_WATCH: {
        mg_watch *watch = (mg_watch *)(void *)((char *)letter - offsetof(mg_watch, letter));
        mg_watch_opened(watch);
        mg_lane_watch *ours = watch->waiters;
        if (ours == NULL) return;
        look(lane, ours);
        if (ours->fetches != NULL || ours->durable_first != NULL) mg_lane_touch_watch(lane, ours);
        return;
    }
    case MG_LETTER_REPLY:
        mg_control_replied(letter);
        return;
    case MG_LETTER_WARM:
        mg_fetch_warmed(letter);
        return;
    case MG_LETTER_BATON: {
        mg_baton *baton = mg_baton_of(letter);
        turn_began(lane); /* nobody uses what the baton comes to take away */
        if (baton->partition != NULL) let_go(lane, baton->partition);
        mg_baton_pass_on(baton, lane->watcher);
        return;
    }
    case MG_LETTER_CONTROL_REQUEST:
    case MG_LETTER_CONTROL_APPEND:
    case MG_LETTER_CONTROL_BATON:
        break;
    }
    MG_ASSERT(letter->kind < MG_LETTER_CONTROL_REQUEST); /* nobody posts us the control plane's */
}

static bool work(void *owner)
{
    mg_lane *lane = owner;
    int64_t wall_ms = mg_reactor_now(lane->reactor).wall_ms;
    for (size_t i = 0; i < lane->dirty_count; i++) mg_partition_drain(lane->dirty[i], wall_ms);
    lane->dirty_count = 0;
    arm_touched(lane);
    mg_fetch_work(lane);
    return !mg_mailbox_is_empty(lane->mailbox) || lane->touched != NULL;
}

static void due(void *owner, mg_deadline *deadline)
{
    (void)owner;
    mg_request *request =
        (mg_request *)(void *)((char *)deadline - offsetof(mg_request, deadline));
    switch (request->kind) {
    case MG_REQUEST_PRODUCE:
        mg_produce_due(request);
        return;
    case MG_REQUEST_FETCH:
        mg_fetch_due(request);
        return;
    case MG_REQUEST_CONTROL:
        MG_ASSERT(request->kind != MG_REQUEST_CONTROL); /* it has no deadline */
    }
}

static void finishing(void *owner)
{
    mg_fetch_answer_all(owner);
}

mg_reactor_events mg_lane_events(mg_lane *lane)
{
    return (mg_reactor_events){
        .owner = lane,
        .connection = {.received = received, .busy = busy, .closed = closed},
        .opened = opened,
        .turn_began = turn_began,
        .mail = mail,
        .work = work,
        .due = due,
        .finishing = finishing,
    };
}

mg_status mg_lane_init(mg_lane *lane, mg_error *error)
{
    mg_fetch_sessions_config config = {
        .sessions_max = lane->config.fetch_sessions_max,
        .partitions_max = lane->config.fetch_session_partitions_max,
        .idle_max_ms = 120000, /* Kafka's min.incremental.fetch.session.eviction.ms */
        .id_prefix = lane->watcher,
        .id_prefix_bits = 5, /* MG_REACTORS_MAX */
        .seed = lane->seed,
    };
    mg_status status = mg_fetch_sessions_open(&lane->fetch_sessions, &config);
    if (status != MG_OK) return mg_fail(error, status, 0, "fetch sessions");
    return MG_OK;
}

void mg_lane_deinit(mg_lane *lane)
{
    mg_produce_deinit(lane);
    mg_fetch_deinit(lane);
    if (lane->fetch_sessions != NULL) mg_fetch_sessions_close(lane->fetch_sessions);
    while (lane->watches != NULL) {
        mg_lane_watch *watch = lane->watches;
        lane->watches = watch->next;
        watch->watch->waiters = NULL;
        free(watch);
    }
    free(lane->dirty);
}
