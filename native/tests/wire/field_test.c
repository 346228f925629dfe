#include "wire/field.h"

#include "tests/wire/bytes.h"

static void strings_read_in_both_encodings(void)
{
    static const struct {
        const char *hex;
        bool flexible;
        const char *text; /* NULL: null */
    } rows[] = {{"00026162", false, "ab"}, {"0000", false, ""}, {"ffff", false, NULL},
                {"036162", true, "ab"},    {"01", true, ""},    {"00", true, NULL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bytes raw = bytes_of_hex(rows[i].hex);
        mg_cursor cursor = mg_cursor_over(raw.data, raw.size);
        mg_span string = mg_read_nullable_string(&cursor, rows[i].flexible);
        CHECK(mg_cursor_ok(&cursor) && mg_cursor_left(&cursor) == 0);
        CHECK(rows[i].text == NULL ? string.data == NULL : span_is(string, rows[i].text));

        cursor = mg_cursor_over(raw.data, raw.size);
        (void)mg_read_string(&cursor, rows[i].flexible);
        CHECK(mg_cursor_ok(&cursor) == (rows[i].text != NULL)); /* here null spoils */

        uint8_t room[8];
        mg_writer writer = mg_writer_over(room, sizeof room);
        mg_write_nullable_string(&writer, rows[i].flexible, string);
        CHECK(mg_writer_size(&writer) == raw.size && memcmp(room, raw.data, raw.size) == 0);
        free(raw.data);
    }
}

static void counts_are_held_against_the_bytes_left(void)
{
    static const struct {
        const char *hex;
        bool flexible;
        size_t element_size_min;
        int32_t count; /* -1: spoils */
    } rows[] = {{"0000000200000000", false, 2, 2},
                {"0000000200000000", false, 3, -1},
                {"ffffffff", false, 1, -1},
                {"7fffffff00", false, 1, -1},
                {"80000000", false, 1, -1},
                {"030000", true, 1, 2},
                {"030000", true, 2, -1},
                {"00", true, 1, -1},
                {"01", true, 100, 0},
                {"ffffffff0f00", true, 1, -1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bytes raw = bytes_of_hex(rows[i].hex);
        mg_cursor cursor = mg_cursor_over(raw.data, raw.size);
        int32_t count = mg_read_count(&cursor, rows[i].flexible, rows[i].element_size_min);
        CHECK(mg_cursor_ok(&cursor) == (rows[i].count >= 0));
        CHECK(count == (rows[i].count >= 0 ? rows[i].count : 0));
        free(raw.data);
    }
}

static void tags_are_walked_each_in_its_own_bytes(void)
{
    bytes raw = bytes_of_hex("02"
                             "0003aabbcc"
                             "8501"
                             "0111"
                             "77");
    mg_cursor cursor = mg_cursor_over(raw.data, raw.size);
    mg_tags tags = mg_tags_begin(&cursor);
    mg_tag field;
    CHECK(mg_tags_next(&cursor, &tags, &field));
    CHECK(field.tag == 0 && mg_cursor_left(&field.value) == 3);
    CHECK(mg_tags_next(&cursor, &tags, &field));
    CHECK(field.tag == 133 && mg_read_i8(&field.value) == 0x11);
    CHECK(!mg_tags_next(&cursor, &tags, &field));
    CHECK(mg_cursor_ok(&cursor) && mg_read_i8(&cursor) == 0x77);
    free(raw.data);
}

static void tags_beyond_the_limits_spoil(void)
{
    size_t size = MG_TAG_SIZE_MAX + 16;
    bytes raw = {.data = calloc(1, size), .size = size};
    CHECK(raw.data != NULL);
    for (uint32_t tag_size = MG_TAG_SIZE_MAX; tag_size <= MG_TAG_SIZE_MAX + 1; tag_size++) {
        mg_writer writer = mg_writer_over(raw.data, raw.size);
        mg_write_uvarint(&writer, 1);
        mg_write_uvarint(&writer, 7);
        mg_write_uvarint(&writer, tag_size);
        mg_cursor cursor = mg_cursor_over(raw.data, raw.size);
        mg_skip_tags(&cursor, true);
        CHECK(mg_cursor_ok(&cursor) == (tag_size <= MG_TAG_SIZE_MAX));
    }
    for (uint32_t count = MG_TAG_COUNT_MAX; count <= MG_TAG_COUNT_MAX + 1; count++) {
        mg_writer writer = mg_writer_over(raw.data, raw.size);
        mg_write_uvarint(&writer, count);
        for (uint32_t tag = 0; tag < count; tag++) {
            mg_write_uvarint(&writer, tag);
            mg_write_uvarint(&writer, 0);
        }
        mg_cursor cursor = mg_cursor_over(raw.data, raw.size);
        mg_skip_tags(&cursor, true);
        CHECK(mg_cursor_ok(&cursor) == (count <= MG_TAG_COUNT_MAX));
    }
    free(raw.data);
}

static void topics_compare_by_what_names_them(void)
{
    mg_topic_ref a = {.name = text("a")};
    mg_topic_ref other_a = {.name = text("a")};
    mg_topic_ref b = {.name = text("b")};
    mg_topic_ref longer = {.name = text("ab")};
    mg_topic_ref alpha = {.id = alpha_id};
    mg_topic_ref beta = {.id = beta_id};
    CHECK(mg_topic_ref_equal(a, other_a) && mg_topic_ref_equal(alpha, alpha));
    CHECK(!mg_topic_ref_equal(a, b) && !mg_topic_ref_equal(a, longer));
    CHECK(!mg_topic_ref_equal(alpha, beta) && !mg_topic_ref_equal(a, alpha));
}

static void endpoints_take_what_was_reckoned(void)
{
    mg_node_endpoint endpoints[] = {{.node_id = 1, .host = text("a-host"), .port = 9092},
                                    {.node_id = 2, .host = text(""), .rack = text("rack")}};
    for (int32_t count = 0; count <= 2; count++) {
        uint8_t room[128];
        mg_writer writer = mg_writer_over(room, sizeof room);
        mg_write_node_endpoints(&writer, endpoints, count);
        CHECK(mg_writer_size(&writer) == mg_node_endpoints_size(endpoints, count));
    }
}

int main(void)
{
    strings_read_in_both_encodings();
    counts_are_held_against_the_bytes_left();
    tags_are_walked_each_in_its_own_bytes();
    tags_beyond_the_limits_spoil();
    topics_compare_by_what_names_them();
    endpoints_take_what_was_reckoned();
    puts("field_test: ok");
}
