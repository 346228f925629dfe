#include "log/offset_index.h"

#include "base/writer.h"
#include "log/entry_file.h"

#include <stdlib.h>

static bool release(mg_retired *retired)
{
    mg_offset_index_close((mg_offset_index *)(void *)retired);
    return true;
}

mg_status mg_offset_index_open(mg_offset_index **out, mg_error *error)
{
    mg_offset_index *index = malloc(sizeof *index);
    if (index == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "offset index");
    index->retired = (mg_retired){.next = NULL, .release = release};
    mg_chunks_init(&index->entries, sizeof(mg_offset_entry));
    *out = index;
    return MG_OK;
}

void mg_offset_index_close(mg_offset_index *index)
{
    if (index == NULL) return;
    mg_chunks_deinit(&index->entries);
    free(index);
}

mg_status mg_offset_index_reserve(mg_offset_index *index, size_t more, mg_error *error)
{
    return mg_chunks_reserve(&index->entries, more, error);
}

mg_offset_entry mg_offset_index_at(const mg_offset_index *index, size_t slot)
{
    return *(const mg_offset_entry *)(const void *)mg_chunks_at(&index->entries, slot);
}

void mg_offset_index_append(mg_offset_index *index, mg_offset_entry entry)
{
    MG_ASSERT(entry.relative_offset >= 0);
    MG_ASSERT(entry.position >= 0);
    size_t count = mg_chunks_count(&index->entries);
    if (count > 0) {
        mg_offset_entry last = mg_offset_index_at(index, count - 1);
        MG_ASSERT(entry.relative_offset > last.relative_offset);
        MG_ASSERT(entry.position > last.position);
    }
    *(mg_offset_entry *)(void *)mg_chunks_next(&index->entries) = entry;
    mg_chunks_publish(&index->entries);
}

static bool is_within(mg_offset_entry entry, int64_t relative_offset, int64_t position)
{
    return entry.relative_offset <= relative_offset && entry.position <= position;
}

bool mg_offset_index_find(const mg_offset_index *index, int64_t relative_offset, int64_t position,
                          mg_offset_entry *found)
{
    size_t low = 0; /* every entry below it is within */
    size_t high = mg_chunks_count(&index->entries);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_within(mg_offset_index_at(index, middle), relative_offset, position)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) return false;
    *found = mg_offset_index_at(index, low - 1);
    return true;
}

static void encode(const void *context, size_t slot, uint8_t *out)
{
    mg_offset_entry entry = mg_offset_index_at((const mg_offset_index *)context, slot);
    mg_store_u32(out, (uint32_t)entry.relative_offset);
    mg_store_u32(out + 4, (uint32_t)entry.position);
}

static mg_offset_entry decode(const uint8_t *bytes)
{
    return (mg_offset_entry){.relative_offset = (int32_t)mg_load_u32(bytes),
                             .position = (int32_t)mg_load_u32(bytes + 4)};
}

mg_status mg_offset_index_write(const mg_offset_index *index, mg_files *files, const char *path,
                                mg_error *error)
{
    return mg_entry_file_write(files, path, mg_chunks_count(&index->entries), MG_OFFSET_ENTRY_SIZE,
                               encode, index, error);
}

mg_status mg_offset_file_count(mg_file *file, unsigned flags, size_t *count, mg_error *error)
{
    return mg_entry_file_count(file, MG_OFFSET_ENTRY_SIZE, flags, count, error);
}

typedef struct offset_key {
    int64_t relative_offset;
    int64_t position;
} offset_key;

static bool bytes_are_within(const void *key, const uint8_t *bytes)
{
    const offset_key *wanted = key;
    return is_within(decode(bytes), wanted->relative_offset, wanted->position);
}

mg_status mg_offset_file_find(mg_file *file, size_t count, int64_t relative_offset,
                              int64_t position, unsigned flags, mg_offset_entry *found,
                              mg_error *error)
{
    offset_key key = {.relative_offset = relative_offset, .position = position};
    uint8_t entry[MG_ENTRY_SIZE_MAX];
    mg_status status = mg_entry_file_find(file, count, MG_OFFSET_ENTRY_SIZE, bytes_are_within, &key,
                                          flags, entry, error);
    if (status != MG_OK) return status;
    *found = decode(entry);
    return MG_OK;
}

static bool take_up(mg_offset_index *index, const uint8_t *data, size_t count, int64_t segment_size)
{
    mg_offset_entry last = {.relative_offset = -1, .position = -1};
    for (size_t i = 0; i < count; i++) {
        mg_offset_entry entry = decode(data + i * MG_OFFSET_ENTRY_SIZE);
        if (entry.relative_offset <= last.relative_offset) return false;
        if (entry.position <= last.position || entry.position >= segment_size) return false;
        mg_offset_index_append(index, entry);
        last = entry;
    }
    return true;
}

mg_status mg_offset_index_load(mg_offset_index *index, mg_files *files, const char *path,
                               int64_t segment_size, bool *sound, mg_error *error)
{
    MG_ASSERT(mg_chunks_count(&index->entries) == 0);
    uint8_t *data = NULL;
    size_t count = 0;
    mg_status status = mg_entry_file_load(files, path, MG_OFFSET_ENTRY_SIZE, &data, &count, error);
    if (status != MG_OK) return status;
    status = mg_offset_index_reserve(index, count, error);
    if (status == MG_OK) {
        *sound = take_up(index, data, count, segment_size);
        if (!*sound) mg_chunks_deinit(&index->entries);
    }
    free(data);
    return status;
}
