"""The `headrace` command. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that the process was started with, and leave with its exit code."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - closed by who started the process
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal that isn't UTF-8 can't show
    try:
        from headrace.cli.entry import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the command itself is loaded
        print("stopped", file=sys.stderr)  # noqa: T201
        code = 130
    sys.exit(code)
