/* codec.h -- the table of compression codecs, filled from outside.
 *
 * The core brings no compression library; who embeds it fills a slot per codec
 * id. Codecs are slow and may allocate: they are called by workers and by the
 * library, never by a reactor. A slot may be called from several threads at
 * once, each with its own `out`.
 *
 * MG_CODEC_NONE needs no slot. An empty slot answers MG_UNSUPPORTED.
 */
#ifndef MG_BATCH_CODEC_H
#define MG_BATCH_CODEC_H

#include "base/status.h"
#include "base/writer.h"
#include "batch/batch_format.h"

/* Appends to `out`, never past its end: MG_TOO_LARGE when that would be needed, or when no room
 * would do, `out` still being sound; MG_CORRUPT when the bytes are not of this codec. After a
 * failure what `out` got is rubbish. */
typedef mg_status (*mg_codec_function)(void *state, mg_span bytes, mg_writer *out);

typedef struct mg_codec {
    void *state; /* lent by whoever filled the slot, for as long as the table lives */
    mg_codec_function compress;
    mg_codec_function decompress;
} mg_codec;

typedef struct mg_codecs {
    mg_codec by_id[MG_CODEC_COUNT];
} mg_codecs;

MG_WARN_UNUSED mg_status mg_codec_compress(const mg_codecs *codecs, mg_codec_id id, mg_span plain,
                                           mg_writer *out);
MG_WARN_UNUSED mg_status mg_codec_decompress(const mg_codecs *codecs, mg_codec_id id,
                                             mg_span packed, mg_writer *out);

#endif
