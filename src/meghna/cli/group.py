"""meghna group list|describe: consumer groups, their members and how far behind they are."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from meghna.cli.client import NO_LEADER, Client, add_connection_options, error_name, refusal
from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.cli.output import Row, add_output_option, print_rows
from meghna.errors import ErrorCode, ProtocolError
from meghna.protocol import messages, wire

OFFSET_FETCH, DESCRIBE_GROUPS, LIST_GROUPS = 9, 15, 16
LATEST = -1
CONSUMER = "consumer"  # protocol type of groups that consume


def run(args: list[str]) -> int:
    options = parser().parse_args(args)
    return concluded(lambda: COMMANDS[options.command](options))


def parser() -> ArgumentParser:
    made = ArgumentParser(prog="meghna group", description="Consumer groups of a running broker.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="list groups")
    listing.add_argument("--state", action="append", default=[], help="only in it; repeatable")
    describe = commands.add_parser("describe", help="committed offsets, lag and members")
    describe.add_argument("groups", nargs="+", metavar="GROUP")
    describe.add_argument("--members", action="store_true", help="members instead of offsets")
    for command in (listing, describe):
        add_output_option(command)
        add_connection_options(command)
    return made


def connected(options: Namespace) -> Client:
    return Client(options.bootstrap, timeout_ms=int(options.timeout * 1000))


def list_groups(options: Namespace) -> Exit:
    rows: list[Row] = []
    with connected(options) as client:
        for connection in client.brokers():
            request = messages.ListGroupsRequest(states_filter=options.state)
            answer = connection.call(LIST_GROUPS, request)
            assert isinstance(answer, messages.ListGroupsResponse)
            if answer.error_code:
                raise refusal(f"groups of {connection.address}", answer.error_code)
            rows += [
                {
                    "group": group.group_id,
                    "state": group.group_state or None,
                    "protocol": group.protocol_type or None,
                    "type": group.group_type or None,
                }
                for group in answer.groups
            ]
    print_rows(sorted(rows, key=lambda row: str(row["group"])), output=options.output)
    return Exit.OK


def describe(options: Namespace) -> Exit:
    failures: list[CommandError] = []
    rows: list[Row] = []
    with connected(options) as client:
        for name in options.groups:
            try:
                group = described(client, name)
                offsets = offset_rows(client, group)
            except CommandError as error:
                failures.append(error)
                note(str(error))
                continue
            members = member_rows(group)
            if options.output != "table":
                rows.append(
                    {
                        "group": name,
                        "state": group.group_state,
                        "protocol": group.protocol_data or None,
                        "members": list(members),
                        "offsets": list(offsets),
                        "lag": sum(row["lag"] for row in offsets if isinstance(row["lag"], int)),
                    }
                )
                continue
            print(f"group {name}  state {group.group_state}  members {len(members)}")
            print_rows(members if options.members else offsets, output="table")
    if options.output != "table":
        print_rows(rows, output=options.output)
    if not failures:
        return Exit.OK
    return failures[0].code if len(failures) == len(options.groups) else Exit.PARTIAL


def described(client: Client, name: str) -> messages.DescribeGroupsResponseDescribedGroup:
    request = messages.DescribeGroupsRequest(groups=[name])
    answer = client.coordinator(name).call(DESCRIBE_GROUPS, request)
    assert isinstance(answer, messages.DescribeGroupsResponse)
    (group,) = answer.groups
    if group.error_code:
        raise refusal(f"group {name!r}", group.error_code, group.error_message)
    if group.group_state == "Dead":  # how versions below 6 say that there is none
        raise refusal(f"group {name!r}", ErrorCode.GROUP_ID_NOT_FOUND)
    return group


def owners_of(
    group: messages.DescribeGroupsResponseDescribedGroup,
) -> dict[tuple[str, int], messages.DescribedGroupMember]:
    """Topic and partition → the member that has it, as far as consumers tell."""
    found: dict[tuple[str, int], messages.DescribedGroupMember] = {}
    if group.protocol_type != CONSUMER:
        return found
    for member in group.members:
        if not member.member_assignment:
            continue
        try:
            # The version stands before the fields; they have been the same in all of them.
            fields = member.member_assignment[2:]
            given = wire.decode_fields(messages.ConsumerProtocolAssignment, 0, fields)
        except ProtocolError:
            continue  # an assignment is the clients' own business; other frameworks write others
        for topic in given.assigned_partitions:
            for partition in topic.partitions:
                found[topic.topic, partition] = member
    return found


def member_rows(group: messages.DescribeGroupsResponseDescribedGroup) -> list[Row]:
    owners = owners_of(group)
    return [
        {
            "member": member.member_id,
            "instance": member.group_instance_id,
            "client": member.client_id,
            "host": member.client_host,
            "partitions": [
                f"{topic}-{partition}"
                for (topic, partition), owner in sorted(owners.items(), key=lambda item: item[0])
                if owner.member_id == member.member_id
            ],
        }
        for member in sorted(group.members, key=lambda member: member.member_id)
    ]


def offset_rows(client: Client, group: messages.DescribeGroupsResponseDescribedGroup) -> list[Row]:
    """Every partition with a committed offset or an owner, with the records not yet consumed."""
    committed = committed_offsets(client, group.group_id)
    owners = owners_of(group)
    for topic, partition in owners:
        committed.setdefault(topic, {}).setdefault(partition, None)
    rows: list[Row] = []
    for topic, offsets in sorted(committed.items()):
        (described,) = client.metadata([topic]).topics
        # None where the topic was deleted: its commits are still there.
        leaders = {p.partition_index: p.leader_id for p in described.partitions}
        online = {p: leaders[p] for p in offsets if leaders.get(p, NO_LEADER) >= 0}
        told = client.offsets_told(topic, online, LATEST)
        ends = {p: answer.offset for p, answer in told.items() if not answer.error_code}
        for partition, offset in sorted(offsets.items()):
            end = ends.get(partition)
            owner = owners.get((topic, partition))
            rows.append(
                {
                    "topic": topic,
                    "partition": partition,
                    "committed": offset,
                    "end": end,
                    "lag": None if offset is None or end is None else max(0, end - offset),
                    "member": owner.member_id if owner else None,
                }
            )
    return rows


def committed_offsets(client: Client, group: str) -> dict[str, dict[int, int | None]]:
    connection = client.coordinator(group)
    asked = messages.OffsetFetchRequestGroup(group_id=group, topics=None)
    request = messages.OffsetFetchRequest(groups=[asked])
    if connection.version(OFFSET_FETCH) < 8:
        request = messages.OffsetFetchRequest(group_id=group, topics=None)
    answer = connection.call(OFFSET_FETCH, request)
    assert isinstance(answer, messages.OffsetFetchResponse)
    code, topics = answer.error_code, answer.topics
    found: dict[str, dict[int, int | None]] = {}
    if answer.groups:  # from version 8 on
        code = answer.groups[0].error_code
        for listed in answer.groups[0].topics:
            for part in listed.partitions:
                found.setdefault(listed.name, {})[part.partition_index] = part.committed_offset
    for topic in topics:
        for old in topic.partitions:
            found.setdefault(topic.name, {})[old.partition_index] = old.committed_offset
    if code:
        raise CommandError(f"offsets of group {group!r}: {error_name(code)}")
    return found


COMMANDS = {"list": list_groups, "describe": describe}
