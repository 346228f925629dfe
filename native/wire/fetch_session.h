/* fetch_session.h -- incremental fetch sessions (KIP-227) of one reactor.
 *
 * A consumer names its partitions once; afterwards it sends only what changed
 * and is told only what changed. A session remembers, for each partition, what
 * was asked and what was last answered.
 *
 *   epoch  session id   meaning
 *      -1           0   no session                       MG_FETCH_SESSIONLESS
 *      -1          id   close it, then no session        MG_FETCH_SESSIONLESS
 *       0    0 or id    close it, begin a new one        MG_FETCH_FULL
 *     > 0          id   the next step of a session       MG_FETCH_INCREMENTAL
 *
 * How a fetch goes, parked or not:
 *
 *   mg_fetch_context_begin                 session looked up, told partitions merged in
 *   { rewind, next* }                      a round: read them; one more each time it is woken
 *   answer*                                which to include; remembers what was answered
 *   finish                                 error and session id for the reply
 *   end                                    always; the session may go now
 *
 * Errors are always included, and so is whatever has records or a changed high watermark or log
 * start. Partitions that had records move behind the others, so that a reply of bounded size
 * serves them in turn.
 *
 * One thread. Memory is bounded by the limits of mg_fetch_sessions_config; where they are reached,
 * a session is evicted as in Kafka, or none is made (session id 0 in the reply, which is legal).
 * Look-ups take constant time; hashes are seeded, so no client can choose collisions.
 */
#ifndef MG_WIRE_FETCH_SESSION_H
#define MG_WIRE_FETCH_SESSION_H

#include "wire/fetch.h"

typedef struct mg_fetch_sessions mg_fetch_sessions;
typedef struct mg_fetch_session mg_fetch_session;
typedef struct mg_fetch_slot mg_fetch_slot;

typedef struct mg_fetch_sessions_config {
    int32_t sessions_max;   /* max.incremental.fetch.session.cache.slots, this reactor's share */
    int32_t partitions_max; /* of all sessions together; see MG_FETCH_SESSION_PARTITIONS_MAX */
    int64_t idle_max_ms;    /* a session unused for longer gives way to any other */
    uint32_t id_prefix;     /* the reactor's index: upper bits of every id */
    uint32_t id_prefix_bits;
    uint64_t seed; /* random; for ids and hashes */
} mg_fetch_sessions_config;

MG_WARN_UNUSED mg_status mg_fetch_sessions_open(mg_fetch_sessions **out,
                                                const mg_fetch_sessions_config *config);
/* No context may be in use. */
void mg_fetch_sessions_close(mg_fetch_sessions *sessions);
int32_t mg_fetch_sessions_count(const mg_fetch_sessions *sessions);
int32_t mg_fetch_sessions_partition_count(const mg_fetch_sessions *sessions);
void mg_fetch_sessions_check(const mg_fetch_sessions *sessions); /* every invariant; for tests */

typedef enum mg_fetch_kind {
    MG_FETCH_SESSIONLESS,
    MG_FETCH_FULL,
    MG_FETCH_INCREMENTAL,
} mg_fetch_kind;

/* One fetch under way. The caller's memory; fields are the module's own but for kind and request.
 */
typedef struct mg_fetch_context {
    mg_fetch_sessions *sessions;
    mg_fetch_session *session; /* pinned; incremental, or the full one being built */
    mg_fetch_request request;  /* its spans borrow the frame, which must outlive the context
                                  (incremental: only begin) */
    mg_fetch_walk walk;
    mg_fetch_slot *next_slot;
    mg_fetch_kind kind;
    int32_t epoch;  /* the session's, after begin */
    bool refused;   /* full: no room for a session */
    bool answering; /* the last round is over */
} mg_fetch_context;

/* The Kafka errors that sessions know. */
enum {
    MG_FETCH_SESSION_ID_NOT_FOUND = 70,
    MG_INVALID_FETCH_SESSION_EPOCH = 71,
    MG_FETCH_SESSION_TOPIC_ID_ERROR = 106,
};

/* 0, or the Kafka error of the whole reply, which then has session id 0 and no topics:
 * not found (or no room for what the request adds: the client then starts anew), wrong epoch,
 * names and ids mixed. After an error there is nothing to end. */
MG_WARN_UNUSED int16_t mg_fetch_context_begin(mg_fetch_context *context,
                                              mg_fetch_sessions *sessions,
                                              const mg_fetch_request *request, int64_t now_ms);

/* One partition to read, with the slot by which to answer. */
typedef struct mg_fetch_item {
    mg_fetch_part part;  /* incremental: its spans live while the context is current */
    mg_fetch_slot *slot; /* NULL unless incremental */
} mg_fetch_item;

/* False after another request of the same session has begun: its items are then stale, `next` and
 * `answer` say false, and `finish` says what to reply. Asked after anything that let others run. */
bool mg_fetch_context_is_current(const mg_fetch_context *context);
void mg_fetch_context_rewind(mg_fetch_context *context);
bool mg_fetch_context_next(mg_fetch_context *context, mg_fetch_item *item);
/* How many items a round has: room for the caller's list. */
int32_t mg_fetch_context_count(const mg_fetch_context *context);

/* True: `result` goes into the reply. Once for every item of the last round, after the round, in
 * the order of the reply; items that were not read, because the reply was full, with
 * records_size 0. Items of one topic that follow one another make one topic of the reply
 * (mg_topic_ref_equal), as in Kafka: a topic may come twice. */
bool mg_fetch_context_answer(mg_fetch_context *context, const mg_fetch_item *item,
                             const mg_fetch_result *result, int64_t now_ms);
/* 0 and the session id for the reply; or 71 when another request of the same session came in
 * between: the reply then has that error, this session id and no topics. */
MG_WARN_UNUSED int16_t mg_fetch_context_finish(mg_fetch_context *context, int64_t now_ms,
                                               int32_t *session_id);
void mg_fetch_context_end(mg_fetch_context *context);

/* A word of the server's on a slot: what it resolved the partition to. Zero in a new slot. */
typedef struct mg_fetch_slot_note {
    void *partition;
    uint64_t version;
} mg_fetch_slot_note;
mg_fetch_slot_note *mg_fetch_slot_note_of(mg_fetch_slot *slot);

#endif
