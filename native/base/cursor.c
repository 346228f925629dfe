#include "base/cursor.h"

/* Zero-based slot of the last byte that a value of 32 or 64 bits may take, and the bits of that
 * byte which lie past the value's end. */
enum {
    VARINT_LAST = MG_VARINT_SIZE_MAX - 1,
    VARINT_LAST_MAX = 0x0f,
    VARLONG_LAST = MG_VARLONG_SIZE_MAX - 1,
    VARLONG_LAST_MAX = 0x01,
};

/* One bounds check for the whole value: the loop ends at `limit`, the smaller of what is left and
 * what the type may take. */
static inline uint64_t read_leb128(mg_cursor *cursor, size_t last, uint8_t last_max)
{
    size_t left = mg_cursor_left(cursor);
    size_t limit = left < last + 1 ? left : last + 1;
    uint64_t value = 0;
    for (size_t i = 0; i < limit; i++) {
        uint8_t byte = cursor->next[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) != 0) continue;
        if (i == last && byte > last_max) break;
        cursor->next += i + 1;
        return value;
    }
    mg_cursor_spoil(cursor);
    return 0;
}

uint32_t mg_read_uvarint_slowly(mg_cursor *cursor)
{
    return (uint32_t)read_leb128(cursor, VARINT_LAST, VARINT_LAST_MAX);
}

uint64_t mg_read_uvarlong_slowly(mg_cursor *cursor)
{
    return read_leb128(cursor, VARLONG_LAST, VARLONG_LAST_MAX);
}
