/* field.h -- strings, arrays and tags, as both encodings of the protocol write them.
 *
 * Up to some version of each message, a string has an int16 size and an array
 * an int32 count, -1 for null. From its first flexible version on both are an
 * unsigned varint of size + 1, 0 for null, and every struct ends in tagged fields:
 *
 *   uvarint count { uvarint tag, uvarint size, size bytes }*     tags strictly ascending
 *
 * Readers are sticky, as those of cursor.h; a count from outside is compared with the bytes that
 * are left before anybody uses it. Nothing here allocates. Only native/wire includes this.
 */
#ifndef MG_WIRE_FIELD_H
#define MG_WIRE_FIELD_H

#include "base/bounds.h"
#include "base/writer.h"

enum { MG_UUID_SIZE = 16 };

/* A topic as a request names it. The bytes are those of the frame, or of the session. */
typedef struct mg_topic_ref {
    mg_span name;      /* up to version 12 of Produce and Fetch; else data is NULL */
    const uint8_t *id; /* MG_UUID_SIZE bytes from version 13 on; else NULL */
} mg_topic_ref;

static inline bool mg_topic_ref_equal(mg_topic_ref a, mg_topic_ref b)
{
    if (a.id != NULL && b.id != NULL) return memcmp(a.id, b.id, MG_UUID_SIZE) == 0;
    if (a.id != NULL || b.id != NULL) return false;
    if (a.name.size != b.name.size) return false;
    return a.name.size == 0 || memcmp(a.name.data, b.name.data, a.name.size) == 0;
}

/* Where a broker listens, for the replies that redirect a client. */
typedef struct mg_node_endpoint {
    mg_span host;
    mg_span rack; /* data NULL: null */
    int32_t node_id;
    int32_t port;
} mg_node_endpoint;

/* ---- Reading ---- */

/* The size of a string, of bytes, or the count of an array; -1 is null. */
static inline int64_t mg_read_size16(mg_cursor *cursor, bool flexible)
{
    return flexible ? (int64_t)mg_read_uvarint(cursor) - 1 : mg_read_i16(cursor);
}

static inline int64_t mg_read_size32(mg_cursor *cursor, bool flexible)
{
    return flexible ? (int64_t)mg_read_uvarint(cursor) - 1 : mg_read_i32(cursor);
}

static inline mg_span mg_read_nullable_span(mg_cursor *cursor, int64_t size)
{
    if (size == -1) return (mg_span){.data = NULL, .size = 0};
    return mg_read_span(cursor, size);
}

/* A string's size is an int16 in the compact encoding, too: Kafka refuses more, and so it can be
 * echoed in any version. */
static inline mg_span mg_read_nullable_string(mg_cursor *cursor, bool flexible)
{
    int64_t size = mg_read_size16(cursor, flexible);
    if (size > INT16_MAX) mg_cursor_spoil(cursor);
    return mg_read_nullable_span(cursor, size);
}

/* Null spoils. */
static inline mg_span mg_read_string(mg_cursor *cursor, bool flexible)
{
    int64_t size = mg_read_size16(cursor, flexible);
    if (size > INT16_MAX) mg_cursor_spoil(cursor);
    return mg_read_span(cursor, size);
}

/* The count of an array whose elements take at least `element_size_min` bytes each: null, a
 * negative count, or one that the bytes left can't hold spoils and reads as 0. */
static inline int32_t mg_read_count(mg_cursor *cursor, bool flexible, size_t element_size_min)
{
    int64_t count = mg_read_size32(cursor, flexible);
    if (__builtin_expect(count < 0 || (size_t)count > mg_cursor_left(cursor) / element_size_min,
                         0)) {
        mg_cursor_spoil(cursor);
        return 0;
    }
    return (int32_t)count;
}

/* Walks a tag section: `for (mg_tags tags = mg_tags_begin(c); mg_tags_next(c, &tags, &field);)`.
 * `field.value` is a cursor over that tag's bytes alone. */
typedef struct mg_tags {
    uint32_t left;
    int64_t previous;
} mg_tags;

typedef struct mg_tag {
    mg_cursor value;
    uint32_t tag;
} mg_tag;

mg_tags mg_tags_begin(mg_cursor *cursor);
bool mg_tags_next(mg_cursor *cursor, mg_tags *tags, mg_tag *field);
void mg_skip_some_tags(mg_cursor *cursor);

/* Skips a tag section without keeping anything of it; no section at all if not flexible. */
static inline void mg_skip_tags(mg_cursor *cursor, bool flexible)
{
    if (!flexible) return;
    if (__builtin_expect(cursor->next < cursor->end && *cursor->next == 0, 1)) {
        cursor->next++;
        return;
    }
    mg_skip_some_tags(cursor);
}

/* ---- Writing ---- */

void mg_write_string(mg_writer *writer, bool flexible, mg_span string);
void mg_write_nullable_string(mg_writer *writer, bool flexible,
                              mg_span string);                        /* data NULL: null */
void mg_write_count(mg_writer *writer, bool flexible, int32_t count); /* -1: null */
void mg_write_topic(mg_writer *writer, bool flexible, mg_topic_ref topic);

/* A section without tags, where there is one at all. */
static inline void mg_write_no_tags(mg_writer *writer, bool flexible)
{
    if (flexible) mg_write_i8(writer, 0);
}

/* The tag section that ends a Produce or Fetch reply: NodeEndpoints as tag 0, or nothing. */
void mg_write_node_endpoints(mg_writer *writer, const mg_node_endpoint *endpoints, int32_t count);
size_t mg_node_endpoints_size(const mg_node_endpoint *endpoints, int32_t count);

#endif
