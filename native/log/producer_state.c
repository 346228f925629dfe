#include "log/producer_state.h"

#include "base/crc32c.h"
#include "base/writer.h"
#include "batch/batch_format.h"
#include "batch/record.h"
#include "log/log_format.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SLOTS_FIRST = 8,
    NO_SEQUENCE = -1,
    NO_OFFSET = -1,
    SNAPSHOT_SIZE_MAX = 1 << 30,
};

typedef struct batch_trace {
    int64_t last_offset;
    int32_t last_sequence;
    int32_t offset_delta;
} batch_trace;

/* The fields that a view copies are atomic; the window is the appender's alone. */
typedef struct producer {
    _Atomic uint32_t version; /* odd while the fields below are written */
    bool is_used;
    uint8_t window_count;
    _Atomic int64_t id;
    _Atomic int64_t last_timestamp;
    _Atomic int64_t transaction_first_offset;
    _Atomic int64_t last_offset;
    _Atomic int32_t last_sequence;
    _Atomic int32_t coordinator_epoch;
    _Atomic int32_t epoch;
    batch_trace window[MG_PRODUCER_WINDOW]; /* oldest first */
} producer;

struct mg_producer_table {
    mg_retired retired;
    size_t slots; /* a power of two, at least twice the number of producers */
    int64_t *open; /* first offsets of the open transactions, ascending; behind the entries */
    size_t open_count;
    producer entries[];
};

static_assert(sizeof(producer) % alignof(int64_t) == 0, "what is open lies behind the entries");

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
/* Release: no store moves above the odd version that announces it. */
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_release)

static bool release(mg_retired *retired)
{
    free(retired);
    return true;
}

static mg_producer_table *table_of(const mg_producers *producers)
{
    return LOAD(producers->table);
}

void mg_producers_init(mg_producers *producers)
{
    atomic_init(&producers->table, NULL);
    producers->count = 0;
}

void mg_producers_deinit(mg_producers *producers)
{
    free(table_of(producers));
}

void mg_producers_take_over(mg_producers *producers, mg_producers *fresh, mg_retired **replaced)
{
    mg_producer_table *old = table_of(producers);
    producers->count = fresh->count;
    atomic_store(&producers->table, table_of(fresh)); /* sequentially consistent, see retired.h */
    mg_producers_init(fresh);
    *replaced = old == NULL ? NULL : &old->retired;
}

/* Fibonacci hashing: ids are handed out one after another. */
static size_t first_slot(const mg_producer_table *table, int64_t producer_id)
{
    uint64_t hash = (uint64_t)producer_id * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) & (table->slots - 1);
}

/* The entry of the producer, or the free slot where it would stand. */
static producer *find_slot(mg_producer_table *table, int64_t producer_id)
{
    size_t slot = first_slot(table, producer_id);
    while (table->entries[slot].is_used && LOAD(table->entries[slot].id) != producer_id) {
        slot = (slot + 1) & (table->slots - 1);
    }
    return &table->entries[slot];
}

static producer *find(const mg_producers *producers, int64_t producer_id)
{
    mg_producer_table *table = table_of(producers);
    if (table == NULL) return NULL;
    producer *entry = find_slot(table, producer_id);
    return entry->is_used ? entry : NULL;
}

static size_t room_of(const mg_producers *producers)
{
    const mg_producer_table *table = table_of(producers);
    return table == NULL ? 0 : table->slots / 2 - producers->count;
}

bool mg_producers_has_room(const mg_producers *producers, int64_t producer_id)
{
    return room_of(producers) > 0 || find(producers, producer_id) != NULL;
}

static bool is_old(int64_t producer_id, int64_t transaction_first_offset, int64_t last_timestamp,
                   int64_t now_ms, int64_t expiry_ms)
{
    return !mg_producer_is_named(producer_id) && transaction_first_offset < 0 &&
           last_timestamp <= now_ms - expiry_ms;
}

static bool is_expired(const producer *entry, int64_t now_ms, int64_t expiry_ms)
{
    return is_old(LOAD(entry->id), LOAD(entry->transaction_first_offset),
                  LOAD(entry->last_timestamp), now_ms, expiry_ms);
}

static void copy_entry(producer *to, const producer *from)
{
    to->is_used = true;
    to->window_count = from->window_count;
    for (size_t i = 0; i < MG_PRODUCER_WINDOW; i++)
        to->window[i] = from->window[i];
    STORE(to->id, LOAD(from->id));
    STORE(to->last_timestamp, LOAD(from->last_timestamp));
    STORE(to->transaction_first_offset, LOAD(from->transaction_first_offset));
    STORE(to->last_offset, LOAD(from->last_offset));
    STORE(to->last_sequence, LOAD(from->last_sequence));
    STORE(to->coordinator_epoch, LOAD(from->coordinator_epoch));
    STORE(to->epoch, LOAD(from->epoch));
    STORE(to->version, 2);
}

static size_t count_unexpired(const mg_producer_table *table, int64_t now_ms, int64_t expiry_ms)
{
    size_t count = 0;
    for (size_t i = 0; table != NULL && i < table->slots; i++) {
        const producer *entry = &table->entries[i];
        if (entry->is_used && !is_expired(entry, now_ms, expiry_ms)) count++;
    }
    return count;
}

mg_status mg_producers_reserve(mg_producers *producers, size_t more, int64_t now_ms,
                               int64_t expiry_ms, mg_retired **replaced, mg_error *error)
{
    *replaced = NULL;
    if (room_of(producers) >= more) return MG_OK;

    mg_producer_table *old = table_of(producers);
    size_t kept = count_unexpired(old, now_ms, expiry_ms);
    size_t slots = SLOTS_FIRST;
    while (slots / 2 < kept + kept / 2 + more)
        slots *= 2;
    mg_producer_table *fresh = calloc(1, sizeof *fresh + slots * sizeof(producer) +
                                             slots / 2 * sizeof(int64_t));
    if (fresh == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "producers");
    fresh->retired.release = release;
    fresh->slots = slots;
    fresh->open = (int64_t *)(void *)(fresh->entries + slots);
    for (size_t i = 0; old != NULL && i < old->slots; i++) {
        const producer *entry = &old->entries[i];
        if (!entry->is_used || is_expired(entry, now_ms, expiry_ms)) continue;
        copy_entry(find_slot(fresh, LOAD(entry->id)), entry);
    }
    for (size_t i = 0; old != NULL && i < old->open_count; i++) /* they do not expire */
        fresh->open[fresh->open_count++] = old->open[i];
    producers->count = kept;
    atomic_store(&producers->table, fresh); /* sequentially consistent, see retired.h */
    if (old != NULL) *replaced = &old->retired;
    return MG_OK;
}

/* ---- Deciding ---- */

/* The sequence `steps` after this one, on the circle of 2^31 numbers. */
static int32_t sequence_after(int32_t sequence, int32_t steps)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)steps) & INT32_MAX);
}

static int32_t sequence_before(int32_t sequence, int32_t steps)
{
    return (int32_t)(((uint32_t)sequence - (uint32_t)steps) & INT32_MAX);
}

static const batch_trace *find_duplicate(const producer *entry, const mg_batch_header *header)
{
    if (LOAD(entry->epoch) != header->producer_epoch) return NULL;
    int32_t last_sequence = sequence_after(header->base_sequence, header->last_offset_delta);
    for (size_t i = 0; i < entry->window_count; i++) {
        const batch_trace *trace = &entry->window[i];
        int32_t base_sequence = sequence_before(trace->last_sequence, trace->offset_delta);
        if (base_sequence == header->base_sequence && trace->last_sequence == last_sequence) {
            return trace;
        }
    }
    return NULL;
}

static int64_t last_position(const producer *entry)
{
    return mg_producer_position(LOAD(entry->epoch), LOAD(entry->last_sequence));
}

int64_t mg_producers_position(const mg_producers *producers, int64_t producer_id)
{
    MG_ASSERT(mg_producer_is_named(producer_id));
    const producer *entry = find(producers, producer_id);
    return entry == NULL ? -1 : last_position(entry);
}

/* The rule of named producers, for what is no batch of the last five. */
static mg_append_verdict decide_by_position(const producer *entry, const mg_batch_header *header,
                                            int64_t *base_offset)
{
    int64_t first = mg_producer_position(header->producer_epoch, header->base_sequence);
    if (first > last_position(entry)) return MG_APPEND_DONE;
    if (first + header->last_offset_delta > last_position(entry)) {
        return MG_APPEND_OUT_OF_ORDER_SEQUENCE;
    }
    *base_offset = NO_OFFSET;
    return MG_APPEND_DUPLICATE;
}

mg_append_verdict mg_producers_decide(const mg_producers *producers, const mg_batch_header *header,
                                      int64_t *base_offset)
{
    MG_ASSERT(header->producer_id >= 0);
    const producer *entry = find(producers, header->producer_id);
    if (entry == NULL) return MG_APPEND_DONE;

    bool has_sequence = header->base_sequence != NO_SEQUENCE;
    const batch_trace *original = has_sequence ? find_duplicate(entry, header) : NULL;
    if (original != NULL) {
        *base_offset = original->last_offset - original->offset_delta;
        return MG_APPEND_DUPLICATE;
    }
    if (has_sequence && mg_producer_is_named(header->producer_id)) {
        return decide_by_position(entry, header, base_offset);
    }
    if (header->producer_epoch < LOAD(entry->epoch)) return MG_APPEND_INVALID_PRODUCER_EPOCH;

    bool is_new_epoch = header->producer_epoch > LOAD(entry->epoch);
    int32_t last_sequence = LOAD(entry->last_sequence);
    int32_t expected = 0;
    if (!is_new_epoch && last_sequence != NO_SEQUENCE) expected = sequence_after(last_sequence, 1);
    if (has_sequence && header->base_sequence != expected) return MG_APPEND_OUT_OF_ORDER_SEQUENCE;
    bool is_open = LOAD(entry->transaction_first_offset) != NO_OFFSET;
    bool is_part = (header->attributes & MG_BATCH_TRANSACTIONAL) != 0;
    return is_open && !is_part ? MG_APPEND_INVALID_TXN_STATE : MG_APPEND_DONE;
}

mg_append_verdict mg_producers_decide_control(const mg_producers *producers,
                                              const mg_batch_header *header,
                                              const mg_control *control)
{
    const producer *entry = find(producers, header->producer_id);
    if (entry == NULL) return MG_APPEND_DONE;
    if (header->producer_epoch < LOAD(entry->epoch)) return MG_APPEND_INVALID_PRODUCER_EPOCH;
    bool is_fenced = control->known && control->coordinator_epoch < LOAD(entry->coordinator_epoch);
    return is_fenced ? MG_APPEND_COORDINATOR_FENCED : MG_APPEND_DONE;
}

/* ---- Open transactions ---- */

/* How many begin below `offset`. */
static size_t open_below(const mg_producer_table *table, int64_t offset)
{
    size_t low = 0;
    size_t high = table->open_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->open[middle] < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void begin_transaction(mg_producer_table *table, producer *entry, int64_t first_offset)
{
    MG_ASSERT(first_offset >= 0);
    MG_ASSERT(LOAD(entry->transaction_first_offset) == NO_OFFSET);
    MG_ASSERT(table->open_count < table->slots / 2); /* at most one a producer */
    size_t slot = open_below(table, first_offset);
    for (size_t i = table->open_count; i > slot; i--) /* of a log, it is the last */
        table->open[i] = table->open[i - 1];
    table->open[slot] = first_offset;
    table->open_count++;
    STORE(entry->transaction_first_offset, first_offset);
}

static void end_transaction(mg_producer_table *table, producer *entry)
{
    int64_t first_offset = LOAD(entry->transaction_first_offset);
    if (first_offset == NO_OFFSET) return;
    size_t slot = open_below(table, first_offset);
    MG_ASSERT(slot < table->open_count && table->open[slot] == first_offset);
    table->open_count--;
    for (size_t i = slot; i < table->open_count; i++)
        table->open[i] = table->open[i + 1];
    STORE(entry->transaction_first_offset, NO_OFFSET);
}

int64_t mg_producers_first_open(const mg_producers *producers)
{
    const mg_producer_table *table = table_of(producers);
    return table == NULL || table->open_count == 0 ? NO_OFFSET : table->open[0];
}

bool mg_producers_aborts(const mg_producers *producers, const mg_batch_header *header,
                         const mg_control *control, mg_aborted *aborted)
{
    if (!control->known || control->commit) return false;
    const producer *entry = find(producers, header->producer_id);
    if (entry == NULL || LOAD(entry->transaction_first_offset) == NO_OFFSET) return false;
    /* A snapshot of nonsense may claim more than the log has. */
    if (LOAD(entry->transaction_first_offset) > header->base_offset) return false;
    const mg_producer_table *table = table_of(producers);
    *aborted = (mg_aborted){.producer_id = header->producer_id,
                            .first_offset = LOAD(entry->transaction_first_offset),
                            .last_offset = header->base_offset,
                            .stable_offset = mg_batch_last_offset(header) + 1};
    size_t other = table->open[0] == aborted->first_offset ? 1 : 0;
    if (other < table->open_count) aborted->stable_offset = table->open[other];
    return true;
}

/* ---- Recording ---- */

mg_control mg_control_decode(mg_span batch, const mg_batch_header *header)
{
    mg_control control = {.known = false};
    if (batch.size > (size_t)header->size) batch.size = (size_t)header->size;
    if (batch.size <= MG_BATCH_HEADER_SIZE) return control;
    mg_span records = {.data = batch.data + MG_BATCH_HEADER_SIZE,
                       .size = batch.size - MG_BATCH_HEADER_SIZE};
    mg_record_walk walk = mg_record_walk_over(records, 1);
    mg_record record;
    if (!mg_record_next(&walk, &record)) return control;

    mg_cursor key = mg_cursor_over(record.key.data, record.key.size);
    int16_t key_version = mg_read_i16(&key);
    int16_t type = mg_read_i16(&key);
    mg_cursor value = mg_cursor_over(record.value.data, record.value.size);
    int16_t value_version = mg_read_i16(&value);
    int32_t coordinator_epoch = mg_read_i32(&value);
    if (!mg_cursor_ok(&key) || !mg_cursor_ok(&value)) return control;
    /* Later versions add to the end of what is read here. */
    if (key_version < MG_CONTROL_VERSION || value_version < MG_CONTROL_VERSION) return control;
    if (type != MG_CONTROL_ABORT && type != MG_CONTROL_COMMIT) return control;
    return (mg_control){
        .known = true, .commit = type == MG_CONTROL_COMMIT, .coordinator_epoch = coordinator_epoch};
}

/* A new epoch forgets the batches of the old one. */
static void take_epoch(producer *entry, int32_t epoch)
{
    if (LOAD(entry->epoch) == epoch) return;
    STORE(entry->epoch, epoch);
    STORE(entry->last_sequence, NO_SEQUENCE);
    STORE(entry->last_offset, NO_OFFSET);
    entry->window_count = 0;
}

static void add_trace(producer *entry, batch_trace trace)
{
    if (entry->window_count == MG_PRODUCER_WINDOW) {
        for (size_t i = 1; i < MG_PRODUCER_WINDOW; i++)
            entry->window[i - 1] = entry->window[i];
        entry->window_count--;
    }
    entry->window[entry->window_count++] = trace;
    STORE(entry->last_sequence, trace.last_sequence);
    STORE(entry->last_offset, trace.last_offset);
}

static producer *find_or_add(mg_producers *producers, int64_t producer_id, int32_t epoch)
{
    mg_producer_table *table = table_of(producers);
    MG_ASSERT(table != NULL);
    producer *entry = find_slot(table, producer_id);
    if (entry->is_used) return entry;

    MG_ASSERT(room_of(producers) > 0);
    producers->count++;
    entry->is_used = true;
    entry->window_count = 0;
    STORE(entry->version, 1);
    STORE(entry->id, producer_id);
    STORE(entry->epoch, epoch);
    STORE(entry->last_timestamp, MG_TIMESTAMP_NONE);
    STORE(entry->transaction_first_offset, NO_OFFSET);
    STORE(entry->last_offset, NO_OFFSET);
    STORE(entry->last_sequence, NO_SEQUENCE);
    STORE(entry->coordinator_epoch, -1);
    STORE(entry->version, 2);
    return entry;
}

/* Between these two a view of the entry is not consistent. */
static void begin_change(producer *entry)
{
    /* Acquire: no store of the change moves above it. */
    uint32_t before = atomic_fetch_add_explicit(&entry->version, 1, memory_order_acq_rel);
    MG_ASSERT(before % 2 == 0);
}

static void end_change(producer *entry)
{
    STORE(entry->version, LOAD(entry->version) + 1);
}

void mg_producers_record(mg_producers *producers, const mg_batch_header *header,
                         const mg_control *control)
{
    MG_ASSERT(header->producer_id >= 0);
    producer *entry = find_or_add(producers, header->producer_id, header->producer_epoch);
    bool is_control = (header->attributes & MG_BATCH_CONTROL) != 0;
    begin_change(entry);
    /* What compaction left of a marker, a header without its record, ends nothing: there is
     * nothing left of the transaction. */
    if (is_control && header->record_count > 0) end_transaction(table_of(producers), entry);
    /* Found in a log, an older epoch is history that has been overtaken; never step back. */
    if (header->producer_epoch >= LOAD(entry->epoch)) {
        take_epoch(entry, header->producer_epoch);
        STORE(entry->last_timestamp, header->max_timestamp);
        if (is_control) {
            if (control != NULL && control->known) {
                STORE(entry->coordinator_epoch, control->coordinator_epoch);
            }
        } else {
            if (header->base_sequence != NO_SEQUENCE) {
                add_trace(entry,
                          (batch_trace){.last_offset = mg_batch_last_offset(header),
                                        .last_sequence = sequence_after(header->base_sequence,
                                                                        header->last_offset_delta),
                                        .offset_delta = header->last_offset_delta});
            }
            bool begins = (header->attributes & MG_BATCH_TRANSACTIONAL) != 0 &&
                          LOAD(entry->transaction_first_offset) == NO_OFFSET;
            if (begins) begin_transaction(table_of(producers), entry, header->base_offset);
        }
    }
    end_change(entry);
}

/* ---- Looking from outside ---- */

static bool copy_view(const producer *entry, mg_producer_view *view)
{
    for (;;) {
        uint32_t version = atomic_load_explicit(&entry->version, memory_order_acquire);
        if (version == 0) return false; /* a free slot */
        view->producer_id = atomic_load_explicit(&entry->id, memory_order_acquire);
        view->last_timestamp = atomic_load_explicit(&entry->last_timestamp, memory_order_acquire);
        view->transaction_first_offset =
            atomic_load_explicit(&entry->transaction_first_offset, memory_order_acquire);
        view->last_offset = atomic_load_explicit(&entry->last_offset, memory_order_acquire);
        view->last_sequence = atomic_load_explicit(&entry->last_sequence, memory_order_acquire);
        view->coordinator_epoch =
            atomic_load_explicit(&entry->coordinator_epoch, memory_order_acquire);
        view->epoch = (int16_t)atomic_load_explicit(&entry->epoch, memory_order_acquire);
        if (version % 2 == 0 && LOAD(entry->version) == version) return true;
    }
}

size_t mg_producers_view(const mg_producers *producers, mg_producer_view *out, size_t room)
{
    const mg_producer_table *table = atomic_load(&producers->table);
    size_t count = 0;
    for (size_t i = 0; table != NULL && i < table->slots; i++) {
        mg_producer_view view;
        if (!copy_view(&table->entries[i], &view)) continue;
        if (count < room) out[count] = view;
        count++;
    }
    return count;
}

/* ---- The snapshot file ---- */

static void encode_entry(mg_writer *writer, const producer *entry)
{
    const batch_trace *last = NULL;
    if (entry->window_count > 0) last = &entry->window[entry->window_count - 1];
    mg_write_i64(writer, LOAD(entry->id));
    mg_write_i16(writer, (int16_t)LOAD(entry->epoch));
    mg_write_i32(writer, last == NULL ? NO_SEQUENCE : last->last_sequence);
    mg_write_i64(writer, last == NULL ? NO_OFFSET : last->last_offset);
    mg_write_i32(writer, last == NULL ? 0 : last->offset_delta);
    mg_write_i64(writer, LOAD(entry->last_timestamp));
    mg_write_i32(writer, LOAD(entry->coordinator_epoch));
    mg_write_i64(writer, LOAD(entry->transaction_first_offset));
}

static void encode(const mg_producers *producers, uint8_t *data, size_t size)
{
    const mg_producer_table *table = table_of(producers);
    mg_writer writer = mg_writer_over(data, size);
    mg_write_i16(&writer, MG_SNAPSHOT_VERSION);
    mg_write_u32(&writer, 0);
    mg_write_i32(&writer, (int32_t)producers->count);
    for (size_t i = 0; table != NULL && i < table->slots; i++) {
        if (table->entries[i].is_used) encode_entry(&writer, &table->entries[i]);
    }
    MG_ASSERT(mg_writer_ok(&writer));
    MG_ASSERT(mg_writer_left(&writer) == 0);
    mg_store_u32(data + MG_SNAPSHOT_AT_CRC,
                 mg_crc32c(0, data + MG_SNAPSHOT_CRC_FROM, size - MG_SNAPSHOT_CRC_FROM));
}

static mg_status write_file(mg_files *files, const char *path, const uint8_t *data, size_t size,
                            mg_error *error)
{
    mg_file *file = NULL;
    mg_status status =
        mg_file_open(files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file, error);
    if (status != MG_OK) return status;
    status = mg_file_write_bytes(file, 0, data, size, error);
    mg_file_close(file);
    return status;
}

mg_status mg_producers_save(const mg_producers *producers, mg_files *files, const char *path,
                            bool synced, mg_error *error)
{
    size_t size = MG_SNAPSHOT_HEADER_SIZE + producers->count * MG_SNAPSHOT_ENTRY_SIZE;
    uint8_t *data = malloc(size);
    if (data == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "producer snapshot");
    encode(producers, data, size);
    mg_status status = synced ? mg_files_replace(files, path, data, size, error)
                              : write_file(files, path, data, size, error);
    free(data);
    return status;
}

/* Both ways in, a snapshot and a scan, end in the same entry. */
static void decode_entry(mg_producers *producers, mg_cursor *cursor, int64_t now_ms,
                         int64_t expiry_ms)
{
    int64_t producer_id = mg_read_i64(cursor);
    int16_t epoch = mg_read_i16(cursor);
    batch_trace trace = {.last_sequence = mg_read_i32(cursor)};
    trace.last_offset = mg_read_i64(cursor);
    trace.offset_delta = mg_read_i32(cursor);
    int64_t timestamp = mg_read_i64(cursor);
    int32_t coordinator_epoch = mg_read_i32(cursor);
    int64_t transaction_first_offset = mg_read_i64(cursor);
    if (!mg_cursor_ok(cursor) || producer_id < 0) return;
    if (is_old(producer_id, transaction_first_offset, timestamp, now_ms, expiry_ms)) return;

    producer *entry = find_or_add(producers, producer_id, epoch);
    begin_change(entry);
    bool has_batch = trace.last_sequence >= 0 && trace.offset_delta >= 0 && trace.last_offset >= 0;
    if (has_batch) add_trace(entry, trace);
    STORE(entry->last_timestamp, timestamp);
    STORE(entry->coordinator_epoch, coordinator_epoch);
    end_transaction(table_of(producers), entry); /* of a snapshot that names a producer twice */
    if (transaction_first_offset >= 0) {
        begin_transaction(table_of(producers), entry, transaction_first_offset);
    }
    end_change(entry);
}

static mg_status take_up(mg_producers *producers, mg_span data, const char *path, int64_t now_ms,
                         int64_t expiry_ms, mg_error *error)
{
    mg_cursor cursor = mg_cursor_over(data.data, data.size);
    int16_t version = mg_read_i16(&cursor);
    uint32_t crc = mg_read_u32(&cursor);
    int32_t count = mg_read_i32(&cursor);
    bool is_sound =
        mg_cursor_ok(&cursor) && version == MG_SNAPSHOT_VERSION && count >= 0 &&
        (size_t)count * MG_SNAPSHOT_ENTRY_SIZE == mg_cursor_left(&cursor) &&
        mg_crc32c(0, data.data + MG_SNAPSHOT_CRC_FROM, data.size - MG_SNAPSHOT_CRC_FROM) == crc;
    if (!is_sound) return mg_fail(error, MG_CORRUPT, 0, "producer snapshot %.120s", path);

    mg_retired *replaced = NULL;
    mg_status status = MG_OK;
    if (count > 0) {
        status =
            mg_producers_reserve(producers, (size_t)count, now_ms, INT64_MAX, &replaced, error);
    }
    if (status != MG_OK) return status;
    if (replaced != NULL) (void)replaced->release(replaced);
    for (int32_t i = 0; i < count; i++)
        decode_entry(producers, &cursor, now_ms, expiry_ms);
    return MG_OK;
}

mg_status mg_producers_load(mg_producers *producers, mg_files *files, const char *path,
                            int64_t now_ms, int64_t expiry_ms, mg_error *error)
{
    uint8_t *data = NULL;
    size_t size = 0;
    mg_status status = mg_files_load(files, path, SNAPSHOT_SIZE_MAX, &data, &size, error);
    if (status != MG_OK) return status;
    status =
        take_up(producers, (mg_span){.data = data, .size = size}, path, now_ms, expiry_ms, error);
    free(data);
    return status;
}
