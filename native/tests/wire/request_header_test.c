#include "wire/request_header.h"

#include "tests/wire/bytes.h"

static void start_is_read_from_eight_bytes(void)
{
    const uint8_t raw[] = {0x00, 0x12, 0x00, 0x04, 0xff, 0xff, 0xff, 0xfe};
    mg_request_start start = mg_request_start_decode(raw);
    CHECK(start.api_key == MG_API_VERSIONS && start.api_version == 4);
    CHECK(start.correlation_id == -2);
}

/* Key 3 version 9, correlation 7, client "me", two tags, a body of three bytes. */
static const char *const flexible_frame = "0003000900000007"
                                          "00026d65"
                                          "02"
                                          "0001aa"
                                          "8001021122"
                                          "010203";

static void flexible_header_skips_its_tags(void)
{
    bytes frame = bytes_of_hex(flexible_frame);
    mg_request_header header;
    CHECK(mg_request_header_decode(span_of(frame), true, &header) == MG_OK);
    CHECK(header.api_key == 3 && header.api_version == 9 && header.correlation_id == 7);
    CHECK(span_is(header.client_id, "me"));
    CHECK(header.body.size == 3 && header.body.data == frame.data + frame.size - 3);
    free(frame.data);
}

static void classic_header_leaves_all_else_to_the_body(void)
{
    bytes frame = bytes_of_hex(flexible_frame);
    mg_request_header header;
    CHECK(mg_request_header_decode(span_of(frame), false, &header) == MG_OK);
    CHECK(header.body.size == frame.size - 12);
    free(frame.data);
}

static void client_id_may_be_null_or_empty(void)
{
    bytes null_id = bytes_of_hex("0000000300000001ffff");
    bytes empty_id = bytes_of_hex("00000003000000010000");
    mg_request_header header;
    CHECK(mg_request_header_decode(span_of(null_id), false, &header) == MG_OK);
    CHECK(header.client_id.data == NULL && header.body.size == 0);
    CHECK(mg_request_header_decode(span_of(empty_id), false, &header) == MG_OK);
    CHECK(header.client_id.data != NULL && header.client_id.size == 0);
    free(null_id.data);
    free(empty_id.data);
}

static void every_truncation_of_the_header_fails(void)
{
    bytes frame = bytes_of_hex(flexible_frame);
    for (size_t size = 0; size < frame.size - 3; size++) {
        bytes cut = bytes_copy(frame.data, size);
        mg_request_header header = {.api_key = -77};
        CHECK(mg_request_header_decode(span_of(cut), true, &header) == MG_CORRUPT);
        CHECK(header.api_key == -77);
        free(cut.data);
    }
    free(frame.data);
}

static void hostile_headers_fail(void)
{
    static const char *const hostile[] = {
        "0000000900000001fffe00",               /* client id of size -2 */
        "00000009000000017fff00",               /* longer than the frame */
        "0000000900000001ffff01",               /* a tag that isn't there */
        "0000000900000001ffff020100010000",     /* 1, then 1 again */
        "0000000900000001ffff0201000000",       /* 1, then 0 */
        "0000000900000001ffffffffffff0f",       /* 2^32 - 1 tags */
        "0000000900000001ffff0100ffffffff0f00", /* a tag of 2^32 - 1 bytes */
        "0000000900000001ffff808080808000",     /* a count of six bytes */
        "0000000900000001ffff41",               /* more tags than anybody has */
    };
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        bytes frame = bytes_of_hex(hostile[i]);
        mg_request_header header;
        CHECK(mg_request_header_decode(span_of(frame), true, &header) == MG_CORRUPT);
        free(frame.data);
    }
}

static void flexibility_is_kafkas(void)
{
    static const struct {
        int16_t api_key, first; /* -1: never */
    } rows[] = {{0, 9},  {1, 12},  {3, 9},  {10, 3}, {17, -1}, {18, 3}, {27, 1},
                {45, 0}, {47, -1}, {48, 1}, {54, 1}, {55, 0},  {92, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK(mg_api_is_known(rows[i].api_key));
        for (int16_t version = 0; version < 20; version++) {
            bool flexible = rows[i].first >= 0 && version >= rows[i].first;
            CHECK(mg_request_is_flexible(rows[i].api_key, version) == flexible);
            bool tags = flexible && rows[i].api_key != MG_API_VERSIONS;
            CHECK(mg_reply_header_has_tags(rows[i].api_key, version) == tags);
        }
    }
    CHECK(mg_request_is_flexible(MG_API_VERSIONS, INT16_MAX));
    CHECK(!mg_request_is_flexible(17, INT16_MAX));
    CHECK(!mg_request_is_flexible(46, -1));
}

static void unknown_keys_are_unknown(void)
{
    static const int16_t unknown[] = {-1, INT16_MIN, 4, 5, 6, 7, 93, INT16_MAX};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        CHECK(!mg_api_is_known(unknown[i]));
        CHECK(!mg_request_is_flexible(unknown[i], 9));
    }
}

int main(void)
{
    start_is_read_from_eight_bytes();
    flexible_header_skips_its_tags();
    classic_header_leaves_all_else_to_the_body();
    client_id_may_be_null_or_empty();
    every_truncation_of_the_header_fails();
    hostile_headers_fail();
    flexibility_is_kafkas();
    unknown_keys_are_unknown();
    puts("request_header_test: ok");
}
