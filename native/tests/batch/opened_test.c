/* A compressed batch gives its records, or says why it does not. */
#include "batch/opened.h"

#include "base/bounds.h"
#include "batch/sample.h"
#include "kit/codecs.h"

enum { CLOSED_ROOM = 2 * SAMPLE_SIZE_MAX };

static void what_is_not_compressed_is_lent(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX];
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span batch = sample_build(memory, &blank);
    mg_batch_header header;
    CHECK(mg_batch_check(batch, &header) == MG_OK);
    mg_scratch plain = {.data = NULL};
    mg_span records;
    CHECK(mg_batch_open(NULL, &plain, batch, &header, &records, NULL) == MG_OK);
    CHECK(records.data == memory + MG_BATCH_HEADER_SIZE && plain.data == NULL);
}

static void what_is_compressed_is_opened(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX], closed[CLOSED_ROOM];
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span before = sample_build(memory, &blank);
    mg_batch_header header;
    CHECK(mg_batch_check(before, &header) == MG_OK);
    mg_span batch = {.data = closed, .size = turn_batch(before, closed, sizeof closed, &header)};
    mg_codecs codecs = turning_codecs();
    mg_scratch plain = {.data = NULL};
    mg_span records;
    CHECK(mg_batch_open(&codecs, &plain, batch, &header, &records, NULL) == MG_OK);
    CHECK(records.size == before.size - MG_BATCH_HEADER_SIZE);
    CHECK(memcmp(records.data, memory + MG_BATCH_HEADER_SIZE, records.size) == 0);

    mg_error error;
    closed[MG_BATCH_HEADER_SIZE] ^= 1;
    CHECK(mg_batch_open(&codecs, &plain, batch, &header, &records, &error) == MG_CORRUPT);
    CHECK(mg_batch_open(NULL, &plain, batch, &header, &records, &error) == MG_UNSUPPORTED);
    mg_scratch_deinit(&plain);
}

/* Opens to `*state` bytes. */
static mg_status swell(void *state, mg_span bytes, mg_writer *out)
{
    static const uint8_t zeros[1 << 20];
    (void)bytes;
    for (size_t left = *(const size_t *)state; left > 0;) {
        size_t size = left < sizeof zeros ? left : sizeof zeros;
        mg_write_bytes(out, zeros, size);
        left -= size;
    }
    return MG_OK;
}

static void room_grows_up_to_a_wall(void)
{
    uint8_t memory[SAMPLE_SIZE_MAX], closed[CLOSED_ROOM];
    const mg_batch_header blank = mg_batch_header_blank();
    mg_span before = sample_build(memory, &blank);
    mg_batch_header header;
    CHECK(mg_batch_check(before, &header) == MG_OK);
    mg_span batch = {.data = closed, .size = turn_batch(before, closed, sizeof closed, &header)};
    size_t size = MG_BATCH_OPENED_SIZE_MAX;
    mg_codecs codecs = {0};
    codecs.by_id[MG_CODEC_LZ4] = (mg_codec){.state = &size, .decompress = swell};
    mg_scratch plain = {.data = NULL};
    mg_span records;
    CHECK(mg_batch_open(&codecs, &plain, batch, &header, &records, NULL) == MG_OK);
    CHECK(records.size == size);
    size++;
    CHECK(mg_batch_open(&codecs, &plain, batch, &header, &records, NULL) == MG_TOO_LARGE);
    mg_scratch_deinit(&plain);
}

int main(void)
{
    what_is_not_compressed_is_lent();
    what_is_compressed_is_opened();
    room_grows_up_to_a_wall();
    puts("opened_test: ok");
}
