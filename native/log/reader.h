/* reader.h -- reads a log from one offset to another as rows of views.
 *
 *     mg_reader_open(&reader, log, &range, MG_READER_DEFAULT, &error);
 *     while (...) {
 *         mg_views_open(&views, ...);
 *         do status = mg_reader_next(reader, log, views, &step, &error); while (...);
 *     }
 *
 * Every batch that is not passed over by an index is checked whole, CRC included, before a row of
 * it is given. Its bytes are not copied: the views name bytes of a mapping (mapping.h), one a
 * segment, which stays for as long as somebody keeps it, whatever becomes of segment, log and
 * reader. Where the files are not the kernel's, or on request, the bytes are read into memory of
 * their own instead, a window at a time.
 *
 * A reader belongs to one thread at a time. Between calls it holds a mapping, no segment and no
 * descriptor. The log must be open during a call, and only then.
 */
#ifndef MG_LOG_READER_H
#define MG_LOG_READER_H

#include "batch/views.h"
#include "file/mapping.h"
#include "log/log.h"

typedef struct mg_reader mg_reader;

typedef enum mg_reader_flags {
    MG_READER_DEFAULT = 0,
    MG_READER_COPY = 1, /* reads into memory, maps nothing: a file that is cut cannot signal */
} mg_reader_flags;

/* Why mg_reader_next came back. */
typedef enum mg_reader_step {
    MG_READER_ROWS,   /* the views have rows, and hold what they can of this window */
    MG_READER_PACKED, /* a compressed batch comes next: mg_reader_open_packed, then go on */
    MG_READER_PASSED, /* no rows in a whole window: go on */
    MG_READER_END,    /* no rows, and nothing more to come */
} mg_reader_step;

/* `range` is taken as it is; rows at or above the log's end now are not waited for. */
MG_WARN_UNUSED mg_status mg_reader_open(mg_reader **out, mg_log *log, const mg_views_range *range,
                                        unsigned flags, mg_error *error);
void mg_reader_close(mg_reader *reader); /* may be NULL */

/* Adds rows of one window to the views. Views that have rows may only be given again after
 * MG_READER_PACKED. MG_CORRUPT names offset, position and file; rows before a bad batch are given
 * first. After an error the same call may be tried again. MG_OUT_OF_RANGE: retention was faster. */
MG_WARN_UNUSED mg_status mg_reader_next(mg_reader *reader, mg_log *log, mg_views *views,
                                        mg_reader_step *step, mg_error *error);

/* The compressed records that MG_READER_PACKED is about; valid while the mapping is. */
mg_span mg_reader_packed(const mg_reader *reader, mg_codec_id *codec);
/* Their plain bytes, kept until all rows of the batch were given; views name them as the buffer
 * `buffer_index`. */
void mg_reader_open_packed(mg_reader *reader, mg_span plain, int32_t buffer_index);
/* The plain bytes that rows are still to come from go by another number in the next views; false
 * where there are none. */
bool mg_reader_carry(mg_reader *reader, int32_t buffer_index);

/* Buffer 0 of the views that were filled last: a part of the mapping, which the caller keeps. */
mg_span mg_reader_window(const mg_reader *reader);
mg_mapping *mg_reader_mapping(const mg_reader *reader); /* NULL: none yet */
/* Where to go on: above every row that was given. */
int64_t mg_reader_offset(const mg_reader *reader);

#endif
