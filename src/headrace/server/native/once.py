"""Carries out a request that bears a name once, however often it comes: a client or a proxy may send it again.

What became of it is a file in the project, so every worker of a server knows it, and one that starts after a crash too. Whoever
carries a request out holds its lock, which is free again when its process dies; a repeat waits for it and gives its answer.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from headrace.errors import HeadraceError, StorageError
from headrace.wire.problems import error_from, error_to
from headrace.wire.values import pack, unpack

__all__ = ["Once"]

KEPT_SECONDS = 3600.0
"""How long an outcome is known: far longer than any client tries."""
_SWEEP_SECONDS = 60.0
log = logging.getLogger("headrace.server")


class Once:
    """Outcomes of requests by their names, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._swept = 0.0
        self._sweeping = threading.Lock()

    def carry_out(self, name: str, work: Callable[[], Any], *, repeatable: bool) -> Any:
        """What `work` returns, plain values; or what it returned, or raised, when the name came before.

        Args:
            repeatable: whether the work changes nothing by being done again, so that it may be after a crash in its middle.

        Raises:
            HeadraceError: what the work raised, now or then.
            StorageError: a server died in the middle of it, and nobody knows how far it was.
        """
        self._sweep()
        path = self._folder / hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        with ExitStack() as held:
            begun, outcome = self._hold(path, held)
            if outcome is not None:
                return _given(outcome)
            if begun and not repeatable:
                msg = (
                    "the server stopped in the middle of this request, and whether it was done isn't known. Look before you send "
                    "it again; rows of an event source with id= count once however often they are pushed"
                )
                raise StorageError(msg)
            try:
                outcome = {"result": work()}
            except HeadraceError as error:
                _keep(path, error_to(error))
                raise
            _keep(path, outcome)
            return outcome["result"]

    def _hold(self, path: Path, held: ExitStack) -> tuple[bool, dict[str, Any] | None]:
        """Take a request's lock and mark it as begun; whether it had been begun before, and what became of it."""
        from filelock import FileLock

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(f"{path}.lock"))
            begun, outcome = path.exists(), _read(path)
            if not begun:
                path.touch()
        except OSError as error:
            msg = f"the folder {self._folder} of the server can't be used: {error.strerror}; check the disk and its permissions"
            raise StorageError(msg) from error
        return begun, outcome

    def _sweep(self) -> None:
        """Now and then, forget what is old."""
        now = time.time()
        if now - self._swept < _SWEEP_SECONDS or not self._sweeping.acquire(blocking=False):
            return
        try:
            self._swept = now
            if self._folder.is_dir():
                for entry in os.scandir(self._folder):
                    with suppress(OSError):
                        if now - entry.stat().st_mtime > KEPT_SECONDS and _is_over(Path(entry.path)):
                            Path(entry.path).unlink(missing_ok=True)
        finally:
            self._sweeping.release()


def _is_over(path: Path) -> bool:
    """Whether nobody is at a request any more."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(path if path.suffix == ".lock" else f"{path}.lock", timeout=0):
            return True
    except Timeout:
        return False


def _read(path: Path) -> dict[str, Any] | None:
    """What became of a request; None if it was never begun, or never finished."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    outcome: dict[str, Any] | None = unpack(data) if data else None
    return outcome


def _keep(path: Path, outcome: dict[str, Any]) -> None:
    made = path.with_suffix(f".{os.getpid()}")
    try:
        made.write_bytes(pack(outcome))
        made.replace(path)
    except OSError:  # what was done is done: whoever asked must hear it, though a repeat won't
        log.exception("the outcome of a request can't be kept in %s", path)


def _given(outcome: dict[str, Any]) -> Any:
    if "result" in outcome:
        return outcome["result"]
    raise error_from(outcome) or StorageError(outcome["detail"])
