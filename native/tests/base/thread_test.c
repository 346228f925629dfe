/* A thread of the core takes no signals, and has a stack that every libc must be told of. */
#include "base/thread.h"

#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

enum { ON_STACK = 1024 * 1024 };

static void *look_around(void *argument)
{
    sigset_t *blocked = argument;
    pthread_sigmask(SIG_SETMASK, NULL, blocked);
    volatile char room[ON_STACK];
    for (size_t i = 0; i < ON_STACK; i += 4096) room[i] = 1;
    return (void *)(uintptr_t)(room[0] == 1 ? blocked : NULL);
}

static void it_blocks_signals_and_has_its_stack(void)
{
    pthread_t thread;
    sigset_t blocked;
    sigemptyset(&blocked);
    CHECK(mg_thread_start(&thread, look_around, &blocked, "mg-test", NULL) == MG_OK);
    void *answer = NULL;
    CHECK(pthread_join(thread, &answer) == 0);
    CHECK(answer == &blocked);
    CHECK(sigismember(&blocked, SIGTERM) == 1);
    CHECK(sigismember(&blocked, SIGINT) == 1);
}

static void the_starter_keeps_its_signals(void)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    CHECK(sigismember(&blocked, SIGTERM) == 0);
}

int main(void)
{
    it_blocks_signals_and_has_its_stack();
    the_starter_keeps_its_signals();
    puts("thread_test: ok");
}
