/* record.h -- walks the records of an uncompressed payload, within bounds.
 *
 *     mg_record_walk walk = mg_record_walk_over(payload, header.record_count);
 *     mg_record record;
 *     while (mg_record_next(&walk, &record)) ...
 *     mg_status status = mg_record_walk_end(&walk);
 *
 * A walk never reads past the payload, and stops at the first record that
 * contradicts itself. What it returned before was sound; whether the payload as
 * a whole was, mg_record_walk_end says. Spans are borrowed from the payload.
 *
 * The walk is inline because validation, decoding and time look-up are made of
 * it. Nothing here allocates.
 */
#ifndef MG_BATCH_RECORD_H
#define MG_BATCH_RECORD_H

#include "base/cursor.h"
#include "base/status.h"
#include "batch/batch_format.h"

typedef struct mg_record {
    int64_t timestamp_delta; /* from the batch's base timestamp */
    int32_t offset_delta;    /* from the batch's base offset */
    int32_t header_count;
    mg_span key;     /* data is NULL for a null, never for an empty one */
    mg_span value;   /* the same */
    mg_span headers; /* for mg_record_header_walk_over; already checked */
} mg_record;

typedef struct mg_record_walk {
    mg_cursor cursor;
    int32_t left; /* records that the batch still promises */
} mg_record_walk;

static inline mg_record_walk mg_record_walk_over(mg_span payload, int32_t record_count)
{
    return (mg_record_walk){.cursor = mg_cursor_over(payload.data, payload.size),
                            .left = record_count};
}

/* A size and that many bytes; -1 is null, and anything below spoils. */
static inline mg_span mg_read_nullable(mg_cursor *cursor)
{
    int32_t size = mg_read_varint(cursor);
    if (size == -1) return (mg_span){.data = NULL, .size = 0};
    return mg_read_span(cursor, size);
}

/* Reads past one record's headers, so that a later walk over them cannot fail. */
void mg_record_headers_skip(mg_cursor *cursor, int32_t count);

static inline bool mg_record_next(mg_record_walk *walk, mg_record *record)
{
    if (walk->left <= 0) return false;
    mg_span bytes = mg_read_span(&walk->cursor, mg_read_varint(&walk->cursor));
    if (!mg_cursor_ok(&walk->cursor)) return false;

    mg_cursor cursor = mg_cursor_over(bytes.data, bytes.size);
    (void)mg_read_i8(&cursor); /* attributes: none is defined, and Kafka ignores them */
    record->timestamp_delta = mg_read_varlong(&cursor);
    record->offset_delta = mg_read_varint(&cursor);
    record->key = mg_read_nullable(&cursor);
    record->value = mg_read_nullable(&cursor);
    record->header_count = mg_read_varint(&cursor);
    record->headers = (mg_span){.data = cursor.next, .size = mg_cursor_left(&cursor)};
    if (record->header_count != 0) mg_record_headers_skip(&cursor, record->header_count);
    if (__builtin_expect(!mg_cursor_ok(&cursor) || mg_cursor_left(&cursor) != 0, 0)) {
        mg_cursor_spoil(&walk->cursor);
        return false;
    }
    walk->left--;
    return true;
}

/* MG_OK when every promised record was returned and nothing follows the last; else MG_CORRUPT. */
MG_WARN_UNUSED mg_status mg_record_walk_end(const mg_record_walk *walk);

typedef struct mg_record_header {
    mg_span key;   /* never null */
    mg_span value; /* data is NULL for a null */
} mg_record_header;

/* The headers of a record that mg_record_next returned. */
typedef struct mg_record_header_walk {
    mg_cursor cursor;
    int32_t left;
} mg_record_header_walk;

mg_record_header_walk mg_record_header_walk_over(const mg_record *record);
bool mg_record_header_next(mg_record_header_walk *walk, mg_record_header *header);

#endif
