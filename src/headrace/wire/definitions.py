"""Versions of definitions and the catalog's state as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from headrace.catalog.store import CatalogState, Key
from headrace.definitions.version import DefinitionVersion
from headrace.errors import InvalidInputError

__all__ = ["key_from", "state_from", "state_to", "version_from", "version_to"]

_FIELDS = {field.name for field in fields(DefinitionVersion)}
_TYPES: dict[str, type] = {"kind": str, "name": str, "version": int, "hash": str, "spec": dict, "author": str, "basis": int}
_KINDS = ("entity", "source", "group", "view")


def version_to(version: DefinitionVersion) -> dict[str, Any]:
    """A version as plain values."""
    return asdict(version)


def version_from(values: Any) -> DefinitionVersion:
    """The version that `version_to` was given. Raises InvalidInputError for values of another shape."""
    if not isinstance(values, Mapping) or set(values) != _FIELDS or not all(isinstance(values[n], t) for n, t in _TYPES.items()):
        msg = (
            "a version of a definition doesn't have the fields that this release knows; client and server must be of one release"
        )
        raise InvalidInputError(msg)
    return DefinitionVersion(**values)


def key_from(values: Any) -> Key:
    """Kind and name of a definition, from a list of both. Raises InvalidInputError."""
    if not isinstance(values, list) or len(values) != 2 or values[0] not in _KINDS or not isinstance(values[1], str):
        msg = f"{values!r} isn't kind and name of a definition"
        raise InvalidInputError(msg)
    return values[0], values[1]


def state_to(state: CatalogState) -> dict[str, Any]:
    """A state as plain values."""
    heads, removed = ([version_to(version) for version in part.values()] for part in (state.heads, state.removed))
    return {"revision": state.revision, "heads": heads, "removed": removed}


def state_from(values: Any) -> CatalogState:
    """The state that `state_to` was given."""
    heads, removed = ([version_from(version) for version in values[part]] for part in ("heads", "removed"))
    return CatalogState(
        values["revision"],
        {(version.kind, version.name): version for version in heads},
        {(version.kind, version.name): version for version in removed},
    )
