# Apache Kafka 4.3.0 (Apache-2.0), derived by tools/derive_messages.py: do not edit.
from collections.abc import Sequence
from typing import NamedTuple

# ProduceRequest: request, api key 0, versions 3-13, flexible 9+

class ProduceRequest(NamedTuple):
    transactional_id: str | None = None
    acks: int = 0
    timeout_ms: int = 0
    topic_data: Sequence[TopicProduceData] = ()

class TopicProduceData(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    partition_data: Sequence[PartitionProduceData] = ()

class PartitionProduceData(NamedTuple):
    index: int = 0  # type: ignore[assignment]
    records: bytes | None = None

# ProduceResponse: response, api key 0, versions 3-13, flexible 9+

class ProduceResponse(NamedTuple):
    responses: Sequence[TopicProduceResponse] = ()
    throttle_time_ms: int = 0
    node_endpoints: Sequence[ProduceResponseNodeEndpoint] = ()

class TopicProduceResponse(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    partition_responses: Sequence[PartitionProduceResponse] = ()

class PartitionProduceResponse(NamedTuple):
    index: int = 0  # type: ignore[assignment]
    error_code: int = 0
    base_offset: int = 0
    log_append_time_ms: int = -1
    log_start_offset: int = -1
    record_errors: Sequence[BatchIndexAndErrorMessage] = ()
    error_message: str | None = None
    current_leader: ProduceResponseLeaderIdAndEpoch = ...

class BatchIndexAndErrorMessage(NamedTuple):
    batch_index: int = 0
    batch_index_error_message: str | None = None

class ProduceResponseLeaderIdAndEpoch(NamedTuple):
    leader_id: int = -1
    leader_epoch: int = -1

class ProduceResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0
    rack: str | None = None

# FetchRequest: request, api key 1, versions 4-18, flexible 12+

class FetchRequest(NamedTuple):
    cluster_id: str | None = None
    replica_id: int = -1
    replica_state: FetchRequestReplicaState = ...
    max_wait_ms: int = 0
    min_bytes: int = 0
    max_bytes: int = 2147483647
    isolation_level: int = 0
    session_id: int = 0
    session_epoch: int = -1
    topics: Sequence[FetchRequestFetchTopic] = ()
    forgotten_topics_data: Sequence[FetchRequestForgottenTopic] = ()
    rack_id: str = ""

class FetchRequestReplicaState(NamedTuple):
    replica_id: int = -1
    replica_epoch: int = -1

class FetchRequestFetchTopic(NamedTuple):
    topic: str = ""
    topic_id: bytes = ...
    partitions: Sequence[FetchRequestFetchPartition] = ()

class FetchRequestFetchPartition(NamedTuple):
    partition: int = 0
    current_leader_epoch: int = -1
    fetch_offset: int = 0
    last_fetched_epoch: int = -1
    log_start_offset: int = -1
    partition_max_bytes: int = 0
    replica_directory_id: bytes = ...
    high_watermark: int = 9223372036854775807

class FetchRequestForgottenTopic(NamedTuple):
    topic: str = ""
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# FetchResponse: response, api key 1, versions 4-18, flexible 12+

class FetchResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    session_id: int = 0
    responses: Sequence[FetchableTopicResponse] = ()
    node_endpoints: Sequence[FetchResponseNodeEndpoint] = ()

class FetchableTopicResponse(NamedTuple):
    topic: str = ""
    topic_id: bytes = ...
    partitions: Sequence[FetchResponsePartitionData] = ()

class FetchResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    high_watermark: int = 0
    last_stable_offset: int = -1
    log_start_offset: int = -1
    diverging_epoch: FetchResponseEpochEndOffset = ...
    current_leader: FetchResponseLeaderIdAndEpoch = ...
    snapshot_id: FetchResponseSnapshotId = ...
    aborted_transactions: Sequence[AbortedTransaction] | None = ()
    preferred_read_replica: int = -1
    records: bytes | None = None

class FetchResponseEpochEndOffset(NamedTuple):
    epoch: int = -1
    end_offset: int = -1

class FetchResponseLeaderIdAndEpoch(NamedTuple):
    leader_id: int = -1
    leader_epoch: int = -1

class FetchResponseSnapshotId(NamedTuple):
    end_offset: int = -1
    epoch: int = -1

class AbortedTransaction(NamedTuple):
    producer_id: int = 0
    first_offset: int = 0

class FetchResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0
    rack: str | None = None

# ListOffsetsRequest: request, api key 2, versions 1-11, flexible 6+

class ListOffsetsRequest(NamedTuple):
    replica_id: int = 0
    isolation_level: int = 0
    topics: Sequence[ListOffsetsTopic] = ()
    timeout_ms: int = 0

class ListOffsetsTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[ListOffsetsPartition] = ()

class ListOffsetsPartition(NamedTuple):
    partition_index: int = 0
    current_leader_epoch: int = -1
    timestamp: int = 0

# ListOffsetsResponse: response, api key 2, versions 1-11, flexible 6+

class ListOffsetsResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[ListOffsetsTopicResponse] = ()

class ListOffsetsTopicResponse(NamedTuple):
    name: str = ""
    partitions: Sequence[ListOffsetsPartitionResponse] = ()

class ListOffsetsPartitionResponse(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    timestamp: int = -1
    offset: int = -1
    leader_epoch: int = -1

# MetadataRequest: request, api key 3, versions 0-13, flexible 9+

class MetadataRequest(NamedTuple):
    topics: Sequence[MetadataRequestTopic] | None = ()
    allow_auto_topic_creation: bool = True
    include_cluster_authorized_operations: bool = False
    include_topic_authorized_operations: bool = False

class MetadataRequestTopic(NamedTuple):
    topic_id: bytes = ...
    name: str | None = ""

# MetadataResponse: response, api key 3, versions 0-13, flexible 9+

class MetadataResponse(NamedTuple):
    throttle_time_ms: int = 0
    brokers: Sequence[MetadataResponseBroker] = ()
    cluster_id: str | None = None
    controller_id: int = -1
    topics: Sequence[MetadataResponseTopic] = ()
    cluster_authorized_operations: int = -2147483648
    error_code: int = 0

class MetadataResponseBroker(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0
    rack: str | None = None

class MetadataResponseTopic(NamedTuple):
    error_code: int = 0
    name: str | None = ""
    topic_id: bytes = ...
    is_internal: bool = False
    partitions: Sequence[MetadataResponsePartition] = ()
    topic_authorized_operations: int = -2147483648

class MetadataResponsePartition(NamedTuple):
    error_code: int = 0
    partition_index: int = 0
    leader_id: int = 0
    leader_epoch: int = -1
    replica_nodes: Sequence[int] = ()
    isr_nodes: Sequence[int] = ()
    offline_replicas: Sequence[int] = ()

# OffsetCommitRequest: request, api key 8, versions 2-10, flexible 8+

class OffsetCommitRequest(NamedTuple):
    group_id: str = ""
    generation_id_or_member_epoch: int = -1
    member_id: str = ""
    group_instance_id: str | None = None
    retention_time_ms: int = -1
    topics: Sequence[OffsetCommitRequestTopic] = ()

class OffsetCommitRequestTopic(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    partitions: Sequence[OffsetCommitRequestPartition] = ()

class OffsetCommitRequestPartition(NamedTuple):
    partition_index: int = 0
    committed_offset: int = 0
    committed_leader_epoch: int = -1
    committed_metadata: str | None = ""

# OffsetCommitResponse: response, api key 8, versions 2-10, flexible 8+

class OffsetCommitResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[OffsetCommitResponseTopic] = ()

class OffsetCommitResponseTopic(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    partitions: Sequence[OffsetCommitResponsePartition] = ()

class OffsetCommitResponsePartition(NamedTuple):
    partition_index: int = 0
    error_code: int = 0

# OffsetFetchRequest: request, api key 9, versions 1-10, flexible 6+

class OffsetFetchRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[OffsetFetchRequestTopic] | None = ()
    groups: Sequence[OffsetFetchRequestGroup] = ()
    require_stable: bool = False

class OffsetFetchRequestTopic(NamedTuple):
    name: str = ""
    partition_indexes: Sequence[int] = ()

class OffsetFetchRequestGroup(NamedTuple):
    group_id: str = ""
    member_id: str | None = None
    member_epoch: int = -1
    topics: Sequence[OffsetFetchRequestTopics] | None = ()

class OffsetFetchRequestTopics(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    partition_indexes: Sequence[int] = ()

# OffsetFetchResponse: response, api key 9, versions 1-10, flexible 6+

class OffsetFetchResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[OffsetFetchResponseTopic] = ()
    error_code: int = 0
    groups: Sequence[OffsetFetchResponseGroup] = ()

class OffsetFetchResponseTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[OffsetFetchResponsePartition] = ()

class OffsetFetchResponsePartition(NamedTuple):
    partition_index: int = 0
    committed_offset: int = 0
    committed_leader_epoch: int = -1
    metadata: str | None = ""
    error_code: int = 0

class OffsetFetchResponseGroup(NamedTuple):
    group_id: str = ""
    topics: Sequence[OffsetFetchResponseTopics] = ()
    error_code: int = 0

class OffsetFetchResponseTopics(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    partitions: Sequence[OffsetFetchResponsePartitions] = ()

class OffsetFetchResponsePartitions(NamedTuple):
    partition_index: int = 0
    committed_offset: int = 0
    committed_leader_epoch: int = -1
    metadata: str | None = ""
    error_code: int = 0

# FindCoordinatorRequest: request, api key 10, versions 0-6, flexible 3+

class FindCoordinatorRequest(NamedTuple):
    key: str = ""
    key_type: int = 0
    coordinator_keys: Sequence[str] = ()

# FindCoordinatorResponse: response, api key 10, versions 0-6, flexible 3+

class FindCoordinatorResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""
    node_id: int = 0
    host: str = ""
    port: int = 0
    coordinators: Sequence[Coordinator] = ()

class Coordinator(NamedTuple):
    key: str = ""
    node_id: int = 0
    host: str = ""
    port: int = 0
    error_code: int = 0
    error_message: str | None = ""

# JoinGroupRequest: request, api key 11, versions 0-9, flexible 6+

class JoinGroupRequest(NamedTuple):
    group_id: str = ""
    session_timeout_ms: int = 0
    rebalance_timeout_ms: int = -1
    member_id: str = ""
    group_instance_id: str | None = None
    protocol_type: str = ""
    protocols: Sequence[JoinGroupRequestProtocol] = ()
    reason: str | None = None

class JoinGroupRequestProtocol(NamedTuple):
    name: str = ""
    metadata: bytes = b""

# JoinGroupResponse: response, api key 11, versions 0-9, flexible 6+

class JoinGroupResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    generation_id: int = -1
    protocol_type: str | None = None
    protocol_name: str | None = ""
    leader: str = ""
    skip_assignment: bool = False
    member_id: str = ""
    members: Sequence[JoinGroupResponseMember] = ()

class JoinGroupResponseMember(NamedTuple):
    member_id: str = ""
    group_instance_id: str | None = None
    metadata: bytes = b""

# HeartbeatRequest: request, api key 12, versions 0-4, flexible 4+

class HeartbeatRequest(NamedTuple):
    group_id: str = ""
    generation_id: int = 0
    member_id: str = ""
    group_instance_id: str | None = None

# HeartbeatResponse: response, api key 12, versions 0-4, flexible 4+

class HeartbeatResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0

# LeaveGroupRequest: request, api key 13, versions 0-5, flexible 4+

class LeaveGroupRequest(NamedTuple):
    group_id: str = ""
    member_id: str = ""
    members: Sequence[MemberIdentity] = ()

class MemberIdentity(NamedTuple):
    member_id: str = ""
    group_instance_id: str | None = None
    reason: str | None = None

# LeaveGroupResponse: response, api key 13, versions 0-5, flexible 4+

class LeaveGroupResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    members: Sequence[MemberResponse] = ()

class MemberResponse(NamedTuple):
    member_id: str = ""
    group_instance_id: str | None = ""
    error_code: int = 0

# SyncGroupRequest: request, api key 14, versions 0-5, flexible 4+

class SyncGroupRequest(NamedTuple):
    group_id: str = ""
    generation_id: int = 0
    member_id: str = ""
    group_instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: Sequence[SyncGroupRequestAssignment] = ()

class SyncGroupRequestAssignment(NamedTuple):
    member_id: str = ""
    assignment: bytes = b""

# SyncGroupResponse: response, api key 14, versions 0-5, flexible 4+

class SyncGroupResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""

# DescribeGroupsRequest: request, api key 15, versions 0-6, flexible 5+

class DescribeGroupsRequest(NamedTuple):
    groups: Sequence[str] = ()
    include_authorized_operations: bool = False

# DescribeGroupsResponse: response, api key 15, versions 0-6, flexible 5+

class DescribeGroupsResponse(NamedTuple):
    throttle_time_ms: int = 0
    groups: Sequence[DescribeGroupsResponseDescribedGroup] = ()

class DescribeGroupsResponseDescribedGroup(NamedTuple):
    error_code: int = 0
    error_message: str | None = None
    group_id: str = ""
    group_state: str = ""
    protocol_type: str = ""
    protocol_data: str = ""
    members: Sequence[DescribedGroupMember] = ()
    authorized_operations: int = -2147483648

class DescribedGroupMember(NamedTuple):
    member_id: str = ""
    group_instance_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    member_metadata: bytes = b""
    member_assignment: bytes = b""

# ListGroupsRequest: request, api key 16, versions 0-5, flexible 3+

class ListGroupsRequest(NamedTuple):
    states_filter: Sequence[str] = ()
    types_filter: Sequence[str] = ()

# ListGroupsResponse: response, api key 16, versions 0-5, flexible 3+

class ListGroupsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    groups: Sequence[ListedGroup] = ()

class ListedGroup(NamedTuple):
    group_id: str = ""
    protocol_type: str = ""
    group_state: str = ""
    group_type: str = ""

# SaslHandshakeRequest: request, api key 17, versions 0-1, flexible none

class SaslHandshakeRequest(NamedTuple):
    mechanism: str = ""

# SaslHandshakeResponse: response, api key 17, versions 0-1, flexible none

class SaslHandshakeResponse(NamedTuple):
    error_code: int = 0
    mechanisms: Sequence[str] = ()

# ApiVersionsRequest: request, api key 18, versions 0-4, flexible 3+

class ApiVersionsRequest(NamedTuple):
    client_software_name: str = ""
    client_software_version: str = ""

# ApiVersionsResponse: response, api key 18, versions 0-4, flexible 3+

class ApiVersionsResponse(NamedTuple):
    error_code: int = 0
    api_keys: Sequence[ApiVersion] = ()
    throttle_time_ms: int = 0
    supported_features: Sequence[SupportedFeatureKey] = ()
    finalized_features_epoch: int = -1
    finalized_features: Sequence[FinalizedFeatureKey] = ()
    zk_migration_ready: bool = False

class ApiVersion(NamedTuple):
    api_key: int = 0
    min_version: int = 0
    max_version: int = 0

class SupportedFeatureKey(NamedTuple):
    name: str = ""
    min_version: int = 0
    max_version: int = 0

class FinalizedFeatureKey(NamedTuple):
    name: str = ""
    max_version_level: int = 0
    min_version_level: int = 0

# CreateTopicsRequest: request, api key 19, versions 2-7, flexible 5+

class CreateTopicsRequest(NamedTuple):
    topics: Sequence[CreatableTopic] = ()
    timeout_ms: int = 60000
    validate_only: bool = False

class CreatableTopic(NamedTuple):
    name: str = ""
    num_partitions: int = 0
    replication_factor: int = 0
    assignments: Sequence[CreatableReplicaAssignment] = ()
    configs: Sequence[CreatableTopicConfig] = ()

class CreatableReplicaAssignment(NamedTuple):
    partition_index: int = 0
    broker_ids: Sequence[int] = ()

class CreatableTopicConfig(NamedTuple):
    name: str = ""
    value: str | None = ""

# CreateTopicsResponse: response, api key 19, versions 2-7, flexible 5+

class CreateTopicsResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[CreatableTopicResult] = ()

class CreatableTopicResult(NamedTuple):
    name: str = ""
    topic_id: bytes = ...
    error_code: int = 0
    error_message: str | None = ""
    topic_config_error_code: int = 0
    num_partitions: int = -1
    replication_factor: int = -1
    configs: Sequence[CreatableTopicConfigs] | None = ()

class CreatableTopicConfigs(NamedTuple):
    name: str = ""
    value: str | None = ""
    read_only: bool = False
    config_source: int = -1
    is_sensitive: bool = False

# DeleteTopicsRequest: request, api key 20, versions 1-6, flexible 4+

class DeleteTopicsRequest(NamedTuple):
    topics: Sequence[DeleteTopicState] = ()
    topic_names: Sequence[str] = ()
    timeout_ms: int = 0

class DeleteTopicState(NamedTuple):
    name: str | None = None
    topic_id: bytes = ...

# DeleteTopicsResponse: response, api key 20, versions 1-6, flexible 4+

class DeleteTopicsResponse(NamedTuple):
    throttle_time_ms: int = 0
    responses: Sequence[DeletableTopicResult] = ()

class DeletableTopicResult(NamedTuple):
    name: str | None = ""
    topic_id: bytes = ...
    error_code: int = 0
    error_message: str | None = None

# DeleteRecordsRequest: request, api key 21, versions 0-2, flexible 2+

class DeleteRecordsRequest(NamedTuple):
    topics: Sequence[DeleteRecordsTopic] = ()
    timeout_ms: int = 0

class DeleteRecordsTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[DeleteRecordsPartition] = ()

class DeleteRecordsPartition(NamedTuple):
    partition_index: int = 0
    offset: int = 0

# DeleteRecordsResponse: response, api key 21, versions 0-2, flexible 2+

class DeleteRecordsResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[DeleteRecordsTopicResult] = ()

class DeleteRecordsTopicResult(NamedTuple):
    name: str = ""
    partitions: Sequence[DeleteRecordsPartitionResult] = ()

class DeleteRecordsPartitionResult(NamedTuple):
    partition_index: int = 0
    low_watermark: int = 0
    error_code: int = 0

# InitProducerIdRequest: request, api key 22, versions 0-6, flexible 2+

class InitProducerIdRequest(NamedTuple):
    transactional_id: str | None = ""
    transaction_timeout_ms: int = 0
    producer_id: int = -1
    producer_epoch: int = -1
    enable2_pc: bool = False
    keep_prepared_txn: bool = False

# InitProducerIdResponse: response, api key 22, versions 0-6, flexible 2+

class InitProducerIdResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    producer_id: int = -1
    producer_epoch: int = 0
    ongoing_txn_producer_id: int = -1
    ongoing_txn_producer_epoch: int = -1

# OffsetForLeaderEpochRequest: request, api key 23, versions 2-4, flexible 4+

class OffsetForLeaderEpochRequest(NamedTuple):
    replica_id: int = -2
    topics: Sequence[OffsetForLeaderTopic] = ()

class OffsetForLeaderTopic(NamedTuple):
    topic: str = ""
    partitions: Sequence[OffsetForLeaderPartition] = ()

class OffsetForLeaderPartition(NamedTuple):
    partition: int = 0
    current_leader_epoch: int = -1
    leader_epoch: int = 0

# OffsetForLeaderEpochResponse: response, api key 23, versions 2-4, flexible 4+

class OffsetForLeaderEpochResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[OffsetForLeaderTopicResult] = ()

class OffsetForLeaderTopicResult(NamedTuple):
    topic: str = ""
    partitions: Sequence[OffsetForLeaderEpochResponseEpochEndOffset] = ()

class OffsetForLeaderEpochResponseEpochEndOffset(NamedTuple):
    error_code: int = 0
    partition: int = 0
    leader_epoch: int = -1
    end_offset: int = -1

# AddPartitionsToTxnRequest: request, api key 24, versions 0-5, flexible 3+

class AddPartitionsToTxnRequest(NamedTuple):
    transactions: Sequence[AddPartitionsToTxnTransaction] = ()
    v3_and_below_transactional_id: str = ""
    v3_and_below_producer_id: int = 0
    v3_and_below_producer_epoch: int = 0
    v3_and_below_topics: Sequence[AddPartitionsToTxnTopic] = ()

class AddPartitionsToTxnTransaction(NamedTuple):
    transactional_id: str = ""
    producer_id: int = 0
    producer_epoch: int = 0
    verify_only: bool = False
    topics: Sequence[AddPartitionsToTxnTopic] = ()

class AddPartitionsToTxnTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[int] = ()

# AddPartitionsToTxnResponse: response, api key 24, versions 0-5, flexible 3+

class AddPartitionsToTxnResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    results_by_transaction: Sequence[AddPartitionsToTxnResult] = ()
    results_by_topic_v3_and_below: Sequence[AddPartitionsToTxnTopicResult] = ()

class AddPartitionsToTxnResult(NamedTuple):
    transactional_id: str = ""
    topic_results: Sequence[AddPartitionsToTxnTopicResult] = ()

class AddPartitionsToTxnTopicResult(NamedTuple):
    name: str = ""
    results_by_partition: Sequence[AddPartitionsToTxnPartitionResult] = ()

class AddPartitionsToTxnPartitionResult(NamedTuple):
    partition_index: int = 0
    partition_error_code: int = 0

# AddOffsetsToTxnRequest: request, api key 25, versions 0-4, flexible 3+

class AddOffsetsToTxnRequest(NamedTuple):
    transactional_id: str = ""
    producer_id: int = 0
    producer_epoch: int = 0
    group_id: str = ""

# AddOffsetsToTxnResponse: response, api key 25, versions 0-4, flexible 3+

class AddOffsetsToTxnResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0

# EndTxnRequest: request, api key 26, versions 0-5, flexible 3+

class EndTxnRequest(NamedTuple):
    transactional_id: str = ""
    producer_id: int = 0
    producer_epoch: int = 0
    committed: bool = False

# EndTxnResponse: response, api key 26, versions 0-5, flexible 3+

class EndTxnResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    producer_id: int = -1
    producer_epoch: int = -1

# WriteTxnMarkersRequest: request, api key 27, versions 1-2, flexible 1+

class WriteTxnMarkersRequest(NamedTuple):
    markers: Sequence[WritableTxnMarker] = ()

class WritableTxnMarker(NamedTuple):
    producer_id: int = 0
    producer_epoch: int = 0
    transaction_result: bool = False
    topics: Sequence[WritableTxnMarkerTopic] = ()
    coordinator_epoch: int = 0
    transaction_version: int = 0

class WritableTxnMarkerTopic(NamedTuple):
    name: str = ""
    partition_indexes: Sequence[int] = ()

# WriteTxnMarkersResponse: response, api key 27, versions 1-2, flexible 1+

class WriteTxnMarkersResponse(NamedTuple):
    markers: Sequence[WritableTxnMarkerResult] = ()

class WritableTxnMarkerResult(NamedTuple):
    producer_id: int = 0
    topics: Sequence[WritableTxnMarkerTopicResult] = ()

class WritableTxnMarkerTopicResult(NamedTuple):
    name: str = ""
    partitions: Sequence[WritableTxnMarkerPartitionResult] = ()

class WritableTxnMarkerPartitionResult(NamedTuple):
    partition_index: int = 0
    error_code: int = 0

# TxnOffsetCommitRequest: request, api key 28, versions 0-5, flexible 3+

class TxnOffsetCommitRequest(NamedTuple):
    transactional_id: str = ""
    group_id: str = ""
    producer_id: int = 0
    producer_epoch: int = 0
    generation_id: int = -1
    member_id: str = ""
    group_instance_id: str | None = None
    topics: Sequence[TxnOffsetCommitRequestTopic] = ()

class TxnOffsetCommitRequestTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[TxnOffsetCommitRequestPartition] = ()

class TxnOffsetCommitRequestPartition(NamedTuple):
    partition_index: int = 0
    committed_offset: int = 0
    committed_leader_epoch: int = -1
    committed_metadata: str | None = ""

# TxnOffsetCommitResponse: response, api key 28, versions 0-5, flexible 3+

class TxnOffsetCommitResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[TxnOffsetCommitResponseTopic] = ()

class TxnOffsetCommitResponseTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[TxnOffsetCommitResponsePartition] = ()

class TxnOffsetCommitResponsePartition(NamedTuple):
    partition_index: int = 0
    error_code: int = 0

# DescribeAclsRequest: request, api key 29, versions 1-3, flexible 2+

class DescribeAclsRequest(NamedTuple):
    resource_type_filter: int = 0
    resource_name_filter: str | None = ""
    pattern_type_filter: int = 3
    principal_filter: str | None = ""
    host_filter: str | None = ""
    operation: int = 0
    permission_type: int = 0

# DescribeAclsResponse: response, api key 29, versions 1-3, flexible 2+

class DescribeAclsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""
    resources: Sequence[DescribeAclsResource] = ()

class DescribeAclsResource(NamedTuple):
    resource_type: int = 0
    resource_name: str = ""
    pattern_type: int = 3
    acls: Sequence[AclDescription] = ()

class AclDescription(NamedTuple):
    principal: str = ""
    host: str = ""
    operation: int = 0
    permission_type: int = 0

# CreateAclsRequest: request, api key 30, versions 1-3, flexible 2+

class CreateAclsRequest(NamedTuple):
    creations: Sequence[AclCreation] = ()

class AclCreation(NamedTuple):
    resource_type: int = 0
    resource_name: str = ""
    resource_pattern_type: int = 3
    principal: str = ""
    host: str = ""
    operation: int = 0
    permission_type: int = 0

# CreateAclsResponse: response, api key 30, versions 1-3, flexible 2+

class CreateAclsResponse(NamedTuple):
    throttle_time_ms: int = 0
    results: Sequence[AclCreationResult] = ()

class AclCreationResult(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""

# DeleteAclsRequest: request, api key 31, versions 1-3, flexible 2+

class DeleteAclsRequest(NamedTuple):
    filters: Sequence[DeleteAclsFilter] = ()

class DeleteAclsFilter(NamedTuple):
    resource_type_filter: int = 0
    resource_name_filter: str | None = ""
    pattern_type_filter: int = 3
    principal_filter: str | None = ""
    host_filter: str | None = ""
    operation: int = 0
    permission_type: int = 0

# DeleteAclsResponse: response, api key 31, versions 1-3, flexible 2+

class DeleteAclsResponse(NamedTuple):
    throttle_time_ms: int = 0
    filter_results: Sequence[DeleteAclsFilterResult] = ()

class DeleteAclsFilterResult(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    matching_acls: Sequence[DeleteAclsMatchingAcl] = ()

class DeleteAclsMatchingAcl(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    resource_type: int = 0
    resource_name: str = ""
    pattern_type: int = 3
    principal: str = ""
    host: str = ""
    operation: int = 0
    permission_type: int = 0

# DescribeConfigsRequest: request, api key 32, versions 1-4, flexible 4+

class DescribeConfigsRequest(NamedTuple):
    resources: Sequence[DescribeConfigsResource] = ()
    include_synonyms: bool = False
    include_documentation: bool = False

class DescribeConfigsResource(NamedTuple):
    resource_type: int = 0
    resource_name: str = ""
    configuration_keys: Sequence[str] | None = ()

# DescribeConfigsResponse: response, api key 32, versions 1-4, flexible 4+

class DescribeConfigsResponse(NamedTuple):
    throttle_time_ms: int = 0
    results: Sequence[DescribeConfigsResult] = ()

class DescribeConfigsResult(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    resource_type: int = 0
    resource_name: str = ""
    configs: Sequence[DescribeConfigsResourceResult] = ()

class DescribeConfigsResourceResult(NamedTuple):
    name: str = ""
    value: str | None = ""
    read_only: bool = False
    config_source: int = -1
    is_sensitive: bool = False
    synonyms: Sequence[DescribeConfigsSynonym] = ()
    config_type: int = 0
    documentation: str | None = ""

class DescribeConfigsSynonym(NamedTuple):
    name: str = ""
    value: str | None = ""
    source: int = 0

# AlterConfigsRequest: request, api key 33, versions 0-2, flexible 2+

class AlterConfigsRequest(NamedTuple):
    resources: Sequence[AlterConfigsRequestAlterConfigsResource] = ()
    validate_only: bool = False

class AlterConfigsRequestAlterConfigsResource(NamedTuple):
    resource_type: int = 0
    resource_name: str = ""
    configs: Sequence[AlterConfigsRequestAlterableConfig] = ()

class AlterConfigsRequestAlterableConfig(NamedTuple):
    name: str = ""
    value: str | None = ""

# AlterConfigsResponse: response, api key 33, versions 0-2, flexible 2+

class AlterConfigsResponse(NamedTuple):
    throttle_time_ms: int = 0
    responses: Sequence[AlterConfigsResponseAlterConfigsResourceResponse] = ()

class AlterConfigsResponseAlterConfigsResourceResponse(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    resource_type: int = 0
    resource_name: str = ""

# AlterReplicaLogDirsRequest: request, api key 34, versions 1-2, flexible 2+

class AlterReplicaLogDirsRequest(NamedTuple):
    dirs: Sequence[AlterReplicaLogDir] = ()

class AlterReplicaLogDir(NamedTuple):
    path: str = ""
    topics: Sequence[AlterReplicaLogDirTopic] = ()

class AlterReplicaLogDirTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[int] = ()

# AlterReplicaLogDirsResponse: response, api key 34, versions 1-2, flexible 2+

class AlterReplicaLogDirsResponse(NamedTuple):
    throttle_time_ms: int = 0
    results: Sequence[AlterReplicaLogDirTopicResult] = ()

class AlterReplicaLogDirTopicResult(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[AlterReplicaLogDirPartitionResult] = ()

class AlterReplicaLogDirPartitionResult(NamedTuple):
    partition_index: int = 0
    error_code: int = 0

# DescribeLogDirsRequest: request, api key 35, versions 1-5, flexible 2+

class DescribeLogDirsRequest(NamedTuple):
    topics: Sequence[DescribableLogDirTopic] | None = ()

class DescribableLogDirTopic(NamedTuple):
    topic: str = ""
    partitions: Sequence[int] = ()

# DescribeLogDirsResponse: response, api key 35, versions 1-5, flexible 2+

class DescribeLogDirsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    results: Sequence[DescribeLogDirsResult] = ()

class DescribeLogDirsResult(NamedTuple):
    error_code: int = 0
    log_dir: str = ""
    topics: Sequence[DescribeLogDirsTopic] = ()
    total_bytes: int = -1
    usable_bytes: int = -1
    is_cordoned: bool = False

class DescribeLogDirsTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[DescribeLogDirsPartition] = ()

class DescribeLogDirsPartition(NamedTuple):
    partition_index: int = 0
    partition_size: int = 0
    offset_lag: int = 0
    is_future_key: bool = False

# SaslAuthenticateRequest: request, api key 36, versions 0-2, flexible 2+

class SaslAuthenticateRequest(NamedTuple):
    auth_bytes: bytes = b""

# SaslAuthenticateResponse: response, api key 36, versions 0-2, flexible 2+

class SaslAuthenticateResponse(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    auth_bytes: bytes = b""
    session_lifetime_ms: int = 0

# CreatePartitionsRequest: request, api key 37, versions 0-3, flexible 2+

class CreatePartitionsRequest(NamedTuple):
    topics: Sequence[CreatePartitionsTopic] = ()
    timeout_ms: int = 0
    validate_only: bool = False

class CreatePartitionsTopic(NamedTuple):
    name: str = ""
    count: int = 0  # type: ignore[assignment]
    assignments: Sequence[CreatePartitionsAssignment] | None = ()

class CreatePartitionsAssignment(NamedTuple):
    broker_ids: Sequence[int] = ()

# CreatePartitionsResponse: response, api key 37, versions 0-3, flexible 2+

class CreatePartitionsResponse(NamedTuple):
    throttle_time_ms: int = 0
    results: Sequence[CreatePartitionsTopicResult] = ()

class CreatePartitionsTopicResult(NamedTuple):
    name: str = ""
    error_code: int = 0
    error_message: str | None = None

# CreateDelegationTokenRequest: request, api key 38, versions 1-3, flexible 2+

class CreateDelegationTokenRequest(NamedTuple):
    owner_principal_type: str | None = ""
    owner_principal_name: str | None = ""
    renewers: Sequence[CreatableRenewers] = ()
    max_lifetime_ms: int = 0

class CreatableRenewers(NamedTuple):
    principal_type: str = ""
    principal_name: str = ""

# CreateDelegationTokenResponse: response, api key 38, versions 1-3, flexible 2+

class CreateDelegationTokenResponse(NamedTuple):
    error_code: int = 0
    principal_type: str = ""
    principal_name: str = ""
    token_requester_principal_type: str = ""
    token_requester_principal_name: str = ""
    issue_timestamp_ms: int = 0
    expiry_timestamp_ms: int = 0
    max_timestamp_ms: int = 0
    token_id: str = ""
    hmac: bytes = b""
    throttle_time_ms: int = 0

# RenewDelegationTokenRequest: request, api key 39, versions 1-2, flexible 2+

class RenewDelegationTokenRequest(NamedTuple):
    hmac: bytes = b""
    renew_period_ms: int = 0

# RenewDelegationTokenResponse: response, api key 39, versions 1-2, flexible 2+

class RenewDelegationTokenResponse(NamedTuple):
    error_code: int = 0
    expiry_timestamp_ms: int = 0
    throttle_time_ms: int = 0

# ExpireDelegationTokenRequest: request, api key 40, versions 1-2, flexible 2+

class ExpireDelegationTokenRequest(NamedTuple):
    hmac: bytes = b""
    expiry_time_period_ms: int = 0

# ExpireDelegationTokenResponse: response, api key 40, versions 1-2, flexible 2+

class ExpireDelegationTokenResponse(NamedTuple):
    error_code: int = 0
    expiry_timestamp_ms: int = 0
    throttle_time_ms: int = 0

# DescribeDelegationTokenRequest: request, api key 41, versions 1-3, flexible 2+

class DescribeDelegationTokenRequest(NamedTuple):
    owners: Sequence[DescribeDelegationTokenOwner] | None = ()

class DescribeDelegationTokenOwner(NamedTuple):
    principal_type: str = ""
    principal_name: str = ""

# DescribeDelegationTokenResponse: response, api key 41, versions 1-3, flexible 2+

class DescribeDelegationTokenResponse(NamedTuple):
    error_code: int = 0
    tokens: Sequence[DescribedDelegationToken] = ()
    throttle_time_ms: int = 0

class DescribedDelegationToken(NamedTuple):
    principal_type: str = ""
    principal_name: str = ""
    token_requester_principal_type: str = ""
    token_requester_principal_name: str = ""
    issue_timestamp: int = 0
    expiry_timestamp: int = 0
    max_timestamp: int = 0
    token_id: str = ""
    hmac: bytes = b""
    renewers: Sequence[DescribedDelegationTokenRenewer] = ()

class DescribedDelegationTokenRenewer(NamedTuple):
    principal_type: str = ""
    principal_name: str = ""

# DeleteGroupsRequest: request, api key 42, versions 0-2, flexible 2+

class DeleteGroupsRequest(NamedTuple):
    groups_names: Sequence[str] = ()

# DeleteGroupsResponse: response, api key 42, versions 0-2, flexible 2+

class DeleteGroupsResponse(NamedTuple):
    throttle_time_ms: int = 0
    results: Sequence[DeletableGroupResult] = ()

class DeletableGroupResult(NamedTuple):
    group_id: str = ""
    error_code: int = 0

# ElectLeadersRequest: request, api key 43, versions 0-2, flexible 2+

class ElectLeadersRequest(NamedTuple):
    election_type: int = 0
    topic_partitions: Sequence[ElectLeadersRequestTopicPartitions] | None = ()
    timeout_ms: int = 60000

class ElectLeadersRequestTopicPartitions(NamedTuple):
    topic: str = ""
    partitions: Sequence[int] = ()

# ElectLeadersResponse: response, api key 43, versions 0-2, flexible 2+

class ElectLeadersResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    replica_election_results: Sequence[ReplicaElectionResult] = ()

class ReplicaElectionResult(NamedTuple):
    topic: str = ""
    partition_result: Sequence[ElectLeadersResponsePartitionResult] = ()

class ElectLeadersResponsePartitionResult(NamedTuple):
    partition_id: int = 0
    error_code: int = 0
    error_message: str | None = ""

# IncrementalAlterConfigsRequest: request, api key 44, versions 0-1, flexible 1+

class IncrementalAlterConfigsRequest(NamedTuple):
    resources: Sequence[IncrementalAlterConfigsRequestAlterConfigsResource] = ()
    validate_only: bool = False

class IncrementalAlterConfigsRequestAlterConfigsResource(NamedTuple):
    resource_type: int = 0
    resource_name: str = ""
    configs: Sequence[IncrementalAlterConfigsRequestAlterableConfig] = ()

class IncrementalAlterConfigsRequestAlterableConfig(NamedTuple):
    name: str = ""
    config_operation: int = 0
    value: str | None = ""

# IncrementalAlterConfigsResponse: response, api key 44, versions 0-1, flexible 1+

class IncrementalAlterConfigsResponse(NamedTuple):
    throttle_time_ms: int = 0
    responses: Sequence[IncrementalAlterConfigsResponseAlterConfigsResourceResponse] = ()

class IncrementalAlterConfigsResponseAlterConfigsResourceResponse(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    resource_type: int = 0
    resource_name: str = ""

# AlterPartitionReassignmentsRequest: request, api key 45, versions 0-1, flexible 0+

class AlterPartitionReassignmentsRequest(NamedTuple):
    timeout_ms: int = 60000
    allow_replication_factor_change: bool = True
    topics: Sequence[ReassignableTopic] = ()

class ReassignableTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[ReassignablePartition] = ()

class ReassignablePartition(NamedTuple):
    partition_index: int = 0
    replicas: Sequence[int] | None = None

# AlterPartitionReassignmentsResponse: response, api key 45, versions 0-1, flexible 0+

class AlterPartitionReassignmentsResponse(NamedTuple):
    throttle_time_ms: int = 0
    allow_replication_factor_change: bool = True
    error_code: int = 0
    error_message: str | None = ""
    responses: Sequence[ReassignableTopicResponse] = ()

class ReassignableTopicResponse(NamedTuple):
    name: str = ""
    partitions: Sequence[ReassignablePartitionResponse] = ()

class ReassignablePartitionResponse(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    error_message: str | None = ""

# ListPartitionReassignmentsRequest: request, api key 46, versions 0, flexible 0+

class ListPartitionReassignmentsRequest(NamedTuple):
    timeout_ms: int = 60000
    topics: Sequence[ListPartitionReassignmentsTopics] | None = None

class ListPartitionReassignmentsTopics(NamedTuple):
    name: str = ""
    partition_indexes: Sequence[int] = ()

# ListPartitionReassignmentsResponse: response, api key 46, versions 0, flexible 0+

class ListPartitionReassignmentsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""
    topics: Sequence[OngoingTopicReassignment] = ()

class OngoingTopicReassignment(NamedTuple):
    name: str = ""
    partitions: Sequence[OngoingPartitionReassignment] = ()

class OngoingPartitionReassignment(NamedTuple):
    partition_index: int = 0
    replicas: Sequence[int] = ()
    adding_replicas: Sequence[int] = ()
    removing_replicas: Sequence[int] = ()

# OffsetDeleteRequest: request, api key 47, versions 0, flexible none

class OffsetDeleteRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[OffsetDeleteRequestTopic] = ()

class OffsetDeleteRequestTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[OffsetDeleteRequestPartition] = ()

class OffsetDeleteRequestPartition(NamedTuple):
    partition_index: int = 0

# OffsetDeleteResponse: response, api key 47, versions 0, flexible none

class OffsetDeleteResponse(NamedTuple):
    error_code: int = 0
    throttle_time_ms: int = 0
    topics: Sequence[OffsetDeleteResponseTopic] = ()

class OffsetDeleteResponseTopic(NamedTuple):
    name: str = ""
    partitions: Sequence[OffsetDeleteResponsePartition] = ()

class OffsetDeleteResponsePartition(NamedTuple):
    partition_index: int = 0
    error_code: int = 0

# DescribeClientQuotasRequest: request, api key 48, versions 0-1, flexible 1+

class DescribeClientQuotasRequest(NamedTuple):
    components: Sequence[ComponentData] = ()
    strict: bool = False

class ComponentData(NamedTuple):
    entity_type: str = ""
    match_type: int = 0
    match: str | None = ""

# DescribeClientQuotasResponse: response, api key 48, versions 0-1, flexible 1+

class DescribeClientQuotasResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""
    entries: Sequence[DescribeClientQuotasResponseEntryData] | None = ()

class DescribeClientQuotasResponseEntryData(NamedTuple):
    entity: Sequence[DescribeClientQuotasResponseEntityData] = ()
    values: Sequence[ValueData] = ()

class DescribeClientQuotasResponseEntityData(NamedTuple):
    entity_type: str = ""
    entity_name: str | None = ""

class ValueData(NamedTuple):
    key: str = ""
    value: float = 0.0

# AlterClientQuotasRequest: request, api key 49, versions 0-1, flexible 1+

class AlterClientQuotasRequest(NamedTuple):
    entries: Sequence[AlterClientQuotasRequestEntryData] = ()
    validate_only: bool = False

class AlterClientQuotasRequestEntryData(NamedTuple):
    entity: Sequence[AlterClientQuotasRequestEntityData] = ()
    ops: Sequence[OpData] = ()

class AlterClientQuotasRequestEntityData(NamedTuple):
    entity_type: str = ""
    entity_name: str | None = ""

class OpData(NamedTuple):
    key: str = ""
    value: float = 0.0
    remove: bool = False

# AlterClientQuotasResponse: response, api key 49, versions 0-1, flexible 1+

class AlterClientQuotasResponse(NamedTuple):
    throttle_time_ms: int = 0
    entries: Sequence[AlterClientQuotasResponseEntryData] = ()

class AlterClientQuotasResponseEntryData(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    entity: Sequence[AlterClientQuotasResponseEntityData] = ()

class AlterClientQuotasResponseEntityData(NamedTuple):
    entity_type: str = ""
    entity_name: str | None = ""

# DescribeUserScramCredentialsRequest: request, api key 50, versions 0, flexible 0+

class DescribeUserScramCredentialsRequest(NamedTuple):
    users: Sequence[UserName] | None = ()

class UserName(NamedTuple):
    name: str = ""

# DescribeUserScramCredentialsResponse: response, api key 50, versions 0, flexible 0+

class DescribeUserScramCredentialsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""
    results: Sequence[DescribeUserScramCredentialsResult] = ()

class DescribeUserScramCredentialsResult(NamedTuple):
    user: str = ""
    error_code: int = 0
    error_message: str | None = ""
    credential_infos: Sequence[CredentialInfo] = ()

class CredentialInfo(NamedTuple):
    mechanism: int = 0
    iterations: int = 0

# AlterUserScramCredentialsRequest: request, api key 51, versions 0, flexible 0+

class AlterUserScramCredentialsRequest(NamedTuple):
    deletions: Sequence[ScramCredentialDeletion] = ()
    upsertions: Sequence[ScramCredentialUpsertion] = ()

class ScramCredentialDeletion(NamedTuple):
    name: str = ""
    mechanism: int = 0

class ScramCredentialUpsertion(NamedTuple):
    name: str = ""
    mechanism: int = 0
    iterations: int = 0
    salt: bytes = b""
    salted_password: bytes = b""

# AlterUserScramCredentialsResponse: response, api key 51, versions 0, flexible 0+

class AlterUserScramCredentialsResponse(NamedTuple):
    throttle_time_ms: int = 0
    results: Sequence[AlterUserScramCredentialsResult] = ()

class AlterUserScramCredentialsResult(NamedTuple):
    user: str = ""
    error_code: int = 0
    error_message: str | None = ""

# VoteRequest: request, api key 52, versions 0-2, flexible 0+

class VoteRequest(NamedTuple):
    cluster_id: str | None = None
    voter_id: int = -1
    topics: Sequence[VoteRequestTopicData] = ()

class VoteRequestTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[VoteRequestPartitionData] = ()

class VoteRequestPartitionData(NamedTuple):
    partition_index: int = 0
    replica_epoch: int = 0
    replica_id: int = 0
    replica_directory_id: bytes = ...
    voter_directory_id: bytes = ...
    last_offset_epoch: int = 0
    last_offset: int = 0
    pre_vote: bool = False

# VoteResponse: response, api key 52, versions 0-2, flexible 0+

class VoteResponse(NamedTuple):
    error_code: int = 0
    topics: Sequence[VoteResponseTopicData] = ()
    node_endpoints: Sequence[VoteResponseNodeEndpoint] = ()

class VoteResponseTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[VoteResponsePartitionData] = ()

class VoteResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    leader_id: int = 0
    leader_epoch: int = 0
    vote_granted: bool = False

class VoteResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0

# BeginQuorumEpochRequest: request, api key 53, versions 0-1, flexible 1+

class BeginQuorumEpochRequest(NamedTuple):
    cluster_id: str | None = None
    voter_id: int = -1
    topics: Sequence[BeginQuorumEpochRequestTopicData] = ()
    leader_endpoints: Sequence[BeginQuorumEpochRequestLeaderEndpoint] = ()

class BeginQuorumEpochRequestTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[BeginQuorumEpochRequestPartitionData] = ()

class BeginQuorumEpochRequestPartitionData(NamedTuple):
    partition_index: int = 0
    voter_directory_id: bytes = ...
    leader_id: int = 0
    leader_epoch: int = 0

class BeginQuorumEpochRequestLeaderEndpoint(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0

# BeginQuorumEpochResponse: response, api key 53, versions 0-1, flexible 1+

class BeginQuorumEpochResponse(NamedTuple):
    error_code: int = 0
    topics: Sequence[BeginQuorumEpochResponseTopicData] = ()
    node_endpoints: Sequence[BeginQuorumEpochResponseNodeEndpoint] = ()

class BeginQuorumEpochResponseTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[BeginQuorumEpochResponsePartitionData] = ()

class BeginQuorumEpochResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    leader_id: int = 0
    leader_epoch: int = 0

class BeginQuorumEpochResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0

# EndQuorumEpochRequest: request, api key 54, versions 0-1, flexible 1+

class EndQuorumEpochRequest(NamedTuple):
    cluster_id: str | None = None
    topics: Sequence[EndQuorumEpochRequestTopicData] = ()
    leader_endpoints: Sequence[EndQuorumEpochRequestLeaderEndpoint] = ()

class EndQuorumEpochRequestTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[EndQuorumEpochRequestPartitionData] = ()

class EndQuorumEpochRequestPartitionData(NamedTuple):
    partition_index: int = 0
    leader_id: int = 0
    leader_epoch: int = 0
    preferred_successors: Sequence[int] = ()
    preferred_candidates: Sequence[ReplicaInfo] = ()

class ReplicaInfo(NamedTuple):
    candidate_id: int = 0
    candidate_directory_id: bytes = ...

class EndQuorumEpochRequestLeaderEndpoint(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0

# EndQuorumEpochResponse: response, api key 54, versions 0-1, flexible 1+

class EndQuorumEpochResponse(NamedTuple):
    error_code: int = 0
    topics: Sequence[EndQuorumEpochResponseTopicData] = ()
    node_endpoints: Sequence[EndQuorumEpochResponseNodeEndpoint] = ()

class EndQuorumEpochResponseTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[EndQuorumEpochResponsePartitionData] = ()

class EndQuorumEpochResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    leader_id: int = 0
    leader_epoch: int = 0

class EndQuorumEpochResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0

# DescribeQuorumRequest: request, api key 55, versions 0-2, flexible 0+

class DescribeQuorumRequest(NamedTuple):
    topics: Sequence[DescribeQuorumRequestTopicData] = ()

class DescribeQuorumRequestTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[DescribeQuorumRequestPartitionData] = ()

class DescribeQuorumRequestPartitionData(NamedTuple):
    partition_index: int = 0

# DescribeQuorumResponse: response, api key 55, versions 0-2, flexible 0+

class DescribeQuorumResponse(NamedTuple):
    error_code: int = 0
    error_message: str | None = ""
    topics: Sequence[DescribeQuorumResponseTopicData] = ()
    nodes: Sequence[Node] = ()

class DescribeQuorumResponseTopicData(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[DescribeQuorumResponsePartitionData] = ()

class DescribeQuorumResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    error_message: str | None = ""
    leader_id: int = 0
    leader_epoch: int = 0
    high_watermark: int = 0
    current_voters: Sequence[DescribeQuorumResponseReplicaState] = ()
    observers: Sequence[DescribeQuorumResponseReplicaState] = ()

class Node(NamedTuple):
    node_id: int = 0
    listeners: Sequence[DescribeQuorumResponseListener] = ()

class DescribeQuorumResponseListener(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0

class DescribeQuorumResponseReplicaState(NamedTuple):
    replica_id: int = 0
    replica_directory_id: bytes = ...
    log_end_offset: int = 0
    last_fetch_timestamp: int = -1
    last_caught_up_timestamp: int = -1

# AlterPartitionRequest: request, api key 56, versions 2-3, flexible 0+

class AlterPartitionRequest(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = -1
    topics: Sequence[AlterPartitionRequestTopicData] = ()

class AlterPartitionRequestTopicData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[AlterPartitionRequestPartitionData] = ()

class AlterPartitionRequestPartitionData(NamedTuple):
    partition_index: int = 0
    leader_epoch: int = 0
    new_isr: Sequence[int] = ()
    new_isr_with_epochs: Sequence[BrokerState] = ()
    leader_recovery_state: int = 0
    partition_epoch: int = 0

class BrokerState(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = -1

# AlterPartitionResponse: response, api key 56, versions 2-3, flexible 0+

class AlterPartitionResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    topics: Sequence[AlterPartitionResponseTopicData] = ()

class AlterPartitionResponseTopicData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[AlterPartitionResponsePartitionData] = ()

class AlterPartitionResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    leader_id: int = 0
    leader_epoch: int = 0
    isr: Sequence[int] = ()
    leader_recovery_state: int = 0
    partition_epoch: int = 0

# UpdateFeaturesRequest: request, api key 57, versions 0-2, flexible 0+

class UpdateFeaturesRequest(NamedTuple):
    timeout_ms: int = 60000
    feature_updates: Sequence[FeatureUpdateKey] = ()
    validate_only: bool = False

class FeatureUpdateKey(NamedTuple):
    feature: str = ""
    max_version_level: int = 0
    allow_downgrade: bool = False
    upgrade_type: int = 1

# UpdateFeaturesResponse: response, api key 57, versions 0-2, flexible 0+

class UpdateFeaturesResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""
    results: Sequence[UpdatableFeatureResult] = ()

class UpdatableFeatureResult(NamedTuple):
    feature: str = ""
    error_code: int = 0
    error_message: str | None = ""

# EnvelopeRequest: request, api key 58, versions 0, flexible 0+

class EnvelopeRequest(NamedTuple):
    request_data: bytes = b""
    request_principal: bytes | None = b""
    client_host_address: bytes = b""

# EnvelopeResponse: response, api key 58, versions 0, flexible 0+

class EnvelopeResponse(NamedTuple):
    response_data: bytes | None = None
    error_code: int = 0

# FetchSnapshotRequest: request, api key 59, versions 0-1, flexible 0+

class FetchSnapshotRequest(NamedTuple):
    cluster_id: str | None = None
    replica_id: int = -1
    max_bytes: int = 2147483647
    topics: Sequence[FetchSnapshotRequestTopicSnapshot] = ()

class FetchSnapshotRequestTopicSnapshot(NamedTuple):
    name: str = ""
    partitions: Sequence[FetchSnapshotRequestPartitionSnapshot] = ()

class FetchSnapshotRequestPartitionSnapshot(NamedTuple):
    partition: int = 0
    current_leader_epoch: int = 0
    snapshot_id: FetchSnapshotRequestSnapshotId = ...
    position: int = 0
    replica_directory_id: bytes = ...

class FetchSnapshotRequestSnapshotId(NamedTuple):
    end_offset: int = 0
    epoch: int = 0

# FetchSnapshotResponse: response, api key 59, versions 0-1, flexible 0+

class FetchSnapshotResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    topics: Sequence[FetchSnapshotResponseTopicSnapshot] = ()
    node_endpoints: Sequence[FetchSnapshotResponseNodeEndpoint] = ()

class FetchSnapshotResponseTopicSnapshot(NamedTuple):
    name: str = ""
    partitions: Sequence[FetchSnapshotResponsePartitionSnapshot] = ()

class FetchSnapshotResponsePartitionSnapshot(NamedTuple):
    index: int = 0  # type: ignore[assignment]
    error_code: int = 0
    snapshot_id: FetchSnapshotResponseSnapshotId = ...
    current_leader: FetchSnapshotResponseLeaderIdAndEpoch = ...
    size: int = 0
    position: int = 0
    unaligned_records: bytes | None = None

class FetchSnapshotResponseSnapshotId(NamedTuple):
    end_offset: int = 0
    epoch: int = 0

class FetchSnapshotResponseLeaderIdAndEpoch(NamedTuple):
    leader_id: int = 0
    leader_epoch: int = 0

class FetchSnapshotResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0

# DescribeClusterRequest: request, api key 60, versions 0-2, flexible 0+

class DescribeClusterRequest(NamedTuple):
    include_cluster_authorized_operations: bool = False
    endpoint_type: int = 1
    include_fenced_brokers: bool = False

# DescribeClusterResponse: response, api key 60, versions 0-2, flexible 0+

class DescribeClusterResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    endpoint_type: int = 1
    cluster_id: str = ""
    controller_id: int = -1
    brokers: Sequence[DescribeClusterBroker] = ()
    cluster_authorized_operations: int = -2147483648

class DescribeClusterBroker(NamedTuple):
    broker_id: int = 0
    host: str = ""
    port: int = 0
    rack: str | None = None
    is_fenced: bool = False

# DescribeProducersRequest: request, api key 61, versions 0, flexible 0+

class DescribeProducersRequest(NamedTuple):
    topics: Sequence[DescribeProducersRequestTopicRequest] = ()

class DescribeProducersRequestTopicRequest(NamedTuple):
    name: str = ""
    partition_indexes: Sequence[int] = ()

# DescribeProducersResponse: response, api key 61, versions 0, flexible 0+

class DescribeProducersResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[TopicResponse] = ()

class TopicResponse(NamedTuple):
    name: str = ""
    partitions: Sequence[PartitionResponse] = ()

class PartitionResponse(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    error_message: str | None = None
    active_producers: Sequence[ProducerState] = ()

class ProducerState(NamedTuple):
    producer_id: int = 0
    producer_epoch: int = 0
    last_sequence: int = -1
    last_timestamp: int = -1
    coordinator_epoch: int = 0
    current_txn_start_offset: int = -1

# BrokerRegistrationRequest: request, api key 62, versions 0-4, flexible 0+

class BrokerRegistrationRequest(NamedTuple):
    broker_id: int = 0
    cluster_id: str = ""
    incarnation_id: bytes = ...
    listeners: Sequence[BrokerRegistrationRequestListener] = ()
    features: Sequence[BrokerRegistrationRequestFeature] = ()
    rack: str | None = ""
    is_migrating_zk_broker: bool = False
    log_dirs: Sequence[bytes] = ()
    previous_broker_epoch: int = -1

class BrokerRegistrationRequestListener(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0
    security_protocol: int = 0

class BrokerRegistrationRequestFeature(NamedTuple):
    name: str = ""
    min_supported_version: int = 0
    max_supported_version: int = 0

# BrokerRegistrationResponse: response, api key 62, versions 0-4, flexible 0+

class BrokerRegistrationResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    broker_epoch: int = -1

# BrokerHeartbeatRequest: request, api key 63, versions 0-2, flexible 0+

class BrokerHeartbeatRequest(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = -1
    current_metadata_offset: int = 0
    want_fence: bool = False
    want_shut_down: bool = False
    offline_log_dirs: Sequence[bytes] = ()
    cordoned_log_dirs: Sequence[bytes] | None = None

# BrokerHeartbeatResponse: response, api key 63, versions 0-2, flexible 0+

class BrokerHeartbeatResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    is_caught_up: bool = False
    is_fenced: bool = True
    should_shut_down: bool = False

# UnregisterBrokerRequest: request, api key 64, versions 0, flexible 0+

class UnregisterBrokerRequest(NamedTuple):
    broker_id: int = 0

# UnregisterBrokerResponse: response, api key 64, versions 0, flexible 0+

class UnregisterBrokerResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""

# DescribeTransactionsRequest: request, api key 65, versions 0, flexible 0+

class DescribeTransactionsRequest(NamedTuple):
    transactional_ids: Sequence[str] = ()

# DescribeTransactionsResponse: response, api key 65, versions 0, flexible 0+

class DescribeTransactionsResponse(NamedTuple):
    throttle_time_ms: int = 0
    transaction_states: Sequence[DescribeTransactionsResponseTransactionState] = ()

class DescribeTransactionsResponseTransactionState(NamedTuple):
    error_code: int = 0
    transactional_id: str = ""
    transaction_state: str = ""
    transaction_timeout_ms: int = 0
    transaction_start_time_ms: int = 0
    producer_id: int = 0
    producer_epoch: int = 0
    topics: Sequence[DescribeTransactionsResponseTopicData] = ()

class DescribeTransactionsResponseTopicData(NamedTuple):
    topic: str = ""
    partitions: Sequence[int] = ()

# ListTransactionsRequest: request, api key 66, versions 0-2, flexible 0+

class ListTransactionsRequest(NamedTuple):
    state_filters: Sequence[str] = ()
    producer_id_filters: Sequence[int] = ()
    duration_filter: int = -1
    transactional_id_pattern: str | None = None

# ListTransactionsResponse: response, api key 66, versions 0-2, flexible 0+

class ListTransactionsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    unknown_state_filters: Sequence[str] = ()
    transaction_states: Sequence[ListTransactionsResponseTransactionState] = ()

class ListTransactionsResponseTransactionState(NamedTuple):
    transactional_id: str = ""
    producer_id: int = 0
    transaction_state: str = ""

# AllocateProducerIdsRequest: request, api key 67, versions 0, flexible 0+

class AllocateProducerIdsRequest(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = -1

# AllocateProducerIdsResponse: response, api key 67, versions 0, flexible 0+

class AllocateProducerIdsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    producer_id_start: int = 0
    producer_id_len: int = 0

# ConsumerGroupHeartbeatRequest: request, api key 68, versions 0-1, flexible 0+

class ConsumerGroupHeartbeatRequest(NamedTuple):
    group_id: str = ""
    member_id: str = ""
    member_epoch: int = 0
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    subscribed_topic_names: Sequence[str] | None = None
    subscribed_topic_regex: str | None = None
    server_assignor: str | None = None
    topic_partitions: Sequence[ConsumerGroupHeartbeatRequestTopicPartitions] | None = None

class ConsumerGroupHeartbeatRequestTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ConsumerGroupHeartbeatResponse: response, api key 68, versions 0-1, flexible 0+

class ConsumerGroupHeartbeatResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    member_id: str | None = None
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    assignment: ConsumerGroupHeartbeatResponseAssignment | None = None

class ConsumerGroupHeartbeatResponseAssignment(NamedTuple):
    topic_partitions: Sequence[ConsumerGroupHeartbeatResponseTopicPartitions] = ()

class ConsumerGroupHeartbeatResponseTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ConsumerGroupDescribeRequest: request, api key 69, versions 0-1, flexible 0+

class ConsumerGroupDescribeRequest(NamedTuple):
    group_ids: Sequence[str] = ()
    include_authorized_operations: bool = False

# ConsumerGroupDescribeResponse: response, api key 69, versions 0-1, flexible 0+

class ConsumerGroupDescribeResponse(NamedTuple):
    throttle_time_ms: int = 0
    groups: Sequence[ConsumerGroupDescribeResponseDescribedGroup] = ()

class ConsumerGroupDescribeResponseDescribedGroup(NamedTuple):
    error_code: int = 0
    error_message: str | None = None
    group_id: str = ""
    group_state: str = ""
    group_epoch: int = 0
    assignment_epoch: int = 0
    assignor_name: str = ""
    members: Sequence[ConsumerGroupDescribeResponseMember] = ()
    authorized_operations: int = -2147483648

class ConsumerGroupDescribeResponseMember(NamedTuple):
    member_id: str = ""
    instance_id: str | None = None
    rack_id: str | None = None
    member_epoch: int = 0
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: Sequence[str] = ()
    subscribed_topic_regex: str | None = None
    assignment: ConsumerGroupDescribeResponseAssignment = ...
    target_assignment: ConsumerGroupDescribeResponseAssignment = ...
    member_type: int = -1

class ConsumerGroupDescribeResponseTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    topic_name: str = ""
    partitions: Sequence[int] = ()

class ConsumerGroupDescribeResponseAssignment(NamedTuple):
    topic_partitions: Sequence[ConsumerGroupDescribeResponseTopicPartitions] = ()

# ControllerRegistrationRequest: request, api key 70, versions 0, flexible 0+

class ControllerRegistrationRequest(NamedTuple):
    controller_id: int = 0
    incarnation_id: bytes = ...
    zk_migration_ready: bool = False
    listeners: Sequence[ControllerRegistrationRequestListener] = ()
    features: Sequence[ControllerRegistrationRequestFeature] = ()

class ControllerRegistrationRequestListener(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0
    security_protocol: int = 0

class ControllerRegistrationRequestFeature(NamedTuple):
    name: str = ""
    min_supported_version: int = 0
    max_supported_version: int = 0

# ControllerRegistrationResponse: response, api key 70, versions 0, flexible 0+

class ControllerRegistrationResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""

# GetTelemetrySubscriptionsRequest: request, api key 71, versions 0, flexible 0+

class GetTelemetrySubscriptionsRequest(NamedTuple):
    client_instance_id: bytes = ...

# GetTelemetrySubscriptionsResponse: response, api key 71, versions 0, flexible 0+

class GetTelemetrySubscriptionsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    client_instance_id: bytes = ...
    subscription_id: int = 0
    accepted_compression_types: Sequence[int] = ()
    push_interval_ms: int = 0
    telemetry_max_bytes: int = 0
    delta_temporality: bool = False
    requested_metrics: Sequence[str] = ()

# PushTelemetryRequest: request, api key 72, versions 0, flexible 0+

class PushTelemetryRequest(NamedTuple):
    client_instance_id: bytes = ...
    subscription_id: int = 0
    terminating: bool = False
    compression_type: int = 0
    metrics: bytes = b""

# PushTelemetryResponse: response, api key 72, versions 0, flexible 0+

class PushTelemetryResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0

# AssignReplicasToDirsRequest: request, api key 73, versions 0, flexible 0+

class AssignReplicasToDirsRequest(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = -1
    directories: Sequence[AssignReplicasToDirsRequestDirectoryData] = ()

class AssignReplicasToDirsRequestDirectoryData(NamedTuple):
    id: bytes = ...
    topics: Sequence[AssignReplicasToDirsRequestTopicData] = ()

class AssignReplicasToDirsRequestTopicData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[AssignReplicasToDirsRequestPartitionData] = ()

class AssignReplicasToDirsRequestPartitionData(NamedTuple):
    partition_index: int = 0

# AssignReplicasToDirsResponse: response, api key 73, versions 0, flexible 0+

class AssignReplicasToDirsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    directories: Sequence[AssignReplicasToDirsResponseDirectoryData] = ()

class AssignReplicasToDirsResponseDirectoryData(NamedTuple):
    id: bytes = ...
    topics: Sequence[AssignReplicasToDirsResponseTopicData] = ()

class AssignReplicasToDirsResponseTopicData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[AssignReplicasToDirsResponsePartitionData] = ()

class AssignReplicasToDirsResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0

# ListConfigResourcesRequest: request, api key 74, versions 0-1, flexible 0+

class ListConfigResourcesRequest(NamedTuple):
    resource_types: Sequence[int] = ()

# ListConfigResourcesResponse: response, api key 74, versions 0-1, flexible 0+

class ListConfigResourcesResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    config_resources: Sequence[ConfigResource] = ()

class ConfigResource(NamedTuple):
    resource_name: str = ""
    resource_type: int = 16

# DescribeTopicPartitionsRequest: request, api key 75, versions 0, flexible 0+

class DescribeTopicPartitionsRequest(NamedTuple):
    topics: Sequence[DescribeTopicPartitionsRequestTopicRequest] = ()
    response_partition_limit: int = 2000
    cursor: DescribeTopicPartitionsRequestCursor | None = None

class DescribeTopicPartitionsRequestTopicRequest(NamedTuple):
    name: str = ""

class DescribeTopicPartitionsRequestCursor(NamedTuple):
    topic_name: str = ""
    partition_index: int = 0

# DescribeTopicPartitionsResponse: response, api key 75, versions 0, flexible 0+

class DescribeTopicPartitionsResponse(NamedTuple):
    throttle_time_ms: int = 0
    topics: Sequence[DescribeTopicPartitionsResponseTopic] = ()
    next_cursor: DescribeTopicPartitionsResponseCursor | None = None

class DescribeTopicPartitionsResponseTopic(NamedTuple):
    error_code: int = 0
    name: str | None = ""
    topic_id: bytes = ...
    is_internal: bool = False
    partitions: Sequence[DescribeTopicPartitionsResponsePartition] = ()
    topic_authorized_operations: int = -2147483648

class DescribeTopicPartitionsResponsePartition(NamedTuple):
    error_code: int = 0
    partition_index: int = 0
    leader_id: int = 0
    leader_epoch: int = -1
    replica_nodes: Sequence[int] = ()
    isr_nodes: Sequence[int] = ()
    eligible_leader_replicas: Sequence[int] | None = None
    last_known_elr: Sequence[int] | None = None
    offline_replicas: Sequence[int] = ()

class DescribeTopicPartitionsResponseCursor(NamedTuple):
    topic_name: str = ""
    partition_index: int = 0

# ShareGroupHeartbeatRequest: request, api key 76, versions 1, flexible 0+

class ShareGroupHeartbeatRequest(NamedTuple):
    group_id: str = ""
    member_id: str = ""
    member_epoch: int = 0
    rack_id: str | None = None
    subscribed_topic_names: Sequence[str] | None = None

# ShareGroupHeartbeatResponse: response, api key 76, versions 1, flexible 0+

class ShareGroupHeartbeatResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    member_id: str | None = None
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    assignment: ShareGroupHeartbeatResponseAssignment | None = None

class ShareGroupHeartbeatResponseAssignment(NamedTuple):
    topic_partitions: Sequence[ShareGroupHeartbeatResponseTopicPartitions] = ()

class ShareGroupHeartbeatResponseTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ShareGroupDescribeRequest: request, api key 77, versions 1, flexible 0+

class ShareGroupDescribeRequest(NamedTuple):
    group_ids: Sequence[str] = ()
    include_authorized_operations: bool = False

# ShareGroupDescribeResponse: response, api key 77, versions 1, flexible 0+

class ShareGroupDescribeResponse(NamedTuple):
    throttle_time_ms: int = 0
    groups: Sequence[ShareGroupDescribeResponseDescribedGroup] = ()

class ShareGroupDescribeResponseDescribedGroup(NamedTuple):
    error_code: int = 0
    error_message: str | None = None
    group_id: str = ""
    group_state: str = ""
    group_epoch: int = 0
    assignment_epoch: int = 0
    assignor_name: str = ""
    members: Sequence[ShareGroupDescribeResponseMember] = ()
    authorized_operations: int = -2147483648

class ShareGroupDescribeResponseMember(NamedTuple):
    member_id: str = ""
    rack_id: str | None = None
    member_epoch: int = 0
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: Sequence[str] = ()
    assignment: ShareGroupDescribeResponseAssignment = ...

class ShareGroupDescribeResponseTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    topic_name: str = ""
    partitions: Sequence[int] = ()

class ShareGroupDescribeResponseAssignment(NamedTuple):
    topic_partitions: Sequence[ShareGroupDescribeResponseTopicPartitions] = ()

# ShareFetchRequest: request, api key 78, versions 1-2, flexible 0+

class ShareFetchRequest(NamedTuple):
    group_id: str | None = None
    member_id: str | None = ""
    share_session_epoch: int = 0
    max_wait_ms: int = 0
    min_bytes: int = 0
    max_bytes: int = 2147483647
    max_records: int = 0
    batch_size: int = 0
    share_acquire_mode: int = 0
    is_renew_ack: bool = False
    topics: Sequence[ShareFetchRequestFetchTopic] = ()
    forgotten_topics_data: Sequence[ShareFetchRequestForgottenTopic] = ()

class ShareFetchRequestFetchTopic(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ShareFetchRequestFetchPartition] = ()

class ShareFetchRequestFetchPartition(NamedTuple):
    partition_index: int = 0
    partition_max_bytes: int = 0
    acknowledgement_batches: Sequence[ShareFetchRequestAcknowledgementBatch] = ()

class ShareFetchRequestAcknowledgementBatch(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    acknowledge_types: Sequence[int] = ()

class ShareFetchRequestForgottenTopic(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ShareFetchResponse: response, api key 78, versions 1-2, flexible 0+

class ShareFetchResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    acquisition_lock_timeout_ms: int = 0
    responses: Sequence[ShareFetchableTopicResponse] = ()
    node_endpoints: Sequence[ShareFetchResponseNodeEndpoint] = ()

class ShareFetchableTopicResponse(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ShareFetchResponsePartitionData] = ()

class ShareFetchResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    error_message: str | None = None
    acknowledge_error_code: int = 0
    acknowledge_error_message: str | None = None
    current_leader: ShareFetchResponseLeaderIdAndEpoch = ...
    records: bytes | None = None
    acquired_records: Sequence[AcquiredRecords] = ()

class ShareFetchResponseLeaderIdAndEpoch(NamedTuple):
    leader_id: int = 0
    leader_epoch: int = 0

class AcquiredRecords(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    delivery_count: int = 0

class ShareFetchResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0
    rack: str | None = None

# ShareAcknowledgeRequest: request, api key 79, versions 1-2, flexible 0+

class ShareAcknowledgeRequest(NamedTuple):
    group_id: str | None = None
    member_id: str | None = ""
    share_session_epoch: int = 0
    is_renew_ack: bool = False
    topics: Sequence[AcknowledgeTopic] = ()

class AcknowledgeTopic(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[AcknowledgePartition] = ()

class AcknowledgePartition(NamedTuple):
    partition_index: int = 0
    acknowledgement_batches: Sequence[ShareAcknowledgeRequestAcknowledgementBatch] = ()

class ShareAcknowledgeRequestAcknowledgementBatch(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    acknowledge_types: Sequence[int] = ()

# ShareAcknowledgeResponse: response, api key 79, versions 1-2, flexible 0+

class ShareAcknowledgeResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    acquisition_lock_timeout_ms: int = 0
    responses: Sequence[ShareAcknowledgeTopicResponse] = ()
    node_endpoints: Sequence[ShareAcknowledgeResponseNodeEndpoint] = ()

class ShareAcknowledgeTopicResponse(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ShareAcknowledgeResponsePartitionData] = ()

class ShareAcknowledgeResponsePartitionData(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    error_message: str | None = None
    current_leader: ShareAcknowledgeResponseLeaderIdAndEpoch = ...

class ShareAcknowledgeResponseLeaderIdAndEpoch(NamedTuple):
    leader_id: int = 0
    leader_epoch: int = 0

class ShareAcknowledgeResponseNodeEndpoint(NamedTuple):
    node_id: int = 0
    host: str = ""
    port: int = 0
    rack: str | None = None

# AddRaftVoterRequest: request, api key 80, versions 0-1, flexible 0+

class AddRaftVoterRequest(NamedTuple):
    cluster_id: str | None = ""
    timeout_ms: int = 0
    voter_id: int = 0
    voter_directory_id: bytes = ...
    listeners: Sequence[AddRaftVoterRequestListener] = ()
    ack_when_committed: bool = True

class AddRaftVoterRequestListener(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0

# AddRaftVoterResponse: response, api key 80, versions 0-1, flexible 0+

class AddRaftVoterResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""

# RemoveRaftVoterRequest: request, api key 81, versions 0, flexible 0+

class RemoveRaftVoterRequest(NamedTuple):
    cluster_id: str | None = ""
    voter_id: int = 0
    voter_directory_id: bytes = ...

# RemoveRaftVoterResponse: response, api key 81, versions 0, flexible 0+

class RemoveRaftVoterResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = ""

# UpdateRaftVoterRequest: request, api key 82, versions 0, flexible 0+

class UpdateRaftVoterRequest(NamedTuple):
    cluster_id: str | None = ""
    current_leader_epoch: int = 0
    voter_id: int = 0
    voter_directory_id: bytes = ...
    listeners: Sequence[UpdateRaftVoterRequestListener] = ()
    kraft_version_feature: UpdateRaftVoterRequestKRaftVersionFeature = ...

class UpdateRaftVoterRequestListener(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0

class UpdateRaftVoterRequestKRaftVersionFeature(NamedTuple):
    min_supported_version: int = 0
    max_supported_version: int = 0

# UpdateRaftVoterResponse: response, api key 82, versions 0, flexible 0+

class UpdateRaftVoterResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    current_leader: CurrentLeader = ...

class CurrentLeader(NamedTuple):
    leader_id: int = -1
    leader_epoch: int = -1
    host: str = ""
    port: int = 0

# InitializeShareGroupStateRequest: request, api key 83, versions 0, flexible 0+

class InitializeShareGroupStateRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[InitializeStateData] = ()

class InitializeStateData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[InitializeShareGroupStateRequestPartitionData] = ()

class InitializeShareGroupStateRequestPartitionData(NamedTuple):
    partition: int = 0
    state_epoch: int = 0
    start_offset: int = 0

# InitializeShareGroupStateResponse: response, api key 83, versions 0, flexible 0+

class InitializeShareGroupStateResponse(NamedTuple):
    results: Sequence[InitializeStateResult] = ()

class InitializeStateResult(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[InitializeShareGroupStateResponsePartitionResult] = ()

class InitializeShareGroupStateResponsePartitionResult(NamedTuple):
    partition: int = 0
    error_code: int = 0
    error_message: str | None = None

# ReadShareGroupStateRequest: request, api key 84, versions 0, flexible 0+

class ReadShareGroupStateRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[ReadStateData] = ()

class ReadStateData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ReadShareGroupStateRequestPartitionData] = ()

class ReadShareGroupStateRequestPartitionData(NamedTuple):
    partition: int = 0
    leader_epoch: int = 0

# ReadShareGroupStateResponse: response, api key 84, versions 0, flexible 0+

class ReadShareGroupStateResponse(NamedTuple):
    results: Sequence[ReadStateResult] = ()

class ReadStateResult(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ReadShareGroupStateResponsePartitionResult] = ()

class ReadShareGroupStateResponsePartitionResult(NamedTuple):
    partition: int = 0
    error_code: int = 0
    error_message: str | None = None
    state_epoch: int = 0
    start_offset: int = 0
    state_batches: Sequence[ReadShareGroupStateResponseStateBatch] = ()

class ReadShareGroupStateResponseStateBatch(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    delivery_state: int = 0
    delivery_count: int = 0

# WriteShareGroupStateRequest: request, api key 85, versions 0-1, flexible 0+

class WriteShareGroupStateRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[WriteStateData] = ()

class WriteStateData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[WriteShareGroupStateRequestPartitionData] = ()

class WriteShareGroupStateRequestPartitionData(NamedTuple):
    partition: int = 0
    state_epoch: int = 0
    leader_epoch: int = 0
    start_offset: int = 0
    delivery_complete_count: int = -1
    state_batches: Sequence[WriteShareGroupStateRequestStateBatch] = ()

class WriteShareGroupStateRequestStateBatch(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    delivery_state: int = 0
    delivery_count: int = 0

# WriteShareGroupStateResponse: response, api key 85, versions 0-1, flexible 0+

class WriteShareGroupStateResponse(NamedTuple):
    results: Sequence[WriteStateResult] = ()

class WriteStateResult(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[WriteShareGroupStateResponsePartitionResult] = ()

class WriteShareGroupStateResponsePartitionResult(NamedTuple):
    partition: int = 0
    error_code: int = 0
    error_message: str | None = None

# DeleteShareGroupStateRequest: request, api key 86, versions 0, flexible 0+

class DeleteShareGroupStateRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[DeleteStateData] = ()

class DeleteStateData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[DeleteShareGroupStateRequestPartitionData] = ()

class DeleteShareGroupStateRequestPartitionData(NamedTuple):
    partition: int = 0

# DeleteShareGroupStateResponse: response, api key 86, versions 0, flexible 0+

class DeleteShareGroupStateResponse(NamedTuple):
    results: Sequence[DeleteStateResult] = ()

class DeleteStateResult(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[DeleteShareGroupStateResponsePartitionResult] = ()

class DeleteShareGroupStateResponsePartitionResult(NamedTuple):
    partition: int = 0
    error_code: int = 0
    error_message: str | None = None

# ReadShareGroupStateSummaryRequest: request, api key 87, versions 0-1, flexible 0+

class ReadShareGroupStateSummaryRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[ReadStateSummaryData] = ()

class ReadStateSummaryData(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ReadShareGroupStateSummaryRequestPartitionData] = ()

class ReadShareGroupStateSummaryRequestPartitionData(NamedTuple):
    partition: int = 0
    leader_epoch: int = 0

# ReadShareGroupStateSummaryResponse: response, api key 87, versions 0-1, flexible 0+

class ReadShareGroupStateSummaryResponse(NamedTuple):
    results: Sequence[ReadStateSummaryResult] = ()

class ReadStateSummaryResult(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[ReadShareGroupStateSummaryResponsePartitionResult] = ()

class ReadShareGroupStateSummaryResponsePartitionResult(NamedTuple):
    partition: int = 0
    error_code: int = 0
    error_message: str | None = None
    state_epoch: int = 0
    leader_epoch: int = 0
    start_offset: int = 0
    delivery_complete_count: int = -1

# StreamsGroupHeartbeatRequest: request, api key 88, versions 0, flexible 0+

class StreamsGroupHeartbeatRequest(NamedTuple):
    group_id: str = ""
    member_id: str = ""
    member_epoch: int = 0
    endpoint_information_epoch: int = 0
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    topology: StreamsGroupHeartbeatRequestTopology | None = None
    active_tasks: Sequence[StreamsGroupHeartbeatRequestTaskIds] | None = None
    standby_tasks: Sequence[StreamsGroupHeartbeatRequestTaskIds] | None = None
    warmup_tasks: Sequence[StreamsGroupHeartbeatRequestTaskIds] | None = None
    process_id: str | None = None
    user_endpoint: StreamsGroupHeartbeatRequestEndpoint | None = None
    client_tags: Sequence[StreamsGroupHeartbeatRequestKeyValue] | None = None
    task_offsets: Sequence[StreamsGroupHeartbeatRequestTaskOffset] | None = None
    task_end_offsets: Sequence[StreamsGroupHeartbeatRequestTaskOffset] | None = None
    shutdown_application: bool = False

class StreamsGroupHeartbeatRequestTopology(NamedTuple):
    epoch: int = 0
    subtopologies: Sequence[StreamsGroupHeartbeatRequestSubtopology] = ()

class StreamsGroupHeartbeatRequestSubtopology(NamedTuple):
    subtopology_id: str = ""
    source_topics: Sequence[str] = ()
    source_topic_regex: Sequence[str] = ()
    state_changelog_topics: Sequence[StreamsGroupHeartbeatRequestTopicInfo] = ()
    repartition_sink_topics: Sequence[str] = ()
    repartition_source_topics: Sequence[StreamsGroupHeartbeatRequestTopicInfo] = ()
    copartition_groups: Sequence[StreamsGroupHeartbeatRequestCopartitionGroup] = ()

class StreamsGroupHeartbeatRequestCopartitionGroup(NamedTuple):
    source_topics: Sequence[int] = ()
    source_topic_regex: Sequence[int] = ()
    repartition_source_topics: Sequence[int] = ()

class StreamsGroupHeartbeatRequestKeyValue(NamedTuple):
    key: str = ""
    value: str = ""

class StreamsGroupHeartbeatRequestTopicInfo(NamedTuple):
    name: str = ""
    partitions: int = 0
    replication_factor: int = 0
    topic_configs: Sequence[StreamsGroupHeartbeatRequestKeyValue] = ()

class StreamsGroupHeartbeatRequestEndpoint(NamedTuple):
    host: str = ""
    port: int = 0

class StreamsGroupHeartbeatRequestTaskOffset(NamedTuple):
    subtopology_id: str = ""
    partition: int = 0
    offset: int = 0

class StreamsGroupHeartbeatRequestTaskIds(NamedTuple):
    subtopology_id: str = ""
    partitions: Sequence[int] = ()

# StreamsGroupHeartbeatResponse: response, api key 88, versions 0, flexible 0+

class StreamsGroupHeartbeatResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    member_id: str = ""
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    acceptable_recovery_lag: int = 0
    task_offset_interval_ms: int = 0
    status: Sequence[Status] | None = ()
    active_tasks: Sequence[StreamsGroupHeartbeatResponseTaskIds] | None = None
    standby_tasks: Sequence[StreamsGroupHeartbeatResponseTaskIds] | None = None
    warmup_tasks: Sequence[StreamsGroupHeartbeatResponseTaskIds] | None = None
    endpoint_information_epoch: int = 0
    partitions_by_user_endpoint: Sequence[EndpointToPartitions] | None = None

class EndpointToPartitions(NamedTuple):
    user_endpoint: StreamsGroupHeartbeatResponseEndpoint = ...
    active_partitions: Sequence[StreamsGroupHeartbeatResponseTopicPartition] = ()
    standby_partitions: Sequence[StreamsGroupHeartbeatResponseTopicPartition] = ()

class Status(NamedTuple):
    status_code: int = 0
    status_detail: str = ""

class StreamsGroupHeartbeatResponseTopicPartition(NamedTuple):
    topic: str = ""
    partitions: Sequence[int] = ()

class StreamsGroupHeartbeatResponseTaskIds(NamedTuple):
    subtopology_id: str = ""
    partitions: Sequence[int] = ()

class StreamsGroupHeartbeatResponseEndpoint(NamedTuple):
    host: str = ""
    port: int = 0

# StreamsGroupDescribeRequest: request, api key 89, versions 0, flexible 0+

class StreamsGroupDescribeRequest(NamedTuple):
    group_ids: Sequence[str] = ()
    include_authorized_operations: bool = False

# StreamsGroupDescribeResponse: response, api key 89, versions 0, flexible 0+

class StreamsGroupDescribeResponse(NamedTuple):
    throttle_time_ms: int = 0
    groups: Sequence[StreamsGroupDescribeResponseDescribedGroup] = ()

class StreamsGroupDescribeResponseDescribedGroup(NamedTuple):
    error_code: int = 0
    error_message: str | None = None
    group_id: str = ""
    group_state: str = ""
    group_epoch: int = 0
    assignment_epoch: int = 0
    topology: StreamsGroupDescribeResponseTopology | None = None
    members: Sequence[StreamsGroupDescribeResponseMember] = ()
    authorized_operations: int = -2147483648

class StreamsGroupDescribeResponseTopology(NamedTuple):
    epoch: int = 0
    subtopologies: Sequence[StreamsGroupDescribeResponseSubtopology] | None = None

class StreamsGroupDescribeResponseSubtopology(NamedTuple):
    subtopology_id: str = ""
    source_topics: Sequence[str] = ()
    repartition_sink_topics: Sequence[str] = ()
    state_changelog_topics: Sequence[StreamsGroupDescribeResponseTopicInfo] = ()
    repartition_source_topics: Sequence[StreamsGroupDescribeResponseTopicInfo] = ()

class StreamsGroupDescribeResponseMember(NamedTuple):
    member_id: str = ""
    member_epoch: int = 0
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topology_epoch: int = 0
    process_id: str = ""
    user_endpoint: StreamsGroupDescribeResponseEndpoint | None = None
    client_tags: Sequence[StreamsGroupDescribeResponseKeyValue] = ()
    task_offsets: Sequence[StreamsGroupDescribeResponseTaskOffset] = ()
    task_end_offsets: Sequence[StreamsGroupDescribeResponseTaskOffset] = ()
    assignment: StreamsGroupDescribeResponseAssignment = ...
    target_assignment: StreamsGroupDescribeResponseAssignment = ...
    is_classic: bool = False

class StreamsGroupDescribeResponseEndpoint(NamedTuple):
    host: str = ""
    port: int = 0

class StreamsGroupDescribeResponseTaskOffset(NamedTuple):
    subtopology_id: str = ""
    partition: int = 0
    offset: int = 0

class StreamsGroupDescribeResponseAssignment(NamedTuple):
    active_tasks: Sequence[StreamsGroupDescribeResponseTaskIds] = ()
    standby_tasks: Sequence[StreamsGroupDescribeResponseTaskIds] = ()
    warmup_tasks: Sequence[StreamsGroupDescribeResponseTaskIds] = ()

class StreamsGroupDescribeResponseTaskIds(NamedTuple):
    subtopology_id: str = ""
    partitions: Sequence[int] = ()

class StreamsGroupDescribeResponseKeyValue(NamedTuple):
    key: str = ""
    value: str = ""

class StreamsGroupDescribeResponseTopicInfo(NamedTuple):
    name: str = ""
    partitions: int = 0
    replication_factor: int = 0
    topic_configs: Sequence[StreamsGroupDescribeResponseKeyValue] = ()

# DescribeShareGroupOffsetsRequest: request, api key 90, versions 0-1, flexible 0+

class DescribeShareGroupOffsetsRequest(NamedTuple):
    groups: Sequence[DescribeShareGroupOffsetsRequestGroup] = ()

class DescribeShareGroupOffsetsRequestGroup(NamedTuple):
    group_id: str = ""
    topics: Sequence[DescribeShareGroupOffsetsRequestTopic] | None = ()

class DescribeShareGroupOffsetsRequestTopic(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[int] = ()

# DescribeShareGroupOffsetsResponse: response, api key 90, versions 0-1, flexible 0+

class DescribeShareGroupOffsetsResponse(NamedTuple):
    throttle_time_ms: int = 0
    groups: Sequence[DescribeShareGroupOffsetsResponseGroup] = ()

class DescribeShareGroupOffsetsResponseGroup(NamedTuple):
    group_id: str = ""
    topics: Sequence[DescribeShareGroupOffsetsResponseTopic] = ()
    error_code: int = 0
    error_message: str | None = None

class DescribeShareGroupOffsetsResponseTopic(NamedTuple):
    topic_name: str = ""
    topic_id: bytes = ...
    partitions: Sequence[DescribeShareGroupOffsetsResponsePartition] = ()

class DescribeShareGroupOffsetsResponsePartition(NamedTuple):
    partition_index: int = 0
    start_offset: int = 0
    leader_epoch: int = 0
    lag: int = -1
    error_code: int = 0
    error_message: str | None = None

# AlterShareGroupOffsetsRequest: request, api key 91, versions 0, flexible 0+

class AlterShareGroupOffsetsRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[AlterShareGroupOffsetsRequestTopic] = ()

class AlterShareGroupOffsetsRequestTopic(NamedTuple):
    topic_name: str = ""
    partitions: Sequence[AlterShareGroupOffsetsRequestPartition] = ()

class AlterShareGroupOffsetsRequestPartition(NamedTuple):
    partition_index: int = 0
    start_offset: int = 0

# AlterShareGroupOffsetsResponse: response, api key 91, versions 0, flexible 0+

class AlterShareGroupOffsetsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    responses: Sequence[AlterShareGroupOffsetsResponseTopic] = ()

class AlterShareGroupOffsetsResponseTopic(NamedTuple):
    topic_name: str = ""
    topic_id: bytes = ...
    partitions: Sequence[AlterShareGroupOffsetsResponsePartition] = ()

class AlterShareGroupOffsetsResponsePartition(NamedTuple):
    partition_index: int = 0
    error_code: int = 0
    error_message: str | None = None

# DeleteShareGroupOffsetsRequest: request, api key 92, versions 0, flexible 0+

class DeleteShareGroupOffsetsRequest(NamedTuple):
    group_id: str = ""
    topics: Sequence[DeleteShareGroupOffsetsRequestTopic] = ()

class DeleteShareGroupOffsetsRequestTopic(NamedTuple):
    topic_name: str = ""

# DeleteShareGroupOffsetsResponse: response, api key 92, versions 0, flexible 0+

class DeleteShareGroupOffsetsResponse(NamedTuple):
    throttle_time_ms: int = 0
    error_code: int = 0
    error_message: str | None = None
    responses: Sequence[DeleteShareGroupOffsetsResponseTopic] = ()

class DeleteShareGroupOffsetsResponseTopic(NamedTuple):
    topic_name: str = ""
    topic_id: bytes = ...
    error_code: int = 0
    error_message: str | None = None

# ConsumerProtocolAssignment: data, versions 0-3, flexible none

class ConsumerProtocolAssignment(NamedTuple):
    assigned_partitions: Sequence[ConsumerProtocolAssignmentTopicPartition] = ()
    user_data: bytes | None = None

class ConsumerProtocolAssignmentTopicPartition(NamedTuple):
    topic: str = ""
    partitions: Sequence[int] = ()

# ConsumerProtocolSubscription: data, versions 0-3, flexible none

class ConsumerProtocolSubscription(NamedTuple):
    topics: Sequence[str] = ()
    user_data: bytes | None = None
    owned_partitions: Sequence[ConsumerProtocolSubscriptionTopicPartition] = ()
    generation_id: int = -1
    rack_id: str | None = None

class ConsumerProtocolSubscriptionTopicPartition(NamedTuple):
    topic: str = ""
    partitions: Sequence[int] = ()

# ControlRecordTypeSchema: data, versions 0, flexible none

class ControlRecordTypeSchema(NamedTuple):
    type: int = 0

# DefaultPrincipalData: data, versions 0, flexible 0+

class DefaultPrincipalData(NamedTuple):
    type: str = ""
    name: str = ""
    token_authenticated: bool = False

# EndTxnMarker: data, versions 0, flexible none

class EndTxnMarker(NamedTuple):
    coordinator_epoch: int = 0

# KRaftVersionRecord: data, versions 0, flexible 0+

class KRaftVersionRecord(NamedTuple):
    version: int = 0
    kraft_version: int = 0

# LeaderChangeMessage: data, versions 0-1, flexible 0+

class LeaderChangeMessage(NamedTuple):
    version: int = 0
    leader_id: int = 0
    voters: Sequence[LeaderChangeMessageVoter] = ()
    granting_voters: Sequence[LeaderChangeMessageVoter] = ()

class LeaderChangeMessageVoter(NamedTuple):
    voter_id: int = 0
    voter_directory_id: bytes = ...

# ProducerSnapshot: data, versions 1, flexible none

class ProducerSnapshot(NamedTuple):
    crc: int = 0
    producer_entries: Sequence[ProducerEntry] = ()

class ProducerEntry(NamedTuple):
    producer_id: int = 0
    epoch: int = 0
    last_sequence: int = 0
    last_offset: int = 0
    offset_delta: int = 0
    timestamp: int = 0
    coordinator_epoch: int = 0
    current_txn_first_offset: int = 0

# SnapshotFooterRecord: data, versions 0, flexible 0+

class SnapshotFooterRecord(NamedTuple):
    version: int = 0

# SnapshotHeaderRecord: data, versions 0, flexible 0+

class SnapshotHeaderRecord(NamedTuple):
    version: int = 0
    last_contained_log_timestamp: int = 0

# VotersRecord: data, versions 0, flexible 0+

class VotersRecord(NamedTuple):
    version: int = 0
    voters: Sequence[VotersRecordVoter] = ()

class VotersRecordVoter(NamedTuple):
    voter_id: int = 0
    voter_directory_id: bytes = ...
    endpoints: Sequence[VotersRecordEndpoint] = ()
    kraft_version_feature: VotersRecordKRaftVersionFeature = ...

class VotersRecordEndpoint(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0

class VotersRecordKRaftVersionFeature(NamedTuple):
    min_supported_version: int = 0
    max_supported_version: int = 0

# LegacyOffsetCommitKey: group-key, record id 0, versions 0, flexible none

class LegacyOffsetCommitKey(NamedTuple):
    group: str = ""
    topic: str = ""
    partition: int = 0

# LegacyOffsetCommitValue: group-value, record id 0, versions 0, flexible none

class LegacyOffsetCommitValue(NamedTuple):
    offset: int = 0
    metadata: str = ""
    commit_timestamp: int = 0

# OffsetCommitKey: group-key, record id 1, versions 0, flexible none

class OffsetCommitKey(NamedTuple):
    group: str = ""
    topic: str = ""
    partition: int = 0

# OffsetCommitValue: group-value, record id 1, versions 0-4, flexible 4+

class OffsetCommitValue(NamedTuple):
    offset: int = 0
    leader_epoch: int = -1
    metadata: str = ""
    commit_timestamp: int = 0
    expire_timestamp: int = -1
    topic_id: bytes = ...

# GroupMetadataKey: group-key, record id 2, versions 0, flexible none

class GroupMetadataKey(NamedTuple):
    group: str = ""

# GroupMetadataValue: group-value, record id 2, versions 0-4, flexible 4+

class GroupMetadataValue(NamedTuple):
    protocol_type: str = ""
    generation: int = 0
    protocol: str | None = ""
    leader: str | None = ""
    current_state_timestamp: int = -1
    members: Sequence[MemberMetadata] = ()

class MemberMetadata(NamedTuple):
    member_id: str = ""
    group_instance_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout: int = -1
    session_timeout: int = 0
    subscription: bytes = b""
    assignment: bytes = b""

# ConsumerGroupMetadataKey: group-key, record id 3, versions 0, flexible none

class ConsumerGroupMetadataKey(NamedTuple):
    group_id: str = ""

# ConsumerGroupMetadataValue: group-value, record id 3, versions 0, flexible 0+

class ConsumerGroupMetadataValue(NamedTuple):
    epoch: int = 0
    metadata_hash: int = 0

# ConsumerGroupPartitionMetadataKey: group-key, record id 4, versions 0, flexible none

class ConsumerGroupPartitionMetadataKey(NamedTuple):
    group_id: str = ""

# ConsumerGroupPartitionMetadataValue: group-value, record id 4, versions 0, flexible 0+

class ConsumerGroupPartitionMetadataValue(NamedTuple):
    topics: Sequence[TopicMetadata] = ()

class TopicMetadata(NamedTuple):
    topic_id: bytes = ...
    topic_name: str = ""
    num_partitions: int = 0
    partition_metadata: Sequence[PartitionMetadata] = ()

class PartitionMetadata(NamedTuple):
    partition: int = 0
    racks: Sequence[str] = ()

# ConsumerGroupMemberMetadataKey: group-key, record id 5, versions 0, flexible none

class ConsumerGroupMemberMetadataKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# ConsumerGroupMemberMetadataValue: group-value, record id 5, versions 0, flexible 0+

class ConsumerGroupMemberMetadataValue(NamedTuple):
    instance_id: str | None = ""
    rack_id: str | None = ""
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: Sequence[str] = ()
    subscribed_topic_regex: str | None = ""
    rebalance_timeout_ms: int = -1
    server_assignor: str | None = ""
    classic_member_metadata: ClassicMemberMetadata | None = ...

class ClassicMemberMetadata(NamedTuple):
    session_timeout_ms: int = 0
    supported_protocols: Sequence[ClassicProtocol] = ()

class ClassicProtocol(NamedTuple):
    name: str = ""
    metadata: bytes = b""

# ConsumerGroupTargetAssignmentMetadataKey: group-key, record id 6, versions 0, flexible none

class ConsumerGroupTargetAssignmentMetadataKey(NamedTuple):
    group_id: str = ""

# ConsumerGroupTargetAssignmentMetadataValue: group-value, record id 6, versions 0, flexible 0+

class ConsumerGroupTargetAssignmentMetadataValue(NamedTuple):
    assignment_epoch: int = 0
    assignment_timestamp: int = 0

# ConsumerGroupTargetAssignmentMemberKey: group-key, record id 7, versions 0, flexible none

class ConsumerGroupTargetAssignmentMemberKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# ConsumerGroupTargetAssignmentMemberValue: group-value, record id 7, versions 0, flexible 0+

class ConsumerGroupTargetAssignmentMemberValue(NamedTuple):
    topic_partitions: Sequence[ConsumerGroupTargetAssignmentMemberValueTopicPartition] = ()

class ConsumerGroupTargetAssignmentMemberValueTopicPartition(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ConsumerGroupCurrentMemberAssignmentKey: group-key, record id 8, versions 0, flexible none

class ConsumerGroupCurrentMemberAssignmentKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# ConsumerGroupCurrentMemberAssignmentValue: group-value, record id 8, versions 0, flexible 0+

class ConsumerGroupCurrentMemberAssignmentValue(NamedTuple):
    member_epoch: int = 0
    previous_member_epoch: int = 0
    state: int = 0
    assigned_partitions: Sequence[ConsumerGroupCurrentMemberAssignmentValueTopicPartitions] = ()
    partitions_pending_revocation: Sequence[
        ConsumerGroupCurrentMemberAssignmentValueTopicPartitions
    ] = ()

class ConsumerGroupCurrentMemberAssignmentValueTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()
    assignment_epochs: Sequence[int] | None = ()

# ShareGroupMemberMetadataKey: group-key, record id 10, versions 0, flexible none

class ShareGroupMemberMetadataKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# ShareGroupMemberMetadataValue: group-value, record id 10, versions 0, flexible 0+

class ShareGroupMemberMetadataValue(NamedTuple):
    rack_id: str | None = ""
    client_id: str = ""
    client_host: str = ""
    subscribed_topic_names: Sequence[str] = ()

# ShareGroupMetadataKey: group-key, record id 11, versions 0, flexible none

class ShareGroupMetadataKey(NamedTuple):
    group_id: str = ""

# ShareGroupMetadataValue: group-value, record id 11, versions 0, flexible 0+

class ShareGroupMetadataValue(NamedTuple):
    epoch: int = 0
    metadata_hash: int = 0

# ShareGroupTargetAssignmentMetadataKey: group-key, record id 12, versions 0, flexible none

class ShareGroupTargetAssignmentMetadataKey(NamedTuple):
    group_id: str = ""

# ShareGroupTargetAssignmentMetadataValue: group-value, record id 12, versions 0, flexible 0+

class ShareGroupTargetAssignmentMetadataValue(NamedTuple):
    assignment_epoch: int = 0
    assignment_timestamp: int = 0

# ShareGroupTargetAssignmentMemberKey: group-key, record id 13, versions 0, flexible none

class ShareGroupTargetAssignmentMemberKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# ShareGroupTargetAssignmentMemberValue: group-value, record id 13, versions 0, flexible 0+

class ShareGroupTargetAssignmentMemberValue(NamedTuple):
    topic_partitions: Sequence[ShareGroupTargetAssignmentMemberValueTopicPartition] = ()

class ShareGroupTargetAssignmentMemberValueTopicPartition(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ShareGroupCurrentMemberAssignmentKey: group-key, record id 14, versions 0, flexible none

class ShareGroupCurrentMemberAssignmentKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# ShareGroupCurrentMemberAssignmentValue: group-value, record id 14, versions 0, flexible 0+

class ShareGroupCurrentMemberAssignmentValue(NamedTuple):
    member_epoch: int = 0
    previous_member_epoch: int = 0
    state: int = 0
    assigned_partitions: Sequence[ShareGroupCurrentMemberAssignmentValueTopicPartitions] = ()

class ShareGroupCurrentMemberAssignmentValueTopicPartitions(NamedTuple):
    topic_id: bytes = ...
    partitions: Sequence[int] = ()

# ShareGroupStatePartitionMetadataKey: group-key, record id 15, versions 0, flexible none

class ShareGroupStatePartitionMetadataKey(NamedTuple):
    group_id: str = ""

# ShareGroupStatePartitionMetadataValue: group-value, record id 15, versions 0, flexible 0+

class ShareGroupStatePartitionMetadataValue(NamedTuple):
    initializing_topics: Sequence[TopicPartitionsInfo] = ()
    initialized_topics: Sequence[TopicPartitionsInfo] = ()
    deleting_topics: Sequence[ShareGroupStatePartitionMetadataValueTopicInfo] = ()

class TopicPartitionsInfo(NamedTuple):
    topic_id: bytes = ...
    topic_name: str = ""
    partitions: Sequence[int] = ()

class ShareGroupStatePartitionMetadataValueTopicInfo(NamedTuple):
    topic_id: bytes = ...
    topic_name: str = ""

# ConsumerGroupRegularExpressionKey: group-key, record id 16, versions 0, flexible none

class ConsumerGroupRegularExpressionKey(NamedTuple):
    group_id: str = ""
    regular_expression: str = ""

# ConsumerGroupRegularExpressionValue: group-value, record id 16, versions 0, flexible 0+

class ConsumerGroupRegularExpressionValue(NamedTuple):
    topics: Sequence[str] = ()
    version: int = 0
    timestamp: int = 0

# StreamsGroupMetadataKey: group-key, record id 17, versions 0, flexible none

class StreamsGroupMetadataKey(NamedTuple):
    group_id: str = ""

# StreamsGroupMetadataValue: group-value, record id 17, versions 0, flexible 0+

class StreamsGroupMetadataValue(NamedTuple):
    epoch: int = 0
    metadata_hash: int = 0
    validated_topology_epoch: int = -1
    last_assignment_configs: Sequence[LastAssignmentConfig] | None = ()

class LastAssignmentConfig(NamedTuple):
    key: str = ""
    value: str = ""

# StreamsGroupMemberMetadataKey: group-key, record id 19, versions 0, flexible none

class StreamsGroupMemberMetadataKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# StreamsGroupMemberMetadataValue: group-value, record id 19, versions 0, flexible 0+

class StreamsGroupMemberMetadataValue(NamedTuple):
    instance_id: str | None = ""
    rack_id: str | None = ""
    client_id: str = ""
    client_host: str = ""
    rebalance_timeout_ms: int = -1
    topology_epoch: int = 0
    process_id: str = ""
    user_endpoint: StreamsGroupMemberMetadataValueEndpoint | None = None
    client_tags: Sequence[StreamsGroupMemberMetadataValueKeyValue] = ()

class StreamsGroupMemberMetadataValueEndpoint(NamedTuple):
    host: str = ""
    port: int = 0

class StreamsGroupMemberMetadataValueKeyValue(NamedTuple):
    key: str = ""
    value: str = ""

# StreamsGroupTargetAssignmentMetadataKey: group-key, record id 20, versions 0, flexible none

class StreamsGroupTargetAssignmentMetadataKey(NamedTuple):
    group_id: str = ""

# StreamsGroupTargetAssignmentMetadataValue: group-value, record id 20, versions 0, flexible 0+

class StreamsGroupTargetAssignmentMetadataValue(NamedTuple):
    assignment_epoch: int = 0
    assignment_timestamp: int = 0

# StreamsGroupTargetAssignmentMemberKey: group-key, record id 21, versions 0, flexible none

class StreamsGroupTargetAssignmentMemberKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# StreamsGroupTargetAssignmentMemberValue: group-value, record id 21, versions 0, flexible 0+

class StreamsGroupTargetAssignmentMemberValue(NamedTuple):
    active_tasks: Sequence[StreamsGroupTargetAssignmentMemberValueTaskIds] = ()
    standby_tasks: Sequence[StreamsGroupTargetAssignmentMemberValueTaskIds] = ()
    warmup_tasks: Sequence[StreamsGroupTargetAssignmentMemberValueTaskIds] = ()

class StreamsGroupTargetAssignmentMemberValueTaskIds(NamedTuple):
    subtopology_id: str = ""
    partitions: Sequence[int] = ()

# StreamsGroupCurrentMemberAssignmentKey: group-key, record id 22, versions 0, flexible none

class StreamsGroupCurrentMemberAssignmentKey(NamedTuple):
    group_id: str = ""
    member_id: str = ""

# StreamsGroupCurrentMemberAssignmentValue: group-value, record id 22, versions 0, flexible 0+

class StreamsGroupCurrentMemberAssignmentValue(NamedTuple):
    member_epoch: int = 0
    previous_member_epoch: int = 0
    state: int = 0
    active_tasks: Sequence[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    standby_tasks: Sequence[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    warmup_tasks: Sequence[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    active_tasks_pending_revocation: Sequence[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    standby_tasks_pending_revocation: Sequence[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()
    warmup_tasks_pending_revocation: Sequence[StreamsGroupCurrentMemberAssignmentValueTaskIds] = ()

class StreamsGroupCurrentMemberAssignmentValueTaskIds(NamedTuple):
    subtopology_id: str = ""
    partitions: Sequence[int] = ()
    assignment_epochs: Sequence[int] | None = ()

# StreamsGroupTopologyKey: group-key, record id 23, versions 0, flexible none

class StreamsGroupTopologyKey(NamedTuple):
    group_id: str = ""

# StreamsGroupTopologyValue: group-value, record id 23, versions 0, flexible 0+

class StreamsGroupTopologyValue(NamedTuple):
    epoch: int = 0
    subtopologies: Sequence[StreamsGroupTopologyValueSubtopology] = ()

class StreamsGroupTopologyValueSubtopology(NamedTuple):
    subtopology_id: str = ""
    source_topics: Sequence[str] = ()
    source_topic_regex: Sequence[str] = ()
    state_changelog_topics: Sequence[StreamsGroupTopologyValueTopicInfo] = ()
    repartition_sink_topics: Sequence[str] = ()
    repartition_source_topics: Sequence[StreamsGroupTopologyValueTopicInfo] = ()
    copartition_groups: Sequence[StreamsGroupTopologyValueCopartitionGroup] = ()

class StreamsGroupTopologyValueCopartitionGroup(NamedTuple):
    source_topics: Sequence[int] = ()
    source_topic_regex: Sequence[int] = ()
    repartition_source_topics: Sequence[int] = ()

class TopicConfig(NamedTuple):
    key: str = ""
    value: str = ""

class StreamsGroupTopologyValueTopicInfo(NamedTuple):
    name: str = ""
    partitions: int = 0
    replication_factor: int = 0
    topic_configs: Sequence[TopicConfig] = ()

# RequestHeader: header, versions 1-2, flexible 2+

class RequestHeader(NamedTuple):
    request_api_key: int = 0
    request_api_version: int = 0
    correlation_id: int = 0
    client_id: str | None = ""

# ResponseHeader: header, versions 0-1, flexible 1+

class ResponseHeader(NamedTuple):
    correlation_id: int = 0

# RegisterBrokerRecord: metadata, record id 0, versions 0-4, flexible 0+

class RegisterBrokerRecord(NamedTuple):
    broker_id: int = 0
    is_migrating_zk_broker: bool = False
    incarnation_id: bytes = ...
    broker_epoch: int = 0
    end_points: Sequence[BrokerEndpoint] = ()
    features: Sequence[BrokerFeature] = ()
    rack: str | None = ""
    fenced: bool = True
    in_controlled_shutdown: bool = False
    log_dirs: Sequence[bytes] = ()
    cordoned_log_dirs: Sequence[bytes] | None = None

class BrokerEndpoint(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0
    security_protocol: int = 0

class BrokerFeature(NamedTuple):
    name: str = ""
    min_supported_version: int = 0
    max_supported_version: int = 0

# UnregisterBrokerRecord: metadata, record id 1, versions 0, flexible 0+

class UnregisterBrokerRecord(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = 0

# TopicRecord: metadata, record id 2, versions 0, flexible 0+

class TopicRecord(NamedTuple):
    name: str = ""
    topic_id: bytes = ...

# PartitionRecord: metadata, record id 3, versions 0-2, flexible 0+

class PartitionRecord(NamedTuple):
    partition_id: int = -1
    topic_id: bytes = ...
    replicas: Sequence[int] = ()
    isr: Sequence[int] = ()
    removing_replicas: Sequence[int] = ()
    adding_replicas: Sequence[int] = ()
    leader: int = -1
    leader_recovery_state: int = 0
    leader_epoch: int = -1
    partition_epoch: int = -1
    directories: Sequence[bytes] = ()
    eligible_leader_replicas: Sequence[int] | None = None
    last_known_elr: Sequence[int] | None = None

# ConfigRecord: metadata, record id 4, versions 0, flexible 0+

class ConfigRecord(NamedTuple):
    resource_type: int = 0
    resource_name: str = ""
    name: str = ""
    value: str | None = ""

# PartitionChangeRecord: metadata, record id 5, versions 0-2, flexible 0+

class PartitionChangeRecord(NamedTuple):
    partition_id: int = -1
    topic_id: bytes = ...
    isr: Sequence[int] | None = None
    leader: int = -2
    replicas: Sequence[int] | None = None
    removing_replicas: Sequence[int] | None = None
    adding_replicas: Sequence[int] | None = None
    leader_recovery_state: int = -1
    directories: Sequence[bytes] | None = None
    eligible_leader_replicas: Sequence[int] | None = None
    last_known_elr: Sequence[int] | None = None

# FenceBrokerRecord: metadata, record id 7, versions 0, flexible 0+

class FenceBrokerRecord(NamedTuple):
    id: int = 0
    epoch: int = 0

# UnfenceBrokerRecord: metadata, record id 8, versions 0, flexible 0+

class UnfenceBrokerRecord(NamedTuple):
    id: int = 0
    epoch: int = 0

# RemoveTopicRecord: metadata, record id 9, versions 0, flexible 0+

class RemoveTopicRecord(NamedTuple):
    topic_id: bytes = ...

# DelegationTokenRecord: metadata, record id 10, versions 0, flexible 0+

class DelegationTokenRecord(NamedTuple):
    owner: str = ""
    requester: str = ""
    renewers: Sequence[str] = ()
    issue_timestamp: int = 0
    max_timestamp: int = 0
    expiration_timestamp: int = 0
    token_id: str = ""

# UserScramCredentialRecord: metadata, record id 11, versions 0, flexible 0+

class UserScramCredentialRecord(NamedTuple):
    name: str = ""
    mechanism: int = 0
    salt: bytes = b""
    stored_key: bytes = b""
    server_key: bytes = b""
    iterations: int = 0

# FeatureLevelRecord: metadata, record id 12, versions 0, flexible 0+

class FeatureLevelRecord(NamedTuple):
    name: str = ""
    feature_level: int = 0

# ClientQuotaRecord: metadata, record id 14, versions 0, flexible 0+

class ClientQuotaRecord(NamedTuple):
    entity: Sequence[ClientQuotaRecordEntityData] = ()
    key: str = ""
    value: float = 0.0
    remove: bool = False

class ClientQuotaRecordEntityData(NamedTuple):
    entity_type: str = ""
    entity_name: str | None = ""

# ProducerIdsRecord: metadata, record id 15, versions 0, flexible 0+

class ProducerIdsRecord(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = -1
    next_producer_id: int = 0

# BrokerRegistrationChangeRecord: metadata, record id 17, versions 0-3, flexible 0+

class BrokerRegistrationChangeRecord(NamedTuple):
    broker_id: int = 0
    broker_epoch: int = 0
    fenced: int = 0
    in_controlled_shutdown: int = 0
    log_dirs: Sequence[bytes] = ()
    cordoned_log_dirs: Sequence[bytes] | None = None

# AccessControlEntryRecord: metadata, record id 18, versions 0, flexible 0+

class AccessControlEntryRecord(NamedTuple):
    id: bytes = ...
    resource_type: int = 0
    resource_name: str = ""
    pattern_type: int = 0
    principal: str = ""
    host: str = ""
    operation: int = 0
    permission_type: int = 0

# RemoveAccessControlEntryRecord: metadata, record id 19, versions 0, flexible 0+

class RemoveAccessControlEntryRecord(NamedTuple):
    id: bytes = ...

# NoOpRecord: metadata, record id 20, versions 0, flexible 0+

class NoOpRecord(NamedTuple):
    pass

# ZkMigrationStateRecord: metadata, record id 21, versions 0, flexible 0+

class ZkMigrationStateRecord(NamedTuple):
    zk_migration_state: int = 0

# RemoveUserScramCredentialRecord: metadata, record id 22, versions 0, flexible 0+

class RemoveUserScramCredentialRecord(NamedTuple):
    name: str = ""
    mechanism: int = 0

# BeginTransactionRecord: metadata, record id 23, versions 0, flexible 0+

class BeginTransactionRecord(NamedTuple):
    name: str | None = None

# EndTransactionRecord: metadata, record id 24, versions 0, flexible 0+

class EndTransactionRecord(NamedTuple):
    pass

# AbortTransactionRecord: metadata, record id 25, versions 0, flexible 0+

class AbortTransactionRecord(NamedTuple):
    reason: str | None = None

# RemoveDelegationTokenRecord: metadata, record id 26, versions 0, flexible 0+

class RemoveDelegationTokenRecord(NamedTuple):
    token_id: str = ""

# RegisterControllerRecord: metadata, record id 27, versions 0, flexible 0+

class RegisterControllerRecord(NamedTuple):
    controller_id: int = 0
    incarnation_id: bytes = ...
    zk_migration_ready: bool = False
    end_points: Sequence[ControllerEndpoint] = ()
    features: Sequence[ControllerFeature] = ()

class ControllerEndpoint(NamedTuple):
    name: str = ""
    host: str = ""
    port: int = 0
    security_protocol: int = 0

class ControllerFeature(NamedTuple):
    name: str = ""
    min_supported_version: int = 0
    max_supported_version: int = 0

# ClearElrRecord: metadata, record id 28, versions 0, flexible 0+

class ClearElrRecord(NamedTuple):
    topic_name: str = ""

# ShareSnapshotKey: share-key, record id 0, versions 0, flexible none

class ShareSnapshotKey(NamedTuple):
    group_id: str = ""
    topic_id: bytes = ...
    partition: int = 0

# ShareSnapshotValue: share-value, record id 0, versions 0, flexible 0+

class ShareSnapshotValue(NamedTuple):
    snapshot_epoch: int = 0
    state_epoch: int = 0
    leader_epoch: int = 0
    start_offset: int = 0
    delivery_complete_count: int = -1
    create_timestamp: int = 0
    write_timestamp: int = 0
    state_batches: Sequence[ShareSnapshotValueStateBatch] = ()

class ShareSnapshotValueStateBatch(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    delivery_state: int = 0
    delivery_count: int = 0

# ShareUpdateKey: share-key, record id 1, versions 0, flexible none

class ShareUpdateKey(NamedTuple):
    group_id: str = ""
    topic_id: bytes = ...
    partition: int = 0

# ShareUpdateValue: share-value, record id 1, versions 0, flexible 0+

class ShareUpdateValue(NamedTuple):
    snapshot_epoch: int = 0
    leader_epoch: int = 0
    start_offset: int = 0
    delivery_complete_count: int = -1
    state_batches: Sequence[ShareUpdateValueStateBatch] = ()

class ShareUpdateValueStateBatch(NamedTuple):
    first_offset: int = 0
    last_offset: int = 0
    delivery_state: int = 0
    delivery_count: int = 0

# RemoteLogSegmentMetadataRecord: storage-metadata, record id 0, versions 0, flexible 0+

class RemoteLogSegmentMetadataRecord(NamedTuple):
    remote_log_segment_id: RemoteLogSegmentMetadataRecordRemoteLogSegmentIdEntry = ...
    start_offset: int = 0
    end_offset: int = 0
    broker_id: int = 0
    max_timestamp_ms: int = 0
    event_timestamp_ms: int = 0
    segment_leader_epochs: Sequence[RemoteLogSegmentMetadataRecordSegmentLeaderEpochEntry] = ()
    segment_size_in_bytes: int = 0
    custom_metadata: bytes | None = None
    remote_log_segment_state: int = 0
    txn_index_empty: bool = False

class RemoteLogSegmentMetadataRecordRemoteLogSegmentIdEntry(NamedTuple):
    topic_id_partition: RemoteLogSegmentMetadataRecordTopicIdPartitionEntry = ...
    id: bytes = ...

class RemoteLogSegmentMetadataRecordTopicIdPartitionEntry(NamedTuple):
    name: str = ""
    id: bytes = ...
    partition: int = 0

class RemoteLogSegmentMetadataRecordSegmentLeaderEpochEntry(NamedTuple):
    leader_epoch: int = 0
    offset: int = 0

# RemoteLogSegmentMetadataUpdateRecord: storage-metadata, record id 1, versions 0, flexible 0+

class RemoteLogSegmentMetadataUpdateRecord(NamedTuple):
    remote_log_segment_id: RemoteLogSegmentMetadataUpdateRecordRemoteLogSegmentIdEntry = ...
    broker_id: int = 0
    event_timestamp_ms: int = 0
    custom_metadata: bytes | None = None
    remote_log_segment_state: int = 0

class RemoteLogSegmentMetadataUpdateRecordRemoteLogSegmentIdEntry(NamedTuple):
    topic_id_partition: RemoteLogSegmentMetadataUpdateRecordTopicIdPartitionEntry = ...
    id: bytes = ...

class RemoteLogSegmentMetadataUpdateRecordTopicIdPartitionEntry(NamedTuple):
    name: str = ""
    id: bytes = ...
    partition: int = 0

# RemotePartitionDeleteMetadataRecord: storage-metadata, record id 2, versions 0, flexible 0+

class RemotePartitionDeleteMetadataRecord(NamedTuple):
    topic_id_partition: RemotePartitionDeleteMetadataRecordTopicIdPartitionEntry = ...
    broker_id: int = 0
    event_timestamp_ms: int = 0
    remote_partition_delete_state: int = 0

class RemotePartitionDeleteMetadataRecordTopicIdPartitionEntry(NamedTuple):
    name: str = ""
    id: bytes = ...
    partition: int = 0

# RemoteLogSegmentMetadataSnapshotRecord: storage-metadata, record id 3, versions 0, flexible 0+

class RemoteLogSegmentMetadataSnapshotRecord(NamedTuple):
    segment_id: bytes = ...
    start_offset: int = 0
    end_offset: int = 0
    broker_id: int = 0
    max_timestamp_ms: int = 0
    event_timestamp_ms: int = 0
    segment_leader_epochs: Sequence[
        RemoteLogSegmentMetadataSnapshotRecordSegmentLeaderEpochEntry
    ] = ()
    segment_size_in_bytes: int = 0
    custom_metadata: bytes | None = None
    remote_log_segment_state: int = 0
    txn_index_empty: bool = False

class RemoteLogSegmentMetadataSnapshotRecordSegmentLeaderEpochEntry(NamedTuple):
    leader_epoch: int = 0
    offset: int = 0

# TransactionLogKey: transaction-key, record id 0, versions 0, flexible none

class TransactionLogKey(NamedTuple):
    transactional_id: str = ""

# TransactionLogValue: transaction-value, record id 0, versions 0-1, flexible 1+

class TransactionLogValue(NamedTuple):
    producer_id: int = 0
    previous_producer_id: int = -1
    next_producer_id: int = -1
    producer_epoch: int = 0
    next_producer_epoch: int = -1
    transaction_timeout_ms: int = 0
    transaction_status: int = 0
    transaction_partitions: Sequence[PartitionsSchema] | None = ()
    transaction_last_update_timestamp_ms: int = 0
    transaction_start_timestamp_ms: int = 0
    client_transaction_version: int = 0

class PartitionsSchema(NamedTuple):
    topic: str = ""
    partition_ids: Sequence[int] = ()
