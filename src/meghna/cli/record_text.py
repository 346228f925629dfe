"""Records as text: format strings, and JSON objects that `consume` writes and `produce` reads.

A format string is text with percent tokens and backslash escapes (\\n \\t \\r \\0 \\\\):

    %k key   %v value   %h headers   %t topic   %p partition   %o offset   %d time (RFC 3339)
    %T time in ms   %S size of the value   %K size of the key   %% a percent sign

The JSON form keeps bytes that are not UTF-8 as base64, under `key_base64` and `value_base64`, so
that a topic piped through both commands arrives unchanged.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from meghna.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from meghna._native import batch, scan

ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", "\\": b"\\"}
Headers = tuple[tuple[str, bytes | None], ...]


class Outgoing(NamedTuple):
    """A record to be produced; None lets the producer choose."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp: int | None = None
    partition: int | None = None


class Incoming(NamedTuple):
    """A consumed record and where it lay."""

    topic: str
    partition: int
    record: batch.Record | scan.Record


def rfc3339(timestamp_ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)  # a client may have written any number
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


TOKENS: dict[str, Callable[[Incoming], bytes]] = {
    "k": lambda i: i.record.key or b"",
    "v": lambda i: i.record.value or b"",
    "h": lambda i: b",".join(k.encode() + b"=" + (v or b"") for k, v in i.record.headers),
    "t": lambda i: i.topic.encode(),
    "p": lambda i: b"%d" % i.partition,
    "o": lambda i: b"%d" % i.record.offset,
    "d": lambda i: rfc3339(i.record.timestamp).encode(),
    "T": lambda i: b"%d" % i.record.timestamp,
    "S": lambda i: b"%d" % (-1 if i.record.value is None else len(i.record.value)),
    "K": lambda i: b"%d" % (-1 if i.record.key is None else len(i.record.key)),
}


def parse_format(text: str, *, tokens: str = "".join(TOKENS)) -> list[bytes | str]:
    """Literal bytes and token letters, in order. Raises CommandError (usage)."""
    parts: list[bytes | str] = []
    for match in re.finditer(r"%(.?)|\\(.?)|([^%\\]+)", text, re.DOTALL):
        token, escape, literal = match.groups()
        if literal is not None:
            parts.append(literal.encode())
        elif token == "%":
            parts.append(b"%")
        elif token is not None:
            if token == "" or token not in tokens:
                raise CommandError(f"unknown %{token} in the format {text!r}", Exit.USAGE)
            parts.append(token)
        elif escape in ESCAPES:
            parts.append(ESCAPES[escape])
        else:
            raise CommandError(f"unknown \\{escape} in the format {text!r}", Exit.USAGE)
    return parts


def formatter(text: str) -> Callable[[Incoming], bytes]:
    """A function from a consumed record to what its format string prints."""
    parts = [part if isinstance(part, bytes) else TOKENS[part] for part in parse_format(text)]

    def render(incoming: Incoming) -> bytes:
        return b"".join(part if isinstance(part, bytes) else part(incoming) for part in parts)

    return render


def line_parser(text: str) -> Callable[[bytes], Outgoing]:
    r"""A function from one line of input to a record, by a format such as `%k\t%v`.

    A field ends where the text after it begins; the last one takes the rest of the line.
    """
    parts = parse_format(text.removesuffix("\\n"), tokens="kvpT")
    pattern = b"".join(
        re.escape(part) if isinstance(part, bytes) else b"(?P<%s>.*?)" % part.encode()
        for part in parts
    )
    names = [part for part in parts if isinstance(part, str)]
    if len(set(names)) != len(names) or "v" not in names:
        raise CommandError(f"the format {text!r} must have one %v and no field twice", Exit.USAGE)
    compiled = re.compile(pattern + rb"\Z", re.DOTALL)

    def parse(line: bytes) -> Outgoing:
        match = compiled.match(line)
        if match is None:
            raise CommandError(f"a line does not have the format {text!r}: {line[:80]!r}")
        found = match.groupdict()
        try:
            partition = int(found["p"]) if "p" in found else None
            timestamp = int(found["T"]) if "T" in found else None
        except ValueError as error:
            raise CommandError(f"not a number in {line[:80]!r}") from error
        return Outgoing(found["v"], key=found.get("k"), partition=partition, timestamp=timestamp)

    return parse


def to_json(incoming: Incoming) -> str:
    """One line of JSON that `from_json` reads back to the same key, value, headers and time."""
    record = incoming.record
    fields: dict[str, object] = {
        "topic": incoming.topic,
        "partition": incoming.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
    }
    for name, data in (("key", record.key), ("value", record.value)):
        put_bytes(fields, name, data)
    headers = []
    for key, value in record.headers:
        header: dict[str, object] = {"key": key}
        put_bytes(header, "value", value)
        headers.append(header)
    fields["headers"] = headers
    return json.dumps(fields, ensure_ascii=False)


def put_bytes(fields: dict[str, object], name: str, data: bytes | None) -> None:
    try:
        fields[name] = None if data is None else data.decode()
    except UnicodeDecodeError:
        assert data is not None
        fields[f"{name}_base64"] = base64.b64encode(data).decode()


def from_json(line: bytes) -> Outgoing:
    """A record from a line of `to_json`, or from any object with a `value`; the rest may lack.

    A value that is not a string is kept as its JSON text. Raises CommandError.
    """
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or not {"value", "value_base64"} & fields.keys():
            raise ValueError("an object with a value is needed")
        headers = fields.get("headers") or []
        pairs = headers.items() if isinstance(headers, dict) else map(header_of, headers)
        return Outgoing(
            take_bytes(fields, "value"),
            key=take_bytes(fields, "key"),
            headers=tuple(
                (str(key), value if isinstance(value, bytes | None) else str(value).encode())
                for key, value in pairs
            ),
            timestamp=take_number(fields, "timestamp"),
        )
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise CommandError(f"not a record: {line[:80]!r}: {error}") from error


def header_of(header: object) -> tuple[str, bytes | None]:
    if isinstance(header, dict):
        return str(header["key"]), take_bytes(header, "value")
    key, value = as_pair(header)
    return str(key), None if value is None else str(value).encode()


def as_pair(header: object) -> Sequence[object]:
    if not isinstance(header, list) or len(header) != 2:
        raise ValueError("a header is a key and a value")
    return header


def take_bytes(fields: dict[str, object], name: str) -> bytes | None:
    encoded = fields.get(f"{name}_base64")
    if encoded is not None:
        return base64.b64decode(str(encoded), validate=True)
    value = fields.get(name)
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def take_number(fields: dict[str, object], name: str) -> int | None:
    value = fields.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{name} is not a number")
    return value
