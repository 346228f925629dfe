/* scan.h -- looks at a segment's bytes as recovery must: nothing is believed but a checksum.
 *
 * Reads a window at a time, so its memory is fixed whatever sizes the bytes claim.
 */
#ifndef MG_LOG_SCAN_H
#define MG_LOG_SCAN_H

#include "batch/batch.h"
#include "file/file.h"

#include <stdatomic.h>

enum {
    MG_SCAN_WINDOW_SIZE = 256 * 1024,
    MG_SCAN_STEP_SIZE = 4096, /* where only the headers of batches larger than it are looked at */
};

typedef struct mg_scan {
    uint8_t *window;
    mg_file *file;
    int64_t size; /* of the file */
    int64_t window_at;
    size_t window_size;
    int64_t proven_end; /* below it, batch after batch from the beginning is known to be intact */
    bool has_large_batches; /* the last that was seen: below proven_end, windows are small */
    _Atomic int64_t *progress; /* or NULL: what is read to be checked is added */
} mg_scan;

typedef enum mg_scan_verdict {
    MG_SCAN_INTACT,
    MG_SCAN_BAD,        /* no batch, or its checksum fails, or it reaches beyond the file */
    MG_SCAN_OLD_FORMAT, /* an intact message of format 0 or 1 */
} mg_scan_verdict;

MG_WARN_UNUSED mg_status mg_scan_open(mg_scan *scan, mg_error *error);
void mg_scan_close(mg_scan *scan);
/* Turns to a file, from its beginning; it is borrowed until the next call. Nothing is proven. */
MG_WARN_UNUSED mg_status mg_scan_begin(mg_scan *scan, mg_file *file, mg_error *error);

/* What lies at `position`. The header is filled where the answer is INTACT. */
MG_WARN_UNUSED mg_status mg_scan_check(mg_scan *scan, int64_t position, mg_scan_verdict *verdict,
                                       mg_batch_header *header, mg_error *error);
/* Up to `size` bytes from `position`, in the window; valid until the next call. */
MG_WARN_UNUSED mg_status mg_scan_bytes(mg_scan *scan, int64_t position, size_t size, mg_span *bytes,
                                       mg_error *error);

/* Offsets that a batch may have at some place, to be taken for one after damage. */
typedef struct mg_scan_bounds {
    int64_t base_min;
    int64_t last_max;
} mg_scan_bounds;
static inline bool mg_scan_is_within(const mg_scan_bounds *bounds, const mg_batch_header *header)
{
    return header->base_offset >= bounds->base_min &&
           header->base_offset <= bounds->last_max - header->last_offset_delta;
}
/* The first intact batch within bounds behind the damage at `position`: where the damaged batch
 * says that it ends, if the offsets there go on from its own (so that no batch inside a record's
 * value is taken for one of the log), or else at any byte: its size may be what is damaged. If it
 * says that it ends with the file, only one from which batches follow one another up to there.
 * MG_NOT_FOUND: there is none. */
MG_WARN_UNUSED mg_status mg_scan_find_next(mg_scan *scan, int64_t position,
                                           const mg_scan_bounds *bounds, int64_t *found,
                                           mg_error *error);

#endif
