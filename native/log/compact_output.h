/* compact_output.h -- the segment that compaction writes in the place of several.
 *
 *   <base>.log.cleaned  <base>.index.cleaned  <base>.timeindex.cleaned  [<base>.txnindex.cleaned]
 *
 * Everything is on disk when mg_compact_output_finish returns, but for the
 * directory. A crash before the swap leaves names that the next start removes.
 */
#ifndef MG_LOG_COMPACT_OUTPUT_H
#define MG_LOG_COMPACT_OUTPUT_H

#include "base/scratch.h"
#include "log/markers.h"
#include "log/state.h"

typedef struct mg_compact_output {
    mg_log *log;
    mg_segment *segment; /* its files are open and pinned once it is finished */
    mg_file *file;       /* until then */
    mg_scratch gathered;
    size_t gathered_size;
    int64_t size; /* of the batches that were added */
    int64_t last_index_position;
    int64_t max_timestamp;
    int32_t max_timestamp_offset;
    bool has_transactions; /* a transaction index was written */
    bool keeps_names;      /* they are for the next start to deal with */
} mg_compact_output;

MG_WARN_UNUSED mg_status mg_compact_output_open(mg_compact_output *output, mg_log *log,
                                                int64_t base_offset, mg_error *error);
/* The bytes are copied. MG_TOO_LARGE: the output would no longer be a segment. */
MG_WARN_UNUSED mg_status mg_compact_output_add(mg_compact_output *output, mg_span batch,
                                               const mg_batch_header *header, mg_error *error);
/* Takes over what the transaction index of the source at `base_offset` says of transactions of
 * which anything was met. Before finishing, in the order of the sources. */
MG_WARN_UNUSED mg_status mg_compact_output_add_transactions(mg_compact_output *output,
                                                            int64_t base_offset,
                                                            mg_markers *markers, mg_error *error);
/* `end_offset`: where the next segment begins. */
MG_WARN_UNUSED mg_status mg_compact_output_finish(mg_compact_output *output, int64_t end_offset,
                                                  mg_error *error);
/* Lets go of everything, and of the files as far as they go. */
void mg_compact_output_discard(mg_compact_output *output);
/* After the swap the segment belongs to the log. */
void mg_compact_output_deinit(mg_compact_output *output);

#endif
