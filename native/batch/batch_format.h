/* batch_format.h -- the bytes of a record batch, version 2. All numbers are big-endian.
 *
 *    0 base offset i64         21 attributes i16          43 producer id i64
 *    8 batch length i32        23 last offset delta i32   51 producer epoch i16
 *   12 leader epoch i32        27 base timestamp i64      53 base sequence i32
 *   16 magic i8                35 max timestamp i64       57 record count i32
 *   17 crc u32                                            61 records ...
 *
 *   |<- batch length counts from 12 to the end of the records ->|
 *            |<- the CRC-32C is over 21 to the end ------------>|
 *
 * So the base offset and the leader epoch, which the broker sets, cost no new
 * checksum. After compaction the count may be less than last offset delta + 1,
 * even 0. The records are compressed as one where the codec bits say so:
 * snappy in xerial's framing, LZ4 in its frame format.
 *
 * A record, all but its attributes variable-sized and zigzag:
 *
 *   size varint | attributes i8 = 0 | timestamp delta varlong | offset delta varint
 *   | key size varint, -1 null | key | value size varint, -1 null | value
 *   | header count varint | { key size varint | key | value size varint, -1 null | value } ...
 *
 * The size counts what follows it.
 */
#ifndef MG_BATCH_BATCH_FORMAT_H
#define MG_BATCH_BATCH_FORMAT_H

#include <assert.h>

enum {
    MG_BATCH_MAGIC = 2,

    MG_BATCH_AT_BASE_OFFSET = 0,
    MG_BATCH_AT_LENGTH = 8,
    MG_BATCH_AT_LEADER_EPOCH = 12,
    MG_BATCH_AT_MAGIC = 16, /* here in the formats 0 and 1 as well */
    MG_BATCH_AT_CRC = 17,
    MG_BATCH_AT_ATTRIBUTES = 21,
    MG_BATCH_AT_LAST_OFFSET_DELTA = 23,
    MG_BATCH_AT_BASE_TIMESTAMP = 27,
    MG_BATCH_AT_MAX_TIMESTAMP = 35,
    MG_BATCH_AT_PRODUCER_ID = 43,
    MG_BATCH_AT_PRODUCER_EPOCH = 51,
    MG_BATCH_AT_BASE_SEQUENCE = 53,
    MG_BATCH_AT_RECORD_COUNT = 57,
    MG_BATCH_HEADER_SIZE = 61,

    MG_BATCH_LENGTH_OVERHEAD = 12, /* bytes that the length does not count */
    MG_BATCH_CRC_FROM = 21,

    MG_BATCH_CODEC_MASK = 0x07,
    MG_BATCH_APPEND_TIME = 0x08,
    MG_BATCH_TRANSACTIONAL = 0x10,
    MG_BATCH_CONTROL = 0x20,
    MG_BATCH_DELETE_HORIZON = 0x40, /* base timestamp is the horizon of its tombstones */

    /* size, attributes, timestamp delta, offset delta, two sizes, header count: a byte each */
    MG_RECORD_SIZE_MIN = 7,
    MG_RECORD_HEADER_SIZE_MIN = 2,
};

enum { MG_TIMESTAMP_NONE = -1 };

typedef enum mg_codec_id {
    MG_CODEC_NONE = 0,
    MG_CODEC_GZIP = 1,
    MG_CODEC_SNAPPY = 2,
    MG_CODEC_LZ4 = 3,
    MG_CODEC_ZSTD = 4,
    MG_CODEC_COUNT = 5,
} mg_codec_id;

static_assert(MG_BATCH_AT_RECORD_COUNT + 4 == MG_BATCH_HEADER_SIZE, "the header has no gap");
static_assert(MG_BATCH_CRC_FROM == MG_BATCH_AT_CRC + 4, "the checksum covers what follows it");
static_assert(MG_BATCH_AT_LENGTH + 4 == MG_BATCH_LENGTH_OVERHEAD, "the length counts from its end");

#endif
