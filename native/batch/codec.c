#include "batch/codec.h"

static mg_status run(mg_codec_function function, const mg_codec *codec, mg_codec_id id,
                     mg_span bytes, mg_writer *out)
{
    if (id == MG_CODEC_NONE) {
        mg_write_bytes(out, bytes.data, bytes.size);
        return mg_writer_ok(out) ? MG_OK : MG_TOO_LARGE;
    }
    if (function == NULL) return MG_UNSUPPORTED;

    mg_status status = function(codec->state, bytes, out);
    MG_ASSERT(out->next <= out->end);
    if (status == MG_OK && !mg_writer_ok(out)) return MG_TOO_LARGE;
    return status;
}

mg_status mg_codec_compress(const mg_codecs *codecs, mg_codec_id id, mg_span plain, mg_writer *out)
{
    if ((unsigned)id >= MG_CODEC_COUNT) return MG_UNSUPPORTED;
    const mg_codec *codec = &codecs->by_id[id];
    return run(codec->compress, codec, id, plain, out);
}

mg_status mg_codec_decompress(const mg_codecs *codecs, mg_codec_id id, mg_span packed,
                              mg_writer *out)
{
    if ((unsigned)id >= MG_CODEC_COUNT) return MG_UNSUPPORTED;
    const mg_codec *codec = &codecs->by_id[id];
    return run(codec->decompress, codec, id, packed, out);
}
