#include "partition/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

mg_status mg_mailbox_init(mg_mailbox *mailbox, mg_error *error)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return mg_fail(error, MG_IO, errno, "eventfd");
    atomic_init(&mailbox->head, NULL);
    atomic_init(&mailbox->owner, (pthread_t)0);
    mailbox->wake_fd = fd;
    return MG_OK;
}

void mg_mailbox_deinit(mg_mailbox *mailbox)
{
    MG_ASSERT(mg_mailbox_is_empty(mailbox));
    close(mailbox->wake_fd);
    mailbox->wake_fd = -1;
}

void mg_mailbox_adopt(mg_mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->owner, pthread_self(), memory_order_relaxed);
}

static void ring(const mg_mailbox *mailbox)
{
    const uint64_t one = 1;
    /* EAGAIN means that the counter is at its limit: the owner is rung already. */
    ssize_t written = write(mailbox->wake_fd, &one, sizeof one);
    MG_ASSERT(written == (ssize_t)sizeof one || errno == EAGAIN);
}

void mg_mailbox_post(mg_mailbox *mailbox, mg_letter *letter)
{
    mg_letter *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        letter->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, letter,
                                                    memory_order_release, memory_order_relaxed));
    if (head != NULL) return;
    if (atomic_load_explicit(&mailbox->owner, memory_order_relaxed) == pthread_self()) return;
    ring(mailbox);
}

mg_letter *mg_mailbox_take(mg_mailbox *mailbox)
{
    if (mg_mailbox_is_empty(mailbox)) return NULL;
    mg_letter *newest = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire);
    mg_letter *oldest = NULL;
    while (newest != NULL) {
        mg_letter *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

bool mg_mailbox_is_empty(const mg_mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->head, memory_order_relaxed) == NULL;
}

void mg_mailbox_hush(mg_mailbox *mailbox)
{
    uint64_t count;
    ssize_t got = read(mailbox->wake_fd, &count, sizeof count);
    MG_ASSERT(got == (ssize_t)sizeof count || errno == EAGAIN || errno == EINTR);
}
