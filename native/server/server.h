/* server.h -- the broker's C half: listeners, reactors with their lanes, workers, the image.
 *
 * The control plane (one thread, Python's) calls everything here; no call waits,
 * unless it says so. What it must know comes as events:
 *
 *   mg_server_event_fd readable ─▶ mg_server_take until it answers false
 *
 * The server borrows the logs of its partitions from add until the event that
 * says the removed partition is let go, or until close.
 */
#ifndef MG_SERVER_SERVER_H
#define MG_SERVER_SERVER_H

#include "server/control.h"
#include "server/image.h"

typedef struct mg_server_config {
    unsigned reactor_count;
    unsigned flusher_count;
    int32_t frame_size_max;
    int32_t connections_max;
    int64_t idle_timeout_ms;
    int64_t greeting_timeout_ms;
    size_t request_memory_max; /* received and not yet answered, all reactors together */
    int32_t fetch_size_max;
    int32_t fetch_sessions_max; /* of all reactors together */
    int socket_buffer_size;
    const mg_codecs *codecs; /* lent; to open what topics want a look at; NULL: none */
} mg_server_config;

typedef enum mg_server_event_kind {
    MG_EVENT_REQUEST,          /* answer `request` with mg_control_reply */
    MG_EVENT_APPENDED,         /* an append of the control plane, or refused: see error */
    MG_EVENT_REMOVED,          /* nobody uses the partition's log any more; the handle is gone */
    MG_EVENT_PARTITION_FAILED, /* a write or fsync failed; told once */
    MG_EVENT_PARTITION_FULL,   /* the disk is full: appends are refused, and tried again */
    MG_EVENT_PARTITION_HAS_ROOM, /* after FULL */
    MG_EVENT_PARTITION_ADVANCED, /* its recovery point should be written down soon */
} mg_server_event_kind;

typedef struct mg_server_event {
    mg_server_event_kind kind;
    mg_control_request *request;
    mg_partition *partition;
    uint64_t token;
    int16_t error; /* Kafka's */
    int64_t base_offset;
    mg_error failure;
} mg_server_event;

typedef struct mg_server_counters {
    uint64_t connections_accepted;
    uint64_t connections_turned_away;
    uint64_t connections_open;
    uint64_t produce_requests;
    uint64_t fetch_requests;
    uint64_t control_requests;
    uint64_t produced_batches;
    uint64_t produced_records;
    uint64_t produced_size;
    uint64_t fetched_size;
    uint64_t refused_frames;
    uint64_t produce_errors;
    uint64_t fetch_errors;
} mg_server_counters;

MG_WARN_UNUSED mg_status mg_server_open(mg_server **out, const mg_server_config *config,
                                        mg_error *error);
/* Ends every thread and frees everything; logs stay open, their owner's. Waits. */
void mg_server_close(mg_server *server);

/* Binds; connections are accepted from start on. `port` 0: a free one. */
MG_WARN_UNUSED mg_status mg_server_listen(mg_server *server, const char *host, uint16_t port,
                                          uint16_t *bound_port, mg_error *error);
MG_WARN_UNUSED mg_status mg_server_start(mg_server *server, mg_error *error);
/* Answers what was taken in, then closes every connection; waits at most about grace_ms. Another
 * thread goes on answering control requests meanwhile. */
void mg_server_drain(mg_server *server, int64_t grace_ms);

int mg_server_event_fd(const mg_server *server);
/* The oldest event that waits; false: none. */
bool mg_server_take(mg_server *server, mg_server_event *event);

/* Keeps the log. */
MG_WARN_UNUSED mg_status mg_server_add_partition(mg_server *server, mg_log *log,
                                                 int32_t leader_epoch, mg_partition **out,
                                                 mg_error *error);
/* The published image does not have it any more. MG_EVENT_REMOVED follows. */
MG_WARN_UNUSED mg_status mg_server_remove_partition(mg_server *server, mg_partition *partition,
                                                    uint64_t token);

/* Takes the topic. Invisible until publish. */
MG_WARN_UNUSED mg_status mg_server_set_topic(mg_server *server, mg_topic *topic);
MG_WARN_UNUSED mg_status mg_server_remove_topic(mg_server *server, mg_span name);
MG_WARN_UNUSED mg_status mg_server_publish(mg_server *server, uint64_t *version);

/* Copies the batch; `now_ms`: wall clock. MG_EVENT_APPENDED follows, if `durable` after the
 * fdatasync. */
MG_WARN_UNUSED mg_status mg_server_append(mg_server *server, mg_partition *partition,
                                          mg_span batch, uint64_t token, bool durable,
                                          int64_t now_ms);

mg_server_counters mg_server_count(const mg_server *server);

#endif
