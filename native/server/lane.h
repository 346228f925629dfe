/* lane.h -- the express lane of one reactor: its sessions, its requests, its place at partitions.
 *
 * Everything here belongs to the reactor's thread. What other threads need to
 * tell it comes as letters; the kinds are below. The counters are written by
 * the lane alone and may be read by anybody.
 */
#ifndef MG_SERVER_LANE_H
#define MG_SERVER_LANE_H

#include "net/reactor.h"
#include "server/image.h"
#include "wire/fetch_session.h"

typedef struct mg_server mg_server;
typedef struct mg_lane mg_lane;
typedef struct mg_session mg_session;
typedef struct mg_request mg_request;

typedef enum mg_letter_kind {
    MG_LETTER_APPEND = MG_LETTER_REACTOR_KINDS, /* an append of a produce_part is answered */
    MG_LETTER_WATCH,                            /* a partition moved */
    MG_LETTER_REPLY,                            /* the control plane answers a request */
    MG_LETTER_WARM,                             /* a cold read has been made warm */
    MG_LETTER_BATON,                            /* goes round all lanes, see baton.h */
    MG_LETTER_CONTROL_REQUEST,                  /* to the control plane */
    MG_LETTER_CONTROL_APPEND,
    MG_LETTER_CONTROL_BATON,
} mg_letter_kind;

typedef struct mg_lane_counters {
    _Atomic uint64_t produce_requests;
    _Atomic uint64_t fetch_requests;
    _Atomic uint64_t control_requests;
    _Atomic uint64_t produced_batches;
    _Atomic uint64_t produced_records;
    _Atomic uint64_t produced_size;
    _Atomic uint64_t fetched_size;
    _Atomic uint64_t refused_frames; /* connections closed for what they sent */
    _Atomic uint64_t produce_errors; /* partitions answered with an error */
    _Atomic uint64_t fetch_errors;
} mg_lane_counters;

/* Only the lane writes, so a plain load and store make the sum. */
static inline void mg_count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* A partition as this lane waits for it: what mg_watch.waiters points to. */
typedef struct mg_lane_watch {
    mg_watch *watch;
    struct mg_produce_pending *durable_first; /* in the order of their offsets */
    struct mg_produce_pending *durable_last;
    struct mg_fetch_waiter *fetches;
    struct mg_lane_watch *touched_next; /* armed at the end of this round */
    struct mg_lane_watch *next;         /* all of the lane */
    bool is_touched;
} mg_lane_watch;

typedef struct mg_lane_config {
    int32_t frame_size_max;
    int32_t fetch_size_max;
    int32_t fetch_sessions_max;
    int32_t fetch_session_partitions_max;
} mg_lane_config;

struct mg_lane {
    mg_server *server;
    mg_reactor *reactor;
    mg_mailbox *mailbox;
    mg_mailbox *control; /* the control plane's */
    mg_workers *storage;
    const mg_image *image;          /* this turn's */
    _Atomic(mg_image *) *published; /* where to look for the next */
    unsigned watcher;               /* our index at partitions */
    mg_lane_config config;
    uint64_t seed; /* random: session ids and hashes are not to be guessed */
    mg_fetch_sessions *fetch_sessions;

    mg_partition **dirty; /* appended to in this turn */
    size_t dirty_count;
    size_t dirty_capacity;

    mg_lane_watch *watches;
    mg_lane_watch *touched;
    struct mg_fetch_state *woken; /* parked fetches to look at again */
    struct mg_produce_request_state *spare; /* of the common size */
    size_t spare_count;
    struct mg_fetch_state *spare_fetch;
    size_t spare_fetch_count;
    struct mg_fetch_portion *found; /* room for one round of a fetch */
    size_t found_capacity;

    mg_lane_counters counters;
};

/* The events that a reactor is to be opened with. `lane` is set up before its reactor starts. */
mg_reactor_events mg_lane_events(mg_lane *lane);
MG_WARN_UNUSED mg_status mg_lane_init(mg_lane *lane, mg_error *error);
void mg_lane_deinit(mg_lane *lane);

/* The partition has appends of ours in its queue: drain it in this turn. */
void mg_lane_touch_partition(mg_lane *lane, mg_partition *partition);
/* Our watch at a partition; NULL when memory is short. */
mg_lane_watch *mg_lane_watch_at(mg_lane *lane, mg_partition *partition);
/* Somebody began to wait on it: arm it, and look again, at the end of this round. */
void mg_lane_touch_watch(mg_lane *lane, mg_lane_watch *watch);

#endif
