/* Reads arbitrary bytes as an alternation of every primitive, then writes what it read.
 * Properties: no read passes the end; a spoiled cursor stays spoiled; a varint that was read is
 * written in at most as many bytes, and reads back the same. */
#include "base/cursor.h"
#include "base/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
    if (!claim) abort();
}

static void varlong_reads_back(int64_t value, size_t taken)
{
    uint8_t bytes[MG_VARLONG_SIZE_MAX];
    mg_writer writer = mg_writer_over(bytes, sizeof bytes);
    mg_write_varlong(&writer, value);
    require(mg_writer_ok(&writer) && mg_writer_size(&writer) == mg_varlong_size(value));
    require(mg_writer_size(&writer) <= taken);
    mg_cursor cursor = mg_cursor_over(bytes, mg_writer_size(&writer));
    require(mg_read_varlong(&cursor) == value && mg_cursor_left(&cursor) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mg_cursor c = mg_cursor_over(data, size);
    while (mg_cursor_ok(&c) && mg_cursor_left(&c) > 0) {
        size_t before = mg_cursor_left(&c);
        switch (mg_read_i8(&c) & 7) {
        case 0:
            (void)mg_read_i16(&c);
            break;
        case 1:
            (void)mg_read_i32(&c);
            break;
        case 2:
            (void)mg_read_u32(&c);
            break;
        case 3:
            (void)mg_read_i64(&c);
            break;
        case 4:
            (void)mg_read_uvarint(&c);
            break;
        case 5: {
            int64_t value = mg_read_varlong(&c);
            if (mg_cursor_ok(&c)) varlong_reads_back(value, before - 1 - mg_cursor_left(&c));
            break;
        }
        default: {
            mg_span span = mg_read_span(&c, mg_read_varint(&c));
            require(span.size <= size);
            if (span.size > 0) require(span.data >= data && span.data + span.size <= data + size);
        }
        }
        require(mg_cursor_left(&c) < before);
    }
    bool was_ok = mg_cursor_ok(&c);
    (void)mg_read_i16(&c);
    require(was_ok || !mg_cursor_ok(&c));
    require(mg_cursor_left(&c) == 0 || was_ok);
    return 0;
}
