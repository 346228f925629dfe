/* rows.h -- rows of columns in memory, on their way into record batches.
 *
 *     mg_row_encoder encoder = mg_row_encoder_over(&rows, selection, &limits);
 *     while (mg_row_encoder_left(&encoder) > 0) {
 *         status = mg_row_encoder_room(&encoder, &room, error);       what the next batch may take
 *         status = mg_row_encoder_next(&encoder, memory, room, &header, error);
 *     }
 *
 * A column is one of the forms in which numpy, Arrow and Python have byte strings. Its numbers
 * (offsets, views) come from outside: each is compared with the size of the data before anything is
 * read there, every time, so even a buffer that somebody changes meanwhile is never read past its
 * end. A failure names the row.
 *
 * Rows are resolved to spans in blocks, and written by a loop without calls. A batch ends where the
 * next row would pass a limit, and where its timestamp is too far from the first one's. The bytes
 * are those that builder.h makes of the same records.
 *
 * Everything is borrowed. Nothing here allocates.
 */
#ifndef MG_BATCH_ROWS_H
#define MG_BATCH_ROWS_H

#include "batch/batch.h"
#include "batch/codec.h"

/* ---- Columns ---- */

typedef enum mg_row_column_kind {
    MG_ROW_COLUMN_NULL = 0, /* every item is null */
    MG_ROW_COLUMN_FIXED,    /* items of `width` bytes, one after another */
    MG_ROW_COLUMN_OFFSETS,  /* count + 1 int32 */
    MG_ROW_COLUMN_WIDE,     /* count + 1 int64 */
    MG_ROW_COLUMN_VIEWS,    /* Arrow's binary views, MG_ROW_VIEW_SIZE bytes each */
    MG_ROW_COLUMN_SPANS,    /* NULL data: a null */
} mg_row_column_kind;

/* size i32 | up to 12 bytes of data, or: 4 bytes of prefix | buffer index i32 | offset i32 */
enum { MG_ROW_VIEW_SIZE = 16, MG_ROW_VIEW_INLINE_MAX = 12 };

typedef struct mg_row_column {
    mg_row_column_kind kind;
    size_t count;
    size_t width; /* FIXED */
    bool trim;    /* FIXED: NULs at the end of an item are not part of it, as numpy reads S */
    mg_span data;
    mg_span offsets;        /* OFFSETS, WIDE, VIEWS: those of the first item first; not aligned */
    const mg_span *buffers; /* VIEWS */
    size_t buffer_count;
    const mg_span *spans;
    mg_span validity; /* a bit an item, the lowest first, 0 for a null; NULL data: no nulls */
    size_t validity_offset;
    size_t item_size_max; /* filled in by mg_row_column_check */
} mg_row_column;

/* Compares the buffers with `count`, looks at every item and finds the largest. MG_OUT_OF_RANGE. */
MG_WARN_UNUSED mg_status mg_row_column_check(mg_row_column *column, mg_error *error);
MG_WARN_UNUSED mg_status mg_row_column_item(const mg_row_column *column, size_t row, mg_span *item,
                                            mg_error *error);

/* ---- Rows ---- */

typedef struct mg_row_headers {
    mg_span offsets; /* int32, one more than rows, ascending, into the two columns; not aligned */
    mg_row_column keys; /* no nulls */
    mg_row_column values;
} mg_row_headers;

/* The offsets of `row_count` rows against the columns; no key is null. MG_OUT_OF_RANGE. */
MG_WARN_UNUSED mg_status mg_row_headers_check(const mg_row_headers *headers, size_t row_count,
                                              mg_error *error);

/* Checked columns of `count` items. */
typedef struct mg_rows {
    size_t count;
    mg_row_column keys;
    mg_row_column values;
    const uint8_t *timestamps; /* int64, not aligned; NULL: `timestamp` for all */
    int64_t timestamp;
    const mg_row_headers *headers; /* NULL: none */
} mg_rows;

/* Row numbers, ascending; NULL rows: the first `count`. */
typedef struct mg_row_selection {
    const int32_t *rows;
    size_t count;
} mg_row_selection;

typedef struct mg_row_limits {
    int32_t size_max;       /* bytes of a batch before compression */
    int32_t lone_size_max;  /* of a batch that one record fills */
    int32_t count_max;      /* records of a batch */
    int64_t producer_id;    /* a named producer's (producer_state.h), or -1 */
    int64_t position_first; /* the producer's position of row 0 */
} mg_row_limits;

/* Whether every row fits a batch of its own; without a look at them where the largest items settle
 * it. MG_TOO_LARGE. */
MG_WARN_UNUSED mg_status mg_rows_fit(const mg_rows *rows, mg_row_selection selection,
                                     const mg_row_limits *limits, mg_error *error);
/* About how many bytes the batches take: enough, but where timestamps are too far apart for one
 * batch. */
MG_WARN_UNUSED mg_status mg_rows_measure(const mg_rows *rows, mg_row_selection selection,
                                         const mg_row_limits *limits, size_t *size,
                                         mg_error *error);

/* ---- Encoding ---- */

enum { MG_ROW_BLOCK = 256 }; /* rows resolved at a time: 8 KiB of spans, of the first cache */

typedef struct mg_row_encoder {
    const mg_rows *rows;
    mg_row_selection selection;
    mg_row_limits limits;
    size_t next;        /* into the selection */
    size_t block_begin; /* what of the selection is resolved */
    size_t block_end;
    mg_span keys[MG_ROW_BLOCK];
    mg_span values[MG_ROW_BLOCK];
} mg_row_encoder;

/* `limits` are positive and within the format. */
void mg_row_encoder_init(mg_row_encoder *encoder, const mg_rows *rows, mg_row_selection selection,
                         const mg_row_limits *limits);

/* Passes over the first rows of the selection. */
static inline void mg_row_encoder_skip(mg_row_encoder *encoder, size_t count)
{
    encoder->next += count;
}

static inline size_t mg_row_encoder_left(const mg_row_encoder *encoder)
{
    return encoder->selection.count - encoder->next;
}

/* The most bytes that the next batch takes before compression; there is a next row. */
MG_WARN_UNUSED mg_status mg_row_encoder_room(mg_row_encoder *encoder, size_t *room,
                                             mg_error *error);
/* Writes a batch into as many bytes as mg_row_encoder_room asked for, sealed, and fills in
 * `header`, whose leader epoch is the caller's. */
MG_WARN_UNUSED mg_status mg_row_encoder_next(mg_row_encoder *encoder, uint8_t *memory, size_t room,
                                             mg_batch_header *header, mg_error *error);

/* What a compressed batch may take that was `size` bytes before: no codec adds a quarter. */
static inline size_t mg_row_packed_room(size_t size)
{
    return size + size / 4 + 4096;
}

/* The same through `plain`, compressed by `codec` into `room` bytes as mg_row_packed_room says.
 * It stays marked as compressed even if it did not shrink, as Kafka's clients leave it. */
MG_WARN_UNUSED mg_status mg_row_encoder_next_packed(mg_row_encoder *encoder, uint8_t *plain,
                                                    size_t plain_room, const mg_codecs *codecs,
                                                    mg_codec_id codec, uint8_t *memory, size_t room,
                                                    mg_batch_header *header, mg_error *error);

#endif
