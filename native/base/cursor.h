/* cursor.h -- reads Kafka's big-endian primitives from a borrowed byte range.
 *
 * A cursor never reads past `end`. The first read that would pass it, or an
 * overlong varint, marks the cursor bad; every later read then returns zero and
 * moves nothing. A decoder can therefore read a whole struct straight through
 * and ask mg_cursor_ok() once, before it trusts any field.
 *
 * The cursor borrows the bytes: the caller keeps them alive and unchanged for
 * as long as the cursor, and every span read from it, is in use.
 *
 * The readers are inline because the record walk is made of them. Nothing here
 * allocates, logs, or sets errno.
 */
#ifndef MG_BASE_CURSOR_H
#define MG_BASE_CURSOR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static_assert(sizeof(size_t) == 8, "a non-negative int64_t size fits size_t");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "loads and stores swap bytes");

typedef struct mg_span {
    const uint8_t *data; /* borrowed; NULL only if size is 0, and for a Kafka null */
    size_t size;
} mg_span;

typedef struct mg_cursor {
    const uint8_t *next; /* first unread byte; never past end */
    const uint8_t *end;
    bool bad; /* set once, never cleared */
} mg_cursor;

enum {
    MG_VARINT_SIZE_MAX = 5,   /* ceil(32 / 7) */
    MG_VARLONG_SIZE_MAX = 10, /* ceil(64 / 7) */
};

static inline mg_cursor mg_cursor_over(const uint8_t *data, size_t size)
{
    mg_cursor cursor = {.next = data, .end = data, .bad = false};
    if (size > 0) cursor.end = data + size; /* NULL + 0 is undefined in C11 */
    return cursor;
}

static inline bool mg_cursor_ok(const mg_cursor *cursor)
{
    return !cursor->bad;
}

static inline size_t mg_cursor_left(const mg_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->next);
}

static inline void mg_cursor_spoil(mg_cursor *cursor)
{
    cursor->bad = true;
    cursor->next = cursor->end;
}

/* Claims `size` bytes, or spoils the cursor and returns NULL: the only bounds check. */
static inline const uint8_t *mg_cursor_take(mg_cursor *cursor, size_t size)
{
    if (__builtin_expect(cursor->bad || size > mg_cursor_left(cursor), 0)) {
        mg_cursor_spoil(cursor);
        return NULL;
    }
    const uint8_t *taken = cursor->next;
    if (size > 0) cursor->next += size;
    return taken;
}

static inline uint16_t mg_load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}

static inline uint32_t mg_load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t mg_load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline int8_t mg_read_i8(mg_cursor *cursor)
{
    const uint8_t *p = mg_cursor_take(cursor, 1);
    return p == NULL ? 0 : (int8_t)*p;
}

static inline int16_t mg_read_i16(mg_cursor *cursor)
{
    const uint8_t *p = mg_cursor_take(cursor, 2);
    return p == NULL ? 0 : (int16_t)mg_load_u16(p);
}

static inline int32_t mg_read_i32(mg_cursor *cursor)
{
    const uint8_t *p = mg_cursor_take(cursor, 4);
    return p == NULL ? 0 : (int32_t)mg_load_u32(p);
}

static inline uint32_t mg_read_u32(mg_cursor *cursor)
{
    const uint8_t *p = mg_cursor_take(cursor, 4);
    return p == NULL ? 0 : mg_load_u32(p);
}

static inline int64_t mg_read_i64(mg_cursor *cursor)
{
    const uint8_t *p = mg_cursor_take(cursor, 8);
    return p == NULL ? 0 : (int64_t)mg_load_u64(p);
}

/* The rest of the varint readers: values of three bytes and more, and the end of the bytes. */
uint32_t mg_read_uvarint_slowly(mg_cursor *cursor);
uint64_t mg_read_uvarlong_slowly(mg_cursor *cursor);

/* The two lengths that nearly every varint of a record has; false for the others, nothing read. */
static inline bool mg_read_short_varint(mg_cursor *cursor, uint32_t *value)
{
    const uint8_t *p = cursor->next;
    if (__builtin_expect(cursor->end - p < 2, 0)) return false;
    if (p[0] < 0x80) {
        *value = p[0];
        cursor->next = p + 1;
        return true;
    }
    if (p[1] >= 0x80) return false;
    *value = (p[0] & 0x7fU) | (uint32_t)p[1] << 7;
    cursor->next = p + 2;
    return true;
}

/* Unsigned LEB128 of at most 32 bits; a sixth byte or a bit past 31 spoils. */
static inline uint32_t mg_read_uvarint(mg_cursor *cursor)
{
    uint32_t value;
    if (__builtin_expect(mg_read_short_varint(cursor, &value), 1)) return value;
    return mg_read_uvarint_slowly(cursor);
}

/* Zigzag LEB128: 32 and 64 bits. */
static inline int32_t mg_read_varint(mg_cursor *cursor)
{
    uint32_t zigzag = mg_read_uvarint(cursor);
    return (int32_t)((zigzag >> 1) ^ (0U - (zigzag & 1)));
}

static inline int64_t mg_read_varlong(mg_cursor *cursor)
{
    uint32_t few;
    uint64_t zigzag;
    if (__builtin_expect(mg_read_short_varint(cursor, &few), 1)) {
        zigzag = few;
    } else {
        zigzag = mg_read_uvarlong_slowly(cursor);
    }
    return (int64_t)((zigzag >> 1) ^ (UINT64_C(0) - (zigzag & 1)));
}

/* `size` bytes; a negative size spoils. */
static inline mg_span mg_read_span(mg_cursor *cursor, int64_t size)
{
    if (__builtin_expect(size < 0, 0)) mg_cursor_spoil(cursor);
    const uint8_t *data = size < 0 ? NULL : mg_cursor_take(cursor, (size_t)size);
    return (mg_span){.data = data, .size = data == NULL ? 0 : (size_t)size};
}

#endif
