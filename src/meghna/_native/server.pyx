# cython: language_level=3, boundscheck=False, wraparound=False
"""The binding of native/server: see server.pyi for what each call promises."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memset

import os
from collections import namedtuple

from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches, PyErr_Occurred, PyErr_WriteUnraisable

from meghna._native.codec_call cimport (
    MG_CODEC_COUNT, Slot, call_codec, mg_codecs, mg_span, mg_writer,
)
from meghna._native.log cimport Log, mg_log
from meghna._native.status cimport (
    MG_CORRUPT, MG_IO, MG_NO_MEMORY, MG_OK, MG_TOO_LARGE, mg_error, mg_status, raise_status,
)

from meghna.errors import CorruptDataError, TooLargeError


cdef extern from "partition/partition.h" nogil:
    ctypedef struct mg_partition:
        pass
    int32_t mg_partition_leader_epoch(const mg_partition *partition) noexcept
    int64_t mg_partition_high_watermark(const mg_partition *partition) noexcept
    int64_t mg_partition_last_stable_offset(const mg_partition *partition) noexcept
    void mg_partition_roll_later(mg_partition *partition) noexcept
    void mg_partition_want_flush(mg_partition *partition) noexcept

cdef extern from "server/control.h" nogil:
    ctypedef struct mg_request:
        int16_t api_version
    ctypedef struct mg_control_request:
        mg_request base
        int16_t api_key
        int listener
        char peer[46]
        mg_span client_id
        mg_span body
    void mg_control_reply(mg_control_request *request, const uint8_t *payload,
                          size_t size) noexcept

cdef extern from "server/image.h" nogil:
    ctypedef struct mg_topic_rules:
        int32_t batch_size_max
        int32_t insync_min
        int64_t timestamp_before_max_ms
        int64_t timestamp_after_max_ms
        bint append_time
        bint requires_keys
        bint internal
    ctypedef struct mg_topic:
        mg_partition **partitions
    mg_topic *mg_topic_create(mg_span name, const uint8_t *id, const mg_topic_rules *rules,
                           int32_t partition_count) noexcept

cdef extern from "server/server.h" nogil:
    ctypedef struct mg_server:
        pass
    ctypedef struct mg_server_config:
        unsigned reactor_count
        unsigned flusher_count
        int32_t frame_size_max
        int32_t connections_max
        int64_t idle_timeout_ms
        int64_t greeting_timeout_ms
        size_t request_memory_max
        int32_t fetch_size_max
        int32_t fetch_sessions_max
        int socket_buffer_size
        const mg_codecs *codecs
    ctypedef enum mg_server_event_kind:
        MG_EVENT_REQUEST
        MG_EVENT_APPENDED
        MG_EVENT_REMOVED
        MG_EVENT_PARTITION_FAILED
        MG_EVENT_PARTITION_FULL
        MG_EVENT_PARTITION_HAS_ROOM
        MG_EVENT_PARTITION_ADVANCED
    ctypedef struct mg_server_event:
        mg_server_event_kind kind
        mg_control_request *request
        mg_partition *partition
        uint64_t token
        int16_t error
        int64_t base_offset
        mg_error failure
    ctypedef struct mg_server_counters:
        uint64_t connections_accepted
        uint64_t connections_turned_away
        uint64_t connections_open
        uint64_t produce_requests
        uint64_t fetch_requests
        uint64_t control_requests
        uint64_t produced_batches
        uint64_t produced_records
        uint64_t produced_size
        uint64_t fetched_size
        uint64_t refused_frames
        uint64_t produce_errors
        uint64_t fetch_errors
    mg_status mg_server_open(mg_server **out, const mg_server_config *config,
                             mg_error *error) noexcept
    void mg_server_close(mg_server *server) noexcept
    mg_status mg_server_listen(mg_server *server, const char *host, uint16_t port,
                               uint16_t *bound_port, mg_error *error) noexcept
    mg_status mg_server_start(mg_server *server, mg_error *error) noexcept
    void mg_server_drain(mg_server *server, int64_t grace_ms) noexcept
    int mg_server_event_fd(const mg_server *server) noexcept
    bint mg_server_take(mg_server *server, mg_server_event *event) noexcept
    mg_status mg_server_add_partition(mg_server *server, mg_log *log, int32_t leader_epoch,
                                      mg_partition **out, mg_error *error) noexcept
    mg_status mg_server_remove_partition(mg_server *server, mg_partition *partition,
                                         uint64_t token) noexcept
    mg_status mg_server_set_topic(mg_server *server, mg_topic *topic) noexcept
    mg_status mg_server_remove_topic(mg_server *server, mg_span name) noexcept
    mg_status mg_server_publish(mg_server *server, uint64_t *version) noexcept
    mg_status mg_server_append(mg_server *server, mg_partition *partition, mg_span batch,
                               uint64_t token, bint durable,
                               int64_t now_ms) noexcept
    mg_server_counters mg_server_count(const mg_server *server) noexcept


Request = namedtuple(
    "Request", "token api_key api_version client_id body listener peer_host", module=__name__
)
Appended = namedtuple("Appended", "token error base_offset", module=__name__)
PartitionFailed = namedtuple("PartitionFailed", "topic partition message", module=__name__)
PartitionAdvanced = namedtuple("PartitionAdvanced", "topic partition", module=__name__)
PartitionFull = namedtuple("PartitionFull", "topic partition is_full", module=__name__)
TopicRules = namedtuple(
    "TopicRules",
    "batch_size_max timestamp_before_max_ms timestamp_after_max_ms append_time requires_keys"
    " internal insync_min",
    module=__name__,
)
Limits = namedtuple(
    "Limits",
    "reactors flushers frame_size_max connections_max idle_timeout_ms greeting_timeout_ms"
    " request_memory_max fetch_size_max fetch_sessions_max socket_buffer_size",
    defaults=(0, 4, 104857600, 10000, 600000, 30000, 268435456, 57671680, 1000, 262144),
    module=__name__,
)


cdef mg_span span_of(bytes data):
    cdef mg_span span
    span.data = <const uint8_t *><const char *>data
    span.size = len(data)
    return span


cdef class Partition:
    cdef mg_partition *partition  # the server's; NULL once removed
    cdef readonly str topic
    cdef readonly int index
    cdef readonly Log log

    cdef mg_partition *live(self) except NULL:
        if self.partition == NULL:
            raise ValueError(f"{self.topic}-{self.index} was removed from the server")
        return self.partition

    @property
    def high_watermark(self):
        return mg_partition_high_watermark(self.live())

    @property
    def last_stable_offset(self):
        return mg_partition_last_stable_offset(self.live())

    @property
    def leader_epoch(self):
        return mg_partition_leader_epoch(self.live())

    def roll_later(self):
        mg_partition_roll_later(self.live())

    def flush_later(self):
        mg_partition_want_flush(self.live())

    def __repr__(self):
        return f"<Partition {self.topic}-{self.index}>"


# For a thread of the server, which has nobody to raise to.
cdef mg_status open_for_server(void *state, mg_span packed, mg_writer *out) noexcept with gil:
    cdef Slot *slot = <Slot *>state
    cdef mg_status status = call_codec(slot.decompress, slot.codec, packed, out)
    if not PyErr_Occurred():
        return status
    if PyErr_ExceptionMatches(CorruptDataError):
        status = MG_CORRUPT
    elif PyErr_ExceptionMatches(TooLargeError):
        status = MG_TOO_LARGE
    elif PyErr_ExceptionMatches(MemoryError):
        status = MG_NO_MEMORY
    else:
        PyErr_WriteUnraisable(<object>slot.decompress)
        return MG_IO
    PyErr_Clear()
    return status


# Its threads use the function and the logs until it is closed, whatever a collector thinks.
@cython.no_gc_clear
cdef class Server:
    cdef mg_server *server
    cdef object decompress
    cdef Slot slots[5]
    cdef mg_codecs codecs
    cdef dict requests     # token: address of a request that awaits its answer
    cdef dict partitions   # address: Partition
    cdef uint64_t token_last

    def __cinit__(self):
        self.server = NULL
        self.requests = {}
        self.partitions = {}

    def __init__(self, limits, *, decompress=None):
        cdef int codec
        if self.server != NULL:
            raise ValueError("the server is open")
        cdef mg_error error
        cdef mg_server_config config
        config.reactor_count = limits.reactors or min(32, os.cpu_count() or 1)
        config.flusher_count = limits.flushers
        config.frame_size_max = limits.frame_size_max
        config.connections_max = limits.connections_max
        config.idle_timeout_ms = limits.idle_timeout_ms
        config.greeting_timeout_ms = limits.greeting_timeout_ms
        config.request_memory_max = limits.request_memory_max
        config.fetch_size_max = limits.fetch_size_max
        config.fetch_sessions_max = limits.fetch_sessions_max
        config.socket_buffer_size = limits.socket_buffer_size
        config.codecs = &self.codecs
        self.decompress = decompress
        if decompress is not None:
            for codec in range(1, MG_CODEC_COUNT):
                self.slots[codec].codec = codec
                self.slots[codec].decompress = <PyObject *>decompress
                self.codecs.by_id[codec].state = &self.slots[codec]
                self.codecs.by_id[codec].decompress = open_for_server
        memset(&error, 0, sizeof(error))
        cdef mg_status status = mg_server_open(&self.server, &config, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def __dealloc__(self):
        cdef mg_server *server = self.server
        if server != NULL:
            with nogil:  # its threads may be waiting for the GIL
                mg_server_close(server)

    cdef mg_server *live(self) except NULL:
        if self.server == NULL:
            raise ValueError("the server is closed")
        return self.server

    def listen(self, str host, int port):
        cdef mg_error error
        cdef uint16_t bound = 0
        cdef bytes name = host.encode()
        memset(&error, 0, sizeof(error))
        cdef mg_status status = mg_server_listen(self.live(), name, <uint16_t>port, &bound, &error)
        if status != MG_OK:
            if error.os_error:
                raise OSError(error.os_error, os.strerror(error.os_error), f"{host}:{port}")
            raise OSError(None, error.detail.decode("utf-8", "replace"))
        return bound

    def start(self):
        cdef mg_error error
        memset(&error, 0, sizeof(error))
        cdef mg_status status = mg_server_start(self.live(), &error)
        if status != MG_OK:
            raise_status(status, &error)

    def fileno(self):
        return mg_server_event_fd(self.live())

    def take(self):
        cdef mg_server *server = self.live()
        cdef mg_server_event event
        cdef list events = []
        while mg_server_take(server, &event):
            if event.kind == MG_EVENT_REQUEST:
                events.append(self.request_of(event.request))
            elif event.kind == MG_EVENT_APPENDED:
                events.append(Appended(event.token, event.error, event.base_offset))
            elif event.kind == MG_EVENT_REMOVED:
                (<Partition>self.partitions.pop(<size_t>event.partition)).partition = NULL
                events.append(Appended(event.token, 0, -1))
            elif event.kind == MG_EVENT_PARTITION_FULL:
                partition = <Partition>self.partitions[<size_t>event.partition]
                events.append(PartitionFull(partition.topic, partition.index, True))
            elif event.kind == MG_EVENT_PARTITION_HAS_ROOM:
                partition = <Partition>self.partitions[<size_t>event.partition]
                events.append(PartitionFull(partition.topic, partition.index, False))
            elif event.kind == MG_EVENT_PARTITION_ADVANCED:
                partition = <Partition>self.partitions[<size_t>event.partition]
                events.append(PartitionAdvanced(partition.topic, partition.index))
            else:
                partition = <Partition>self.partitions[<size_t>event.partition]
                message = event.failure.detail.decode("utf-8", "replace")
                events.append(PartitionFailed(partition.topic, partition.index, message))
        return events

    cdef object request_of(self, mg_control_request *request):
        cdef object client_id = None
        self.token_last += 1
        self.requests[self.token_last] = <size_t>request
        if request.client_id.data != NULL:
            client_id = request.client_id.data[:request.client_id.size].decode("utf-8", "replace")
        return Request(
            self.token_last,
            request.api_key,
            request.base.api_version,
            client_id,
            PyBytes_FromStringAndSize(<const char *>request.body.data, request.body.size),
            request.listener,
            request.peer.decode("ascii"),
        )

    def reply(self, token, payload):
        cdef Py_buffer view
        self.live()
        if payload is None:
            mg_control_reply(self.take_request(token), NULL, 0)
            return
        PyObject_GetBuffer(payload, &view, PyBUF_SIMPLE)
        cdef const uint8_t *data = <const uint8_t *>view.buf
        cdef uint8_t nothing = 0
        if data == NULL:  # an empty buffer may have no address, and NULL would close
            data = &nothing
        mg_control_reply(self.take_request(token), data, <size_t>view.len)
        PyBuffer_Release(&view)

    cdef mg_control_request *take_request(self, token) except NULL:
        return <mg_control_request *><size_t>self.requests.pop(token)

    def add_partition(self, Log log not None, *, str topic, int index, int leader_epoch):
        cdef mg_error error
        cdef Partition partition = Partition()
        memset(&error, 0, sizeof(error))
        cdef mg_status status = mg_server_add_partition(
            self.live(), log.log, leader_epoch, &partition.partition, &error)
        if status != MG_OK:
            raise_status(status, &error)
        partition.topic = topic
        partition.index = index
        partition.log = log
        self.partitions[<size_t>partition.partition] = partition
        return partition

    def remove_partition(self, Partition partition not None, token):
        cdef mg_status status = mg_server_remove_partition(self.live(), partition.live(), token)
        if status != MG_OK:
            raise_status(status, NULL)

    def set_topic(self, str name, bytes topic_id, partitions, rules):
        cdef bytes name_bytes = name.encode()
        cdef mg_topic_rules c_rules
        cdef Partition partition
        cdef Py_ssize_t i
        self.live()
        if len(topic_id) != 16:
            raise ValueError("a topic id has 16 bytes")
        if not 0 < len(name_bytes) <= 249:
            raise ValueError("a topic's name has 1 to 249 bytes")
        c_rules.batch_size_max = rules.batch_size_max
        c_rules.timestamp_before_max_ms = rules.timestamp_before_max_ms
        c_rules.timestamp_after_max_ms = rules.timestamp_after_max_ms
        c_rules.append_time = rules.append_time
        c_rules.requires_keys = rules.requires_keys
        c_rules.internal = rules.internal
        c_rules.insync_min = rules.insync_min
        handles = [None if p is None else (<Partition?>p) for p in partitions]
        for p in handles:
            if p is not None:
                (<Partition>p).live()
        cdef mg_topic *topic = mg_topic_create(
            span_of(name_bytes), <const uint8_t *><const char *>topic_id, &c_rules,
            <int32_t>len(handles))
        if topic == NULL:
            raise MemoryError
        for i, p in enumerate(handles):
            topic.partitions[i] = NULL if p is None else (<Partition>p).partition
        cdef mg_status status = mg_server_set_topic(self.server, topic)
        if status != MG_OK:
            raise_status(status, NULL)

    def remove_topic(self, str name):
        cdef bytes name_bytes = name.encode()
        cdef mg_status status = mg_server_remove_topic(self.live(), span_of(name_bytes))
        if status != MG_OK:
            raise_status(status, NULL)

    def publish(self):
        cdef uint64_t version = 0
        cdef mg_status status = mg_server_publish(self.live(), &version)
        if status != MG_OK:
            raise_status(status, NULL)
        return version

    def append(self, Partition partition not None, bytes batch, token, *, int64_t now_ms,
               bint durable=True):
        cdef mg_status status = mg_server_append(
            self.live(), partition.live(), span_of(batch), token, durable, now_ms)
        if status != MG_OK:
            raise_status(status, NULL)

    def drain(self, int64_t timeout_ms):
        cdef mg_server *server = self.live()
        with nogil:
            mg_server_drain(server, timeout_ms)

    def close(self):
        cdef mg_server *server = self.server
        if server == NULL:
            return
        for token in list(self.requests):
            self.reply(token, None)
        self.server = NULL
        for partition in self.partitions.values():
            (<Partition>partition).partition = NULL
        with nogil:
            mg_server_close(server)

    def counters(self):
        cdef mg_server_counters counters = mg_server_count(self.live())
        return counters
