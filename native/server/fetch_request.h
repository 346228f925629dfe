/* fetch_request.h -- what the parts of a Fetch request share.
 *
 *   fetch_request.c  its life: taken in, advanced, parked, woken, warmed, freed
 *   fetch_round.c    what its partitions have at this moment
 *   fetch_reply.c    a round, written down
 */
#ifndef MG_SERVER_FETCH_REQUEST_H
#define MG_SERVER_FETCH_REQUEST_H

#include "server/kafka_error.h"
#include "server/session.h"
#include "wire/fetch.h"

enum {
    MG_FETCH_BODY_INLINE = 512, /* most fetches without a session fit */
    MG_FETCH_WAITERS_INLINE = 4,
};

/* What a round found for one partition. */
typedef struct mg_fetch_portion {
    mg_fetch_item item;
    mg_fetch_result result;
    mg_log_slice slice;
    mg_aborted_transaction *aborted; /* what result.aborted points to; freed with the round */
    mg_partition *partition;         /* NULL where it was not found */
    int64_t end_offset;              /* of the log, before it was read */
    bool is_included;
} mg_fetch_portion;

/* A parked fetch at one partition's watch. */
typedef struct mg_fetch_waiter {
    struct mg_fetch_waiter *previous;
    struct mg_fetch_waiter *next;
    mg_lane_watch *watch;
    struct mg_fetch_state *fetch;
    int64_t end_offset; /* what the round saw: only more than that is news */
} mg_fetch_waiter;

typedef struct mg_fetch_state {
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

    struct mg_fetch_state *woken_next;
    struct mg_fetch_waiter *waiters; /* inline or allocated */
    size_t waiter_count;

    struct mg_fetch_portion *found; /* the lane's room; filled while the request is encoded */
    size_t found_count;
    struct mg_fetch_state *spare_next;
    uint8_t *body; /* a copy, which the context's spans borrow; inline or allocated */
    struct mg_fetch_waiter waiters_inline[MG_FETCH_WAITERS_INLINE]; /* from here on not cleared */
    uint8_t body_inline[MG_FETCH_BODY_INLINE];
} mg_fetch_state;

static inline mg_fetch_state *mg_fetch_state_of(mg_request *request)
{
    return (mg_fetch_state *)(void *)request;
}

typedef struct mg_fetch_sum {
    size_t size;
    bool is_urgent; /* an error or a divergence: the fetcher must know at once */
} mg_fetch_sum;

/* Reads what the partitions have now into the lane's room. What it pins is held until the next
 * round, or the release. False: no memory. */
bool mg_fetch_do_round(mg_fetch_state *state, mg_fetch_sum *sum);
void mg_fetch_release_round(mg_fetch_state *state);

#endif
