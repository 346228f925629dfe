/* allocations.h -- counts what the calling thread allocates between two points.
 *
 * With a sanitizer by its hooks, else by standing in for glibc's functions; so it is included by at
 * most one file of a program.
 */
#ifndef MG_TESTS_KIT_ALLOCATIONS_H
#define MG_TESTS_KIT_ALLOCATIONS_H

#include "check.h"

#include <stdbool.h>
#include <stddef.h>

static _Thread_local bool allocations_watched;
static _Thread_local size_t allocations_seen;

static inline void allocations_note(void)
{
    if (allocations_watched) allocations_seen++;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                              \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void allocations_on_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    (void)size;
    allocations_note();
}

static void allocations_on_free(const volatile void *memory)
{
    (void)memory;
}

static inline void allocations_install(void)
{
    CHECK(__sanitizer_install_malloc_and_free_hooks(allocations_on_malloc, allocations_on_free) >
          0);
}

#elif defined(__GLIBC__)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    allocations_note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations_note();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    allocations_note();
    return __libc_realloc(memory, size);
}

static inline void allocations_install(void)
{
}

#else /* musl shows no way below malloc: nothing is counted */

static inline void allocations_install(void)
{
    (void)allocations_note;
}

#endif

static inline void allocations_begin(void)
{
    allocations_seen = 0;
    allocations_watched = true;
}

static inline size_t allocations_end(void)
{
    allocations_watched = false;
    return allocations_seen;
}

#endif
