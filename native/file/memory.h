/* memory.h -- a file system in memory that plays crashes and failing disks, for tests.
 *
 * Each file has two contents, the one that reads see and the one that a power
 * cut leaves; so has each directory's list of names. mg_file_sync and
 * mg_files_sync_directory make the second equal to the first. Names are not made
 * durable by syncing the file, as POSIX has it.
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
 * written its first half, or nothing. */
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

/* Reads with MG_FILE_NO_WAIT answer MG_WOULD_BLOCK while set. */
void mg_memory_set_cold(mg_files *files, bool cold);
/* Bytes that may be in files at once; beyond, reserve and write answer ENOSPC. 0: no limit. */
void mg_memory_set_capacity(mg_files *files, int64_t capacity);
/* Handles that are open now. */
int64_t mg_memory_open_files(mg_files *files);

#endif
