"""Processes that are forked from one that has Headrace imported: tests that kill many start each within a moment.

server = ForkedServer(folder, port); server.kill()      `headrace server`, which listens soon
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from ctypes import c_int
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

__all__ = ["ForkedServer", "forked", "shared_number"]

PRELOAD = [
    "alembic",
    "deltalake",
    "duckdb",
    "headrace.cli.server",
    "headrace.events.group",
    "headrace.features.worker",
    "headrace.online.redis.store",
    "headrace.project",
    "headrace.server.run",
    "headrace.sql.database",
    "lmdb",
    "pandas",
    "uvloop",
]
"""Heavy modules of servers and workers. None of them starts a thread, which no fork would take along."""


def forked(target: Callable[..., object], *arguments: Any) -> BaseProcess:
    """A process that does this, begun."""
    process = _context().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def shared_number(value: int) -> c_int:
    """A number that forked processes share with this one. Nobody locks it: who is killed would never let go of it."""
    return _context().RawValue("i", value)


class ForkedServer:
    """`headrace server` of a project on a port. What it says goes nowhere."""

    def __init__(self, project: Path, port: int) -> None:
        self._process = forked(_serve, ["-C", str(project), "server", "--port", str(port), "--no-access-log"])

    def kill(self) -> None:
        """End it at once."""
        assert self._process.is_alive(), f"headrace server ended by itself with {self._process.exitcode}"
        self._process.kill()
        self._process.join()


def _serve(arguments: list[str]) -> None:
    from headrace.cli.entry import run

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    raise SystemExit(run(arguments))


def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context
