/* bytes.h -- byte ranges for the wire tests, each in a heap block of its exact size, so that a
 * sanitizer sees a read past the end. */
#ifndef MG_TESTS_BYTES_H
#define MG_TESTS_BYTES_H

#include "base/cursor.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

typedef struct bytes {
    uint8_t *data; /* to be freed */
    size_t size;
} bytes;

static inline bytes bytes_copy(const uint8_t *data, size_t size)
{
    CHECK(size <= INT32_MAX);
    bytes copy = {.data = malloc(size > 0 ? size : 1), .size = size};
    CHECK(copy.data != NULL);
    if (size > 0) memcpy(copy.data, data, size);
    return copy;
}

static inline unsigned digit_of_hex(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static inline bytes bytes_of_hex(const char *hex)
{
    size_t size = strlen(hex) / 2;
    bytes out = {.data = malloc(size > 0 ? size : 1), .size = size};
    CHECK(out.data != NULL);
    for (size_t i = 0; i < size; i++) {
        out.data[i] = (uint8_t)(digit_of_hex(hex[2 * i]) << 4 | digit_of_hex(hex[2 * i + 1]));
    }
    return out;
}

static inline mg_span span_of(bytes range)
{
    return (mg_span){.data = range.data, .size = range.size};
}

static inline mg_span text(const char *string)
{
    return (mg_span){.data = (const uint8_t *)string, .size = strlen(string)};
}

static inline bool span_is(mg_span span, const char *string)
{
    return span.data != NULL && span.size == strlen(string) &&
           memcmp(span.data, string, span.size) == 0;
}

/* The ids of the golden frames: alpha 0..15, beta 16..31, directory 32..47. */
static inline bool id_starts_with(const uint8_t *id, uint8_t first)
{
    for (uint8_t i = 0; i < 16; i++) {
        if (id[i] != first + i) return false;
    }
    return true;
}

static const uint8_t alpha_id[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t beta_id[] = {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

#endif
