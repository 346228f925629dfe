/* ingest.h -- whole batches from one piece of memory, or rows, into a log; the caller may wait.
 *
 * For callers in process: the binding, coordinators, tools. A server gathers items of its own and
 * has workers make room (log.h). The append turn is the caller's.
 */
#ifndef MG_LOG_INGEST_H
#define MG_LOG_INGEST_H

#include "batch/rows.h"
#include "log/log.h"

/* How many batches `batches` is made of, by their sizes. MG_CORRUPT: not whole batches. */
MG_WARN_UNUSED mg_status mg_log_count_batches(mg_span batches, size_t *count, mg_error *error);
/* Checks each batch (size, magic, checksum; not the records) and makes it an item. `count` is
 * what mg_log_count_batches said. The items borrow the memory. */
MG_WARN_UNUSED mg_status mg_log_split(uint8_t *batches, size_t size, mg_log_item *items,
                                      size_t count, mg_error *error);
/* mg_log_append with mg_log_make_room where it is needed. */
MG_WARN_UNUSED mg_status mg_log_append_all(mg_log *log, mg_log_item *items, size_t count,
                                           int32_t leader_epoch, int64_t now_ms, size_t *done,
                                           mg_error *error);

/* ---- Rows ---- */

/* Where batches are made; used again and again, so that it stays in the second cache, as the bytes
 * of a batch do between its writing, its checksum and the kernel's copy. Grows for a larger
 * batch. Zeros to begin with. */
typedef struct mg_ingest_memory {
    uint8_t *batches;
    size_t batches_size;
    uint8_t *plain; /* before compression */
    size_t plain_size;
} mg_ingest_memory;

void mg_ingest_memory_deinit(mg_ingest_memory *memory);

typedef struct mg_ingest_request {
    const mg_rows *rows;
    mg_row_selection selection;
    mg_row_limits limits; /* the producer's id and position among them, checked here */
    const mg_codecs *codecs;
    mg_codec_id codec;
    int32_t leader_epoch;
    int64_t now_ms;
} mg_ingest_request;

typedef struct mg_ingest_answer {
    int64_t base_offset; /* -1: nothing was appended */
    int64_t last_offset;
    size_t count;
    size_t skipped; /* the named producer had appended them before */
} mg_ingest_answer;

/* Appends the rows in batches, several a write. MG_TOO_LARGE (a row over the limit) and
 * MG_OUT_OF_RANGE (limits, position) come before anything was appended. After anything else but
 * MG_OK `answer` says what was appended before it; `error` says so as well. */
MG_WARN_UNUSED mg_status mg_log_append_rows(mg_log *log, const mg_ingest_request *request,
                                            mg_ingest_memory *memory, mg_ingest_answer *answer,
                                            mg_error *error);

/* ---- Batches alone ---- */

/* Holds the limits against the format, the codec and the producer's rules: MG_OUT_OF_RANGE; and
 * lowers sizes that are beyond what can be read back. */
MG_WARN_UNUSED mg_status mg_ingest_check(mg_ingest_request *request, mg_error *error);
/* From where the encoder stands on, into `size` bytes of which `*used` are filled. MG_BUSY: call
 * again with more room, `*wanted` bytes behind what is used. */
MG_WARN_UNUSED mg_status mg_ingest_encode(mg_row_encoder *encoder, const mg_ingest_request *request,
                                          mg_ingest_memory *memory, uint8_t *out, size_t size,
                                          size_t *used, size_t *wanted, mg_error *error);

#endif
