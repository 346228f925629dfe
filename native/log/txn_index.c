#include "log/txn_index.h"

#include "base/cursor.h"
#include "base/writer.h"
#include "log/log_format.h"

#include <stdlib.h>

enum {
    CAPACITY_FIRST = 16,
    FILE_SIZE_MAX = 1 << 30, /* 31 million aborted transactions in one segment */
};

mg_status mg_txn_index_init(mg_txn_index *index, mg_error *error)
{
    *index = (mg_txn_index){.entries = NULL};
    if (pthread_mutex_init(&index->lock, NULL) == 0) return MG_OK;
    return mg_fail(error, MG_NO_MEMORY, 0, "transaction index");
}

void mg_txn_index_deinit(mg_txn_index *index)
{
    free(index->entries);
    index->entries = NULL;
    (void)pthread_mutex_destroy(&index->lock);
}

/* `lock` held. */
static void set_count(mg_txn_index *index, size_t count)
{
    MG_ASSERT(count <= index->capacity);
    atomic_store_explicit(&index->count, count, memory_order_release);
    atomic_store_explicit(&index->has_room, count < index->capacity, memory_order_relaxed);
}

/* `lock` held. */
static mg_status grow(mg_txn_index *index, size_t count, mg_error *error)
{
    if (count <= index->capacity) return MG_OK;
    size_t capacity = index->capacity == 0 ? CAPACITY_FIRST : index->capacity;
    while (capacity < count)
        capacity *= 2;
    mg_aborted *entries = realloc(index->entries, capacity * sizeof *entries);
    if (entries == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "transaction index");
    index->entries = entries;
    index->capacity = capacity;
    return MG_OK;
}

mg_status mg_txn_index_reserve(mg_txn_index *index, mg_error *error)
{
    if (mg_txn_index_has_room(index)) return MG_OK;
    (void)pthread_mutex_lock(&index->lock);
    size_t count = atomic_load(&index->count);
    mg_status status = grow(index, count + 1, error);
    set_count(index, count);
    (void)pthread_mutex_unlock(&index->lock);
    return status;
}

/* `lock` held: how many markers lie below `offset`. */
static size_t count_below(const mg_txn_index *index, int64_t offset)
{
    size_t low = 0;
    size_t high = atomic_load_explicit(&index->count, memory_order_relaxed);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->entries[middle].last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void mg_txn_index_add(mg_txn_index *index, const mg_aborted *entry)
{
    (void)pthread_mutex_lock(&index->lock);
    size_t count = atomic_load(&index->count);
    MG_ASSERT(count < index->capacity);
    MG_ASSERT(count == 0 || index->entries[count - 1].last_offset < entry->last_offset);
    index->entries[count] = *entry;
    set_count(index, count + 1);
    (void)pthread_mutex_unlock(&index->lock);
}

void mg_txn_index_cut_end(mg_txn_index *index, int64_t end_offset)
{
    (void)pthread_mutex_lock(&index->lock);
    set_count(index, count_below(index, end_offset));
    (void)pthread_mutex_unlock(&index->lock);
}

/* `lock` held. */
static void move(mg_txn_index *index, size_t from, size_t to, size_t count)
{
    mg_aborted *entries = index->entries;
    for (size_t i = 0; to < from && i < count; i++)
        entries[to + i] = entries[from + i];
    for (size_t i = count; to > from && i-- > 0;)
        entries[to + i] = entries[from + i];
}

void mg_txn_index_cut_start(mg_txn_index *index, int64_t start_offset)
{
    (void)pthread_mutex_lock(&index->lock);
    size_t gone = count_below(index, start_offset);
    size_t left = atomic_load(&index->count) - gone;
    move(index, gone, 0, left);
    set_count(index, left);
    (void)pthread_mutex_unlock(&index->lock);
}

/* `lock` held. */
static mg_status replace(mg_txn_index *index, int64_t from, int64_t to, const mg_aborted *entries,
                         size_t count, mg_error *error)
{
    size_t before = atomic_load(&index->count);
    size_t begin = count_below(index, from);
    size_t end = count_below(index, to);
    size_t tail = before - end;
    mg_status status = grow(index, begin + count + tail, error);
    if (status != MG_OK) return status;
    move(index, end, begin + count, tail);
    for (size_t i = 0; i < count; i++) {
        MG_ASSERT(entries[i].last_offset >= from);
        MG_ASSERT(entries[i].last_offset < to);
        index->entries[begin + i] = entries[i];
    }
    set_count(index, begin + count + tail);
    return MG_OK;
}

mg_status mg_txn_index_replace(mg_txn_index *index, int64_t from, int64_t to,
                               const mg_aborted *entries, size_t count, mg_error *error)
{
    MG_ASSERT(from <= to);
    (void)pthread_mutex_lock(&index->lock);
    mg_status status = replace(index, from, to, entries, count, error);
    (void)pthread_mutex_unlock(&index->lock);
    return status;
}

int64_t mg_txn_index_end(mg_txn_index *index)
{
    (void)pthread_mutex_lock(&index->lock);
    size_t count = atomic_load(&index->count);
    int64_t end = count == 0 ? 0 : index->entries[count - 1].last_offset + 1;
    (void)pthread_mutex_unlock(&index->lock);
    return end;
}

size_t mg_txn_index_find(mg_txn_index *index, int64_t from, int64_t to, mg_aborted *out,
                         size_t room)
{
    /* Who may read a record has seen it decided, and its entry was there before that. */
    if (atomic_load_explicit(&index->count, memory_order_acquire) == 0) return 0;
    size_t found = 0;
    (void)pthread_mutex_lock(&index->lock);
    size_t count = atomic_load(&index->count);
    for (size_t i = count_below(index, from); i < count; i++) {
        const mg_aborted *entry = &index->entries[i];
        if (entry->first_offset < to) {
            if (found < room) out[found] = *entry;
            found++;
        }
        if (entry->stable_offset >= to) break;
    }
    (void)pthread_mutex_unlock(&index->lock);
    return found;
}

/* ---- The file of a segment ---- */

static void encode(mg_writer *writer, const mg_aborted *entry)
{
    mg_write_i16(writer, MG_TXN_ENTRY_VERSION);
    mg_write_i64(writer, entry->producer_id);
    mg_write_i64(writer, entry->first_offset);
    mg_write_i64(writer, entry->last_offset);
    mg_write_i64(writer, entry->stable_offset);
}

/* The file's bytes, or nothing where no entry lies in the range. */
static mg_status load_range(mg_txn_index *index, int64_t from, int64_t to, uint8_t **data,
                              size_t *size, mg_error *error)
{
    *data = NULL;
    *size = 0;
    mg_status status = MG_OK;
    (void)pthread_mutex_lock(&index->lock);
    size_t begin = count_below(index, from);
    size_t end = count_below(index, to);
    if (begin < end) {
        size_t wanted = (end - begin) * MG_TXN_ENTRY_SIZE;
        *data = malloc(wanted);
        if (*data == NULL) status = mg_fail(error, MG_NO_MEMORY, 0, "transaction index");
        if (status == MG_OK) {
            mg_writer writer = mg_writer_over(*data, wanted);
            for (size_t i = begin; i < end; i++)
                encode(&writer, &index->entries[i]);
            MG_ASSERT(mg_writer_ok(&writer));
            *size = wanted;
        }
    }
    (void)pthread_mutex_unlock(&index->lock);
    return status;
}

static mg_status remove_file(mg_files *files, const char *path, mg_error *error)
{
    mg_error trouble;
    mg_status status = mg_files_remove(files, path, &trouble);
    if (status == MG_OK || status == MG_NOT_FOUND) return MG_OK;
    if (error != NULL) *error = trouble;
    return status;
}

mg_status mg_txn_index_save(mg_txn_index *index, mg_files *files, const char *path, int64_t from,
                            int64_t to, mg_error *error)
{
    uint8_t *data = NULL;
    size_t size = 0;
    mg_status status = load_range(index, from, to, &data, &size, error);
    if (status != MG_OK) return status;
    if (size == 0) return remove_file(files, path, error);
    mg_file *file = NULL;
    status =
        mg_file_open(files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file, error);
    if (status == MG_OK) {
        status = mg_file_write_bytes(file, 0, data, size, error);
        mg_file_close(file);
    }
    free(data);
    return status;
}

static bool decode(mg_cursor *cursor, mg_aborted *entry)
{
    int16_t version = mg_read_i16(cursor);
    entry->producer_id = mg_read_i64(cursor);
    entry->first_offset = mg_read_i64(cursor);
    entry->last_offset = mg_read_i64(cursor);
    entry->stable_offset = mg_read_i64(cursor);
    return mg_cursor_ok(cursor) && version == MG_TXN_ENTRY_VERSION && entry->producer_id >= 0 &&
           entry->first_offset >= 0 && entry->first_offset <= entry->last_offset;
}

/* `lock` held, room is there. */
static bool take_up(mg_txn_index *index, mg_span data, int64_t from, int64_t to)
{
    size_t count = atomic_load(&index->count);
    int64_t previous = count > 0 ? index->entries[count - 1].last_offset : -1;
    mg_cursor cursor = mg_cursor_over(data.data, data.size);
    while (mg_cursor_left(&cursor) > 0) {
        mg_aborted entry;
        if (!decode(&cursor, &entry)) return false;
        bool fits = entry.last_offset > previous && entry.last_offset >= from &&
                    entry.last_offset < to;
        if (!fits) return false;
        previous = entry.last_offset;
        index->entries[count++] = entry;
    }
    set_count(index, count);
    return true;
}

mg_status mg_txn_index_load(mg_txn_index *index, mg_files *files, const char *path, int64_t from,
                            int64_t to, bool *sound, mg_error *error)
{
    *sound = true;
    uint8_t *data = NULL;
    size_t size = 0;
    mg_error trouble;
    mg_status status = mg_files_load(files, path, FILE_SIZE_MAX, &data, &size, &trouble);
    if (status == MG_NOT_FOUND) return MG_OK;
    if (status != MG_OK) {
        if (error != NULL) *error = trouble;
        return status;
    }
    (void)pthread_mutex_lock(&index->lock);
    status = grow(index, atomic_load(&index->count) + size / MG_TXN_ENTRY_SIZE + 1, error);
    if (status == MG_OK) {
        *sound = take_up(index, (mg_span){.data = data, .size = size}, from, to);
        set_count(index, atomic_load(&index->count));
    }
    (void)pthread_mutex_unlock(&index->lock);
    free(data);
    return status;
}
