/* What a produced batch must be before it may enter a log. The order of the
 * questions is Kafka's, because a batch with two faults must get Kafka's answer. */
#include "batch/batch.h"

#include "base/crc32c.h"
#include "batch/record.h"

#include <stdlib.h>

enum { OLD_BATCH_LENGTH_MIN = 14 }; /* the least that format 0 had, and Kafka's first limit */

static mg_batch_finding whole(mg_batch_fault fault, const char *message)
{
    return (mg_batch_finding){.fault = fault, .record_index = -1, .message = message};
}

static mg_batch_finding of_request(mg_batch_fault fault, const char *message)
{
    mg_batch_finding finding = whole(fault, message);
    finding.is_of_request = true;
    return finding;
}

static mg_batch_finding record_at(int32_t index, mg_batch_fault fault, const char *message)
{
    return (mg_batch_finding){.fault = fault, .record_index = index, .message = message};
}

static mg_batch_finding fine(int64_t max_timestamp)
{
    return (mg_batch_finding){
        .fault = MG_BATCH_FINE, .record_index = -1, .message = "", .max_timestamp = max_timestamp};
}

mg_batch_glance mg_batch_glance_at(mg_span records)
{
    if (records.size < MG_BATCH_LENGTH_OVERHEAD) return MG_BATCH_GLANCE_NONE;
    uint32_t length = mg_load_u32(records.data + MG_BATCH_AT_LENGTH);
    if (length > INT32_MAX || length < OLD_BATCH_LENGTH_MIN) return MG_BATCH_GLANCE_MALFORMED;
    if (records.size <= MG_BATCH_AT_MAGIC) return MG_BATCH_GLANCE_NONE;
    if (records.data[MG_BATCH_AT_MAGIC] > MG_BATCH_MAGIC) return MG_BATCH_GLANCE_MALFORMED;
    bool is_whole = length <= records.size - MG_BATCH_LENGTH_OVERHEAD;
    if (!is_whole || records.data[MG_BATCH_AT_MAGIC] < MG_BATCH_MAGIC) return MG_BATCH_GLANCE_NONE;
    static_assert(MG_BATCH_LENGTH_OVERHEAD + OLD_BATCH_LENGTH_MIN >= MG_BATCH_AT_ATTRIBUTES + 2,
                  "a whole batch has attributes");
    uint16_t attributes = mg_load_u16(records.data + MG_BATCH_AT_ATTRIBUTES);
    return (attributes & MG_BATCH_TRANSACTIONAL) != 0 ? MG_BATCH_GLANCE_TRANSACTIONAL
                                                      : MG_BATCH_GLANCE_PLAIN;
}

/* Exactly one batch, of our format: the header can be trusted afterwards. */
static mg_batch_finding check_envelope(mg_span records, const mg_batch_rules *rules,
                                       mg_batch_header *header)
{
    if (records.size > MG_BATCH_AT_MAGIC && records.data[MG_BATCH_AT_MAGIC] < MG_BATCH_MAGIC) {
        return of_request(MG_BATCH_OLD_FORMAT, "record formats before version 2 are not accepted");
    }
    mg_status status = mg_batch_header_decode(records, header);
    if (status == MG_OUT_OF_RANGE) {
        return of_request(MG_BATCH_INVALID_RECORD, "there must be exactly one record batch");
    }
    if (status != MG_OK) {
        return of_request(MG_BATCH_CORRUPT, "the batch's size or magic is corrupt");
    }
    if ((size_t)header->size != records.size) {
        return of_request(MG_BATCH_INVALID_RECORD, "there must be exactly one whole record batch");
    }
    if (mg_batch_codec(header) == MG_CODEC_ZSTD && !rules->zstd_allowed) {
        return of_request(MG_BATCH_UNSUPPORTED_CODEC, "zstd needs Produce version 7 or later");
    }
    if (header->base_offset != 0) {
        return whole(MG_BATCH_INVALID_RECORD, "the base offset of a produced batch must be 0");
    }
    if (header->size > rules->size_max) {
        return whole(MG_BATCH_TOO_LARGE, "the batch is larger than max.message.bytes");
    }
    uint32_t crc = mg_crc32c(0, records.data + MG_BATCH_CRC_FROM, records.size - MG_BATCH_CRC_FROM);
    if (crc != header->crc) return whole(MG_BATCH_CORRUPT, "the checksum differs");
    if (mg_batch_codec(header) >= MG_CODEC_COUNT) {
        return whole(MG_BATCH_UNSUPPORTED_CODEC, "unknown compression codec");
    }
    return fine(header->max_timestamp);
}

static mg_batch_finding check_header(const mg_batch_header *header)
{
    if (header->record_count <= 0) {
        return whole(MG_BATCH_INVALID_RECORD, "the batch has no records");
    }
    if (header->last_offset_delta != header->record_count - 1) {
        return whole(MG_BATCH_INVALID_RECORD, "the last offset delta does not fit the count");
    }
    if ((header->attributes & MG_BATCH_CONTROL) != 0) {
        return whole(MG_BATCH_INVALID_RECORD, "clients may not write control records");
    }
    bool has_producer = header->producer_id >= 0;
    if (has_producer && (header->base_sequence < 0 || header->producer_epoch < 0)) {
        return whole(MG_BATCH_INVALID_RECORD, "a producer id needs an epoch and a sequence");
    }
    if (!has_producer && (header->attributes & MG_BATCH_TRANSACTIONAL) != 0) {
        return whole(MG_BATCH_INVALID_RECORD, "a transactional batch needs a producer id");
    }
    return fine(header->max_timestamp);
}

/* Whether `timestamp` lies in the window around now. The differences are of hostile numbers: a
 * timestamp whose distance no number holds is in no window. */
static bool is_timely(int64_t timestamp, const mg_batch_rules *rules)
{
    if (rules->append_time || timestamp == MG_TIMESTAMP_NONE) return true;

    int64_t age_ms, lead_ms;
    if (__builtin_sub_overflow(rules->now_ms, timestamp, &age_ms)) return false;
    if (__builtin_sub_overflow(timestamp, rules->now_ms, &lead_ms)) return false;
    return age_ms <= rules->timestamp_before_max_ms && lead_ms <= rules->timestamp_after_max_ms;
}

/* The topic's own stamp is not a producer's to give, and without a time it says nothing. */
static bool claims_append_time(const mg_batch_header *header, const mg_batch_rules *rules)
{
    return (header->attributes & MG_BATCH_APPEND_TIME) != 0 &&
           (rules->append_time || header->max_timestamp == MG_TIMESTAMP_NONE);
}

/* What a record breaks by itself, while the others of its batch may keep the rules. */
static inline mg_batch_fault fault_of_record(const mg_record *record, const mg_batch_rules *rules,
                                             const mg_batch_header *header, int64_t *timestamp)
{
    if (rules->requires_keys && record->key.data == NULL) return MG_BATCH_INVALID_RECORD;
    if ((header->attributes & MG_BATCH_APPEND_TIME) != 0) {
        if (claims_append_time(header, rules)) return MG_BATCH_INVALID_TIMESTAMP;
        *timestamp = header->max_timestamp;
    } else if (__builtin_add_overflow(header->base_timestamp, record->timestamp_delta,
                                      timestamp)) {
        return MG_BATCH_INVALID_TIMESTAMP;
    }
    if (!is_timely(*timestamp, rules)) return MG_BATCH_INVALID_TIMESTAMP;
    return MG_BATCH_FINE;
}

static mg_batch_finding records_refused(int32_t first, int32_t count, mg_batch_fault fault)
{
    mg_batch_finding finding =
        record_at(first, fault,
                  fault == MG_BATCH_INVALID_TIMESTAMP
                      ? "records have a timestamp out of the window that the topic allows"
                      : "a compacted topic cannot accept records without a key");
    finding.refused_count = count;
    return finding;
}

/* Refused records are counted to the end, because the reply names them all. A single one with a
 * bad timestamp makes it the batch's fault, as with Kafka. */
mg_batch_finding mg_batch_validate_records(mg_span records, const mg_batch_rules *rules,
                                           const mg_batch_header *header)
{
    mg_record_walk walk = mg_record_walk_over(records, header->record_count);
    mg_record record;
    int64_t max_timestamp = MG_TIMESTAMP_NONE; /* of records before 1970, too, as in Kafka */
    mg_batch_fault fault = MG_BATCH_FINE;
    int32_t refused_count = 0;
    int32_t refused_first = -1;
    int32_t index = 0;
    for (; mg_record_next(&walk, &record); index++) {
        if (record.offset_delta != index) {
            return record_at(index, MG_BATCH_INVALID_RECORD, "offset deltas must be 0, 1, 2 ...");
        }
        int64_t timestamp;
        mg_batch_fault found = fault_of_record(&record, rules, header, &timestamp);
        if (__builtin_expect(found != MG_BATCH_FINE, 0)) {
            if (refused_count++ == 0) refused_first = index;
            if (fault != MG_BATCH_INVALID_TIMESTAMP) fault = found;
            continue;
        }
        if (timestamp > max_timestamp) max_timestamp = timestamp;
    }
    if (mg_record_walk_end(&walk) != MG_OK) {
        return record_at(index, MG_BATCH_INVALID_RECORD, "the record contradicts its own sizes");
    }
    if (refused_count > 0) return records_refused(refused_first, refused_count, fault);
    return fine(max_timestamp);
}

mg_batch_refusal *mg_batch_create_refusals(mg_span records, const mg_batch_rules *rules,
                                        const mg_batch_header *header, int32_t count)
{
    mg_batch_refusal *refusals = calloc((size_t)count, sizeof *refusals);
    if (refusals == NULL) return NULL;
    mg_record_walk walk = mg_record_walk_over(records, header->record_count);
    mg_record record;
    int32_t listed = 0;
    for (int32_t index = 0; listed < count && mg_record_next(&walk, &record); index++) {
        int64_t timestamp;
        mg_batch_fault fault = fault_of_record(&record, rules, header, &timestamp);
        if (fault == MG_BATCH_FINE) continue;
        refusals[listed++] = (mg_batch_refusal){.fault = fault, .record_index = index};
    }
    MG_ASSERT(listed == count);
    return refusals;
}

mg_batch_finding mg_batch_validate_produced(mg_span records, const mg_batch_rules *rules,
                                            mg_batch_header *header)
{
    mg_batch_finding finding = check_envelope(records, rules, header);
    if (finding.fault != MG_BATCH_FINE) return finding;
    finding = check_header(header);
    if (finding.fault != MG_BATCH_FINE) return finding;

    if (mg_batch_codec(header) == MG_CODEC_NONE)
        return mg_batch_validate_records(mg_batch_payload(records, header), rules, header);

    /* The records stay closed; their maximum as stated must at least be possible. */
    if (claims_append_time(header, rules) || !is_timely(header->max_timestamp, rules)) {
        return whole(MG_BATCH_INVALID_TIMESTAMP,
                     "the maximum timestamp is out of the window that the topic allows");
    }
    return fine(header->max_timestamp);
}
