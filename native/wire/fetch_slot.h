/* fetch_slot.h -- the partitions of one fetch session: what was asked, what was last answered.
 *
 * A set in an order: partitions are served from the front, and those that had
 * records move to the back. Names are kept once a topic, so that a session of
 * many partitions of few topics stays small. Only fetch_session.c includes this.
 *
 * Invariants (mg_fetch_slots_check): every slot is in the order and in the table once; a topic
 * lives as long as a slot names it.
 */
#ifndef MG_WIRE_FETCH_SLOT_H
#define MG_WIRE_FETCH_SLOT_H

#include "wire/fetch_session.h"
#include "wire/hash_table.h"

typedef struct mg_fetch_topic {
    mg_hash_node node;
    uint32_t slot_count;
    uint32_t name_size;
    bool by_id;
    uint8_t bytes[]; /* the id or the name */
} mg_fetch_topic;

struct mg_fetch_slot {
    mg_hash_node node;
    mg_fetch_slot *before; /* in the order */
    mg_fetch_slot *after;
    mg_fetch_topic *topic;
    mg_fetch_slot_note note;
    /* as asked */
    int64_t fetch_offset;
    int64_t follower_log_start;
    int32_t index;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int32_t max_bytes;
    /* as last answered; -1: never, or with an error */
    int64_t high_watermark;
    int64_t log_start_offset;
};

typedef struct mg_fetch_slots {
    mg_hash_table topics;
    mg_hash_table slots; /* its count is that of the partitions */
    mg_fetch_slot *first;
    mg_fetch_slot *last;
    uint64_t seed;
} mg_fetch_slots;

static inline mg_topic_ref mg_fetch_topic_ref(const mg_fetch_topic *topic)
{
    if (topic->by_id) return (mg_topic_ref){.id = topic->bytes};
    return (mg_topic_ref){.name = {.data = topic->bytes, .size = topic->name_size}};
}

void mg_fetch_slots_deinit(mg_fetch_slots *slots);
/* Takes over what `part` asks, in the slot that is there or in a new one at the back. NULL: out of
 * memory, nothing changed. */
mg_fetch_slot *mg_fetch_slots_put(mg_fetch_slots *slots, const mg_fetch_part *part);
/* False: there was none. */
bool mg_fetch_slots_forget(mg_fetch_slots *slots, mg_topic_ref topic, int32_t index);
void mg_fetch_slots_move_back(mg_fetch_slots *slots, mg_fetch_slot *slot);
void mg_fetch_slots_check(const mg_fetch_slots *slots);

#endif
