"""Says at the end of a run which processes tests have left behind, and ends them; who runs the tests waits for none of them."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

__all__ = ["Leftovers"]

GRACE = 5.0
"""Seconds in which what was told to end may do so."""


class Leftovers:
    """A plugin of pytest: each process that ran tests tells what is left, and the one that writes the summary writes it."""

    def __init__(self) -> None:
        self._told: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.config.pluginmanager.hasplugin("dsession"):  # its children are those that ran the tests
            return
        left = _end_children()
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["left_behind"] = left
        else:
            self._told += left

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._told += getattr(node, "workeroutput", {}).get("left_behind", [])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._told:
            terminalreporter.section("processes that tests left behind")
            for line in self._told:
                terminalreporter.line(line)


def _end_children() -> list[str]:
    """What the children of this process are called that didn't end by themselves. Those of multiprocessing end with us."""
    children = [child for child in psutil.Process().children(recursive=True) if not _is_ours(child)]
    _, left = psutil.wait_procs(children, timeout=GRACE)
    names = [f"{child.pid}: {_command(child)}" for child in left]
    for child in left:
        child.kill()
    psutil.wait_procs(left, timeout=GRACE)
    return names


def _is_ours(process: psutil.Process) -> bool:
    command = _command(process)
    return "multiprocessing.forkserver" in command or "multiprocessing.resource_tracker" in command


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:300] or process.name()
    except psutil.Error:
        return "ended"
