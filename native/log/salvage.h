/* salvage.h -- what is left of one segment after a crash: first looked at, then repaired.
 *
 * Looking changes nothing on disk. It finds the intact batches and, between
 * them, the gaps; it builds the indexes and tells producers and epochs as they
 * will be. Repairing then makes the file consist of the intact batches:
 *
 *   before   | batches |xxxx gap xxxx| batches |yy tail yy|
 *   after    | batches | batches |     and  <base>.<from>-<to>.damaged with the x
 *
 * The tail is cut where nothing intact follows anywhere; otherwise it is a gap
 * as well. A file with gaps is written anew and renamed, so a crash in between
 * leaves the old one, and the same look finds the same.
 */
#ifndef MG_LOG_SALVAGE_H
#define MG_LOG_SALVAGE_H

#include "log/scan.h"
#include "log/state.h"

typedef struct mg_gap {
    int64_t from; /* in the file as it is */
    int64_t to;
    int64_t at; /* in the file as it will be */
    int64_t first_offset; /* that can have been in it */
    int64_t next_offset;  /* of the batch behind it; first_offset: not known */
} mg_gap;

typedef struct mg_salvage {
    mg_log *log;
    mg_scan *scan;
    mg_segment *segment; /* gets indexes, size and times */
    mg_file *file;
    int64_t file_size;
    int64_t proven_end;  /* of the file, as in the scan */
    int64_t next_offset; /* one past what was found so far; at first the least that may come */
    int64_t last_max;    /* no batch here ends above it */
    int64_t known_end;   /* of the last segment: offsets below it were on disk for certain */
    int64_t kept_size;
    int64_t cut_from; /* in the file as it is; file_size: nothing is cut */
    mg_gap *gaps;
    size_t gaps_count;
    int64_t last_index_position;
    int64_t max_timestamp;
    int32_t max_timestamp_offset;
} mg_salvage;

/* True where the file holds an intact batch whose offsets fit the segment. */
MG_WARN_UNUSED mg_status mg_salvage_has_intact(mg_scan *scan, mg_file *file, int64_t base_offset,
                                               bool *answer, mg_error *error);

/* Goes through `salvage->file`. `keep_tail`: what comes after the last intact batch is not torn
 * but damaged: it is set aside, not cut. */
MG_WARN_UNUSED mg_status mg_salvage_look(mg_salvage *salvage, bool keep_tail, mg_error *error);
/* After a look that would cut from `tail` on: it is a gap instead, which may be empty. */
MG_WARN_UNUSED mg_status mg_salvage_keep_tail(mg_salvage *salvage, int64_t tail, mg_error *error);
/* Makes the disk so. `*file` is the file to go on with; a new one where there were gaps. Synced,
 * but for the directory. */
MG_WARN_UNUSED mg_status mg_salvage_repair(mg_salvage *salvage, mg_file **file, mg_error *error);
void mg_salvage_deinit(mg_salvage *salvage);

#endif
