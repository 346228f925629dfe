/* builder.h -- makes a record batch in the caller's memory.
 *
 *     mg_builder builder = mg_builder_over(memory, size, base_timestamp);
 *     while (mg_builder_add(&builder, &parts)) ...      false: it no longer fits
 *     mg_batch_header header = mg_batch_header_blank();
 *     mg_builder_finish(&builder, &header);              header.size bytes are the batch
 *
 * Offset deltas are 0, 1, 2 .. in the order of adding. A batch that is to be
 * compressed is built plain; the caller then replaces the payload behind the
 * header, sets header.size and the codec bits, and calls mg_batch_seal.
 *
 * mg_record_size_of says beforehand, and exactly, what a record will take.
 * The builder borrows everything. Nothing here allocates.
 */
#ifndef MG_BATCH_BUILDER_H
#define MG_BATCH_BUILDER_H

#include "base/writer.h"
#include "batch/batch.h"
#include "batch/record.h"

/* A record as its writer knows it. A null key or value has data == NULL. */
typedef struct mg_record_parts {
    int64_t timestamp;
    mg_span key;
    mg_span value;
    const mg_record_header *headers; /* their keys are never NULL, not even empty ones */
    size_t header_count;
} mg_record_parts;

/* The bytes of a record in a batch, its own size field included. MG_TOO_LARGE: more than a batch
 * may have, or a timestamp too far from the base's. */
MG_WARN_UNUSED mg_status mg_record_size_of(const mg_record_parts *parts, int64_t base_timestamp,
                                           int32_t offset_delta, size_t *size);

typedef struct mg_builder {
    mg_writer writer; /* behind the header's place */
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t record_count;
} mg_builder;

/* At least MG_BATCH_HEADER_SIZE bytes. The base timestamp is by custom the first record's. */
mg_builder mg_builder_over(uint8_t *memory, size_t size, int64_t base_timestamp);

/* False, and nothing changed, when the record does not fit the memory or the format. */
MG_WARN_UNUSED bool mg_builder_add(mg_builder *builder, const mg_record_parts *parts);

/* Nobody's: no producer, no epoch, offset 0, no codec. */
mg_batch_header mg_batch_header_blank(void);

/* Fills in size, count, deltas, timestamps and CRC; the rest of `header` is the caller's. At
 * least one record was added. */
void mg_builder_finish(mg_builder *builder, mg_batch_header *header);

#endif
