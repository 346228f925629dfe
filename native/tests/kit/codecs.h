/* codecs.h -- a codec that turns every byte over, and puts one before them: enough to see that what
 * was closed was opened, and bytes that are not of it can be told. */
#ifndef MG_TESTS_KIT_CODECS_H
#define MG_TESTS_KIT_CODECS_H

#include "batch/batch.h"
#include "batch/codec.h"

#include "kit/frames.h"

enum { TURNED = 7 }; /* the first byte */

static inline mg_status turn_over(void *state, mg_span bytes, mg_writer *out)
{
    (void)state;
    mg_write_i8(out, TURNED);
    for (size_t i = 0; i < bytes.size; i++) mg_write_i8(out, (int8_t)~bytes.data[i]);
    return MG_OK;
}

static inline mg_status turn_back(void *state, mg_span bytes, mg_writer *out)
{
    (void)state;
    if (bytes.size == 0 || bytes.data[0] != TURNED) return MG_CORRUPT;
    for (size_t i = 1; i < bytes.size; i++) mg_write_i8(out, (int8_t)~bytes.data[i]);
    return mg_writer_ok(out) ? MG_OK : MG_TOO_LARGE;
}

/* LZ4's place is taken, the others are empty. */
static inline mg_codecs turning_codecs(void)
{
    mg_codecs codecs = {0};
    codecs.by_id[MG_CODEC_LZ4] = (mg_codec){.compress = turn_over, .decompress = turn_back};
    return codecs;
}

/* The same records, closed; `header` is the plain batch's and becomes the new one's. Returns the
 * size. */
static inline size_t turn_batch(mg_span plain, uint8_t *out, size_t room, mg_batch_header *header)
{
    CHECK(room > MG_BATCH_HEADER_SIZE);
    mg_writer writer = mg_writer_over(out + MG_BATCH_HEADER_SIZE, room - MG_BATCH_HEADER_SIZE);
    CHECK(turn_over(NULL, mg_batch_payload(plain, header), &writer) == MG_OK);
    CHECK(mg_writer_ok(&writer));
    header->size = (int32_t)(MG_BATCH_HEADER_SIZE + mg_writer_size(&writer));
    header->attributes |= MG_CODEC_LZ4;
    mg_batch_seal(out, header);
    return (size_t)header->size;
}

/* Frees the plain one. */
static inline frame close_batch(frame plain)
{
    mg_span bytes = {.data = plain.data, .size = plain.size};
    mg_batch_header header;
    CHECK(mg_batch_check(bytes, &header) == MG_OK);
    frame closed = {.data = malloc(FRAME_ROOM)};
    CHECK(closed.data != NULL);
    closed.size = turn_batch(bytes, closed.data, FRAME_ROOM, &header);
    frame_free(&plain);
    return closed;
}

#endif
