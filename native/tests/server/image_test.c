/* An image finds what was published, by name and by id, and outlives the next draft. */
#include "server/image.h"

#include "check.h"

#include <string.h>

static mg_span span(const char *text)
{
    return (mg_span){.data = (const uint8_t *)text, .size = strlen(text)};
}

static mg_topic *topic(const char *name, uint8_t id, int32_t partition_count)
{
    const mg_topic_rules rules = {.batch_size_max = 1000};
    uint8_t bytes[MG_UUID_SIZE] = {id};
    mg_topic *t = mg_topic_create(span(name), bytes, &rules, partition_count);
    CHECK(t != NULL);
    return t;
}

static void finds_by_name_and_id(void)
{
    mg_image_draft draft = {0};
    mg_image *image;
    char name[16];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "topic-%d", i);
        CHECK(mg_image_draft_set(&draft, topic(name, (uint8_t)i, i % 3)) == MG_OK);
    }
    CHECK(mg_image_draft_publish(&draft, NULL, &image) == MG_OK);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "topic-%d", i);
        const mg_topic *found = mg_image_topic_by_name(image, span(name));
        CHECK(found != NULL && found->id[0] == i);
        CHECK(mg_image_topic_by_id(image, found->id) == found);
        CHECK(mg_topic_partition(found, -1) == NULL);
        CHECK(mg_topic_partition(found, found->partition_count) == NULL);
    }
    CHECK(mg_image_topic_by_name(image, span("topic-200")) == NULL);
    CHECK(mg_image_topic_by_name(image, span("")) == NULL);
    const uint8_t other[MG_UUID_SIZE] = {1, 2};
    CHECK(mg_image_topic_by_id(image, other) == NULL);
    mg_image_free(image);
    mg_image_draft_deinit(&draft);
}

static void an_old_image_keeps_what_it_shows(void)
{
    mg_image_draft draft = {0};
    mg_image *first;
    mg_image *second;
    CHECK(mg_image_draft_set(&draft, topic("a", 1, 1)) == MG_OK);
    CHECK(mg_image_draft_set(&draft, topic("b", 2, 1)) == MG_OK);
    CHECK(mg_image_draft_publish(&draft, NULL, &first) == MG_OK);

    CHECK(mg_image_draft_remove(&draft, span("a")) == MG_OK);
    CHECK(mg_image_draft_remove(&draft, span("a")) == MG_NOT_FOUND);
    CHECK(mg_image_draft_set(&draft, topic("b", 2, 5)) == MG_OK);
    CHECK(mg_image_draft_publish(&draft, first, &second) == MG_OK);
    CHECK(second->version > first->version);

    CHECK(mg_image_topic_by_name(first, span("a")) != NULL);
    CHECK(mg_image_topic_by_name(first, span("b"))->partition_count == 1);
    CHECK(mg_image_topic_by_name(second, span("a")) == NULL);
    CHECK(mg_image_topic_by_name(second, span("b"))->partition_count == 5);
    mg_image_free(first);
    CHECK(mg_image_topic_by_name(second, span("b"))->partition_count == 5);
    mg_image_free(second);
    mg_image_draft_deinit(&draft);
}

int main(void)
{
    finds_by_name_and_id();
    an_old_image_keeps_what_it_shows();
    puts("image_test: ok");
}
