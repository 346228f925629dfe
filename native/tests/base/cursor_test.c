#include "base/cursor.h"

#include "check.h"

static void reads_big_endian(void)
{
    const uint8_t bytes[] = {0xff, 0xff, 0xfe, 0x01, 0x02, 0x03, 0x04, 0x80, 0x00, 0x00,
                             0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
    mg_cursor c = mg_cursor_over(bytes, sizeof bytes);
    CHECK(mg_read_i8(&c) == -1);
    CHECK(mg_read_i16(&c) == -2);
    CHECK(mg_read_i32(&c) == 0x01020304);
    CHECK(mg_read_u32(&c) == 0x80000001);
    CHECK(mg_read_i64(&c) == 0x0102030405060708);
    CHECK(mg_cursor_ok(&c) && mg_cursor_left(&c) == 0);
}

static void short_read_is_sticky(void)
{
    const uint8_t bytes[] = {0x7f};
    mg_cursor c = mg_cursor_over(bytes, sizeof bytes);
    CHECK(mg_read_i16(&c) == 0 && !mg_cursor_ok(&c));
    CHECK(mg_read_i8(&c) == 0 && mg_read_i32(&c) == 0 && mg_read_u32(&c) == 0);
    CHECK(mg_read_i64(&c) == 0 && mg_read_uvarint(&c) == 0 && mg_read_varint(&c) == 0);
    CHECK(mg_read_varlong(&c) == 0 && mg_read_span(&c, 0).data == NULL);
    CHECK(!mg_cursor_ok(&c) && mg_cursor_left(&c) == 0);
}

/* Copies to an exact-size heap block, so that ASan sees a read past the end. */
static uint8_t *exact(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, size);
    return copy;
}

static void every_truncation_fails(void)
{
    const uint8_t long_max[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    const uint8_t int_max[] = {0xfe, 0xff, 0xff, 0xff, 0x0f};
    for (size_t size = 0; size < sizeof long_max; size++) {
        uint8_t *copy = exact(long_max, size);
        mg_cursor c = mg_cursor_over(copy, size);
        CHECK(mg_read_varlong(&c) == 0 && !mg_cursor_ok(&c));
        free(copy);
    }
    for (size_t size = 0; size < sizeof int_max; size++) {
        uint8_t *copy = exact(int_max, size);
        mg_cursor c = mg_cursor_over(copy, size);
        CHECK(mg_read_varint(&c) == 0 && !mg_cursor_ok(&c));
        c = mg_cursor_over(copy, size);
        CHECK(mg_read_uvarint(&c) == 0 && !mg_cursor_ok(&c));
        free(copy);
    }
    mg_cursor c = mg_cursor_over(long_max, sizeof long_max);
    CHECK(mg_read_varlong(&c) == INT64_MAX && mg_cursor_ok(&c));
    c = mg_cursor_over(int_max, sizeof int_max);
    CHECK(mg_read_varint(&c) == INT32_MAX && mg_cursor_ok(&c));
    c = mg_cursor_over(int_max, sizeof int_max);
    CHECK(mg_read_uvarint(&c) == 0xfffffffe && mg_cursor_ok(&c));
}

static void the_least_numbers_are_read(void)
{
    const uint8_t long_min[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    const uint8_t int_min[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    mg_cursor c = mg_cursor_over(long_min, sizeof long_min);
    CHECK(mg_read_varlong(&c) == INT64_MIN && mg_cursor_ok(&c));
    c = mg_cursor_over(int_min, sizeof int_min);
    CHECK(mg_read_varint(&c) == INT32_MIN && mg_cursor_ok(&c));
    const uint8_t minus_one[] = {0x01, 0x01};
    c = mg_cursor_over(minus_one, sizeof minus_one);
    CHECK(mg_read_varint(&c) == -1 && mg_read_varlong(&c) == -1 && mg_cursor_ok(&c));
}

static void overlong_varint_fails(void)
{
    uint8_t bytes[16];
    memset(bytes, 0x80, sizeof bytes);
    mg_cursor c = mg_cursor_over(bytes, sizeof bytes);
    CHECK(mg_read_varlong(&c) == 0 && !mg_cursor_ok(&c));
    c = mg_cursor_over(bytes, sizeof bytes);
    CHECK(mg_read_varint(&c) == 0 && !mg_cursor_ok(&c));

    const uint8_t bit_64[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    c = mg_cursor_over(bit_64, sizeof bit_64);
    CHECK(mg_read_varlong(&c) == 0 && !mg_cursor_ok(&c));
    const uint8_t bit_32[] = {0xff, 0xff, 0xff, 0xff, 0x10};
    c = mg_cursor_over(bit_32, sizeof bit_32);
    CHECK(mg_read_uvarint(&c) == 0 && !mg_cursor_ok(&c));
    c = mg_cursor_over(bit_32, sizeof bit_32);
    CHECK(mg_read_varint(&c) == 0 && !mg_cursor_ok(&c));
}

static void hostile_span_size_fails(void)
{
    const uint8_t bytes[] = {1, 2, 3};
    const int64_t hostile[] = {-1, INT64_MIN, INT64_MAX, 4};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        mg_cursor c = mg_cursor_over(bytes, sizeof bytes);
        mg_span s = mg_read_span(&c, hostile[i]);
        CHECK(s.data == NULL && s.size == 0 && !mg_cursor_ok(&c));
    }
    mg_cursor c = mg_cursor_over(NULL, 0);
    CHECK(mg_read_span(&c, 0).size == 0 && mg_cursor_ok(&c));
    c = mg_cursor_over(bytes, sizeof bytes);
    mg_span all = mg_read_span(&c, sizeof bytes);
    CHECK(all.data == bytes && all.size == sizeof bytes && mg_cursor_ok(&c));
    mg_span empty = mg_read_span(&c, 0);
    CHECK(empty.data != NULL && empty.size == 0 && mg_cursor_ok(&c)); /* empty, not null */
}

int main(void)
{
    reads_big_endian();
    short_read_is_sticky();
    every_truncation_fails();
    the_least_numbers_are_read();
    overlong_varint_fails();
    hostile_span_size_fails();
    puts("cursor_test: ok");
    return 0;
}
