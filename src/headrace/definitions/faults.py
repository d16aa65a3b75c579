"""What every kind of definition is checked for: names, metadata, types and defaults."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from headrace.arguments import is_text
from headrace.definitions.schema import RESERVED_COLUMNS, TYPES, is_float, is_integer, item_type, vector_size
from headrace.errors import DefinitionError, nearest

__all__ = ["column_fault", "default_fault", "is_finite", "mapping", "metadata_faults", "name_faults", "text_fault", "type_fault"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_UNKEPT = "holds NUL or half of a character, which no catalog can keep; take that out"
_INTEGER_BITS = {"int32": 31, "int64": 63}


def mapping(where: str, value: Any, example: str) -> dict[Any, Any]:
    """A copy of a mapping that a definition is made with. Raises DefinitionError with an example if it isn't one."""
    if not isinstance(value, Mapping):
        msg = f"{where}: {value!r} isn't a dict; write for example {example}"
        raise DefinitionError([msg])
    return dict(value)


def name_faults(where: str, name: Any) -> Iterator[str]:
    """Why `name` can't name an object."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"{where}: {name!r} can't be a name; start with a letter and use letters, digits, '_' and '-'"


def column_fault(name: Any) -> str | None:
    """Why `name` can't name a column or a feature; None if it can."""
    if isinstance(name, str) and not is_text(name):
        return f"{name!r} can't be a name; {_UNKEPT}"
    if not isinstance(name, str) or not name.strip() or ":" in name or "." in name:
        return f"{name!r} can't be a name; it must be text, not be empty, and have no ':' or '.'"
    if name.lower() in RESERVED_COLUMNS:
        return f"the name {name!r} is reserved ({', '.join(RESERVED_COLUMNS)}); choose another"
    return None


def type_fault(kind: Any, *, lists: bool = False) -> str | None:
    """Why `kind` isn't the name of a type; None if it is."""
    if not isinstance(kind, str):
        return f"{kind!r} isn't a type; name one of: {', '.join(TYPES)}"
    item = item_type(kind)
    if kind in TYPES or (lists and item in TYPES) or vector_size(kind) is not None:
        return None
    if kind.partition("[")[0] == "vector":
        return f"unknown type {kind!r}; write a vector with how many numbers it has, up to 99999: vector[64]"
    close = nearest(kind, TYPES)
    known = "" if "there is" in close else f" (there is: {', '.join([*TYPES, 'vector[N]'])})"
    return f"unknown type {kind!r}{close}{known}"


def metadata_faults(where: str, definition: Any) -> Iterator[str]:
    """What is wrong with owner, description and tags."""
    for field in ("owner", "description"):
        fault = text_fault(getattr(definition, field))
        if fault is not None:
            yield f"{where}, {field}: {fault}"
    for key, value in definition.tags.items():
        if not isinstance(key, str) or not isinstance(value, str):
            yield f"{where}, tags: {key!r}: {value!r} must be text to text"
        elif not is_text(key + value):
            yield f"{where}, tags: {key!r}: {value!r} {_UNKEPT}"


def text_fault(value: Any) -> str | None:
    """Why `value` isn't text that a catalog keeps; None if it is."""
    if not isinstance(value, str):
        return f"{value!r} isn't text"
    return None if is_text(value) else f"{value!r} {_UNKEPT}"


def default_fault(value: Any, dtype: str) -> str | None:
    """Why `value` can't stand in for null in a feature of this type; None if it can."""
    size = vector_size(dtype)
    if size is not None and value is not None:
        fits = isinstance(value, list | tuple) and len(value) == size and all(_fits(part, "float32") for part in value)
        return None if fits else f"default={_short(value)} isn't a {dtype}: give a list of {size} numbers"
    item = item_type(dtype)
    if value is None or (item is None and _fits(value, dtype)):
        return None
    if item is not None and isinstance(value, list | tuple) and all(_fits(part, item) for part in value):
        return None
    if (item or dtype) in ("bytes", "timestamp", "date"):
        return f"default={value!r}: a feature of type {dtype} can't have a default"
    return f"default={value!r} isn't a {dtype}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def is_finite(value: Any) -> bool:
    """Whether it is a number that a float can be, and no infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _fits(value: Any, dtype: str) -> bool:
    if is_integer(dtype):
        bound = 1 << _INTEGER_BITS[dtype]
        return isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound
    if is_float(dtype):
        return is_finite(value)
    return isinstance(value, bool) if dtype == "bool" else dtype == "string" and text_fault(value) is None
