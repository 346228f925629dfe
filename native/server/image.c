#include "server/image.h"

#include "base/copy.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 16 };

static uint64_t hash_bytes(const void *data, size_t size)
{
    /* FNV-1a: the names are those of topics that exist, which whoever may create topics chose. */
    const uint8_t *bytes = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

const mg_topic *mg_image_topic_by_name(const mg_image *image, mg_span name)
{
    if (name.size == 0 || name.size > MG_TOPIC_NAME_SIZE_MAX) return NULL;
    size_t mask = image->slot_count - 1;
    for (size_t i = hash_bytes(name.data, name.size) & mask;; i = (i + 1) & mask) {
        const mg_topic *topic = image->by_name[i];
        if (topic == NULL) return NULL;
        if (topic->name_size == name.size && memcmp(topic->name, name.data, name.size) == 0)
            return topic;
    }
}

const mg_topic *mg_image_topic_by_id(const mg_image *image, const uint8_t *id)
{
    size_t mask = image->slot_count - 1;
    for (size_t i = hash_bytes(id, MG_UUID_SIZE) & mask;; i = (i + 1) & mask) {
        const mg_topic *topic = image->by_id[i];
        if (topic == NULL || memcmp(topic->id, id, MG_UUID_SIZE) == 0) return topic;
    }
}

const mg_topic *mg_image_topic(const mg_image *image, mg_topic_ref ref)
{
    return ref.id != NULL ? mg_image_topic_by_id(image, ref.id)
                          : mg_image_topic_by_name(image, ref.name);
}

mg_partition *mg_topic_partition(const mg_topic *topic, int32_t index)
{
    if (index < 0 || index >= topic->partition_count) return NULL;
    return topic->partitions[index];
}

mg_topic *mg_topic_create(mg_span name, const uint8_t *id, const mg_topic_rules *rules,
                       int32_t partition_count)
{
    MG_ASSERT(name.size > 0 && name.size <= MG_TOPIC_NAME_SIZE_MAX);
    MG_ASSERT(partition_count >= 0);
    mg_topic *topic = calloc(1, sizeof *topic + (size_t)partition_count * sizeof(mg_partition *));
    if (topic == NULL) return NULL;
    mg_copy(topic->name, MG_TOPIC_NAME_SIZE_MAX, name.data, name.size);
    mg_copy(topic->id, sizeof topic->id, id, MG_UUID_SIZE);
    topic->name_size = name.size;
    topic->rules = *rules;
    topic->partition_count = partition_count;
    return topic;
}

/* ---- Drafts ---- */

static bool grow(mg_topic ***list, size_t *capacity)
{
    size_t more = *capacity == 0 ? SLOTS_MIN : *capacity * 2;
    mg_topic **grown = realloc(*list, more * sizeof *grown);
    if (grown == NULL) return false;
    *list = grown;
    *capacity = more;
    return true;
}

static bool push(mg_topic ***list, size_t *count, size_t *capacity, mg_topic *topic)
{
    if (*count == *capacity && !grow(list, capacity)) return false;
    (*list)[(*count)++] = topic;
    return true;
}

static int compare(const mg_topic *topic, mg_span name)
{
    size_t size = topic->name_size < name.size ? topic->name_size : name.size;
    int order = memcmp(topic->name, name.data, size);
    if (order != 0) return order;
    return (topic->name_size > name.size) - (topic->name_size < name.size);
}

/* The slot of the first topic that is not before `name`: its own, or where it would go. */
static size_t find(const mg_image_draft *draft, mg_span name, bool *found)
{
    size_t begin = 0;
    size_t end = draft->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (compare(draft->topics[middle], name) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    *found = begin < draft->count && compare(draft->topics[begin], name) == 0;
    return begin;
}

static bool drop(mg_image_draft *draft, mg_topic *topic)
{
    return push(&draft->dropped, &draft->dropped_count, &draft->dropped_capacity, topic);
}

mg_status mg_image_draft_set(mg_image_draft *draft, mg_topic *topic)
{
    mg_span name = {.data = (const uint8_t *)topic->name, .size = topic->name_size};
    bool found;
    size_t slot = find(draft, name, &found);
    if (found) {
        if (!drop(draft, draft->topics[slot])) return MG_NO_MEMORY;
    } else {
        if (!push(&draft->topics, &draft->count, &draft->capacity, topic)) return MG_NO_MEMORY;
        for (size_t i = draft->count - 1; i > slot; i--) draft->topics[i] = draft->topics[i - 1];
    }
    draft->topics[slot] = topic;
    return MG_OK;
}

mg_status mg_image_draft_remove(mg_image_draft *draft, mg_span name)
{
    bool found;
    size_t slot = find(draft, name, &found);
    if (!found) return MG_NOT_FOUND;
    if (!drop(draft, draft->topics[slot])) return MG_NO_MEMORY;
    draft->count--;
    for (size_t i = slot; i < draft->count; i++) draft->topics[i] = draft->topics[i + 1];
    return MG_OK;
}

static void insert(mg_topic **slots, size_t mask, uint64_t hash, mg_topic *topic)
{
    size_t i = hash & mask;
    while (slots[i] != NULL) i = (i + 1) & mask;
    slots[i] = topic;
}

mg_status mg_image_draft_publish(mg_image_draft *draft, mg_image *previous, mg_image **image)
{
    size_t slot_count = SLOTS_MIN;
    while (slot_count < draft->count * 2) slot_count *= 2;
    mg_image *next = calloc(1, sizeof *next);
    mg_topic **slots = calloc(slot_count * 2, sizeof *slots);
    if (next == NULL || slots == NULL) {
        free(next);
        free(slots);
        return MG_NO_MEMORY;
    }
    next->version = ++draft->version;
    next->count = draft->count;
    next->slot_count = slot_count;
    next->by_name = slots;
    next->by_id = slots + slot_count;
    for (size_t i = 0; i < draft->count; i++) {
        mg_topic *topic = draft->topics[i];
        insert(next->by_name, slot_count - 1, hash_bytes(topic->name, topic->name_size), topic);
        insert(next->by_id, slot_count - 1, hash_bytes(topic->id, MG_UUID_SIZE), topic);
    }
    if (previous != NULL) {
        MG_ASSERT(previous->dropped == NULL);
        previous->dropped = draft->dropped;
        previous->dropped_count = draft->dropped_count;
        draft->dropped = NULL;
        draft->dropped_count = draft->dropped_capacity = 0;
    }
    *image = next;
    return MG_OK;
}

void mg_image_free(mg_image *image)
{
    for (size_t i = 0; i < image->dropped_count; i++) free(image->dropped[i]);
    free(image->dropped);
    free(image->by_name);
    free(image);
}

void mg_image_draft_deinit(mg_image_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) free(draft->topics[i]);
    for (size_t i = 0; i < draft->dropped_count; i++) free(draft->dropped[i]);
    free(draft->topics);
    free(draft->dropped);
    *draft = (mg_image_draft){0};
}
