"""The exception tree, Kafka's codes, and the table from statuses of the core to exceptions."""

import errno
import pickle
import subprocess
import sys

import pytest
from kio.schema import errors as kio

import meghna
from meghna import errors
from meghna._native import failures
from meghna.errors import Error, ErrorCode


def tree(root: type[Error]) -> list[type[Error]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in tree(child))]


def test_everything_raised_on_purpose_is_one_tree() -> None:
    assert meghna.Error is Error
    exported = {getattr(errors, name) for name in errors.__all__}
    # What other modules derive for themselves is in the tree as well, once they are imported.
    here = {kind for kind in tree(Error) if kind.__module__ == errors.__name__}
    assert exported - {ErrorCode} == here


@pytest.mark.parametrize("kind", tree(Error), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_and_says_whether_to_try_again(kind: type[Error]) -> None:
    error = kind("why")
    assert error.code is kind.default_code
    assert isinstance(error.retriable, bool)
    assert str(error) == "why"
    assert kind(code=ErrorCode.NOT_COORDINATOR).code is ErrorCode.NOT_COORDINATOR


def test_an_error_survives_pickling() -> None:
    error = errors.StorageError("no", code=ErrorCode.LOG_DIR_NOT_FOUND, os_error=errno.EIO)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.code, copy.os_error) == ("no", error.code, errno.EIO)


def test_retriable_follows_the_code_but_where_the_same_again_cannot_help() -> None:
    assert errors.PeerError(code=ErrorCode.NOT_LEADER_OR_FOLLOWER).retriable
    assert not errors.PeerError(code=ErrorCode.INVALID_REQUEST).retriable
    assert ErrorCode.CORRUPT_MESSAGE.is_retriable
    assert not errors.CorruptDataError().retriable
    assert errors.WouldBlockError().retriable


def test_codes_names_and_retries_are_those_that_kio_derived_from_kafka() -> None:
    for theirs in kio.ErrorCode:
        ours = ErrorCode(theirs.value)
        assert ours.name == theirs.name.upper()
        assert ours.is_retriable == theirs.retriable


def test_codes_have_no_gap_and_no_double() -> None:
    assert [int(code) for code in ErrorCode] == list(range(-1, len(ErrorCode) - 1))
    assert int(ErrorCode.SHARE_SESSION_LIMIT_REACHED) == 133


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("MG_CORRUPT", errors.CorruptDataError),
        ("MG_TOO_LARGE", errors.TooLargeError),
        ("MG_OUT_OF_RANGE", errors.OutOfRangeError),
        ("MG_UNSUPPORTED", errors.UnsupportedError),
        ("MG_IO", errors.StorageError),
        ("MG_NO_SPACE", errors.NoSpaceError),
        ("MG_NO_MEMORY", MemoryError),
        ("MG_NOT_FOUND", errors.NotFoundError),
        ("MG_CLOSED", errors.ClosedError),
        ("MG_BUSY", errors.BusyError),
        ("MG_WOULD_BLOCK", errors.WouldBlockError),
    ],
)
def test_every_status_of_the_core_has_its_exception(status: str, kind: type[Exception]) -> None:
    error = failures.exception_for(status, 0, "")
    assert type(error) is kind
    assert str(error) == status
    assert str(failures.exception_for(status, 0, "the detail")) == "the detail"


def test_a_storage_error_carries_the_errno() -> None:
    error = failures.exception_for("MG_IO", errno.EIO, "pwritev")
    assert isinstance(error, errors.StorageError)
    assert error.os_error == errno.EIO


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pyarrow', 'zstandard', 'asyncio', 'meghna.errors'}"
    program = f"import sys, meghna; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_unknown_names_of_the_package_are_attribute_errors() -> None:
    assert "Error" in dir(meghna)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = meghna.nonsense
