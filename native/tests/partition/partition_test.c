/* The append turn loses nothing, watches tell once and never too late, a removed partition answers
 * everybody. */
#include "partition/yard.h"

enum {
    LETTER_WATCH = 21,
    APPENDERS = 3,
    APPENDS = 4000, /* of each */
    IN_FLIGHT = 64,
};

static void append_one(yard *y, mg_mailbox *home, parcel *p, frame batch)
{
    parcel_fill(p, home, batch);
    mg_partition_submit(y->partition, &p->append);
    mg_partition_drain(y->partition, 1000);
    CHECK(wait_for_parcel(home) == p);
}

/* ---- Appending ---- */

static void an_append_is_answered_with_its_offset(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel p;
    for (int64_t i = 0; i < 5; i++) {
        append_one(&y, &home, &p, make_batch(3, 10, -1, 0));
        CHECK(p.append.status == MG_OK);
        CHECK(p.append.item.verdict == MG_APPEND_DONE);
        CHECK(p.append.item.base_offset == i * 3);
        CHECK(p.append.log_start_offset == 0);
        frame_free(&p.batch);
    }
    CHECK(mg_partition_high_watermark(y.partition) == 15);
    CHECK(mg_partition_last_stable_offset(y.partition) == 15);
    CHECK(mg_partition_leader_epoch(y.partition) == 3);
    CHECK(mg_partition_log(y.partition) == y.log);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

typedef struct appender {
    pthread_t thread;
    yard *yard;
    mg_mailbox home;
    parcel parcels[IN_FLIGHT];
    int64_t last_offset;
    int answered;
    bool *seen; /* offsets, shared: each is written once */
} appender;

static void collect(appender *a, parcel *free_list[], int *free_count)
{
    mg_letter *l = wait_for_mail(&a->home, 10000);
    CHECK(l != NULL);
    while (l != NULL) {
        mg_letter *next = l->next;
        parcel *p = (parcel *)(void *)l;
        CHECK(p->append.status == MG_OK);
        CHECK(p->append.item.base_offset > a->last_offset); /* in the order of submission */
        a->last_offset = p->append.item.base_offset;
        CHECK(!a->seen[a->last_offset]);
        a->seen[a->last_offset] = true;
        a->answered++;
        free_list[(*free_count)++] = p;
        l = next;
    }
}

static void *append_many(void *argument)
{
    appender *a = argument;
    parcel *free_list[IN_FLIGHT];
    int free_count = 0;
    frame batch = make_batch(1, 40, -1, 0);
    for (int i = 0; i < IN_FLIGHT; i++) {
        frame own = {.data = malloc(batch.size), .size = batch.size};
        CHECK(own.data != NULL);
        memcpy(own.data, batch.data, batch.size);
        parcel_fill(&a->parcels[i], &a->home, own);
        free_list[free_count++] = &a->parcels[i];
    }
    int sent = 0;
    while (a->answered < APPENDS) {
        int before = sent;
        while (free_count > 0 && sent < APPENDS) {
            mg_partition_submit(a->yard->partition, &free_list[--free_count]->append);
            sent++;
        }
        /* Once: whoever has the turn must see to the rest. */
        if (sent > before) mg_partition_drain(a->yard->partition, 1000);
        collect(a, free_list, &free_count);
    }
    for (int i = 0; i < IN_FLIGHT; i++) frame_free(&a->parcels[i].batch);
    frame_free(&batch);
    return NULL;
}

/* P1, P4: also while segments roll under the appenders. */
static void many_appenders_lose_nothing(int64_t segment_size_max)
{
    yard y;
    mg_log_config config = plain_log_config();
    config.segment_size_max = segment_size_max;
    yard_open(&y, &config, true);
    static appender appenders[APPENDERS];
    bool *seen = calloc(APPENDERS * APPENDS, 1);
    CHECK(seen != NULL);
    for (int i = 0; i < APPENDERS; i++) {
        appenders[i] = (appender){.yard = &y, .last_offset = -1, .seen = seen};
        CHECK(mg_mailbox_init(&appenders[i].home, NULL) == MG_OK);
        CHECK(pthread_create(&appenders[i].thread, NULL, append_many, &appenders[i]) == 0);
    }
    for (int i = 0; i < APPENDERS; i++) {
        pthread_join(appenders[i].thread, NULL);
        mg_mailbox_deinit(&appenders[i].home);
    }
    CHECK(mg_log_end_offset(y.log) == (int64_t)APPENDERS * APPENDS);
    for (int i = 0; i < APPENDERS * APPENDS; i++) CHECK(seen[i]);
    free(seen);
    yard_close(&y);
}

static void *drain_once(void *argument)
{
    yard *y = argument;
    mg_partition_drain(y->partition, 1000);
    return NULL;
}

/* P4: the drainer sits in its write when the second append comes, and nobody else drains. */
static void the_holder_of_the_turn_sees_what_came_meanwhile(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel p;
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0)); /* makes room, by a worker */
    frame_free(&p.batch);
    while (!mg_partition_is_quiet(y.partition)) usleep(100);
    parcel first;
    parcel second;
    parcel_fill(&first, &home, make_batch(1, 10, -1, 0));
    parcel_fill(&second, &home, make_batch(1, 10, -1, 0));
    gate_set_for_writes(true);
    mg_partition_submit(y.partition, &first.append);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, drain_once, &y) == 0);
    gate_wait_for_write();
    mg_partition_submit(y.partition, &second.append);
    mg_partition_drain(y.partition, 1000); /* returns at once: the turn is taken */
    CHECK(mg_mailbox_is_empty(&home));
    gate_set_for_writes(false);
    CHECK(wait_for_mail(&home, 5000) == &first.append.letter);
    pthread_join(thread, NULL);
    if (first.append.letter.next == NULL) CHECK(wait_for_parcel(&home) == &second);
    CHECK(second.append.item.base_offset == 2);
    frame_free(&first.batch);
    frame_free(&second.batch);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void appends_wait_while_a_worker_makes_room(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    config.segment_size_max = 2000;
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel parcels[20];
    for (size_t i = 0; i < 20; i++) {
        parcel_fill(&parcels[i], &home, make_batch(1, 500, -1, 0));
        mg_partition_submit(y.partition, &parcels[i].append);
    }
    mg_partition_drain(y.partition, 1000);
    int64_t next = 0;
    while (next < 20) {
        mg_letter *letter = wait_for_mail(&home, 5000);
        CHECK(letter != NULL);
        for (; letter != NULL; letter = letter->next, next++)
            CHECK(letter == &parcels[next].append.letter);
    }
    for (int64_t i = 0; i < 20; i++) {
        CHECK(parcels[i].append.status == MG_OK);
        CHECK(parcels[i].append.item.base_offset == i);
        frame_free(&parcels[i].batch);
    }
    CHECK(mg_log_segment_count(y.log) > 3);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void a_worker_drains_for_whoever_may_not_be_kept(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel p;
    parcel_fill(&p, &home, make_batch(1, 10, -1, 0));
    mg_partition_submit(y.partition, &p.append);
    mg_partition_drain_later(y.partition, 1000);
    CHECK(wait_for_parcel(&home) == &p);
    CHECK(p.append.status == MG_OK);
    frame_free(&p.batch);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void a_worker_seals_a_segment_between_appends(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel p;
    for (int64_t i = 0; i < 10; i++) {
        append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
        CHECK(p.append.item.base_offset == i);
        frame_free(&p.batch);
        mg_partition_roll_later(y.partition);
        if (i % 2 == 0) continue; /* the next append may overtake it, or come after */
        while (!mg_partition_is_quiet(y.partition)) usleep(100);
        CHECK(mg_log_segment_count(y.log) > i / 2 + 1);
    }
    CHECK(mg_log_end_offset(y.log) == 10);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void what_nobody_waits_for_is_flushed_as_well(void)
{
    enum { BATCH_SIZE = 60 * 1000, SEGMENT_SIZE = 16 * 1000 * 1000 };
    yard y;
    mg_log_config config = plain_log_config();
    config.segment_size_max = SEGMENT_SIZE;
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel p;
    frame batch = make_batch(1, BATCH_SIZE, -1, 0);
    int64_t appended = 0;
    while (mg_partition_advances(y.partition) == 0) {
        append_one(&y, &home, &p, batch);
        appended += (int64_t)batch.size;
        while (!mg_partition_is_quiet(y.partition)) usleep(100);
        /* Nothing but the segment that is being written has to be checked after a crash. */
        CHECK(appended - mg_log_flushed_size(y.log) <= SEGMENT_SIZE + BATCH_SIZE);
        int32_t deleted;
        CHECK(mg_log_delete_old(y.log, -1, 0, INT64_MAX, 1, &deleted, NULL) == MG_OK);
    }
    CHECK(appended >= 256 * 1024 * 1024 && appended < 256 * 1024 * 1024 + 2 * SEGMENT_SIZE);
    frame_free(&batch);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void a_full_disk_refuses_and_may_be_tried_again(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    parcel p;
    atomic_store(&the_gate.reserve_failure, MG_NO_SPACE);
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    CHECK(p.append.status == MG_NO_SPACE);
    CHECK(mg_partition_is_full(y.partition));
    CHECK(mg_log_end_offset(y.log) == 0);
    frame_free(&p.batch);
    atomic_store(&the_gate.reserve_failure, MG_OK);
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    CHECK(p.append.status == MG_OK);
    CHECK(p.append.item.base_offset == 0);
    frame_free(&p.batch);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void a_failed_write_poisons_and_tells_every_watch(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    mg_mailbox watcher;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    CHECK(mg_mailbox_init(&watcher, NULL) == MG_OK);
    mg_watch *watch = mg_partition_watch(y.partition, 5, &watcher, LETTER_WATCH);
    parcel p;
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    frame_free(&p.batch);
    atomic_store(&the_gate.write_failure, MG_IO);
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    CHECK(p.append.status == MG_IO);
    frame_free(&p.batch);
    CHECK(wait_for_mail(&watcher, 5000) == &watch->letter); /* although it was not armed */
    mg_watch_opened(watch);
    CHECK(mg_log_health(y.log, NULL) == MG_IO);
    atomic_store(&the_gate.write_failure, MG_OK);
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    CHECK(p.append.status == MG_IO);
    frame_free(&p.batch);
    yard_close_watched(&y, &watcher);
    mg_mailbox_deinit(&watcher);
    mg_mailbox_deinit(&home);
}

/* ---- Watching ---- */

static void a_watch_tells_once_for_each_arming(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    mg_mailbox watcher;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    CHECK(mg_mailbox_init(&watcher, NULL) == MG_OK);
    mg_watch *watch = mg_partition_watch(y.partition, 0, &watcher, LETTER_WATCH);
    CHECK(watch != NULL);
    CHECK(mg_partition_watch(y.partition, 0, &watcher, LETTER_WATCH) == watch);
    parcel p;
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    frame_free(&p.batch);
    while (!mg_partition_is_quiet(y.partition)) usleep(100); /* a worker made room for the first */
    CHECK(mg_mailbox_take(&watcher) == NULL);                /* not armed */
    for (int i = 0; i < 3; i++) {
        mg_partition_arm(y.partition, 0, MG_WATCH_DATA);
        append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
        frame_free(&p.batch);
        append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
        frame_free(&p.batch);
        mg_letter *letter = mg_mailbox_take(&watcher);
        CHECK(letter == &watch->letter);
        CHECK(letter->next == NULL);
        CHECK(letter->kind == LETTER_WATCH);
        mg_watch_opened(watch);
    }
    yard_close_watched(&y, &watcher);
    mg_mailbox_deinit(&watcher);
    mg_mailbox_deinit(&home);
}

typedef struct ticker {
    yard *yard;
    mg_mailbox home;
    int count;
} ticker;

static void *tick(void *argument)
{
    ticker *t = argument;
    parcel p;
    for (int i = 0; i < t->count; i++) {
        append_one(t->yard, &t->home, &p, make_batch(1, 10, -1, 0));
        CHECK(p.append.status == MG_OK);
        frame_free(&p.batch);
    }
    return NULL;
}

/* P2, P3: whoever arms and looks again misses nothing, or this would hang. */
static void no_news_is_missed_between_arming_and_looking(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    ticker t = {.yard = &y, .count = 3000};
    CHECK(mg_mailbox_init(&t.home, NULL) == MG_OK);
    mg_mailbox watcher;
    CHECK(mg_mailbox_init(&watcher, NULL) == MG_OK);
    mg_watch *watch = mg_partition_watch(y.partition, 1, &watcher, LETTER_WATCH);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, tick, &t) == 0);
    int64_t seen = 0;
    while (seen < t.count) {
        mg_partition_arm(y.partition, 1, MG_WATCH_DATA);
        int64_t end_offset = mg_log_end_offset(y.log);
        if (end_offset > seen) {
            seen = end_offset;
            continue;
        }
        mg_letter *letter = wait_for_mail(&watcher, 5000);
        if (letter != NULL) mg_watch_opened(watch);
        /* A letter may be left from an arming whose news were seen by looking. */
        CHECK(letter != NULL || mg_log_end_offset(y.log) > seen);
    }
    pthread_join(thread, NULL);
    yard_close_watched(&y, &watcher);
    mg_mailbox_deinit(&watcher);
    mg_mailbox_deinit(&t.home);
}

/* ---- Flushing ---- */

/* P6 */
static void one_flush_more_answers_all_who_asked_during_one(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    mg_mailbox watcher;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    CHECK(mg_mailbox_init(&watcher, NULL) == MG_OK);
    mg_watch *watch = mg_partition_watch(y.partition, 2, &watcher, LETTER_WATCH);
    parcel p;
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    frame_free(&p.batch);
    atomic_store(&the_gate.sync_count, 0);

    gate_set(true);
    mg_partition_want_flush(y.partition);
    gate_wait_for_sync();
    CHECK(!mg_partition_is_quiet(y.partition));
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0)); /* an append does not wait for a flush */
    frame_free(&p.batch);
    CHECK(mg_log_durable_end(y.log) == 0);
    mg_partition_arm(y.partition, 2, MG_WATCH_DURABLE);
    for (int i = 0; i < 100; i++) mg_partition_want_flush(y.partition);
    gate_set(false);

    while (mg_log_durable_end(y.log) < 2) {
        CHECK(wait_for_mail(&watcher, 5000) == &watch->letter);
        mg_watch_opened(watch);
        mg_partition_arm(y.partition, 2, MG_WATCH_DURABLE);
    }
    while (!mg_partition_is_quiet(y.partition)) usleep(100);
    CHECK(atomic_load(&the_gate.sync_count) < 20); /* not one for each who asked */
    yard_close_watched(&y, &watcher);
    mg_mailbox_deinit(&watcher);
    mg_mailbox_deinit(&home);
}

static void a_failed_flush_tells_those_who_wait(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    mg_mailbox watcher;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    CHECK(mg_mailbox_init(&watcher, NULL) == MG_OK);
    mg_watch *watch = mg_partition_watch(y.partition, 2, &watcher, LETTER_WATCH);
    parcel p;
    append_one(&y, &home, &p, make_batch(1, 10, -1, 0));
    frame_free(&p.batch);
    atomic_store(&the_gate.sync_failure, MG_IO);
    mg_partition_arm(y.partition, 2, MG_WATCH_DURABLE);
    mg_partition_want_flush(y.partition);
    CHECK(wait_for_mail(&watcher, 5000) == &watch->letter);
    CHECK(mg_log_health(y.log, NULL) == MG_IO);
    CHECK(mg_log_durable_end(y.log) == 0);
    mg_watch_opened(watch);
    yard_close_watched(&y, &watcher);
    mg_mailbox_deinit(&watcher);
    mg_mailbox_deinit(&home);
}

/* ---- The end ---- */

static void a_shut_partition_refuses_and_tells(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    mg_mailbox home;
    mg_mailbox watcher;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    CHECK(mg_mailbox_init(&watcher, NULL) == MG_OK);
    mg_watch *watch = mg_partition_watch(y.partition, 2, &watcher, LETTER_WATCH);
    parcel queued;
    parcel_fill(&queued, &home, make_batch(1, 10, -1, 0));
    mg_partition_submit(y.partition, &queued.append);
    CHECK(!mg_partition_is_shut(y.partition));
    mg_partition_shut(y.partition);
    CHECK(mg_partition_is_shut(y.partition));
    CHECK(mg_mailbox_take(&watcher) == &watch->letter);
    mg_watch_opened(watch);
    CHECK(wait_for_parcel(&home) == &queued); /* answered by a worker: nobody need drain */
    CHECK(queued.append.status == MG_CLOSED);
    frame_free(&queued.batch);
    parcel late;
    append_one(&y, &home, &late, make_batch(1, 10, -1, 0));
    CHECK(late.append.status == MG_CLOSED);
    frame_free(&late.batch);
    CHECK(mg_log_end_offset(y.log) == 0);
    mg_partition_want_flush(y.partition); /* nothing: those who wait are told otherwise */
    while (!mg_partition_is_quiet(y.partition)) usleep(100);

    /* P5: a job of somebody else's counts like our own. */
    mg_partition_retain(y.partition);
    CHECK(!mg_partition_is_quiet(y.partition));
    mg_partition_release(y.partition);
    CHECK(mg_partition_is_quiet(y.partition));
    yard_close_watched(&y, &watcher);
    mg_mailbox_deinit(&watcher);
    mg_mailbox_deinit(&home);
}

int main(void)
{
    an_append_is_answered_with_its_offset();
    many_appenders_lose_nothing(1 << 30);
    many_appenders_lose_nothing(50000);
    the_holder_of_the_turn_sees_what_came_meanwhile();
    appends_wait_while_a_worker_makes_room();
    a_worker_drains_for_whoever_may_not_be_kept();
    a_worker_seals_a_segment_between_appends();
    what_nobody_waits_for_is_flushed_as_well();
    a_full_disk_refuses_and_may_be_tried_again();
    a_failed_write_poisons_and_tells_every_watch();
    a_watch_tells_once_for_each_arming();
    no_news_is_missed_between_arming_and_looking();
    one_flush_more_answers_all_who_asked_during_one();
    a_failed_flush_tells_those_who_wait();
    a_shut_partition_refuses_and_tells();
    puts("partition_test: ok");
}
