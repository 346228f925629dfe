/* writer.h -- writes Kafka's big-endian primitives into a bounded byte range.
 *
 * A writer never writes past `end`. The first write that would pass it marks
 * the writer full; every later write then does nothing. The caller asks
 * mg_writer_ok() once, at the end. The writer borrows the bytes.
 */
#ifndef MG_BASE_WRITER_H
#define MG_BASE_WRITER_H

#include "base/cursor.h"

typedef struct mg_writer {
    uint8_t *begin;
    uint8_t *next;
    uint8_t *end;
    bool full; /* set once, never cleared */
} mg_writer;

static inline mg_writer mg_writer_over(uint8_t *data, size_t size)
{
    mg_writer writer = {.begin = data, .next = data, .end = data, .full = false};
    if (size > 0) writer.end = data + size; /* NULL + 0 is undefined in C11 */
    return writer;
}

static inline bool mg_writer_ok(const mg_writer *writer)
{
    return !writer->full;
}

static inline size_t mg_writer_size(const mg_writer *writer)
{
    return (size_t)(writer->next - writer->begin);
}

static inline size_t mg_writer_left(const mg_writer *writer)
{
    return (size_t)(writer->end - writer->next);
}

/* Claims `size` bytes to be filled by the caller, or marks the writer full and returns NULL. */
static inline uint8_t *mg_writer_take(mg_writer *writer, size_t size)
{
    if (__builtin_expect(writer->full || size > mg_writer_left(writer), 0)) {
        writer->full = true;
        writer->next = writer->end;
        return NULL;
    }
    uint8_t *taken = writer->next;
    if (size > 0) writer->next += size;
    return taken;
}

static inline void mg_store_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}

static inline void mg_store_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void mg_store_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static inline void mg_write_i8(mg_writer *writer, int8_t v)
{
    uint8_t *p = mg_writer_take(writer, 1);
    if (p != NULL) *p = (uint8_t)v;
}

static inline void mg_write_i16(mg_writer *writer, int16_t v)
{
    uint8_t *p = mg_writer_take(writer, 2);
    if (p != NULL) mg_store_u16(p, (uint16_t)v);
}

static inline void mg_write_i32(mg_writer *writer, int32_t v)
{
    uint8_t *p = mg_writer_take(writer, 4);
    if (p != NULL) mg_store_u32(p, (uint32_t)v);
}

static inline void mg_write_u32(mg_writer *writer, uint32_t v)
{
    uint8_t *p = mg_writer_take(writer, 4);
    if (p != NULL) mg_store_u32(p, v);
}

static inline void mg_write_i64(mg_writer *writer, int64_t v)
{
    uint8_t *p = mg_writer_take(writer, 8);
    if (p != NULL) mg_store_u64(p, (uint64_t)v);
}

static inline void mg_write_bytes(mg_writer *writer, const void *data, size_t size)
{
    uint8_t *p = mg_writer_take(writer, size);
    if (p != NULL && size > 0) memcpy(p, data, size);
}

static inline uint32_t mg_zigzag32(int32_t v)
{
    return ((uint32_t)v << 1) ^ (0U - ((uint32_t)v >> 31));
}

static inline uint64_t mg_zigzag64(int64_t v)
{
    return ((uint64_t)v << 1) ^ (UINT64_C(0) - ((uint64_t)v >> 63));
}

/* Encoded sizes, for exact allocation. */
static inline size_t mg_uvarlong_size(uint64_t v)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1); /* zero takes a byte, too */
    return (bits + 6) / 7;
}

static inline size_t mg_uvarint_size(uint32_t v)
{
    return mg_uvarlong_size(v);
}

static inline size_t mg_varint_size(int32_t v)
{
    return mg_uvarlong_size(mg_zigzag32(v));
}

static inline size_t mg_varlong_size(int64_t v)
{
    return mg_uvarlong_size(mg_zigzag64(v));
}

/* For values of two bytes and more, and where there is no room. */
void mg_write_uvarlong_slowly(mg_writer *writer, uint64_t v);

static inline void mg_write_uvarlong(mg_writer *writer, uint64_t v)
{
    if (__builtin_expect(v < 0x80 && writer->next < writer->end, 1)) {
        *writer->next++ = (uint8_t)v;
    } else {
        mg_write_uvarlong_slowly(writer, v);
    }
}

static inline void mg_write_uvarint(mg_writer *writer, uint32_t v)
{
    mg_write_uvarlong(writer, v);
}

static inline void mg_write_varint(mg_writer *writer, int32_t v)
{
    mg_write_uvarlong(writer, mg_zigzag32(v));
}

static inline void mg_write_varlong(mg_writer *writer, int64_t v)
{
    mg_write_uvarlong(writer, mg_zigzag64(v));
}

#endif
