/* verify.c -- reads a topic once from its start to its end: every CRC, every offset. */
#include "load/connection.h"
#include "load/fetch_reply.h"
#include "load/frames.h"
#include "load/loads.h"
#include "load/report.h"

#include <stdio.h>
#include <stdlib.h>

static report result;

static void verify_partition(const load_options *options, int fd, int partition, uint8_t *room,
                             batch_count *count)
{
    int version = options->version == 0 ? FETCH_VERSION_DEFAULT : options->version;
    count->next_offset = 0;
    for (;;) {
        fetch_reply reply;
        int64_t asked = count->next_offset;
        mg_span records = fetch_exchange(options, version, fd, partition, asked, room,
                                         fetch_room(options), &reply);
        if (reply.error != 0) {
            report_error(&result, reply.error);
            return;
        }
        batch_count_add(count, records, true);
        result.bytes += records.size;
        result.requests++;
        if (count->damaged > 0 || count->next_offset >= reply.high_watermark) return;
        if (count->next_offset == asked) die("no batch at offset %lld", (long long)asked);
    }
}

int run_verify(const load_options *options)
{
    int fd = connection_open(options);
    uint8_t *room = malloc(fetch_room(options));
    if (room == NULL) die("no memory");
    batch_count count = {.next_offset = 0};
    int64_t end_total = 0;
    report_begin(&result, "verify", options);
    for (int partition = 0; partition < options->partitions; partition++) {
        verify_partition(options, fd, partition, room, &count);
        end_total += count.next_offset;
    }
    free(room);
    printf("{\"load\": \"verify\", \"records\": %llu, \"batches\": %llu, \"bytes\": %llu, "
           "\"end_offsets\": %lld, \"damaged\": %llu, \"gaps\": %llu, \"errors\": %llu}\n",
           (unsigned long long)count.records, (unsigned long long)count.batches,
           (unsigned long long)result.bytes, (long long)end_total,
           (unsigned long long)count.damaged, (unsigned long long)count.gaps,
           (unsigned long long)result.errors);
    bool whole = count.damaged == 0 && count.gaps == 0 && result.errors == 0 &&
                 (int64_t)count.records == end_total;
    return whole ? 0 : 1;
}
