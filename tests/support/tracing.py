"""Whether system calls of other processes can be delayed here."""

from __future__ import annotations

import shutil
import subprocess


def can_trace() -> bool:
    if not shutil.which("strace"):
        return False
    done = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-e", "trace=fdatasync", "true"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
