/* frames.h -- the requests that the load generator sends, written as whole frames.
 *
 * begin writes size, header and client id; what follows is the body; end fills in the size. All
 * are of classic versions but Produce from 9 and Fetch from 12 on. */
#ifndef LOAD_FRAMES_H
#define LOAD_FRAMES_H

#include "base/writer.h"
#include "load/options.h"

enum {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_CREATE_TOPICS = 19,
    API_DELETE_TOPICS = 20,

    PRODUCE_VERSION_MIN = 3,
    PRODUCE_VERSION_DEFAULT = 7,
    PRODUCE_VERSION_FLEXIBLE = 9,
    PRODUCE_VERSION_MAX = 12,
    FETCH_VERSION_DEFAULT = 11,
    FETCH_VERSION_FLEXIBLE = 12,

    FRAME_OVERHEAD_MAX = 512, /* a frame of one topic without its records */
};

void frame_begin(mg_writer *writer, int api_key, int version, int32_t correlation_id,
                 bool flexible);
void frame_end(mg_writer *writer, size_t start); /* where the frame began */
void frame_string(mg_writer *writer, bool flexible, const char *string);

void frame_produce(mg_writer *writer, const load_options *options, int version,
                   int32_t correlation_id, int32_t partition, mg_span batch);
void frame_fetch(mg_writer *writer, const load_options *options, int version,
                 int32_t correlation_id, int32_t partition, int64_t offset);
void frame_metadata(mg_writer *writer, const load_options *options); /* version 4, may create */

/* One batch of the options' shape, in `room`; NULL data never: it dies if it can't. */
mg_span batch_build(const load_options *options, uint8_t *room, size_t room_size);
size_t batch_size_max(const load_options *options);

#endif
