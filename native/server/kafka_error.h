/* kafka_error.h -- the protocol's error codes that the express lane answers with. */
#ifndef MG_SERVER_KAFKA_ERROR_H
#define MG_SERVER_KAFKA_ERROR_H

#include "base/status.h"

#include <stdint.h>

typedef enum mg_kafka_error {
    MG_KAFKA_UNKNOWN_SERVER_ERROR = -1,
    MG_KAFKA_NONE = 0,
    MG_KAFKA_OFFSET_OUT_OF_RANGE = 1,
    MG_KAFKA_CORRUPT_MESSAGE = 2,
    MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION = 3,
    MG_KAFKA_NOT_LEADER_OR_FOLLOWER = 6,
    MG_KAFKA_REQUEST_TIMED_OUT = 7,
    MG_KAFKA_MESSAGE_TOO_LARGE = 10,
    MG_KAFKA_INVALID_TOPIC = 17,
    MG_KAFKA_NOT_ENOUGH_REPLICAS = 19,
    MG_KAFKA_INVALID_REQUIRED_ACKS = 21,
    MG_KAFKA_INVALID_TIMESTAMP = 32,
    MG_KAFKA_INVALID_REQUEST = 42,
    MG_KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    MG_KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    MG_KAFKA_INVALID_PRODUCER_EPOCH = 47,
    MG_KAFKA_INVALID_TXN_STATE = 48,
    MG_KAFKA_INVALID_PRODUCER_ID_MAPPING = 49,
    MG_KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
    MG_KAFKA_STORAGE_ERROR = 56,
    MG_KAFKA_FENCED_LEADER_EPOCH = 74,
    MG_KAFKA_UNKNOWN_LEADER_EPOCH = 75,
    MG_KAFKA_UNSUPPORTED_COMPRESSION_TYPE = 76,
    MG_KAFKA_INVALID_RECORD = 87,
    MG_KAFKA_UNKNOWN_TOPIC_ID = 100,
    MG_KAFKA_INCONSISTENT_TOPIC_ID = 103,
} mg_kafka_error;

/* What a client is told when the log answers `status`. */
static inline mg_kafka_error mg_kafka_error_of(mg_status status)
{
    switch (status) {
    case MG_OK:
        return MG_KAFKA_NONE;
    case MG_OUT_OF_RANGE:
        return MG_KAFKA_OFFSET_OUT_OF_RANGE;
    case MG_TOO_LARGE:
        return MG_KAFKA_MESSAGE_TOO_LARGE;
    case MG_CLOSED:
    case MG_NOT_FOUND:
        return MG_KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    case MG_CORRUPT:
    case MG_UNSUPPORTED:
    case MG_IO:
    case MG_NO_SPACE:
    case MG_NO_MEMORY:
    case MG_BUSY:
    case MG_WOULD_BLOCK:
        return MG_KAFKA_STORAGE_ERROR;
    }
    return MG_KAFKA_STORAGE_ERROR;
}

#endif
