#include "server/server.h"

#include "base/copy.h"
#include "net/listener.h"
#include "server/baton.h"
#include "server/kafka_error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h> /* getentropy, for all but musl */
#include <unistd.h>

enum {
    STORAGE_THREADS = 2, /* reservations, rolls, cold reads */
    OPENER_THREADS = 1,  /* decompression: each may hold a batch of MG_BATCH_OPENED_SIZE_MAX */
    LISTENERS_MAX = MG_LISTENERS_MAX / MG_LISTENER_ADDRESSES_MAX, /* what a reactor can hold */
    OUTBOX_HIGH = 4 << 20, /* four replies of the size that consumers ask for at a time */
    OUTBOX_LOW = 1 << 20,
    QUIET_PAUSE_US = 500,
    CONTROL_WATCHER = MG_WATCHERS_MAX - 1,
    PARTITIONS_FIRST = 16,
    FETCH_SESSION_PARTITIONS_MAX = 1 << 20,
};

static_assert((int)MG_REACTORS_MAX <= (int)CONTROL_WATCHER, "every reactor has a watch of its own");

/* An append of the control plane. */
typedef struct control_append {
    mg_append append; /* first: the letter comes back as this */
    struct control_append *next;
    mg_partition *partition;
    uint64_t token;
    int64_t durable_from;
    bool durable;
    uint8_t bytes[];
} control_append;

/* The control plane at a partition. */
typedef struct control_watch {
    control_append *first; /* wait to become durable */
    control_append **last;
    bool told_failure;
    bool told_full;
    uint32_t told_advances;
} control_watch;

struct mg_server {
    mg_server_config config;
    mg_reactor_group group;
    mg_lane lanes[MG_REACTORS_MAX];
    mg_partition_pools pools;
    mg_mailbox mailbox; /* the control plane's */
    mg_letter *letters; /* taken from it, not looked at yet */
    control_append *answered; /* to be told as events, oldest first */
    control_append **answered_last;
    _Atomic(mg_image *) published;
    mg_image_draft draft;
    mg_partition **partitions;
    size_t partition_count;
    size_t partition_capacity;
    mg_listener listeners[LISTENERS_MAX];
    int listener_count;
    bool started;
};

/* ---- Life ---- */

static mg_status open_lane(mg_server *server, unsigned index, mg_error *error)
{
    mg_lane *lane = &server->lanes[index];
    lane->server = server;
    lane->control = &server->mailbox;
    lane->storage = server->pools.storage;
    lane->published = &server->published;
    lane->watcher = index;
    if (getentropy(&lane->seed, sizeof lane->seed) != 0)
        return mg_fail(error, MG_IO, errno, "getentropy");
    lane->config = (mg_lane_config){
        .frame_size_max = server->config.frame_size_max,
        .fetch_size_max = server->config.fetch_size_max,
        .fetch_sessions_max = server->config.fetch_sessions_max / (int32_t)server->group.count,
        .fetch_session_partitions_max = FETCH_SESSION_PARTITIONS_MAX,
    };
    mg_reactor_config config = {
        .index = index,
        .idle_timeout_ms = server->config.idle_timeout_ms,
        .greeting_timeout_ms = server->config.greeting_timeout_ms,
        .memory_max = server->config.request_memory_max / server->group.count,
        .outbox_high = OUTBOX_HIGH,
        .outbox_low = OUTBOX_LOW,
        .connections_max = server->config.connections_max,
    };
    mg_reactor_events events = mg_lane_events(lane);
    mg_status status = mg_reactor_open(&lane->reactor, &server->group, &config, &events, error);
    if (status != MG_OK) return status;
    server->group.reactors[index] = lane->reactor;
    lane->mailbox = mg_reactor_mailbox(lane->reactor);
    return mg_lane_init(lane, error);
}

static mg_status open_parts(mg_server *server, mg_error *error)
{
    mg_status status = mg_mailbox_init(&server->mailbox, error);
    if (status != MG_OK) return status;
    mg_image *image;
    status = mg_image_draft_publish(&server->draft, NULL, &image);
    if (status != MG_OK) return mg_fail(error, status, 0, "the first image");
    atomic_store(&server->published, image);
    status = mg_workers_open(&server->pools.storage, STORAGE_THREADS, "mg-storage", error);
    if (status != MG_OK) return status;
    status = mg_workers_open(&server->pools.flushers, server->config.flusher_count, "mg-flusher",
                             error);
    if (status != MG_OK) return status;
    server->pools.codecs = server->config.codecs;
    status = mg_workers_open(&server->pools.openers, OPENER_THREADS, "mg-opener", error);
    for (unsigned i = 0; status == MG_OK && i < server->group.count; i++)
        status = open_lane(server, i, error);
    return status;
}

mg_status mg_server_open(mg_server **out, const mg_server_config *config, mg_error *error)
{
    MG_ASSERT(config->reactor_count > 0 && config->reactor_count <= MG_REACTORS_MAX);
    mg_server *server = calloc(1, sizeof *server);
    if (server == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a server");
    server->config = *config;
    server->group.count = config->reactor_count;
    server->mailbox.wake_fd = -1;
    server->answered_last = &server->answered;
    mg_status status = open_parts(server, error);
    if (status != MG_OK) {
        mg_server_close(server);
        return status;
    }
    *out = server;
    return MG_OK;
}

static void refuse_waiting_requests(mg_server *server);

void mg_server_close(mg_server *server)
{
    for (unsigned i = 0; i < server->group.count; i++) {
        if (server->lanes[i].reactor == NULL) continue;
        if (server->started) mg_reactor_finish(server->lanes[i].reactor, 0);
        mg_reactor_join(server->lanes[i].reactor);
    }
    /* So that no job begets another, and whoever waits is answered. */
    for (size_t i = 0; i < server->partition_count; i++)
        mg_partition_shut(server->partitions[i]);
    if (server->pools.openers != NULL) mg_workers_close(server->pools.openers);
    if (server->pools.storage != NULL) mg_workers_close(server->pools.storage);
    if (server->pools.flushers != NULL) mg_workers_close(server->pools.flushers);
    if (server->mailbox.wake_fd >= 0) refuse_waiting_requests(server);
    for (unsigned i = 0; i < server->group.count; i++)
        if (server->lanes[i].reactor != NULL) mg_reactor_settle(server->lanes[i].reactor);
    if (server->mailbox.wake_fd >= 0) refuse_waiting_requests(server); /* batons that came home */
    for (unsigned i = 0; i < server->group.count; i++) {
        mg_lane *lane = &server->lanes[i];
        if (lane->reactor == NULL) continue;
        mg_lane_deinit(lane);
        mg_reactor_close(lane->reactor);
    }
    for (size_t i = 0; i < server->partition_count; i++) {
        mg_partition *partition = server->partitions[i];
        mg_watch *watch =
            mg_partition_watch(partition, CONTROL_WATCHER, &server->mailbox, MG_LETTER_WATCH);
        if (watch != NULL) free(watch->waiters);
        mg_partition_close(partition);
    }
    free(server->partitions);
    for (int i = 0; i < server->listener_count; i++) mg_listener_close(&server->listeners[i]);
    mg_image *image = atomic_load(&server->published);
    if (image != NULL) mg_image_free(image);
    mg_image_draft_deinit(&server->draft);
    if (server->mailbox.wake_fd >= 0) mg_mailbox_deinit(&server->mailbox);
    free(server);
}

mg_status mg_server_listen(mg_server *server, const char *host, uint16_t port,
                           uint16_t *bound_port, mg_error *error)
{
    MG_ASSERT(!server->started);
    if (server->listener_count == LISTENERS_MAX)
        return mg_fail(error, MG_TOO_LARGE, 0, "at most %d listeners", LISTENERS_MAX);
    mg_listener *listener = &server->listeners[server->listener_count];
    mg_status status =
        mg_listener_open(listener, host, port, server->config.socket_buffer_size, error);
    if (status != MG_OK) return status;
    int index = server->listener_count++;
    /* The first reactor accepts and deals out: a fair share needs no luck then. */
    for (unsigned i = 0; status == MG_OK && i < listener->count; i++)
        status = mg_reactor_listen(server->lanes[0].reactor, listener->fds[i], index, error);
    if (status == MG_OK) *bound_port = listener->port;
    return status;
}

mg_status mg_server_start(mg_server *server, mg_error *error)
{
    MG_ASSERT(!server->started);
    server->started = true;
    for (unsigned i = 0; i < server->group.count; i++) {
        mg_status status = mg_reactor_start(server->lanes[i].reactor, error);
        if (status != MG_OK) return status;
    }
    return MG_OK;
}

void mg_server_drain(mg_server *server, int64_t grace_ms)
{
    if (!server->started) return;
    for (unsigned i = 0; i < server->group.count; i++)
        mg_reactor_finish(server->lanes[i].reactor, grace_ms);
    for (unsigned i = 0; i < server->group.count; i++) mg_reactor_join(server->lanes[i].reactor);
}

/* ---- Partitions and the image ---- */

mg_status mg_server_add_partition(mg_server *server, mg_log *log, int32_t leader_epoch,
                                  mg_partition **out, mg_error *error)
{
    if (server->partition_count == server->partition_capacity) {
        size_t capacity =
            server->partition_capacity == 0 ? PARTITIONS_FIRST : server->partition_capacity * 2;
        mg_partition **grown = realloc(server->partitions, capacity * sizeof *grown);
        if (grown == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a partition");
        server->partitions = grown;
        server->partition_capacity = capacity;
    }
    mg_partition *partition;
    mg_status status = mg_partition_open(&partition, log, leader_epoch, server->pools, error);
    if (status != MG_OK) return status;
    control_watch *ours = calloc(1, sizeof *ours);
    mg_watch *watch =
        mg_partition_watch(partition, CONTROL_WATCHER, &server->mailbox, MG_LETTER_WATCH);
    if (ours == NULL || watch == NULL) {
        free(ours);
        mg_partition_close(partition);
        return mg_fail(error, MG_NO_MEMORY, 0, "a partition");
    }
    ours->last = &ours->first;
    watch->waiters = ours;
    server->partitions[server->partition_count++] = partition;
    *out = partition;
    return MG_OK;
}

static void wait_until_quiet(mg_job *job)
{
    mg_baton *baton = (mg_baton *)(void *)((char *)job - offsetof(mg_baton, job));
    if (mg_partition_is_quiet(baton->partition)) {
        mg_baton_pass_on(baton, (unsigned)-1);
        return;
    }
    usleep(QUIET_PAUSE_US); /* a flush is under way; it ends when the disk answers */
    mg_server *server = (mg_server *)(void *)((char *)baton->group - offsetof(mg_server, group));
    mg_workers_submit(server->pools.storage, job);
}

static mg_baton *create_baton(mg_server *server)
{
    mg_baton *baton = calloc(1, sizeof *baton);
    if (baton == NULL) return NULL;
    baton->group = &server->group;
    baton->home = &server->mailbox;
    return baton;
}

mg_status mg_server_remove_partition(mg_server *server, mg_partition *partition, uint64_t token)
{
    mg_baton *baton = create_baton(server);
    if (baton == NULL) return MG_NO_MEMORY;
    baton->partition = partition;
    baton->token = token;
    mg_partition_shut(partition);
    mg_baton_pass_on(baton, (unsigned)-1);
    return MG_OK;
}

mg_status mg_server_set_topic(mg_server *server, mg_topic *topic)
{
    return mg_image_draft_set(&server->draft, topic);
}

mg_status mg_server_remove_topic(mg_server *server, mg_span name)
{
    return mg_image_draft_remove(&server->draft, name);
}

mg_status mg_server_publish(mg_server *server, uint64_t *version)
{
    mg_image *previous = atomic_load(&server->published);
    mg_baton *baton = create_baton(server);
    if (baton == NULL) return MG_NO_MEMORY;
    mg_image *image;
    mg_status status = mg_image_draft_publish(&server->draft, previous, &image);
    if (status != MG_OK) {
        free(baton);
        return status;
    }
    *version = image->version;
    baton->image = previous;
    atomic_store_explicit(&server->published, image, memory_order_release);
    if (server->started)
        mg_baton_pass_on(baton, (unsigned)-1);
    else { /* no reactor has ever looked */
        mg_image_free(previous);
        free(baton);
    }
    return MG_OK;
}

static control_append *create_append(mg_span batch)
{
    control_append *append = calloc(1, sizeof *append + batch.size);
    if (append != NULL) mg_copy(append->bytes, batch.size, batch.data, batch.size);
    return append;
}

mg_status mg_server_append(mg_server *server, mg_partition *partition, mg_span batch,
                           uint64_t token, bool durable, int64_t now_ms)
{
    if (mg_partition_is_shut(partition)) return MG_CLOSED;
    mg_batch_header header;
    mg_status status = mg_batch_check(batch, &header);
    if (status != MG_OK) return status;
    control_append *append = create_append(batch);
    if (append == NULL) return MG_NO_MEMORY;
    append->append.letter.kind = MG_LETTER_CONTROL_APPEND;
    append->append.home = &server->mailbox;
    append->append.item.batch = append->bytes;
    append->append.item.header = header;
    append->partition = partition;
    append->token = token;
    append->durable = durable;
    mg_partition_submit(partition, &append->append);
    mg_partition_drain_later(partition, now_ms);
    return MG_OK;
}

/* ---- Events ---- */

int mg_server_event_fd(const mg_server *server)
{
    return server->mailbox.wake_fd;
}

static control_watch *control_watch_of(mg_server *server, mg_partition *partition, mg_watch **watch)
{
    *watch = mg_partition_watch(partition, CONTROL_WATCHER, &server->mailbox, MG_LETTER_WATCH);
    MG_ASSERT(*watch != NULL); /* made in add_partition */
    return (*watch)->waiters;
}

static mg_status trouble_of(const mg_partition *partition, mg_error *error)
{
    mg_status status = mg_log_health(mg_partition_log(partition), error);
    if (status == MG_OK && mg_partition_is_shut(partition)) return MG_CLOSED;
    return status;
}

static void push_answered(mg_server *server, control_append *append)
{
    append->next = NULL;
    *server->answered_last = append;
    server->answered_last = &append->next;
}

/* Moves those that need not wait any longer to `answered`. */
static void look(mg_server *server, mg_partition *partition, control_watch *ours)
{
    mg_status trouble = trouble_of(partition, NULL);
    int64_t durable_end = mg_log_durable_end(mg_partition_log(partition));
    while (ours->first != NULL) {
        control_append *append = ours->first;
        bool is_durable = append->durable_from <= durable_end;
        if (!is_durable && trouble == MG_OK) break;
        if (!is_durable) append->append.status = trouble;
        ours->first = append->next;
        if (ours->first == NULL) ours->last = &ours->first;
        push_answered(server, append);
    }
}

static void wait_until_durable(mg_server *server, control_append *append)
{
    mg_watch *watch;
    control_watch *ours = control_watch_of(server, append->partition, &watch);
    append->durable_from =
        append->append.item.base_offset + append->append.item.header.last_offset_delta + 1;
    append->next = NULL;
    *ours->last = append;
    ours->last = &append->next;
    mg_partition_arm(append->partition, CONTROL_WATCHER, MG_WATCH_DURABLE);
    mg_partition_want_flush(append->partition);
    look(server, append->partition, ours);
}

static bool tell_answered(mg_server *server, mg_server_event *event)
{
    control_append *append = server->answered;
    if (append == NULL) return false;
    server->answered = append->next;
    if (server->answered == NULL) server->answered_last = &server->answered;
    *event = (mg_server_event){
        .kind = MG_EVENT_APPENDED,
        .partition = append->partition,
        .token = append->token,
        .error = (int16_t)mg_kafka_error_of(append->append.status),
        .base_offset = append->append.status == MG_OK ? append->append.item.base_offset : -1,
    };
    free(append);
    return true;
}

static bool tell_watch(mg_server *server, mg_watch *watch, mg_server_event *event)
{
    mg_watch_opened(watch);
    control_watch *ours = watch->waiters;
    mg_partition *partition = watch->partition;
    look(server, partition, ours);
    if (ours->first != NULL) {
        mg_partition_arm(partition, CONTROL_WATCHER, MG_WATCH_DURABLE);
        mg_partition_want_flush(partition);
        look(server, partition, ours);
    }
    /* One event a letter. The failure first: it is posted once, the others are told later. */
    mg_error failure = {0};
    mg_status trouble = mg_log_health(mg_partition_log(partition), &failure);
    if (trouble != MG_OK && !ours->told_failure) {
        ours->told_failure = true;
        *event = (mg_server_event){
            .kind = MG_EVENT_PARTITION_FAILED, .partition = partition, .failure = failure};
        return true;
    }
    bool is_full = mg_partition_is_full(partition);
    if (is_full != ours->told_full) {
        ours->told_full = is_full;
        *event = (mg_server_event){.kind = is_full ? MG_EVENT_PARTITION_FULL
                                                   : MG_EVENT_PARTITION_HAS_ROOM,
                                   .partition = partition};
        return true;
    }
    uint32_t advances = mg_partition_advances(partition);
    if (advances == ours->told_advances) return false;
    ours->told_advances = advances;
    *event = (mg_server_event){.kind = MG_EVENT_PARTITION_ADVANCED, .partition = partition};
    return true;
}

static void forget_partition(mg_server *server, mg_partition *partition)
{
    for (size_t i = 0; i < server->partition_count; i++) {
        if (server->partitions[i] != partition) continue;
        server->partitions[i] = server->partitions[--server->partition_count];
        break;
    }
    mg_watch *watch;
    control_watch *ours = control_watch_of(server, partition, &watch);
    MG_ASSERT(ours->first == NULL);
    free(ours);
    mg_partition_close(partition);
}

static bool tell_baton(mg_server *server, mg_baton *baton, mg_server_event *event)
{
    if (baton->image != NULL) {
        mg_image_free(baton->image);
        free(baton);
        return false;
    }
    if (baton->rounds == 1) {
        baton->job.run = wait_until_quiet;
        mg_workers_submit(server->pools.storage, &baton->job);
        return false;
    }
    /* After the second round no letter that speaks of the partition is on its way to a lane. */
    *event = (mg_server_event){
        .kind = MG_EVENT_REMOVED, .partition = baton->partition, .token = baton->token};
    mg_watch *watch;
    control_watch *ours = control_watch_of(server, baton->partition, &watch);
    look(server, baton->partition, ours);
    forget_partition(server, baton->partition);
    free(baton);
    return true;
}

static bool tell(mg_server *server, mg_letter *letter, mg_server_event *event)
{
    switch ((mg_letter_kind)letter->kind) {
    case MG_LETTER_CONTROL_REQUEST:
        *event = (mg_server_event){.kind = MG_EVENT_REQUEST,
                                   .request = mg_control_request_of(letter)};
        return true;
    case MG_LETTER_CONTROL_APPEND: {
        control_append *append = (control_append *)(void *)letter;
        if (append->append.status == MG_OK && append->durable) {
            wait_until_durable(server, append);
        } else {
            push_answered(server, append);
        }
        return tell_answered(server, event);
    }
    case MG_LETTER_WATCH:
        return tell_watch(server, (mg_watch *)(void *)((char *)letter - offsetof(mg_watch, letter)),
                          event);
    case MG_LETTER_CONTROL_BATON:
        return tell_baton(server, mg_baton_of(letter), event);
    case MG_LETTER_APPEND:
    case MG_LETTER_REPLY:
    case MG_LETTER_WARM:
    case MG_LETTER_BATON:
        break;
    }
    MG_ASSERT(letter->kind >= MG_LETTER_CONTROL_REQUEST); /* nobody posts us a lane's */
    return false;
}

bool mg_server_take(mg_server *server, mg_server_event *event)
{
    for (;;) {
        if (tell_answered(server, event)) return true;
        if (server->letters == NULL) {
            mg_mailbox_hush(&server->mailbox);
            server->letters = mg_mailbox_take(&server->mailbox);
            if (server->letters == NULL) return false;
        }
        mg_letter *letter = server->letters;
        server->letters = letter->next; /* the letter may be sent on at once */
        if (tell(server, letter, event)) return true;
    }
}

/* At the end: what nobody will answer any more. */
static void refuse_waiting_requests(mg_server *server)
{
    mg_letter *letter = server->letters;
    server->letters = NULL;
    for (;;) {
        if (letter == NULL) letter = mg_mailbox_take(&server->mailbox);
        if (letter == NULL) break;
        mg_letter *next = letter->next;
        if (letter->kind == MG_LETTER_CONTROL_REQUEST)
            mg_control_reply(mg_control_request_of(letter), NULL, 0);
        else if (letter->kind == MG_LETTER_CONTROL_APPEND)
            free(letter);
        else if (letter->kind == MG_LETTER_CONTROL_BATON) {
            mg_baton *baton = mg_baton_of(letter);
            if (baton->image != NULL) mg_image_free(baton->image);
            free(baton);
        }
        letter = next;
    }
    mg_server_event event;
    for (size_t i = 0; i < server->partition_count; i++) {
        mg_watch *watch;
        control_watch *ours = control_watch_of(server, server->partitions[i], &watch);
        while (ours->first != NULL) {
            control_append *append = ours->first;
            ours->first = append->next;
            free(append);
        }
    }
    while (tell_answered(server, &event)) continue;
}

mg_server_counters mg_server_count(const mg_server *server)
{
    mg_server_counters sum = {
        .connections_accepted = atomic_load(&server->group.accepted),
        .connections_turned_away = atomic_load(&server->group.turned_away),
        .connections_open = (uint64_t)atomic_load(&server->group.connections),
    };
    for (unsigned i = 0; i < server->group.count; i++) {
        const mg_lane_counters *c = &server->lanes[i].counters;
        sum.produce_requests += atomic_load(&c->produce_requests);
        sum.fetch_requests += atomic_load(&c->fetch_requests);
        sum.control_requests += atomic_load(&c->control_requests);
        sum.produced_batches += atomic_load(&c->produced_batches);
        sum.produced_records += atomic_load(&c->produced_records);
        sum.produced_size += atomic_load(&c->produced_size);
        sum.fetched_size += atomic_load(&c->fetched_size);
        sum.refused_frames += atomic_load(&c->refused_frames);
        sum.produce_errors += atomic_load(&c->produce_errors);
        sum.fetch_errors += atomic_load(&c->fetch_errors);
    }
    return sum;
}
