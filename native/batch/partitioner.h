/* partitioner.h -- which rows go to which partition, as Kafka's clients choose it.
 *
 * A key's partition is (murmur2(key) & 0x7fffffff) % count, so that a record of ours lies where
 * a Java client looks for it. Rows without a key all go to one partition that the caller names.
 *
 * Everything is borrowed. Nothing here allocates.
 */
#ifndef MG_BATCH_PARTITIONER_H
#define MG_BATCH_PARTITIONER_H

#include "batch/rows.h"

/* Kafka's hash: murmur2 of 32 bits with the seed 0x9747b28c. */
uint32_t mg_murmur2(mg_span key);

static inline int32_t mg_partition_of_key(mg_span key, int32_t partition_count)
{
    return (int32_t)((mg_murmur2(key) & INT32_MAX) % (uint32_t)partition_count);
}

/* The partition of each row, into `partitions`, and how many rows each partition has, into the
 * `partition_count` counts. 0 <= sticky < partition_count. */
MG_WARN_UNUSED mg_status mg_partitioner_assign(const mg_rows *rows, int32_t partition_count,
                                               int32_t sticky, int32_t *partitions, size_t *counts,
                                               mg_error *error);
/* The first row without a key, which no compacted topic takes; MG_NOT_FOUND: all have one. */
MG_WARN_UNUSED mg_status mg_partitioner_find_keyless(const mg_rows *rows, size_t *row,
                                                     mg_error *error);
/* Row numbers by partition, ascending in each: those of partition p begin at what `begins[p]` says
 * beforehand, and end at what it says afterwards. */
void mg_partitioner_gather(const int32_t *partitions, size_t row_count, size_t *begins,
                           int32_t *rows);

#endif
