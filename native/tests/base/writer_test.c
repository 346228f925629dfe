#include "base/writer.h"

#include "check.h"

static void writes_what_the_cursor_reads(void)
{
    uint8_t bytes[27];
    mg_writer w = mg_writer_over(bytes, sizeof bytes);
    mg_write_i8(&w, -1);
    mg_write_i16(&w, -2);
    mg_write_i32(&w, INT32_MIN);
    mg_write_u32(&w, UINT32_MAX);
    mg_write_i64(&w, INT64_MIN);
    mg_write_bytes(&w, "abcdefgh", 8);
    CHECK(mg_writer_ok(&w) && mg_writer_left(&w) == 0 && mg_writer_size(&w) == sizeof bytes);

    mg_cursor c = mg_cursor_over(bytes, sizeof bytes);
    CHECK(mg_read_i8(&c) == -1 && mg_read_i16(&c) == -2 && mg_read_i32(&c) == INT32_MIN);
    CHECK(mg_read_u32(&c) == UINT32_MAX && mg_read_i64(&c) == INT64_MIN);
    CHECK(memcmp(mg_read_span(&c, 8).data, "abcdefgh", 8) == 0);
}

static void full_is_sticky_and_writes_nothing(void)
{
    uint8_t bytes[3] = {9, 9, 9};
    mg_writer w = mg_writer_over(bytes, sizeof bytes);
    mg_write_i32(&w, 1);
    CHECK(!mg_writer_ok(&w) && mg_writer_left(&w) == 0);
    mg_write_i8(&w, 1);
    mg_write_uvarint(&w, 1);
    mg_write_bytes(&w, "", 0);
    CHECK(!mg_writer_ok(&w));
    CHECK(bytes[0] == 9 && bytes[1] == 9 && bytes[2] == 9);

    w = mg_writer_over(NULL, 0);
    mg_write_bytes(&w, NULL, 0);
    CHECK(mg_writer_ok(&w));
    mg_write_i8(&w, 0);
    CHECK(!mg_writer_ok(&w));
}

/* Into a block of exactly the size that was foretold: ASan and `left` tell both ways of wrong. */
static void varlong_round_trips(int64_t value)
{
    size_t size = mg_varlong_size(value);
    CHECK(size >= 1 && size <= MG_VARLONG_SIZE_MAX);
    uint8_t *bytes = malloc(size);
    CHECK(bytes != NULL);
    mg_writer w = mg_writer_over(bytes, size);
    mg_write_varlong(&w, value);
    CHECK(mg_writer_ok(&w) && mg_writer_left(&w) == 0);
    mg_cursor c = mg_cursor_over(bytes, size);
    CHECK(mg_read_varlong(&c) == value && mg_cursor_ok(&c) && mg_cursor_left(&c) == 0);
    free(bytes);
}

static void varint_round_trips(int32_t value)
{
    uint8_t bytes[MG_VARINT_SIZE_MAX];
    mg_writer w = mg_writer_over(bytes, sizeof bytes);
    mg_write_varint(&w, value);
    CHECK(mg_writer_size(&w) == mg_varint_size(value));
    mg_cursor c = mg_cursor_over(bytes, mg_writer_size(&w));
    CHECK(mg_read_varint(&c) == value && mg_cursor_ok(&c) && mg_cursor_left(&c) == 0);
    /* What fits 32 bits is written alike at 64. */
    uint8_t wide[MG_VARLONG_SIZE_MAX];
    mg_writer v = mg_writer_over(wide, sizeof wide);
    mg_write_varlong(&v, value);
    CHECK(mg_writer_size(&v) == mg_writer_size(&w));
    CHECK(memcmp(wide, bytes, mg_writer_size(&w)) == 0);
}

static void uvarint_round_trips(uint32_t value)
{
    uint8_t bytes[MG_VARINT_SIZE_MAX];
    mg_writer w = mg_writer_over(bytes, sizeof bytes);
    mg_write_uvarint(&w, value);
    CHECK(mg_writer_size(&w) == mg_uvarint_size(value));
    mg_cursor c = mg_cursor_over(bytes, mg_writer_size(&w));
    CHECK(mg_read_uvarint(&c) == value && mg_cursor_ok(&c) && mg_cursor_left(&c) == 0);
}

static void varints_round_trip_around_every_power_of_two(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t near = 0; near < 3; near++) {
            uint64_t value = (UINT64_C(1) << bit) + near - 1;
            varlong_round_trips((int64_t)value);
            varlong_round_trips((int64_t)~value);
            varint_round_trips((int32_t)(uint32_t)value);
            varint_round_trips((int32_t)(uint32_t)~value);
            uvarint_round_trips((uint32_t)value);
            uvarint_round_trips((uint32_t)~value);
        }
    }
    CHECK(mg_uvarint_size(127) == 1 && mg_uvarint_size(128) == 2);
    CHECK(mg_varint_size(-64) == 1 && mg_varint_size(64) == 2 && mg_varlong_size(INT64_MIN) == 10);
}

int main(void)
{
    writes_what_the_cursor_reads();
    full_is_sticky_and_writes_nothing();
    varints_round_trip_around_every_power_of_two();
    puts("writer_test: ok");
    return 0;
}
