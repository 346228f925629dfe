/* partition.h -- a log with its append turn, its flusher and those who wait for it.
 *
 * Appending. Any thread submits appends (lock-free) and then offers to drain
 * the queue. Whoever gets the turn appends everything that is queued, its own
 * and others', in order; whoever does not get it goes on with other work, since
 * the holder looks again before it lets go. Nobody spins or sleeps for the turn.
 * When the log needs room (a reservation, a roll) the turn passes to a worker,
 * which may wait for the disk and then drains in the drainer's place.
 * The answers come as letters to the mailbox that the append names.
 *
 *   submit ─▶ queue ─▶ drain: mg_log_append ─┬─▶ letter to append->home
 *     │         ▲         ▲                  └─▶ MG_BUSY: worker: make_room ─┐
 *     │         │         └───────────────────────────────────────────────────┘
 *     │         └─ fine ──┐
 *     └─▶ to open ─▶ opener: mg_opening_look ─▶ refused: letter to append->home
 *
 * Opening. An append whose records are to be looked at goes round by an opener,
 * and so does everything that is submitted while one does: nothing overtakes,
 * because sequence numbers of a producer follow one another.
 *
 * Waiting. A watcher (a reactor, or the control plane) has one mg_watch a
 * partition. It arms the watch for what it waits for and then looks again; the
 * appender (data), the flusher (durable) and failures post the watch's letter
 * once to the watcher's mailbox and disarm it.
 *
 * Flushing. mg_partition_want_flush starts a job of the flusher pool, or makes
 * the one that runs go round again: one fdatasync answers all who wait. Where
 * nobody does, one is started when the log wants it.
 *
 * The partition borrows the log, the pools and the watches; all outlive it.
 */
#ifndef MG_PARTITION_PARTITION_H
#define MG_PARTITION_PARTITION_H

#include "log/log.h"
#include "partition/mailbox.h"
#include "partition/opening.h"
#include "partition/workers.h"

enum { MG_WATCHERS_MAX = 33 }; /* 32 reactors and the control plane */

typedef struct mg_partition mg_partition;

/* One batch on its way into a partition. Whoever submits it lends it, with the batch's bytes,
 * until the letter arrives. */
typedef struct mg_append {
    mg_letter letter; /* comes home when status and item have their answers */
    mg_mailbox *home;
    mg_log_item item;
    mg_opening *opening; /* lent, too; NULL: appended as it is */
    mg_status status;    /* MG_OK, or why the append never happened; MG_CORRUPT: see opening */
    int64_t log_start_offset;
    struct mg_append *next; /* the partition's */
} mg_append;

typedef enum mg_watch_for {
    MG_WATCH_DATA = 1,    /* the published end moved */
    MG_WATCH_DURABLE = 2, /* the durable end moved */
} mg_watch_for;

typedef struct mg_watch {
    mg_letter letter;
    mg_mailbox *home;
    mg_partition *partition;
    atomic_bool posted;
    void *waiters; /* the watcher's own */
} mg_watch;

typedef struct mg_partition_pools {
    mg_workers *storage;     /* room: reservations and rolls */
    mg_workers *flushers;    /* fdatasync */
    mg_workers *openers;     /* decompression */
    const mg_codecs *codecs; /* for them; NULL: none */
} mg_partition_pools;

MG_WARN_UNUSED mg_status mg_partition_open(mg_partition **out, mg_log *log, int32_t leader_epoch,
                                           mg_partition_pools pools, mg_error *error);
/* Nobody may be using it: see mg_partition_shut. Frees the watches too. */
void mg_partition_close(mg_partition *partition);

mg_log *mg_partition_log(const mg_partition *partition);
int32_t mg_partition_leader_epoch(const mg_partition *partition);
/* With one replica everything published is committed. */
int64_t mg_partition_high_watermark(const mg_partition *partition);
int64_t mg_partition_last_stable_offset(const mg_partition *partition);
bool mg_partition_is_shut(const mg_partition *partition);
/* Grows when so much became durable since that its recovery point should be written down: what
 * lies above that is checked after a crash. Every watch is posted then. */
uint32_t mg_partition_advances(const mg_partition *partition);
/* Appends are refused for want of space; every watch is posted when that begins and ends. */
bool mg_partition_is_full(const mg_partition *partition);

/* ---- Appending ---- */

void mg_partition_submit(mg_partition *partition, mg_append *append);
/* Drains the queue if the turn is free. `now_ms`: wall clock, for LogAppendTime and rolls. */
void mg_partition_drain(mg_partition *partition, int64_t now_ms);
/* The same by a worker, for a caller that may not be kept. */
void mg_partition_drain_later(mg_partition *partition, int64_t now_ms);

/* A worker seals the active segment, if there is anything in it, and begins another: so that
 * retention can take what nobody appends behind. */
void mg_partition_roll_later(mg_partition *partition);

/* Everything published so far is to become durable; the watches armed for it are told. */
void mg_partition_want_flush(mg_partition *partition);

/* ---- Watching ---- */

/* The watch of watcher `index`, made at the first call with `home` as its mailbox and `kind` as
 * its letter's kind; NULL when memory is short. Only that watcher calls it with that index. */
mg_watch *mg_partition_watch(mg_partition *partition, unsigned index, mg_mailbox *home, int kind);
/* Arm, then look at the ends again: what moved before is not told. */
void mg_partition_arm(mg_partition *partition, unsigned index, mg_watch_for what);
/* When the letter has come: from now on it may come again. */
void mg_watch_opened(mg_watch *watch);

/* No append succeeds from now on (MG_CLOSED); every watch is posted. What is queued is answered
 * by whoever has or gets the turn. */
void mg_partition_shut(mg_partition *partition);
/* True when nothing is queued and no job of the pools has the partition in hand: after shut, the
 * sign that it can be closed once every watcher has let go of it. */
bool mg_partition_is_quiet(const mg_partition *partition);
/* For a job of somebody else's that uses the partition: it is not quiet until the job's end. */
void mg_partition_retain(mg_partition *partition);
void mg_partition_release(mg_partition *partition);

#endif
