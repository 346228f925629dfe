#include "base/writer.h"

void mg_write_uvarlong_slowly(mg_writer *writer, uint64_t v)
{
    uint8_t *p = mg_writer_take(writer, mg_uvarlong_size(v));
    if (p == NULL) return;
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p = (uint8_t)v;
}
