/* failing_files.c -- a file system that passes everything on to $BELOW, but for what the file
 * $SWITCH says: "read N" or "write N": the call answers EIO from byte N on, of segments (*.log). */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *place(const char *path, char *out)
{
    snprintf(out, 4096, "%s%s", getenv("BELOW"), path);
    return out;
}

static int result(long n)
{
    return n < 0 ? -errno : (int)n;
}

static int fails(const char *path, const char *call, off_t end)
{
    char said[16] = "";
    long from = 0;
    FILE *file = fopen(getenv("SWITCH"), "r");
    if (file == NULL) return 0;
    int count = fscanf(file, "%15s %ld", said, &from);
    fclose(file);
    size_t size = strlen(path);
    int is_segment = size > 4 && strcmp(path + size - 4, ".log") == 0;
    return count == 2 && is_segment && strcmp(said, call) == 0 && end > from;
}

static int do_getattr(const char *path, struct stat *facts, struct fuse_file_info *info)
{
    char at[4096];
    (void)info;
    return result(lstat(place(path, at), facts));
}

static int do_readdir(const char *path, void *out, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    char at[4096];
    (void)offset, (void)info, (void)flags;
    DIR *directory = opendir(place(path, at));
    if (directory == NULL) return -errno;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        fill(out, entry->d_name, NULL, 0, 0);
    closedir(directory);
    return 0;
}

static int do_open(const char *path, struct fuse_file_info *info)
{
    char at[4096];
    int fd = open(place(path, at), info->flags & ~O_EXCL);
    if (fd < 0) return -errno;
    info->fh = (uint64_t)fd;
    info->direct_io = 0;
    return 0;
}

static int do_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    char at[4096];
    int fd = open(place(path, at), info->flags | O_CREAT, mode);
    if (fd < 0) return -errno;
    info->fh = (uint64_t)fd;
    return 0;
}

static int do_read(const char *path, char *out, size_t size, off_t offset,
                   struct fuse_file_info *info)
{
    if (fails(path, "read", offset + (off_t)size)) return -EIO;
    return result(pread((int)info->fh, out, size, offset));
}

static int do_write(const char *path, const char *bytes, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    if (fails(path, "write", offset + (off_t)size)) return -EIO;
    return result(pwrite((int)info->fh, bytes, size, offset));
}

static int do_fallocate(const char *path, int mode, off_t offset, off_t size,
                        struct fuse_file_info *info)
{
    (void)path;
    return result(fallocate((int)info->fh, mode, offset, size));
}

static int do_fsync(const char *path, int is_data, struct fuse_file_info *info)
{
    (void)path;
    return result(is_data ? fdatasync((int)info->fh) : fsync((int)info->fh));
}

static int do_fsyncdir(const char *path, int is_data, struct fuse_file_info *info)
{
    (void)path, (void)is_data, (void)info;
    return 0;
}

static int do_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    close((int)info->fh);
    return 0;
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    char at[4096];
    return result(info != NULL ? ftruncate((int)info->fh, size) : truncate(place(path, at), size));
}

static int do_mkdir(const char *path, mode_t mode)
{
    char at[4096];
    return result(mkdir(place(path, at), mode));
}

static int do_unlink(const char *path)
{
    char at[4096];
    return result(unlink(place(path, at)));
}

static int do_rmdir(const char *path)
{
    char at[4096];
    return result(rmdir(place(path, at)));
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
    char at[4096], then[4096];
    (void)flags;
    return result(rename(place(from, at), place(to, then)));
}

static int do_utimens(const char *path, const struct timespec times[2],
                      struct fuse_file_info *info)
{
    char at[4096];
    (void)info;
    return result(utimensat(AT_FDCWD, place(path, at), times, 0));
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    char at[4096];
    (void)info;
    return result(chmod(place(path, at), mode));
}

static int do_statfs(const char *path, struct statvfs *facts)
{
    char at[4096];
    return result(statvfs(place(path, at), facts));
}

static const struct fuse_operations OPERATIONS = {
    .getattr = do_getattr,
    .readdir = do_readdir,
    .open = do_open,
    .create = do_create,
    .read = do_read,
    .write = do_write,
    .fallocate = do_fallocate,
    .fsync = do_fsync,
    .fsyncdir = do_fsyncdir,
    .release = do_release,
    .truncate = do_truncate,
    .mkdir = do_mkdir,
    .unlink = do_unlink,
    .rmdir = do_rmdir,
    .rename = do_rename,
    .utimens = do_utimens,
    .chmod = do_chmod,
    .statfs = do_statfs,
};

int main(int count, char **options)
{
    return fuse_main(count, options, &OPERATIONS, NULL);
}
