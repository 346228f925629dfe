/* memory.h -- a file system in memory that plays crashes and failing disks, for tests.
 *
 * Each file is two: the one that reads see and the one that is on the disk, with every change
 * between them (memory_content.h); so are the names. mg_file_sync makes a file's bytes and size
 * durable and says nothing of its name, as POSIX has it; mg_files_sync_directory does names.
 *
 * What a power cut may do here, as ext4, XFS and worse may without a barrier:
 *   files are written in any order, each sector for itself; a size may grow before its bytes are
 *   there, which then read as zeros, or not at all, so that a renamed file may be empty;
 *   cuts and changed names happened or did not, in any order, or in every other cut up to some
 *   point as a journal has it; a rename is never half done, a name is not removed before one that
 *   was removed earlier; a directory whose name is lost takes all that is in it along.
 * What it does not do: show bytes of other files where nothing was written, change what was
 * synced, or tear within a sector.
 *
 * Every call that could fail on a disk counts as one operation; tests stop at
 * the k-th, or let it fail. All calls are serialised by a mutex, so that threads
 * may use it.
 */
#ifndef MG_FILE_MEMORY_H
#define MG_FILE_MEMORY_H

#include "file/file.h"

MG_WARN_UNUSED mg_status mg_files_open_memory(mg_files **out, mg_error *error);

typedef enum mg_memory_fault {
    MG_MEMORY_FAULT_NONE = 0,
    MG_MEMORY_FAULT_ONCE, /* the operation fails; the next ones do not */
    MG_MEMORY_FAULT_STOP, /* it and every later one fail: the machine is gone */
} mg_memory_fault;

/* The `at`-th operation from now on (0: the next) fails with `os_error`. A write that fails has
 * written its first half, or nothing. What a sync that fails ONCE should have
 * written never is. */
void mg_memory_fail_at(mg_files *files, mg_memory_fault fault, int64_t at, int os_error);
/* Operations so far. */
int64_t mg_memory_operations(mg_files *files);

typedef enum mg_memory_crash {
    MG_MEMORY_CRASH_PROCESS, /* everything written is still there */
    MG_MEMORY_CRASH_FORGET,  /* nothing unsynced is there */
    MG_MEMORY_CRASH_TEAR,    /* unsynced sectors and names are there or not, by the seed */
} mg_memory_crash;

/* What is found after the crash. No file may be open. `sector_size`: 512 or 4096, for TEAR. */
void mg_memory_play_crash(mg_files *files, mg_memory_crash crash, size_t sector_size,
                          uint64_t seed);

/* Called before an operation where the ones before have changed what is seen or what is durable:
 * so at every moment at which a crash can find something new. May use the file system. */
typedef void (*mg_memory_watcher)(void *context);
void mg_memory_watch(mg_files *files, mg_memory_watcher watcher, void *context);
/* A file system of its own with all that is seen and durable; nothing is open in it, no fault is
 * ordered, nobody watches. */
MG_WARN_UNUSED mg_status mg_memory_copy(mg_files *files, mg_files **out, mg_error *error);

/* Reads with MG_FILE_NO_WAIT answer MG_WOULD_BLOCK while set. */
void mg_memory_set_cold(mg_files *files, bool cold);
/* Bytes that may be in files at once; beyond, reserve and write answer ENOSPC. 0: no limit. */
void mg_memory_set_capacity(mg_files *files, int64_t capacity);
/* Handles that are open now. */
int64_t mg_memory_open_files(mg_files *files);

#endif
