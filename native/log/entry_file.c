#include "log/entry_file.h"

#include "base/writer.h"

#include <stdlib.h>

enum {
    BLOCK_SIZE = 4096,
    FILE_SIZE_MAX = 1 << 30, /* an index is bounded by its segment; this by memory */
};

mg_status mg_entry_file_write(mg_files *files, const char *path, size_t count, size_t entry_size,
                              mg_entry_encode encode, const void *context, mg_error *error)
{
    mg_file *file = NULL;
    mg_status status =
        mg_file_open(files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file, error);
    if (status != MG_OK) return status;

    uint8_t block[BLOCK_SIZE];
    size_t filled = 0;
    int64_t position = 0;
    for (size_t slot = 0; slot < count && status == MG_OK; slot++) {
        encode(context, slot, block + filled);
        filled += entry_size;
        if (filled + entry_size <= BLOCK_SIZE && slot + 1 < count) continue;
        status = mg_file_write_bytes(file, position, block, filled, error);
        position += (int64_t)filled;
        filled = 0;
    }
    mg_file_close(file);
    return status;
}

mg_status mg_entry_file_read(mg_file *file, size_t slot, size_t entry_size, unsigned flags,
                             uint8_t entry[MG_ENTRY_SIZE_MAX], mg_error *error)
{
    MG_ASSERT(entry_size <= MG_ENTRY_SIZE_MAX);
    size_t got = 0;
    mg_status status =
        mg_file_read(file, (int64_t)(slot * entry_size), entry, entry_size, flags, &got, error);
    if (status != MG_OK) return status;
    if (got != entry_size) return mg_fail(error, MG_CORRUPT, 0, "index file ends early");
    return MG_OK;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

mg_status mg_entry_file_count(mg_file *file, size_t entry_size, unsigned flags, size_t *count,
                              mg_error *error)
{
    int64_t size = 0;
    mg_status status = mg_file_size(file, &size, error);
    if (status != MG_OK) return status;

    /* Entries ascend, so zeros are a tail: find where it begins. Slot 0 may rightly be zero. */
    size_t low = 1;
    size_t high = (size_t)size / entry_size;
    if (high <= 1) {
        *count = high;
        return MG_OK;
    }
    uint8_t entry[MG_ENTRY_SIZE_MAX];
    status = mg_entry_file_read(file, high - 1, entry_size, flags, entry, error);
    if (status != MG_OK) return status;
    if (!is_zero(entry, entry_size)) low = high; /* the usual case: trimmed */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        status = mg_entry_file_read(file, middle, entry_size, flags, entry, error);
        if (status != MG_OK) return status;
        if (is_zero(entry, entry_size)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *count = low;
    if (low > 1) return MG_OK;
    /* One slot is left; a wholly zero file has no entries. */
    status = mg_entry_file_read(file, 0, entry_size, flags, entry, error);
    if (status != MG_OK) return status;
    if (is_zero(entry, entry_size)) *count = 0;
    return MG_OK;
}

mg_status mg_entry_file_find(mg_file *file, size_t count, size_t entry_size, mg_entry_claim claim,
                             const void *key, unsigned flags, uint8_t found[MG_ENTRY_SIZE_MAX],
                             mg_error *error)
{
    uint8_t block[BLOCK_SIZE];
    size_t low = 0; /* the claim holds below it */
    size_t high = count;
    while (high - low > BLOCK_SIZE / entry_size) {
        size_t middle = low + (high - low) / 2;
        mg_status status = mg_entry_file_read(file, middle, entry_size, flags, block, error);
        if (status != MG_OK) return status;
        if (claim(key, block)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    size_t from = low > 0 ? low - 1 : 0;
    size_t wanted = (high - from) * entry_size;
    if (wanted > BLOCK_SIZE) wanted -= entry_size; /* the claim of the last is already refuted */
    size_t got = 0;
    mg_status status =
        mg_file_read(file, (int64_t)(from * entry_size), block, wanted, flags, &got, error);
    if (status != MG_OK) return status;
    size_t last = SIZE_MAX;
    for (size_t i = 0; (i + 1) * entry_size <= got && claim(key, block + i * entry_size); i++) {
        last = i;
    }
    if (last == SIZE_MAX) return MG_NOT_FOUND;
    mg_writer writer = mg_writer_over(found, MG_ENTRY_SIZE_MAX);
    mg_write_bytes(&writer, block + last * entry_size, entry_size);
    return MG_OK;
}

mg_status mg_entry_file_load(mg_files *files, const char *path, size_t entry_size, uint8_t **data,
                             size_t *count, mg_error *error)
{
    mg_file *file = NULL;
    size_t entries = 0;
    mg_status status = mg_file_open(files, path, MG_FILE_READ, &file, error);
    if (status != MG_OK) return status;
    status = mg_entry_file_count(file, entry_size, 0, &entries, error);
    size_t size = entries * entry_size;
    uint8_t *bytes = NULL;
    if (status == MG_OK && size > FILE_SIZE_MAX) {
        status = mg_fail(error, MG_TOO_LARGE, 0, "index file %.120s", path);
    }
    if (status == MG_OK) {
        bytes = malloc(size > 0 ? size : 1);
        if (bytes == NULL) status = mg_fail(error, MG_NO_MEMORY, 0, "index file %.120s", path);
    }
    size_t got = 0;
    if (status == MG_OK) status = mg_file_read(file, 0, bytes, size, 0, &got, error);
    mg_file_close(file);
    if (status != MG_OK) {
        free(bytes);
        return status;
    }
    *data = bytes;
    *count = got / entry_size;
    return MG_OK;
}
