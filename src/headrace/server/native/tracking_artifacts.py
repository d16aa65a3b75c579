"""Bytes under their hash for remote stores, a part at a time."""

from __future__ import annotations

import hashlib
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from headrace.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError, StorageError
from headrace.server.endpoint import Endpoint
from headrace.server.native.exchange import Task, quick
from headrace.settings import STATE_FOLDER
from headrace.store import Store

__all__ = ["TRACKING_BYTES"]

LARGEST_PART = 32 << 20
SMALL = 8 << 20
"""A file up to this size is read from the store for each request; a larger one is fetched once, and read from there."""
KEPT_SECONDS = 24 * 3600.0
_UPLOAD = re.compile("[0-9a-f]{32}")
_DIGEST = re.compile("[0-9a-f]{64}")


def _size(task: Task) -> int | None:
    """The size of the bytes with this SHA-256; null if there are none."""
    return task.store.runs.bytes.size(task.arguments["digest"])


def _put(task: Task) -> None:
    """Take a part of a file in; with the last one, keep it if it has the hash that was told."""
    asked = task.arguments
    digest, data = asked["digest"], asked["data"]
    if not _UPLOAD.fullmatch(asked["upload"]) or not _DIGEST.fullmatch(digest) or len(data) > LARGEST_PART:
        msg = f"an upload has a name of 32 hex digits, a SHA-256 and parts of at most {LARGEST_PART:,} bytes"
        raise InvalidInputError(msg)
    if asked["last"] and asked["offset"] == 0:
        _require(digest, hashlib.sha256(data).hexdigest())
        task.store.runs.bytes.put_bytes(data)
        return
    try:
        path = _folder(task.store, "uploads") / asked["upload"]
        _append(path, asked["offset"], data)
        if asked["last"]:
            with path.open("rb") as file:
                _require(digest, hashlib.file_digest(file, "sha256").hexdigest())
            task.store.runs.bytes.put_file(path)
            path.unlink(missing_ok=True)
    except OSError as error:
        msg = f"the server can't keep an upload: {error.strerror}; check its disk"
        raise StorageError(msg) from error


def _get(task: Task) -> dict[str, Any]:
    """A part of the bytes with this SHA-256, and whether it is the last one."""
    digest, offset = task.arguments["digest"], task.arguments["offset"]
    length = min(task.arguments["length"], LARGEST_PART)
    held = task.store.runs.bytes
    size = held.size(digest)
    if size is None or offset < 0 or length < 1:
        msg = f"no artifact with the digest {digest!r}"
        raise NotFoundError(msg)
    if size <= SMALL:
        data = held.get_bytes(digest)[offset : offset + length]
    else:
        path = _folder(task.store, "downloads") / digest
        if not path.exists():
            held.get_file(digest, path)
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        if offset + len(data) >= size:
            path.unlink(missing_ok=True)
    return {"data": data, "last": offset + len(data) >= size}


def _append(path: Path, offset: int, data: bytes) -> None:
    """Write a part at its place; one that came before is written over with the same."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(handle).st_size < offset:
            msg = "the parts of this upload that came before are gone: the server was moved or cleaned; send the file again"
            raise ConflictError(msg)
        written = 0
        while written < len(data):
            written += os.pwrite(handle, data[written:], offset + written)
    finally:
        os.close(handle)


def _require(digest: str, found: str) -> None:
    if digest != found:
        msg = f"the file changed while it was sent: it was said to hash to {digest}, and its bytes hash to {found}; send it again"
        raise IntegrityError(msg)


def _folder(store: Store, name: str) -> Path:
    """A folder of the project for files on their way; what was left there for a day is removed."""
    folder = store.settings.project / STATE_FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(folder):
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime > KEPT_SECONDS:
                Path(entry.path).unlink(missing_ok=True)
    return folder


TRACKING_BYTES = (
    Endpoint("POST", "/api/v1/store/tracking/bytes/size", "runs:read", quick(_size, {"digest": str})),
    Endpoint(
        "POST",
        "/api/v1/store/tracking/bytes/put",
        "runs:write",
        quick(_put, {"upload": str, "digest": str, "offset": int, "data": bytes, "last": bool}),
    ),
    Endpoint("POST", "/api/v1/store/tracking/bytes/get", "runs:read", quick(_get, {"digest": str, "offset": int, "length": int})),
)
"""The routes of artifacts."""
