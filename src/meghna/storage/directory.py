"""The data directory itself: one holder at a time, a mark of who it belongs to, a clean mark.

Taking it: lock `.lock`, look at what lies there, read or write `meta.properties`, note whether the
last stop was clean and take that mark away before anything else happens (a crash while the logs are
opened is an unclean stop, too). Giving it back writes the mark last, when every log is closed.

The lock is of the kind that belongs to the open file (F_OFD_SETLK, else flock), so it goes with the
process however that ends, and a second open in the same process does not release it.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import os
import re
import struct
import sys
from dataclasses import dataclass, replace

from meghna.errors import Error
from meghna.storage.checkpoint import replace_file, sync_directory

METADATA_PARTITION = "__cluster_metadata-0"

_LOCK = ".lock"
_META = "meta.properties"
_CLEAN_MARK = ".kafka_cleanshutdown"
_CLEAN_MARK_CONTENT = b'{"version":0,"brokerEpoch":-1}'
_META_VERSIONS = ("0", "1")
_FIRST_NODE = 1  # of a directory that is made without being told; `meghna serve` has the same

# struct flock of 64-bit Linux: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")
_F_OFD_SETLK = 37

# Names that other tools leave in an otherwise empty directory.
_HARMLESS = frozenset({"lost+found", ".gitignore", ".gitkeep", ".DS_Store"})
_PARTITION_DIRECTORY = re.compile(r"(?P<topic>[a-zA-Z0-9._-]{1,249})-(?P<index>\d{1,10})")
_LEFTOVER_DIRECTORY = re.compile(r".+\.[0-9a-f]{32}-(delete|future|stray)")


class DirectoryError(Error):
    """The data directory cannot be taken; the message says why and what can be done."""


class DirectoryLockedError(DirectoryError):
    """Another process holds the data directory."""

    @property
    def retriable(self) -> bool:
        """True: the other process will end."""
        return True


@dataclass(frozen=True, slots=True)
class Identity:
    """What meta.properties says: whose directory it is."""

    cluster_id: str
    node_id: int
    directory_id: str


class DataDirectory:
    """A data directory that this process holds, from `take` to `release`, or only looks at."""

    __slots__ = ("_lock", "identity", "is_new", "path", "was_clean")

    def __init__(
        self, path: str, lock: int | None, identity: Identity, *, new: bool, clean: bool
    ) -> None:
        self.path = path
        self.identity = identity
        self.is_new = new
        self.was_clean = clean
        self._lock = lock

    @classmethod
    def take(
        cls, path: str, *, node_id: int | None = None, cluster_id: str | None = None
    ) -> DataDirectory:
        """Hold `path`, made if it is not there. None: whatever node or cluster it belongs to.

        Raises:
            DirectoryLockedError: naming the process that holds it.
            DirectoryError: it belongs to something else, to another node or to another cluster.
            OSError: the disk's.
        """
        path = os.path.abspath(path)
        os.makedirs(path, exist_ok=True)
        _refuse_foreign(path)
        lock = _lock(path)
        try:
            found = _read_identity(path)
            identity = found or _make_identity(
                path, node_id=_FIRST_NODE if node_id is None else node_id, cluster_id=cluster_id
            )
            _check_identity(path, identity, node_id=node_id, cluster_id=cluster_id)
            if not identity.directory_id:
                identity = _given_id(path, identity)
            clean = _take_clean_mark(path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock, identity, new=found is None, clean=clean or found is None)

    @classmethod
    def look(cls, path: str) -> DataDirectory:
        """Look at `path` beside whoever holds it: nothing is locked, nothing written.

        `was_clean` says that nobody holds it and that the last stop was clean.

        Raises:
            DirectoryError: there is no such directory, or it holds something else, or nothing yet.
            OSError: the disk's.
        """
        path = os.path.abspath(path)
        try:
            clean = os.path.exists(os.path.join(path, _CLEAN_MARK))
            identity = _read_identity(path)
            if identity is None:
                _refuse_foreign(path)
        except (FileNotFoundError, NotADirectoryError):
            raise DirectoryError(f"{path} is no directory") from None
        if identity is None:
            raise DirectoryError(f"{path} holds no data yet (no {_META})")
        return cls(path, None, identity, new=False, clean=clean)

    @property
    def has_metadata(self) -> bool:
        return os.path.isdir(os.path.join(self.path, METADATA_PARTITION))

    def partition_path(self, topic: str, index: int) -> str:
        return os.path.join(self.path, f"{topic}-{index}")

    def partitions(self) -> dict[tuple[str, int], str]:
        """The partition directories that lie here, by topic and index."""
        found = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                match = _PARTITION_DIRECTORY.fullmatch(entry.name)
                if match and entry.name != METADATA_PARTITION and entry.is_dir():
                    found[match["topic"], int(match["index"])] = entry.path
        return found

    def leftovers(self) -> list[str]:
        """Directories of deleted partitions that a stop left behind."""
        with os.scandir(self.path) as entries:
            return [
                entry.path
                for entry in entries
                if entry.name.endswith("-delete") and _LEFTOVER_DIRECTORY.fullmatch(entry.name)
            ]

    def mark_clean(self) -> None:
        """Say that every log was closed and every checkpoint written. The last thing of all."""
        assert self._lock is not None, "the directory is not held"
        path = os.path.join(self.path, _CLEAN_MARK)
        with open(path, "wb") as file:
            file.write(_CLEAN_MARK_CONTENT)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self.path)

    def release(self) -> None:
        """Let another process have it. May be called twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _refuse_foreign(path: str) -> None:
    with os.scandir(path) as entries:
        names = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    if _META in names or f"{_META}.tmp" in names:
        # Kafka refuses to start where a directory is no partition's: keep to that, so that the
        # directory can always be given back to it.
        for name, is_directory in names.items():
            if is_directory and not _is_partition_name(name) and name not in _HARMLESS:
                raise DirectoryError(
                    f"{path}: the directory {name} in it is no partition; move it elsewhere"
                )
    elif names.keys() - _HARMLESS - {_LOCK}:
        example = sorted(names.keys() - _HARMLESS - {_LOCK})[0]
        raise DirectoryError(
            f"{path} is not empty and holds no Meghna or Kafka data (no {_META}; there is "
            f"{example}); name an empty or a new directory"
        )


def _is_partition_name(name: str) -> bool:
    return bool(_PARTITION_DIRECTORY.fullmatch(name) or _LEFTOVER_DIRECTORY.fullmatch(name)) or (
        name == "remote-log-index-cache"
    )


def _lock(path: str) -> int:
    file = os.path.join(path, _LOCK)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if sys.platform == "linux":
            fcntl.fcntl(descriptor, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
        else:
            # Belongs to the open file, too, and meets other programs' locks by fcntl there.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        holder = _lock_holder(file)
        who = f"process {holder}" if holder else "another process"
        what_to_do = "stop it, or name another directory"
        if holder == os.getpid():
            who += ", this one"
            what_to_do = "use what was opened before, or close it first"
        raise DirectoryLockedError(f"{path} is in use by {who}; {what_to_do}") from None
    # The number is for people and for the message above; only the lock itself decides.
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _lock_holder(file: str) -> int | None:
    try:
        with open(file, "rb") as lock:
            text = lock.read(16).strip()
        holder = int(text) if text.isdigit() else 0
        if holder > 0:
            os.kill(holder, 0)  # only asks whether there is such a process
    except PermissionError:
        return holder
    except (OSError, OverflowError):
        return None
    return holder or None


def _take_clean_mark(path: str) -> bool:
    try:
        os.unlink(os.path.join(path, _CLEAN_MARK))
    except FileNotFoundError:
        return False
    sync_directory(path)
    return True


# ---- meta.properties ----


def _read_identity(path: str) -> Identity | None:
    try:
        with open(os.path.join(path, _META), encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except FileNotFoundError:
        return None
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#!")
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    version = facts.get("version", "0")
    node_id = facts.get("node.id", facts.get("broker.id", ""))
    if version not in _META_VERSIONS or not node_id.isdecimal() or not facts.get("cluster.id"):
        raise DirectoryError(f"{path}/{_META} is not of a version that can be read ({version})")
    return Identity(
        cluster_id=facts["cluster.id"].replace("\\", ""),
        node_id=int(node_id),
        directory_id=facts.get("directory.id", ""),
    )


def _given_id(path: str, found: Identity) -> Identity:
    """Kafka has ids of directories since 3.7, and also gives one to a directory without."""
    directory_id = random_id_text()
    with open(os.path.join(path, _META), "rb") as file:
        text = file.read()
    line = f"directory.id={directory_id}\n"
    replace_file(os.path.join(path, _META), text.rstrip() + f"\n{line}".encode())
    return replace(found, directory_id=directory_id)


def _make_identity(path: str, *, node_id: int, cluster_id: str | None) -> Identity:
    identity = Identity(
        cluster_id=cluster_id or random_id_text(), node_id=node_id, directory_id=random_id_text()
    )
    text = (
        "#\n"
        f"cluster.id={identity.cluster_id}\n"
        f"directory.id={identity.directory_id}\n"
        f"node.id={identity.node_id}\n"
        "version=1\n"
    )
    replace_file(os.path.join(path, _META), text.encode())
    return identity


def _check_identity(
    path: str, found: Identity, *, node_id: int | None, cluster_id: str | None
) -> None:
    if node_id not in (None, found.node_id):
        raise DirectoryError(
            f"{path} belongs to node {found.node_id}, and this is node {node_id}; "
            f"set node.id={found.node_id}, or name another directory"
        )
    try:
        id_bytes(found.directory_id or random_id_text())
    except ValueError:
        raise DirectoryError(f"{path}/{_META}: {found.directory_id} is no directory.id") from None
    if cluster_id is not None and found.cluster_id != cluster_id:
        raise DirectoryError(
            f"{path} belongs to cluster {found.cluster_id}, and {cluster_id} was asked for"
        )


def random_id() -> bytes:
    """A random id as Kafka makes them: a version 4 UUID whose text does not begin with a dash."""
    while True:
        made = bytearray(os.urandom(16))
        made[6] = (made[6] & 0x0F) | 0x40
        made[8] = (made[8] & 0x3F) | 0x80
        if id_text(bytes(made))[0] != "-":
            return bytes(made)


def random_id_text() -> str:
    return id_text(random_id())


def id_text(value: bytes) -> str:
    """An id as Kafka writes it: 22 letters of URL-safe base64."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def id_bytes(text: str) -> bytes:
    """The 16 bytes of an id that Kafka wrote.

    Raises:
        ValueError: not the text of an id.
    """
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if len(value) != 16:
        raise ValueError(f"{text!r} is not an id")
    return value
