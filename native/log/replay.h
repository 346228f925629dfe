/* replay.h -- what a batch found in the log says about its producer; see replay.c. */
#ifndef MG_LOG_REPLAY_H
#define MG_LOG_REPLAY_H

#include "log/state.h"

/* Records the batch, growing the table where needed. `bytes`: as much of the batch as is at hand;
 * a control record must be in it. Nobody may be reading the table. */
MG_WARN_UNUSED mg_status mg_producers_replay(mg_producers *producers, const mg_batch_header *header,
                                             mg_span bytes, mg_error *error);
/* The same for a log that is being taken up, its aborted transactions included. */
MG_WARN_UNUSED mg_status mg_log_replay(mg_log *log, const mg_batch_header *header, mg_span bytes,
                                       mg_error *error);

#endif
