from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from meghna.cli.outcome import CommandError, Exit, concluded


def failing(error: BaseException) -> Exit:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (CommandError("no such topic", Exit.NOT_FOUND), Exit.NOT_FOUND, "no such topic"),
        (CommandError("refused"), Exit.FAILED, "refused"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, ""),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.FAILED, "No space left on device"),
    ],
)
def test_whatever_the_world_does_ends_in_a_code_and_a_sentence(
    error: BaseException, code: Exit, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert concluded(lambda: failing(error)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (f"meghna: {told}\n" if told else "")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(AssertionError):
        concluded(lambda: failing(AssertionError()))


def test_a_reader_that_went_away_is_no_error() -> None:
    program = (
        "import sys; from meghna.cli.outcome import Exit, concluded\n"
        "def run():\n"
        "    for _ in range(100000): print('line')\n"
        "    return Exit.OK\n"
        "sys.exit(concluded(run))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == Exit.OK
