#include "base/writer.h"

static uint32_t zigzag32(int32_t v)
{
    return ((uint32_t)v << 1) ^ (0U - ((uint32_t)v >> 31));
}

static uint64_t zigzag64(int64_t v)
{
    return ((uint64_t)v << 1) ^ (0U - ((uint64_t)v >> 63));
}

static size_t leb128_size(uint64_t v)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1); /* zero takes a byte, too */
    return (bits + 6) / 7;
}

static void write_leb128(mg_writer *writer, uint64_t v)
{
    uint8_t *p = mg_writer_take(writer, leb128_size(v));
    if (p == NULL) return;
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p = (uint8_t)v;
}

void mg_write_uvarint(mg_writer *writer, uint32_t v)
{
    write_leb128(writer, v);
}

void mg_write_varint(mg_writer *writer, int32_t v)
{
    write_leb128(writer, zigzag32(v));
}

void mg_write_varlong(mg_writer *writer, int64_t v)
{
    write_leb128(writer, zigzag64(v));
}

void mg_write_bytes(mg_writer *writer, const void *data, size_t size)
{
    uint8_t *p = mg_writer_take(writer, size);
    if (p != NULL && size > 0) memcpy(p, data, size);
}

size_t mg_uvarint_size(uint32_t v)
{
    return leb128_size(v);
}

size_t mg_varint_size(int32_t v)
{
    return leb128_size(zigzag32(v));
}

size_t mg_varlong_size(int64_t v)
{
    return leb128_size(zigzag64(v));
}
