/* epochs.h -- which leader epoch began at which offset: the file leader-epoch-checkpoint.
 *
 * Entries ascend in both columns. Appends come from the appender, removals from
 * the maintainer, questions from anybody; a mutex keeps them apart, and is
 * touched on the append path only when the epoch has just changed.
 */
#ifndef MG_LOG_EPOCHS_H
#define MG_LOG_EPOCHS_H

#include "file/file.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct mg_epoch_entry {
    int32_t epoch;
    int64_t start_offset;
} mg_epoch_entry;

typedef struct mg_epochs {
    pthread_mutex_t lock;
    mg_epoch_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t version; /* raised by each change; what the file holds is written_version */
    uint64_t written_version;
    _Atomic int32_t latest; /* -1: none */
    _Atomic bool has_room;  /* for one more */
} mg_epochs;

MG_WARN_UNUSED mg_status mg_epochs_init(mg_epochs *epochs, mg_error *error);
void mg_epochs_deinit(mg_epochs *epochs);

/* Room for one more entry. */
MG_WARN_UNUSED mg_status mg_epochs_reserve(mg_epochs *epochs, mg_error *error);
static inline bool mg_epochs_has_room(const mg_epochs *epochs)
{
    return atomic_load_explicit(&epochs->has_room, memory_order_relaxed);
}
static inline int32_t mg_epochs_latest(const mg_epochs *epochs)
{
    return atomic_load_explicit(&epochs->latest, memory_order_acquire);
}
/* Adds an entry when the epoch is above the latest. Needs room. */
void mg_epochs_assign(mg_epochs *epochs, int32_t epoch, int64_t start_offset);
/* Removes entries that start at or above `end_offset`. */
void mg_epochs_cut_end(mg_epochs *epochs, int64_t end_offset);
/* Folds what lies below `start_offset`: the epoch that holds it then starts there. */
void mg_epochs_raise_start(mg_epochs *epochs, int64_t start_offset);

void mg_epochs_end_of(mg_epochs *epochs, int32_t epoch, int64_t log_end, int32_t *found,
                      int64_t *end_offset);

/* MG_CORRUPT: not in Kafka's format, nothing taken up. A missing file is no entries. */
MG_WARN_UNUSED mg_status mg_epochs_load(mg_epochs *epochs, mg_files *files, const char *path,
                                        mg_error *error);
/* Writes the file (temporary, fdatasync, rename) if it is behind; `*wrote` then: the directory
 * needs an fsync. One thread at a time. */
MG_WARN_UNUSED mg_status mg_epochs_save(mg_epochs *epochs, mg_files *files, const char *path,
                                        bool *wrote, mg_error *error);

#endif
