#include "batch/opened.h"

#include "base/bounds.h"

enum { PLAIN_FIRST = 4 * 1024 * 1024 }; /* holds what clients send; else all that may be */

mg_status mg_batch_open(const mg_codecs *codecs, mg_scratch *plain, mg_span batch,
                        const mg_batch_header *header, mg_span *records, mg_error *error)
{
    mg_span payload = mg_batch_payload(batch, header);
    mg_codec_id codec = mg_batch_codec(header);
    if (codec == MG_CODEC_NONE) {
        *records = payload;
        return MG_OK;
    }
    mg_status status = MG_UNSUPPORTED;
    size_t room = plain->size < PLAIN_FIRST ? PLAIN_FIRST : plain->size;
    for (; codecs != NULL; room = MG_BATCH_OPENED_SIZE_MAX) {
        status = mg_scratch_reserve(plain, room, error);
        if (status != MG_OK) return status;
        mg_writer writer = mg_writer_over(plain->data, room);
        status = mg_codec_decompress(codecs, codec, payload, &writer);
        *records = (mg_span){.data = plain->data, .size = mg_writer_size(&writer)};
        bool is_verdict = mg_writer_ok(&writer); /* the codec's own, whatever room there is */
        if (status != MG_TOO_LARGE || is_verdict || room == MG_BATCH_OPENED_SIZE_MAX) break;
    }
    if (status == MG_OK) return MG_OK;
    return mg_fail(error, status, 0, "the batch at offset %lld cannot be opened, codec %d",
                   (long long)header->base_offset, (int)codec);
}
