#include "batch/partitioner.h"

#include "check.h"

#include <string.h>

static mg_span span(const char *text)
{
    return (mg_span){.data = (const uint8_t *)text, .size = strlen(text)};
}

/* The values that Kafka's own test of its hash has. */
static void the_hash_is_kafkas(void)
{
    const struct {
        const char *key;
        int32_t hash;
    } known[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        CHECK((int32_t)mg_murmur2(span(known[i].key)) == known[i].hash);
    CHECK(mg_murmur2(span("")) != 0);
    CHECK(mg_partition_of_key(span("21"), 1000) == (-973932308 & INT32_MAX) % 1000);
}

static void rows_are_gathered_by_partition_in_their_order(void)
{
    enum { COUNT = 500, PARTITIONS = 7, STICKY = 3 };
    static uint8_t bytes[COUNT][4];
    static mg_span keys[COUNT];
    static int32_t partitions[COUNT], gathered[COUNT];
    size_t counts[PARTITIONS], ends[PARTITIONS];
    for (int i = 0; i < COUNT; i++) {
        bytes[i][0] = (uint8_t)(i * 37);
        if (i % 5 != 0) keys[i] = (mg_span){.data = bytes[i], .size = (size_t)i % 5};
    }
    mg_rows rows = {.count = COUNT};
    rows.keys = (mg_row_column){.kind = MG_ROW_COLUMN_SPANS, .count = COUNT, .spans = keys};
    CHECK(mg_partitioner_assign(&rows, PARTITIONS, STICKY, partitions, counts, NULL) == MG_OK);
    size_t begin = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        ends[p] = begin;
        begin += counts[p];
    }
    CHECK(begin == COUNT);
    mg_partitioner_gather(partitions, COUNT, ends, gathered);
    for (size_t p = 0, at = 0; p < PARTITIONS; p++) {
        CHECK(ends[p] - at == counts[p] && counts[p] > 0);
        for (; at < ends[p]; at++) {
            int32_t row = gathered[at];
            int32_t expected = STICKY;
            if (row % 5 != 0) expected = mg_partition_of_key(keys[row], PARTITIONS);
            CHECK((int32_t)p == expected);
            CHECK(at + 1 == ends[p] || gathered[at + 1] > row);
        }
    }
    size_t keyless = SIZE_MAX;
    CHECK(mg_partitioner_find_keyless(&rows, &keyless, NULL) == MG_OK && keyless == 0);
    rows.keys.kind = MG_ROW_COLUMN_NULL;
    CHECK(mg_partitioner_find_keyless(&rows, &keyless, NULL) == MG_OK && keyless == 0);
    rows.count = 0;
    CHECK(mg_partitioner_find_keyless(&rows, &keyless, NULL) == MG_NOT_FOUND);
    rows.count = COUNT;
    CHECK(mg_partitioner_assign(&rows, PARTITIONS, STICKY, partitions, counts, NULL) == MG_OK);
    CHECK(counts[STICKY] == COUNT);
}

int main(void)
{
    the_hash_is_kafkas();
    rows_are_gathered_by_partition_in_their_order();
    puts("partitioner_test: ok");
}
