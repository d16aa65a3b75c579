"""Makes processes for models in milliseconds: one process that has imported what they need, and forks when it is asked to.

Starting Python and importing scikit-learn takes seconds; a fork of a process that has done so takes a few milliseconds and
shares its memory. The service itself can't fork: it has threads.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headrace.errors import StorageError

__all__ = ["ForkServer", "main"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PRELOAD = ("numpy", "pandas", "pyarrow", "headrace.serving.worker")
_LINE = 1 << 20
_LOOK_SECONDS = 0.2


class ForkServer:
    """The service's end. Threads may share it.

    Args:
        modules: imported before the first fork.
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._modules = [*_PRELOAD, *modules]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self) -> tuple[socket.socket, int]:
        """A new process that answers at this socket, and its id. Raises StorageError if none can be made."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                pid = self._ask({"do": "fork"}, theirs)
            except BaseException:
                ours.close()
                raise
        return ours, int(pid)

    def preload(self, modules: Sequence[str]) -> None:
        """Import modules, so that later forks needn't. Those that can't be imported are passed over."""
        self._modules += modules
        self._ask({"do": "import", "modules": list(modules)})

    def kill(self, pid: int) -> None:
        """End one of the processes at once, whatever it does; one that has ended is fine."""
        self._ask({"do": "kill", "pid": pid})

    def close(self) -> None:
        """End it and all its processes."""
        with self._lock:
            self._drop()

    def _ask(self, command: dict[str, Any], passed: socket.socket | None = None) -> Any:
        with self._lock:
            for last in (False, True):
                try:
                    return self._exchange(command, passed)
                except (OSError, ValueError) as error:
                    self._drop()
                    if last:
                        msg = (
                            f"no process for a model can be made: {error}; see whether the machine is out of memory or processes"
                        )
                        raise StorageError(msg) from error
        return None

    def _exchange(self, command: dict[str, Any], passed: socket.socket | None) -> Any:
        control = self._control or self._start()
        line = json.dumps(command).encode() + b"\n"
        if passed is None:
            control.sendall(line)
        else:
            socket.send_fds(control, [line], [passed.fileno()])
        return json.loads(_line(control))

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        code = f"from headrace.serving.forks import main; main({theirs.fileno()}, {self._modules!r})"
        environment = {**dict.fromkeys(_THREADS, "1"), **os.environ}  # a batch is small: threads would cost more than they bring
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        self._control = ours
        _line(ours)  # it says when it has imported
        return ours

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _line(control: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = control.recv(_LINE)
        if not piece:
            msg = "the process that makes them has ended"
            raise OSError(msg)
        data += piece
    return data


def main(descriptor: int, modules: Sequence[str]) -> None:
    """The other end: import, then fork, kill and import as told, until the service is gone; its processes go with it."""
    os.dup2(2, 1)  # what a model prints must not get between the lines of the service
    control = socket.socket(fileno=descriptor)
    _import(modules)
    gc.freeze()
    children: set[int] = set()
    try:
        control.sendall(b"0\n")
        while (command := _next(control, children)) is not None:
            _obey(command, control, children)
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _next(control: socket.socket, children: set[int]) -> tuple[dict[str, Any], list[int]] | None:
    """The next command, with the descriptors that came along; None when the service is gone."""
    data, passed = b"", list[int]()
    while not data.endswith(b"\n"):
        if not select.select([control], [], [], _LOOK_SECONDS)[0]:
            _reap(children)
            continue
        piece, descriptors, _, _ = socket.recv_fds(control, _LINE, 1)
        if not piece:
            return None
        data, passed = data + piece, [*passed, *descriptors]
    _reap(children)
    return json.loads(data), passed


def _obey(command: tuple[dict[str, Any], list[int]], control: socket.socket, children: set[int]) -> None:
    asked, descriptors = command
    answer = 0
    if asked["do"] == "fork":
        answer = os.fork()
        if not answer:
            _child(control, descriptors[0])
        os.close(descriptors[0])
        children.add(answer)
    elif asked["do"] == "import":
        _import(asked["modules"])
        gc.freeze()
    elif asked["pid"] in children:
        os.kill(asked["pid"], signal.SIGKILL)
    control.sendall(b"%d\n" % answer)


def _child(control: socket.socket, descriptor: int) -> None:
    """The life of a model's process."""
    code = 1
    try:
        control.close()
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")  # out of memory, it's the model that goes, not the service
        from headrace.serving.worker import serve

        serve(socket.socket(fileno=descriptor))
        code = 0
    finally:
        os._exit(code)


def _reap(children: set[int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            children.discard(pid)


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        with contextlib.suppress(Exception):  # it only saves time: who needs the module tells what is wrong with it
            importlib.import_module(name)
