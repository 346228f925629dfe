"""The tables of docs/PROTOCOL.md say what the handlers say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_document_is_what_the_handlers_declare() -> None:
    command = [sys.executable, str(ROOT / "tools" / "protocol_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
