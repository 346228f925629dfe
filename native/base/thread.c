#include "base/thread.h"

#include <signal.h>
#include <string.h>

static void name_thread(pthread_t thread, const char *name)
{
#if defined(__linux__)
    (void)pthread_setname_np(thread, name);
#else
    (void)thread;
    (void)name;
#endif
}

static int start(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed != 0) return failed;
    failed = pthread_attr_setstacksize(&attributes, MG_THREAD_STACK_SIZE);
    if (failed == 0) failed = pthread_create(thread, &attributes, run, argument);
    pthread_attr_destroy(&attributes);
    return failed;
}

mg_status mg_thread_start(pthread_t *out, void *(*run)(void *argument), void *argument,
                          const char *name, mg_error *error)
{
    MG_ASSERT(strlen(name) < 16);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = start(out, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return mg_fail(error, MG_NO_MEMORY, failed, "cannot start a %s thread", name);
    name_thread(*out, name);
    return MG_OK;
}
