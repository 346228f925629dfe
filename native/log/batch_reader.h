/* batch_reader.h -- whole batches of a segment, one after the other, each checked.
 *
 * Reads ahead in large pieces, into memory that grows to the largest batch.
 * What it gives is the reader's, valid until the next call.
 */
#ifndef MG_LOG_BATCH_READER_H
#define MG_LOG_BATCH_READER_H

#include "base/scratch.h"
#include "batch/batch.h"
#include "file/file.h"

enum { MG_BATCH_READER_PIECE = 1024 * 1024 };

typedef struct mg_batch_reader {
    mg_scratch window;
    mg_file *file;
    int64_t position; /* of the next batch */
    int64_t end;      /* of what may be read */
    int64_t window_at;
    size_t window_size;
    int64_t read_size; /* by all calls so far */
} mg_batch_reader;

void mg_batch_reader_init(mg_batch_reader *reader);
void mg_batch_reader_deinit(mg_batch_reader *reader);
/* Turns to [position, end) of a file, which is borrowed until the next turn. */
void mg_batch_reader_begin(mg_batch_reader *reader, mg_file *file, int64_t position, int64_t end);

/* MG_NOT_FOUND: there is no more. MG_CORRUPT: what is there is no batch, or its checksum fails;
 * MG_UNSUPPORTED: it has format 0 or 1. */
MG_WARN_UNUSED mg_status mg_batch_reader_next(mg_batch_reader *reader, mg_span *batch,
                                              mg_batch_header *header, mg_error *error);

#endif
