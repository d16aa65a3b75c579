"""The `headrace` command. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that the process was started with, and leave with its exit code."""
    from headrace.cli.entry import run

    sys.exit(run(sys.argv[1:]))
