/* mailbox.h -- letters from any thread to one owner thread, oldest first.
 *
 * A letter is embedded in whatever it announces and is in at most one mailbox
 * at a time: nothing is allocated, and no post can fail. Whoever makes an empty
 * mailbox non-empty rings its bell, unless that is the owner itself, who looks
 * into the mailbox at the end of every turn anyway. The bell is an eventfd on
 * Linux and a pair of sockets elsewhere.
 *
 *   post   any thread; lock-free
 *   take   the owner: the whole content, in the order of posting
 */
#ifndef MG_PARTITION_MAILBOX_H
#define MG_PARTITION_MAILBOX_H

#include "base/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct mg_letter {
    struct mg_letter *next; /* the mailbox's, while posted */
    int kind;               /* the owner's: tells what the letter is embedded in */
} mg_letter;

typedef struct mg_mailbox {
    _Atomic(mg_letter *) head; /* newest first */
    int wake_fd;               /* readable when rung; owned */
    int ring_fd;               /* where to ring; owned, may be the same */
    _Atomic(pthread_t) owner;  /* who need not be rung for; 0 until adopted */
} mg_mailbox;

MG_WARN_UNUSED mg_status mg_mailbox_init(mg_mailbox *mailbox, mg_error *error);
void mg_mailbox_deinit(mg_mailbox *mailbox);
/* The calling thread is the owner from now on. */
void mg_mailbox_adopt(mg_mailbox *mailbox);

void mg_mailbox_post(mg_mailbox *mailbox, mg_letter *letter);
/* Oldest first, linked by `next`; NULL when empty. */
mg_letter *mg_mailbox_take(mg_mailbox *mailbox);
bool mg_mailbox_is_empty(const mg_mailbox *mailbox);
/* Quiets the bell after it woke the owner; before take, so that no ring is lost. */
void mg_mailbox_hush(mg_mailbox *mailbox);

#endif
