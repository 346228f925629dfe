#include "wire/fetch_session.h"

#include "wire/fetch_slot.h"

#include <stdlib.h>

enum {
    EPOCH_INITIAL = 0, /* begin a session */
    EPOCH_FINAL = -1,  /* none, or close it */
    EPOCH_FIRST = 1,   /* of a session that was begun; what follows INT32_MAX, too */

    SESSION_ID_BITS = 31, /* ids are positive */
};

struct mg_fetch_session {
    mg_hash_node node;       /* in the cache, by id */
    mg_fetch_session *older; /* in the cache, by last use */
    mg_fetch_session *newer;
    mg_fetch_slots slots;
    int64_t created_ms;
    int64_t used_ms;
    int32_t id;
    int32_t epoch;   /* that the next request must bring */
    int32_t pins;    /* contexts that hold it */
    bool by_id;      /* topics by id, not by name */
    bool privileged; /* a follower's: gives way only to another's */
    bool cached;
};

struct mg_fetch_sessions {
    mg_fetch_sessions_config config;
    mg_hash_table by_id;
    mg_fetch_session *oldest;
    mg_fetch_session *newest;
    int32_t session_count;   /* cached, and those being built */
    int32_t partition_count; /* of all sessions that are not freed yet */
    uint64_t ids_drawn;
};

static_assert(offsetof(mg_fetch_session, node) == 0, "session_of_node");

static mg_fetch_session *session_of_node(mg_hash_node *node)
{
    return (mg_fetch_session *)(void *)node; /* its first member */
}

/* ---- The cache ---- */

mg_status mg_fetch_sessions_open(mg_fetch_sessions **out, const mg_fetch_sessions_config *config)
{
    MG_ASSERT(config->sessions_max >= 0);
    MG_ASSERT(config->partitions_max >= 0);
    MG_ASSERT(config->id_prefix_bits < SESSION_ID_BITS);
    MG_ASSERT(config->id_prefix < (uint64_t)1 << config->id_prefix_bits);
    mg_fetch_sessions *sessions = malloc(sizeof *sessions);
    if (sessions == NULL) return MG_NO_MEMORY;
    *sessions = (mg_fetch_sessions){.config = *config};
    *out = sessions;
    return MG_OK;
}

static void session_close(mg_fetch_sessions *sessions, mg_fetch_session *session)
{
    MG_ASSERT(!session->cached);
    MG_ASSERT(session->pins == 0);
    sessions->partition_count -= (int32_t)session->slots.slots.count;
    mg_fetch_slots_deinit(&session->slots);
    free(session);
}

static void unlink_by_use(mg_fetch_sessions *sessions, mg_fetch_session *session)
{
    *(session->older == NULL ? &sessions->oldest : &session->older->newer) = session->newer;
    *(session->newer == NULL ? &sessions->newest : &session->newer->older) = session->older;
}

static void link_as_newest(mg_fetch_sessions *sessions, mg_fetch_session *session)
{
    session->older = sessions->newest;
    session->newer = NULL;
    *(sessions->newest == NULL ? &sessions->oldest : &sessions->newest->newer) = session;
    sessions->newest = session;
}

static void touch(mg_fetch_sessions *sessions, mg_fetch_session *session, int64_t now_ms)
{
    session->used_ms = now_ms;
    unlink_by_use(sessions, session);
    link_as_newest(sessions, session);
}

/* Takes the session out; a context that still holds it may go on, and frees it. */
static void drop(mg_fetch_sessions *sessions, mg_fetch_session *session)
{
    MG_ASSERT(session->cached);
    mg_hash_remove(&sessions->by_id, &session->node);
    unlink_by_use(sessions, session);
    session->cached = false;
    sessions->session_count--;
    if (session->pins == 0) session_close(sessions, session);
}

void mg_fetch_sessions_close(mg_fetch_sessions *sessions)
{
    while (sessions->oldest != NULL) {
        MG_ASSERT(sessions->oldest->pins == 0);
        drop(sessions, sessions->oldest);
    }
    MG_ASSERT(sessions->partition_count == 0);
    mg_hash_deinit(&sessions->by_id);
    free(sessions);
}

int32_t mg_fetch_sessions_count(const mg_fetch_sessions *sessions)
{
    return sessions->session_count;
}

int32_t mg_fetch_sessions_partition_count(const mg_fetch_sessions *sessions)
{
    return sessions->partition_count;
}

static uint64_t hash_of_id(int32_t id)
{
    return mg_hash_combine(0, (uint32_t)id); /* ours to choose: needs no secret */
}

static mg_fetch_session *find(const mg_fetch_sessions *sessions, int32_t id)
{
    for (mg_hash_node *node = mg_hash_first(&sessions->by_id, hash_of_id(id)); node != NULL;
         node = mg_hash_next(node)) {
        mg_fetch_session *session = session_of_node(node);
        if (session->id == id) return session;
    }
    return NULL;
}

/* Unpredictable, positive, of this reactor's range, and not in use. */
static int32_t draw_id(mg_fetch_sessions *sessions)
{
    unsigned free_bits = SESSION_ID_BITS - sessions->config.id_prefix_bits;
    uint32_t free_mask = (uint32_t)(((uint64_t)1 << free_bits) - 1);
    for (;;) { /* ends: far fewer sessions than ids */
        uint64_t draw = mg_hash_combine(sessions->config.seed, sessions->ids_drawn++);
        uint32_t low = (uint32_t)draw & free_mask;
        int32_t id = (int32_t)(((uint64_t)sessions->config.id_prefix << free_bits) | low);
        if (id != 0 && find(sessions, id) == NULL) return id;
    }
}

void mg_fetch_sessions_check(const mg_fetch_sessions *sessions)
{
    int32_t count = 0;
    int64_t partition_count = 0;
    const mg_fetch_session *older = NULL;
    for (const mg_fetch_session *session = sessions->oldest; session != NULL;
         session = session->newer) {
        MG_ASSERT(session->older == older);
        MG_ASSERT(session->cached);
        MG_ASSERT(find(sessions, session->id) == session);
        MG_ASSERT(session->epoch >= EPOCH_FIRST);
        mg_fetch_slots_check(&session->slots);
        partition_count += session->slots.slots.count;
        count++;
        older = session;
    }
    MG_ASSERT(sessions->newest == older);
    MG_ASSERT(sessions->by_id.count == (uint32_t)count);
    MG_ASSERT(sessions->session_count >= count);
    MG_ASSERT(sessions->partition_count >= partition_count);
    MG_ASSERT(sessions->partition_count <= sessions->config.partitions_max);
}

/* ---- Eviction ---- */

/* Kafka's order of worth: a follower's session above a consumer's, then the larger one. */
static bool is_worth_less(const mg_fetch_session *session, bool privileged,
                          uint32_t partition_count)
{
    if (session->privileged != privileged) return !session->privileged;
    return session->slots.slots.count < partition_count;
}

/* The cheapest session that has lived for a while; for a follower any consumer's. */
static mg_fetch_session *find_evictable(const mg_fetch_sessions *sessions, bool privileged)
{
    mg_fetch_session *found = NULL;
    for (mg_fetch_session *session = sessions->oldest; session != NULL; session = session->newer) {
        bool has_lived = session->used_ms - session->created_ms > sessions->config.idle_max_ms;
        if (!has_lived && !(privileged && !session->privileged)) continue;
        if (found == NULL || is_worth_less(session, found->privileged, found->slots.slots.count)) {
            found = session;
        }
    }
    return found;
}

static bool evict_one(mg_fetch_sessions *sessions, bool privileged, uint32_t partition_count,
                      int64_t now_ms)
{
    mg_fetch_session *oldest = sessions->oldest;
    if (oldest == NULL) return false;
    if (now_ms - oldest->used_ms > sessions->config.idle_max_ms) {
        drop(sessions, oldest);
        return true;
    }
    mg_fetch_session *evictable = find_evictable(sessions, privileged);
    if (evictable == NULL || !is_worth_less(evictable, privileged, partition_count)) return false;
    drop(sessions, evictable);
    return true;
}

static bool has_room(const mg_fetch_sessions *sessions, int32_t partition_count)
{
    return sessions->session_count < sessions->config.sessions_max &&
           partition_count <= sessions->config.partitions_max - sessions->partition_count;
}

/* Room for one session of so many partitions. */
static bool make_room(mg_fetch_sessions *sessions, bool privileged, int32_t partition_count,
                      int64_t now_ms)
{
    if (sessions->config.sessions_max == 0) return false;
    if (partition_count > sessions->config.partitions_max) return false;
    while (!has_room(sessions, partition_count)) {
        if (!evict_one(sessions, privileged, (uint32_t)partition_count, now_ms)) return false;
    }
    return true;
}

/* ---- One session ---- */

static mg_fetch_session *session_open(mg_fetch_sessions *sessions, const mg_fetch_request *request,
                                      int64_t now_ms)
{
    bool privileged = request->replica_id >= 0;
    if (!make_room(sessions, privileged, request->partition_count, now_ms)) return NULL;
    mg_fetch_session *session = malloc(sizeof *session);
    if (session == NULL) return NULL;
    *session = (mg_fetch_session){
        .slots = {.seed = sessions->config.seed},
        .created_ms = now_ms,
        .epoch = EPOCH_FIRST,
        .pins = 1,
        .by_id = request->version > MG_FETCH_VERSION_NAMES_MAX,
        .privileged = privileged,
    };
    sessions->session_count++;
    return session;
}

static void unpin(mg_fetch_sessions *sessions, mg_fetch_session *session)
{
    MG_ASSERT(session->pins > 0);
    session->pins--;
    if (session->pins == 0 && !session->cached) session_close(sessions, session);
}

static mg_fetch_slot *put(mg_fetch_sessions *sessions, mg_fetch_session *session,
                          const mg_fetch_part *part)
{
    uint32_t count_before = session->slots.slots.count;
    mg_fetch_slot *slot = mg_fetch_slots_put(&session->slots, part);
    if (session->slots.slots.count == count_before) return slot;
    if (sessions->partition_count >= sessions->config.partitions_max) {
        MG_ASSERT(mg_fetch_slots_forget(&session->slots, part->topic, part->index));
        return NULL;
    }
    sessions->partition_count++;
    return slot;
}

/* Merges in what the request adds, changes and forgets. False: no room or no memory. */
static bool update(mg_fetch_sessions *sessions, mg_fetch_session *session,
                   const mg_fetch_request *request)
{
    mg_fetch_part part;
    mg_fetch_walk walk = mg_fetch_walk_begin(request);
    while (mg_fetch_next(&walk, &part)) {
        if (put(sessions, session, &part) == NULL) return false;
    }
    mg_topic_ref topic;
    int32_t index;
    walk = mg_fetch_forgotten_begin(request);
    while (mg_fetch_forgotten_next(&walk, &topic, &index)) {
        if (mg_fetch_slots_forget(&session->slots, topic, index)) sessions->partition_count--;
    }
    return true;
}

static int32_t epoch_after(int32_t epoch)
{
    return epoch == INT32_MAX ? EPOCH_FIRST : epoch + 1;
}

/* ---- Contexts ---- */

static void begin_anew(mg_fetch_context *context)
{
    const mg_fetch_request *request = &context->request;
    mg_fetch_session *session = find(context->sessions, request->session_id);
    if (session != NULL) drop(context->sessions, session);
    context->kind = request->session_epoch == EPOCH_FINAL ? MG_FETCH_SESSIONLESS : MG_FETCH_FULL;
}

static int16_t go_on(mg_fetch_context *context, int64_t now_ms)
{
    mg_fetch_sessions *sessions = context->sessions;
    const mg_fetch_request *request = &context->request;
    mg_fetch_session *session = find(sessions, request->session_id);
    if (session == NULL) return MG_FETCH_SESSION_ID_NOT_FOUND;
    if (session->epoch != request->session_epoch) return MG_INVALID_FETCH_SESSION_EPOCH;
    bool by_id = request->version > MG_FETCH_VERSION_NAMES_MAX;
    if (session->by_id != by_id) return MG_FETCH_SESSION_TOPIC_ID_ERROR;
    /* The new epoch comes first: whatever update frees, older contexts no longer look at. */
    session->epoch = epoch_after(session->epoch);
    if (!update(sessions, session, request)) {
        drop(sessions, session);
        return MG_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (session->slots.slots.count == 0) {
        drop(sessions, session);
        context->kind = MG_FETCH_SESSIONLESS;
        return 0;
    }
    touch(sessions, session, now_ms);
    session->pins++;
    context->session = session;
    context->epoch = session->epoch;
    context->kind = MG_FETCH_INCREMENTAL;
    return 0;
}

int16_t mg_fetch_context_begin(mg_fetch_context *context, mg_fetch_sessions *sessions,
                               const mg_fetch_request *request, int64_t now_ms)
{
    *context = (mg_fetch_context){.sessions = sessions, .request = *request};
    if (request->session_epoch == EPOCH_INITIAL || request->session_epoch == EPOCH_FINAL) {
        begin_anew(context);
    } else {
        int16_t error = go_on(context, now_ms);
        if (error != 0) return error;
    }
    mg_fetch_context_rewind(context);
    return 0;
}

bool mg_fetch_context_is_current(const mg_fetch_context *context)
{
    return context->kind != MG_FETCH_INCREMENTAL || context->session->epoch == context->epoch;
}

void mg_fetch_context_rewind(mg_fetch_context *context)
{
    context->answering = false;
    if (context->kind != MG_FETCH_INCREMENTAL) {
        context->walk = mg_fetch_walk_begin(&context->request);
    } else {
        context->next_slot =
            mg_fetch_context_is_current(context) ? context->session->slots.first : NULL;
    }
}

static void fill_item(mg_fetch_item *item, mg_fetch_slot *slot)
{
    item->slot = slot;
    item->part = (mg_fetch_part){
        .topic = mg_fetch_topic_ref(slot->topic),
        .fetch_offset = slot->fetch_offset,
        .log_start_offset = slot->follower_log_start,
        .high_watermark = INT64_MAX,
        .index = slot->index,
        .current_leader_epoch = slot->current_leader_epoch,
        .last_fetched_epoch = slot->last_fetched_epoch,
        .max_bytes = slot->max_bytes,
        .topic_partition_count = (int32_t)slot->topic->slot_count,
        .first_of_topic = slot->before == NULL || slot->before->topic != slot->topic,
    };
}

bool mg_fetch_context_next(mg_fetch_context *context, mg_fetch_item *item)
{
    MG_ASSERT(!context->answering);
    if (context->kind != MG_FETCH_INCREMENTAL) {
        item->slot = NULL;
        return mg_fetch_next(&context->walk, &item->part);
    }
    if (context->next_slot == NULL || !mg_fetch_context_is_current(context)) return false;
    fill_item(item, context->next_slot);
    context->next_slot = context->next_slot->after;
    return true;
}

int32_t mg_fetch_context_count(const mg_fetch_context *context)
{
    if (context->kind != MG_FETCH_INCREMENTAL) return context->request.partition_count;
    return (int32_t)context->session->slots.slots.count;
}

/* The session of a full fetch comes into being with its first answer, as in Kafka: what was only
 * asked for by a client that has gone leaves nothing behind. */
static void build(mg_fetch_context *context, int64_t now_ms)
{
    if (context->session != NULL || context->refused) return;
    context->session = session_open(context->sessions, &context->request, now_ms);
    context->refused = context->session == NULL;
}

static void abandon(mg_fetch_context *context)
{
    context->sessions->session_count--;
    unpin(context->sessions, context->session);
    context->session = NULL;
    context->refused = true;
}

static void remember(mg_fetch_slot *slot, const mg_fetch_result *result)
{
    /* After an error no high watermark is like the last one: when it has passed, the partition is
     * told of again. */
    slot->high_watermark = result->error != 0 ? -1 : result->high_watermark;
    slot->log_start_offset = result->log_start_offset;
}

static void answer_full(mg_fetch_context *context, const mg_fetch_item *item,
                        const mg_fetch_result *result, int64_t now_ms)
{
    build(context, now_ms);
    if (context->session == NULL) return;
    mg_fetch_slot *slot = put(context->sessions, context->session, &item->part);
    if (slot == NULL) {
        abandon(context);
    } else {
        remember(slot, result);
    }
}

static bool answer_incremental(mg_fetch_context *context, mg_fetch_slot *slot,
                               const mg_fetch_result *result)
{
    bool included = result->error != 0 || result->records_size > 0 ||
                    result->high_watermark != slot->high_watermark ||
                    result->log_start_offset != slot->log_start_offset ||
                    result->preferred_read_replica != -1 || result->diverging_epoch != -1 ||
                    result->diverging_end_offset != -1;
    remember(slot, result);
    if (result->records_size > 0) mg_fetch_slots_move_back(&context->session->slots, slot);
    return included;
}

bool mg_fetch_context_answer(mg_fetch_context *context, const mg_fetch_item *item,
                             const mg_fetch_result *result, int64_t now_ms)
{
    MG_ASSERT((context->kind == MG_FETCH_INCREMENTAL) == (item->slot != NULL));
    context->answering = true;
    if (context->kind == MG_FETCH_INCREMENTAL) {
        if (!mg_fetch_context_is_current(context)) return false;
        return answer_incremental(context, item->slot, result);
    }
    if (context->kind == MG_FETCH_FULL) answer_full(context, item, result, now_ms);
    return true;
}

int16_t mg_fetch_context_finish(mg_fetch_context *context, int64_t now_ms, int32_t *session_id)
{
    *session_id = 0;
    if (context->kind == MG_FETCH_INCREMENTAL) {
        *session_id = context->session->id;
        return mg_fetch_context_is_current(context) ? 0 : MG_INVALID_FETCH_SESSION_EPOCH;
    }
    if (context->kind == MG_FETCH_SESSIONLESS) return 0;
    build(context, now_ms); /* a session may begin without partitions */
    mg_fetch_session *session = context->session;
    if (session == NULL) return 0;
    session->id = draw_id(context->sessions);
    mg_hash_add(&context->sessions->by_id, &session->node, hash_of_id(session->id));
    session->used_ms = now_ms;
    link_as_newest(context->sessions, session);
    session->cached = true;
    *session_id = session->id;
    return 0;
}

void mg_fetch_context_end(mg_fetch_context *context)
{
    if (context->session == NULL) return;
    bool unfinished = context->kind == MG_FETCH_FULL && context->session->id == 0;
    if (unfinished) {
        abandon(context);
    } else {
        unpin(context->sessions, context->session);
    }
    context->session = NULL;
}

mg_fetch_slot_note *mg_fetch_slot_note_of(mg_fetch_slot *slot)
{
    return &slot->note;
}
