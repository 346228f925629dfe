/* posix.c -- the kernel's files. See file.h; what differs between kernels is in kernel.h. */
#include "file/file.h"

#include "file/kernel.h"
#include "file/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

typedef struct posix_file {
    mg_file base;
    int fd;
} posix_file;

enum {
    FILE_MODE = 0644,
    DIRECTORY_MODE = 0755,
};

static const posix_file *as_posix_const(const mg_file *file)
{
    return (const posix_file *)(const void *)file;
}

static int fd_of(const mg_file *file)
{
    return as_posix_const(file)->fd;
}

static mg_status fail_with_errno(mg_error *error, int os_error, const char *what, const char *path)
{
    mg_status status = MG_IO;
    if (os_error == ENOENT) status = MG_NOT_FOUND;
    if (os_error == ENOSPC || os_error == EDQUOT) status = MG_NO_SPACE;
    if (os_error == ENOMEM) status = MG_NO_MEMORY;
    if (os_error == EEXIST) status = MG_BUSY;
    return mg_fail(error, status, os_error, "%s %.120s: %s", what, path, strerror(os_error));
}

static void close_files(mg_files *files)
{
    free(files);
}

static mg_status open_file(mg_files *files, const char *path, unsigned flags, mg_file **out,
                           mg_error *error)
{
    int os_flags = O_CLOEXEC | ((flags & MG_FILE_WRITE) != 0 ? O_RDWR : O_RDONLY);
    if ((flags & MG_FILE_CREATE) != 0) os_flags |= O_CREAT;
    if ((flags & MG_FILE_EXCLUSIVE) != 0) os_flags |= O_EXCL;
    if ((flags & MG_FILE_EMPTY) != 0) os_flags |= O_TRUNC;

    posix_file *file = malloc(sizeof *file);
    if (file == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "open %.120s", path);
    do {
        file->fd = open(path, os_flags, FILE_MODE);
    } while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int os_error = errno;
        free(file);
        return fail_with_errno(error, os_error, "open", path);
    }
    file->base.table = files->table;
    *out = &file->base;
    return MG_OK;
}

static void close_file(mg_file *file)
{
    /* Data that mattered was synced before; man 2 close says not to retry. */
    (void)close(fd_of(file));
    free(file);
}

static mg_status read_file(mg_file *file, int64_t position, void *out, size_t size, unsigned flags,
                           size_t *got, mg_error *error)
{
    size_t filled = 0;
    bool no_wait = (flags & MG_FILE_NO_WAIT) != 0;
    while (filled < size) {
        char *to = (char *)out + filled;
        off_t at = position + (off_t)filled;
        ssize_t n = no_wait ? mg_kernel_read_now(fd_of(file), to, size - filled, at)
                            : pread(fd_of(file), to, size - filled, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && no_wait && errno == EAGAIN) return MG_WOULD_BLOCK;
        if (n < 0) return fail_with_errno(error, errno, "read", "");
        if (n == 0) break;
        filled += (size_t)n;
    }
    *got = filled;
    return MG_OK;
}

static mg_status write_file(mg_file *file, int64_t position, struct iovec *parts, size_t count,
                            mg_error *error)
{
    MG_ASSERT(count <= IOV_MAX);
    while (count > 0) {
        ssize_t n = pwritev(fd_of(file), parts, (int)count, (off_t)position);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_with_errno(error, errno, "write", "");
        size_t left = (size_t)n;
        position += n;
        while (count > 0 && left >= parts->iov_len) {
            left -= parts->iov_len;
            parts++;
            count--;
        }
        if (count == 0) break;
        /* Neither an error nor progress: pwritev would answer so forever. */
        if (n == 0) return mg_fail(error, MG_IO, 0, "write: no progress");
        parts->iov_base = (char *)parts->iov_base + left;
        parts->iov_len -= left;
    }
    return MG_OK;
}

static mg_status sync_file(mg_file *file, mg_error *error)
{
    int result = 0;
    do {
        result = mg_kernel_sync_data(fd_of(file));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return fail_with_errno(error, errno, "sync", "");
    return MG_OK;
}

static mg_status reserve(mg_file *file, int64_t position, int64_t size, mg_error *error)
{
    int result = 0;
    do {
        result = mg_kernel_reserve(fd_of(file), (off_t)position, (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result == 0 || errno == EOPNOTSUPP) return MG_OK;
    return fail_with_errno(error, errno, "reserve", "");
}

static mg_status truncate_file(mg_file *file, int64_t size, mg_error *error)
{
    int result = 0;
    do {
        result = ftruncate(fd_of(file), (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return fail_with_errno(error, errno, "ftruncate", "");
    return MG_OK;
}

static mg_status size_of(mg_file *file, int64_t *size, mg_error *error)
{
    struct stat facts;
    if (fstat(fd_of(file), &facts) != 0) return fail_with_errno(error, errno, "fstat", "");
    *size = facts.st_size;
    return MG_OK;
}

static mg_status find_space(mg_file *file, mg_file_space *space, mg_error *error)
{
    struct statvfs facts;
    if (fstatvfs(fd_of(file), &facts) != 0) return fail_with_errno(error, errno, "fstatvfs", "");
    *space = (mg_file_space){
        .total = (int64_t)(facts.f_blocks * facts.f_frsize),
        .free = (int64_t)(facts.f_bavail * facts.f_frsize),
    };
    return MG_OK;
}

static mg_status sync_directory(mg_files *files, const char *path, mg_error *error)
{
    (void)files;
    int fd = -1;
    do {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return fail_with_errno(error, errno, "open", path);
    int result = 0;
    do {
        result = mg_kernel_sync_directory(fd);
    } while (result != 0 && errno == EINTR);
    int os_error = errno;
    (void)close(fd);
    if (result != 0) return fail_with_errno(error, os_error, "fsync", path);
    return MG_OK;
}

static mg_status make_directory(mg_files *files, const char *path, mg_error *error)
{
    (void)files;
    if (mkdir(path, DIRECTORY_MODE) != 0) return fail_with_errno(error, errno, "mkdir", path);
    return MG_OK;
}

static mg_status rename_file(mg_files *files, const char *from, const char *to, mg_error *error)
{
    (void)files;
    if (rename(from, to) != 0) return fail_with_errno(error, errno, "rename", from);
    return MG_OK;
}

static mg_status remove_file(mg_files *files, const char *path, mg_error *error)
{
    (void)files;
    if (remove(path) != 0) return fail_with_errno(error, errno, "remove", path);
    return MG_OK;
}

static mg_status list_directory(mg_files *files, const char *path, mg_file_visitor visit,
                                void *context, mg_error *error)
{
    (void)files;
    DIR *directory = opendir(path);
    if (directory == NULL) return fail_with_errno(error, errno, "opendir", path);
    mg_status status = MG_OK;
    while (status == MG_OK) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            if (errno != 0) status = fail_with_errno(error, errno, "readdir", path);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = visit(context, entry->d_name, error);
    }
    (void)closedir(directory);
    return status;
}

static mg_status stat_file(mg_files *files, const char *path, mg_file_facts *facts, mg_error *error)
{
    (void)files;
    struct stat found;
    if (stat(path, &found) != 0) return fail_with_errno(error, errno, "stat", path);
    *facts = (mg_file_facts){
        .size = found.st_size,
        .modified_ns = mg_kernel_modified_ns(&found),
        .identity = (uint64_t)found.st_ino,
        .is_directory = S_ISDIR(found.st_mode),
    };
    return MG_OK;
}

static const mg_files_table POSIX_TABLE = {
    .close_files = close_files,
    .open = open_file,
    .close = close_file,
    .read = read_file,
    .write = write_file,
    .sync = sync_file,
    .reserve = reserve,
    .truncate = truncate_file,
    .size = size_of,
    .fd = fd_of,
    .space = find_space,
    .sync_directory = sync_directory,
    .make_directory = make_directory,
    .rename = rename_file,
    .remove = remove_file,
    .list = list_directory,
    .stat = stat_file,
};

mg_status mg_files_open_posix(mg_files **out, mg_error *error)
{
    mg_files *files = malloc(sizeof *files);
    if (files == NULL) return mg_fail(error, MG_NO_MEMORY, 0, "opening the file system");
    files->table = &POSIX_TABLE;
    mg_status status = mg_file_pool_open(&files->pool);
    if (status != MG_OK) {
        free(files);
        return mg_fail(error, status, 0, "opening the file system");
    }
    *out = files;
    return MG_OK;
}
