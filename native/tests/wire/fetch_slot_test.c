/* Slots of a fetch session: found by name or id, served in order, gone when forgotten. */
#include "wire/fetch_slot.h"

#include "check.h"

#include <string.h>

static mg_topic_ref named(const char *name)
{
    return (mg_topic_ref){.name = {.data = (const uint8_t *)name, .size = strlen(name)}};
}

static mg_fetch_slot *put(mg_fetch_slots *slots, mg_topic_ref topic, int32_t index, int64_t offset)
{
    const mg_fetch_part part = {.topic = topic, .index = index, .fetch_offset = offset};
    mg_fetch_slot *slot = mg_fetch_slots_put(slots, &part);
    CHECK(slot != NULL);
    mg_fetch_slots_check(slots);
    return slot;
}

static void the_same_partition_is_one_slot(void)
{
    mg_fetch_slots slots = {.seed = 1};
    mg_fetch_slot *first = put(&slots, named("a"), 0, 5);
    mg_fetch_slot *other = put(&slots, named("a"), 1, 6);
    CHECK(first != other);
    CHECK(first->topic == other->topic); /* the name is kept once */
    CHECK(put(&slots, named("a"), 0, 9) == first);
    CHECK(first->fetch_offset == 9);
    CHECK(slots.slots.count == 2);
    mg_fetch_slots_deinit(&slots);
}

static void a_name_and_an_id_are_different_topics(void)
{
    mg_fetch_slots slots = {.seed = 2};
    const uint8_t id[MG_UUID_SIZE] = "0123456789abcde";
    mg_fetch_slot *by_id = put(&slots, (mg_topic_ref){.id = id}, 0, 0);
    const mg_topic_ref name = {.name = {.data = id, .size = sizeof id}};
    CHECK(put(&slots, name, 0, 0) != by_id);
    CHECK(mg_fetch_slots_forget(&slots, (mg_topic_ref){.id = id}, 0));
    CHECK(slots.slots.count == 1);
    mg_fetch_slots_check(&slots);
    mg_fetch_slots_deinit(&slots);
}

static void what_was_served_moves_behind_the_others(void)
{
    mg_fetch_slots slots = {.seed = 3};
    mg_fetch_slot *a = put(&slots, named("t"), 0, 0);
    mg_fetch_slot *b = put(&slots, named("t"), 1, 0);
    mg_fetch_slot *c = put(&slots, named("t"), 2, 0);
    CHECK(slots.first == a && slots.last == c);
    mg_fetch_slots_move_back(&slots, a);
    mg_fetch_slots_check(&slots);
    CHECK(slots.first == b && slots.last == a);
    mg_fetch_slots_move_back(&slots, a); /* it is there already */
    mg_fetch_slots_check(&slots);
    CHECK(slots.first == b && slots.last == a);
    mg_fetch_slots_deinit(&slots);
}

static void forgetting_the_last_of_a_topic_forgets_its_name(void)
{
    mg_fetch_slots slots = {.seed = 4};
    put(&slots, named("gone"), 0, 0);
    put(&slots, named("gone"), 7, 0);
    put(&slots, named("stays"), 0, 0);
    CHECK(!mg_fetch_slots_forget(&slots, named("gone"), 1));
    CHECK(!mg_fetch_slots_forget(&slots, named("never"), 0));
    CHECK(mg_fetch_slots_forget(&slots, named("gone"), 0));
    CHECK(slots.topics.count == 2);
    CHECK(mg_fetch_slots_forget(&slots, named("gone"), 7));
    CHECK(slots.topics.count == 1);
    mg_fetch_slots_check(&slots);
    mg_fetch_slots_deinit(&slots);
    CHECK(slots.slots.count == 0 && slots.topics.count == 0);
}

static void thousands_of_slots_stay_in_order(void)
{
    enum { COUNT = 5000 };
    mg_fetch_slots slots = {.seed = 5};
    for (int32_t i = 0; i < COUNT; i++) {
        const mg_fetch_part part = {.topic = named(i % 2 == 0 ? "even" : "odd"), .index = i};
        CHECK(mg_fetch_slots_put(&slots, &part) != NULL);
    }
    for (int32_t i = 0; i < COUNT; i += 3)
        CHECK(mg_fetch_slots_forget(&slots, named(i % 2 == 0 ? "even" : "odd"), i));
    mg_fetch_slots_check(&slots);
    int32_t last = -1;
    for (const mg_fetch_slot *slot = slots.first; slot != NULL; slot = slot->after) {
        CHECK(slot->index > last);
        CHECK(slot->index % 3 != 0);
        last = slot->index;
    }
    mg_fetch_slots_deinit(&slots);
}

int main(void)
{
    the_same_partition_is_one_slot();
    a_name_and_an_id_are_different_topics();
    what_was_served_moves_behind_the_others();
    forgetting_the_last_of_a_topic_forgets_its_name();
    thousands_of_slots_stay_in_order();
    puts("fetch_slot_test: ok");
}
