/* fetch_round.c -- one look at all partitions of a Fetch: what is there is pinned, what is wrong is
 * noted, what would have to be waited for is marked to be warmed. */
#include "server/fetch_request.h"

#include <stdlib.h>

enum {
    FOUND_FIRST = 64,
    READ_UNCOMMITTED = 0,
    READ_COMMITTED = 1,
    LOOKS_MAX = 64,     /* at a partition whose compactions take their places all the time */
    WARM_COUNT_MAX = 8, /* partitions warmed for one fetch; what is still cold then is waited for */
};

static void release_found(mg_fetch_portion *found)
{
    if (found->slice.segment != NULL) mg_log_slice_release(&found->slice);
    found->slice = (mg_log_slice){.fd = -1};
    free(found->aborted);
    found->aborted = NULL;
}

void mg_fetch_release_round(mg_fetch_state *state)
{
    for (size_t i = 0; i < state->found_count; i++)
        release_found(&state->found[i]);
    state->found_count = 0;
}

static bool grow_found(mg_lane *lane, size_t count)
{
    if (count <= lane->found_capacity) return true;
    size_t capacity = lane->found_capacity == 0 ? FOUND_FIRST : lane->found_capacity;
    while (capacity < count)
        capacity *= 2;
    mg_fetch_portion *found = realloc(lane->found, capacity * sizeof *found);
    if (found == NULL) return false;
    lane->found = found;
    lane->found_capacity = capacity;
    return true;
}

static mg_partition *find_partition(mg_lane *lane, const mg_fetch_item *item, mg_kafka_error *error)
{
    mg_fetch_slot_note *note = item->slot == NULL ? NULL : mg_fetch_slot_note_of(item->slot);
    if (note != NULL && note->partition != NULL && note->version == lane->image->version)
        return note->partition;
    const mg_topic *topic = mg_image_topic(lane->image, item->part.topic);
    if (topic == NULL) {
        *error = item->part.topic.id != NULL ? MG_KAFKA_UNKNOWN_TOPIC_ID
                                             : MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    mg_partition *partition = mg_topic_partition(topic, item->part.index);
    if (partition == NULL) {
        bool is_offline = item->part.index >= 0 && item->part.index < topic->partition_count;
        *error = is_offline ? MG_KAFKA_STORAGE_ERROR : MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    if (note != NULL) *note = (mg_fetch_slot_note){partition, lane->image->version};
    return partition;
}

static mg_kafka_error check_epoch(const mg_partition *partition, int32_t known_epoch)
{
    int32_t leader_epoch = mg_partition_leader_epoch(partition);
    if (known_epoch < 0 || known_epoch == leader_epoch) return MG_KAFKA_NONE;
    return known_epoch < leader_epoch ? MG_KAFKA_FENCED_LEADER_EPOCH
                                      : MG_KAFKA_UNKNOWN_LEADER_EPOCH;
}

/* We have no followers: whoever says that it is one is told what Kafka tells a replica that it
 * does not know (yet). */
static mg_kafka_error check_replica(int32_t replica_id, int32_t known_epoch)
{
    if (replica_id < 0) return MG_KAFKA_NONE;
    return known_epoch >= 0 ? MG_KAFKA_UNKNOWN_LEADER_EPOCH : MG_KAFKA_NOT_LEADER_OR_FOLLOWER;
}

/* KIP-320: where the fetcher's history parts from ours. True: it does, or can't be told. */
static bool diverges(mg_log *log, const mg_fetch_part *part, mg_fetch_result *result)
{
    if (part->last_fetched_epoch < 0) return false;
    int32_t epoch = -1;
    int64_t end_offset = -1;
    mg_log_epoch_end(log, part->last_fetched_epoch, &epoch, &end_offset);
    if (epoch < 0 || end_offset < 0) {
        result->error = MG_KAFKA_OFFSET_OUT_OF_RANGE;
        return true;
    }
    if (epoch >= part->last_fetched_epoch && end_offset >= part->fetch_offset) return false;
    result->diverging_epoch = epoch;
    result->diverging_end_offset = end_offset;
    return true;
}

static void ask_to_warm(mg_fetch_state *state, mg_partition *partition, const mg_fetch_part *part,
                        size_t size)
{
    if (state->warm_partition != NULL) return;
    state->warm_partition = partition;
    state->warm_offset = part->fetch_offset;
    state->warm_size = size;
}

/* KIP-98: which of the transactions within the records were aborted, so that a reader of committed
 * ones passes over them. */
static mg_status load_aborted(mg_fetch_portion *found, const mg_log *log)
{
    enum { ABORTED_INLINE = 64 };
    mg_aborted inlined[ABORTED_INLINE];
    mg_aborted *entries = inlined;
    size_t room = ABORTED_INLINE;
    int64_t from = found->item.part.fetch_offset;
    int64_t to = found->slice.next_offset;
    found->result.aborted_count = 0;
    if (found->slice.size == 0) return MG_OK;
    size_t count = mg_log_aborted(log, from, to, inlined, room);
    if (count == 0) return MG_OK;
    found->aborted = calloc(count, sizeof *found->aborted);
    if (found->aborted == NULL) return MG_NO_MEMORY;
    if (count > room) {
        room = count;
        entries = calloc(room, sizeof *entries);
        if (entries == NULL) return MG_NO_MEMORY;
        /* No fewer may be named; those that came since lie beyond the records. */
        count = mg_log_aborted(log, from, to, entries, room);
        if (count > room) count = room;
    }
    for (size_t i = 0; i < count; i++)
        found->aborted[i] =
            (mg_aborted_transaction){entries[i].producer_id, entries[i].first_offset};
    if (entries != inlined) free(entries);
    found->result.aborted = found->aborted;
    found->result.aborted_count = (int32_t)count;
    return MG_OK;
}

/* False where a compaction or a deletion changed what is read between the records and the naming of
 * what was aborted among them: they may not belong together. */
static bool try_read_part(mg_fetch_state *state, mg_fetch_portion *found, size_t size_left,
                          bool is_first)
{
    mg_lane *lane = state->lane;
    const mg_fetch_part *part = &found->item.part;
    mg_kafka_error error = MG_KAFKA_NONE;
    mg_partition *partition = find_partition(lane, &found->item, &error);
    if (partition != NULL) error = check_epoch(partition, part->current_leader_epoch);
    if (error == MG_KAFKA_NONE && mg_partition_is_shut(partition))
        error = MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    bool is_known =
        error != MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION && error != MG_KAFKA_UNKNOWN_TOPIC_ID;
    if (error == MG_KAFKA_NONE)
        error = check_replica(state->context.request.replica_id, part->current_leader_epoch);
    if (error != MG_KAFKA_NONE) {
        found->result = mg_fetch_refused(part->index, (int16_t)error);
        if (!is_known) found->result.aborted_count = 0; /* none, where Kafka looks no further */
        return true;
    }
    found->partition = partition;
    mg_log *log = mg_partition_log(partition);
    uint64_t swaps = mg_log_swaps(log);
    found->end_offset = mg_log_end_offset(log);
    bool is_committed = state->context.request.isolation_level == READ_COMMITTED;
    int64_t visible_end = is_committed ? mg_partition_last_stable_offset(partition) : INT64_MAX;
    found->result = mg_fetch_found(part->index, -1, -1, mg_log_start_offset(log), 0);
    bool does_not_fit = false;
    if (!diverges(log, part, &found->result)) {
        size_t size = part->max_bytes < 0 ? 0 : (size_t)part->max_bytes;
        if (size > size_left) size = size_left;
        bool may_wait = partition == state->warmed || state->warm_count == WARM_COUNT_MAX;
        unsigned flags = may_wait ? MG_READ_DEFAULT : MG_READ_NO_WAIT;
        bool is_cut_short = partition == state->warmed && state->warm_status != MG_OK;
        if (is_cut_short && size > state->warm_good) size = state->warm_good;
        if (is_first && !is_cut_short) flags |= MG_READ_AT_LEAST_ONE;
        mg_status status = MG_OK;
        if (size > 0 || (is_first && !is_cut_short))
            status =
                mg_log_read(log, part->fetch_offset, visible_end, size, flags, &found->slice, NULL);
        else if (part->fetch_offset < mg_log_start_offset(log) ||
                 part->fetch_offset > found->end_offset)
            status = MG_OUT_OF_RANGE; /* is told even where no room is left for records */
        if (is_cut_short && status == MG_OK && found->slice.size == 0) status = state->warm_status;
        does_not_fit = size > 0 && status == MG_OK && found->slice.size == 0 &&
                       part->fetch_offset < found->end_offset && part->fetch_offset < visible_end;
        if (status == MG_WOULD_BLOCK) {
            found->slice = (mg_log_slice){.fd = -1};
            /* Only for whoever is first in turn: the others follow when they are. */
            if (is_first) ask_to_warm(state, partition, part, size);
        } else if (status != MG_OK) {
            found->slice = (mg_log_slice){.fd = -1};
            found->result = mg_fetch_refused(part->index, (int16_t)mg_kafka_error_of(status));
            return true;
        }
    }
    if (found->result.error != MG_KAFKA_NONE) {
        found->result = mg_fetch_refused(part->index, found->result.error);
        return true;
    }
    found->result.records_size = (int64_t)found->slice.size;
    /* No record comes with a high watermark below it, although the log publishes its bytes a moment
     * before its end offset. */
    int64_t read_end = found->slice.size > 0 ? found->slice.next_offset : 0;
    int64_t high_watermark = mg_partition_high_watermark(partition);
    int64_t stable_offset = mg_partition_last_stable_offset(partition);
    found->result.high_watermark = high_watermark > read_end ? high_watermark : read_end;
    found->result.last_stable_offset =
        stable_offset < high_watermark ? stable_offset : found->result.high_watermark;
    /* Without records Kafka says nothing of their transactions, not even that there are none. */
    if (!is_committed || does_not_fit || found->result.diverging_epoch >= 0) return true;
    if (load_aborted(found, log) != MG_OK) {
        release_found(found);
        found->result = mg_fetch_refused(part->index, MG_KAFKA_STORAGE_ERROR);
    }
    return swaps % 2 == 0 && mg_log_swaps(log) == swaps;
}

/* Reads at most `size_left` bytes of one partition; the first records of a reply come whole. */
static void read_part(mg_fetch_state *state, mg_fetch_portion *found, size_t size_left,
                      bool is_first)
{
    for (int look = 0; look < LOOKS_MAX; look++) {
        if (try_read_part(state, found, size_left, is_first)) return;
        release_found(found);
    }
    found->result = mg_fetch_refused(found->item.part.index, MG_KAFKA_STORAGE_ERROR);
}

/* Kafka refuses the whole request for an isolation level that it does not know, once there is a
 * partition to read. */
static bool refuses_isolation(const mg_fetch_state *state)
{
    int8_t level = state->context.request.isolation_level;
    if (level == READ_UNCOMMITTED || level == READ_COMMITTED) return false;
    for (size_t i = 0; i < state->found_count; i++) {
        int16_t error = state->found[i].result.error;
        if (error != MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION && error != MG_KAFKA_UNKNOWN_TOPIC_ID)
            return true;
    }
    return false;
}

static void refuse_round(mg_fetch_state *state, mg_kafka_error error)
{
    state->error = (int16_t)error;
    for (size_t i = 0; i < state->found_count; i++) {
        mg_fetch_portion *found = &state->found[i];
        release_found(found);
        found->result = mg_fetch_refused(found->item.part.index, (int16_t)error);
        found->result.aborted_count = 0;
    }
}

bool mg_fetch_do_round(mg_fetch_state *state, mg_fetch_sum *sum)
{
    mg_lane *lane = state->lane;
    mg_fetch_context *context = &state->context;
    if (!grow_found(lane, (size_t)mg_fetch_context_count(context))) return false;
    state->found = lane->found;
    state->found_count = 0;
    state->warm_partition = NULL;
    state->error = MG_KAFKA_NONE;
    *sum = (mg_fetch_sum){0};

    int32_t asked = context->request.max_bytes;
    size_t size_max = asked < 0 ? 0 : (size_t)asked;
    if (size_max > (size_t)lane->config.fetch_size_max)
        size_max = (size_t)lane->config.fetch_size_max;
    mg_fetch_context_rewind(context);
    mg_fetch_item item;
    while (mg_fetch_context_next(context, &item)) {
        MG_ASSERT(state->found_count < lane->found_capacity);
        mg_fetch_portion *found = &state->found[state->found_count++];
        *found = (mg_fetch_portion){.item = item, .slice = {.fd = -1}};
        size_t size_left = sum->size < size_max ? size_max - sum->size : 0;
        read_part(state, found, size_left, sum->size == 0);
        sum->size += found->slice.size;
        if (found->result.error != MG_KAFKA_NONE || found->result.diverging_epoch >= 0)
            sum->is_urgent = true;
    }
    if (refuses_isolation(state)) {
        refuse_round(state, MG_KAFKA_UNKNOWN_SERVER_ERROR);
        *sum = (mg_fetch_sum){.is_urgent = true};
    }
    return true;
}
