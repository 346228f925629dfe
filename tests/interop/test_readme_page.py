"""The newcomer's page: what the program of the README appended, kcat reads from a broker."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.broker import BrokerProcess

pytestmark = pytest.mark.interop

TEXT = (Path(__file__).parents[2] / "README.md").read_text()


def test_kcat_reads_what_the_library_appended(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(import duckdb.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    served, read = re.search(
        r"^(meghna serve --data shop)\n(kcat .*)$", TEXT, re.MULTILINE
    ).groups()  # type: ignore[union-attr]
    assert served.split()[-1] == "shop"
    with BrokerProcess(tmp_path, data=tmp_path / "shop") as broker:
        command = read.replace("127.0.0.1:9092", broker.bootstrap).split()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    # The last three of each of the two partitions.
    assert len(done.stdout.splitlines()) == 6
    assert '{"user":"you","amount":1}' in done.stdout
