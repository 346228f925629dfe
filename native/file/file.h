/* file.h -- the one seam to the disk: everything that the core asks of a file system.
 *
 * `mg_files` is a file system, `mg_file` an open file in it. There are two: the
 * kernel's (mg_files_open_posix) and one in memory that tears, forgets and fails
 * on request (memory.h). Code above this folder makes no system call on files
 * itself, but sendfile from mg_file_fd().
 *
 * Positions and sizes are bytes. Every call says what failed in `error`, with
 * errno. Nothing is retried but EINTR and the rest of a short write. Any thread
 * may call; one file may be read and written by many threads at once.
 *
 * Statuses: MG_NOT_FOUND (ENOENT), MG_NO_SPACE (ENOSPC, EDQUOT), MG_NO_MEMORY,
 * MG_BUSY (exists already), MG_WOULD_BLOCK (only where MG_FILE_NO_WAIT was asked),
 * MG_IO for the rest.
 */
#ifndef MG_FILE_FILE_H
#define MG_FILE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct mg_files mg_files;
typedef struct mg_file mg_file;
typedef struct mg_file_pool mg_file_pool;

typedef enum mg_file_flags {
    MG_FILE_READ = 0,      /* open: an existing file, for reading */
    MG_FILE_WRITE = 1,     /* open: for reading and writing */
    MG_FILE_CREATE = 2,    /* open: made when missing */
    MG_FILE_EXCLUSIVE = 4, /* open: MG_BUSY when it exists */
    MG_FILE_EMPTY = 8,     /* open: what was in it goes */
    MG_FILE_NO_WAIT = 16,  /* read: only what is in memory, else MG_WOULD_BLOCK */
} mg_file_flags;

typedef struct mg_file_facts {
    int64_t size;
    int64_t modified_ns; /* of a directory: a name was made, removed or replaced; ticks coarsely */
    uint64_t identity;   /* never 0; differs between files of one file system that exist at once */
    bool is_directory;
} mg_file_facts;

/* How large the file system is, and what of it anybody may still take. */
typedef struct mg_file_space {
    int64_t total;
    int64_t free;
} mg_file_space;

/* Called once a name; the name is borrowed. Answering anything but MG_OK ends the listing. */
typedef mg_status (*mg_file_visitor)(void *context, const char *name, mg_error *error);

/* What a file system is made of; called through the functions below only. */
typedef struct mg_files_table {
    void (*close_files)(mg_files *files);
    mg_status (*open)(mg_files *files, const char *path, unsigned flags, mg_file **out,
                      mg_error *error);
    void (*close)(mg_file *file);
    mg_status (*read)(mg_file *file, int64_t position, void *out, size_t size, unsigned flags,
                      size_t *got, mg_error *error);
    mg_status (*write)(mg_file *file, int64_t position, struct iovec *parts, size_t count,
                       mg_error *error);
    mg_status (*sync)(mg_file *file, mg_error *error);
    mg_status (*reserve)(mg_file *file, int64_t position, int64_t size, mg_error *error);
    mg_status (*truncate)(mg_file *file, int64_t size, mg_error *error);
    mg_status (*size)(mg_file *file, int64_t *size, mg_error *error);
    int (*fd)(const mg_file *file);
    /* NULL: without a limit. */
    mg_status (*space)(mg_file *file, mg_file_space *space, mg_error *error);
    mg_status (*sync_directory)(mg_files *files, const char *path, mg_error *error);
    mg_status (*make_directory)(mg_files *files, const char *path, mg_error *error);
    mg_status (*rename)(mg_files *files, const char *from, const char *to, mg_error *error);
    mg_status (*remove)(mg_files *files, const char *path, mg_error *error);
    mg_status (*list)(mg_files *files, const char *path, mg_file_visitor visit, void *context,
                      mg_error *error);
    mg_status (*stat)(mg_files *files, const char *path, mg_file_facts *facts, mg_error *error);
} mg_files_table;

/* The first members of every implementation's own struct. */
struct mg_files {
    const mg_files_table *table;
    mg_file_pool *pool; /* owned: handles that may be closed and opened again, see pool.h */
};
struct mg_file {
    const mg_files_table *table;
};

/* ---- The file systems ---- */

MG_WARN_UNUSED mg_status mg_files_open_posix(mg_files **out, mg_error *error);
/* All files must have been closed. */
void mg_files_close(mg_files *files);

/* ---- Open files ---- */

MG_WARN_UNUSED mg_status mg_file_open(mg_files *files, const char *path, unsigned flags,
                                      mg_file **out, mg_error *error);
void mg_file_close(mg_file *file); /* may be NULL */

/* Fills `*got` bytes; fewer than `size` only where the file ends. */
MG_WARN_UNUSED mg_status mg_file_read(mg_file *file, int64_t position, void *out, size_t size,
                                      unsigned flags, size_t *got, mg_error *error);
/* One pwritev where the kernel takes it whole. All or a failure after which some bytes may have
 * arrived. Uses `parts` up. No allocation. */
MG_WARN_UNUSED mg_status mg_file_write(mg_file *file, int64_t position, struct iovec *parts,
                                       size_t count, mg_error *error);
MG_WARN_UNUSED mg_status mg_file_write_bytes(mg_file *file, int64_t position, const void *data,
                                             size_t size, mg_error *error);
/* Bytes [begin, end) of one file to `at` in another, which is not synced. */
MG_WARN_UNUSED mg_status mg_file_copy(mg_file *from, int64_t begin, int64_t end, mg_file *to,
                                      int64_t at, mg_error *error);
/* fdatasync. */
MG_WARN_UNUSED mg_status mg_file_sync(mg_file *file, mg_error *error);
/* Claims disk space without changing the file's size. Where the file system cannot, MG_OK. */
MG_WARN_UNUSED mg_status mg_file_reserve(mg_file *file, int64_t position, int64_t size,
                                         mg_error *error);
/* Also gives back what was reserved beyond `size`. */
MG_WARN_UNUSED mg_status mg_file_truncate(mg_file *file, int64_t size, mg_error *error);
MG_WARN_UNUSED mg_status mg_file_size(mg_file *file, int64_t *size, mg_error *error);
int mg_file_fd(const mg_file *file); /* -1: not the kernel's */
/* Of the file system that the file lies on. */
MG_WARN_UNUSED mg_status mg_file_find_space(mg_file *file, mg_file_space *space, mg_error *error);

/* ---- Names ---- */

MG_WARN_UNUSED mg_status mg_files_sync_directory(mg_files *files, const char *path,
                                                 mg_error *error);
/* MG_BUSY when it exists. */
MG_WARN_UNUSED mg_status mg_files_make_directory(mg_files *files, const char *path,
                                                 mg_error *error);
MG_WARN_UNUSED mg_status mg_files_rename(mg_files *files, const char *from, const char *to,
                                         mg_error *error);
/* A file, or an empty directory. */
MG_WARN_UNUSED mg_status mg_files_remove(mg_files *files, const char *path, mg_error *error);
MG_WARN_UNUSED mg_status mg_files_list(mg_files *files, const char *path, mg_file_visitor visit,
                                       void *context, mg_error *error);
MG_WARN_UNUSED mg_status mg_files_stat(mg_files *files, const char *path, mg_file_facts *facts,
                                       mg_error *error);

/* ---- Small whole files ---- */

/* The whole file in fresh memory (the caller frees `*data`); MG_TOO_LARGE over `size_max`. */
MG_WARN_UNUSED mg_status mg_files_load(mg_files *files, const char *path, int64_t size_max,
                                       uint8_t **data, size_t *size, mg_error *error);
/* Writes `<path>.tmp`, syncs it and renames it over `path`. The caller syncs the directory. */
MG_WARN_UNUSED mg_status mg_files_replace(mg_files *files, const char *path, const void *data,
                                          size_t size, mg_error *error);

enum { MG_PATH_SIZE = 4096 }; /* Linux's PATH_MAX, NUL included */
/* "<directory>/<name>"; MG_TOO_LARGE when it does not fit. */
MG_WARN_UNUSED mg_status mg_path_join(char path[MG_PATH_SIZE], const char *directory,
                                      const char *name, mg_error *error);

#endif
