"""Requests for online features as people type them: `user_id=7 video_id=1,2,3`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.definitions.plain import parse_time
from headrace.errors import InvalidInputError, nearest

__all__ = ["parse_request"]

_BOOLS = {"true": True, "false": False}


def parse_request(pairs: Sequence[str], keys: Mapping[str, str], inputs: Sequence[str]) -> dict[str, Any]:
    """Column to value, or to a list where commas are: join keys by their types, request inputs by what they look like.

    Text that holds a comma is written in quotes: `name='"Doe, J."'`. An empty value is null.

    Raises:
        InvalidInputError: an argument isn't KEY=VALUE, names no column of the request, or isn't of its type; or one is missing.
    """
    asked: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            msg = f"{pair!r} isn't KEY=VALUE; write for example {next(iter(keys), 'user_id')}=7"
            raise InvalidInputError(msg)
        if name not in keys and name not in inputs:
            msg = f"the view takes no {name!r}{nearest(name, [*keys, *inputs])}"
            raise InvalidInputError(msg)
        asked[name] = _column(name, text, keys.get(name, ""))
    missing = [name for name in (*keys, *inputs) if name not in asked]
    if missing:
        msg = f"the request lacks {', '.join(missing)}; write for example {missing[0]}=7"
        raise InvalidInputError(msg)
    return asked


def _column(name: str, text: str, kind: str) -> Any:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return _value(name, text[1:-1], kind)
    if "," in text:
        return [_value(name, part.strip(), kind) for part in text.split(",")]
    return _value(name, text, kind)


def _value(name: str, text: str, kind: str) -> Any:
    if text == "":
        return None
    parse = _PARSERS.get(kind, _guess)
    try:
        return parse(text)
    except (ValueError, KeyError) as error:
        msg = f"{name}={text}: that isn't {kind}"
        raise InvalidInputError(msg) from error


def _guess(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "bool": lambda text: _BOOLS[text.lower()],
    "int32": int,
    "int64": int,
    "float32": float,
    "float64": float,
    "string": str,
    "bytes": str.encode,
    "timestamp": parse_time,
}
