#include "partition/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#if defined(__linux__) && !defined(MG_KQUEUE)

#include <sys/eventfd.h>

static mg_status open_bell(mg_mailbox *mailbox, mg_error *error)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return mg_fail(error, MG_IO, errno, "eventfd");
    mailbox->wake_fd = mailbox->ring_fd = fd;
    return MG_OK;
}

#else

#include <fcntl.h>
#include <sys/socket.h>

static mg_status open_bell(mg_mailbox *mailbox, mg_error *error)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return mg_fail(error, MG_IO, errno, "socketpair");
    for (int i = 0; i < 2; i++) {
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    mailbox->wake_fd = fds[0];
    mailbox->ring_fd = fds[1];
    return MG_OK;
}

#endif

/* What an eventfd takes at once, and enough of a socket's to quiet it in one call nearly always;
 * what is left rings once more for nothing. */
enum { RINGS_READ_MAX = 64 };

mg_status mg_mailbox_init(mg_mailbox *mailbox, mg_error *error)
{
    mg_status status = open_bell(mailbox, error);
    if (status != MG_OK) return status;
    atomic_init(&mailbox->head, NULL);
    atomic_init(&mailbox->owner, (pthread_t)0);
    return MG_OK;
}

void mg_mailbox_deinit(mg_mailbox *mailbox)
{
    MG_ASSERT(mg_mailbox_is_empty(mailbox));
    if (mailbox->ring_fd != mailbox->wake_fd) close(mailbox->ring_fd);
    close(mailbox->wake_fd);
    mailbox->wake_fd = mailbox->ring_fd = -1;
}

void mg_mailbox_adopt(mg_mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->owner, pthread_self(), memory_order_relaxed);
}

static void ring(const mg_mailbox *mailbox)
{
    const uint64_t one = 1;
    /* EAGAIN means that the bell is at its limit: the owner is rung already. */
    ssize_t written = write(mailbox->ring_fd, &one, sizeof one);
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
    uint64_t rings[RINGS_READ_MAX];
    ssize_t got = read(mailbox->wake_fd, rings, sizeof rings);
    MG_ASSERT(got > 0 || errno == EAGAIN || errno == EINTR);
}
