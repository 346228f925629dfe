/* model.h -- what a log must hold: the batches that were taken in, and what was promised of them.
 *
 * The life of a log (life.h) tells the model what it does; a check (verdict.h) asks it what may be
 * found after a crash. A batch is known by its bytes, so that nothing else passes for it.
 */
#ifndef MG_TESTS_EXPLORE_MODEL_H
#define MG_TESTS_EXPLORE_MODEL_H

#include "batch/batch.h"
#include "log/log.h"

enum { MODEL_PRODUCERS = 6 }; /* ids 1 to 6; the last two write transactions */

typedef struct model_batch {
    mg_batch_header header;
    uint8_t *bytes;
    bool is_abort;
} model_batch;

typedef struct model {
    model_batch *batches; /* ascending offsets */
    size_t count;
    size_t capacity;
    int64_t start_offset;   /* nothing below it is asked for */
    int64_t start_limit;    /* as far as a deletion that goes on may have come */
    int64_t durable_end;    /* acknowledged: everything below survives a power cut */
    int64_t truncated_to;   /* a truncation that goes on: above, everything may be gone */
    int64_t end_seen; /* of the log: it may lie behind the last batch, where the rest was lost */
    int64_t recovery_point; /* the checkpoints, as they lie on disk */
    int64_t start_checkpoint;
    size_t maybe_from; /* batches from here on were never said to be taken in */
} model;

/* What a producer's batches, as far as they were found, leave behind. */
typedef struct model_producer {
    int64_t last_offset; /* -1: no batch */
    int64_t open_since;  /* -1: no transaction is open */
    int32_t last_sequence;
    int16_t epoch;
} model_producer;

void model_init(model *m);
void model_deinit(model *m);
/* `bytes` as they were stamped. */
void model_add(model *m, const mg_batch_header *header, const uint8_t *bytes, bool is_abort);
/* Batches that reach above `offset` are gone. */
void model_cut(model *m, int64_t offset);
/* The batch that begins at `offset`, or NULL. */
const model_batch *model_find(const model *m, int64_t offset);
int64_t model_end(const model *m);
/* One past the last batch that lies below `offset`. */
int64_t model_end_below(const model *m, int64_t offset);
/* The producer from its batches below `end`. */
model_producer model_producer_at(const model *m, int64_t producer_id, int64_t end);
void model_copy(model *to, const model *from);

#endif
