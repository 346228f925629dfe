/* ingest.h -- whole batches from one piece of memory into a log, by a caller that may wait.
 *
 * For callers in process: the binding, coordinators, tools. A server gathers items of its own and
 * has workers make room (log.h). The append turn is the caller's.
 */
#ifndef MG_LOG_INGEST_H
#define MG_LOG_INGEST_H

#include "log/log.h"

/* How many batches `batches` is made of, by their sizes. MG_CORRUPT: not whole batches. */
MG_WARN_UNUSED mg_status mg_log_count_batches(mg_span batches, size_t *count, mg_error *error);
/* Checks each batch (size, magic, checksum; not the records) and makes it an item. `count` is
 * what mg_log_count_batches said. The items borrow the memory. */
MG_WARN_UNUSED mg_status mg_log_split(uint8_t *batches, size_t size, mg_log_item *items,
                                      size_t count, mg_error *error);
/* mg_log_append with mg_log_make_room where it is needed. */
MG_WARN_UNUSED mg_status mg_log_append_all(mg_log *log, mg_log_item *items, size_t count,
                                           int32_t leader_epoch, int64_t now_ms, size_t *done,
                                           mg_error *error);

#endif
