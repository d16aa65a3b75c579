"""Definitions as the catalog holds them: immutable, numbered, hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headrace.definitions.group import FeatureGroup
from headrace.definitions.view import FeatureView

__all__ = ["DefinitionVersion", "GroupVersion", "Kind", "ViewVersion", "parse_reference"]

Kind = Literal["entity", "source", "group", "view"]


@dataclass(frozen=True, slots=True)
class DefinitionVersion:
    """One stored version of a definition.

    Attributes:
        hash: SHA-256 over the spec and over the versions it refers to; equal hashes mean equal meaning.
        spec: what `to_spec` gave, plus `"refs"`: the versions that it refers to, `{"group:user_taste": 2}`.
        created: microseconds since 1970.
    """

    kind: Kind
    name: str
    version: int
    hash: str
    spec: Mapping[str, Any]
    created: int
    author: str = ""


@dataclass(frozen=True, slots=True)
class GroupVersion:
    """A feature group at one version."""

    group: FeatureGroup
    version: int

    @property
    def id(self) -> str:
        """What names it in every store: `user_taste:2`."""
        return f"{self.group.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class ViewVersion:
    """A feature view at one version, with the group versions that it reads."""

    view: FeatureView
    version: int
    groups: Mapping[str, GroupVersion]

    @property
    def id(self) -> str:
        """What names it in every store: `ranking:3`."""
        return f"{self.view.name}:{self.version}"


def parse_reference(reference: str) -> tuple[str, int | None]:
    """`"ranking"` → ("ranking", None); `"ranking:3"` → ("ranking", 3)."""
    name, colon, version = reference.rpartition(":")
    if colon and version.isdigit():
        return name, int(version)
    return reference, None
