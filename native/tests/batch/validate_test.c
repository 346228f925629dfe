#include "batch/batch.h"

#include "batch/sample.h"

/* A sample whose header is to be changed and sealed again. */
typedef struct sample {
    uint8_t memory[SAMPLE_SIZE_MAX];
    size_t size;
    mg_batch_header header;
} sample;

static sample fresh(void)
{
    sample s;
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span bytes = sample_build(s.memory, &blank);
    s.size = bytes.size;
    CHECK(mg_batch_header_decode(bytes, &s.header) == MG_OK);
    return s;
}

static const mg_batch_rules lenient = {
    .size_max = INT32_MAX,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = INT64_MAX,
    .now_ms = SAMPLE_NOW_MS,
    .zstd_allowed = true,
};

static mg_batch_finding find(const uint8_t *bytes, size_t size, const mg_batch_rules *rules)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    mg_batch_header header;
    mg_batch_finding finding =
        mg_batch_validate_produced((mg_span){.data = copy, .size = size}, rules, &header);
    free(copy);
    CHECK(finding.message != NULL);
    CHECK((finding.fault == MG_BATCH_FINE) == (finding.message[0] == '\0'));
    return finding;
}

static mg_batch_finding find_sealed(sample *s, const mg_batch_rules *rules)
{
    mg_batch_seal(s->memory, &s->header);
    return find(s->memory, (size_t)s->header.size, rules);
}

static mg_batch_fault fault_of(sample s, const mg_batch_rules *rules)
{
    return find_sealed(&s, rules).fault;
}

static void a_sound_batch_is_fine_and_its_maximum_is_known(void)
{
    sample s = fresh();
    mg_batch_finding finding = find_sealed(&s, &lenient);
    CHECK(finding.fault == MG_BATCH_FINE && finding.record_index == -1);
    CHECK(finding.max_timestamp == SAMPLE_NOW_MS + 500);

    s.header.max_timestamp = 1; /* a lie that Kafka corrects */
    finding = find_sealed(&s, &lenient);
    CHECK(finding.fault == MG_BATCH_FINE && finding.max_timestamp == SAMPLE_NOW_MS + 500);
}

static void exactly_one_whole_batch_is_wanted(void)
{
    sample s = fresh();
    size_t size = s.size;
    CHECK(find(s.memory, 0, &lenient).fault == MG_BATCH_INVALID_RECORD);
    for (size_t cut = 0; cut < size; cut++) {
        CHECK(find(s.memory, cut, &lenient).fault == MG_BATCH_INVALID_RECORD);
    }
    CHECK(find(s.memory, size + 1, &lenient).fault == MG_BATCH_INVALID_RECORD);
    memcpy(s.memory + size, s.memory, size);
    CHECK(find(s.memory, 2 * size, &lenient).fault == MG_BATCH_INVALID_RECORD);
}

static void old_formats_and_nonsense_are_told_apart(void)
{
    sample s = fresh();
    for (int8_t magic = 0; magic < 2; magic++) {
        s.memory[MG_BATCH_AT_MAGIC] = (uint8_t)magic;
        CHECK(find(s.memory, s.size, &lenient).fault == MG_BATCH_OLD_FORMAT);
        CHECK(find(s.memory, 34, &lenient).fault == MG_BATCH_OLD_FORMAT); /* a small message */
    }
    s.memory[MG_BATCH_AT_MAGIC] = 3;
    CHECK(find(s.memory, s.size, &lenient).fault == MG_BATCH_CORRUPT);
    s = fresh();
    s.memory[MG_BATCH_AT_LENGTH] = 0xff;
    CHECK(find(s.memory, s.size, &lenient).fault == MG_BATCH_CORRUPT);
    s = fresh();
    s.memory[s.size - 1] ^= 1;
    CHECK(find(s.memory, s.size, &lenient).fault == MG_BATCH_CORRUPT);
}

static void every_header_rule_is_kept(void)
{
    sample s = fresh();
    s.header.base_offset = 1;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s = fresh();
    s.header.record_count = 0;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s.header.record_count = -1;
    s.header.last_offset_delta = -2;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s = fresh();
    s.header.last_offset_delta = 3;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s = fresh();
    s.header.record_count = INT32_MIN;
    s.header.last_offset_delta = INT32_MAX; /* the count less one, wrapped */
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s = fresh();
    s.header.attributes = MG_BATCH_CONTROL;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
}

static void the_bit_of_append_time_makes_the_maximum_the_time_of_all(void)
{
    sample s = fresh();
    s.header.attributes = MG_BATCH_APPEND_TIME;
    s.header.max_timestamp = SAMPLE_NOW_MS + 7;
    mg_batch_rules rules = lenient;
    rules.timestamp_after_max_ms = 7;
    mg_batch_finding finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_FINE && finding.max_timestamp == SAMPLE_NOW_MS + 7);
    rules.timestamp_after_max_ms = 6;
    CHECK(fault_of(s, &rules) == MG_BATCH_INVALID_TIMESTAMP);
    rules.append_time = true; /* the topic's own stamp is nobody else's to give */
    finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_INVALID_TIMESTAMP);
    CHECK(finding.refused_count == s.header.record_count);
    s.header.attributes |= MG_CODEC_GZIP;
    CHECK(fault_of(s, &rules) == MG_BATCH_INVALID_TIMESTAMP);
    s.header.max_timestamp = MG_TIMESTAMP_NONE;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_TIMESTAMP);
}

static mg_batch_glance glance_at(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    mg_batch_glance glance = mg_batch_glance_at((mg_span){.data = copy, .size = size});
    free(copy);
    return glance;
}

static void a_glance_tells_what_no_batch_can_be(void)
{
    sample s = fresh();
    CHECK(glance_at(s.memory, s.size) == MG_BATCH_GLANCE_PLAIN);
    for (size_t size = 0; size < s.size; size++)
        CHECK(glance_at(s.memory, size) == MG_BATCH_GLANCE_NONE);
    s.header.attributes = MG_BATCH_TRANSACTIONAL;
    mg_batch_seal(s.memory, &s.header);
    CHECK(glance_at(s.memory, s.size) == MG_BATCH_GLANCE_TRANSACTIONAL);

    const int8_t magics[] = {INT8_MIN, -1, 3, INT8_MAX};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        s.memory[MG_BATCH_AT_MAGIC] = (uint8_t)magics[i];
        CHECK(glance_at(s.memory, s.size) == MG_BATCH_GLANCE_MALFORMED);
    }
    s.memory[MG_BATCH_AT_MAGIC] = 1; /* old, which is another fault */
    CHECK(glance_at(s.memory, s.size) == MG_BATCH_GLANCE_NONE);
    const uint32_t lengths[] = {0, 13, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        mg_store_u32(s.memory + MG_BATCH_AT_LENGTH, lengths[i]);
        CHECK(glance_at(s.memory, MG_BATCH_LENGTH_OVERHEAD) == MG_BATCH_GLANCE_MALFORMED);
        CHECK(glance_at(s.memory, MG_BATCH_LENGTH_OVERHEAD - 1) == MG_BATCH_GLANCE_NONE);
    }
    mg_store_u32(s.memory + MG_BATCH_AT_LENGTH, 14); /* attributes end with it */
    s.memory[MG_BATCH_AT_MAGIC] = MG_BATCH_MAGIC;
    CHECK(glance_at(s.memory, MG_BATCH_LENGTH_OVERHEAD + 14) == MG_BATCH_GLANCE_TRANSACTIONAL);
}

static void a_producer_id_comes_with_epoch_and_sequence(void)
{
    sample s = fresh();
    s.header.producer_id = 1;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s.header.base_sequence = 0;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
    s.header.producer_epoch = 0;
    CHECK(fault_of(s, &lenient) == MG_BATCH_FINE);
    s.header.attributes = MG_BATCH_TRANSACTIONAL;
    CHECK(fault_of(s, &lenient) == MG_BATCH_FINE);
    s.header.producer_id = -1;
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_RECORD);
}

static void size_and_codec_are_limited(void)
{
    sample s = fresh();
    mg_batch_rules rules = lenient;
    rules.size_max = (int32_t)s.size;
    CHECK(fault_of(s, &rules) == MG_BATCH_FINE);
    rules.size_max--;
    CHECK(fault_of(s, &rules) == MG_BATCH_TOO_LARGE);

    rules = lenient;
    s.header.attributes = MG_CODEC_ZSTD; /* not opened, so the plain payload does not matter */
    CHECK(fault_of(s, &rules) == MG_BATCH_FINE);
    rules.zstd_allowed = false;
    CHECK(fault_of(s, &rules) == MG_BATCH_UNSUPPORTED_CODEC);
    s.header.attributes = MG_CODEC_COUNT;
    CHECK(fault_of(s, &lenient) == MG_BATCH_UNSUPPORTED_CODEC);
    mg_batch_seal(s.memory, &s.header);
    s.memory[s.size - 1] ^= 1; /* bits of the codec that were not meant are no codec */
    CHECK(find(s.memory, s.size, &lenient).fault == MG_BATCH_CORRUPT);
}

static void the_timestamp_window_has_two_sides(void)
{
    sample s = fresh(); /* 70 ms before and 500 ms after now */
    mg_batch_rules rules = lenient;
    rules.timestamp_before_max_ms = 70;
    rules.timestamp_after_max_ms = 500;
    CHECK(fault_of(s, &rules) == MG_BATCH_FINE);
    rules.timestamp_before_max_ms = 69;
    mg_batch_finding finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_INVALID_TIMESTAMP && finding.record_index == 2);
    rules.timestamp_before_max_ms = 70;
    rules.timestamp_after_max_ms = 499;
    finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_INVALID_TIMESTAMP && finding.record_index == 1);
    rules.append_time = true; /* the broker's clock replaces them all */
    CHECK(fault_of(s, &rules) == MG_BATCH_FINE);

    rules.append_time = false;
    s.header.attributes = MG_CODEC_LZ4;
    CHECK(find_sealed(&s, &rules).fault == MG_BATCH_INVALID_TIMESTAMP);
    rules.timestamp_after_max_ms = 500;
    CHECK(find_sealed(&s, &rules).fault == MG_BATCH_FINE);
    s.header.max_timestamp = MG_TIMESTAMP_NONE;
    CHECK(find_sealed(&s, &rules).fault == MG_BATCH_FINE);
}

static void the_ends_of_time_do_not_overflow(void)
{
    sample s = fresh();
    mg_batch_rules rules = lenient;
    rules.timestamp_before_max_ms = INT64_MAX - 1;
    rules.timestamp_after_max_ms = INT64_MAX - 1;
    s.header.attributes = MG_CODEC_LZ4;
    rules.now_ms = -2;
    s.header.max_timestamp = INT64_MAX;
    CHECK(fault_of(s, &rules) == MG_BATCH_INVALID_TIMESTAMP);
    rules.now_ms = 1;
    s.header.max_timestamp = INT64_MIN;
    CHECK(fault_of(s, &rules) == MG_BATCH_INVALID_TIMESTAMP);

    s.header.max_timestamp = INT64_MIN; /* further away than a number says: in no window */
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_TIMESTAMP);
    s = fresh();
    s.header.base_timestamp = -1000000; /* before 1970: kept, and no maximum */
    mg_batch_finding finding = find_sealed(&s, &lenient);
    CHECK(finding.fault == MG_BATCH_FINE && finding.max_timestamp == MG_TIMESTAMP_NONE);
    s.header.base_timestamp = INT64_MAX; /* the second record's delta is positive */
    CHECK(fault_of(s, &lenient) == MG_BATCH_INVALID_TIMESTAMP);
}

static void compacted_topics_want_keys(void)
{
    sample s = fresh();
    mg_batch_rules rules = lenient;
    rules.requires_keys = true;
    mg_batch_finding finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_INVALID_RECORD && finding.record_index == 2);
    CHECK(finding.refused_count == 1);
}

static void every_refused_record_is_listed_and_a_bad_time_decides(void)
{
    sample s = fresh(); /* 0 and 1 have keys, 2 has none; 1 is 500 ms ahead, 2 is 70 ms old */
    mg_batch_rules rules = lenient;
    rules.requires_keys = true;
    rules.timestamp_after_max_ms = 499;
    mg_batch_finding finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_INVALID_TIMESTAMP);
    CHECK(finding.record_index == 1 && finding.refused_count == 2);

    mg_span bytes = {.data = s.memory, .size = (size_t)s.header.size};
    mg_span records = mg_batch_payload(bytes, &s.header);
    mg_batch_refusal *refusals = mg_batch_create_refusals(records, &rules, &s.header, 2);
    CHECK(refusals != NULL);
    CHECK(refusals[0].record_index == 1 && refusals[0].fault == MG_BATCH_INVALID_TIMESTAMP);
    CHECK(refusals[1].record_index == 2 && refusals[1].fault == MG_BATCH_INVALID_RECORD);
    free(refusals);

    rules.append_time = true; /* the broker's clock replaces the times, but not the key */
    finding = find_sealed(&s, &rules);
    CHECK(finding.fault == MG_BATCH_INVALID_RECORD && finding.refused_count == 1);
}

static void offset_deltas_count_up_from_zero(void)
{
    sample s = fresh();
    enum { OFFSET_DELTA_AT = MG_BATCH_HEADER_SIZE + 3 }; /* after size, attributes, time delta */
    CHECK(s.memory[OFFSET_DELTA_AT] == 0);
    s.memory[OFFSET_DELTA_AT] = 2;
    mg_batch_finding finding = find_sealed(&s, &lenient);
    CHECK(finding.fault == MG_BATCH_INVALID_RECORD && finding.record_index == 0);
}

static void more_or_fewer_records_than_counted_are_refused(void)
{
    sample s = fresh();
    s.header.record_count = 2;
    s.header.last_offset_delta = 1;
    CHECK(find_sealed(&s, &lenient).fault == MG_BATCH_INVALID_RECORD);
    s.header.record_count = 4;
    s.header.last_offset_delta = 3;
    mg_batch_finding finding = find_sealed(&s, &lenient);
    CHECK(finding.fault == MG_BATCH_INVALID_RECORD && finding.record_index == 3);
}

int main(void)
{
    a_sound_batch_is_fine_and_its_maximum_is_known();
    exactly_one_whole_batch_is_wanted();
    old_formats_and_nonsense_are_told_apart();
    every_header_rule_is_kept();
    a_producer_id_comes_with_epoch_and_sequence();
    size_and_codec_are_limited();
    the_timestamp_window_has_two_sides();
    the_bit_of_append_time_makes_the_maximum_the_time_of_all();
    a_glance_tells_what_no_batch_can_be();
    the_ends_of_time_do_not_overflow();
    compacted_topics_want_keys();
    every_refused_record_is_listed_and_a_bad_time_decides();
    offset_deltas_count_up_from_zero();
    more_or_fewer_records_than_counted_are_refused();
    puts("validate_test: ok");
    return 0;
}
