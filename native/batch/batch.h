/* batch.h -- the record batch, format version 2: header, checks, stamps.
 *
 * The bytes are drawn in batch_format.h. A batch is checked once, when it
 * enters (mg_batch_validate_produced), and again when a log is recovered
 * (mg_batch_check). It is stored as it came but for the fields that its own
 * checksum leaves out, so stamping an offset costs no CRC.
 *
 * Every span is borrowed. Nothing here decompresses, and only a list of refusals is allocated.
 */
#ifndef MG_BATCH_BATCH_H
#define MG_BATCH_BATCH_H

#include "base/bounds.h"
#include "base/cursor.h"
#include "base/status.h"
#include "batch/batch_format.h"

typedef struct mg_batch_header {
    int64_t base_offset;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id; /* -1: none */
    int32_t size;        /* of the whole batch in bytes: batchLength + 12 */
    int32_t leader_epoch;
    uint32_t crc;
    int32_t last_offset_delta;
    int32_t base_sequence;
    int32_t record_count;
    int16_t attributes;
    int16_t producer_epoch;
    int8_t magic;
} mg_batch_header;

/* Attribute bits and sizes stand in batch_format.h. */
static inline int64_t mg_batch_last_offset(const mg_batch_header *header)
{
    return header->base_offset + header->last_offset_delta;
}

static inline mg_codec_id mg_batch_codec(const mg_batch_header *header)
{
    return (mg_codec_id)(header->attributes & MG_BATCH_CODEC_MASK);
}

/* Reads the header of the batch that begins at bytes.data. MG_OUT_OF_RANGE: fewer bytes than a
 * header has, nothing known. MG_CORRUPT: a size below the header's or past INT32_MAX, or a magic
 * other than 2 (header->size is then still filled, 0 where it was nonsense). The batch itself may
 * be longer than `bytes`: compare header->size. */
MG_WARN_UNUSED mg_status mg_batch_header_decode(mg_span bytes, mg_batch_header *header);

/* Header, whole size within `bytes`, and CRC. What recovery asks. MG_OUT_OF_RANGE: the bytes end
 * before the batch does (header->size then tells, 0 if not even the header is there). MG_CORRUPT:
 * the above, a checksum that differs, or an offset or count that no writer makes. */
MG_WARN_UNUSED mg_status mg_batch_check(mg_span bytes, mg_batch_header *header);

/* The records of a batch, compressed or not. `bytes` holds the whole batch. */
mg_span mg_batch_payload(mg_span bytes, const mg_batch_header *header);

/* Writes the header into the first MG_BATCH_HEADER_SIZE bytes of header->size bytes whose payload
 * is in place, CRC included: header->crc is set, not read. */
void mg_batch_seal(uint8_t *batch, mg_batch_header *header);

/* Why a produced batch was refused: Kafka's own error, chosen here so that C and Python agree. */
typedef enum mg_batch_fault {
    MG_BATCH_FINE = 0,
    MG_BATCH_CORRUPT,           /* CORRUPT_MESSAGE 2 */
    MG_BATCH_TOO_LARGE,         /* MESSAGE_TOO_LARGE 10 */
    MG_BATCH_INVALID_TIMESTAMP, /* INVALID_TIMESTAMP 32 */
    MG_BATCH_OLD_FORMAT,        /* INVALID_RECORD 87: format 0 or 1, which Kafka 4 answers so */
    MG_BATCH_UNSUPPORTED_CODEC, /* UNSUPPORTED_COMPRESSION_TYPE 76 */
    MG_BATCH_INVALID_RECORD,    /* INVALID_RECORD 87 */
} mg_batch_fault;

typedef struct mg_batch_rules {
    int32_t size_max;                /* max.message.bytes */
    int64_t timestamp_before_max_ms; /* INT64_MAX: unlimited */
    int64_t timestamp_after_max_ms;
    int64_t now_ms;
    bool requires_keys; /* compacted topic: a null key is INVALID_RECORD */
    bool append_time;   /* message.timestamp.type=LogAppendTime: no window */
    bool zstd_allowed;  /* false below Produce 7 */
} mg_batch_rules;

typedef struct mg_batch_finding {
    mg_batch_fault fault;
    int32_t record_index;  /* of the first offending record, or -1 for the whole batch */
    int32_t refused_count; /* records that break a rule of their own (key, timestamp) */
    const char *message;   /* static, for the error_message of the reply */
    int64_t max_timestamp; /* of the records where they could be read, else the header's */
    bool is_of_request;    /* Kafka sees it before it opens the log */
} mg_batch_finding;

/* What Kafka sees of a request's records before it asks for anything else: a size or a format that
 * no batch can have refuses the whole request, a transactional batch needs a transactional id. */
typedef enum mg_batch_glance {
    MG_BATCH_GLANCE_NONE,      /* not a whole batch, which is not looked into here */
    MG_BATCH_GLANCE_MALFORMED, /* CORRUPT_MESSAGE 2 */
    MG_BATCH_GLANCE_PLAIN,
    MG_BATCH_GLANCE_TRANSACTIONAL,
} mg_batch_glance;

mg_batch_glance mg_batch_glance_at(mg_span records);

/* Every rule that a produced batch must keep and that needs no decompression: exactly one batch
 * in `records`, base offset 0, size, magic, CRC, count = last_offset_delta + 1 > 0, no control
 * bit, sequence and epoch fit the producer id, codec known, timestamps; where it is not
 * compressed, every record as well (offset deltas 0..n-1, sizes, keys, header counts).
 *
 * A max_timestamp that is not the records' maximum is no fault: Kafka corrects it, and some
 * clients rely on that; nor is the bit of LogAppendTime where the topic keeps the producer's time:
 * then max_timestamp is the time of every record. Who appends gives finding.max_timestamp to
 * mg_batch_correct_time. */
mg_batch_finding mg_batch_validate_produced(mg_span records, const mg_batch_rules *rules,
                                            mg_batch_header *header);

/* The rules of the records alone, `records` being those of a batch that was validated: what is left
 * to ask when a compressed batch was opened (batch/opened.h). */
mg_batch_finding mg_batch_validate_records(mg_span records, const mg_batch_rules *rules,
                                           const mg_batch_header *header);

typedef struct mg_batch_refusal {
    mg_batch_fault fault;
    int32_t record_index;
} mg_batch_refusal;

/* How many of the refused records are named: all of them, but of a hostile multitude. */
static inline int32_t mg_batch_named_count(const mg_batch_finding *finding)
{
    int32_t count = finding->refused_count;
    return count < MG_REFUSALS_MAX ? count : MG_REFUSALS_MAX;
}

/* The first `count` of the records that a finding refused, in their order: more than 0, at most its
 * refused_count, with the records, opened, the rules and the header of then. For free(); NULL: no
 * memory. */
mg_batch_refusal *mg_batch_create_refusals(mg_span records, const mg_batch_rules *rules,
                                        const mg_batch_header *header, int32_t count);

/* The fields outside the checksum. `batch` is a checked batch in writable memory. */
void mg_batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch);
/* LogAppendTime: sets the timestamp type and max_timestamp and computes the CRC again. */
void mg_batch_stamp_append_time(uint8_t *batch, int64_t now_ms, mg_batch_header *header);
/* CreateTime: clears the bit of LogAppendTime, sets max_timestamp, computes the CRC again. */
void mg_batch_stamp_create_time(uint8_t *batch, int64_t max_timestamp, mg_batch_header *header);
/* The same where the header says otherwise, which is seldom. */
static inline void mg_batch_correct_time(uint8_t *batch, int64_t max_timestamp,
                                         mg_batch_header *header)
{
    bool claims_append_time = (header->attributes & MG_BATCH_APPEND_TIME) != 0;
    if (header->max_timestamp == max_timestamp && !claims_append_time) return;
    mg_batch_stamp_create_time(batch, max_timestamp, header);
}

#endif
