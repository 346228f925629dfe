"""The classes of messages: named tuples, made on first use, as the stub declares them."""

from __future__ import annotations

import ast
import contextlib
import copy
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from meghna.protocol import messages, table
from meghna.protocol.messages import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponseTopic,
    PartitionProduceResponse,
    ProduceResponseLeaderIdAndEpoch,
)


def test_fields_are_given_by_name_or_by_place_and_default_to_kafkas() -> None:
    request = MetadataRequest(topics=[MetadataRequestTopic(name="a")])
    assert request.topics == [MetadataRequestTopic(bytes(16), "a")]
    assert request.allow_auto_topic_creation is True
    assert MetadataRequest() == ((), True, False, False)
    assert MetadataRequest(None, False).allow_auto_topic_creation is False


def test_a_struct_defaults_to_its_own_defaults() -> None:
    leader = PartitionProduceResponse().current_leader
    assert leader == ProduceResponseLeaderIdAndEpoch(leader_id=-1, leader_epoch=-1)


def test_wrong_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="wrong"):
        MetadataRequest(wrong=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="topics"):
        MetadataRequest((), topics=())  # type: ignore[misc]
    with pytest.raises(TypeError, match="5 were given"):
        MetadataRequest((), True, False, False, 1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        MetadataRequest().wrong  # type: ignore[attr-defined]  # noqa: B018


def test_a_message_does_not_change() -> None:
    with pytest.raises(AttributeError):
        MetadataRequest().topics = ()  # type: ignore[misc]


def test_a_field_does_not_read_another_class() -> None:
    slot = vars(MetadataRequest)["include_topic_authorized_operations"]
    with pytest.raises(TypeError):
        slot.__get__((1,), tuple)
    with pytest.raises(TypeError):
        slot.__get__(7, int)


def test_messages_behave_as_named_tuples() -> None:
    request = MetadataRequest(topics=None)
    assert request._replace(topics=()) == MetadataRequest()
    assert request._asdict()["topics"] is None
    assert MetadataRequest._make(request) == request
    with pytest.raises(TypeError):
        MetadataRequest._make([1])
    assert MetadataRequest._fields[0] == "topics"
    assert MetadataRequest._field_defaults["allow_auto_topic_creation"] is True
    assert repr(MetadataRequestTopic(name="a")).endswith(", name='a')")
    topic_id, name = MetadataRequestTopic(name="a")
    assert (topic_id, name) == (bytes(16), "a")
    assert copy.deepcopy(request) == request == pickle.loads(pickle.dumps(request))
    assert type(pickle.loads(pickle.dumps(request))) is MetadataRequest
    match request:
        case MetadataRequest(topics, creates):
            assert topics is None
            assert creates is True


def test_unknown_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError):
        messages.LeaderAndIsrRequest  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(messages, "topics")


def test_the_module_lists_every_class() -> None:
    assert set(table.class_names()) <= set(dir(messages))


def test_a_class_is_made_when_it_is_asked_for() -> None:
    code = (
        "from meghna.protocol import messages\n"
        "assert 'FetchRequest' not in vars(messages)\n"
        "messages.FetchTopic if hasattr(messages, 'FetchTopic') else messages.FetchRequest\n"
        "assert 'FetchRequest' in vars(messages)\n"
        "assert 'ProduceRequest' not in vars(messages)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_that_ask_together_get_the_same_class(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = vars(messages)["make_classes"]
    barrier = threading.Barrier(2)

    def slowly(definition: table.Definition) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(0.2)  # both are here if they may be
        return made(definition)

    assert messages.VoteRequest._fields
    for name in [name for name in vars(messages) if name.startswith("VoteRequest")]:
        monkeypatch.delitem(vars(messages), name)  # given back afterwards, for plans hold it
    monkeypatch.setattr(messages, "make_classes", slowly)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: messages.VoteRequest, range(2))
    assert one is other


def test_the_stub_declares_what_the_classes_are() -> None:
    stub = ast.parse(Path(messages.__file__).with_suffix(".pyi").read_text())
    declared = [node for node in stub.body if isinstance(node, ast.ClassDef)]
    assert tuple(node.name for node in declared) == table.class_names()
    for node in declared:
        cls = getattr(messages, node.name)
        fields = [entry for entry in node.body if isinstance(entry, ast.AnnAssign)]
        assert tuple(ast.unparse(entry.target) for entry in fields) == cls._fields
        for entry, default in zip(fields, cls(), strict=True):
            assert entry.value is not None
            if ast.unparse(entry.value) != "...":
                assert ast.literal_eval(entry.value) == default, (node.name, entry.target)


def test_different_structs_of_one_shape_are_different_classes() -> None:
    assert type(MetadataResponseTopic()) is MetadataResponseTopic
    assert isinstance(MetadataResponseTopic(), tuple)
