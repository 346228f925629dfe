#include "file/file.h"

#include "file/pool.h"

#include <stdio.h>
#include <stdlib.h>

enum { COPY_SIZE = 64 * 1024 };

void mg_files_close(mg_files *files)
{
    if (files == NULL) return;
    mg_file_pool_close(files->pool);
    files->table->close_files(files);
}

mg_status mg_file_open(mg_files *files, const char *path, unsigned flags, mg_file **out,
                       mg_error *error)
{
    MG_ASSERT((flags & MG_FILE_WRITE) != 0 || (flags & (MG_FILE_CREATE | MG_FILE_EMPTY)) == 0);
    return files->table->open(files, path, flags, out, error);
}

void mg_file_close(mg_file *file)
{
    if (file != NULL) file->table->close(file);
}

mg_status mg_file_read(mg_file *file, int64_t position, void *out, size_t size, unsigned flags,
                       size_t *got, mg_error *error)
{
    MG_ASSERT(position >= 0);
    return file->table->read(file, position, out, size, flags, got, error);
}

mg_status mg_file_write(mg_file *file, int64_t position, struct iovec *parts, size_t count,
                        mg_error *error)
{
    MG_ASSERT(position >= 0);
    return file->table->write(file, position, parts, count, error);
}

mg_status mg_file_write_bytes(mg_file *file, int64_t position, const void *data, size_t size,
                              mg_error *error)
{
    /* iovec has no const variant; nothing below writes through it. */
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    return mg_file_write(file, position, &part, 1, error);
}

mg_status mg_file_copy(mg_file *from, int64_t begin, int64_t end, mg_file *to, int64_t at,
                       mg_error *error)
{
    uint8_t bytes[COPY_SIZE];
    while (begin < end) {
        size_t wanted = end - begin < COPY_SIZE ? (size_t)(end - begin) : COPY_SIZE;
        size_t got = 0;
        mg_status status = mg_file_read(from, begin, bytes, wanted, 0, &got, error);
        if (status != MG_OK) return status;
        if (got != wanted) return mg_fail(error, MG_IO, 0, "the file ends early");
        status = mg_file_write_bytes(to, at, bytes, got, error);
        if (status != MG_OK) return status;
        begin += (int64_t)got;
        at += (int64_t)got;
    }
    return MG_OK;
}

static mg_status note_sync(mg_status status, mg_error *error)
{
    if (status != MG_OK && error != NULL) error->is_of_sync = true;
    return status;
}

mg_status mg_file_sync(mg_file *file, mg_error *error)
{
    return note_sync(file->table->sync(file, error), error);
}

mg_status mg_file_reserve(mg_file *file, int64_t position, int64_t size, mg_error *error)
{
    MG_ASSERT(position >= 0);
    MG_ASSERT(size > 0);
    return file->table->reserve(file, position, size, error);
}

mg_status mg_file_truncate(mg_file *file, int64_t size, mg_error *error)
{
    MG_ASSERT(size >= 0);
    return file->table->truncate(file, size, error);
}

mg_status mg_file_size(mg_file *file, int64_t *size, mg_error *error)
{
    return file->table->size(file, size, error);
}

int mg_file_fd(const mg_file *file)
{
    return file->table->fd(file);
}

mg_status mg_file_find_space(mg_file *file, mg_file_space *space, mg_error *error)
{
    *space = (mg_file_space){.total = INT64_MAX, .free = INT64_MAX};
    if (file->table->space == NULL) return MG_OK;
    return file->table->space(file, space, error);
}

mg_status mg_files_sync_directory(mg_files *files, const char *path, mg_error *error)
{
    return note_sync(files->table->sync_directory(files, path, error), error);
}

mg_status mg_files_make_directory(mg_files *files, const char *path, mg_error *error)
{
    return files->table->make_directory(files, path, error);
}

mg_status mg_files_rename(mg_files *files, const char *from, const char *to, mg_error *error)
{
    return files->table->rename(files, from, to, error);
}

mg_status mg_files_remove(mg_files *files, const char *path, mg_error *error)
{
    return files->table->remove(files, path, error);
}

mg_status mg_files_list(mg_files *files, const char *path, mg_file_visitor visit, void *context,
                        mg_error *error)
{
    return files->table->list(files, path, visit, context, error);
}

mg_status mg_files_stat(mg_files *files, const char *path, mg_file_facts *facts, mg_error *error)
{
    return files->table->stat(files, path, facts, error);
}

static mg_status read_whole(mg_file *file, const char *path, int64_t size_max, uint8_t **data,
                            size_t *size, mg_error *error)
{
    int64_t file_size = 0;
    mg_status status = mg_file_size(file, &file_size, error);
    if (status != MG_OK) return status;
    if (file_size > size_max) {
        return mg_fail(error, MG_TOO_LARGE, 0, "%s has %lld bytes, the limit is %lld", path,
                       (long long)file_size, (long long)size_max);
    }
    uint8_t *bytes = malloc(file_size > 0 ? (size_t)file_size : 1);
    if (bytes == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "reading %s", path);
    status = mg_file_read(file, 0, bytes, (size_t)file_size, 0, size, error);
    if (status != MG_OK) {
        free(bytes);
        return status;
    }
    *data = bytes;
    return MG_OK;
}

mg_status mg_files_load(mg_files *files, const char *path, int64_t size_max, uint8_t **data,
                        size_t *size, mg_error *error)
{
    mg_file *file = NULL;
    mg_status status = mg_file_open(files, path, MG_FILE_READ, &file, error);
    if (status != MG_OK) return status;
    status = read_whole(file, path, size_max, data, size, error);
    mg_file_close(file);
    return status;
}

static mg_status write_whole(mg_files *files, const char *path, const void *data, size_t size,
                             mg_error *error)
{
    mg_file *file = NULL;
    mg_status status =
        mg_file_open(files, path, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &file, error);
    if (status != MG_OK) return status;
    if (size > 0) status = mg_file_write_bytes(file, 0, data, size, error);
    if (status == MG_OK) status = mg_file_sync(file, error);
    mg_file_close(file);
    return status;
}

mg_status mg_files_replace(mg_files *files, const char *path, const void *data, size_t size,
                           mg_error *error)
{
    char fresh[MG_PATH_SIZE];
    int written = snprintf(fresh, sizeof fresh, "%s.tmp", path);
    if (written < 0 || (size_t)written >= sizeof fresh) {
        return mg_fail(error, MG_TOO_LARGE, 0, "path too long: %.100s", path);
    }
    mg_status status = write_whole(files, fresh, data, size, error);
    if (status == MG_OK) status = mg_files_rename(files, fresh, path, error);
    if (status != MG_OK) {
        mg_status ignored = mg_files_remove(files, fresh, NULL);
        (void)ignored; /* a leftover is written over next time */
    }
    return status;
}

mg_status mg_path_join(char path[MG_PATH_SIZE], const char *directory, const char *name,
                       mg_error *error)
{
    int written = snprintf(path, MG_PATH_SIZE, "%s/%s", directory, name);
    if (written < 0 || written >= MG_PATH_SIZE) {
        return mg_fail(error, MG_TOO_LARGE, 0, "path too long: %.100s", directory);
    }
    return MG_OK;
}
