"""What the server writes: one JSON object a line, for each request and for everything else that it has to say."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import traceback
from typing import BinaryIO

import orjson

from headrace.clock import isoformat

__all__ = ["AccessLog", "log_messages"]

Access = tuple[float, str, str, str, int, float, str | None]
"""Time, request id, method, path, status, seconds, client."""


class AccessLog:
    """A line for each request. They are kept for a moment and written together, so that a request doesn't wait for it.

    Args:
        stream: where lines go; None for nowhere.
    """

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream
        self._waiting: list[Access] = []
        self._writing = threading.Lock()

    def add(self, request_id: str, method: str, path: str, status: int, seconds: float, client: tuple[str, int] | None) -> None:
        """Keep what happened to a request until the next flush."""
        if self._stream is not None:
            self._waiting.append((time.time(), request_id, method, path, status, seconds, client[0] if client else None))

    def flush(self) -> None:
        """Write what waits. Lines that nobody takes, for the reader is gone or the disk is full, are dropped: serving goes on."""
        with self._writing:
            waiting, self._waiting = self._waiting, []
            if self._stream is not None and waiting:
                with contextlib.suppress(OSError):
                    self._stream.write(b"".join(map(_access_line, waiting)))
                    self._stream.flush()


class _Messages(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": isoformat(int(record.created * 1e6)), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line).decode()


def log_messages() -> None:
    """Send the warnings and errors of the server and of uvicorn to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Messages())
    for name in ("headrace", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what it raises


def _access_line(access: Access) -> bytes:
    moment, request_id, method, path, status, seconds, client = access
    line = {"time": isoformat(int(moment * 1e6)), "request_id": request_id, "method": method, "path": path, "status": status}
    return orjson.dumps({**line, "ms": round(seconds * 1000, 3), "client": client}, option=orjson.OPT_APPEND_NEWLINE)
