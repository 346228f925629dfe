#include "partition/opening.h"

static mg_batch_finding closed(mg_batch_fault fault, const char *message)
{
    return (mg_batch_finding){.fault = fault, .record_index = -1, .message = message};
}

mg_status mg_opening_look(mg_opening *opening, const mg_codecs *codecs, mg_scratch *plain,
                          uint8_t *batch, mg_batch_header *header)
{
    mg_span bytes = {.data = batch, .size = (size_t)header->size};
    mg_span records;
    mg_status status = mg_batch_open(codecs, plain, bytes, header, &records, NULL);
    if (status == MG_OK)
        opening->finding = mg_batch_validate_records(records, &opening->rules, header);
    else if (status == MG_CORRUPT)
        opening->finding = closed(MG_BATCH_INVALID_RECORD, "the records cannot be decompressed");
    else if (status == MG_TOO_LARGE)
        opening->finding = closed(MG_BATCH_TOO_LARGE, "the records open to more than 64 MiB");
    else if (status == MG_UNSUPPORTED)
        opening->finding = closed(MG_BATCH_UNSUPPORTED_CODEC, "the codec cannot be opened here");
    else
        return status;

    int32_t count = mg_batch_named_count(&opening->finding);
    if (opening->finding.fault == MG_BATCH_FINE)
        mg_batch_correct_time(batch, opening->finding.max_timestamp, header);
    else if (count > 0)
        opening->refusals = mg_batch_create_refusals(records, &opening->rules, header, count);
    return MG_OK;
}
