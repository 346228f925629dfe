/* producer_state.h -- what the log knows of each idempotent producer: its epoch and its last five
 * batches, so that a retry is recognised and a lost batch is noticed.
 *
 * The rules are Kafka's (ProducerAppendInfo):
 *   same epoch and sequences as one of the last five    duplicate, answered with the original
 *   lower epoch                                         MG_APPEND_INVALID_PRODUCER_EPOCH
 *   same epoch, sequence not the successor of the last  MG_APPEND_OUT_OF_ORDER_SEQUENCE
 *   higher epoch, sequence not 0                        the same
 *   producer not known (never seen, or expired)         any sequence is taken
 *   sequences run from 0 to 2^31-1 and on at 0
 *   transaction open, batch not part of it              MG_APPEND_INVALID_TXN_STATE
 *   marker with a lower epoch                           MG_APPEND_INVALID_PRODUCER_EPOCH
 *   marker of a coordinator older than the last one's   MG_APPEND_COORDINATOR_FENCED
 *
 * Named producers are ours: programs that take up a source again, after any time and restart.
 * Their ids have the bit MG_PRODUCER_NAMED. They never expire, and epoch and sequence together are
 * a position in the source, (epoch << 31) + sequence, that may have gaps, because the rows of a
 * source may go to many partitions. Theirs alone are these rules:
 *   begins above the last position     taken in
 *   ends at or below it                duplicate, answered with the original where it is known
 *   else                               MG_APPEND_OUT_OF_ORDER_SEQUENCE
 *
 * One open-addressing table per log. The appender decides and records without
 * allocating: mg_producers_reserve, where a disk may be waited for anyway, grows
 * the table ahead and drops the expired. mg_producers_view may run beside that
 * in any thread that is inside the log's readers: each entry carries a version
 * that is odd while it is written.
 */
#ifndef MG_LOG_PRODUCER_STATE_H
#define MG_LOG_PRODUCER_STATE_H

#include "log/log.h"
#include "log/retired.h"

enum { MG_PRODUCER_WINDOW = 5 }; /* Kafka's; clients have at most five requests in flight */

/* The bit of a named producer's id, and how many positions it has. */
#define MG_PRODUCER_NAMED (INT64_C(1) << 62)
#define MG_PRODUCER_POSITION_END (INT64_C(1) << 46)

static inline bool mg_producer_is_named(int64_t producer_id)
{
    return producer_id >= MG_PRODUCER_NAMED; /* ids are not negative */
}

static inline int64_t mg_producer_position(int32_t epoch, int32_t sequence)
{
    return (int64_t)epoch * (INT64_C(1) << 31) + sequence;
}

typedef struct mg_producer_table mg_producer_table;

typedef struct mg_producers {
    _Atomic(mg_producer_table *) table; /* NULL: no producer yet */
    size_t count;                       /* the appender's */
} mg_producers;

void mg_producers_init(mg_producers *producers);
void mg_producers_deinit(mg_producers *producers);
/* Takes over what `fresh` holds; `*replaced`: the old table, to be retired, or NULL. */
void mg_producers_take_over(mg_producers *producers, mg_producers *fresh, mg_retired **replaced);

/* False when `producer_id` is new and the table is full: mg_producers_reserve is needed. */
bool mg_producers_has_room(const mg_producers *producers, int64_t producer_id);
/* Grows or tidies so that there is room for `more` new producers. Expired ones are dropped.
 * `*replaced`: the old table, to be retired, or NULL. */
MG_WARN_UNUSED mg_status mg_producers_reserve(mg_producers *producers, size_t more, int64_t now_ms,
                                              int64_t expiry_ms, mg_retired **replaced,
                                              mg_error *error);

/* What to answer to a produced batch that carries a producer id. `*base_offset` is the original's
 * where it is a duplicate. Changes nothing. */
mg_append_verdict mg_producers_decide(const mg_producers *producers, const mg_batch_header *header,
                                      int64_t *base_offset);

/* The last position of a named producer, -1: none. The appender's to ask. */
int64_t mg_producers_position(const mg_producers *producers, int64_t producer_id);

/* What a control batch says; see mg_control_decode. */
typedef struct mg_control {
    bool known; /* an end-of-transaction marker of a version that we read */
    bool commit;
    int32_t coordinator_epoch;
} mg_control;
/* Reads the one record of a control batch; `batch` may end before the batch does. */
mg_control mg_control_decode(mg_span batch, const mg_batch_header *header);

/* What to answer to a marker that a coordinator writes. */
mg_append_verdict mg_producers_decide_control(const mg_producers *producers,
                                              const mg_batch_header *header,
                                              const mg_control *control);
/* True where the batch, not yet recorded, ends a transaction that has data by aborting it. */
bool mg_producers_aborts(const mg_producers *producers, const mg_batch_header *header,
                         const mg_control *control, mg_aborted *entry);
/* The first offset of the oldest open transaction, -1: none. The appender's to ask. */
int64_t mg_producers_first_open(const mg_producers *producers);

/* Records a batch that was taken in, or is found in the log: offsets are final. Needs room. */
void mg_producers_record(mg_producers *producers, const mg_batch_header *header,
                         const mg_control *control);

size_t mg_producers_view(const mg_producers *producers, mg_producer_view *out, size_t room);

/* ---- The snapshot file ---- */

/* Writes the file anew (temporary, fdatasync where `synced`, rename). */
MG_WARN_UNUSED mg_status mg_producers_save(const mg_producers *producers, mg_files *files,
                                           const char *path, bool synced, mg_error *error);
/* Takes up a snapshot but for the expired. MG_CORRUPT: contradicts itself, nothing taken up. */
MG_WARN_UNUSED mg_status mg_producers_load(mg_producers *producers, mg_files *files,
                                           const char *path, int64_t now_ms, int64_t expiry_ms,
                                           mg_error *error);

#endif
