/* status.h -- how every fallible call of the core answers.
 *
 * A status says whose fault it is, never what to do about it. Outputs are
 * untouched unless the answer is MG_OK. The details of a failure, errno among
 * them, ride in an optional mg_error that the caller lends; it is written only
 * on failure. Nothing here allocates.
 */
#ifndef MG_BASE_STATUS_H
#define MG_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum mg_status {
    MG_OK = 0,
    /* the data's fault */
    MG_CORRUPT,      /* bytes that contradict their own checksum or format */
    MG_TOO_LARGE,    /* a size over a named limit */
    MG_OUT_OF_RANGE, /* an offset, position or value outside what exists */
    MG_UNSUPPORTED,  /* well-formed, but of a version or codec that is not served */
    /* the world's */
    MG_IO,        /* the file system said no; see os_error */
    MG_NO_SPACE,  /* the disk or a quota is full; nothing was changed */
    MG_NO_MEMORY, /* an allocation failed; nothing was changed */
    /* the caller's */
    MG_NOT_FOUND,   /* no such file, topic, segment */
    MG_CLOSED,      /* the object was closed or deleted */
    MG_BUSY,        /* not now: held by somebody, or needs a worker first */
    MG_WOULD_BLOCK, /* would wait for a disk or a peer, and the caller asked not to */
} mg_status;

#define MG_WARN_UNUSED __attribute__((warn_unused_result))

enum { MG_ERROR_DETAIL_SIZE = 192 }; /* one line for a person, file name included */

typedef struct mg_error {
    mg_status status;
    int os_error;                      /* errno, or 0 */
    bool is_of_sync;                   /* an fsync failed: what it was for may be lost */
    char detail[MG_ERROR_DETAIL_SIZE]; /* NUL-terminated */
} mg_error;

/* The constant name of a status, for messages and tests. */
const char *mg_status_name(mg_status status);

/* Fills `error` (may be NULL) and returns `status`, so that a failure is one line. */
mg_status mg_fail(mg_error *error, mg_status status, int os_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A claim about our own code. Always on: each costs O(1). Never about outside bytes. */
#define MG_ASSERT(claim)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(claim), 0)) mg_assert_failed(#claim, __FILE__, __LINE__);           \
    } while (0)
_Noreturn void mg_assert_failed(const char *claim, const char *file, int line);

#endif
