/* fetch_reply.h -- what a Fetch answer of one topic and one partition says before its records. */
#ifndef LOAD_FETCH_REPLY_H
#define LOAD_FETCH_REPLY_H

#include "base/cursor.h"
#include "load/options.h"

enum { FETCH_HEAD_MAX = 512 }; /* of the answer's bytes, size field included, before the records */

typedef struct fetch_reply {
    int64_t high_watermark;
    int64_t records_size;
    size_t head_size;  /* bytes before the records, size field included */
    size_t frame_size; /* of the answer, size field included */
    uint32_t correlation_id;
    int error; /* of the answer or of the partition */
} fetch_reply;

/* False: `data` does not hold the head yet. */
bool fetch_reply_decode(const load_options *options, int version, const uint8_t *data, size_t size,
                        fetch_reply *out);

/* The whole answer to one blocking Fetch: `room` holds at least the largest answer. */
mg_span fetch_exchange(const load_options *options, int version, int fd, int partition,
                       int64_t offset, uint8_t *room, size_t room_size, fetch_reply *reply);
size_t fetch_room(const load_options *options); /* an answer may exceed max_bytes by a batch */

/* Counts whole batches in `records`; `check`: their CRCs as well. */
typedef struct batch_count {
    uint64_t batches;
    uint64_t records;
    uint64_t damaged;
    uint64_t gaps;       /* places where the offsets do not go on */
    int64_t next_offset; /* one past the last batch */
} batch_count;
void batch_count_add(batch_count *count, mg_span records, bool check);

#endif
