#include "log/time_index.h"

#include "base/writer.h"
#include "log/entry_file.h"

#include <stdlib.h>

static bool release(mg_retired *retired)
{
    mg_time_index_close((mg_time_index *)(void *)retired);
    return true;
}

mg_status mg_time_index_open(mg_time_index **out, mg_error *error)
{
    mg_time_index *index = malloc(sizeof *index);
    if (index == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "time index");
    index->retired = (mg_retired){.next = NULL, .release = release};
    mg_chunks_init(&index->entries, sizeof(mg_time_entry));
    *out = index;
    return MG_OK;
}

void mg_time_index_close(mg_time_index *index)
{
    if (index == NULL) return;
    mg_chunks_deinit(&index->entries);
    free(index);
}

mg_status mg_time_index_reserve(mg_time_index *index, size_t more, mg_error *error)
{
    return mg_chunks_reserve(&index->entries, more, error);
}

mg_time_entry mg_time_index_at(const mg_time_index *index, size_t slot)
{
    return *(const mg_time_entry *)(const void *)mg_chunks_at(&index->entries, slot);
}

void mg_time_index_append(mg_time_index *index, mg_time_entry entry)
{
    MG_ASSERT(entry.relative_offset >= 0);
    size_t count = mg_chunks_count(&index->entries);
    if (entry.timestamp < 0) return;
    if (count > 0) {
        mg_time_entry last = mg_time_index_at(index, count - 1);
        if (entry.timestamp <= last.timestamp) return;
        MG_ASSERT(entry.relative_offset > last.relative_offset);
    }
    *(mg_time_entry *)(void *)mg_chunks_next(&index->entries) = entry;
    mg_chunks_publish(&index->entries);
}

bool mg_time_index_find(const mg_time_index *index, int64_t timestamp, mg_time_entry *found)
{
    size_t low = 0; /* every entry below it is not later */
    size_t high = mg_chunks_count(&index->entries);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (mg_time_index_at(index, middle).timestamp <= timestamp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return false;
    *found = mg_time_index_at(index, low - 1);
    return true;
}

static void encode(const void *context, size_t slot, uint8_t *out)
{
    mg_time_entry entry = mg_time_index_at((const mg_time_index *)context, slot);
    mg_store_u64(out, (uint64_t)entry.timestamp);
    mg_store_u32(out + 8, (uint32_t)entry.relative_offset);
}

static mg_time_entry decode(const uint8_t *bytes)
{
    return (mg_time_entry){.timestamp = (int64_t)mg_load_u64(bytes),
                           .relative_offset = (int32_t)mg_load_u32(bytes + 8)};
}

mg_status mg_time_index_write(const mg_time_index *index, mg_files *files, const char *path,
                              mg_error *error)
{
    return mg_entry_file_write(files, path, mg_chunks_count(&index->entries), MG_TIME_ENTRY_SIZE,
                               encode, index, error);
}

mg_status mg_time_file_count(mg_file *file, unsigned flags, size_t *count, mg_error *error)
{
    return mg_entry_file_count(file, MG_TIME_ENTRY_SIZE, flags, count, error);
}

mg_status mg_time_file_at(mg_file *file, size_t slot, mg_time_entry *entry, mg_error *error)
{
    uint8_t bytes[MG_ENTRY_SIZE_MAX];
    mg_status status = mg_entry_file_read(file, slot, MG_TIME_ENTRY_SIZE, 0, bytes, error);
    if (status != MG_OK) return status;
    *entry = decode(bytes);
    return MG_OK;
}

static bool is_not_later(const void *key, const uint8_t *bytes)
{
    const int64_t *timestamp = key;
    return decode(bytes).timestamp <= *timestamp;
}

mg_status mg_time_file_find(mg_file *file, size_t count, int64_t timestamp, mg_time_entry *found,
                            mg_error *error)
{
    uint8_t entry[MG_ENTRY_SIZE_MAX];
    mg_status status = mg_entry_file_find(file, count, MG_TIME_ENTRY_SIZE, is_not_later, &timestamp,
                                          0, entry, error);
    if (status != MG_OK) return status;
    *found = decode(entry);
    return MG_OK;
}

static bool take_up(mg_time_index *index, const uint8_t *data, size_t count)
{
    mg_time_entry last = {.timestamp = -1, .relative_offset = -1};
    for (size_t i = 0; i < count; i++) {
        mg_time_entry entry = decode(data + i * MG_TIME_ENTRY_SIZE);
        if (entry.timestamp <= last.timestamp) return false;
        if (entry.relative_offset <= last.relative_offset) return false;
        mg_time_index_append(index, entry);
        last = entry;
    }
    return true;
}

mg_status mg_time_index_load(mg_time_index *index, mg_files *files, const char *path, bool *sound,
                             mg_error *error)
{
    MG_ASSERT(mg_chunks_count(&index->entries) == 0);
    uint8_t *data = NULL;
    size_t count = 0;
    mg_status status = mg_entry_file_load(files, path, MG_TIME_ENTRY_SIZE, &data, &count, error);
    if (status != MG_OK) return status;
    status = mg_time_index_reserve(index, count, error);
    if (status == MG_OK) {
        *sound = take_up(index, data, count);
        if (!*sound) mg_chunks_deinit(&index->entries);
    }
    free(data);
    return status;
}
