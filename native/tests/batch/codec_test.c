#include "batch/codec.h"

#include "batch/sample.h"

/* A codec that adds `state` to every byte: enough to see who was called with what. */
static mg_status shift(void *state, mg_span bytes, mg_writer *out)
{
    for (size_t i = 0; i < bytes.size; i++) {
        mg_write_i8(out, (int8_t)(bytes.data[i] + *(const uint8_t *)state));
    }
    return MG_OK;
}

static mg_status refuse(void *state, mg_span bytes, mg_writer *out)
{
    (void)state, (void)bytes, (void)out;
    return MG_CORRUPT;
}

static void none_copies_and_needs_no_slot(void)
{
    const mg_codecs empty = {0};
    uint8_t out[4];
    mg_writer w = mg_writer_over(out, sizeof out);
    CHECK(mg_codec_compress(&empty, MG_CODEC_NONE, SPAN("abc"), &w) == MG_OK);
    CHECK(mg_writer_size(&w) == 3 && memcmp(out, "abc", 3) == 0);
    CHECK(mg_codec_decompress(&empty, MG_CODEC_NONE, SPAN("abc"), &w) == MG_TOO_LARGE);
}

static void an_empty_slot_is_unsupported(void)
{
    const mg_codecs empty = {0};
    uint8_t out[4];
    mg_writer w = mg_writer_over(out, sizeof out);
    CHECK(mg_codec_compress(&empty, MG_CODEC_GZIP, SPAN("abc"), &w) == MG_UNSUPPORTED);
    CHECK(mg_codec_decompress(&empty, MG_CODEC_ZSTD, SPAN("abc"), &w) == MG_UNSUPPORTED);
    CHECK(mg_codec_decompress(&empty, MG_CODEC_COUNT, SPAN("abc"), &w) == MG_UNSUPPORTED);
    CHECK(mg_codec_compress(&empty, (mg_codec_id)7, SPAN("abc"), &w) == MG_UNSUPPORTED);
}

static void a_filled_slot_is_called_within_bounds(void)
{
    uint8_t up = 1;
    mg_codecs codecs = {0};
    codecs.by_id[MG_CODEC_LZ4] = (mg_codec){.state = &up, .compress = shift, .decompress = refuse};
    uint8_t out[3];
    mg_writer w = mg_writer_over(out, sizeof out);
    CHECK(mg_codec_compress(&codecs, MG_CODEC_LZ4, SPAN("abc"), &w) == MG_OK);
    CHECK(memcmp(out, "bcd", 3) == 0);
    w = mg_writer_over(out, 2);
    CHECK(mg_codec_compress(&codecs, MG_CODEC_LZ4, SPAN("abc"), &w) == MG_TOO_LARGE);
    CHECK(mg_codec_decompress(&codecs, MG_CODEC_LZ4, SPAN("abc"), &w) == MG_CORRUPT);
}

int main(void)
{
    none_copies_and_needs_no_slot();
    an_empty_slot_is_unsupported();
    a_filled_slot_is_called_within_bounds();
    puts("codec_test: ok");
    return 0;
}
