/* columns.h -- decodes the records of a payload into parallel arrays.
 *
 * The arrays are the caller's, each with room for header->record_count values,
 * and each may be NULL when not wanted. Positions count from the payload's
 * first byte; a size of -1 is a null. Keys and values are not copied.
 *
 * Offsets and timestamps are absolute: a batch stamped with LogAppendTime gives
 * every record the batch's timestamp, as Kafka does. Nothing here allocates.
 */
#ifndef MG_BATCH_COLUMNS_H
#define MG_BATCH_COLUMNS_H

#include "batch/batch.h"

typedef struct mg_columns {
    int64_t *offsets;
    int64_t *timestamps;
    int32_t *key_positions;
    int32_t *key_sizes;
    int32_t *value_positions;
    int32_t *value_sizes;
    int32_t *headers_positions;
    int32_t *header_counts;
} mg_columns;

/* The absolute timestamp of a record; wraps where the batch is hostile. */
static inline int64_t mg_batch_record_timestamp(const mg_batch_header *header, int64_t delta)
{
    if ((header->attributes & MG_BATCH_APPEND_TIME) != 0) return header->max_timestamp;
    return (int64_t)((uint64_t)header->base_timestamp + (uint64_t)delta);
}

/* `payload` is uncompressed. MG_CORRUPT: the arrays then hold rubbish from the bad record on. */
MG_WARN_UNUSED mg_status mg_columns_decode(mg_span payload, const mg_batch_header *header,
                                           const mg_columns *columns);

#endif
