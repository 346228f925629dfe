"""meghna topic create|list|describe|delete: topics of a running broker."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from meghna.cli.client import Client, add_connection_options, error_name, refusal
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.output import Row, add_output_option, print_rows
from meghna.errors import ErrorCode
from meghna.protocol import messages

if TYPE_CHECKING:
    from collections.abc import Sequence

CREATE_TOPICS, DELETE_TOPICS, DESCRIBE_CONFIGS = 19, 20, 32
TOPIC_RESOURCE = 2
EARLIEST, LATEST = -2, -1
# Of DescribeConfigs' sources: where the topic itself says so, not a default.
TOPIC_CONFIG_SOURCE = 1


def run(args: list[str]) -> int:
    options = parser().parse_args(args)
    return concluded(lambda: COMMANDS[options.command](options))


def parser() -> ArgumentParser:
    made = ArgumentParser(prog="meghna topic", description="Topics of a running broker.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")

    create = commands.add_parser("create", help="create topics")
    create.add_argument("topics", nargs="+", metavar="TOPIC")
    create.add_argument("-p", "--partitions", type=int, default=-1, help="the broker's default")
    create.add_argument(
        "-r", "--replication-factor", type=int, default=-1, help="the broker's default"
    )
    create.add_argument(
        "-c", "--config", action="append", default=[], metavar="KEY=VALUE", help="repeatable"
    )
    create.add_argument("--if-not-exists", action="store_true", help="an existing topic is fine")
    create.add_argument("--dry-run", action="store_true", help="only let the broker check it")

    listing = commands.add_parser("list", help="list topics")
    listing.add_argument("--internal", action="store_true", help="also the broker's own topics")
    add_output_option(listing)

    describe = commands.add_parser("describe", help="partitions, offsets and settings of topics")
    describe.add_argument("topics", nargs="+", metavar="TOPIC")
    add_output_option(describe)

    delete = commands.add_parser("delete", help="delete topics and their records")
    delete.add_argument("topics", nargs="+", metavar="TOPIC")

    for command in (create, listing, describe, delete):
        add_connection_options(command)
    return made


def connected(options: Namespace) -> Client:
    return Client(options.bootstrap, timeout_ms=int(options.timeout * 1000))


def create(options: Namespace) -> Exit:
    settings = []
    for text in options.config:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CommandError(f"not a setting: {text!r} (KEY=VALUE)", Exit.USAGE)
        settings.append(messages.CreatableTopicConfig(name=key, value=value))
    request = messages.CreateTopicsRequest(
        topics=[
            messages.CreatableTopic(
                name=name,
                num_partitions=options.partitions,
                replication_factor=options.replication_factor,
                configs=settings,
            )
            for name in options.topics
        ],
        timeout_ms=int(options.timeout * 1000),
        validate_only=options.dry_run,
    )
    with connected(options) as client:
        answer = client.controller().call(CREATE_TOPICS, request)
    assert isinstance(answer, messages.CreateTopicsResponse)
    fine = (0, ErrorCode.TOPIC_ALREADY_EXISTS) if options.if_not_exists else (0,)
    failures = [
        refusal(f"topic {t.name!r}", t.error_code, t.error_message)
        for t in answer.topics
        if t.error_code not in fine
    ]
    return settled(failures, asked=len(options.topics))


def delete(options: Namespace) -> Exit:
    timeout_ms = int(options.timeout * 1000)
    named = [messages.DeleteTopicState(name=name) for name in options.topics]
    request = messages.DeleteTopicsRequest(topics=named, timeout_ms=timeout_ms)
    with connected(options) as client:
        controller = client.controller()
        if controller.version(DELETE_TOPICS) < 6:
            request = messages.DeleteTopicsRequest(
                topic_names=options.topics, timeout_ms=timeout_ms
            )
        answer = controller.call(DELETE_TOPICS, request)
    assert isinstance(answer, messages.DeleteTopicsResponse)
    failures = [
        refusal(f"topic {t.name!r}", t.error_code, t.error_message)
        for t in answer.responses
        if t.error_code
    ]
    return settled(failures, asked=len(options.topics))


def settled(failures: Sequence[CommandError], *, asked: int) -> Exit:
    """One failure of one item is its own; some of several are a partial failure."""
    for failure in failures:
        note(str(failure))
    if not failures:
        return Exit.OK
    return failures[0].code if len(failures) == asked else Exit.PARTIAL


def list_topics(options: Namespace) -> Exit:
    with connected(options) as client:
        topics = client.metadata(None).topics
    rows: list[Row] = [
        {
            "topic": topic.name,
            "partitions": len(topic.partitions),
            "replication_factor": max((len(p.replica_nodes) for p in topic.partitions), default=0),
            "internal": topic.is_internal,
        }
        for topic in sorted(topics, key=lambda topic: topic.name or "")
        if options.internal or not topic.is_internal
    ]
    print_rows(rows, output=options.output)
    return Exit.OK


def describe(options: Namespace) -> Exit:
    failures = []
    rows: list[Row] = []
    with connected(options) as client:
        for topic in client.metadata(options.topics).topics:
            name = topic.name or ""
            if topic.error_code:
                failures.append(refusal(f"topic {name!r}", topic.error_code))
                continue
            settings = topic_settings(client, name)
            partitions = partition_rows(client, topic)
            if options.output == "table":
                print(f"topic {name}  id {uuid_text(topic.topic_id)}  settings {settings or '-'}")
                print_rows([{"partition": r["partition"], **r} for r in partitions], output="table")
            else:
                listed: Row = {
                    "topic": name,
                    "id": uuid_text(topic.topic_id),
                    "internal": topic.is_internal,
                    "settings": dict(settings),
                    "partitions": list(partitions),
                }
                rows.append(listed)
    if options.output != "table":
        print_rows(rows, output=options.output)
    return settled(failures, asked=len(options.topics))


def partition_rows(client: Client, topic: messages.MetadataResponseTopic) -> list[Row]:
    name = topic.name or ""
    leaders = {p.partition_index: p.leader_id for p in topic.partitions if p.leader_id >= 0}
    starts = client.offsets_told(name, leaders, EARLIEST)
    ends = client.offsets_told(name, leaders, LATEST)
    rows: list[Row] = []
    for p in sorted(topic.partitions, key=lambda p: p.partition_index):
        start, end = starts.get(p.partition_index), ends.get(p.partition_index)
        code = next((told.error_code for told in (p, start, end) if told and told.error_code), 0)
        rows.append(
            {
                "partition": p.partition_index,
                "leader": p.leader_id,
                "epoch": p.leader_epoch,
                "replicas": list(p.replica_nodes),
                "isr": list(p.isr_nodes),
                "start_offset": start.offset if start and not start.error_code else None,
                "end_offset": end.offset if end and not end.error_code else None,
                "error": error_name(code) if code else None,
            }
        )
    return rows


class Settings(dict[str, str | None]):
    """What a topic sets itself, shown as KEY=VALUE pairs."""

    def __str__(self) -> str:
        return ",".join(f"{key}={value}" for key, value in self.items())


def topic_settings(client: Client, topic: str) -> Settings:
    request = messages.DescribeConfigsRequest(
        resources=[
            messages.DescribeConfigsResource(
                resource_type=TOPIC_RESOURCE, resource_name=topic, configuration_keys=None
            )
        ]
    )
    answer = client.any_broker().call(DESCRIBE_CONFIGS, request)
    assert isinstance(answer, messages.DescribeConfigsResponse)
    (result,) = answer.results
    if result.error_code:
        raise refusal(f"settings of topic {topic!r}", result.error_code, result.error_message)
    return Settings(
        (c.name, c.value) for c in result.configs if c.config_source == TOPIC_CONFIG_SOURCE
    )


def uuid_text(topic_id: bytes) -> str:
    """Kafka writes ids as 22 characters of URL-safe base64."""
    from base64 import urlsafe_b64encode  # noqa: PLC0415  (a describe in a hundred needs it)

    return urlsafe_b64encode(topic_id).decode().rstrip("=")


COMMANDS = {"create": create, "list": list_topics, "describe": describe, "delete": delete}
