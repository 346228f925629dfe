/* roll.h -- what roll.c and append.c share with the rest of the folder; see state.h. */
#ifndef MG_LOG_ROLL_H
#define MG_LOG_ROLL_H

#include "log/state.h"

/* True where the batch must begin a new segment. The append turn. */
bool mg_log_must_roll(const mg_log *log, const mg_batch_header *header, int64_t now_ms);
/* The active segment's index files, ended with its greatest timestamp. Not synced. */
MG_WARN_UNUSED mg_status mg_log_write_active_indexes(mg_log *log, mg_error *error);
/* Undoes mg_log_create_segment for a segment that was never published. */
void mg_log_discard_segment(mg_log *log, mg_segment *segment);

#endif
