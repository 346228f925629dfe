/* What is asked of compressed records is answered, and nothing overtakes who is asked. */
#include "partition/yard.h"

#include "base/bounds.h"

enum {
    APPENDERS = 3,
    APPENDS = 1000, /* of each */
    REFUSED_EACH = 7,
    ALL_KEYED = 0,
};

static mg_batch_rules wanting_keys(void)
{
    return (mg_batch_rules){.size_max = 1 << 20,
                            .timestamp_before_max_ms = INT64_MAX,
                            .timestamp_after_max_ms = INT64_MAX,
                            .requires_keys = true,
                            .zstd_allowed = true};
}

/* ---- The look ---- */

typedef struct look {
    mg_opening opening;
    mg_batch_header header;
    mg_scratch plain;
    mg_codecs codecs;
    frame batch;
} look;

static mg_status look_at(look *l, frame batch)
{
    *l = (look){.opening = {.rules = wanting_keys()}, .codecs = turning_codecs(), .batch = batch};
    mg_span bytes = {.data = batch.data, .size = batch.size};
    CHECK(mg_batch_check(bytes, &l->header) == MG_OK);
    return mg_opening_look(&l->opening, &l->codecs, &l->plain, batch.data, &l->header);
}

static void look_away(look *l)
{
    free(l->opening.refusals);
    mg_scratch_deinit(&l->plain);
    frame_free(&l->batch);
}

static void keys_are_looked_for(void)
{
    look l;
    CHECK(look_at(&l, close_batch(make_batch_with_keys(3, ALL_KEYED, 20, -1, 0))) == MG_OK);
    CHECK(l.opening.finding.fault == MG_BATCH_FINE && l.opening.refusals == NULL);
    look_away(&l);

    CHECK(look_at(&l, close_batch(make_batch_with_keys(5, 0x12, 20, -1, 0))) == MG_OK);
    CHECK(l.opening.finding.fault == MG_BATCH_INVALID_RECORD);
    CHECK(l.opening.finding.refused_count == 2);
    CHECK(l.opening.refusals[0].record_index == 1 && l.opening.refusals[1].record_index == 4);
    CHECK(l.opening.refusals[0].fault == MG_BATCH_INVALID_RECORD);
    look_away(&l);
}

static void what_cannot_be_opened_is_a_fault_of_the_batch(void)
{
    frame batch = close_batch(make_batch_with_keys(3, ALL_KEYED, 20, -1, 0));
    mg_batch_header header;
    CHECK(mg_batch_check((mg_span){.data = batch.data, .size = batch.size}, &header) == MG_OK);
    batch.data[MG_BATCH_HEADER_SIZE] ^= 1; /* not of the codec */
    mg_batch_seal(batch.data, &header);
    look l;
    CHECK(look_at(&l, batch) == MG_OK);
    CHECK(l.opening.finding.fault == MG_BATCH_INVALID_RECORD && l.opening.refusals == NULL);
    look_away(&l);

    batch = close_batch(make_batch_with_keys(3, ALL_KEYED, 20, -1, 0));
    header.attributes = MG_CODEC_ZSTD; /* whose slot is empty */
    mg_batch_seal(batch.data, &header);
    CHECK(look_at(&l, batch) == MG_OK);
    CHECK(l.opening.finding.fault == MG_BATCH_UNSUPPORTED_CODEC);
    look_away(&l);

    batch = close_batch(make_batch_with_keys(3, ALL_KEYED, 20, -1, 0));
    header.attributes = MG_CODEC_LZ4;
    header.record_count = 4; /* one more than there are */
    header.last_offset_delta = 3;
    mg_batch_seal(batch.data, &header);
    CHECK(look_at(&l, batch) == MG_OK);
    CHECK(l.opening.finding.fault == MG_BATCH_INVALID_RECORD);
    look_away(&l);
}

static mg_status swell(void *state, mg_span bytes, mg_writer *out)
{
    static const uint8_t zeros[1 << 20];
    (void)state, (void)bytes;
    for (size_t i = 0; i <= MG_BATCH_OPENED_SIZE_MAX / sizeof zeros; i++)
        mg_write_bytes(out, zeros, sizeof zeros);
    return MG_OK;
}

static void what_opens_to_too_much_is_too_large(void)
{
    frame batch = close_batch(make_batch_with_keys(1, ALL_KEYED, 20, -1, 0));
    mg_codecs codecs = {0};
    codecs.by_id[MG_CODEC_LZ4].decompress = swell;
    mg_opening opening = {.rules = wanting_keys()};
    mg_scratch plain = {.data = NULL};
    mg_batch_header header;
    CHECK(mg_batch_check((mg_span){.data = batch.data, .size = batch.size}, &header) == MG_OK);
    CHECK(mg_opening_look(&opening, &codecs, &plain, batch.data, &header) == MG_OK);
    CHECK(opening.finding.fault == MG_BATCH_TOO_LARGE);
    mg_scratch_deinit(&plain);
    frame_free(&batch);
}

static void a_maximum_timestamp_is_corrected(void)
{
    frame batch = close_batch(make_batch_with_keys(3, ALL_KEYED, 20, -1, 0));
    mg_span bytes = {.data = batch.data, .size = batch.size};
    mg_batch_header header;
    CHECK(mg_batch_check(bytes, &header) == MG_OK);
    header.max_timestamp = 999999; /* the records end at 1002 */
    mg_batch_seal(batch.data, &header);
    look l;
    CHECK(look_at(&l, batch) == MG_OK);
    CHECK(l.opening.finding.fault == MG_BATCH_FINE);
    CHECK(mg_batch_check(bytes, &header) == MG_OK && header.max_timestamp == 1002);
    CHECK(l.header.max_timestamp == 1002 && l.header.crc == header.crc);
    look_away(&l);
}

/* ---- The order ---- */

static void wait_for_answers(mg_mailbox *home, int count)
{
    while (count > 0) {
        mg_letter *l = wait_for_mail(home, 10000);
        CHECK(l != NULL);
        for (; l != NULL; l = l->next) count--;
    }
    CHECK(count == 0);
}

static pthread_mutex_t bolt = PTHREAD_MUTEX_INITIALIZER; /* the opener waits for it */
static atomic_int at_the_bolt;

static mg_status turn_back_when_let(void *state, mg_span bytes, mg_writer *out)
{
    atomic_fetch_add(&at_the_bolt, 1);
    pthread_mutex_lock(&bolt);
    pthread_mutex_unlock(&bolt);
    atomic_fetch_sub(&at_the_bolt, 1);
    return turn_back(state, bytes, out);
}

static pthread_mutex_t second_bolt = PTHREAD_MUTEX_INITIALIZER;

static mg_status turn_back_at_the_second_bolt(void *state, mg_span bytes, mg_writer *out)
{
    pthread_mutex_lock(&second_bolt);
    pthread_mutex_unlock(&second_bolt);
    return turn_back(state, bytes, out);
}

static void wait_for_the_opener(void)
{
    while (atomic_load(&at_the_bolt) == 0) usleep(100);
}

static void nothing_overtakes_what_is_opened(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    y.codecs.by_id[MG_CODEC_LZ4].decompress = turn_back_when_let;
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    mg_opening openings[2] = {{.rules = wanting_keys()}, {.rules = wanting_keys()}};
    parcel parcels[4];
    for (int i = 0; i < 4; i++) {
        bool is_closed = i < 2;
        frame batch = make_batch_with_keys(1, i == 1, 10, -1, 0);
        parcel_fill(&parcels[i], &home, is_closed ? close_batch(batch) : batch);
        if (is_closed) parcels[i].append.opening = &openings[i];
    }
    pthread_mutex_lock(&bolt);
    for (int i = 0; i < 3; i++) mg_partition_submit(y.partition, &parcels[i].append);
    mg_partition_drain(y.partition, 1000);
    wait_for_the_opener();
    CHECK(!mg_partition_is_quiet(y.partition));
    CHECK(mg_mailbox_is_empty(&home));
    pthread_mutex_unlock(&bolt);

    wait_for_answers(&home, 3);
    CHECK(parcels[0].append.status == MG_OK && parcels[0].append.item.base_offset == 0);
    CHECK(parcels[1].append.status == MG_CORRUPT && openings[1].finding.refused_count == 1);
    CHECK(parcels[1].append.log_start_offset == 0);
    CHECK(parcels[2].append.status == MG_OK && parcels[2].append.item.base_offset == 1);

    while (!mg_partition_is_quiet(y.partition)) usleep(100);
    mg_partition_submit(y.partition, &parcels[3].append); /* no opener in its way any more */
    mg_partition_drain(y.partition, 1000);
    CHECK(!mg_mailbox_is_empty(&home));
    CHECK(wait_for_parcel(&home) == &parcels[3] && parcels[3].append.item.base_offset == 2);
    free(openings[1].refusals);
    for (int i = 0; i < 4; i++) frame_free(&parcels[i].batch);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

static void what_waits_to_be_opened_is_answered_when_the_partition_is_shut(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    y.codecs.by_id[MG_CODEC_LZ4].decompress = turn_back_when_let;
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    mg_opening openings[2] = {{.rules = wanting_keys()}, {.rules = wanting_keys()}};
    parcel parcels[2];
    pthread_mutex_lock(&bolt);
    for (int i = 0; i < 2; i++) {
        parcel_fill(&parcels[i], &home, close_batch(make_batch_with_keys(1, 0, 10, -1, 0)));
        parcels[i].append.opening = &openings[i];
        mg_partition_submit(y.partition, &parcels[i].append);
        if (i == 0) wait_for_the_opener();
    }
    mg_partition_shut(y.partition);
    CHECK(!mg_partition_is_quiet(y.partition));
    pthread_mutex_unlock(&bolt);
    wait_for_answers(&home, 2);
    for (int i = 0; i < 2; i++) {
        CHECK(parcels[i].append.status == MG_CLOSED);
        frame_free(&parcels[i].batch);
    }
    CHECK(mg_log_end_offset(y.log) == 0);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

/* Each batch that is opened is appended, and answered, before the next one is looked at. */
static void what_was_opened_does_not_wait_for_the_rest(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    y.codecs.by_id[MG_CODEC_LZ4].decompress = turn_back_when_let;
    mg_mailbox home;
    CHECK(mg_mailbox_init(&home, NULL) == MG_OK);
    mg_opening openings[2] = {{.rules = wanting_keys()}, {.rules = wanting_keys()}};
    parcel parcels[3]; /* closed, plain, closed */
    for (int i = 0; i < 3; i++) {
        frame batch = make_batch_with_keys(1, 0, 10, -1, 0);
        parcel_fill(&parcels[i], &home, i == 1 ? batch : close_batch(batch));
        if (i != 1) parcels[i].append.opening = &openings[i / 2];
    }
    pthread_mutex_lock(&bolt);
    for (int i = 0; i < 3; i++) mg_partition_submit(y.partition, &parcels[i].append);
    wait_for_the_opener();
    y.codecs.by_id[MG_CODEC_LZ4].decompress = turn_back_at_the_second_bolt;
    pthread_mutex_lock(&second_bolt);
    pthread_mutex_unlock(&bolt);
    wait_for_answers(&home, 2);
    CHECK(parcels[1].append.item.base_offset == 1); /* while the third is being opened, or waits */
    CHECK(mg_mailbox_is_empty(&home));
    pthread_mutex_unlock(&second_bolt);
    CHECK(wait_for_parcel(&home) == &parcels[2] && parcels[2].append.item.base_offset == 2);
    for (int i = 0; i < 3; i++) frame_free(&parcels[i].batch);
    yard_close(&y);
    mg_mailbox_deinit(&home);
}

typedef struct appender {
    pthread_t thread;
    yard *yard;
    mg_mailbox home;
    parcel parcels[APPENDS];
    mg_opening openings[APPENDS];
} appender;

/* By turns closed and plain, some without a key, sent in bursts. */
static void *append_many(void *argument)
{
    appender *a = argument;
    for (int i = 0; i < APPENDS; i++) {
        frame batch = make_batch_with_keys(1, i % REFUSED_EACH == 0, 10, -1, 0);
        bool is_closed = i % 3 != 0;
        parcel_fill(&a->parcels[i], &a->home, is_closed ? close_batch(batch) : batch);
        a->openings[i] = (mg_opening){.rules = wanting_keys()};
        if (is_closed) a->parcels[i].append.opening = &a->openings[i];
        mg_partition_submit(a->yard->partition, &a->parcels[i].append);
        if (i % 5 == 0) mg_partition_drain(a->yard->partition, 1000);
        if (i % 97 == 0) usleep(1000); /* so that the opener now and then has nothing to do */
    }
    mg_partition_drain(a->yard->partition, 1000);
    wait_for_answers(&a->home, APPENDS);
    return NULL;
}

static void every_appenders_order_is_kept(void)
{
    yard y;
    mg_log_config config = plain_log_config();
    yard_open(&y, &config, true);
    static appender appenders[APPENDERS];
    for (int i = 0; i < APPENDERS; i++) {
        appenders[i].yard = &y;
        CHECK(mg_mailbox_init(&appenders[i].home, NULL) == MG_OK);
        CHECK(pthread_create(&appenders[i].thread, NULL, append_many, &appenders[i]) == 0);
    }
    for (int i = 0; i < APPENDERS; i++) pthread_join(appenders[i].thread, NULL);
    int64_t appended = 0;
    for (int i = 0; i < APPENDERS; i++) {
        int64_t last = -1;
        for (int k = 0; k < APPENDS; k++) {
            const mg_append *append = &appenders[i].parcels[k].append;
            bool is_refused = k % REFUSED_EACH == 0 && append->opening != NULL;
            CHECK(append->status == (is_refused ? MG_CORRUPT : MG_OK));
            free(appenders[i].openings[k].refusals);
            frame_free(&appenders[i].parcels[k].batch);
            if (is_refused) continue;
            CHECK(append->item.base_offset > last); /* P7 */
            last = append->item.base_offset;
            appended++;
        }
        mg_mailbox_deinit(&appenders[i].home);
    }
    CHECK(mg_log_end_offset(y.log) == appended);
    yard_close(&y);
}

int main(void)
{
    keys_are_looked_for();
    what_cannot_be_opened_is_a_fault_of_the_batch();
    what_opens_to_too_much_is_too_large();
    a_maximum_timestamp_is_corrected();
    nothing_overtakes_what_is_opened();
    what_waits_to_be_opened_is_answered_when_the_partition_is_shut();
    what_was_opened_does_not_wait_for_the_rest();
    every_appenders_order_is_kept();
    puts("opening_test: ok");
}
