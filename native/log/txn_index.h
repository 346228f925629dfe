/* txn_index.h -- the aborted transactions of a log: what a reader of committed records must pass
 * over. Committed ones need no entry.
 *
 *   | data of P, first offset | ... | abort marker of P, last offset |   one entry, 34 bytes
 *
 * An entry lies in the file of the segment that holds the marker, `<base>.txnindex`, which is
 * there only where it has an entry. In memory are those of all segments, 32 bytes each, ascending
 * by the marker, so that a fetch asks without waiting for a disk. The appender adds, the
 * maintainer drops the oldest, any thread asks; a mutex keeps them apart and is touched by the
 * append path only for an abort marker.
 *
 * `stable_offset` is what lay open when the marker came: the first offset of the oldest other
 * transaction, or one past the marker. From there on no entry that follows reaches below it.
 */
#ifndef MG_LOG_TXN_INDEX_H
#define MG_LOG_TXN_INDEX_H

#include "file/file.h"
#include "log/log.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct mg_txn_index {
    pthread_mutex_t lock;
    mg_aborted *entries;
    size_t capacity;
    _Atomic size_t count; /* read without the lock by whoever only wants to know whether any */
    _Atomic bool has_room;
} mg_txn_index;

MG_WARN_UNUSED mg_status mg_txn_index_init(mg_txn_index *index, mg_error *error);
void mg_txn_index_deinit(mg_txn_index *index);

/* Room for one more entry. */
MG_WARN_UNUSED mg_status mg_txn_index_reserve(mg_txn_index *index, mg_error *error);
static inline bool mg_txn_index_has_room(const mg_txn_index *index)
{
    return atomic_load_explicit(&index->has_room, memory_order_relaxed);
}
/* Needs room; `entry` ends above all others. */
void mg_txn_index_add(mg_txn_index *index, const mg_aborted *entry);
/* Removes the entries whose marker is at or above `end_offset`. */
void mg_txn_index_cut_end(mg_txn_index *index, int64_t end_offset);
/* Removes the entries whose marker is below `start_offset`. */
void mg_txn_index_cut_start(mg_txn_index *index, int64_t start_offset);
/* Replaces the entries whose marker lies in [from, to) by `count` others, ascending, with markers
 * in there: what compaction left. MG_NO_MEMORY changes nothing. */
MG_WARN_UNUSED mg_status mg_txn_index_replace(mg_txn_index *index, int64_t from, int64_t to,
                                              const mg_aborted *entries, size_t count,
                                              mg_error *error);

/* One past the last marker; 0 where there is none. */
int64_t mg_txn_index_end(mg_txn_index *index);

/* Those that reach into [from, to), by their markers: at most `room` are copied, and the answer is
 * how many there are. */
size_t mg_txn_index_find(mg_txn_index *index, int64_t from, int64_t to, mg_aborted *out,
                         size_t room);

/* ---- The file of a segment ---- */

/* Writes the entries whose marker lies in [from, to) to `path`, unsynced; where there is none, a
 * file that lies there goes. */
MG_WARN_UNUSED mg_status mg_txn_index_save(mg_txn_index *index, mg_files *files, const char *path,
                                           int64_t from, int64_t to, mg_error *error);
/* Adds a file's entries. False in `*sound` where it contradicts itself or the segment, whose
 * offsets are [from, to): nothing was added then, and the batches must tell. A missing file has no
 * entries. */
MG_WARN_UNUSED mg_status mg_txn_index_load(mg_txn_index *index, mg_files *files, const char *path,
                                           int64_t from, int64_t to, bool *sound, mg_error *error);

#endif
