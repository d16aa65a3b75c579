"""How a file is sent: as a download that no browser shows, whole or in part, with the hash of its bytes as its tag."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from urllib.parse import quote

from headrace.ids import new_id
from headrace.server.http import Call, Reply
from headrace.server.placed import pieces
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["media_type_of", "send"]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TEXT = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ipynb".split()  # noqa: SIM905 - reads better
)
_TEXT_NAMES = frozenset({"MLmodel", "MLproject"})


def send(call: Call, entry: ArtifactEntry, home: Home) -> Reply:
    """A file, or the range of it that was asked for."""
    etag = f'"{entry.digest or new_id()}"'  # what is in somebody's bucket may have changed since
    headers = {
        "content-disposition": _disposition(PurePosixPath(entry.path).name),
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
    }
    if etag in call.headers.get("if-none-match", ""):
        return Reply(b"", 304, media_type_of(entry.path), headers)
    asked = call.headers.get("range")
    span = _span(asked, entry.size) if asked and call.headers.get("if-range", etag) == etag else None
    if span is not None and span[0] >= span[1]:
        return Reply(b"", 416, media_type_of(entry.path), {**headers, "content-range": f"bytes */{entry.size}"})
    start, end = span or (0, entry.size)
    if span is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{entry.size}"
    headers["content-length"] = str(end - start)
    body = pieces(call.store, home, entry, start, end)
    return Reply(body, 206 if span is not None else 200, media_type_of(entry.path), headers)


def media_type_of(path: str) -> str:
    """What MLflow takes a file for, by its name: what people read in an editor is plain text."""
    name = PurePosixPath(path).name
    if name in _TEXT_NAMES or name.rpartition(".")[2] in _TEXT:
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None if the header means nothing, and the whole file is sent."""
    match = _RANGE.fullmatch(asked.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return (max(size - int(match[2]), 0), size) if int(match[2]) else (size, size)
    start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    return None if match[2] and int(match[2]) < start else (start, end)


def _disposition(name: str) -> str:
    """An attachment of this name. Quotes and line ends never leave their place."""
    if re.fullmatch(r"[\w.\- ()+,=@]+", name, re.ASCII):
        return f'attachment; filename="{name}"' if " " in name or "," in name else f"attachment; filename={name}"
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
