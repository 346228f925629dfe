/* keyed.h -- records with keys, and what a compacted log must hold of them: for the tests of
 * compaction. */
#ifndef MG_TESTS_LOG_KEYED_H
#define MG_TESTS_LOG_KEYED_H

#include "rig.h"

#include "batch/columns.h"
#include "batch/record.h"
#include "log/compact.h"

enum { KEYS = 40, OFFSETS_MAX = 20000, NO_KEY = -1, TOMBSTONE = -1 };

/* What was written at each offset. */
typedef struct written_record {
    int32_t key;   /* NO_KEY */
    int32_t value; /* TOMBSTONE */
    bool is_data;  /* not a marker */
    bool is_aborted;
} written_record;

typedef struct keyed {
    rig r;
    written_record records[OFFSETS_MAX];
    int64_t end; /* offsets that were given out */
    bool seen[OFFSETS_MAX];
    uint64_t state;
} keyed;

static inline uint64_t keyed_draw(keyed *k, uint64_t below)
{
    k->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = k->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

typedef struct keyed_batch {
    const int32_t *keys;
    const int32_t *values;
    int32_t count;
    int64_t timestamp;
    int64_t producer_id; /* 0: none */
    int32_t base_sequence;
    bool is_transactional;
} keyed_batch;

static inline mg_span number_span(const int32_t *number)
{
    return (mg_span){.data = (const uint8_t *)number, .size = sizeof *number};
}

static inline mg_batch_header build_keyed(uint8_t *memory, const keyed_batch *of)
{
    mg_builder builder = mg_builder_over(memory, BATCH_SIZE_MAX, of->timestamp);
    for (int32_t i = 0; i < of->count; i++) {
        mg_record_header extra = {.key = {.data = (const uint8_t *)"h", .size = 1},
                                  .value = {.data = NULL, .size = 0}};
        mg_record_parts parts = {.timestamp = of->timestamp + i, .headers = &extra};
        parts.header_count = of->keys[i] % 3 == 1;
        if (of->keys[i] != NO_KEY) parts.key = number_span(&of->keys[i]);
        if (of->values[i] != TOMBSTONE) parts.value = number_span(&of->values[i]);
        CHECK(mg_builder_add(&builder, &parts));
    }
    mg_batch_header header = mg_batch_header_blank();
    if (of->producer_id != 0) {
        header.producer_id = of->producer_id;
        header.producer_epoch = 0;
        header.base_sequence = of->base_sequence;
    }
    if (of->is_transactional) header.attributes |= MG_BATCH_TRANSACTIONAL;
    mg_builder_finish(&builder, &header);
    CHECK(mg_batch_check((mg_span){.data = memory, .size = (size_t)header.size}, &header) == MG_OK);
    return header;
}

static inline mg_status try_append_keyed(keyed *k, const keyed_batch *of)
{
    static _Thread_local uint8_t memory[BATCH_SIZE_MAX];
    mg_log_item item = {.batch = memory, .header = build_keyed(memory, of)};
    mg_status status = append_item(&k->r, &item, 0);
    if (status != MG_OK) return status;
    CHECK(item.verdict == MG_APPEND_DONE);
    CHECK(item.base_offset == k->end);
    for (int32_t i = 0; i < of->count; i++) {
        k->records[k->end + i] =
            (written_record){.key = of->keys[i], .value = of->values[i], .is_data = true};
    }
    k->end += of->count;
    return MG_OK;
}

/* A batch of up to five records; every tenth value is null. */
static inline mg_status try_append_random(keyed *k, int64_t timestamp)
{
    int32_t keys[5];
    int32_t values[5];
    int32_t count = (int32_t)keyed_draw(k, 5) + 1;
    for (int32_t i = 0; i < count; i++) {
        keys[i] = (int32_t)keyed_draw(k, KEYS);
        values[i] = keyed_draw(k, 10) == 0 ? TOMBSTONE : (int32_t)k->end + i;
    }
    keyed_batch of = {.keys = keys, .values = values, .count = count, .timestamp = timestamp};
    return try_append_keyed(k, &of);
}

static inline mg_status try_append_marker(keyed *k, int64_t producer_id, bool commit)
{
    static _Thread_local uint8_t memory[BATCH_SIZE_MAX];
    const uint8_t key[4] = {0, 0, 0, commit};
    const uint8_t value[6] = {0, 0, 0, 0, 0, 7};
    mg_builder builder = mg_builder_over(memory, BATCH_SIZE_MAX, NOW_MS);
    mg_record_parts parts = {.timestamp = NOW_MS,
                             .key = {.data = key, .size = sizeof key},
                             .value = {.data = value, .size = sizeof value}};
    CHECK(mg_builder_add(&builder, &parts));
    mg_batch_header header = mg_batch_header_blank();
    header.producer_id = producer_id;
    header.producer_epoch = 0;
    header.attributes |= MG_BATCH_TRANSACTIONAL | MG_BATCH_CONTROL;
    mg_builder_finish(&builder, &header);
    mg_log_item item = {.batch = memory, .header = header};
    mg_status status = append_item(&k->r, &item, 0);
    if (status != MG_OK) return status;
    k->records[k->end++] = (written_record){.key = NO_KEY};
    return MG_OK;
}

static inline mg_compact_request keyed_request(keyed *k, int64_t first_dirty, int64_t now_ms)
{
    return (mg_compact_request){.first_dirty_offset = first_dirty,
                                .limit_offset = mg_log_end_offset(k->r.log),
                                .delete_retention_ms = 1000,
                                .now_ms = now_ms,
                                .map_size_max = 1 << 20,
                                .seed = {.words = {keyed_draw(k, UINT64_MAX), 5}}};
}

/* Marks in `seen` what the log holds, each record as it was written, offsets ascending. */
static inline void keyed_read(keyed *k)
{
    static _Thread_local uint8_t out[1 << 21];
    memset(k->seen, 0, sizeof k->seen);
    int64_t offset = mg_log_start_offset(k->r.log);
    int64_t last = -1;
    while (offset < mg_log_end_offset(k->r.log)) {
        int64_t next_offset = 0;
        size_t size = read_bytes(&k->r, offset, 3000, out, &next_offset);
        for (size_t at = 0; at < size;) {
            mg_batch_header header;
            mg_span bytes = {.data = out + at, .size = size - at};
            CHECK(mg_batch_check(bytes, &header) == MG_OK);
            CHECK(header.base_offset > last);
            last = mg_batch_last_offset(&header);
            CHECK(last < k->end);
            mg_record record;
            mg_record_walk walk =
                mg_record_walk_over(mg_batch_payload(bytes, &header), header.record_count);
            int64_t greatest = -1;
            while (mg_record_next(&walk, &record)) {
                int64_t at_offset = header.base_offset + record.offset_delta;
                int64_t timestamp = mg_batch_record_timestamp(&header, record.timestamp_delta);
                if (timestamp > greatest) greatest = timestamp;
                const written_record *w = &k->records[at_offset];
                CHECK(at_offset <= last);
                k->seen[at_offset] = true;
                if (!w->is_data) continue;
                int32_t key = NO_KEY;
                int32_t value = TOMBSTONE;
                if (record.key.data != NULL) memcpy(&key, record.key.data, sizeof key);
                if (record.value.data != NULL) memcpy(&value, record.value.data, sizeof value);
                CHECK(key == w->key && value == w->value);
                CHECK(record.header_count == (key % 3 == 1));
            }
            CHECK(mg_record_walk_end(&walk) == MG_OK);
            CHECK(header.record_count == 0 || greatest == header.max_timestamp);
            at += (size_t)header.size;
        }
        CHECK(next_offset > offset);
        offset = next_offset;
    }
}

/* The last offset of a key below `end`; -1. Aborted data never was. */
static inline int64_t last_of_key(const keyed *k, int32_t key, int64_t end)
{
    for (int64_t i = end; i-- > 0;) {
        const written_record *w = &k->records[i];
        if (w->is_data && !w->is_aborted && w->key == key) return i;
    }
    return -1;
}

/* What a reader must find: of each key the last record, but that a null value may be gone
 * (`tombstones_gone`); below `clean_end` nothing else, above it everything. */
static inline void keyed_check(keyed *k, int64_t clean_end, bool tombstones_gone)
{
    keyed_read(k);
    for (int32_t key = 0; key < KEYS; key++) {
        int64_t last = last_of_key(k, key, k->end);
        if (last < 0) continue;
        bool is_tombstone = k->records[last].value == TOMBSTONE;
        CHECK(k->seen[last] || (is_tombstone && tombstones_gone));
        int64_t clean_last = last_of_key(k, key, clean_end);
        for (int64_t i = 0; i < clean_end; i++) {
            const written_record *w = &k->records[i];
            if (w->is_data && w->key == key && i != clean_last) CHECK(!k->seen[i]);
        }
    }
    for (int64_t i = clean_end; i < k->end; i++) {
        if (k->records[i].is_data && !k->records[i].is_aborted) CHECK(k->seen[i]);
    }
}

static inline keyed *keyed_make(uint64_t seed)
{
    keyed *k = calloc(1, sizeof *k);
    CHECK(k != NULL);
    k->r = rig_make();
    k->r.config.segment_size_max = 4000;
    k->r.config.index_interval_size = 500;
    k->state = seed;
    CHECK(mg_files_sync_directory(k->r.files, "data", NULL) == MG_OK);
    return k;
}

static inline void keyed_end(keyed *k)
{
    rig_end(&k->r);
    free(k);
}

#endif
