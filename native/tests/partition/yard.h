/* yard.h -- one partition with its pools, and appends that are sent to it. */
#ifndef MG_TESTS_PARTITION_YARD_H
#define MG_TESTS_PARTITION_YARD_H

#include "partition/partition.h"

#include "kit/codecs.h"
#include "kit/frames.h"
#include "kit/gate.h"
#include "kit/place.h"

#include <poll.h>

enum { LETTER_ANSWER = 20 };

typedef struct yard {
    place place;
    mg_log *log;
    mg_partition_pools pools;
    mg_codecs codecs; /* LZ4 is the turning one's */
    mg_partition *partition;
} yard;

static inline void yard_open(yard *y, const mg_log_config *config, bool in_memory)
{
    y->codecs = turning_codecs();
    place_open(&y->place, in_memory);
    gate_build(y->place.files);
    y->log = place_add_log(&y->place, config);
    CHECK(mg_workers_open(&y->pools.storage, 1, "storage", NULL) == MG_OK);
    CHECK(mg_workers_open(&y->pools.flushers, 1, "flusher", NULL) == MG_OK);
    CHECK(mg_workers_open(&y->pools.openers, 1, "opener", NULL) == MG_OK);
    y->pools.codecs = &y->codecs;
    CHECK(mg_partition_open(&y->partition, y->log, 3, y->pools, NULL) == MG_OK);
}

/* The watches go with the partition, so their last letters are taken before. */
static inline void yard_close_watched(yard *y, mg_mailbox *watcher)
{
    mg_partition_shut(y->partition);
    mg_workers_close(y->pools.openers);
    mg_workers_close(y->pools.storage);
    mg_workers_close(y->pools.flushers);
    CHECK(mg_partition_is_quiet(y->partition));
    if (watcher != NULL) (void)mg_mailbox_take(watcher);
    mg_partition_close(y->partition);
    place_close(&y->place);
}

static inline void yard_close(yard *y)
{
    yard_close_watched(y, NULL);
}

/* An append with bytes of its own. */
typedef struct parcel {
    mg_append append; /* first: letters come back as this */
    frame batch;
    bool is_home;
} parcel;

static inline void parcel_fill(parcel *p, mg_mailbox *home, frame batch)
{
    *p = (parcel){.batch = batch};
    p->append.letter.kind = LETTER_ANSWER;
    p->append.home = home;
    p->append.item.batch = batch.data;
    mg_span bytes = {.data = batch.data, .size = batch.size};
    CHECK(mg_batch_check(bytes, &p->append.item.header) == MG_OK);
}

/* A ring may be left over from a letter that was taken before it was heard. */
static inline mg_letter *wait_for_mail(mg_mailbox *mailbox, int timeout_ms)
{
    for (;;) {
        mg_letter *letter = mg_mailbox_take(mailbox);
        if (letter != NULL) return letter;
        struct pollfd p = {.fd = mailbox->wake_fd, .events = POLLIN};
        if (poll(&p, 1, timeout_ms) == 0) return mg_mailbox_take(mailbox);
        mg_mailbox_hush(mailbox);
    }
}

static inline parcel *wait_for_parcel(mg_mailbox *mailbox)
{
    mg_letter *letter = wait_for_mail(mailbox, 5000);
    CHECK(letter != NULL);
    CHECK(letter->kind == LETTER_ANSWER);
    CHECK(letter->next == NULL);
    return (parcel *)(void *)letter;
}

#endif
