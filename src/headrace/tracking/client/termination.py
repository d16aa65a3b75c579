"""Ends the runs that are open when the process is told to stop or reaches its end."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType
from typing import Protocol

__all__ = ["Terminated", "unwatch", "watch"]


class Terminated(SystemExit):
    """SIGTERM came while a run was open. Unwinds the `with` blocks, then ends the process with status 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class _Open(Protocol):
    def end_with(self, error: BaseException | None) -> None:
        """End with the status that this exception, or its absence, means."""
        ...


_lock = threading.RLock()
_open: list[_Open] = []
_installed: list[int] = []
_terminated: list[Terminated] = []


def watch(run: _Open) -> None:
    """End this run at the latest when the process ends. A SIGTERM handler of the program's own stays in charge."""
    with _lock:
        if not _open:
            atexit.register(_end_all, os.getpid())
            _install()
        _open.append(run)


def unwatch(run: _Open) -> None:
    """The run has ended."""
    with _lock:
        if run in _open:
            _open.remove(run)
        if not _open:
            atexit.unregister(_end_all)
            _uninstall()


def _install() -> None:
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)
        _installed.append(os.getpid())


def _uninstall() -> None:
    in_main = threading.current_thread() is threading.main_thread()
    if _installed and in_main and signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _installed.clear()


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    if _installed != [os.getpid()]:  # a forked child: the runs aren't its own
        os._exit(128 + signal.SIGTERM)
    _terminated.append(Terminated())
    raise _terminated[-1]


def _end_all(owner: int) -> None:
    if owner != os.getpid():
        return
    error = _terminated[-1] if _terminated else getattr(sys, "last_value", None)
    for run in reversed(_open.copy()):
        run.end_with(error)
