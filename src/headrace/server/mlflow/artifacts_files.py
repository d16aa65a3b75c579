"""How a file is sent: as a download that no browser shows, whole or in part, with the hash of its bytes as its tag."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from urllib.parse import quote

from headrace.server.http import Call, Reply
from headrace.server.placed import ranged_reply
from headrace.tracking.files import Home
from headrace.tracking.run import ArtifactEntry

__all__ = ["media_type_of", "send"]

_TEXT = frozenset(
    "txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ipynb".split()  # noqa: SIM905 - reads better
)
_TEXT_NAMES = frozenset({"MLmodel", "MLproject"})


def send(call: Call, entry: ArtifactEntry, home: Home) -> Reply:
    """A file, or the range of it that was asked for."""
    headers = {
        "content-disposition": _disposition(PurePosixPath(entry.path).name),
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "private, no-cache",
    }
    return ranged_reply(call, home, entry, media_type_of(entry.path), headers)


def media_type_of(path: str) -> str:
    """What MLflow takes a file for, by its name: what people read in an editor is plain text."""
    name = PurePosixPath(path).name
    if name in _TEXT_NAMES or name.rpartition(".")[2] in _TEXT:
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _disposition(name: str) -> str:
    """An attachment of this name. Quotes and line ends never leave their place."""
    if re.fullmatch(r"[\w.\- ()+,=@]+", name, re.ASCII):
        return f'attachment; filename="{name}"' if " " in name or "," in name else f"attachment; filename={name}"
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
