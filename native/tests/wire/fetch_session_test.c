#include "wire/fetch_session.h"

#include "tests/wire/bytes.h"

/* ---- Requests, as bytes: what a session sees has been parsed ---- */

typedef struct ask {
    const char *topic; /* in version 13 the id is 16 times its first byte */
    int32_t index;
    int64_t offset;
} ask;

typedef struct request_frame {
    uint8_t raw[8192];
    mg_fetch_request request;
} request_frame;

static void write_topic_of(mg_writer *writer, int16_t version, const char *topic)
{
    if (version >= 13) {
        for (int i = 0; i < 16; i++)
            mg_write_i8(writer, (int8_t)topic[0]);
    } else {
        mg_write_string(writer, version >= 12, text(topic));
    }
}

/* Each ask as a topic of its own, which is as valid as grouping them. */
static void make_request(request_frame *frame, int16_t version, int32_t session_id, int32_t epoch,
                         const ask *asks, int32_t ask_count, const ask *forgotten,
                         int32_t forgotten_count)
{
    bool flexible = version >= 12;
    mg_writer writer = mg_writer_over(frame->raw, sizeof frame->raw);
    if (version < 15) mg_write_i32(&writer, -1);
    mg_write_i32(&writer, 500);
    mg_write_i32(&writer, 1);
    mg_write_i32(&writer, 1 << 20);
    mg_write_i8(&writer, 0);
    mg_write_i32(&writer, session_id);
    mg_write_i32(&writer, epoch);
    mg_write_count(&writer, flexible, ask_count);
    for (int32_t i = 0; i < ask_count; i++) {
        write_topic_of(&writer, version, asks[i].topic);
        mg_write_count(&writer, flexible, 1);
        mg_write_i32(&writer, asks[i].index);
        mg_write_i32(&writer, 3);
        mg_write_i64(&writer, asks[i].offset);
        if (flexible) mg_write_i32(&writer, 2);
        mg_write_i64(&writer, -1);
        mg_write_i32(&writer, 1000);
        mg_write_no_tags(&writer, flexible);
        mg_write_no_tags(&writer, flexible);
    }
    mg_write_count(&writer, flexible, forgotten_count);
    for (int32_t i = 0; i < forgotten_count; i++) {
        write_topic_of(&writer, version, forgotten[i].topic);
        mg_write_count(&writer, flexible, 1);
        mg_write_i32(&writer, forgotten[i].index);
        mg_write_no_tags(&writer, flexible);
    }
    mg_write_string(&writer, flexible, text(""));
    mg_write_no_tags(&writer, flexible);
    CHECK(mg_writer_ok(&writer));
    mg_span body = {.data = frame->raw, .size = mg_writer_size(&writer)};
    CHECK(mg_fetch_parse(body, version, &frame->request) == MG_OK);
}

static mg_fetch_sessions *open_sessions(int32_t sessions_max, int32_t partitions_max)
{
    mg_fetch_sessions_config config = {
        .sessions_max = sessions_max,
        .partitions_max = partitions_max,
        .idle_max_ms = 120000,
        .id_prefix = 2,
        .id_prefix_bits = 4,
        .seed = 42,
    };
    mg_fetch_sessions *sessions = NULL;
    CHECK(mg_fetch_sessions_open(&sessions, &config) == MG_OK);
    return sessions;
}

/* What the "server" answers for every partition of a round. */
typedef struct world {
    int64_t high_watermark;
    int64_t log_start_offset;
    int64_t records_size;
    int32_t only_index; /* records only there; -1: everywhere */
    int16_t error;
} world;

static const world quiet = {.high_watermark = 10, .only_index = -1};

typedef struct outcome {
    int16_t error;
    int32_t session_id;
    int32_t asked; /* items of the round */
    int32_t included;
    int32_t order[64]; /* indexes, as read */
    int64_t offsets[64];
    mg_fetch_kind kind;
} outcome;

static outcome read_and_answer(mg_fetch_context *context, world state, int64_t now_ms)
{
    outcome out = {.kind = context->kind};
    mg_fetch_item items[64];
    mg_fetch_context_rewind(context);
    while (mg_fetch_context_next(context, &items[out.asked])) {
        out.order[out.asked] = items[out.asked].part.index;
        out.offsets[out.asked] = items[out.asked].part.fetch_offset;
        out.asked++;
    }
    for (int32_t i = 0; i < out.asked; i++) {
        int32_t index = items[i].part.index;
        bool has_records = state.only_index < 0 || state.only_index == index;
        mg_fetch_result result =
            mg_fetch_found(index, state.high_watermark, state.high_watermark,
                           state.log_start_offset, has_records ? state.records_size : 0);
        result.error = state.error;
        if (mg_fetch_context_answer(context, &items[i], &result, now_ms)) out.included++;
    }
    out.error = mg_fetch_context_finish(context, now_ms, &out.session_id);
    mg_fetch_context_end(context);
    return out;
}

static outcome fetch(mg_fetch_sessions *sessions, const request_frame *frame, world state,
                     int64_t now_ms)
{
    mg_fetch_context context;
    int16_t error = mg_fetch_context_begin(&context, sessions, &frame->request, now_ms);
    outcome out = {.error = error};
    if (error == 0) out = read_and_answer(&context, state, now_ms);
    mg_fetch_sessions_check(sessions);
    return out;
}

static outcome ask_for(mg_fetch_sessions *sessions, int16_t version, int32_t session_id,
                       int32_t epoch, const ask *asks, int32_t count, world state, int64_t now_ms)
{
    request_frame frame;
    make_request(&frame, version, session_id, epoch, asks, count, NULL, 0);
    return fetch(sessions, &frame, state, now_ms);
}

static const ask three[] = {{"a", 0, 100}, {"a", 1, 200}, {"b", 2, 300}};

/* ---- Tests ---- */

static void sessionless_leaves_nothing_behind(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    outcome out = ask_for(sessions, 11, 0, -1, three, 3, quiet, 0);
    CHECK(out.error == 0 && out.session_id == 0 && out.included == 3);
    CHECK(out.kind == MG_FETCH_SESSIONLESS);
    CHECK(mg_fetch_sessions_count(sessions) == 0);
    CHECK(mg_fetch_sessions_partition_count(sessions) == 0);
    mg_fetch_sessions_close(sessions);
}

static void only_what_changed_is_told_again(void)
{
    for (int16_t version = 11; version <= 18; version++) {
        mg_fetch_sessions *sessions = open_sessions(10, 100);
        outcome out = ask_for(sessions, version, 0, 0, three, 3, quiet, 0);
        CHECK(out.error == 0 && out.included == 3 && out.kind == MG_FETCH_FULL);
        int32_t id = out.session_id;
        CHECK(id >> 27 == 2); /* the prefix */
        CHECK(mg_fetch_sessions_partition_count(sessions) == 3);

        out = ask_for(sessions, version, id, 1, NULL, 0, quiet, 1);
        CHECK(out.error == 0 && out.session_id == id && out.kind == MG_FETCH_INCREMENTAL);
        CHECK(out.asked == 3 && out.included == 0);
        CHECK(out.offsets[0] == 100 && out.offsets[2] == 300);

        world higher = quiet;
        higher.high_watermark = 11;
        CHECK(ask_for(sessions, version, id, 2, NULL, 0, higher, 2).included == 3);
        CHECK(ask_for(sessions, version, id, 3, NULL, 0, higher, 3).included == 0);
        world trimmed = higher;
        trimmed.log_start_offset = 5;
        CHECK(ask_for(sessions, version, id, 4, NULL, 0, trimmed, 4).included == 3);
        CHECK(ask_for(sessions, version, id, 5, NULL, 0, trimmed, 5).included == 0);
        world records = trimmed;
        records.records_size = 50;
        records.only_index = 1;
        CHECK(ask_for(sessions, version, id, 6, NULL, 0, records, 6).included == 1);
        mg_fetch_sessions_close(sessions);
    }
}

static void errors_are_always_told_and_so_is_their_end(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    world broken = quiet;
    broken.error = 6;
    CHECK(ask_for(sessions, 11, id, 1, NULL, 0, broken, 1).included == 3);
    CHECK(ask_for(sessions, 11, id, 2, NULL, 0, broken, 2).included == 3);
    CHECK(ask_for(sessions, 11, id, 3, NULL, 0, quiet, 3).included == 3);
    CHECK(ask_for(sessions, 11, id, 4, NULL, 0, quiet, 4).included == 0);
    mg_fetch_sessions_close(sessions);
}

static void served_partitions_go_to_the_back(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    world records = quiet;
    records.records_size = 50;
    records.only_index = 0;
    outcome out = ask_for(sessions, 11, id, 1, NULL, 0, records, 1);
    CHECK(out.order[0] == 0 && out.order[1] == 1 && out.order[2] == 2);
    records.only_index = 2;
    out = ask_for(sessions, 11, id, 2, NULL, 0, records, 2);
    CHECK(out.order[0] == 1 && out.order[1] == 2 && out.order[2] == 0);
    records.only_index = -1;
    out = ask_for(sessions, 11, id, 3, NULL, 0, records, 3);
    CHECK(out.order[0] == 1 && out.order[1] == 0 && out.order[2] == 2);
    out = ask_for(sessions, 11, id, 4, NULL, 0, quiet, 4);
    CHECK(out.order[0] == 1 && out.order[1] == 0 && out.order[2] == 2);
    mg_fetch_sessions_close(sessions);
}

static void partitions_are_added_changed_and_forgotten(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    const ask changed[] = {{"a", 1, 250}, {"c", 7, 1}};
    const ask forgotten[] = {{"a", 0, 0}, {"nobody", 0, 0}, {"b", 99, 0}};
    request_frame frame;
    make_request(&frame, 11, id, 1, changed, 2, forgotten, 3);
    outcome out = fetch(sessions, &frame, quiet, 1);
    CHECK(out.error == 0 && out.asked == 3);
    CHECK(out.order[0] == 1 && out.order[1] == 2 && out.order[2] == 7);
    CHECK(out.offsets[0] == 250 && out.offsets[1] == 300 && out.offsets[2] == 1);
    CHECK(out.included == 1); /* the new one was never told of */
    CHECK(mg_fetch_sessions_partition_count(sessions) == 3);
    mg_fetch_sessions_close(sessions);
}

static void a_session_without_partitions_ends(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 1, quiet, 0).session_id;
    request_frame frame;
    make_request(&frame, 11, id, 1, NULL, 0, three, 1);
    outcome out = fetch(sessions, &frame, quiet, 1);
    CHECK(out.error == 0 && out.session_id == 0 && out.asked == 0);
    CHECK(mg_fetch_sessions_count(sessions) == 0);
    CHECK(ask_for(sessions, 11, id, 2, NULL, 0, quiet, 2).error == MG_FETCH_SESSION_ID_NOT_FOUND);

    out = ask_for(sessions, 11, 0, 0, NULL, 0, quiet, 3); /* may begin empty, as in Kafka */
    CHECK(out.error == 0 && out.session_id != 0);
    mg_fetch_sessions_close(sessions);
}

static void epochs_ids_and_kinds_are_checked(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t names = ask_for(sessions, 12, 0, 0, three, 3, quiet, 0).session_id;
    int32_t ids = ask_for(sessions, 13, 0, 0, three, 3, quiet, 0).session_id;
    CHECK(names != ids);
    CHECK(ask_for(sessions, 12, names, 2, NULL, 0, quiet, 1).error ==
          MG_INVALID_FETCH_SESSION_EPOCH);
    CHECK(ask_for(sessions, 12, 1234, 1, NULL, 0, quiet, 1).error == MG_FETCH_SESSION_ID_NOT_FOUND);
    CHECK(ask_for(sessions, 12, ids, 1, NULL, 0, quiet, 1).error ==
          MG_FETCH_SESSION_TOPIC_ID_ERROR);
    CHECK(ask_for(sessions, 13, names, 1, NULL, 0, quiet, 1).error ==
          MG_FETCH_SESSION_TOPIC_ID_ERROR);
    CHECK(ask_for(sessions, 12, names, 1, NULL, 0, quiet, 1).error == 0); /* none of it counted */
    CHECK(ask_for(sessions, 12, names, 1, NULL, 0, quiet, 1).error ==
          MG_INVALID_FETCH_SESSION_EPOCH);
    mg_fetch_sessions_close(sessions);
}

static void full_and_final_fetches_close_their_session(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t first = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    outcome out = ask_for(sessions, 11, first, 0, three, 2, quiet, 0);
    CHECK(out.session_id != 0 && out.session_id != first && out.included == 2);
    CHECK(mg_fetch_sessions_count(sessions) == 1);
    out = ask_for(sessions, 11, out.session_id, -1, three, 1, quiet, 0);
    CHECK(out.error == 0 && out.session_id == 0 && out.included == 1);
    CHECK(mg_fetch_sessions_count(sessions) == 0);
    CHECK(mg_fetch_sessions_partition_count(sessions) == 0);
    mg_fetch_sessions_close(sessions);
}

static void a_duplicate_partition_counts_once(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    const ask twice[] = {{"a", 0, 100}, {"a", 0, 150}};
    int32_t id = ask_for(sessions, 11, 0, 0, twice, 2, quiet, 0).session_id;
    outcome out = ask_for(sessions, 11, id, 1, NULL, 0, quiet, 1);
    CHECK(out.asked == 1 && out.offsets[0] == 150);
    CHECK(mg_fetch_sessions_partition_count(sessions) == 1);
    mg_fetch_sessions_close(sessions);
}

static void an_overtaken_fetch_answers_with_an_error(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    request_frame slow;
    make_request(&slow, 11, id, 1, NULL, 0, NULL, 0);
    mg_fetch_context parked;
    CHECK(mg_fetch_context_begin(&parked, sessions, &slow.request, 1) == 0);
    mg_fetch_item item;
    CHECK(mg_fetch_context_next(&parked, &item));
    CHECK(mg_fetch_context_is_current(&parked));

    request_frame fast; /* forgets, and so frees, what the parked one may look at */
    make_request(&fast, 11, id, 2, NULL, 0, three, 2);
    CHECK(fetch(sessions, &fast, quiet, 2).error == 0);
    CHECK(!mg_fetch_context_is_current(&parked));
    mg_fetch_result result = mg_fetch_found(0, 99, 99, 0, 5);
    CHECK(!mg_fetch_context_next(&parked, &item));
    CHECK(!mg_fetch_context_answer(&parked, &item, &result, 3));
    int32_t session_id = 0;
    CHECK(mg_fetch_context_finish(&parked, 3, &session_id) == MG_INVALID_FETCH_SESSION_EPOCH);
    CHECK(session_id == id);
    mg_fetch_context_end(&parked);
    CHECK(ask_for(sessions, 11, id, 3, NULL, 0, quiet, 4).error == 0);
    mg_fetch_sessions_close(sessions);
}

static void a_parked_fetch_outlives_its_session(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    request_frame slow;
    make_request(&slow, 11, id, 1, NULL, 0, NULL, 0);
    mg_fetch_context parked;
    CHECK(mg_fetch_context_begin(&parked, sessions, &slow.request, 1) == 0);
    CHECK(ask_for(sessions, 11, id, -1, NULL, 0, quiet, 2).error == 0);
    CHECK(mg_fetch_sessions_count(sessions) == 0);
    outcome out = read_and_answer(&parked, quiet, 3);
    CHECK(out.error == 0 && out.asked == 3 && out.session_id == id);
    CHECK(mg_fetch_sessions_partition_count(sessions) == 0);
    mg_fetch_sessions_close(sessions);
}

static void an_unanswered_full_fetch_leaves_no_session(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    request_frame frame;
    make_request(&frame, 11, 0, 0, three, 3, NULL, 0);
    mg_fetch_context context;
    CHECK(mg_fetch_context_begin(&context, sessions, &frame.request, 0) == 0);
    mg_fetch_context_end(&context); /* the client went away while parked */

    CHECK(mg_fetch_context_begin(&context, sessions, &frame.request, 0) == 0);
    mg_fetch_item item;
    CHECK(mg_fetch_context_next(&context, &item));
    mg_fetch_result result = mg_fetch_found(0, 1, 1, 0, 0);
    CHECK(mg_fetch_context_answer(&context, &item, &result, 0));
    CHECK(mg_fetch_sessions_count(sessions) == 1);
    mg_fetch_context_end(&context); /* … or before its reply was written */
    CHECK(mg_fetch_sessions_count(sessions) == 0);
    CHECK(mg_fetch_sessions_partition_count(sessions) == 0);
    mg_fetch_sessions_close(sessions);
}

static void the_idle_give_way_and_the_busy_do_not(void)
{
    mg_fetch_sessions *sessions = open_sessions(2, 100);
    int32_t first = ask_for(sessions, 11, 0, 0, three, 1, quiet, 0).session_id;
    int32_t second = ask_for(sessions, 11, 0, 0, three, 1, quiet, 10).session_id;
    outcome out = ask_for(sessions, 11, 0, 0, three, 3, quiet, 20);
    CHECK(out.error == 0 && out.session_id == 0 && out.included == 3); /* legal: no session */
    CHECK(mg_fetch_sessions_count(sessions) == 2);

    CHECK(ask_for(sessions, 11, first, 1, NULL, 0, quiet, 100000).error == 0);
    int32_t third = ask_for(sessions, 11, 0, 0, three, 1, quiet, 120011).session_id;
    CHECK(third != 0); /* the second had been idle for longest */
    CHECK(ask_for(sessions, 11, second, 1, NULL, 0, quiet, 120012).error ==
          MG_FETCH_SESSION_ID_NOT_FOUND);
    CHECK(ask_for(sessions, 11, first, 2, NULL, 0, quiet, 120013).error == 0);
    mg_fetch_sessions_close(sessions);
}

static void a_larger_session_displaces_one_that_has_lived(void)
{
    mg_fetch_sessions *sessions = open_sessions(1, 100);
    int32_t small = ask_for(sessions, 11, 0, 0, three, 2, quiet, 0).session_id;
    CHECK(ask_for(sessions, 11, small, 1, NULL, 0, quiet, 120001).error == 0);
    CHECK(ask_for(sessions, 11, 0, 0, three, 2, quiet, 120002).session_id == 0); /* not larger */
    CHECK(ask_for(sessions, 11, 0, 0, three, 3, quiet, 120003).session_id != 0);
    CHECK(mg_fetch_sessions_count(sessions) == 1);
    mg_fetch_sessions_close(sessions);
}

static void a_follower_displaces_consumers_only(void)
{
    mg_fetch_sessions *sessions = open_sessions(1, 100);
    CHECK(ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id != 0);
    request_frame frame;
    make_request(&frame, 11, 0, 0, three, 1, NULL, 0);
    frame.request.replica_id = 7;
    CHECK(fetch(sessions, &frame, quiet, 1).session_id != 0);
    CHECK(fetch(sessions, &frame, quiet, 2).session_id == 0);
    CHECK(ask_for(sessions, 11, 0, 0, three, 3, quiet, 3).session_id == 0);
    mg_fetch_sessions_close(sessions);
}

static void partitions_are_bounded_over_all_sessions(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 4);
    int32_t first = ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id;
    CHECK(first != 0);
    CHECK(ask_for(sessions, 11, 0, 0, three, 2, quiet, 1).session_id == 0);
    const ask more[] = {{"c", 0, 0}, {"c", 1, 0}};
    CHECK(ask_for(sessions, 11, first, 1, more, 1, quiet, 2).error == 0);  /* four: full */
    CHECK(ask_for(sessions, 11, first, 2, three, 3, quiet, 3).error == 0); /* changes only */
    CHECK(ask_for(sessions, 11, first, 3, more, 2, quiet, 4).error ==
          MG_FETCH_SESSION_ID_NOT_FOUND); /* no room: the client is to begin anew */
    CHECK(mg_fetch_sessions_partition_count(sessions) == 0);
    mg_fetch_sessions_close(sessions);

    sessions = open_sessions(0, 4);
    CHECK(ask_for(sessions, 11, 0, 0, three, 3, quiet, 0).session_id == 0);
    mg_fetch_sessions_close(sessions);
}

static void a_slot_keeps_its_note(void)
{
    mg_fetch_sessions *sessions = open_sessions(10, 100);
    int32_t id = ask_for(sessions, 11, 0, 0, three, 1, quiet, 0).session_id;
    int thing = 0;
    for (int32_t epoch = 1; epoch < 3; epoch++) {
        request_frame frame;
        make_request(&frame, 11, id, epoch, three, 1, NULL, 0);
        mg_fetch_context context;
        CHECK(mg_fetch_context_begin(&context, sessions, &frame.request, 1) == 0);
        mg_fetch_item item;
        CHECK(mg_fetch_context_next(&context, &item));
        mg_fetch_slot_note *note = mg_fetch_slot_note_of(item.slot);
        CHECK(note->partition == (epoch == 1 ? NULL : &thing));
        note->partition = &thing;
        mg_fetch_context_end(&context);
    }
    mg_fetch_sessions_close(sessions);
}

static void many_sessions_are_told_apart(void)
{
    mg_fetch_sessions *sessions = open_sessions(1000, 100000);
    int32_t ids[1000];
    for (int32_t i = 0; i < 1000; i++) {
        ids[i] = ask_for(sessions, 11, 0, 0, &three[i % 3], 1, quiet, 0).session_id;
    }
    for (int32_t i = 0; i < 1000; i++) {
        outcome out = {.error = -1};
        request_frame frame;
        make_request(&frame, 11, ids[i], 1, NULL, 0, NULL, 0);
        mg_fetch_context context;
        CHECK(mg_fetch_context_begin(&context, sessions, &frame.request, 1) == 0);
        out = read_and_answer(&context, quiet, 1);
        CHECK(out.error == 0 && out.order[0] == three[i % 3].index);
    }
    mg_fetch_sessions_close(sessions);
}

int main(void)
{
    sessionless_leaves_nothing_behind();
    only_what_changed_is_told_again();
    errors_are_always_told_and_so_is_their_end();
    served_partitions_go_to_the_back();
    partitions_are_added_changed_and_forgotten();
    a_session_without_partitions_ends();
    epochs_ids_and_kinds_are_checked();
    full_and_final_fetches_close_their_session();
    a_duplicate_partition_counts_once();
    an_overtaken_fetch_answers_with_an_error();
    a_parked_fetch_outlives_its_session();
    an_unanswered_full_fetch_leaves_no_session();
    the_idle_give_way_and_the_busy_do_not();
    a_larger_session_displaces_one_that_has_lived();
    a_follower_displaces_consumers_only();
    partitions_are_bounded_over_all_sessions();
    a_slot_keeps_its_note();
    many_sessions_are_told_apart();
    puts("fetch_session_test: ok");
}
