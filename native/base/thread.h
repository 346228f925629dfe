/* thread.h -- starting one of the core's own threads.
 *
 * Signals are the main thread's business: a thread of the core blocks them all.
 * Its stack has the same size with every libc, since the smallest default (128
 * KiB, musl's) is less than a walk over a segment wants. It is joined by
 * whoever started it.
 */
#ifndef MG_BASE_THREAD_H
#define MG_BASE_THREAD_H

#include "base/status.h"

#include <pthread.h>

enum { MG_THREAD_STACK_SIZE = 2 * 1024 * 1024 }; /* touched only as far as it is used */

/* `name` is what a debugger and `top` show, at most 15 letters; where the kernel only lets a thread
 * name itself, it goes without. MG_NO_MEMORY: the machine has no room for another thread. */
MG_WARN_UNUSED mg_status mg_thread_start(pthread_t *out, void *(*run)(void *argument),
                                         void *argument, const char *name, mg_error *error);

#endif
