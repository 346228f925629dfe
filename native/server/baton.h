/* baton.h -- goes once round all lanes, so that nobody uses any more what it stands for.
 *
 * Removing something that reactors read without locks takes three steps: make
 * it invisible (publish an image without it), send a baton round, and free it
 * when the baton is back at the control plane. A lane passes the baton on from
 * its mailbox, between two requests, after it has looked at the newest image.
 */
#ifndef MG_SERVER_BATON_H
#define MG_SERVER_BATON_H

#include "server/lane.h"

typedef struct mg_baton {
    mg_letter letter;
    mg_reactor_group *group;
    mg_mailbox *home;        /* where it goes in the end, as MG_LETTER_CONTROL_BATON */
    mg_partition *partition; /* let go of this one; or NULL */
    mg_image *image;         /* or of this image */
    unsigned rounds;         /* completed */
    uint64_t token;
    mg_job job;
} mg_baton;

static inline mg_baton *mg_baton_of(mg_letter *letter)
{
    return (mg_baton *)(void *)((char *)letter - offsetof(mg_baton, letter));
}

/* To the lane after `index`, or home after the last; (unsigned)-1 begins a round. */
static inline void mg_baton_pass_on(mg_baton *baton, unsigned index)
{
    unsigned next = index + 1;
    if (next < baton->group->count) {
        baton->letter.kind = MG_LETTER_BATON;
        mg_mailbox_post(mg_reactor_mailbox(baton->group->reactors[next]), &baton->letter);
        return;
    }
    baton->rounds++;
    baton->letter.kind = MG_LETTER_CONTROL_BATON;
    mg_mailbox_post(baton->home, &baton->letter);
}

#endif
