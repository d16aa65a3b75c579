"""What a run prints, kept as a file of it that can be read while it runs; secrets that are known as such are taken out."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from typing import Any

from headrace.capture.redact import redact_text
from headrace.tracking.client.writer import RunWriter

__all__ = ["OUTPUT_FILE", "OutputCapture"]

OUTPUT_FILE = "logs/output.txt"
FIRST_SECONDS, LONGEST_SECONDS = 2.0, 60.0
HEAD_CHARACTERS, TAIL_CHARACTERS = 100_000, 900_000


class OutputCapture:
    """Stands before stdout and stderr: all goes through at once, and a copy of it is kept, its middle left out if it is long."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer
        self._lock = threading.Lock()
        self._head, self._lost, self._new = "", 0, False
        self._tail: deque[str] = deque()
        self._size = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"headrace-output-{writer.run_id[-6:]}", daemon=True)
        self._tees: dict[str, _Tee] = {}

    def start(self) -> None:
        """Begin."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None:
                self._tees[name] = _Tee(stream, self)
                setattr(sys, name, self._tees[name])
        self._thread.start()

    def stop(self) -> None:
        """End, and keep what is there. Whoever stands before us by now stays there."""
        for name, tee in self._tees.items():
            tee.open = False
            if getattr(sys, name) is tee:
                setattr(sys, name, tee.stream)
        self._stop.set()
        self._thread.join(LONGEST_SECONDS)

    def take(self, text: str) -> None:
        """Keep a piece."""
        with self._lock:
            self._new = True
            room = HEAD_CHARACTERS - len(self._head)
            if room > 0:
                self._head += text[:room]
                text = text[room:]
            self._tail.append(text)
            self._size += len(text)
            while self._size > TAIL_CHARACTERS and len(self._tail) > 1:
                gone = len(self._tail.popleft())
                self._lost += gone
                self._size -= gone

    def _run(self) -> None:
        pause = FIRST_SECONDS
        while not self._stop.wait(pause):
            pause = min(pause * 1.5, LONGEST_SECONDS)
            self._keep()
        self._keep()

    def _keep(self) -> None:
        with self._lock:
            text, new, self._new = self._text(), self._new, False
        if new:
            try:
                self._writer.put_files({OUTPUT_FILE: redact_text(text).encode("utf-8", "replace")})
            except Exception as error:  # noqa: BLE001 - what is printed is there all the same
                self._writer.guard.later("output", f"what run {self._writer.run_id} prints couldn't be kept: {error}")

    def _text(self) -> str:
        gap = f"\n… {self._lost:,} characters left out …\n" if self._lost else ""
        return f"{self._head}{gap}{''.join(self._tail)[-2 * TAIL_CHARACTERS :]}"


class _Tee:
    """A stream that is another one, and lets somebody hear."""

    def __init__(self, stream: Any, capture: OutputCapture) -> None:
        self.stream = stream
        self.open = True
        self._owner = os.getpid()
        self._capture = capture

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write text."""
        if self.open and self._owner == os.getpid() and isinstance(text, str):  # a child's prints aren't the run's
            self._capture.take(text)
        written: int = self.stream.write(text)
        return written

    def writelines(self, lines: Any) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)
