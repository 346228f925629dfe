/* sample.h -- batches for the tests of native/batch: three records with every kind of null. */
#ifndef MG_TESTS_BATCH_SAMPLE_H
#define MG_TESTS_BATCH_SAMPLE_H

#include "batch/builder.h"

#include "check.h"

#define SPAN(literal) ((mg_span){.data = (const uint8_t *)(literal), .size = sizeof(literal) - 1})
#define NULL_SPAN ((mg_span){.data = NULL, .size = 0})

enum { SAMPLE_COUNT = 3, SAMPLE_SIZE_MAX = 512, SAMPLE_NOW_MS = 1000000 };

static inline mg_span sample_build(uint8_t *memory, const mg_batch_header *fields)
{
    static const uint8_t name[] = "name", empty[] = "", content[] = {0, 1, 2};
    const mg_record_header headers[] = {
        {.key = {.data = name, .size = 4}, .value = {.data = content, .size = 3}},
        {.key = {.data = empty, .size = 0}, .value = {.data = NULL, .size = 0}},
    };
    const mg_record_parts parts[SAMPLE_COUNT] = {
        {.timestamp = SAMPLE_NOW_MS, .key = SPAN("k1"), .value = SPAN("the first")},
        {.timestamp = SAMPLE_NOW_MS + 500,
         .key = SPAN(""),
         .value = NULL_SPAN,
         .headers = headers,
         .header_count = 2},
        {.timestamp = SAMPLE_NOW_MS - 70, .key = NULL_SPAN, .value = SPAN("")},
    };
    mg_builder builder = mg_builder_over(memory, SAMPLE_SIZE_MAX, parts[0].timestamp);
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        CHECK(mg_builder_add(&builder, &parts[i]));
    mg_batch_header header = *fields;
    mg_builder_finish(&builder, &header);
    return (mg_span){.data = memory, .size = (size_t)header.size};
}

#endif
