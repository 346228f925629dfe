/* request_header.h -- what stands before the body of every request.
 *
 *   int16 api_key  int16 api_version  int32 correlation_id     MG_REQUEST_START_SIZE bytes
 *   int16 size, client_id                                      -1: null; in both header versions
 *   tags                                                       header version 2 only
 *   body
 *
 * Header version 2 goes with the flexible versions of a request. Which those
 * are is in the table here, for every API of Kafka 4.3; a version newer than
 * any known counts as flexible like the newest, so that an ApiVersions request
 * from the future can be answered. Spans borrow the frame.
 */
#ifndef MG_WIRE_REQUEST_HEADER_H
#define MG_WIRE_REQUEST_HEADER_H

#include "base/cursor.h"
#include "base/status.h"

enum {
    MG_API_PRODUCE = 0,
    MG_API_FETCH = 1,
    MG_API_VERSIONS = 18,
    MG_API_KEY_MAX = 92,

    MG_REQUEST_START_SIZE = 8,
};

/* Versions of the express lane. Produce is advertised from 0, but 0 to 2 are refused. */
enum {
    MG_PRODUCE_VERSION_MIN = 3,
    MG_PRODUCE_VERSION_MAX = 13,
    MG_FETCH_VERSION_MIN = 4,
    MG_FETCH_VERSION_MAX = 18,

    MG_PRODUCE_VERSION_FLEXIBLE = 9,
    MG_FETCH_VERSION_FLEXIBLE = 12,

    MG_PRODUCE_VERSION_NAMES_MAX = 12, /* from the next version on topics are named by id */
    MG_FETCH_VERSION_NAMES_MAX = 12,
};

typedef struct mg_request_start {
    int32_t correlation_id;
    int16_t api_key;
    int16_t api_version;
} mg_request_start;

typedef struct mg_request_header {
    mg_span client_id; /* data NULL: null */
    mg_span body;      /* all that follows the header */
    int32_t correlation_id;
    int16_t api_key;
    int16_t api_version;
} mg_request_header;

/* `bytes` holds at least MG_REQUEST_START_SIZE: those that follow the frame's size. */
static inline mg_request_start mg_request_start_decode(const uint8_t *bytes)
{
    return (mg_request_start){
        .api_key = (int16_t)mg_load_u16(bytes),
        .api_version = (int16_t)mg_load_u16(bytes + 2),
        .correlation_id = (int32_t)mg_load_u32(bytes + 4),
    };
}

/* An API key that Kafka 4.3 has, be it served here or not. */
bool mg_api_is_known(int16_t api_key);
/* Compact fields in the body, header version 2. Never true of a negative version or unknown key. */
bool mg_request_is_flexible(int16_t api_key, int16_t api_version);
/* Whether an empty tag section follows the correlation id of the reply: as the request, but for
 * ApiVersions, whose reply must be legible to a client that does not know the version yet. */
bool mg_reply_header_has_tags(int16_t api_key, int16_t api_version);

/* `frame` is what follows the size. MG_CORRUPT: truncated, a bad client id or tag section. */
MG_WARN_UNUSED mg_status mg_request_header_decode(mg_span frame, bool flexible,
                                                  mg_request_header *header);

#endif
