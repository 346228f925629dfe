/* Letters arrive once, in each sender's order, and an empty mailbox rings. */
#include "partition/mailbox.h"

#include "check.h"

#include <poll.h>
#include <stddef.h>

enum { SENDERS = 4, LETTERS = 20000 };

typedef struct note {
    mg_letter letter;
    int sender;
    int number;
} note;

typedef struct sender {
    pthread_t thread;
    mg_mailbox *mailbox;
    note notes[LETTERS];
} sender;

static bool rings(const mg_mailbox *mailbox)
{
    struct pollfd p = {.fd = mailbox->wake_fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void takes_in_the_order_of_posting(void)
{
    mg_mailbox mailbox;
    CHECK(mg_mailbox_init(&mailbox, NULL) == MG_OK);
    CHECK(mg_mailbox_take(&mailbox) == NULL);
    mg_letter letters[3] = {{.kind = 1}, {.kind = 2}, {.kind = 3}};
    for (size_t i = 0; i < 3; i++) mg_mailbox_post(&mailbox, &letters[i]);
    mg_letter *first = mg_mailbox_take(&mailbox);
    CHECK(first == &letters[0]);
    CHECK(first->next == &letters[1]);
    CHECK(first->next->next == &letters[2]);
    CHECK(first->next->next->next == NULL);
    CHECK(mg_mailbox_is_empty(&mailbox));
    mg_mailbox_deinit(&mailbox);
}

static void rings_once_and_not_for_the_owner(void)
{
    mg_mailbox mailbox;
    CHECK(mg_mailbox_init(&mailbox, NULL) == MG_OK);
    mg_letter a = {0};
    mg_letter b = {0};
    mg_mailbox_post(&mailbox, &a);
    CHECK(rings(&mailbox));
    mg_mailbox_hush(&mailbox);
    CHECK(!rings(&mailbox));
    mg_mailbox_post(&mailbox, &b); /* it was not empty: the owner knows already */
    CHECK(!rings(&mailbox));
    CHECK(mg_mailbox_take(&mailbox) == &a);

    mg_mailbox_adopt(&mailbox);
    mg_mailbox_post(&mailbox, &a);
    CHECK(!rings(&mailbox));
    CHECK(mg_mailbox_take(&mailbox) == &a);
    mg_mailbox_deinit(&mailbox);
}

static void *post_all(void *argument)
{
    sender *s = argument;
    for (int i = 0; i < LETTERS; i++) mg_mailbox_post(s->mailbox, &s->notes[i].letter);
    return NULL;
}

static void many_senders_lose_nothing(void)
{
    static sender senders[SENDERS];
    mg_mailbox mailbox;
    CHECK(mg_mailbox_init(&mailbox, NULL) == MG_OK);
    mg_mailbox_adopt(&mailbox);
    for (int s = 0; s < SENDERS; s++) {
        senders[s].mailbox = &mailbox;
        for (int i = 0; i < LETTERS; i++)
            senders[s].notes[i] = (note){.sender = s, .number = i};
        CHECK(pthread_create(&senders[s].thread, NULL, post_all, &senders[s]) == 0);
    }
    int next[SENDERS] = {0};
    int seen = 0;
    while (seen < SENDERS * LETTERS) {
        struct pollfd p = {.fd = mailbox.wake_fd, .events = POLLIN};
        (void)poll(&p, 1, 1000);
        mg_mailbox_hush(&mailbox);
        for (mg_letter *l = mg_mailbox_take(&mailbox); l != NULL; seen++) {
            note *n = (note *)(void *)((char *)l - offsetof(note, letter));
            CHECK(n->number == next[n->sender]);
            next[n->sender]++;
            l = l->next;
        }
    }
    for (int s = 0; s < SENDERS; s++) pthread_join(senders[s].thread, NULL);
    mg_mailbox_deinit(&mailbox);
}

int main(void)
{
    takes_in_the_order_of_posting();
    rings_once_and_not_for_the_owner();
    many_senders_lose_nothing();
    puts("mailbox_test: ok");
}
