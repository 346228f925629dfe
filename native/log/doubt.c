#include "log/doubt.h"

#include "log/log_format.h"
#include "log/names.h"

#include <errno.h>

void mg_doubt_leave(mg_files *files, const char *directory)
{
    char path[MG_PATH_SIZE];
    mg_file *file = NULL;
    if (mg_path_join(path, directory, MG_DOUBT_NAME, NULL) != MG_OK) return;
    if (mg_file_open(files, path, MG_FILE_WRITE | MG_FILE_CREATE, &file, NULL) == MG_OK)
        mg_file_close(file);
}

void mg_doubt_dispel(mg_files *files, const char *directory)
{
    char path[MG_PATH_SIZE];
    if (mg_path_join(path, directory, MG_DOUBT_NAME, NULL) != MG_OK) return;
    mg_status ignored = mg_files_remove(files, path, NULL);
    (void)ignored;
}

/* A new file in the place of `path`, by way of `fresh`, which a crash would leave to be removed. */
static mg_status write_anew(mg_files *files, const char *path, const char *fresh, int64_t *written,
                            mg_error *error)
{
    mg_file *from = NULL;
    mg_file *to = NULL;
    int64_t size = 0;
    mg_status status = mg_file_open(files, path, MG_FILE_READ, &from, error);
    if (status != MG_OK) return status;
    status = mg_file_size(from, &size, error);
    if (status == MG_OK) {
        status =
            mg_file_open(files, fresh, MG_FILE_WRITE | MG_FILE_CREATE | MG_FILE_EMPTY, &to, error);
    }
    if (status == MG_OK) status = mg_file_copy(from, 0, size, to, 0, error);
    if (status == MG_OK) status = mg_file_sync(to, error);
    mg_file_close(to);
    mg_file_close(from);
    if (status == MG_OK) status = mg_files_rename(files, fresh, path, error);
    if (status == MG_OK) {
        *written += size;
        return MG_OK;
    }
    mg_status ignored = mg_files_remove(files, fresh, NULL); /* its space may be what is missing */
    (void)ignored;
    if (status != MG_NO_SPACE) return status;
    return mg_fail(error, status, ENOSPC,
                   "an fsync had failed, and there is no room to write %.120s "
                   "(%lld bytes) once more",
                   path, (long long)size);
}

mg_status mg_doubt_rewrite(mg_files *files, const char *directory, int64_t base, int64_t *written,
                           mg_error *error)
{
    char path[MG_PATH_SIZE];
    char fresh[MG_PATH_SIZE];
    mg_status status = mg_log_path(path, directory, base, MG_LOG_SUFFIX, error);
    if (status == MG_OK)
        status = mg_log_path(fresh, directory, base, MG_LOG_SUFFIX MG_CLEANED_SUFFIX, error);
    if (status == MG_OK) status = write_anew(files, path, fresh, written, error);
    return status;
}
