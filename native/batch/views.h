/* views.h -- the rows of batches as columns of views, as Arrow lays them out.
 *
 * A view is 16 bytes and names a byte string without copying it, unless it is so short that it
 * fits in the view itself:
 *
 *      0       4          8        12       16
 *      | size  |  the bytes, zero filled     |     size <= 12
 *      | size  |  prefix  | buffer |   at    |     else: 4 bytes, which buffer, where in it
 *
 * All int32, little-endian. A null is a view of zeros and a bit 0 in the validity. Headers are a
 * list a row: header_offsets[i] to header_offsets[i + 1] in columns of their own.
 *
 * The columns are the object's, of a fixed room but for the headers', which grow. The bytes that
 * the views name are the caller's, who keeps them for as long as the columns are used.
 */
#ifndef MG_BATCH_VIEWS_H
#define MG_BATCH_VIEWS_H

#include "batch/batch.h"
#include "batch/record.h"

enum { MG_VIEW_INLINE_MAX = 12 };

typedef struct mg_view {
    uint64_t low; /* size, then the first four bytes */
    uint64_t high;
} mg_view;

typedef enum mg_views_columns {
    MG_VIEWS_OFFSETS = 1,
    MG_VIEWS_TIMESTAMPS = 2,
    MG_VIEWS_KEYS = 4,
    MG_VIEWS_VALUES = 8,
    MG_VIEWS_HEADERS = 16,
    MG_VIEWS_ALL = 31,
} mg_views_columns;

typedef struct mg_view_column {
    mg_view *views;     /* NULL: not wanted */
    uint64_t *validity; /* a bit a row, the lowest first */
    size_t null_count;
} mg_view_column;

typedef struct mg_views {
    size_t room; /* rows */
    size_t count;
    int64_t first_offset; /* of row 0 */
    int64_t *offsets;    /* NULL: not wanted */
    int64_t *timestamps; /* the same */
    mg_view_column keys;
    mg_view_column values;
    int32_t *header_offsets; /* NULL: not wanted */
    mg_view_column header_keys; /* none is null */
    mg_view_column header_values;
    size_t header_count;
    size_t header_room;
    void *block; /* where the columns of a row each lie */
} mg_views;

/* `columns`: mg_views_columns. */
MG_WARN_UNUSED mg_status mg_views_open(mg_views **out, size_t room, unsigned columns,
                                       mg_error *error);
void mg_views_close(mg_views *views); /* may be NULL */
/* No rows any more; memory and columns stay, to be filled again. */
void mg_views_clear(mg_views *views);

/* Which rows are wanted: from (inclusive) to (exclusive). */
typedef struct mg_views_range {
    int64_t start_offset;
    int64_t end_offset;
    int64_t start_time; /* INT64_MIN: no limit */
    int64_t end_time;   /* INT64_MAX: no limit */
} mg_views_range;

/* One batch on its way into the columns. */
typedef struct mg_views_source {
    mg_batch_header header;
    mg_record_walk walk;  /* over the payload, which is uncompressed */
    const uint8_t *base;  /* the first byte of the buffer that the payload lies in */
    int32_t buffer_index; /* of that buffer */
    int32_t delta_min;    /* of the next record's offset: they ascend */
} mg_views_source;

/* `base` may be set again before each mg_views_add. */
mg_views_source mg_views_source_over(mg_span payload, const mg_batch_header *header,
                                     const uint8_t *base, int32_t buffer_index);
/* All its records were looked at. */
static inline bool mg_views_source_is_over(const mg_views_source *source)
{
    return source->walk.left <= 0;
}

/* Adds the wanted rows of the source until it is over or the columns are full. MG_CORRUPT: a
 * record that contradicts itself or its batch; the rows before it were added. MG_TOO_LARGE: what
 * lies beyond 2 GiB in its buffer, or so many headers. */
MG_WARN_UNUSED mg_status mg_views_add(mg_views *views, mg_views_source *source,
                                      const mg_views_range *range, mg_error *error);

/* The bytes that the views of a column name, `count` of them; for mg_views_copy. */
int64_t mg_view_column_size(const mg_view_column *column, size_t count);
/* Writes Arrow's plain binary layout: `offsets` has room for count + 1, `data` for
 * mg_view_column_size bytes. `buffers` are those that the views name. */
void mg_view_column_copy(const mg_view_column *column, size_t count, const mg_span *buffers,
                         int32_t *offsets, uint8_t *data);

#endif
