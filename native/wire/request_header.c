#include "wire/request_header.h"

#include "wire/field.h"

/* Marks in the table below; versions are int16. */
#define NEVER INT16_MAX /* no flexible version */
#define NO_API (-1)     /* a key that Kafka 4.3 does not have */

/* By api key, the first flexible version. From Kafka 4.3's message definitions; the test compares
 * with those where they are at hand. */
static const int16_t first_flexible[MG_API_KEY_MAX + 1] = {
    [0] = 9,                                                         /* Produce */
    [1] = 12,                                                        /* Fetch */
    [2] = 6,                                                         /* ListOffsets */
    [3] = 9,                                                         /* Metadata */
    [4] = NO_API, [5] = NO_API, [6] = NO_API, [7] = NO_API, [8] = 8, /* OffsetCommit */
    [9] = 6,                                                         /* OffsetFetch */
    [10] = 3,                                                        /* FindCoordinator */
    [11] = 6,                                                        /* JoinGroup */
    [12] = 4,                                                        /* Heartbeat */
    [13] = 4,                                                        /* LeaveGroup */
    [14] = 4,                                                        /* SyncGroup */
    [15] = 5,                                                        /* DescribeGroups */
    [16] = 3,                                                        /* ListGroups */
    [17] = NEVER,                                                    /* SaslHandshake */
    [18] = 3,                                                        /* ApiVersions */
    [19] = 5,                                                        /* CreateTopics */
    [20] = 4,                                                        /* DeleteTopics */
    [21] = 2,                                                        /* DeleteRecords */
    [22] = 2,                                                        /* InitProducerId */
    [23] = 4,                                                        /* OffsetForLeaderEpoch */
    [24] = 3,                                                        /* AddPartitionsToTxn */
    [25] = 3,                                                        /* AddOffsetsToTxn */
    [26] = 3,                                                        /* EndTxn */
    [27] = 1,                                                        /* WriteTxnMarkers */
    [28] = 3,                                                        /* TxnOffsetCommit */
    [29] = 2,                                                        /* DescribeAcls */
    [30] = 2,                                                        /* CreateAcls */
    [31] = 2,                                                        /* DeleteAcls */
    [32] = 4,                                                        /* DescribeConfigs */
    [33] = 2,                                                        /* AlterConfigs */
    [34] = 2,                                                        /* AlterReplicaLogDirs */
    [35] = 2,                                                        /* DescribeLogDirs */
    [36] = 2,                                                        /* SaslAuthenticate */
    [37] = 2,                                                        /* CreatePartitions */
    [38] = 2,                                                        /* CreateDelegationToken */
    [39] = 2,                                                        /* RenewDelegationToken */
    [40] = 2,                                                        /* ExpireDelegationToken */
    [41] = 2,                                                        /* DescribeDelegationToken */
    [42] = 2,                                                        /* DeleteGroups */
    [43] = 2,                                                        /* ElectLeaders */
    [44] = 1,                                                        /* IncrementalAlterConfigs */
    [45] = 0,     /* AlterPartitionReassignments */
    [46] = 0,     /* ListPartitionReassignments */
    [47] = NEVER, /* OffsetDelete */
    [48] = 1,     /* DescribeClientQuotas */
    [49] = 1,     /* AlterClientQuotas */
    [50] = 0,     /* DescribeUserScramCredentials */
    [51] = 0,     /* AlterUserScramCredentials */
    [52] = 0,     /* Vote */
    [53] = 1,     /* BeginQuorumEpoch */
    [54] = 1,     /* EndQuorumEpoch */
    [55] = 0,     /* DescribeQuorum */
    [56] = 0,     /* AlterPartition */
    [57] = 0,     /* UpdateFeatures */
    [58] = 0,     /* Envelope */
    [59] = 0,     /* FetchSnapshot */
    [60] = 0,     /* DescribeCluster */
    [61] = 0,     /* DescribeProducers */
    [62] = 0,     /* BrokerRegistration */
    [63] = 0,     /* BrokerHeartbeat */
    [64] = 0,     /* UnregisterBroker */
    [65] = 0,     /* DescribeTransactions */
    [66] = 0,     /* ListTransactions */
    [67] = 0,     /* AllocateProducerIds */
    [68] = 0,     /* ConsumerGroupHeartbeat */
    [69] = 0,     /* ConsumerGroupDescribe */
    [70] = 0,     /* ControllerRegistration */
    [71] = 0,     /* GetTelemetrySubscriptions */
    [72] = 0,     /* PushTelemetry */
    [73] = 0,     /* AssignReplicasToDirs */
    [74] = 0,     /* ListConfigResources */
    [75] = 0,     /* DescribeTopicPartitions */
    [76] = 0,     /* ShareGroupHeartbeat */
    [77] = 0,     /* ShareGroupDescribe */
    [78] = 0,     /* ShareFetch */
    [79] = 0,     /* ShareAcknowledge */
    [80] = 0,     /* AddRaftVoter */
    [81] = 0,     /* RemoveRaftVoter */
    [82] = 0,     /* UpdateRaftVoter */
    [83] = 0,     /* InitializeShareGroupState */
    [84] = 0,     /* ReadShareGroupState */
    [85] = 0,     /* WriteShareGroupState */
    [86] = 0,     /* DeleteShareGroupState */
    [87] = 0,     /* ReadShareGroupStateSummary */
    [88] = 0,     /* StreamsGroupHeartbeat */
    [89] = 0,     /* StreamsGroupDescribe */
    [90] = 0,     /* DescribeShareGroupOffsets */
    [91] = 0,     /* AlterShareGroupOffsets */
    [92] = 0,     /* DeleteShareGroupOffsets */
};

bool mg_api_is_known(int16_t api_key)
{
    return api_key >= 0 && api_key <= MG_API_KEY_MAX && first_flexible[api_key] != NO_API;
}

bool mg_request_is_flexible(int16_t api_key, int16_t api_version)
{
    if (!mg_api_is_known(api_key) || api_version < 0) return false;
    int16_t first = first_flexible[api_key];
    return first != NEVER && api_version >= first;
}

bool mg_reply_header_has_tags(int16_t api_key, int16_t api_version)
{
    return api_key != MG_API_VERSIONS && mg_request_is_flexible(api_key, api_version);
}

mg_status mg_request_header_decode(mg_span frame, bool flexible, mg_request_header *header)
{
    mg_cursor cursor = mg_cursor_over(frame.data, frame.size);
    const uint8_t *start_bytes = mg_cursor_take(&cursor, MG_REQUEST_START_SIZE);
    if (start_bytes == NULL) return MG_CORRUPT;
    mg_request_start start = mg_request_start_decode(start_bytes);
    /* The client id keeps its int16 size in flexible headers, too, so that any broker can read it
     * before it knows the version. */
    mg_span client_id = mg_read_nullable_string(&cursor, false);
    mg_skip_tags(&cursor, flexible);
    if (!mg_cursor_ok(&cursor)) return MG_CORRUPT;
    *header = (mg_request_header){
        .client_id = client_id,
        .body = {.data = cursor.next, .size = mg_cursor_left(&cursor)},
        .correlation_id = start.correlation_id,
        .api_key = start.api_key,
        .api_version = start.api_version,
    };
    return MG_OK;
}
