/* compact_batch.h -- what compaction leaves of one batch. The rules are Kafka's:
 *
 *   a record stays      while its key has no later one; one without a key goes
 *   a null value stays  until the delete horizon of its batch, which the first compaction that
 *                       sees it sets: now + delete.retention.ms, in the place of the base
 *                       timestamp (MG_BATCH_DELETE_HORIZON)
 *   aborted data        goes
 *   a marker            stays while anything of its transaction was met, and then until its own
 *                       horizon
 *   an emptied batch    stays as a bare header where it is the last of its producer, or the last
 *                       that is compacted: offsets and sequences never step back;
 *                       and, of our own, as the end of what several segments become
 *
 * Offsets, sequences, epochs and the last offset delta of a batch stay as they are. A batch that
 * loses nothing is given back as it came.
 */
#ifndef MG_LOG_COMPACT_BATCH_H
#define MG_LOG_COMPACT_BATCH_H

#include "base/scratch.h"
#include "batch/batch.h"
#include "batch/codec.h"
#include "log/log.h"
#include "log/markers.h"
#include "log/offset_map.h"

typedef struct mg_compact_filter {
    const mg_offset_map *map;
    int64_t map_end; /* the map knows nothing from here on: records stay */
    int64_t now_ms;
    int64_t delete_retention_ms;
    const mg_codecs *codecs; /* NULL: of what is compressed nothing is known */
    mg_markers *markers;
    const mg_producer_view *producers; /* by id, ascending */
    size_t producers_count;
    bool keeps_expired; /* older records may be left somewhere: what hides them stays */
    /* What an emptied batch that stays for its end alone says at most, or 0: it must not make a
     * segment younger than its records, which retention would then keep. */
    int64_t end_timestamp_max;

    int64_t records_read;
    int64_t records_kept;
    mg_scratch plain;
    mg_scratch fates; /* a byte a record: whether it stays */
    mg_scratch kept;
    mg_scratch packed;
} mg_compact_filter;

void mg_compact_filter_deinit(mg_compact_filter *filter);

/* `*left` is empty where the batch goes, else a sealed batch: the one that came, or one in the
 * filter's memory, valid until the next call. MG_CORRUPT: records that contradict themselves.
 * MG_UNSUPPORTED: a codec that is not there. */
MG_WARN_UNUSED mg_status mg_compact_batch(mg_compact_filter *filter, mg_span batch,
                                          const mg_batch_header *header, bool is_last,
                                          mg_span *left, mg_batch_header *left_header,
                                          mg_error *error);

/* True for data of a transaction that was aborted. */
bool mg_compact_is_aborted(mg_markers *markers, const mg_batch_header *header);

#endif
