#include "wire/fetch_slot.h"

#include <stdlib.h>

static mg_fetch_topic *topic_of_node(mg_hash_node *node)
{
    return (mg_fetch_topic *)(void *)node; /* its first member */
}

static mg_fetch_slot *slot_of_node(mg_hash_node *node)
{
    return (mg_fetch_slot *)(void *)node; /* its first member */
}

static_assert(offsetof(mg_fetch_topic, node) == 0, "topic_of_node");
static_assert(offsetof(mg_fetch_slot, node) == 0, "slot_of_node");

static mg_span topic_bytes(mg_topic_ref ref)
{
    if (ref.id != NULL) return (mg_span){.data = ref.id, .size = MG_UUID_SIZE};
    return ref.name;
}

static mg_fetch_topic *find_topic(const mg_fetch_slots *slots, mg_topic_ref ref, uint64_t hash)
{
    for (mg_hash_node *node = mg_hash_first(&slots->topics, hash); node != NULL;
         node = mg_hash_next(node)) {
        mg_fetch_topic *topic = topic_of_node(node);
        if (mg_topic_ref_equal(mg_fetch_topic_ref(topic), ref)) return topic;
    }
    return NULL;
}

static mg_fetch_topic *topic_open(mg_topic_ref ref)
{
    mg_span bytes = topic_bytes(ref);
    mg_fetch_topic *topic = malloc(sizeof *topic + bytes.size);
    if (topic == NULL) return NULL;
    *topic = (mg_fetch_topic){.name_size = (uint32_t)bytes.size, .by_id = ref.id != NULL};
    mg_writer writer = mg_writer_over(topic->bytes, bytes.size);
    mg_write_bytes(&writer, bytes.data, bytes.size);
    return topic;
}

static uint64_t slot_hash(const mg_fetch_topic *topic, int32_t index)
{
    return mg_hash_combine(topic->node.hash, (uint32_t)index);
}

static mg_fetch_slot *find_slot(const mg_fetch_slots *slots, const mg_fetch_topic *topic,
                                int32_t index)
{
    for (mg_hash_node *node = mg_hash_first(&slots->slots, slot_hash(topic, index)); node != NULL;
         node = mg_hash_next(node)) {
        mg_fetch_slot *slot = slot_of_node(node);
        if (slot->topic == topic && slot->index == index) return slot;
    }
    return NULL;
}

static void order_remove(mg_fetch_slots *slots, mg_fetch_slot *slot)
{
    *(slot->before == NULL ? &slots->first : &slot->before->after) = slot->after;
    *(slot->after == NULL ? &slots->last : &slot->after->before) = slot->before;
}

static void order_add_back(mg_fetch_slots *slots, mg_fetch_slot *slot)
{
    slot->before = slots->last;
    slot->after = NULL;
    *(slots->last == NULL ? &slots->first : &slots->last->after) = slot;
    slots->last = slot;
}

static mg_fetch_slot *slot_open(mg_fetch_slots *slots, mg_fetch_topic *topic, int32_t index)
{
    mg_fetch_slot *slot = malloc(sizeof *slot);
    if (slot == NULL) return NULL;
    *slot = (mg_fetch_slot){
        .topic = topic, .index = index, .high_watermark = -1, .log_start_offset = -1};
    mg_hash_add(&slots->slots, &slot->node, slot_hash(topic, index));
    order_add_back(slots, slot);
    topic->slot_count++;
    return slot;
}

static void topic_close_if_unused(mg_fetch_slots *slots, mg_fetch_topic *topic)
{
    if (topic->slot_count > 0) return;
    mg_hash_remove(&slots->topics, &topic->node);
    free(topic);
}

static void slot_close(mg_fetch_slots *slots, mg_fetch_slot *slot)
{
    mg_fetch_topic *topic = slot->topic;
    mg_hash_remove(&slots->slots, &slot->node);
    order_remove(slots, slot);
    free(slot);
    MG_ASSERT(topic->slot_count > 0);
    topic->slot_count--;
    topic_close_if_unused(slots, topic);
}

void mg_fetch_slots_deinit(mg_fetch_slots *slots)
{
    while (slots->first != NULL)
        slot_close(slots, slots->first);
    MG_ASSERT(slots->topics.count == 0);
    mg_hash_deinit(&slots->topics);
    mg_hash_deinit(&slots->slots);
}

mg_fetch_slot *mg_fetch_slots_put(mg_fetch_slots *slots, const mg_fetch_part *part)
{
    mg_span key = topic_bytes(part->topic);
    uint64_t hash = mg_hash_bytes(slots->seed, key.data, key.size);
    mg_fetch_topic *topic = find_topic(slots, part->topic, hash);
    if (topic == NULL) {
        topic = topic_open(part->topic);
        if (topic == NULL) return NULL;
        mg_hash_add(&slots->topics, &topic->node, hash);
    }
    mg_fetch_slot *slot = find_slot(slots, topic, part->index);
    if (slot == NULL) slot = slot_open(slots, topic, part->index);
    if (slot == NULL) {
        topic_close_if_unused(slots, topic);
        return NULL;
    }
    slot->fetch_offset = part->fetch_offset;
    slot->follower_log_start = part->log_start_offset;
    slot->current_leader_epoch = part->current_leader_epoch;
    slot->last_fetched_epoch = part->last_fetched_epoch;
    slot->max_bytes = part->max_bytes;
    return slot;
}

bool mg_fetch_slots_forget(mg_fetch_slots *slots, mg_topic_ref ref, int32_t index)
{
    mg_span key = topic_bytes(ref);
    mg_fetch_topic *topic = find_topic(slots, ref, mg_hash_bytes(slots->seed, key.data, key.size));
    if (topic == NULL) return false;
    mg_fetch_slot *slot = find_slot(slots, topic, index);
    if (slot == NULL) return false;
    slot_close(slots, slot);
    return true;
}

void mg_fetch_slots_move_back(mg_fetch_slots *slots, mg_fetch_slot *slot)
{
    order_remove(slots, slot);
    order_add_back(slots, slot);
}

void mg_fetch_slots_check(const mg_fetch_slots *slots)
{
    uint32_t count = 0;
    uint32_t first_of_topic_count = 0;
    const mg_fetch_slot *before = NULL;
    for (const mg_fetch_slot *slot = slots->first; slot != NULL; slot = slot->after) {
        MG_ASSERT(slot->before == before);
        MG_ASSERT(find_slot(slots, slot->topic, slot->index) == slot);
        MG_ASSERT(find_topic(slots, mg_fetch_topic_ref(slot->topic), slot->topic->node.hash) ==
                  slot->topic);
        MG_ASSERT(slot->topic->slot_count > 0);
        count++;
        before = slot;
        bool seen = false;
        for (const mg_fetch_slot *other = slots->first; other != slot; other = other->after) {
            if (other->topic == slot->topic) seen = true;
        }
        if (!seen) first_of_topic_count++;
    }
    MG_ASSERT(slots->last == before);
    MG_ASSERT(slots->slots.count == count);
    MG_ASSERT(slots->topics.count == first_of_topic_count);
}
