/* markers.h -- where transactions ended, and how: what compaction asks of a stretch of the log.
 *
 * Filled once from the headers of the log (mg_markers_add), ordered
 * (mg_markers_sort), then asked. A batch belongs to the transaction that the
 * next marker of its producer ends. `seen` counts whether anything of a
 * transaction was met on the way to its marker: a marker of which nothing is
 * left may go.
 */
#ifndef MG_LOG_MARKERS_H
#define MG_LOG_MARKERS_H

#include "batch/batch.h"

#include <stdbool.h>

typedef struct mg_marker {
    int64_t producer_id;
    int64_t offset;
    bool is_abort;
    bool seen;
} mg_marker;

typedef struct mg_markers {
    mg_marker *entries;
    size_t count;
    size_t capacity;
} mg_markers;

void mg_markers_init(mg_markers *markers);
void mg_markers_deinit(mg_markers *markers);

/* `batch`: the beginning of a control batch, with its record if it has one. What is no end of a
 * transaction is passed over. */
MG_WARN_UNUSED mg_status mg_markers_add(mg_markers *markers, const mg_batch_header *header,
                                        mg_span batch, mg_error *error);
void mg_markers_sort(mg_markers *markers);

/* The first marker of the producer at or above `offset`; NULL: none is known. */
mg_marker *mg_markers_find(mg_markers *markers, int64_t producer_id, int64_t offset);

#endif
