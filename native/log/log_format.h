/* log_format.h -- the files of a partition directory, besides the batches. Kafka's own names and
 * bytes; all numbers are big-endian.
 *
 *   <base>.log        record batches, one after another (batch/batch_format.h)
 *   <base>.index      { relative offset i32 | position i32 } ...
 *                     the last offset of the batch that begins at the position
 *   <base>.timeindex  { timestamp i64 | relative offset i32 } ...
 *                     the greatest timestamp up to the batch that ends with the offset; ascending
 *   <base>.txnindex   aborted transactions whose marker lies in the segment; only where there are:
 *                     { version i16 = 0 | producer id i64 | first offset i64
 *                     | last offset i64, the marker's | last stable offset i64 } ...
 *   <offset>.snapshot producers as they stood before the offset:
 *                     version i16 = 1 | crc u32 of what follows | count i32 | entries of
 *                     { producer id i64 | epoch i16 | last sequence i32 | last offset i64
 *                     | offset delta i32 | timestamp i64 | coordinator epoch i32
 *                     | transaction's first offset i64, -1 none }
 *   leader-epoch-checkpoint   "0\n<count>\n<epoch> <start offset>\n..."
 *   <base>.<from>-<to>.damaged bytes that recovery took out of the segment, and the offsets that
 *                     may have lain there (ours; Kafka ignores the name; damage.h). A read inside
 *                     the gap is answered with MG_CORRUPT.
 *
 * <base> is 20 decimal digits. Relative offsets are to the base of the segment. Leftovers of a
 * crash: *.deleted and *.cleaned go, *.swap are finished work whose rename is completed.
 */
#ifndef MG_LOG_LOG_FORMAT_H
#define MG_LOG_LOG_FORMAT_H

#include <assert.h>

enum {
    MG_BASE_DIGITS = 20,
    MG_NAME_SIZE = 96, /* the longest of our own names and its NUL */

    MG_OFFSET_ENTRY_SIZE = 8,
    MG_TIME_ENTRY_SIZE = 12,

    MG_TXN_ENTRY_VERSION = 0,
    MG_TXN_ENTRY_SIZE = 34,

    MG_SNAPSHOT_VERSION = 1,
    MG_SNAPSHOT_AT_CRC = 2,
    MG_SNAPSHOT_CRC_FROM = 6,
    MG_SNAPSHOT_HEADER_SIZE = 10,
    MG_SNAPSHOT_ENTRY_SIZE = 46,

    MG_CONTROL_VERSION = 0,
    MG_CONTROL_ABORT = 0,
    MG_CONTROL_COMMIT = 1,
};

#define MG_LOG_SUFFIX ".log"
#define MG_OFFSET_INDEX_SUFFIX ".index"
#define MG_TIME_INDEX_SUFFIX ".timeindex"
#define MG_TXN_INDEX_SUFFIX ".txnindex"
#define MG_SNAPSHOT_SUFFIX ".snapshot"
#define MG_DELETED_SUFFIX ".deleted"
#define MG_CLEANED_SUFFIX ".cleaned"
#define MG_SWAP_SUFFIX ".swap"
#define MG_DAMAGED_SUFFIX ".damaged"
#define MG_TEMPORARY_SUFFIX ".tmp"
#define MG_EPOCHS_NAME "leader-epoch-checkpoint"
#define MG_DOUBT_NAME "meghna.fsync-failed" /* empty; see doubt.h */

static_assert(MG_SNAPSHOT_CRC_FROM == MG_SNAPSHOT_AT_CRC + 4, "the checksum covers what follows");
static_assert(MG_TXN_ENTRY_SIZE == 2 + 8 + 8 + 8 + 8, "as drawn above");
static_assert(MG_SNAPSHOT_ENTRY_SIZE == 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8, "as drawn above");

#endif
