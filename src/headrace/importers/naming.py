"""Names of the source that can't be names here."""

from __future__ import annotations

import posixpath
import re

from headrace.errors import InvalidInputError
from headrace.ids import content_hash
from headrace.tracking.rules import LONGEST_KEY, check_artifact_path, check_key

__all__ = ["derived_id", "fit_key", "fit_path", "is_run_id"]

_RUN_ID = re.compile(r"[A-Za-z0-9][\w\-]{0,255}", re.ASCII)
_ODD = re.compile(r"[^/\w.\- :]")
_DIGITS = 8


def is_run_id(text: str) -> bool:
    """Whether a run may have this id."""
    return bool(_RUN_ID.fullmatch(text))


def derived_id(*parts: str) -> str:
    """32 hex digits that are always the same for the same parts."""
    return content_hash(list(parts))[:32]


def fit_key(kind: str, key: str) -> str:
    """The key itself if it may be one of a metric, param or tag, else the nearest that may, distinct for distinct keys."""
    try:
        return check_key(kind, key)
    except InvalidInputError:
        clean = posixpath.normpath(_ODD.sub("_", key)).lstrip("./") or "_"
        return f"{clean[: LONGEST_KEY - _DIGITS - 1]}_{content_hash(key)[:_DIGITS]}"


def fit_path(path: str) -> str:
    """The path itself if it may be one of an artifact, else the nearest that may, distinct for distinct paths."""
    try:
        return check_artifact_path(path)
    except InvalidInputError:
        clean = "".join(char if char >= " " and char != "\\" else "_" for char in path)
        parts = [part for part in clean.split("/") if part not in ("", ".", "..")]
        return "/".join([content_hash(path)[:_DIGITS], *parts])[-900:].lstrip("/")
