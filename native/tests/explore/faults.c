#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    fault ordered;
    int64_t calls;
    bool is_armed;
    bool was_interrupted; /* the last eligible call */
} faults;

void faults_arm(const fault *ordered)
{
    faults.ordered = *ordered;
    faults.calls = 0;
    faults.was_interrupted = false;
    faults.is_armed = true;
}

int64_t faults_disarm(void)
{
    faults.is_armed = false;
    return faults.calls;
}

static bool is_due(void)
{
    int64_t call = faults.calls++;
    return faults.ordered.lasts ? call >= faults.ordered.at : call == faults.ordered.at;
}

/* True where the call must fail; errno is set. */
static bool fails(bool may_be_interrupted)
{
    if (!faults.is_armed) return false;
    if (faults.ordered.kind == FAULT_ERROR && is_due()) {
        errno = faults.ordered.os_error;
        return true;
    }
    if (faults.ordered.kind != FAULT_INTERRUPTED || !may_be_interrupted) return false;
    if (faults.was_interrupted) {
        faults.was_interrupted = false;
        return false;
    }
    if (!is_due()) return false;
    faults.was_interrupted = true;
    errno = EINTR;
    return true;
}

static bool is_short(void)
{
    return faults.is_armed && faults.ordered.kind == FAULT_SHORT && is_due();
}

static bool is_out_of_memory(void)
{
    return faults.is_armed && faults.ordered.kind == FAULT_NO_MEMORY && is_due();
}

/* ---- System calls ---- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? (mode_t)va_arg(rest, int) : 0;
    va_end(rest);
    return fails(true) ? -1 : __real_open(path, flags, mode);
}

ssize_t __real_pread(int fd, void *out, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *out, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *out, size_t size, off_t at)
{
    if (fails(true)) return -1;
    return __real_pread(fd, out, size > 1 && is_short() ? size / 2 : size, at);
}

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    if (!fails(true) && !is_short()) return __real_pwritev(fd, parts, count, at);
    bool is_error = faults.ordered.kind != FAULT_SHORT;
    if (faults.ordered.kind == FAULT_INTERRUPTED) return -1;
    /* Half of the first part arrives, and then it fails, or says so. */
    int os_error = errno;
    struct iovec half = parts[0];
    if (half.iov_len > 1) half.iov_len /= 2;
    ssize_t written = __real_pwritev(fd, &half, 1, at);
    errno = os_error;
    return is_error ? -1 : written;
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    (void)__real_fdatasync; /* no power is cut here */
    (void)fd;
    return fails(true) ? -1 : 0;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)__real_fsync;
    (void)fd;
    return fails(true) ? -1 : 0;
}

int __real_fallocate(int fd, int mode, off_t at, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t size)
{
    return fails(true) ? -1 : __real_fallocate(fd, mode, at, size);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
    return fails(true) ? -1 : __real_ftruncate(fd, size);
}

int __real_fstat(int fd, struct stat *out);
int __wrap_fstat(int fd, struct stat *out);
int __wrap_fstat(int fd, struct stat *out)
{
    return fails(false) ? -1 : __real_fstat(fd, out);
}

int __real_stat(const char *path, struct stat *out);
int __wrap_stat(const char *path, struct stat *out);
int __wrap_stat(const char *path, struct stat *out)
{
    return fails(false) ? -1 : __real_stat(path, out);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    return fails(false) ? -1 : __real_mkdir(path, mode);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return fails(false) ? -1 : __real_rename(from, to);
}

int __real_remove(const char *path);
int __wrap_remove(const char *path);
int __wrap_remove(const char *path)
{
    return fails(false) ? -1 : __real_remove(path);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
    return fails(false) ? NULL : __real_opendir(path);
}

struct dirent *__real_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory)
{
    return fails(false) ? NULL : __real_readdir(directory);
}

/* ---- Memory ---- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return is_out_of_memory() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return is_out_of_memory() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size)
{
    return is_out_of_memory() ? NULL : __real_realloc(memory, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return is_out_of_memory() ? NULL : __real_strdup(text);
}
