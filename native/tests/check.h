/* check.h -- the one assertion of the C tests.
 *
 * A failed CHECK says where and what, and aborts: a sanitizer then prints the
 * stack, and a debugger stops on the line. Unlike assert() it is never off.
 */
#ifndef MG_TESTS_CHECK_H
#define MG_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim);                            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
