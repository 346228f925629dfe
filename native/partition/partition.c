#include "partition/partition.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    DRAIN_ITEMS_MAX = 128,  /* batches of one pwritev; far below IOV_MAX */
    DRAIN_ROUNDS_MAX = 16,  /* times that a drainer takes the queue before a worker goes on */
    RETRY_PAUSE_US = 20000, /* a flusher's, after a full disk: those who wait ask again at once */
    ADVANCE_SIZE = 256 * 1024 * 1024, /* made durable until the recovery point is worth writing */
};

typedef enum flush_state {
    FLUSH_IDLE,
    FLUSH_QUEUED,
    FLUSH_RUNNING,
    FLUSH_RUNNING_AND_WANTED, /* somebody asked after it had begun: once more */
} flush_state;

struct mg_partition {
    mg_log *log;
    mg_partition_pools pools;
    int32_t leader_epoch;

    _Atomic(mg_append *) to_open; /* newest first, and what was submitted behind */
    atomic_int opening_count;     /* in to_open, or in the opener's hands */
    atomic_bool opening;          /* the opener has its job */
    mg_append *being_opened;      /* the opener's: taken from to_open, oldest first */

    _Atomic(mg_append *) queue; /* newest first */
    atomic_bool turn;           /* held by the appender */
    atomic_bool shut;
    atomic_bool roll_wanted;
    atomic_bool full; /* the last reservation found the disk full */
    _Atomic int64_t now_ms; /* of the latest drain, for the worker that continues it */
    mg_append *pending;     /* the turn's: taken from the queue, oldest first */
    mg_append **pending_last;

    _Atomic int flush; /* flush_state */
    atomic_bool reserving;
    atomic_bool draining_later;
    atomic_int jobs; /* queued or running */

    mg_job room_job; /* holds the turn */
    mg_job turn_job; /* holds the turn, too */
    mg_job drain_job;
    mg_job open_job;
    mg_job reserve_job;
    mg_job flush_job;
    int64_t told_size;         /* durable at the last advance; the flusher's */
    _Atomic uint32_t advances; /* of the durable end, by ADVANCE_SIZE or more each */

    _Atomic uint64_t armed_data; /* bit i: watch i */
    _Atomic uint64_t armed_durable;
    _Atomic(mg_watch *) watches[MG_WATCHERS_MAX];
};

static_assert(MG_WATCHERS_MAX <= 64, "a watch is a bit");
static const uint64_t ALL_WATCHES = UINT64_MAX >> (64 - MG_WATCHERS_MAX);

static mg_partition *partition_of(mg_job *job, size_t offset)
{
    return (mg_partition *)(void *)((char *)job - offset);
}

static void run_room(mg_job *job);
static void run_turn(mg_job *job);
static void run_drain(mg_job *job);
static void run_open(mg_job *job);
static void run_reserve(mg_job *job);
static void run_flush(mg_job *job);

mg_status mg_partition_open(mg_partition **out, mg_log *log, int32_t leader_epoch,
                            mg_partition_pools pools, mg_error *error)
{
    mg_partition *partition = calloc(1, sizeof *partition);
    if (partition == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "a partition");
    partition->log = log;
    partition->leader_epoch = leader_epoch;
    partition->pools = pools;
    partition->pending_last = &partition->pending;
    partition->room_job.run = run_room;
    partition->turn_job.run = run_turn;
    partition->drain_job.run = run_drain;
    partition->open_job.run = run_open;
    partition->reserve_job.run = run_reserve;
    partition->flush_job.run = run_flush;
    *out = partition;
    return MG_OK;
}

void mg_partition_close(mg_partition *partition)
{
    MG_ASSERT(mg_partition_is_quiet(partition)); /* P5 */
    for (size_t i = 0; i < MG_WATCHERS_MAX; i++) free(atomic_load(&partition->watches[i]));
    free(partition);
}

mg_log *mg_partition_log(const mg_partition *partition)
{
    return partition->log;
}

int32_t mg_partition_leader_epoch(const mg_partition *partition)
{
    return partition->leader_epoch;
}

int64_t mg_partition_high_watermark(const mg_partition *partition)
{
    return mg_log_end_offset(partition->log);
}

int64_t mg_partition_last_stable_offset(const mg_partition *partition)
{
    return mg_log_last_stable_offset(partition->log);
}

bool mg_partition_is_full(const mg_partition *partition)
{
    return atomic_load(&partition->full);
}

uint32_t mg_partition_advances(const mg_partition *partition)
{
    return atomic_load_explicit(&partition->advances, memory_order_acquire);
}

bool mg_partition_is_shut(const mg_partition *partition)
{
    return atomic_load_explicit(&partition->shut, memory_order_acquire);
}

static void submit_job(mg_partition *partition, mg_workers *workers, mg_job *job)
{
    mg_partition_retain(partition);
    mg_workers_submit(workers, job);
}

bool mg_partition_is_quiet(const mg_partition *partition)
{
    return atomic_load(&partition->jobs) == 0 && !atomic_load(&partition->turn) &&
           atomic_load(&partition->to_open) == NULL && atomic_load(&partition->queue) == NULL;
}

void mg_partition_retain(mg_partition *partition)
{
    atomic_fetch_add(&partition->jobs, 1);
}

void mg_partition_release(mg_partition *partition)
{
    int before = atomic_fetch_sub(&partition->jobs, 1);
    MG_ASSERT(before > 0);
}

/* ---- Watching ---- */

static mg_watch *create_watch(mg_partition *partition, mg_mailbox *home, int kind)
{
    mg_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) return NULL;
    watch->letter.kind = kind;
    watch->home = home;
    watch->partition = partition;
    return watch;
}

mg_watch *mg_partition_watch(mg_partition *partition, unsigned index, mg_mailbox *home, int kind)
{
    MG_ASSERT(index < MG_WATCHERS_MAX);
    mg_watch *watch = atomic_load_explicit(&partition->watches[index], memory_order_acquire);
    if (watch != NULL) return watch;
    watch = create_watch(partition, home, kind);
    if (watch != NULL)
        atomic_store_explicit(&partition->watches[index], watch, memory_order_release);
    return watch;
}

void mg_partition_arm(mg_partition *partition, unsigned index, mg_watch_for what)
{
    MG_ASSERT(index < MG_WATCHERS_MAX);
    _Atomic uint64_t *armed =
        what == MG_WATCH_DATA ? &partition->armed_data : &partition->armed_durable;
    /* Pairs with the exchange in tell: whichever of the two comes second sees what was done before
     * the first. So either the teller finds the bit, or our caller's next look finds the news. */
    atomic_fetch_or(armed, UINT64_C(1) << index); /* P2 */
}

void mg_watch_opened(mg_watch *watch)
{
    /* An exchange, so that whatever a teller did before it found the letter posted is seen now. */
    bool was_posted = atomic_exchange(&watch->posted, false);
    MG_ASSERT(was_posted); /* P3 */
}

static void post_watches(mg_partition *partition, uint64_t mask)
{
    while (mask != 0) {
        unsigned index = (unsigned)__builtin_ctzll(mask);
        mask &= mask - 1;
        mg_watch *watch = atomic_load_explicit(&partition->watches[index], memory_order_acquire);
        if (watch != NULL && !atomic_exchange(&watch->posted, true))
            mg_mailbox_post(watch->home, &watch->letter);
    }
}

static void tell(mg_partition *partition, _Atomic uint64_t *armed)
{
    /* Not a load first: only a write takes part in the order that mg_partition_arm relies on. */
    post_watches(partition, atomic_exchange(armed, 0));
}

static void tell_all_of_failure(mg_partition *partition)
{
    (void)atomic_exchange(&partition->armed_data, 0);
    (void)atomic_exchange(&partition->armed_durable, 0);
    post_watches(partition, ALL_WATCHES);
}

/* ---- Appending ---- */

static void push(_Atomic(mg_append *) *stack, mg_append *append)
{
    mg_append *head = atomic_load_explicit(stack, memory_order_relaxed);
    do {
        append->next = head;
    } while (!atomic_compare_exchange_weak(stack, &head, append));
}

/* Everything, oldest first. */
static mg_append *take_all(_Atomic(mg_append *) *stack, mg_append **last)
{
    mg_append *newest = atomic_exchange(stack, NULL);
    mg_append *oldest = NULL;
    *last = newest;
    while (newest != NULL) {
        mg_append *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

static void want_opener(mg_partition *partition)
{
    if (atomic_exchange(&partition->opening, true)) return;
    submit_job(partition, partition->pools.openers, &partition->open_job);
}

void mg_partition_submit(mg_partition *partition, mg_append *append)
{
    append->status = MG_OK;
    /* The opener counts down after it passed on: who finds nothing comes behind what it had. */
    if (append->opening == NULL && atomic_load(&partition->opening_count) == 0) { /* P7 */
        push(&partition->queue, append);
        return;
    }
    atomic_fetch_add(&partition->opening_count, 1);
    push(&partition->to_open, append);
    want_opener(partition);
}

static void take_queue(mg_partition *partition)
{
    mg_append *last;
    mg_append *oldest = take_all(&partition->queue, &last);
    if (oldest == NULL) return;
    *partition->pending_last = oldest;
    partition->pending_last = &last->next;
}

static void answer(mg_append *append, mg_status status, int64_t start_offset)
{
    append->status = status;
    append->log_start_offset = start_offset;
    mg_mailbox_post(append->home, &append->letter); /* theirs again from here on */
}

static void answer_first(mg_partition *partition, size_t count, mg_status status)
{
    int64_t start_offset = mg_log_start_offset(partition->log);
    for (size_t i = 0; i < count; i++) {
        mg_append *append = partition->pending;
        partition->pending = append->next;
        answer(append, status, start_offset);
    }
    if (partition->pending == NULL) partition->pending_last = &partition->pending;
}

static void answer_all(mg_partition *partition, mg_status status)
{
    MG_ASSERT(status != MG_OK);
    while (partition->pending != NULL) answer_first(partition, 1, status);
}

static void want_room(mg_partition *partition)
{
    if (mg_partition_is_shut(partition) || !mg_log_wants_room(partition->log)) return;
    if (atomic_exchange(&partition->reserving, true)) return;
    submit_job(partition, partition->pools.storage, &partition->reserve_job);
}

/* Also where nobody waits for it: what is not durable has to be checked after a crash. */
static void flush_ahead(mg_partition *partition)
{
    if (mg_log_wants_flush(partition->log)) mg_partition_want_flush(partition);
}

/* Appends what is pending. False: the turn went to a worker, who continues. */
static bool append_pending(mg_partition *partition)
{
    while (partition->pending != NULL) {
        if (mg_partition_is_shut(partition)) {
            answer_all(partition, MG_CLOSED);
            break;
        }
        mg_log_item *items[DRAIN_ITEMS_MAX];
        size_t count = 0;
        for (mg_append *a = partition->pending; a != NULL && count < DRAIN_ITEMS_MAX; a = a->next)
            items[count++] = &a->item;

        size_t done = 0;
        int64_t now_ms = atomic_load_explicit(&partition->now_ms, memory_order_relaxed);
        mg_status status = mg_log_append(partition->log, items, count, partition->leader_epoch,
                                         now_ms, &done, NULL);
        MG_ASSERT(done <= count);
        MG_ASSERT(done == count || status != MG_OK); /* P1 */
        if (done > 0) {
            answer_first(partition, done, MG_OK);
            tell(partition, &partition->armed_data);
        }
        if (status == MG_BUSY) {
            submit_job(partition, partition->pools.storage, &partition->room_job);
            return false;
        }
        if (status != MG_OK) {
            answer_all(partition, status);
            tell_all_of_failure(partition);
        }
    }
    return true;
}

static void roll_in_turn(mg_partition *partition)
{
    atomic_store(&partition->roll_wanted, false);
    if (mg_partition_is_shut(partition)) return;
    mg_status status = mg_log_roll(partition->log, NULL);
    /* A full disk changed nothing: the next call of upkeep tries again. */
    if (status != MG_OK && status != MG_NO_SPACE && status != MG_NO_MEMORY)
        tell_all_of_failure(partition);
}

static void drain_in_turn(mg_partition *partition, bool may_wait_for_disk)
{
    int rounds = 0;
    do {
        if (atomic_load(&partition->roll_wanted)) {
            if (!may_wait_for_disk) {
                submit_job(partition, partition->pools.storage, &partition->turn_job);
                return; /* the turn went along */
            }
            roll_in_turn(partition);
        }
        if (rounds++ == DRAIN_ROUNDS_MAX) { /* others keep it filled: we have connections, too */
            submit_job(partition, partition->pools.storage, &partition->turn_job);
            return; /* the turn went along */
        }
        take_queue(partition);
        if (!append_pending(partition)) return; /* the turn went along */
        want_room(partition);
        flush_ahead(partition);
        atomic_store(&partition->turn, false);
        /* P4 */ /* Whoever submitted while we held the turn relies on this second look. */
    } while ((atomic_load(&partition->queue) != NULL || atomic_load(&partition->roll_wanted)) &&
             !atomic_exchange(&partition->turn, true));
}

void mg_partition_drain(mg_partition *partition, int64_t now_ms)
{
    atomic_store_explicit(&partition->now_ms, now_ms, memory_order_relaxed);
    if (atomic_load(&partition->queue) == NULL) return;
    if (atomic_exchange(&partition->turn, true)) return;
    drain_in_turn(partition, false);
}

static void run_room(mg_job *job)
{
    mg_partition *partition = partition_of(job, offsetof(mg_partition, room_job));
    MG_ASSERT(partition->pending != NULL);

    int64_t now_ms = atomic_load_explicit(&partition->now_ms, memory_order_relaxed);
    mg_status status =
        mg_log_make_room(partition->log, &partition->pending->item.header, now_ms, NULL);
    bool was_full = atomic_exchange(&partition->full, status == MG_NO_SPACE);
    if (status != MG_OK) {
        take_queue(partition);
        answer_all(partition, status);
        if (status != MG_NO_SPACE && status != MG_NO_MEMORY) tell_all_of_failure(partition);
    }
    if (was_full != (status == MG_NO_SPACE)) post_watches(partition, ALL_WATCHES);
    drain_in_turn(partition, true);
    mg_partition_release(partition);
}

static void run_turn(mg_job *job)
{
    mg_partition *partition = partition_of(job, offsetof(mg_partition, turn_job));
    drain_in_turn(partition, true);
    mg_partition_release(partition);
}

static void run_drain(mg_job *job)
{
    mg_partition *partition = partition_of(job, offsetof(mg_partition, drain_job));
    atomic_store(&partition->draining_later, false);
    if (!atomic_exchange(&partition->turn, true)) drain_in_turn(partition, true);
    mg_partition_release(partition);
}

static void drain_by_worker(mg_partition *partition)
{
    if (atomic_exchange(&partition->draining_later, true)) return;
    submit_job(partition, partition->pools.storage, &partition->drain_job);
}

void mg_partition_drain_later(mg_partition *partition, int64_t now_ms)
{
    atomic_store_explicit(&partition->now_ms, now_ms, memory_order_relaxed);
    drain_by_worker(partition);
}

void mg_partition_roll_later(mg_partition *partition)
{
    atomic_store(&partition->roll_wanted, true);
    drain_by_worker(partition);
}

static void run_reserve(mg_job *job)
{
    mg_partition *partition = partition_of(job, offsetof(mg_partition, reserve_job));
    /* A failure shows itself when the room is needed: nothing was changed. */
    (void)!mg_log_reserve_ahead(partition->log, NULL);
    atomic_store(&partition->reserving, false);
    mg_partition_release(partition);
}

/* ---- Opening ---- */

static mg_status look_into(const mg_partition *partition, mg_append *append, mg_scratch *plain)
{
    if (append->opening == NULL || mg_partition_is_shut(partition)) return MG_OK;
    mg_status status = mg_opening_look(append->opening, partition->pools.codecs, plain,
                                       append->item.batch, &append->item.header);
    if (status != MG_OK) return status;
    return append->opening->finding.fault == MG_BATCH_FINE ? MG_OK : MG_CORRUPT;
}

/* The first that waits, and what follows it up to the next that has to be opened. */
static void open_one(mg_partition *partition)
{
    mg_scratch plain = {.data = NULL, .size = 0};
    bool was_opened = false;
    while (partition->being_opened != NULL) {
        mg_append *append = partition->being_opened;
        if (append->opening != NULL && was_opened) break;
        was_opened = was_opened || (append->opening != NULL && !mg_partition_is_shut(partition));
        partition->being_opened = append->next;
        mg_status status = look_into(partition, append, &plain);
        if (status == MG_OK)
            push(&partition->queue, append);
        else
            answer(append, status, mg_log_start_offset(partition->log));
        atomic_fetch_sub(&partition->opening_count, 1); /* P7 */
    }
    mg_scratch_deinit(&plain);
}

/* One batch, then others' partitions have their turn, and this one lets go of its bytes. */
static void run_open(mg_job *job)
{
    mg_partition *partition = partition_of(job, offsetof(mg_partition, open_job));
    mg_append *last;
    if (partition->being_opened == NULL)
        partition->being_opened = take_all(&partition->to_open, &last);
    open_one(partition);
    if (!atomic_exchange(&partition->turn, true)) drain_in_turn(partition, false);

    if (partition->being_opened != NULL) {
        submit_job(partition, partition->pools.openers, &partition->open_job);
    } else {
        atomic_store(&partition->opening, false);
        /* Whoever pushed before this and found the job taken relies on this second look. */
        if (atomic_load(&partition->to_open) != NULL) want_opener(partition);
    }
    mg_partition_release(partition);
}

/* ---- Flushing ---- */

void mg_partition_want_flush(mg_partition *partition)
{
    if (mg_partition_is_shut(partition)) return; /* those who wait see that, and give up */
    /* Not a load: if the job that is queued begins after this, it must see all that we saw. */
    int state = atomic_fetch_or(&partition->flush, 0);
    for (;;) {
        switch ((flush_state)state) {
        case FLUSH_QUEUED:
        case FLUSH_RUNNING_AND_WANTED:
            return;
        case FLUSH_IDLE:
            if (!atomic_compare_exchange_weak(&partition->flush, &state, FLUSH_QUEUED)) break;
            submit_job(partition, partition->pools.flushers, &partition->flush_job);
            return;
        case FLUSH_RUNNING:
            if (atomic_compare_exchange_weak(&partition->flush, &state, FLUSH_RUNNING_AND_WANTED))
                return;
            break;
        }
    }
}

static void tell_advance(mg_partition *partition)
{
    int64_t flushed = mg_log_flushed_size(partition->log);
    if (flushed - partition->told_size < ADVANCE_SIZE) return;
    partition->told_size = flushed;
    atomic_fetch_add_explicit(&partition->advances, 1, memory_order_release);
    post_watches(partition, ALL_WATCHES);
}

static void run_flush(mg_job *job)
{
    mg_partition *partition = partition_of(job, offsetof(mg_partition, flush_job));
    int was = atomic_exchange(&partition->flush, FLUSH_RUNNING);
    MG_ASSERT(was == FLUSH_QUEUED); /* P6 */
    mg_status status = mg_log_flush(partition->log, NULL);
    if (status == MG_NO_SPACE || status == MG_NO_MEMORY) usleep(RETRY_PAUSE_US);
    if (status == MG_OK) tell(partition, &partition->armed_durable);
    if (status == MG_OK) tell_advance(partition);
    if (status != MG_OK) tell_all_of_failure(partition);

    int state = FLUSH_RUNNING;
    if (!atomic_compare_exchange_strong(&partition->flush, &state, FLUSH_IDLE)) {
        MG_ASSERT(state == FLUSH_RUNNING_AND_WANTED);
        atomic_store(&partition->flush, FLUSH_QUEUED);
        submit_job(partition, partition->pools.flushers, &partition->flush_job);
    }
    mg_partition_release(partition);
}

void mg_partition_shut(mg_partition *partition)
{
    atomic_store_explicit(&partition->shut, true, memory_order_release);
    tell_all_of_failure(partition);
    drain_by_worker(partition);
}
