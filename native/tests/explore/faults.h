/* faults.h -- system calls and allocations that fail when they are told to.
 *
 * The linker puts these in the place of the C library's (--wrap), for the whole program; they act
 * only while armed, and only on the calls that the ordered fault can have. One thread.
 */
#ifndef MG_TESTS_EXPLORE_FAULTS_H
#define MG_TESTS_EXPLORE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum fault_kind {
    FAULT_ERROR,       /* the call fails with os_error */
    FAULT_INTERRUPTED, /* EINTR, where a call may answer so */
    FAULT_SHORT,       /* half of what was to be read or written is */
    FAULT_NO_MEMORY,   /* an allocation answers NULL */
} fault_kind;

typedef struct fault {
    fault_kind kind;
    int os_error;
    int64_t at;    /* of those calls that the fault can have, from 0 on */
    bool lasts;    /* from then on; EINTR then comes before every success */
} fault;

void faults_arm(const fault *ordered);
/* How many calls there were that could have had the fault. */
int64_t faults_disarm(void);

#endif
