#include "wire/field.h"

#include "base/status.h"

enum { TAG_NODE_ENDPOINTS = 0 };

mg_tags mg_tags_begin(mg_cursor *cursor)
{
    uint32_t count = mg_read_uvarint(cursor);
    if (count > MG_TAG_COUNT_MAX) mg_cursor_spoil(cursor);
    return (mg_tags){.left = mg_cursor_ok(cursor) ? count : 0, .previous = -1};
}

bool mg_tags_next(mg_cursor *cursor, mg_tags *tags, mg_tag *field)
{
    if (tags->left == 0) return false;
    uint32_t tag = mg_read_uvarint(cursor);
    uint32_t size = mg_read_uvarint(cursor);
    if (size > MG_TAG_SIZE_MAX || (int64_t)tag <= tags->previous) mg_cursor_spoil(cursor);
    const uint8_t *value = mg_cursor_take(cursor, size);
    if (value == NULL) {
        tags->left = 0;
        return false;
    }
    tags->left--;
    tags->previous = tag;
    *field = (mg_tag){.value = mg_cursor_over(value, size), .tag = tag};
    return true;
}

void mg_skip_some_tags(mg_cursor *cursor)
{
    mg_tags tags = mg_tags_begin(cursor);
    mg_tag field;
    while (mg_tags_next(cursor, &tags, &field)) {
    }
}

void mg_write_string(mg_writer *writer, bool flexible, mg_span string)
{
    MG_ASSERT(string.size <= INT16_MAX);
    if (flexible) {
        mg_write_uvarint(writer, (uint32_t)string.size + 1);
    } else {
        mg_write_i16(writer, (int16_t)string.size);
    }
    mg_write_bytes(writer, string.data, string.size);
}

void mg_write_nullable_string(mg_writer *writer, bool flexible, mg_span string)
{
    if (string.data != NULL) {
        mg_write_string(writer, flexible, string);
    } else if (flexible) {
        mg_write_uvarint(writer, 0);
    } else {
        mg_write_i16(writer, -1);
    }
}

void mg_write_count(mg_writer *writer, bool flexible, int32_t count)
{
    MG_ASSERT(count >= -1);
    if (flexible) {
        mg_write_uvarint(writer, (uint32_t)(count + 1));
    } else {
        mg_write_i32(writer, count);
    }
}

void mg_write_topic(mg_writer *writer, bool flexible, mg_topic_ref topic)
{
    if (topic.id != NULL) {
        mg_write_bytes(writer, topic.id, MG_UUID_SIZE);
    } else {
        mg_write_string(writer, flexible, topic.name);
    }
}

static size_t compact_string_size(mg_span string)
{
    return mg_uvarint_size((uint32_t)string.size + 1) + string.size;
}

/* What the tag holds: a count, then structs each with an empty tag section. */
static size_t node_endpoints_value_size(const mg_node_endpoint *endpoints, int32_t count)
{
    size_t size = mg_uvarint_size((uint32_t)count + 1);
    for (int32_t i = 0; i < count; i++) {
        size += 4 + compact_string_size(endpoints[i].host) + 4 +
                compact_string_size(endpoints[i].rack) + 1;
    }
    return size;
}

size_t mg_node_endpoints_size(const mg_node_endpoint *endpoints, int32_t count)
{
    if (count == 0) return 1;
    size_t size = node_endpoints_value_size(endpoints, count);
    return 1 + mg_uvarint_size(TAG_NODE_ENDPOINTS) + mg_uvarint_size((uint32_t)size) + size;
}

void mg_write_node_endpoints(mg_writer *writer, const mg_node_endpoint *endpoints, int32_t count)
{
    MG_ASSERT(count >= 0);
    mg_write_uvarint(writer, count > 0 ? 1 : 0);
    if (count == 0) return;
    mg_write_uvarint(writer, TAG_NODE_ENDPOINTS);
    mg_write_uvarint(writer, (uint32_t)node_endpoints_value_size(endpoints, count));
    mg_write_count(writer, true, count);
    for (int32_t i = 0; i < count; i++) {
        mg_write_i32(writer, endpoints[i].node_id);
        mg_write_string(writer, true, endpoints[i].host);
        mg_write_i32(writer, endpoints[i].port);
        mg_write_nullable_string(writer, true, endpoints[i].rack);
        mg_write_no_tags(writer, true);
    }
}
