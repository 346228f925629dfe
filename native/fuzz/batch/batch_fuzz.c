/* Takes arbitrary bytes for a produced batch. The size and the checksum are mended first (but by a
 * switch in the first byte), since the fuzzer would hardly find them, and all else is behind them.
 * Properties: no read passes the end; validation, the walk and the columns agree; a batch that is
 * found fine builds again from its own records to the same size, and is fine again. */
#include "base/crc32c.h"
#include "batch/builder.h"
#include "batch/columns.h"
#include "batch/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool claim)
{
    if (!claim) abort();
}

enum { RECORDS_MAX = 1024, HEADERS_MAX = 64, INPUT_SIZE_MAX = 64 * 1024 };

static const mg_batch_rules rules = {
    .size_max = INPUT_SIZE_MAX,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = INT64_MAX,
    .zstd_allowed = true,
};

static void mend(uint8_t *batch, size_t size)
{
    mg_store_u32(batch + MG_BATCH_AT_LENGTH, (uint32_t)size - MG_BATCH_LENGTH_OVERHEAD);
    batch[MG_BATCH_AT_MAGIC] = MG_BATCH_MAGIC;
    mg_store_u32(batch + MG_BATCH_AT_CRC,
                 mg_crc32c(0, batch + MG_BATCH_CRC_FROM, size - MG_BATCH_CRC_FROM));
}

/* Builds the records that `walk` finds; false where they do not fit the builder's limits here. */
static bool build_again(mg_span payload, const mg_batch_header *header, uint8_t *memory,
                        size_t size, mg_batch_header *built)
{
    mg_builder builder = mg_builder_over(memory, size, header->base_timestamp);
    mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
    mg_record record;
    while (mg_record_next(&walk, &record)) {
        if (record.header_count > HEADERS_MAX) return false;
        mg_record_header headers[HEADERS_MAX];
        mg_record_header_walk items = mg_record_header_walk_over(&record);
        size_t count = 0;
        while (mg_record_header_next(&items, &headers[count])) {
            if (++count == HEADERS_MAX) break;
        }
        const mg_record_parts parts = {
            .timestamp = header->base_timestamp + record.timestamp_delta,
            .key = record.key,
            .value = record.value,
            .headers = headers,
            .header_count = count,
        };
        require(mg_builder_add(&builder, &parts)); /* varints may shrink, never grow */
    }
    require(mg_record_walk_end(&walk) == MG_OK);
    *built = *header;
    mg_builder_finish(&builder, built);
    return true;
}

static void columns_agree(mg_span payload, const mg_batch_header *header)
{
    static int64_t offsets[RECORDS_MAX], timestamps[RECORDS_MAX];
    static int32_t numbers[6][RECORDS_MAX];
    const mg_columns columns = {.offsets = offsets,
                                .timestamps = timestamps,
                                .key_positions = numbers[0],
                                .key_sizes = numbers[1],
                                .value_positions = numbers[2],
                                .value_sizes = numbers[3],
                                .headers_positions = numbers[4],
                                .header_counts = numbers[5]};
    mg_status status = mg_columns_decode(payload, header, &columns);
    mg_record_walk walk = mg_record_walk_over(payload, header->record_count);
    mg_record record;
    for (size_t i = 0; mg_record_next(&walk, &record); i++) {
        require(numbers[1][i] == (record.key.data == NULL ? -1 : (int32_t)record.key.size));
        require(numbers[3][i] == (record.value.data == NULL ? -1 : (int32_t)record.value.size));
        require((size_t)numbers[0][i] + record.key.size <= payload.size);
        require((size_t)numbers[2][i] + record.value.size <= payload.size);
        require((size_t)numbers[4][i] + record.headers.size <= payload.size);
        mg_record_header_walk items = mg_record_header_walk_over(&record);
        mg_record_header item;
        while (mg_record_header_next(&items, &item))
            require(item.key.data != NULL);
    }
    require(mg_record_walk_end(&walk) == status);
}

static void try_batch(mg_span batch)
{
    mg_batch_header header, again;
    mg_batch_finding finding = mg_batch_validate_produced(batch, &rules, &header);
    mg_status status = mg_batch_check(batch, &again);
    if (finding.fault == MG_BATCH_FINE) require(status == MG_OK);
    if (status != MG_OK || again.record_count > RECORDS_MAX) return;

    mg_span payload = mg_batch_payload(batch, &again);
    columns_agree(payload, &again);
    if (finding.fault != MG_BATCH_FINE || mg_batch_codec(&header) != MG_CODEC_NONE) return;

    /* With a topic's stamp the header's time is that of all records: none of theirs builds it. */
    if ((header.attributes & MG_BATCH_APPEND_TIME) != 0) return;

    uint8_t *memory = malloc(batch.size);
    require(memory != NULL);
    if (build_again(payload, &header, memory, batch.size, &again)) {
        require(again.max_timestamp == finding.max_timestamp);
        mg_span rebuilt = {.data = memory, .size = (size_t)again.size};
        finding = mg_batch_validate_produced(rebuilt, &rules, &header);
        require(finding.fault == MG_BATCH_FINE);
        require(finding.max_timestamp == again.max_timestamp);
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_SIZE_MAX) return 0;
    bool as_it_is = (data[0] & 1) != 0;
    data++, size--;
    uint8_t *batch = malloc(size > 0 ? size : 1); /* exact, so that ASan sees the end */
    require(batch != NULL);
    if (size > 0) memcpy(batch, data, size);
    if (!as_it_is && size >= MG_BATCH_HEADER_SIZE) mend(batch, size);
    try_batch((mg_span){.data = batch, .size = size});
    free(batch);
    return 0;
}
